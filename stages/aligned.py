"""Stage `aligned@subset-level`: photo and landmarks to a levelled crop, and the similarity that made it."""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.crops.alignment import align, resample
from pipeline.crops.detection import choose_box
from pipeline.raw.photos import read_photo
from pipeline.store.resume import ShardContent
from pipeline.store.shards import list_shards, read_shard
from stages.project.crop import CropParams
from stages.project.params import ComputeParams, DataParams, read, sentences
from stages.project.shard_stage import Task, run_stage

MESHES = Path("data/meshes")
DETECTED = Path("data/detected")
OUTPUT = Path("data/aligned")
CARRIED = ("sample_id", "photo", "source_sha256")


@click.command()
@click.argument("subset")
@click.argument("level", type=click.Choice(["on", "off"]))
def main(subset: str, level: str) -> None:
    """Crop the photos of one subset; LEVEL says whether the in-plane roll is taken out (thesis, section 3.3.2)."""
    with sentences():
        data, crop, compute = read("data", DataParams), read("crop", CropParams), read("compute", ComputeParams)
        name = f"{subset}-{level}"
        tasks = []
        for meshes in list_shards(MESHES / subset):
            boxes = DETECTED / subset / meshes.name if crop.box == "detector" else None
            inputs = (meshes,) if boxes is None else (meshes, boxes)
            tasks.append(Task(inputs, (meshes, boxes, data.folder(subset), crop.margin, level == "on", data.size)))
        run_stage(f"aligned@{name}", align_photos, tasks, OUTPUT / name, data.max_reject_fraction, compute)


def align_photos(meshes: Path, boxes: Path | None, folder: Path, margin: float, level: bool, size: int) -> ShardContent:
    """Make one shard: image (N, size, size, 3) uint8, similarity (N, 3, 3) float64, and whose they are."""
    shard = read_shard(meshes, [*CARRIED, "landmarks"])
    count = len(shard["photo"])
    images, similarities = np.zeros((count, size, size, 3), np.uint8), np.zeros((count, 3, 3))
    rejected = (
        {} if boxes is None else dict.fromkeys(range(count), "The detector found no face where the annotation has one.")
    )
    chosen = dict.fromkeys(range(count)) if boxes is None else _choose(boxes, shard)
    for row, box in chosen.items():
        rejected.pop(row, None)
        try:
            similarities[row] = align(shard["landmarks"][row], margin, level, size, box)
            images[row] = resample(read_photo(folder / shard["photo"][row]), similarities[row], size)
        except ValueError as error:
            rejected[row] = str(error).replace(f"{folder}/", "")
        except OSError as error:
            rejected[row] = f"{shard['photo'][row]} can't be read any more: {error.strerror}."
    good = [row for row in range(count) if row not in rejected]
    datasets = {name: shard[name][good] for name in CARRIED}
    reasons = [(shard["sample_id"][row], reason) for row, reason in sorted(rejected.items())]
    images = images[good] if rejected else images
    return ShardContent({**datasets, "image": images, "similarity": similarities[good]}, count, reasons)


def _choose(boxes: Path, shard: dict[str, NDArray]) -> dict[int, NDArray[np.float64]]:
    """Detected box by row of a shard of meshes, without the rows that none fits."""
    detected = read_shard(boxes, ["sample_id", "boxes"])
    found = dict(zip(detected["sample_id"], detected["boxes"], strict=True))
    chosen = {}
    for row, (name, landmarks) in enumerate(zip(shard["sample_id"], shard["landmarks"], strict=True)):
        box = choose_box(found[name][np.isfinite(found[name][:, 0])], landmarks)
        if box is not None:
            chosen[row] = box
    return chosen


if __name__ == "__main__":
    main()
