"""Which seed the weights of a run are of, and that they change with those of every other seed."""

import h5py
import pytest

from model.weights import keep_best, read_seeds


def write(folder, **values):
    """A file for each seed, which holds a value."""
    files = {int(name[1:]): folder / f"{name}.weights.h5" for name in values}
    for path, value in zip(files.values(), values.values(), strict=True):
        with h5py.File(path, "w") as file:
            file["value"] = value
    return files


def test_the_best_seed_is_copied_and_the_others_are_named_in_their_order(tmp_path):
    files = write(tmp_path, s3=3.0, s1=1.0, s2=2.0)
    keep_best(tmp_path / "model.weights.h5", files, 1)
    assert read_seeds(tmp_path / "model.weights.h5") == (1, [3, 2])
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file["value"][()] == 1


def test_the_file_changes_with_the_weights_of_any_seed_and_with_nothing_else(tmp_path):
    found = []
    for others in ({"s2": 2.0}, {"s2": 2.0}, {"s2": 2.5}, {}):
        keep_best(tmp_path / "model.weights.h5", write(tmp_path, s1=1.0, **others), 1)
        found.append((tmp_path / "model.weights.h5").read_bytes())
    assert found[0] == found[1]
    assert len(set(found)) == 3


@pytest.mark.parametrize("attributes", [{}, {"seed": 1}, {"seed": 1, "seeds": "{"}, {"seed": 1, "seeds": "3"}])
def test_weights_that_do_not_say_their_seed_are_refused(tmp_path, attributes):
    with h5py.File(tmp_path / "old.weights.h5", "w") as file:
        file.attrs.update(attributes)
    with pytest.raises(ValueError, match=r"old.weights.h5 does not say which seed it is of \(.*\): train it again"):
        read_seeds(tmp_path / "old.weights.h5")
