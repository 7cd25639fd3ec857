"""What the data stages will take for the params at hand, by a few of the pairs: time, disk, memory (`make estimate`).

The stages run on some hundred pairs of the largest subset to learn from, on one core in a temporary folder, and what a
sample takes is multiplied by how many there will be. Photos of other sizes take other times, and a processor's time
varies: the runs are made twice, and both ends are told. Prints a table, then one line of JSON.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from ruamel.yaml import YAML

from benchmarks.data import run_alone, run_stage
from benchmarks.data_stages import ALL, ONCE, Stage, expect_parts, list_stages, samples_of
from pipeline.raw.annotations import list_pairs
from pipeline.store.sentences import sentences
from pipeline.store.shards import count_samples, list_shards
from stages.print_trainings import count_trainings
from stages.project.params import ComputeParams, DataParams, SplitParams
from stages.project.params_file import read, read_params
from stages.project.samples import count_parts

# Pairs that are timed, at least; a shard is whole where a stage's memory is measured. And how many times fewer ones
# tell what a stage that makes no shards takes whatever their number.
PAIRS, FEWER, ROUNDS = 192, 4, 2
# MB of each face that two stages hold, up to a limit of faces, as the rehearsal has measured it; all others hold a
# shard, or a few numbers a sample.
HELD_MB = {"asm": 0.09, "landmark_map": 0.075}


class Taken(NamedTuple):
    """A run of a stage: its seconds, those of the processor, those outside of shards; bytes, and memory in MB."""

    samples: int
    seconds: float
    processor: float
    alone: float
    size: int
    peak_mb: float


class Cost(NamedTuple):
    """What a stage takes: seconds and bytes a sample, seconds of its own beside, its peak memory in MB, its samples."""

    sample_s: float
    sample_bytes: float
    alone_s: float
    peak_mb: float
    samples: int


class Work(NamedTuple):
    """A stage's share of the whole: samples, seconds at least and at most on so many processes, and bytes."""

    samples: int
    low_s: float
    high_s: float
    size: float
    peak_mb: float


