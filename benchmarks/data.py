"""Time the data stages on real faces, beside the usual way of making the same samples (`make bench-data`).

Prints tables, then one line of JSON. Everything is made in a temporary folder.

A stage on all cores is a process that lists what there is to do, starts one process a core for the shards, and ends
with what is left to one alone. What it is alone at is measured on one core, as what its seconds in shards leave over;
from both, what more cores would bring is computed (`benchmarks.scaling`). Beside it stands what this machine gives to
processes at once, measured in the same minutes: no stage can gain more.
"""

import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from benchmarks.machine import measure_machine, report_machine
from benchmarks.reference import Seconds, make_sample
from benchmarks.scaling import Run, medians, report_gains
from pipeline.face.face_model import load_model
from pipeline.face.similarity import similarity_scale
from pipeline.raw.pair_files import matlab_bytes
from pipeline.store.shards import count_samples, list_shards, read_shard
from pipeline.uv.position_map import load_uv
from stages.project.paths import AUGMENTED, LAYOUT, LEARN, MODEL, subset_folder

ROOT = Path(__file__).parents[1]
SUBSET = "AFLW2000"
SAMPLE_STAGES = ("index", "meshes", "aligned", "position_maps")
STAGES = (*SAMPLE_STAGES, "augmented")
LEVELLED = ("aligned", "position_maps")
LEVEL, POLICY = "on", "full"
MARGIN = 1.5
JPEG_QUALITY = 75
# Bytes before the arrays of a Matlab file.
MATLAB_FILE_HEADER = 128


class Made(NamedTuple):
    """What a stage made: samples and bytes."""

    samples: int
    size: int


@click.command()
@click.option("--face-data", type=Path, default=lambda: os.environ.get("FACE_DATA", "../shared/data"))
@click.option("--copies", default=12, help="How often the photos are used, to spread what starting a process costs.")
@click.option("--cores", default=2, help="Measured beside one.")
@click.option("--rounds", default=3, help="How often all is measured; medians are printed.")
@click.option("--size", default=256, help="Side of aligned images and maps in px.")
@click.option("--compared", default=200, help="Samples that the reference makes.")
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
def main(face_data: Path, copies: int, cores: int, rounds: int, size: int, compared: int, folder: Path | None) -> None:
    """Measure samples a second and bytes a sample of every data stage, on one core and on several."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    with tempfile.TemporaryDirectory(dir=folder) as name:
        project = Path(name)
        pairs = repeat_pairs(face_data.resolve(), project / "raw", copies)
        write_params(project, size, workers=1)
        for stage in ("face_model", "uv_embedding"):
            run_stage(project, [stage])
        machines, references, ones, manys = [], [], [], []
        for _ in range(rounds):
            # In turn: the machine is the same for all.
            machines.append(measure_machine(cores))
            reference, positions, images = time_reference(project, size, compared)
            references.append(reference)
            both = {stage: run_both(project, stage, size) for stage in STAGES}
            ones.append({stage: each[0] for stage, each in both.items()})
            manys.append({stage: each[1] for stage, each in both.items()})
        made = {stage: count_made(project, stage) for stage in STAGES}
        error, differing = compare(project, positions, images)
    one, many = ({stage: Run(*medians([each[stage] for each in runs])) for stage in STAGES} for runs in (ones, manys))
    usual = Seconds(*medians([dataclasses.astuple(each) for each in references]))
    report(one, many, made, usual, compared, pairs, cores)
    click.echo(f"Largest difference of grey values where neither shrinks the photo: {differing}.")
    gains = report_gains(one, many, SAMPLE_STAGES, cores)
    machine = report_machine(machines, cores)
    mine = 1e3 * sum(one[s].seconds for s in SAMPLE_STAGES) / pairs
    usual_way = 1e3 * usual.total / compared
    result = {
        "ms_per_sample_one_core": round(mine, 3),
        "reference_ms": round(usual_way, 3),
        "ratio": round(usual_way / mine, 2),
        f"{'two' if cores == 2 else cores}_core_speedup": round(gains.measured, 2),
        "by_processor_seconds": round(gains.processor, 2),
        "on_paper": {count: [round(value, 2) for value in both] for count, both in gains.paper.items()},
        "outside_of_shards_s": round(gains.alone, 2),
        "machine_gains": machine,
        "bytes_per_sample": round(made["position_maps"].size / made["position_maps"].samples),
        "max_position_error_px": round(error, 5),
        "pairs": pairs,
    }
    click.echo(json.dumps(result))


def repeat_pairs(face_data: Path, raw: Path, copies: int) -> int:
    """Lay out the pairs of AFLW2000 several times under new names.

    As in 300W-LP, no two annotations of a photo are the same, nor of one size: each has another array beside its own.
    """
    (raw / SUBSET).mkdir(parents=True)
    (raw / "bfm").symlink_to(face_data / "bfm")
    photos = sorted((face_data / SUBSET).glob("*.jpg"))
    added = [matlab_bytes({"copy": np.zeros(1 + copy)})[MATLAB_FILE_HEADER:] for copy in range(copies)]
    for photo in photos:
        content = photo.with_suffix(".mat").read_bytes()
        for copy in range(copies):
            target = raw / SUBSET / f"{photo.stem}_{copy:03d}"
            target.with_suffix(".jpg").symlink_to(photo)
            target.with_suffix(".mat").write_bytes(content + added[copy])
    return len(photos) * copies


def write_params(project: Path, size: int, workers: int) -> None:
    """The project's own parameters, for this data."""
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    subset = {"folder": SUBSET, "use": LEARN, "boxes": "meshes"}
    params["data"] |= {"root": "raw", "subsets": {SUBSET: subset}, "size": size, "levels": [LEVEL]}
    # Few to learn from: what is augmented is measured a sample, and would take longer than all other stages together.
    params["split"] |= {"tested": [SUBSET], "validation_fraction": 0.95}
    params["compute"]["workers"] = workers
    yaml.dump(params, project / "params.yaml")


