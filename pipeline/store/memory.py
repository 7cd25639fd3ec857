"""Freed memory that a process keeps for its next arrays."""

import contextlib
import ctypes

# Settings of glibc's memory, as variables and as options of mallopt, in bytes: free memory to keep, and the size from
# which an array gets its own. By default, more so in Dask's processes, each large array is new memory, which the
# system clears first: a quarter of the time of making position maps, half of it under Dask, and of a photo's half too.
KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": (-1, 2**28), "MALLOC_MMAP_THRESHOLD_": (-3, 2**25)}
# All of it, and no array has memory of its own: of 155 s of a training on two cores the system took 90, and 8 so.
ALL_MEMORY = {"MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1), "MALLOC_MMAP_MAX_": (-4, 0)}


def keep_memory(settings: dict[str, tuple[int, int]] = KEPT_MEMORY) -> None:
    """Have this process keep freed memory for the next array, where its C library can be told so."""
    with contextlib.suppress(OSError, AttributeError):
        for option, value in settings.values():
            ctypes.CDLL(None).mallopt(option, value)