@click.command()
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
def main(folder: Path | None) -> None:
    """Measure a few pairs, and say what all of them take."""
    with sentences():
        data, compute, params = read("data", DataParams), read("compute", ComputeParams), read_params()
        counts = {name: len(list_pairs(data.folder(name)).pairs) for name in data.subsets}
        stages, pairs = list_stages(params), max(PAIRS, data.samples_per_shard)
        rounds = []
        with tempfile.TemporaryDirectory(dir=folder) as name:
            for number in range(ROUNDS):
                few = measure(Path(name) / f"{number} few", params, data, counts, pairs // FEWER)
                many = measure(Path(name) / f"{number}", params, data, counts, pairs)
                rounds.append({stage: cost_of(stages[stage], few[stage], many[stage]) for stage in many})
        parts = expect_parts(counts, data, read("split", SplitParams))
        trainings = count_trainings(params).text
    workers = compute.workers or os.cpu_count() or 1
    work = extrapolate(rounds, stages, parts, workers)
    for line in table(work, workers):
        click.echo(line)
    click.echo(f"Trainings: {trainings}, at 64 px and width 8 (docs/scale.md has other sizes).")
    click.echo(json.dumps({stage: each._asdict() for stage, each in work.items()}))


def measure(
    project: Path, params: dict[str, Any], data: DataParams, counts: dict[str, int], pairs: int
) -> dict[str, Taken]:
    """Run the stages on so many pairs of the largest subset to learn from, on one core.

    Raises
    ------
    ValueError
        If no subset is to learn from.
    """
    learned = [name for name in data.learned if not Path(data.subsets[name].folder).is_absolute()]
    if not learned:
        raise ValueError("No subset of data.subsets is to learn from: there is nothing to measure.")
    subset = max(learned, key=counts.__getitem__)
    counted = min(counts[subset], pairs)
    copy_some(data, subset, counted, project / "raw")
    chosen = {**params["data"]["subsets"][subset], "folder": subset, "boxes": "meshes"}
    changed = params["data"] | {"root": "raw", "subsets": {subset: chosen}, "levels": data.levels[:1]}
    split = params["split"] | {"tested": [subset], "test_every": 0}
    # Fewer faces tell fewer components apart.
    asm = params["asm"] | {"components": min(params["asm"]["components"], max(1, counted // 8))}
    few = params | {"data": changed, "split": split, "asm": asm, "compute": {"workers": 1, "scheduler": ""}}
    YAML().dump(few, project / "params.yaml")
    for name in ONCE:
        run_stage(project, [name])
    return {name: measure_stage(project, stage) for name, stage in list_stages(few).items()}


def measure_stage(project: Path, stage: Stage) -> Taken:
    """Run a stage of one subset."""
    (command,) = stage.runs
    run = run_alone(project, command)
    shards = [path for folder in stage.folders for path in list_shards(project / folder)]
    samples = sum(map(count_samples, shards)) if stage.folders else samples_of(stage, parts_of(project))
    size = sum(path.stat().st_size for path in shards)
    return Taken(samples, run.seconds, run.processor, run.alone, size, run.peak_mb)


def cost_of(stage: Stage, few: Taken, many: Taken) -> Cost:
    """What a sample takes, and a stage whatever their number.

    Of one that makes no shards it is the difference of few and many samples that tells, by the processor's seconds.
    """
    samples = max(1, many.samples)
    if stage.folders:
        sample_s, alone = (many.seconds - many.alone) / samples, many.alone
    else:
        sample_s = max(0.0, many.processor - few.processor) / max(1, many.samples - few.samples)
        alone = max(0.0, many.seconds - samples * sample_s)
    return Cost(sample_s, many.size / samples, alone, many.peak_mb, many.samples)


def parts_of(project: Path) -> dict[str, float]:
    """Samples of each part of the split, and of all."""
    parts = count_parts(project)
    return {ALL: sum(parts.values()), **parts}


def copy_some(data: DataParams, subset: str, count: int, raw: Path) -> None:
    """Link the first pairs of a subset, and what else lies in the raw folder, the face model among it."""
    (raw / subset).mkdir(parents=True)
    folder = data.folder(subset)
    for pair in list_pairs(folder).pairs[:count]:
        for name in pair:
            (raw / subset / name).symlink_to((folder / name).resolve())
    for path in Path(data.root).iterdir():
        with contextlib.suppress(FileExistsError):
            (raw / path.name).symlink_to(path.resolve())


def extrapolate(
    rounds: list[dict[str, Cost]], stages: Mapping[str, Stage], parts: Mapping[str, float], workers: int
) -> dict[str, Work]:
    """Multiply what a sample takes by how many each stage makes; it starts as often as there are subsets."""
    work = {}
    for name in rounds[0]:
        stage, costs = stages[name], [each[name] for each in rounds]
        samples = samples_of(stage, parts)
        processes = workers if stage.folders else 1
        seconds = [len(stage.runs) * cost.alone_s + samples * cost.sample_s / processes for cost in costs]
        held = HELD_MB.get(name, 0.0)
        peak = max(cost.peak_mb + held * max(0, samples - cost.samples) for cost in costs)
        size = samples * max(cost.sample_bytes for cost in costs)
        work[name] = Work(samples, min(seconds), max(seconds), size, peak)
    return work


def table(work: dict[str, Work], workers: int) -> Iterator[str]:
    """What is printed of it."""
    wide = max(14, *map(len, work))
    yield f"{'stage':{wide}} {'samples':>9} {'time':>18} {'GB':>7} {'MB of memory a process':>23}"
    for stage, each in work.items():
        yield f"{stage:{wide}} {each.samples:9,} {_span(each):>18} {each.size / 1e9:7.2f} {each.peak_mb:23.0f}"
    low, high, size = (sum(getattr(each, name) for each in work.values()) for name in ("low_s", "high_s", "size"))
    whole = Work(0, low, high, size, 0.0)
    yield (
        f"In all {_span(whole)} on {workers} processes, as if each had a core of its own, and {whole.size / 1e9:.2f} "
        "GB; DVC's cache keeps as much again, unless it can share blocks or links (docs/scale.md)."
    )


def _span(work: Work) -> str:
    """Seconds where they are few, else minutes."""
    unit, name = (1, "s") if work.high_s < 120 else (60, "min")
    return f"{work.low_s / unit:.1f} to {work.high_s / unit:.1f} {name}"


if __name__ == "__main__":
    main()
