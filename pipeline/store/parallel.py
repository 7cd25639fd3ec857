"""A map over shards: in this process, in processes of this machine, or on a Dask cluster by its address.

Nothing here listens for others: local processes talk by pipes, a cluster by TLS.
"""

import itertools
import logging
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .memory import keep_memory
from .parent import start_worker

Result = TypeVar("Result")
CONNECT_SECONDS = 10
# For so long this process makes shards itself, where nobody asks for a number: others take a second each to start.
ALONE_SECONDS = 5.0
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
        Local processes; 0 for one a core, once this process has worked alone for `ALONE_SECONDS`.
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
    waiting = deque(tasks)
    end = time.perf_counter() + (0.0 if workers or scheduler else ALONE_SECONDS)
    with tqdm(total=len(tasks), desc=title, unit="shard", disable=None, leave=False) as bar:
        while waiting and time.perf_counter() < end:
            yield _one_thread(function, waiting.popleft())
            bar.update()
        count = min(workers or os.cpu_count() or 1, len(waiting))
        if scheduler:
            results = _map_on_cluster(function, list(waiting), scheduler)
        elif count > 1:
            results = _map_in_processes(function, list(waiting), count)
        else:
            results = (_one_thread(function, task) for task in waiting)
        for result in results:
            bar.update()
            yield result


def _one_thread(function: Callable[..., Result], task: tuple) -> Result:
    import cv2

    cv2.setNumThreads(1)
    keep_memory()
    with threadpool_limits(1):
        return function(*task)


def _map_in_processes(function: Callable[..., Result], tasks: Sequence[tuple], workers: int) -> Iterator[Result]:
    left, deaths = deque(tasks), 0
    while left:
        before = len(left)
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker)
        try:
            coming, waiting = iter(list(left)), deque[Future[Result]]()
            while left:
                ahead = itertools.islice(coming, 2 * workers - len(waiting))
                waiting.extend(pool.submit(_one_thread, function, task) for task in ahead)
                result = waiting.popleft().result()
                left.popleft()
                yield result
        except BrokenProcessPool as error:
            # One that dies takes the others along. What they had made whole is found again.
            deaths = 1 if len(left) < before else deaths + 1
            if deaths == DEATHS:
                raise _dying(error) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _map_on_cluster(function: Callable[..., Result], tasks: Sequence[tuple], scheduler: str) -> Iterator[Result]:
    import distributed  # half a second, and not needed without a cluster

    with _connect(scheduler) as client:
        left, waiting = deque(tasks), deque[Any]()
        if not _count_workers(client, scheduler):
            tqdm.write(f"No worker is at {scheduler} yet; waiting for one.", file=sys.stderr)
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
