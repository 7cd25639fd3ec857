"""Processes that end with the one that started them: one that outlives it would write beside the next."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the system kill this process when the thread that started it ends, where it can be told so: on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_worker() -> None:
    """Begin a process of a pool: Ctrl-C is left to the parent, which has it too, and this one ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
