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
