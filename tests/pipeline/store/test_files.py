"""What is said of files that can't be written."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.store.files import naming, write_bytes


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free the disk, and run it again."),
        (errno.EDQUOT, "Free the disk, and run it again."),
        (errno.EACCES, "Free the folder, or name another one."),
        (errno.EROFS, "Free the folder, or name another one."),
        (errno.ENOENT, "Can files be made there? Name another folder."),
        (errno.EIO, "Can files be made there? Name another folder."),
    ],
)
def test_only_a_full_disk_is_told_as_one(number, advice):
    with pytest.raises(OSError, match="written") as told, naming(Path("some/file.json")):
        raise OSError(number, os.strerror(number))
    assert str(told.value) == f"some/file.json can't be written: {os.strerror(number)}. {advice}"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_place_that_takes_no_files_is_no_full_disk():
    with pytest.raises(OSError, match=r"/proc/x\.json can't be written: .*Can files be made there"):
        write_bytes(Path("/proc/x.json"), b"{}")
