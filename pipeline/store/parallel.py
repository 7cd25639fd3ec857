"""A map over shards on Dask: in this process, in local processes, or on a cluster by its address."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .memory import KEPT_MEMORY, keep_memory

Result = TypeVar("Result")
LOCAL: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
CONNECT_SECONDS = 10
# For so long this process makes shards itself, where nobody asks for a number: Dask takes seconds to start.
ALONE_SECONDS = 5.0


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
        Address of a running Dask scheduler, as in ``tcp://host:port``; empty for local processes.
    title : str
        Stands before the progress bar.

    Yields
    ------
    The function's results. At most twice as many tasks as there are workers are under way, so that neither the
    scheduler nor this process holds the whole list.

    Raises
    ------
    OSError
        If no scheduler answers, or processes keep dying; whatever the function raises is passed on.

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
        if scheduler or count > 1:
            results = _map_on_dask(function, list(waiting), count, scheduler)
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


def _map_on_dask(
    function: Callable[..., Result], tasks: Sequence[tuple], workers: int, scheduler: str
) -> Iterator[Result]:
    import dask  # half a second, and not needed for a single shard
    import distributed

    variables = {name: value for name, (_, value) in KEPT_MEMORY.items()}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": variables}),
        _connect(scheduler) if scheduler else distributed.Client(n_workers=workers, **LOCAL) as client,
    ):
        ahead = 2 * max(workers, len(client.scheduler_info()["workers"]))
        waiting: list[distributed.Future] = []
        try:
            for task in tasks:
                waiting.append(client.submit(_one_thread, function, task, pure=False))
                if len(waiting) > ahead:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()
        except distributed.KilledWorker as error:
            raise OSError(
                f"Processes kept dying over one shard: {error}. Is there too little memory? Set compute.workers or "
                "data.samples_per_shard lower."
            ) from error


def _connect(scheduler: str) -> Any:
    import distributed

    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise OSError(
            f"No Dask scheduler answers at {scheduler}: {error}. Start one there, or leave compute.scheduler empty."
        ) from error
