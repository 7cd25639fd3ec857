"""Run a stage on one core and write what only its process knows: ``python -m benchmarks.timed_stage FILE STAGE NAME``.

Its seconds within shards, which other cores can share, and its peak memory in MB. With more than one process run the
stage itself: what makes the shards is wrapped here, and could not be sent to another one.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.store.parallel import map_shards
from stages.project import shard_stage


def main() -> None:
    """Run it."""
    target, stage, *arguments = sys.argv[1:]
    seconds: list[float] = []

    def map_timed(function: Callable, tasks: Sequence[tuple], *where: Any) -> Iterator[Any]:
        def timed(*task: Any) -> Any:
            start = time.perf_counter()
            made = function(*task)
            seconds.append(time.perf_counter() - start)
            return made

        return map_shards(timed, tasks, *where)

    vars(shard_stage)["map_shards"] = map_timed
    importlib.import_module(f"stages.{stage}").main(arguments, standalone_mode=False)
    Path(target).write_text(json.dumps({"in_shards": sum(seconds), "peak_mb": peak_mb()}), encoding="utf-8")


def peak_mb() -> float:
    """Most memory that this process had; what the system tells of a child includes its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
