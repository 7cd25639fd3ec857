"""Stage `detected@subset`: MTCNN's boxes, where `crop.box` asks for them."""

from pathlib import Path

import click
import numpy as np

from pipeline.crops.detection import BOX_COLUMNS, detect_boxes
from pipeline.raw.photos import read_photo
from pipeline.store.resume import ShardContent
from pipeline.store.shards import list_shards, read_shard
from stages.project.crop import CropParams
from stages.project.params import ComputeParams, DataParams, read, sentences
from stages.project.shard_stage import Task, run_stage

INDEX = Path("data/index")
OUTPUT = Path("data/detected")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Find all faces in each photo of one subset; with crop.box = landmarks there is nothing to do."""
    with sentences():
        data, crop, compute = read("data", DataParams), read("crop", CropParams), read("compute", ComputeParams)
        wanted = crop.box == "detector"
        shards = list_shards(INDEX / subset) if wanted else []
        tasks = [Task((path,), (path, data.folder(subset))) for path in shards]
        run_stage(f"detected@{subset}", detect, tasks, OUTPUT / subset, data.max_reject_fraction, compute)
    if not wanted:
        click.echo(f"detected@{subset}: not needed, crop.box is {crop.box}")


def detect(index: Path, folder: Path) -> ShardContent:
    """Make one shard: boxes (N, K, 5) float64 as `detect_boxes` gives them, filled up with NaN to the most faces."""
    samples = read_shard(index, ["sample_id", "photo"])
    found = list(detect_boxes(read_photo(folder / photo) for photo in samples["photo"]))
    boxes = np.full((len(found), max(map(len, found), default=0), len(BOX_COLUMNS)), np.nan)
    for row, faces in enumerate(found):
        boxes[row, : len(faces)] = faces.round(4)
    return ShardContent({"sample_id": samples["sample_id"], "boxes": boxes}, len(found))


if __name__ == "__main__":
    main()
