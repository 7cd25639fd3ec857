"""Stage `validation`: the samples that training is judged on, apart from those that are only tested."""

import click

from stages.project.params import ComputeParams, DataParams, read, sentences
from stages.project.paths import VALIDATION
from stages.project.selection import rows_of_part, select_rows
from stages.project.shard_stage import Task, run_stage


@click.command()
def main() -> None:
    """Gather the validation samples of all subsets, at each level."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        tasks = {
            level: [Task((path,), (path, rows)) for _, path, rows in rows_of_part("validation", level)]
            for level in data.levels
        }
        run_stage("validation", select_rows, tasks, VALIDATION, data.max_reject_fraction, compute)


if __name__ == "__main__":
    main()
