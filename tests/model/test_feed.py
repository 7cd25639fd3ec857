"""Reading batches from shards: order, labels, memory."""

from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from model import feed as feeds
from model.feed import BATCHES_AHEAD, Feed, OnlineFeed, ordered_batches, prefetch, shuffled_batches
from pipeline.crops.online import border, crop_with_border, draw, from_copy_to_crop, pad_rows, unpack_crop
from pipeline.crops.policy import AugmentationPolicy
from pipeline.face.camera import project, transform_pose
from pipeline.store.encoding import encode_positions
from pipeline.store.samples import locate
from pipeline.store.shards import list_shards, read_shard, write_shard
from pipeline.uv.scaling import Scaling, to_network

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


POLICY = AugmentationPolicy(
    0, 34, (0.85, 1.2), 0.1, (0.6, 1.4), 0, online=True, mirror=0.5, contrast=(0.6, 1.4), noise=0.06, patches=2
)
POSES = np.random.default_rng(1).normal([0.2, 0.3, 0, 16, 17, 3, 1.5], 0.1, (10, 7)).astype(np.float32)


@pytest.fixture
def compact(tmp_path: Path) -> Path:
    """Two shards of 4 and 6 compact samples, whose photos get ever finer: their JPEGs differ in length."""
    rows, columns = np.mgrid[:60, :60]
    photos = [np.dstack([127 + 100 * np.sin(rows * columns * k / 600)] * 3).astype(np.uint8) for k in range(10)]
    for number, part in enumerate((slice(0, 4), slice(4, 10))):
        datasets = {
            "crop": pad_rows([crop_with_border(photo, np.eye(3), SIZE) for photo in photos[part]]),
            "pose": POSES[part],
            "coefficients": np.arange(30, dtype=np.float32).reshape(10, 3)[part],
            "sample_id": np.array([f"set/{value}" for value in range(10)], object)[part],
        }
        write_shard(tmp_path / f"{number:05d}.h5", datasets, {})
    return tmp_path


def online(compact: Path, to_label=None) -> OnlineFeed:
    return OnlineFeed(locate(list_shards(compact)), 4, POLICY, SIZE, to_label)


def steps_of(feed: OnlineFeed, start: int, count: int, seed: int = 1, growth: int = 0) -> list[dict]:
    batches = feed.endless(seed, start, growth)
    found = list(islice(batches, count))
    batches.close()
    return found


def assert_equal(ours: dict, theirs: dict) -> None:
    assert sorted(ours) == sorted(theirs)
    for name, values in ours.items():
        assert np.array_equal(values, theirs[name]), name
        assert values.dtype == theirs[name].dtype, name


def test_crops_that_fit_and_crops_from_the_disk_make_the_same_batches(compact: Path, monkeypatch):
    resident = online(compact)
    assert resident.crops is not None
    assert resident.crops.shape == (10, SIZE + 2 * border(SIZE), SIZE + 2 * border(SIZE), 3)
    monkeypatch.setattr(feeds, "RESIDENT_BYTES", resident.crops.nbytes - 1)
    from_disk = online(compact)
    assert from_disk.crops is None
    for near, far in zip(steps_of(resident, 0, 7), steps_of(from_disk, 0, 7), strict=True):
        assert np.array_equal(resident.crops[near.pop("index")], far.pop("crop"))
        assert_equal(near, far)
    # And as they were packed.
    packed = read_shard(compact / "00001.h5", ["crop"])["crop"]
    assert np.array_equal(resident.crops[4 + 3], unpack_crop(packed[3]))


@pytest.mark.parametrize("start", [1, 2, 3, 5, 6])
def test_an_online_feed_that_is_resumed_goes_on_as_if_it_had_not_stopped(compact: Path, start: int):
    feed = online(compact)
    whole = steps_of(feed, 0, 8, growth=7)
    for ours, theirs in zip(steps_of(online(compact), start, 8 - start, growth=7), whole[start:], strict=True):
        assert_equal(ours, theirs)


def test_an_epoch_has_the_order_of_stored_samples_and_draws_by_seed_and_number(compact: Path):
    feed = online(compact)
    for seed, epoch in ((1, 0), (1, 1), (2, 1)):
        order, drawn = shuffled_batches(10, 4, seed, epoch), draw(POLICY, 10, SIZE, seed, epoch)
        for chosen, batch in zip(order, steps_of(feed, 3 * epoch, 3, seed), strict=True):
            assert np.array_equal(batch["index"], chosen)
            assert np.array_equal(batch["gain"], drawn.gain[chosen])
            assert np.array_equal(batch["mirrored"], drawn.mirrored[chosen])
            assert batch["source"] == pytest.approx(from_copy_to_crop(drawn.move, SIZE)[chosen], rel=1e-5)
            assert np.array_equal(batch["coefficients"], chosen[:, None] * 3 + [[0, 1, 2]])
            assert {values.dtype for name, values in batch.items() if values.dtype.kind == "f"} == {np.dtype("f4")}


def test_the_camera_of_a_batch_is_that_of_the_moved_pose(compact: Path):
    (batch,) = steps_of(online(compact), 0, 1)
    point, moves = np.array([3.0, -2, 5]), draw(POLICY, 10, SIZE, 1, 0).move
    for camera, number in zip(batch["camera"], batch["index"], strict=True):
        pose = transform_pose(POSES[number], SIZE, moves[number], SIZE)
        expected = project(point, pose, SIZE)
        assert (camera[:, :3] @ point + camera[:, 3])[:2] == pytest.approx(expected[:2], abs=1e-4)


def test_an_augmentation_grows_within_its_steps_and_is_whole_from_then_on(compact: Path):
    feed = online(compact)
    grown, whole = steps_of(feed, 0, 12, growth=6), steps_of(feed, 0, 12)
    # Three steps an epoch: nothing in the first, half in the second, all from the third on.
    assert all(np.abs(batch["gain"] - 1).max() == 0 and not batch["patch"].any() for batch in grown[:3])
    for ours, theirs in zip(grown[3:6], whole[3:6], strict=True):
        assert ours["contrast"] - 1 == pytest.approx((theirs["contrast"] - 1) / 2, abs=1e-6)
    for ours, theirs in zip(grown[6:], whole[6:], strict=True):
        assert_equal(ours, theirs)


def test_labels_that_no_step_makes_are_made_of_the_moved_cameras_and_the_coefficients(compact: Path):
    def to_label(cameras, coefficients):
        return np.concatenate([cameras.reshape(len(cameras), -1), coefficients], axis=1)

    for plain, labelled in zip(steps_of(online(compact), 0, 5), steps_of(online(compact, to_label), 0, 5), strict=True):
        label = labelled.pop("label")
        assert np.array_equal(label, to_label(plain.pop("camera"), plain.pop("coefficients")))
        assert_equal(plain, labelled)
