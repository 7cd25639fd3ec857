"""Time the data stages on real faces, beside the usual way of making the same samples (`make bench-data`).

Prints a table, then one line of JSON. Everything is made in a temporary folder.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from benchmarks.reference import Seconds, make_sample
from pipeline.face.face_model import load_model
from pipeline.face.similarity import similarity_scale
from pipeline.store.shards import list_shards, read_shard
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


@dataclasses.dataclass(frozen=True)
class Run:
    """One stage on some workers: seconds from start to end of its process, samples out, bytes, peak memory."""

    seconds: float
    samples: int
    size: int
    peak_mb: float


@click.command()
@click.option("--face-data", type=Path, default=lambda: os.environ.get("FACE_DATA", "../shared/data"))
@click.option("--copies", default=30, help="How often the photos are used, to spread what starting a process costs.")
@click.option("--size", default=256, help="Side of aligned images and maps in px.")
@click.option("--compared", default=200, help="Samples that the reference makes.")
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
def main(face_data: Path, copies: int, size: int, compared: int, folder: Path | None) -> None:
    """Measure samples a second and bytes a sample of every data stage, on one core and on all."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        project = Path(name)
        pairs = repeat_pairs(face_data.resolve(), project / "raw", copies)
        cores = os.cpu_count() or 1
        write_params(project, size, workers=1)
        for stage in ("face_model", "uv_embedding"):
            run_stage(project, [stage], 1)
        # In turn: the machine is the same for all three.
        usual, positions, images = time_reference(project, size, compared)
        one = dict(run_all(project, size, 1))
        error, differing = compare(project, positions, images)
        many = dict(run_all(project, size, cores))
    report(one, many, usual, compared, pairs, cores)
    seconds = {workers: sum(runs[s].seconds for s in SAMPLE_STAGES) for workers, runs in ((1, one), (cores, many))}
    click.echo(f"Largest difference of grey values where neither shrinks the photo: {differing}.")
    mine = 1e3 * seconds[1] / pairs
    reference = 1e3 * usual.total / compared
    result = {
        "ms_per_sample_one_core": round(mine, 3),
        "reference_ms": round(reference, 3),
        "ratio": round(reference / mine, 2),
        "two_core_speedup": round(seconds[1] / seconds[cores], 2),
        "bytes_per_sample": round(one["position_maps"].size / one["position_maps"].samples),
        "max_position_error_px": round(error, 5),
    }
    click.echo(json.dumps(result))


def repeat_pairs(face_data: Path, raw: Path, copies: int) -> int:
    """Lay out the pairs of AFLW2000 several times under new names, with a new text in each annotation's free header."""
    (raw / SUBSET).mkdir(parents=True)
    (raw / "bfm").symlink_to(face_data / "bfm")
    photos = sorted((face_data / SUBSET).glob("*.jpg"))
    for photo in photos:
        content = photo.with_suffix(".mat").read_bytes()
        for copy in range(copies):
            target = raw / SUBSET / f"{photo.stem}_{copy:03d}"
            target.with_suffix(".jpg").symlink_to(photo)
            target.with_suffix(".mat").write_bytes(f"MATLAB 5.0 {copy:03d}".ljust(116).encode() + content[116:])
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


def run_all(project: Path, size: int, workers: int) -> Iterator[tuple[str, Run]]:
    """Run the data stages from scratch."""
    write_params(project, size, workers)
    for name in ("work", "data/split", *(f"data/{stage}" for stage in STAGES)):
        shutil.rmtree(project / name, ignore_errors=True)
    for stage in STAGES:
        if stage == "augmented":
            run_stage(project, ["split"], workers)
        seconds, peak = run_stage(project, [stage, POLICY if stage == "augmented" else SUBSET], workers)
        shards = list_shards(project / folder_of(stage))
        samples = sum(len(read_shard(path, ["sample_id"])["sample_id"]) for path in shards)
        yield stage, Run(seconds, samples, sum(path.stat().st_size for path in shards), peak)


def folder_of(stage: str) -> Path:
    """Folder of a stage's shards in the project."""
    if stage == "augmented":
        return AUGMENTED / POLICY / LEVEL
    return subset_folder(stage, LEARN, SUBSET, LEVEL if stage in LEVELLED else None)


def run_stage(project: Path, command: list[str], workers: int) -> tuple[float, float]:
    """Run a stage as DVC does, on as many cores as workers; seconds, and peak memory of its largest process in MB."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{command[0]}", *command[1:]],
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise click.ClickException(f"{' '.join(command)} failed.")
    return seconds, usage.ru_maxrss / 1024


def time_reference(
    project: Path, size: int, count: int
) -> tuple[Seconds, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Make some samples in the usual way on one core, once to warm up and once by the clock."""
    model, layout = load_model(project / MODEL), load_uv(project / LAYOUT)
    photos = sorted((project / "raw" / SUBSET).glob("*_000.jpg"))
    chosen = [photos[i] for i in np.linspace(0, len(photos) - 1, count).astype(int)]
    output = project / "reference"
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


def report(one: dict[str, Run], many: dict[str, Run], usual: Seconds, compared: int, pairs: int, cores: int) -> None:
    """Print what was measured."""
    click.echo(f"{pairs} pairs; whole processes, their start included; peak memory of the largest process.")
    click.echo(
        f"{'stage':14s} {'1 core':>9s} {f'{cores} cores':>9s} {'':6s} {'a sample':>9s} {'peak, 1':>8s} {cores:>7d}"
    )
    for stage in STAGES:
        run, other = one[stage], many[stage]
        click.echo(
            f"{stage:14s} {run.samples / run.seconds:7.0f}/s {other.samples / other.seconds:7.0f}/s "
            f"{run.seconds / other.seconds:5.2f}x {run.size / run.samples / 1e3:6.1f} kB "
            f"{run.peak_mb:5.0f} MB {other.peak_mb:4.0f} MB"
        )
    steps = ", ".join(f"{name} {1e3 * value / compared:.2f}" for name, value in dataclasses.asdict(usual).items())
    click.echo(f"reference, ms on one core: {steps}")


if __name__ == "__main__":
    main()
