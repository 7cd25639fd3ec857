"""Stage `validation`: the samples that training is judged on, apart from those that are only tested."""

from pathlib import Path

import click

from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from stages.project.maps import complete_rows, holds_maps, select_rows
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read
from stages.project.paths import LAYOUT, MODEL, VALIDATION
from stages.project.selection import rows_of_part
from stages.project.shard_stage import Task, run_stage


@click.command()
def main() -> None:
    """Gather the validation samples of all subsets, at each level."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        tasks: dict[str, list[Task]] = {level: [] for level in data.levels}
        for level, group in tasks.items():
            for subset, path, rows in rows_of_part("validation", level):
                aligned = data.shards("aligned", subset, level) / path.name
                inputs = (path,) if holds_maps(path) else (path, aligned, MODEL, LAYOUT)
                group.append(Task(inputs, (path, rows, aligned, data.size)))
        run_stage("validation", gather, tasks, VALIDATION, data.max_reject_fraction, compute)


def gather(source: Path, rows: tuple[int, ...], aligned: Path, size: int) -> ShardContent:
    """Make one shard: some samples of one shard of position maps."""
    return select_rows(source, rows) if holds_maps(source) else complete_rows(source, rows, aligned, size)


if __name__ == "__main__":
    main()
