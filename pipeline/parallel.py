"""A map over shards on Dask: in this process, in local processes, or on a cluster by its address."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

Result = TypeVar("Result")
# Dask has its processes give freed memory back at once; asking for it again with each array took half of their time.
WORKER_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 2**28, "MALLOC_MMAP_THRESHOLD_": 2**25}


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
        Local processes; 0 for one a core.
    scheduler : str
        Address of a running Dask scheduler, as in ``tcp://host:port``; empty for local processes.
    title : str
        Stands before the progress bar.

    Yields
    ------
    The function's results. At most twice as many tasks as there are workers are under way, so that neither the
    scheduler nor this process holds the whole list.

    Notes
    -----
    Each task computes with one thread, so that the bytes it writes do not depend on where it runs.
    """
    count = min(workers or os.cpu_count() or 1, len(tasks))
    bar = tqdm(total=len(tasks), desc=title, unit="shard", disable=None, leave=False)
    with bar:
        if not scheduler and count <= 1:
            results: Iterator[Result] = (_one_thread(function, task) for task in tasks)
        else:
            results = _map_on_dask(function, tasks, count, scheduler)
        for result in results:
            bar.update()
            yield result


def _one_thread(function: Callable[..., Result], task: tuple) -> Result:
    import cv2

    cv2.setNumThreads(1)
    with threadpool_limits(1):
        return function(*task)


def _map_on_dask(
    function: Callable[..., Result], tasks: Sequence[tuple], workers: int, scheduler: str
) -> Iterator[Result]:
    import dask  # half a second, and not needed for a single shard
    import distributed

    options: dict[str, Any] = {"address": scheduler} if scheduler else {}
    if not scheduler:
        options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": WORKER_MEMORY}),
        distributed.Client(**options) as client,
    ):
        ahead = 2 * max(workers, len(client.scheduler_info()["workers"]))
        waiting: list[distributed.Future] = []
        for task in tasks:
            waiting.append(client.submit(_one_thread, function, task, pure=False))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
