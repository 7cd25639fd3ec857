"""Stage `detected@subset`: MTCNN's box of each annotated face, where `crop.detected` asks for it."""

from pathlib import Path

import click
import numpy as np

from pipeline.crops.detection import choose_box, detect_boxes
from pipeline.raw.photos import read_photo
from pipeline.store.resume import ShardContent
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import ComputeParams, DataParams, read, sentences
from stages.project.shard_stage import WHOLE, Task, run_stage

CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256", "landmarks")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Find the annotated face in each photo of one subset."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        tasks = [Task((path,), (path, data.folder(subset))) for path in list_shards(data.shards("meshes", subset))]
        output = data.shards("detected", subset)
        run_stage(f"detected@{subset}", detect, {WHOLE: tasks}, output, data.max_reject_fraction, compute)


def detect(meshes: Path, folder: Path) -> ShardContent:
    """Make one shard: what `aligned` needs of the shard of meshes, and box (N, 4) float64: x, y, width, height, px.

    Photos in which MTCNN finds no face where the annotation has one are set aside.
    """
    shard = read_shard(meshes, CARRIED)
    named = zip(shard["photo"], shard["photo_sha256"], strict=True)
    found = detect_boxes(read_photo(folder / photo, digest) for photo, digest in named)
    boxes = [choose_box(faces, landmarks) for faces, landmarks in zip(found, shard["landmarks"], strict=True)]
    good = [row for row, box in enumerate(boxes) if box is not None]
    rejected = [
        (name, "The detector found no face where the annotation has one.")
        for name, box in zip(shard["sample_id"], boxes, strict=True)
        if box is None
    ]
    box = np.array([boxes[row] for row in good], np.float64).reshape(-1, 4).round(4)
    return ShardContent({**{name: shard[name][good] for name in CARRIED}, "box": box}, len(boxes), rejected)


if __name__ == "__main__":
    main()
