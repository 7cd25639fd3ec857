"""Freed memory that a process keeps."""

import platform
import subprocess
import sys

import pytest

# Pages that a process is given anew while it makes and frees 64 MB again and again.
FAULTS = """
import resource, sys
import numpy as np
from pipeline.store.memory import ALL_MEMORY, keep_memory

if sys.argv[1] == "kept":
    keep_memory(ALL_MEMORY)
faults = []
for _ in range(5):
    np.ones(8_000_000)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_memory_is_kept_for_the_next_step():
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True)) for how in ("kept", "given back")
    )
    assert kept < 50
    assert given_back > 10 * kept + 500
