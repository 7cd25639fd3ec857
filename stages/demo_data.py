"""Stage `demo_data`: procedural faces in the layouts of BFM, 300W-LP and AFLW2000-3D."""

import dataclasses
import time
from pathlib import Path

import click

from pipeline.demo.dataset import write_dataset
from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.params import DataParams, DemoDataParams
from stages.project.params_file import read
from stages.project.paths import DEMO

NOTE = "NOT_MADE.txt"


@click.command()
def main() -> None:
    """Make the demo's raw data, if data.root asks for it."""
    with sentences():
        begin_stage("demo_data", DEMO)
        data = read("data", DataParams)
        params = read("demo_data", DemoDataParams)
        if Path(data.root) != DEMO:
            DEMO.mkdir(parents=True, exist_ok=True)
            (DEMO / NOTE).write_text(f"No demo was made: data.root in params.yaml is not {DEMO.as_posix()}.\n")
            click.echo(f"demo_data: nothing made, data.root is {data.root}")
            return
        start = time.perf_counter()
        counts = write_dataset(DEMO, **dataclasses.asdict(params))
        total, seconds = sum(counts.values()), time.perf_counter() - start
        click.echo(f"demo_data: {total} photos in {len(counts)} folders, 0 rejected, {total / seconds:.1f} photos/s")


if __name__ == "__main__":
    main()