def run_both(project: Path, stage: str, size: int) -> tuple[Run, Run]:
    """Run a stage from scratch on one core, and on all."""
    if stage == "augmented":
        run_stage(project, ["split"])
    command = [stage, POLICY if stage == "augmented" else SUBSET]
    runs = []
    for workers in (1, 0):
        write_params(project, size, workers)
        for name in ("work", f"data/{stage}"):
            shutil.rmtree(project / name, ignore_errors=True)
        runs.append(run_stage(project, command) if workers == 0 else run_alone(project, command))
    return runs[0], runs[1]


def count_made(project: Path, stage: str) -> Made:
    """Samples and bytes of a stage's shards."""
    shards = list_shards(project / folder_of(stage))
    return Made(sum(map(count_samples, shards)), sum(path.stat().st_size for path in shards))


def folder_of(stage: str) -> Path:
    """Folder of a stage's shards in the project."""
    if stage == "augmented":
        return AUGMENTED / POLICY / LEVEL
    return subset_folder(stage, LEARN, SUBSET, LEVEL if stage in LEVELLED else None)


def run_stage(project: Path, command: list[str]) -> Run:
    """Run a stage as DVC does; peak memory and seconds outside of shards are not known of it."""
    return run_process(project, [f"stages.{command[0]}", *command[1:]])


def run_alone(project: Path, command: list[str]) -> Run:
    """Run a stage on one core."""
    known = project / "known.json"
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(every)})
    try:
        run = run_process(project, ["benchmarks.timed_stage", str(known), *command])
    finally:
        os.sched_setaffinity(0, every)
    told = json.loads(known.read_text(encoding="utf-8"))
    return run._replace(alone=run.seconds - told["in_shards"], peak_mb=told["peak_mb"])


