"""What the data stages will take for the params at hand, by a few of the pairs: time, disk, memory (`make estimate`).

The stages run on some hundred pairs of the largest subset to learn from, on one core in a temporary folder, and what a
sample takes is multiplied by how many pairs the raw folders hold. Photos of other sizes take other times, and a
processor's time varies: the runs are made twice, and both ends are told. Prints a table, then one line of JSON.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from ruamel.yaml import YAML

from benchmarks.data import LEVELLED, SAMPLE_STAGES, run_alone, run_stage
from pipeline.raw.annotations import list_pairs
from pipeline.store.sentences import sentences
from pipeline.store.shards import count_samples, list_shards
from stages.print_trainings import count_trainings
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read, read_params
from stages.project.paths import AUGMENTED, LEARN, subset_folder
from stages.project.variants import resolve_variant

# Pairs that are timed, at least; a shard is whole where a stage's memory is measured.
PAIRS, ROUNDS = 192, 2


class Cost(NamedTuple):
    """What a stage takes: seconds and bytes a sample, seconds of its own beside, and its peak memory in MB."""

    sample_s: float
    sample_bytes: float
    alone_s: float
    peak_mb: float


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
        policy = resolve_variant(params, None).train.policy
        rounds = []
        with tempfile.TemporaryDirectory(dir=folder) as name:
            for number in range(ROUNDS):
                rounds.append(measure(Path(name) / str(number), params, data, counts, policy))
    workers = compute.workers or os.cpu_count() or 1
    work = extrapolate(rounds, data, counts, workers)
    for line in table(work, workers):
        click.echo(line)
    click.echo(f"Trainings: {count_trainings(params).text}, at 64 px and width 8 (docs/scale.md has other sizes).")
    click.echo(json.dumps({stage: each._asdict() for stage, each in work.items()}))


def measure(
    project: Path, params: dict[str, Any], data: DataParams, counts: dict[str, int], policy: str
) -> dict[str, Cost]:
    """Run the stages on some pairs of the largest subset to learn from, on one core.

    Raises
    ------
    ValueError
        If no subset is to learn from.
    """
    learned = [name for name in data.learned if not Path(data.subsets[name].folder).is_absolute()]
    if not learned:
        raise ValueError("No subset of data.subsets is to learn from: there is nothing to measure.")
    subset = max(learned, key=counts.__getitem__)
    count = min(counts[subset], max(PAIRS, data.samples_per_shard))
    copy_some(data, subset, count, project / "raw")
    chosen = {**params["data"]["subsets"][subset], "folder": subset, "boxes": "meshes"}
    changed = params["data"] | {"root": "raw", "subsets": {subset: chosen}, "levels": data.levels[:1]}
    split = params["split"] | {"tested": [subset], "test_every": 0}
    YAML().dump(
        params | {"data": changed, "split": split, "compute": {"workers": 1, "scheduler": ""}}, project / "params.yaml"
    )
    for stage in ("face_model", "uv_embedding"):
        run_stage(project, [stage])
    costs = {}
    for stage in (*SAMPLE_STAGES, "augmented"):
        if stage == "augmented":
            run_stage(project, ["split"])
        run = run_alone(project, [stage, policy if stage == "augmented" else subset])
        level = data.levels[0] if stage in LEVELLED else None
        out = (
            AUGMENTED / policy / data.levels[0] if stage == "augmented" else subset_folder(stage, LEARN, subset, level)
        )
        shards = list_shards(project / out)
        samples = max(1, sum(map(count_samples, shards)))
        size = sum(path.stat().st_size for path in shards)
        costs[stage] = Cost((run.seconds - run.alone) / samples, size / samples, run.alone, run.peak_mb)
    return costs


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
    rounds: list[dict[str, Cost]], data: DataParams, counts: dict[str, int], workers: int
) -> dict[str, Work]:
    """Multiply what a sample takes by how many each stage makes.

    A stage that makes both levels makes each sample twice; what is augmented is of the subsets to learn from.
    """
    levels, learned = len(data.levels), sum(counts[name] for name in data.learned)
    work = {}
    for stage in rounds[0]:
        samples = learned if stage == "augmented" else sum(counts.values())
        samples *= levels if stage in (*LEVELLED, "augmented") else 1
        seconds = [each[stage].alone_s + samples * each[stage].sample_s / workers for each in rounds]
        size = samples * max(each[stage].sample_bytes for each in rounds)
        work[stage] = Work(samples, min(seconds), max(seconds), size, max(each[stage].peak_mb for each in rounds))
    return work


def table(work: dict[str, Work], workers: int) -> Iterator[str]:
    """What is printed of it."""
    yield f"{'stage':14} {'samples':>9} {'time':>18} {'GB':>7} {'MB of memory a process':>23}"
    for stage, each in work.items():
        yield f"{stage:14} {each.samples:9,} {_span(each):>18} {each.size / 1e9:7.2f} {each.peak_mb:23.0f}"
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
