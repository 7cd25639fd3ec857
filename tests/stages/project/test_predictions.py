"""Predictions of several seeds in one file, by hand-made maps."""

import numpy as np
import pytest

from pipeline.store.samples import locate
from pipeline.store.shards import read_shard, write_shard
from stages.project.predictions import Predictions, write_predictions

SIZE = 4


@pytest.fixture
def samples(tmp_path):
    """Five samples in two shards, the similarity of each being its number."""
    for shard, rows in (("a", range(2)), ("b", range(2, 5))):
        similarity = np.array([np.full((3, 3), float(row)) for row in rows])
        ids = np.array([f"B/{row}" for row in rows], object)
        write_shard(tmp_path / f"{shard}.h5", {"sample_id": ids, "similarity": similarity}, {})
    return locate([tmp_path / "a.h5", tmp_path / "b.h5"])


def batches(samples, value):
    """The maps of a network that puts out a number, and the sample's beside it."""
    for rows in (samples[:3], samples[3:]):
        maps = [np.full((SIZE, SIZE, 3), value + int(sample.sample_id[2:])) for sample in rows]
        yield rows, np.array(maps, np.float32)


def test_the_maps_of_each_seed_are_read_with_the_similarity_of_their_sample(samples, tmp_path):
    path = tmp_path / "predictions.h5"
    others = ((seed, batches(samples, value)) for seed, value in ((11, -1.0), (2, -2.0)))
    write_predictions(path, 7, batches(samples, 0.0), 5, SIZE, others)
    with Predictions(path) as predictions:
        assert (predictions.seed, predictions.other_seeds) == (7, [2, 11])
        assert [len(values) for values in read_shard(path).values()] == [5] * 5
        for sample in range(5):
            for seed, value in ((None, 0.0), (2, -2.0), (11, -1.0)):
                maps, similarity = predictions.read(f"B/{sample}", seed)
                assert maps == pytest.approx(np.full((SIZE, SIZE, 3), value + sample), abs=0.001)
                assert (similarity == sample).all()


def test_one_seed_has_no_others_and_the_datasets_of_a_shard(samples, tmp_path):
    path = tmp_path / "predictions.h5"
    write_predictions(path, 1, batches(samples, 0.0), 5, SIZE)
    assert set(read_shard(path)) == {"sample_id", "similarity", "position_map"}
    with Predictions(path) as predictions:
        assert (predictions.seed, predictions.other_seeds) == (1, [])


def test_a_seed_with_fewer_maps_than_samples_leaves_no_file(samples, tmp_path):
    path = tmp_path / "predictions.h5"
    with pytest.raises(ValueError, match=r"^position_map_seed_2 of the predictions got 3 for 5 test samples"):
        write_predictions(path, 1, batches(samples, 0.0), 5, SIZE, [(2, batches(samples[:3], 0.0))])
    assert not path.exists()


def test_what_no_shard_can_hold_is_cut_off(samples, tmp_path):
    # Maps of 4 px hold -6 px and 65535 steps of 1/4096 px more.
    path = tmp_path / "predictions.h5"
    maps = np.array([-1e6, np.inf, 1], np.float32) * np.ones((5, SIZE, SIZE, 3), np.float32)
    write_predictions(path, 1, [(samples, maps)], 5, SIZE)
    with Predictions(path) as predictions:
        found, _ = predictions.read("B/3")
    assert found == pytest.approx(np.array([-6, -6 + 65535 / 4096, 1]) * np.ones((SIZE, SIZE, 3)))


def test_volumes_are_kept_in_256_levels_and_read_as_they_are(samples, tmp_path):
    path, volumes = tmp_path / "predictions.h5", np.random.default_rng(0).random((5, 8, 8, 8), np.float32)
    volumes[0, 0, 0, :3] = 0, 1, 0.5
    other = [(3, [(samples, 1 - volumes)])]
    write_predictions(path, 1, [(samples[:3], volumes[:3]), (samples[3:], volumes[3:])], 5, SIZE, other, "volume")
    with Predictions(path) as predictions:
        assert (predictions.kind, predictions.seed, predictions.other_seeds) == ("volume", 1, [3])
        for row in range(5):
            kept, similarity = predictions.read(f"B/{row}")
            assert kept.dtype == np.uint8
            assert np.abs(kept / 255 - volumes[row]).max() < 0.51 / 255
            assert np.abs(predictions.read(f"B/{row}", 3)[0] / 255 - 1 + volumes[row]).max() < 0.51 / 255
            assert (similarity == row).all()
        assert predictions.read("B/0")[0][0, 0, :3].tolist() == [0, 255, 128]
