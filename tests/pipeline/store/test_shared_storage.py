"""What another machine has written is waited for until this one sees it, and what never shows up is named."""

import os
import threading

import pytest

from pipeline.store import shared_storage
from pipeline.store.shared_storage import await_files, await_stamped, stamp


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(shared_storage, "LATE_SECONDS", 0.1)
    monkeypatch.setattr(shared_storage, "PAUSE_SECONDS", 0.02)


def later(function, *arguments):
    threading.Timer(0.3, function, arguments).start()


def test_a_file_that_shows_up_late_is_waited_for(tmp_path):
    late = tmp_path / "late"
    later(late.touch)
    await_files([late])
    assert late.is_file()


def test_a_folder_that_shows_up_late_is_waited_for(tmp_path):
    late = tmp_path / "folder" / "late"

    def show():
        late.parent.mkdir()
        late.touch()

    later(show)
    await_files([late])
    assert late.is_file()


def test_a_file_that_never_shows_up_is_named(tmp_path, short):
    with pytest.raises(OSError, match=r"never was made by a worker, but is not here\. Start each worker in the proj"):
        await_files([tmp_path / "never"])


@pytest.mark.parametrize(("content", "seconds"), [(b"longer", 5), (b"old", 4)], ids=["size", "time"])
def test_a_file_that_this_machine_still_sees_as_it_was_is_waited_for(tmp_path, content, seconds):
    path = tmp_path / "shard"
    path.write_bytes(b"new")
    os.utime(path, (5, 5))
    stamps = stamp([path])
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))
    part = tmp_path / "part"
    part.write_bytes(b"new")
    os.utime(part, (5, 5))
    later(part.replace, path)
    await_stamped(stamps)
    assert path.read_bytes() == b"new"


def test_a_file_that_stays_another_is_named(tmp_path, short):
    path = tmp_path / "shard"
    path.write_bytes(b"new")
    stamps = stamp([path])
    path.write_bytes(b"another")
    with pytest.raises(OSError, match=r"shard is not on \S+ what it is where the stage runs\."):
        await_stamped(stamps)
    path.unlink()
    with pytest.raises(OSError, match=r"shard is not on \S+ what it is where the stage runs\."):
        await_stamped(stamps)


def test_parts_of_a_second_are_no_difference(tmp_path, short):
    """Not every machine of a file system keeps them."""
    path = tmp_path / "shard"
    path.write_bytes(b"new")
    os.utime(path, ns=(5_999_999_999, 5_999_999_999))
    stamps = stamp([path])
    os.utime(path, ns=(5_000_000_000, 5_000_000_000))
    await_stamped(stamps)


def test_what_is_missing_where_the_stage_runs_is_named_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none is missing; run the stage that makes it\."):
        stamp([tmp_path / "none"])
