"""Time how fast compact samples of 256 px come from disk, where they do not fit in memory (`make bench-data`).

Real photos (FACE_DATA), cut as the stage `augmented` cuts them. Prints samples a second, and a second of one core,
which other work on the machine changes less; one line of JSON.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.aflw2000 import read_photos
from model import feed
from model.feed import OnlineFeed
from pipeline.crops.alignment import align
from pipeline.crops.online import crop_with_border, pad_rows
from pipeline.store.samples import locate
from pipeline.store.shards import write_shard
from stages.project.params import AugmentedParams
from stages.project.params_file import read

SIZE, BATCH, PHOTOS, MARGIN, COEFFICIENTS = 256, 64, 256, 1.5, 228
BATCHES, TURNS = 20, 5


def write_samples(folder: Path) -> Path:
    """Write compact samples of real photos."""
    photos = read_photos(Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000", tested=False)
    rows = [
        crop_with_border(photo.pixels, align(photo.landmarks, MARGIN, False, SIZE), SIZE)
        for photo, _ in zip(photos, range(PHOTOS), strict=False)
    ]
    path = folder / "00000.h5"
    write_shard(
        path,
        {
            "crop": pad_rows(rows),
            "pose": np.ones((len(rows), 7), np.float32),
            "coefficients": np.zeros((len(rows), COEFFICIENTS), np.float32),
            "sample_id": np.array([f"AFLW2000/{number}" for number in range(len(rows))], object),
        },
        {},
    )
    return path


@click.command()
def main() -> None:
    """Time the feed."""
    policy = read("augmented", AugmentedParams).policies["online"]
    feed.RESIDENT_BYTES = 0  # nothing fits in memory
    wall, core = [], []
    with tempfile.TemporaryDirectory() as name:
        samples = locate([write_samples(Path(name))])
        batches = OnlineFeed(samples, BATCH, policy, SIZE).endless(seed=0, start=0)
        for _ in range(1 + TURNS):  # the first is not counted
            start, before = time.perf_counter(), time.process_time()
            for _ in range(BATCHES):
                next(batches)
            wall.append(BATCH * BATCHES / (time.perf_counter() - start))
            core.append(BATCH * BATCHES / (time.process_time() - before))
        batches.close()
    row = {"a_second": round(statistics.median(wall[1:])), "a_core_second": round(statistics.median(core[1:]))}
    click.echo(
        f"compact samples of {SIZE} px from disk: {row['a_second']} a second, {row['a_core_second']} of one core"
    )
    click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
