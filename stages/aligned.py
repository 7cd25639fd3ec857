"""Stage `aligned@subset-level`: photo and landmarks to a levelled crop, and the similarity that made it."""

from collections import defaultdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.alignment import align, resample
from pipeline.annotations import read_photo
from pipeline.detection import BOX_COLUMNS, choose_box
from pipeline.parallel import map_shards
from pipeline.shards import list_shards, read_shard, write_shard
from stages.crop import CropParams
from stages.outcome import Outcome, conclude, read_table
from stages.params import ComputeParams, DataParams, read, sentences

INDEX = Path("data/index")
MESHES = Path("data/meshes")
DETECTED = Path("data/detected")
OUTPUT = Path("data/aligned")


@click.command()
@click.argument("subset")
@click.argument("level", type=click.Choice(["on", "off"]))
def main(subset: str, level: str) -> None:
    """Crop the photos of one subset; LEVEL says whether the in-plane roll is taken out (thesis, section 3.3.2)."""
    with sentences():
        data, crop, compute = read("data", DataParams), read("crop", CropParams), read("compute", ComputeParams)
        name = f"{subset}-{level}"
        tasks = [(data, crop, subset, level, path) for path in list_shards(MESHES / subset)]
        outcomes = map_shards(align_photos, tasks, compute.workers, compute.scheduler, f"aligned@{name}")
        conclude(f"aligned@{name}", outcomes, OUTPUT / name, data.max_reject_fraction)


def align_photos(data: DataParams, crop: CropParams, subset: str, level: str, meshes: Path) -> Outcome:
    """Write one shard: image (N, S, S, 3) uint8, similarity (N, 3, 3) float64, sample_id, source_sha256."""
    shard = read_shard(meshes, ["sample_id", "landmarks"])
    wanted = set(shard["sample_id"])
    samples = {
        row["sample_id"]: row for row in read_table(INDEX / subset / "accepted.csv") if row["sample_id"] in wanted
    }
    boxes = _read_boxes(DETECTED / subset / "boxes.csv", wanted) if crop.box == "detector" else {}
    ids, images, similarities, rejected = [], [], [], []
    for sample_id, landmarks in zip(shard["sample_id"], shard["landmarks"], strict=True):
        box = choose_box(boxes[sample_id], landmarks) if crop.box == "detector" else None
        if box is None and crop.box == "detector":
            rejected.append((sample_id, "The detector found no face where the annotation has one."))
            continue
        similarity = align(landmarks, crop.margin, level == "on", data.size, box)
        photo = read_photo(data.folder(subset) / samples[sample_id]["photo"])
        ids.append(sample_id)
        images.append(resample(photo, similarity, data.size))
        similarities.append(similarity)
    arrays = {
        "sample_id": np.array(ids, object),
        "image": np.array(images, np.uint8).reshape(-1, data.size, data.size, 3),
        "similarity": np.array(similarities).reshape(-1, 3, 3),
        "source_sha256": np.array([samples[sample_id]["source_sha256"] for sample_id in ids], object),
    }
    write_shard(OUTPUT / f"{subset}-{level}" / meshes.name, arrays, {"stage": "aligned"})
    return Outcome(len(wanted), len(ids), rejected)


def _read_boxes(path: Path, wanted: set[str]) -> dict[str, NDArray[np.float64]]:
    """Boxes (K, 5) of each wanted sample; K is 0 where the detector found no face."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_table(path):
        found[row["sample_id"]].append([float(row[name]) for name in BOX_COLUMNS])
    return {sample_id: np.array(found[sample_id]).reshape(-1, len(BOX_COLUMNS)) for sample_id in wanted}


if __name__ == "__main__":
    main()
