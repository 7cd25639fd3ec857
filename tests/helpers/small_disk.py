"""A disk that gets full, and what may not be left on it."""

import contextlib
import subprocess

import pytest

from tests.helpers.stage_runs import digests


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """A file system of its own at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"This user may not mount a file system: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def assert_nothing_half(run, expected):
    """Under a final name there are whole files only, and under a passing one nothing."""
    for folder in (run.work, run.output):
        found = digests(folder) if folder.exists() else {}
        assert not [name for name in found if name.endswith(".part")]
        assert {digest for name, digest in found.items() if name.endswith(".h5")} <= set(expected.values())