def run_process(project: Path, module: list[str]) -> Run:
    """Run a module in the project's folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *module], cwd=project, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise click.ClickException(f"{' '.join(module)} failed.")
    return Run(seconds, math.nan, usage.ru_utime + usage.ru_stime, math.nan)


def time_reference(
    project: Path, size: int, count: int
) -> tuple[Seconds, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Make some samples in the usual way on one core, once to warm up and once by the clock."""
    model, layout = load_model(project / MODEL), load_uv(project / LAYOUT)
    photos = sorted((project / "raw" / SUBSET).glob("*_000.jpg"))
    chosen = [photos[i] for i in np.linspace(0, len(photos) - 1, count).astype(int)]
    output = project / "reference"
    shutil.rmtree(output, ignore_errors=True)  # written anew, as the stages' own files are
    output.mkdir()
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        with threadpool_limits(1):
            for timed in (chosen[:5], chosen):
                seconds, positions, images = Seconds(), {}, {}
                for photo in timed:
                    image, position_map = make_sample(
                        photo, photo.with_suffix(".mat"), model, layout.uv, size, MARGIN, output / photo.stem, seconds
                    )
                    name = f"{SUBSET}/{photo.stem}"
                    images[name], positions[name] = image, position_map
    finally:
        os.sched_setaffinity(0, every)
    jpeg = time.perf_counter()
    for name, image in images.items():
        cv2.imwrite(str(output / f"{Path(name).name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    jpeg = time.perf_counter() - jpeg
    click.echo(
        f"(Saving the reference's images as JPEG instead of without loss would take {1e3 * jpeg / count:.2f} ms.)"
    )
    return seconds, positions, images


def compare(project: Path, positions: dict[str, np.ndarray], images: dict[str, np.ndarray]) -> tuple[float, int]:
    """Largest differences between the stages' samples and the reference's, in px and in grey values."""
    error, differing, found = 0.0, 0, 0
    for path in list_shards(project / folder_of("position_maps")):
        names = read_shard(path, ["sample_id"])["sample_id"]
        for row in [row for row, name in enumerate(names) if name in positions]:
            sample = {name: values[0] for name, values in read_shard(path, rows=slice(row, row + 1)).items()}
            expected = positions[sample["sample_id"]]
            drawn = (expected != 0).any(axis=2)  # all but the inside of the mouth, which is no triangle
            error = max(error, float(np.abs(expected - sample["position_map"])[drawn].max()))
            if similarity_scale(sample["similarity"]) > 2 / 3:
                both = np.stack([sample["image"], images[sample["sample_id"]]]).astype(int)[:, 1:-1, 1:-1]
                differing = max(differing, int(np.abs(both[0] - both[1]).max()))
            found += 1
    if found < 0.95 * len(positions):
        raise click.ClickException(f"Only {found} of the {len(positions)} compared samples were made.")
    return error, differing


def report(
    one: Mapping[str, Run],
    many: Mapping[str, Run],
    made: Mapping[str, Made],
    usual: Seconds,
    compared: int,
    pairs: int,
    cores: int,
) -> None:
    """Print what was measured of each stage."""
    click.echo(f"{pairs} pairs; whole processes, their start included.")
    click.echo(f"{'stage':14s} {'1 core':>9s} {f'{cores} cores':>9s} {'':6s} {'a sample':>9s} {'peak, 1':>8s}")
    for stage, (samples, size) in made.items():
        run, other = one[stage], many[stage]
        click.echo(
            f"{stage:14s} {samples / run.seconds:7.0f}/s {samples / other.seconds:7.0f}/s "
            f"{run.seconds / other.seconds:5.2f}x {size / samples / 1e3:6.1f} kB {run.peak_mb:5.0f} MB"
        )
    steps = ", ".join(f"{name} {1e3 * value / compared:.2f}" for name, value in dataclasses.asdict(usual).items())
    click.echo(f"reference, ms on one core: {steps}")


if __name__ == "__main__":
    main()
