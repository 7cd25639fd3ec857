"""Time the photo commands from the shell: the start with one large photo, and a folder (`make bench-start`).

Every run is a process of its own, so that what it imports counts; seconds of wall, and of all its cores together, which
other work on the machine changes less. What a further photo costs, without the start, is told by a folder of few
photos, which starts as many processes. Real photos (FACE_DATA); the large one is the first of them, enlarged to 12
megapixels. Prints a table, then one line of JSON.
"""

import contextlib
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

from pipeline.commands.processes import PHOTOS_A_PROCESS
from pipeline.photo.photo_files import encode_image, list_photos, open_photo

PR_SET_CHILD_SUBREAPER = 36
RUNS, PHOTOS, SIDE, NOISE = 5, 200, 3464, 4
# So many are shared among as many processes as PHOTOS on a machine of two cores.
FEW = 2 * PHOTOS_A_PROCESS
# What is written of the photos of a folder: all default files, a mesh, or the numbers alone.
KINDS = {"default files": (), "GLB": ("glb",), "landmarks and pose": ("points",)}


def time_command(photos: list[str], kinds: tuple[str, ...], out: Path) -> tuple[float, float]:
    """Seconds of wall and of all cores that one run takes."""
    shutil.rmtree(out, ignore_errors=True)  # what is there would not be made again
    written = [word for kind in kinds for word in ("--write", kind)]
    command = [sys.executable, "-m", "stages.reconstruct", *photos, "--out", str(out), "--allow-missing", *written]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - start
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # for the process that its workers were forked from, whose time is theirs
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_run(photos: list[str], kinds: tuple[str, ...], out: Path, runs: int) -> tuple[float, float]:
    """Medians of wall and of all cores over some runs."""
    wall, cores = zip(*(time_command(photos, kinds, out) for _ in range(runs)), strict=True)
    return statistics.median(wall), statistics.median(cores)


def enlarge(photo: Path, path: Path) -> None:
    """Write a photo as a JPEG of 12 megapixels, with noise, so that its file is as large as a camera's."""
    larger = cv2.resize(open_photo(photo)[0], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    noisy = larger + np.random.default_rng(0).normal(0, NOISE, larger.shape)
    path.write_bytes(encode_image(np.clip(noisy, 0, 255).astype(np.uint8), ".jpg"))


@click.command()
def main() -> None:
    """Time the start and folders."""
    # What a command leaves behind as it ends is then a child of this process.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    paths = list_photos([str(Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000")])[:PHOTOS]
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        out, large = Path(name) / "out", Path(name) / "large.jpg"
        enlarge(paths[0], large)
        time_command([str(large)], (), out)  # the embedded face model is made once
        wall, cores = median_run([str(large)], (), out, RUNS)
        rows["one photo of 12 megapixels"] = {"s": round(wall, 2), "s of all cores": round(cores, 2)}
        for kind, kinds in KINDS.items():
            few_wall, few_cores = median_run([str(path) for path in paths[:FEW]], kinds, out, 3)
            wall, cores = median_run([str(path) for path in paths], kinds, out, 3)
            further = len(paths) - FEW
            row = {
                "photos/s": len(paths) / wall,
                "further photos/s": further / (wall - few_wall),
                "ms of all cores a further photo": 1000 * (cores - few_cores) / further,
            }
            rows[f"{len(paths)} photos, {kind}"] = {key: round(value, 1) for key, value in row.items()}
    for title, row in rows.items():
        click.echo(f"{title:34}" + ", ".join(f"{value} {key}" for key, value in row.items()))
    click.echo(json.dumps(rows))


if __name__ == "__main__":
    main()
