"""Photos shared among processes: one that is killed costs the photo that killed it, and no other."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from ..store.parent import start_worker

KILLED = "The process that read it was killed, or crashed: it may take more memory than there is."
# With fewer photos a process, its start takes longer than it saves: TensorFlow's takes five seconds.
PHOTOS_A_PROCESS = 12


def share_cores(photos: int) -> tuple[int, int]:
    """How many processes share so many photos, and how many threads each has; no process but this one for a few."""
    cores = os.cpu_count() or 1
    if photos < 2 * PHOTOS_A_PROCESS:
        return 0, cores
    # Also on one core: a photo that kills its process does not end this one.
    processes = min(cores, photos // PHOTOS_A_PROCESS)
    return processes, cores // processes


def prepare_processes(work: Callable[..., dict]) -> None:
    """Begin to start the process that `in_processes` forks others from, which imports meanwhile what the work needs."""
    import multiprocessing  # a single photo needs no processes
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload([work.__module__])
    forkserver.ensure_running()


def in_processes(
    work: Callable[..., dict], tasks: Iterable[tuple], processes: int, tell_killed: Callable[..., dict]
) -> Iterator[dict]:
    """Do the work on photos in some processes, in the order of the tasks; a few ahead, so that memory is bounded.

    Parameters
    ----------
    work : callable
        ``work(*task)`` gives a result; done twice it gives the same.
    tasks : iterable of tuple
    processes : int
    tell_killed : callable
        ``tell_killed(*task)`` gives the result of a task whose process ends before it.

    Yields
    ------
    dict
    """
    prepare_processes(work)
    tasks = iter(tasks)
    while lost := (yield from _until_killed(work, tasks, processes)):
        # One of them killed its process, and so ended all: alone, it is the first that is missing.
        while lost:
            rest = iter(lost)
            lost = yield from _until_killed(work, rest, 1)
            if lost:
                yield tell_killed(*lost.pop(0))
                lost += rest


def _until_killed(
    work: Callable[..., dict], tasks: Iterable[tuple], processes: int
) -> Generator[dict, None, list[tuple]]:
    """Do the work until a process is killed; returns those of the begun tasks that are without a result then."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    waiting: deque[tuple[tuple, Future[dict] | None]] = deque()
    # Forked from this one, a process would share TensorFlow's locks with it; started anew, it would import all again.
    fork = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes, mp_context=fork, initializer=start_worker)
    try:
        for task in tasks:
            waiting.append((task, None))
            waiting[-1] = (task, pool.submit(work, *task))
            if len(waiting) > 2 * processes:
                yield _take(waiting)
        while waiting:
            yield _take(waiting)
    except BrokenProcessPool:
        return [task for task, _ in waiting]
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def tell_failure(error: Exception) -> str:
    """Say in a sentence what a photo failed by, which the photos after it must not be lost for."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return "It takes more memory than there is: save it smaller."
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"It made this software fail, which is a mistake in it ({said})."


def _take(waiting: deque[tuple[tuple, Any]]) -> dict:
    result: dict = waiting[0][1].result()
    waiting.popleft()
    return result
