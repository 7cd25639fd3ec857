"""A map over shards: in this process, in processes of this machine, or on a Dask cluster by its address.

Nothing here listens for others: local processes talk by pipes, a cluster by TLS.
"""

import itertools
import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from .memory import keep_memory
from .parent import start_worker
from .progress import open_bar, tell_beside

Result = TypeVar("Result")
CONNECT_SECONDS = 10
# Where nobody asks for a number, others are started for so much work: they take a second each to start.
SHARED_SECONDS = 3.0
# So often processes may die in turn without a shard made.
DEATHS = 3


def map_shards(
    function: Callable[..., Result], tasks: Sequence[tuple], workers: int, scheduler: str, title: str
) -> Iterator[Result]:
    """Run a function over tasks and yield the results in the order of the tasks.

    Parameters
    ----------
    function : callable
        Gets the items of a task as arguments; writes its shard itself, and returns something small.
    tasks : sequence of tuple
        Small arguments: paths and numbers, no arrays of samples.
    workers : int
        Local processes; 0 for one a core where, by the last shard's time, more than `SHARED_SECONDS` of work are left.
        This process makes shards until they have started.
    scheduler : str
        Address of a running Dask scheduler, as in ``tls://host:port``; empty for local processes.
    title : str
        Stands before the progress bar.

    Yields
    ------
    The function's results. At most twice as many tasks as there are workers are under way, so that neither the
    scheduler nor this process holds the whole list.

    Raises
    ------
    OSError
        If no scheduler answers, or no longer, or processes keep dying; whatever the function raises is passed on.

    Notes
    -----
    Each task computes with one thread, so that the bytes it writes do not depend on where it runs.
    """
    with open_bar(title, "shard", len(tasks)) as bar:
        if scheduler:
            results = _map_on_cluster(function, tasks, scheduler)
        elif workers > 1 and len(tasks) > 1:
            results = _map_in_processes(function, tasks, min(workers, len(tasks)))
        elif workers == 1 or _cores() == 1:
            results = (_one_thread(function, task) for task in tasks)
        else:
            results = _map_where_faster(function, tasks)
        for result in results:
            bar.update()
            yield result


def _map_where_faster(function: Callable[..., Result], tasks: Sequence[tuple]) -> Iterator[Result]:
    """In this process, until the work that is left is worth one a core."""
    for number, task in enumerate(tasks, 1):
        start = time.perf_counter()
        result = _one_thread(function, task)
        left = len(tasks) - number
        shared = left > 1 and left * (time.perf_counter() - start) > SHARED_SECONDS
        yield result
        if shared:
            yield from _map_in_processes(function, tasks[number:], min(_cores(), left), helping=True)
            return


def _cores() -> int:
    """Cores that this process may use: a batch system gives it some of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread(function: Callable[..., Result], task: tuple) -> Result:
    import cv2

    cv2.setNumThreads(1)
    keep_memory()
    with threadpool_limits(1):
        return function(*task)


def _map_in_processes(
    function: Callable[..., Result], tasks: Sequence[tuple], workers: int, helping: bool = False
) -> Iterator[Result]:
    """In processes; `helping`: until the first of them has made a shard, this one makes some, too."""
    left, deaths = deque(tasks), 0
    while left:
        before = len(left)
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker)
        try:
            coming, begun = iter(list(left)), deque[Future[Result]]()
            while left:
                ahead = itertools.islice(coming, 2 * workers - sum(not future.done() for future in begun))
                begun.extend(pool.submit(_one_thread, function, task) for task in ahead)
                if helping and not begun[0].done() and (task := next(coming, None)) is not None:
                    begun.append(_done(_one_thread(function, task)))
                    continue
                helping = False
                wait([future for future in begun if not future.done()], return_when=FIRST_COMPLETED)
                while begun and begun[0].done():
                    result = begun.popleft().result()
                    left.popleft()
                    yield result
        except BrokenProcessPool as error:
            # One that dies takes the others along. What they had made whole is found again.
            deaths = 1 if len(left) < before else deaths + 1
            if deaths == DEATHS:
                raise _dying(error) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _done(result: Result) -> Future[Result]:
    future = Future[Result]()
    future.set_result(result)
    return future


def _map_on_cluster(function: Callable[..., Result], tasks: Sequence[tuple], scheduler: str) -> Iterator[Result]:
    import distributed  # half a second, and not needed without a cluster

    with _connect(scheduler) as client:
        left, waiting = deque(tasks), deque[Any]()
        if not _count_workers(client, scheduler):
            tell_beside(f"No worker is at {scheduler} yet; waiting for one.")
        try:
            while left or waiting:
                # Counted each time: workers come later, as jobs of a queue do, and go.
                ahead = 2 * max(1, _count_workers(client, scheduler))
                while left and len(waiting) <= ahead:
                    waiting.append(client.submit(_one_thread, function, left.popleft(), pure=False))
                yield waiting.popleft().result()
        except distributed.KilledWorker as error:
            raise _dying(error) from error
        except (CancelledError, OSError) as error:
            gone = isinstance(error, CancelledError | distributed.comm.CommClosedError) or client.status != "running"
            if gone:
                raise _lost(scheduler) from error
            raise  # by the function: a full disk, say


def _count_workers(client: Any, scheduler: str) -> int:
    try:
        return len(client.nthreads())
    except OSError as error:
        raise _lost(scheduler) from error


def _lost(scheduler: str) -> OSError:
    return OSError(
        f"The Dask scheduler at {scheduler} answers no more. Start it and its workers again, and then `dvc repro`: it "
        "goes on with the shards that are whole."
    )


def _dying(error: Exception) -> OSError:
    return OSError(
        f"Processes kept dying over one shard: {error} Is there too little memory? Set compute.workers or "
        "data.samples_per_shard lower."
    )


def _connect(scheduler: str) -> Any:
    import distributed

    # It would print tracebacks of a scheduler that is gone, see `_lost`.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except TypeError as error:  # what Dask raises where it has no certificate
        raise OSError(
            f"Dask has no keys for {scheduler}: {error}. See docs/scale.md, All cores, or a cluster."
        ) from error
    except (OSError, ValueError) as error:
        raise OSError(
            f"No Dask scheduler answers at {scheduler}: {error}. Start one there, or leave compute.scheduler empty."
        ) from error
