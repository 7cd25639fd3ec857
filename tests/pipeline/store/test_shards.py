import errno
import hashlib
import re
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from pipeline.store.encoding import accumulate, difference, encode_positions, position_range
from pipeline.store.files import while_unchanged
from pipeline.store.shards import (
    append_images,
    count_samples,
    list_shards,
    read_shard,
    read_stored,
    write_shard,
    writing,
)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return {
        "sample_id": np.array(["AFW/a", "AFW/ü b", "HELEN/c"], object),
        "image": rng.integers(0, 256, (3, 8, 8, 3), np.uint8),
        "position_map": rng.uniform(-80, 340, (3, 8, 8, 3)) * 8 / 256,
        "similarity": rng.normal(size=(3, 3, 3)),
    }


def test_a_shard_reads_back_as_it_was_written(samples, tmp_path):
    positions = samples["position_map"]
    path = tmp_path / "00000.h5"
    write_shard(path, {**samples, "position_map": encode_positions(positions, 8)}, {"stage": "test"})
    back = read_shard(path)
    assert back["sample_id"].tolist() == samples["sample_id"].tolist()
    assert np.array_equal(back["image"], samples["image"])
    assert np.array_equal(back["similarity"], samples["similarity"])
    # Half a step of 1/64 px at 256 px, and float32's rounding.
    assert np.abs(back["position_map"] - positions).max() <= (1 / 128) * 8 / 256 + 1e-6
    assert back["position_map"].dtype == np.float32
    assert count_samples(path) == 3


def test_rows_and_names_can_be_chosen(samples, tmp_path):
    write_shard(tmp_path / "00000.h5", {k: samples[k] for k in ("sample_id", "image")}, {})
    back = read_shard(tmp_path / "00000.h5", ["image"], slice(1, 3))
    assert list(back) == ["image"]
    assert np.array_equal(back["image"], samples["image"][1:])


def test_two_writes_of_the_same_samples_have_the_same_bytes(samples, tmp_path):
    digests = set()
    for name in ("a.h5", "b.h5"):
        write_shard(
            tmp_path / name, {**samples, "position_map": encode_positions(samples["position_map"], 8)}, {"k": 1}
        )
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_fixed_point_refuses_what_it_cannot_hold():
    low, high = position_range(256)
    assert (low, high) == (-384, pytest.approx(640, abs=0.02))
    assert encode_positions(np.array([low, high]), 256).tolist() == [0, 65535]
    for value in (low - 1, high + 1, np.nan, np.inf):
        with pytest.raises(ValueError, match="range"):
            encode_positions(np.array([value]), 256)


def test_a_failed_write_leaves_nothing_under_the_final_name(tmp_path):
    def write_and_fail():
        with writing(tmp_path / "00000.h5") as file:
            file["x"] = 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_images_appended_in_parts_equal_images_written_at_once(samples, tmp_path):
    with writing(tmp_path / "grown.h5") as file:
        for part in (slice(0, 1), slice(1, 3), slice(3, 3)):
            append_images(file, "image", samples["image"][part])
    assert np.array_equal(read_shard(tmp_path / "grown.h5")["image"], samples["image"])


def test_images_pass_from_shard_to_shard_without_being_unpacked(samples, tmp_path):
    write_shard(tmp_path / "a.h5", {"image": samples["image"]}, {})
    write_shard(tmp_path / "b.h5", {"image": read_stored(tmp_path / "a.h5", "image")}, {})
    write_shard(tmp_path / "c.h5", {"image": read_stored(tmp_path / "a.h5", "image")[[2, 0]]}, {})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert np.array_equal(read_shard(tmp_path / "c.h5")["image"], samples["image"][[2, 0]])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_differences_are_small_on_a_ramp_and_exact_on_anything(kind):
    rng = np.random.default_rng(0)
    values = rng.integers(0, np.iinfo(kind).max, (2, 9, 7, 3), kind, endpoint=True)
    assert difference(values).dtype == kind
    assert np.array_equal(accumulate(difference(values)), values)
    ramp = (3 * np.arange(9)[:, None, None] + 5 * np.arange(7)[:, None] + np.zeros(3)).astype(kind)
    assert not difference(ramp)[1:, 1:].any()


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_who_holds_a_reference(samples, tmp_path):
    """A profiler that looks at frames keeps datasets open longer; HDF5 then laid the file out differently."""
    shard = {**samples, "position_map": encode_positions(samples["position_map"], 8)}
    held, stop = [], threading.Event()

    def look_at_frames():
        while not stop.is_set():
            held.append(list(sys._current_frames().values()))
            if len(held) > 50:
                held.clear()

    watcher = threading.Thread(target=look_at_frames, daemon=True)
    digests = {write_shard(tmp_path / "00000.h5", shard, {})}
    watcher.start()
    try:
        digests |= {write_shard(tmp_path / "00000.h5", shard, {}) for _ in range(300)}
    finally:
        stop.set()
        watcher.join()
    assert len(digests) == 1


