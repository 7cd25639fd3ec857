"""Reading batches from shards: order, labels, memory."""

from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from model.feed import BATCHES_AHEAD, Feed, ordered_batches, prefetch, shuffled_batches
from model.scaling import Scaling, to_network
from pipeline.store.encoding import encode_positions
from pipeline.store.samples import locate
from pipeline.store.shards import list_shards, write_shard

SIZE = 32
MASK = np.ones((SIZE, SIZE), bool)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards of 4, 1 and 5 samples; sample k has an image full of k and x = y = k, z = 30 + k."""
    first = 0
    for number, samples in enumerate((4, 1, 5)):
        values = np.arange(first, first + samples)
        maps = np.zeros((samples, SIZE, SIZE, 3)) + values[:, None, None, None] + [0, 0, 30]
        datasets = {
            "image": np.zeros((samples, SIZE, SIZE, 3), np.uint8) + values[:, None, None, None].astype(np.uint8),
            "position_map": encode_positions(maps, SIZE),
            "sample_id": np.array([f"set/{value}" for value in values], object),
        }
        write_shard(tmp_path / f"{number:05d}.h5", datasets, {})
        first += samples
    return tmp_path


def make_feed(folder: Path, batch_size: int = 4) -> Feed:
    return Feed(locate(list_shards(folder)), batch_size, lambda maps: to_network(maps, Scaling("tanh", SIZE), MASK))


def test_a_batch_holds_photos_from_0_to_1_and_centred_labels(folder: Path):
    batch = next(make_feed(folder).ordered())
    photos, labels = batch["photo"], batch["label"]
    assert photos.dtype == labels.dtype == np.float32
    np.testing.assert_allclose(photos[:, 0, 0, 0], np.arange(4) / 255, rtol=1e-6)
    np.testing.assert_allclose(labels[:, 3, 3, 0], (np.arange(4) - 15.5) / 16, rtol=1e-6)
    np.testing.assert_allclose(labels[..., 2], 0, atol=1e-6)


def test_an_ordered_pass_has_every_sample_once_and_a_short_last_batch(folder: Path):
    photos = [batch["photo"] for batch in make_feed(folder).ordered()]
    assert [len(batch) for batch in photos] == [4, 4, 2]
    np.testing.assert_allclose(np.concatenate(photos)[:, 0, 0, 0] * 255, np.arange(10), atol=1e-4)


def test_an_epoch_depends_on_seed_and_number_alone_and_has_every_sample_in_full_batches(folder: Path):
    def seen(seed: int, epoch: int) -> list[int]:
        batches = [batch["photo"][:, 0, 0, 0] for batch in islice(make_feed(folder).endless(seed, 3 * epoch), 3)]
        assert [len(batch) for batch in batches] == [4, 4, 4]
        return np.rint(np.concatenate(batches) * 255).astype(int).tolist()

    first = seen(1, 0)
    assert first == seen(1, 0)
    assert sorted(first[:10]) == list(range(10))
    assert first[10:] == first[:2]
    assert first[:10] != seen(1, 1)[:10]
    assert first[:10] != seen(2, 0)[:10]


def test_fewer_samples_than_a_batch_still_fill_one():
    assert sorted(shuffled_batches(2, 5, 0, 0).ravel().tolist()) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    assert [batch.tolist() for batch in ordered_batches(2, 5)] == [[0, 1]]


def test_prefetching_keeps_the_order_and_reads_only_a_few_ahead():
    read = []

    def square(value: int) -> int:
        read.append(value)
        return value * value

    results = prefetch(square, count())
    assert list(islice(results, 20)) == [value * value for value in range(20)]
    results.close()
    assert len(read) <= 20 + BATCHES_AHEAD


def test_an_error_while_reading_reaches_the_reader(folder: Path):
    feed = make_feed(folder)
    (folder / "00001.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"00001\.h5"):
        list(feed.ordered())


def test_batches_from_a_step_on_are_those_of_a_feed_that_was_never_stopped(folder: Path):
    def steps(start: int, count: int) -> list[np.ndarray]:
        return [batch["photo"] for batch in islice(make_feed(folder).endless(1, start), count)]

    whole = steps(0, 8)
    for start in (1, 2, 3, 5):
        for ours, theirs in zip(steps(start, 3), whole[start:], strict=False):
            assert np.array_equal(ours, theirs)