def test_a_file_is_loaded_again_when_it_has_changed(tmp_path):
    path = tmp_path / "x"
    loads = []
    load = while_unchanged(lambda path: loads.append(path.read_text()) or loads[-1])
    path.write_text("a")
    assert load(path) == load(path) == "a"
    path.write_text("bc")
    assert load(path) == "bc"
    assert loads == ["a", "bc"]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing; run the stage that makes it"):
        load(path)


def test_a_damaged_shard_is_named(tmp_path):
    (tmp_path / "00000.h5").write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match=r"00000.h5 is damaged; delete it"):
        read_shard(tmp_path / "00000.h5")


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no shards"):
        list_shards(tmp_path)


def test_image_like_arrays_are_stored_one_sample_a_chunk(samples, tmp_path):
    write_shard(tmp_path / "00000.h5", {"image": samples["image"]}, {})
    with h5py.File(tmp_path / "00000.h5") as file:
        assert file["image"].chunks == (1, 8, 8, 3)


def reason_of(path, *names):
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        read_shard(path, names or None)
    return str(caught.value)


def test_only_what_is_damaged_is_called_so(samples, tmp_path):
    path = tmp_path / "00000.h5"
    write_shard(path, {name: samples[name] for name in ("sample_id", "image")}, {})
    whole = path.read_bytes()
    with h5py.File(path) as file:
        chunk = file["image"].id.get_chunk_info(0)
    broken = bytearray(whole)
    broken[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    for content in (whole[:3000], b"", b"<html>" * 300, bytes(broken)):
        path.write_bytes(content)
        assert reason_of(path).endswith("is damaged; delete it and run the stage that makes it.")
    path.write_bytes(whole)
    assert "lacks landmarks; run" in reason_of(path, "sample_id", "landmarks")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "may not be read .*another user"),
        (errno.ENOLCK, "can't be locked .*HDF5_USE_FILE_LOCKING"),
        (errno.EIO, "can't be read: Input/output error"),
        (errno.EMFILE, "can't be read: Too many open files"),
    ],
)
def test_another_reason_is_named(samples, tmp_path, monkeypatch, number, reason):
    path = tmp_path / "00000.h5"
    write_shard(path, {"sample_id": samples["sample_id"]}, {})

    def refuse(*_, **__):
        raise OSError(number, "Unable to synchronously open file")

    monkeypatch.setattr(h5py, "File", refuse)
    said = reason_of(path)
    assert re.search(reason, said)
    assert "delete" not in said


def test_a_shard_that_another_process_writes_is_not_called_damaged(samples, tmp_path):
    path = tmp_path / "00000.h5"
    write_shard(path, {"sample_id": samples["sample_id"]}, {})
    code = f"import h5py; file = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as writer:
        writer.stdout.readline()
        assert "is being written by another process" in reason_of(path)
        writer.communicate(b"\n")
    assert len(read_shard(path)["sample_id"]) == 3


def external_storage(file, other):
    file.create_dataset("x", (4,), "u1", external=[(str(other), 0, 4)])


def external_link(file, other):
    file["x"] = h5py.ExternalLink(str(other), "/x")


def link_in_a_group(file, other):
    file.create_group("inner")["x"] = h5py.ExternalLink(str(other), "/x")


def virtual(file, other):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource(str(other), "x", (4,))
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize("make", [external_storage, external_link, link_in_a_group, virtual])
def test_a_file_that_takes_its_data_from_another_is_refused(tmp_path, make):
    other = tmp_path / "secret"
    other.write_bytes(b"abcd")
    path = tmp_path / "00000.h5"
    with h5py.File(path, "w") as file:
        make(file, other)
    assert "keeps x in another file" in reason_of(path)
