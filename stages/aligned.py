"""Stage `aligned@subset`: photo and landmarks to a crop, levelled or not, and the similarity that made it."""

from pathlib import Path

import click
import numpy as np

from pipeline.crops.alignment import align, contrast, resample
from pipeline.raw.photos import read_photo
from pipeline.store.checks import check
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import ComputeParams, CropParams, DataParams
from stages.project.params_file import read
from stages.project.shard_stage import Task, run_stage

# Grey levels; the least of the real faces of AFLW2000-3D is 8.
MIN_CONTRAST = 3.0
CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Crop the photos of one subset; at level "on" the in-plane roll is taken out (thesis, section 3.3.2)."""
    with sentences():
        data, crop, compute = read("data", DataParams), read("crop", CropParams), read("compute", ComputeParams)
        # Of the stage `meshes`, whose landmarks place the box, or of `detected`, which adds the box to them.
        faces, folder = list_shards(data.shards(data.subsets[subset].boxes, subset)), data.folder(subset)
        tasks = {
            level: [Task((path,), (path, folder, crop.margin, level == "on", data.size)) for path in faces]
            for level in data.levels
        }
        output = data.shards("aligned", subset)
        run_stage(f"aligned@{subset}", align_photos, tasks, output, data.max_reject_fraction, compute)


def align_photos(faces: Path, folder: Path, margin: float, level: bool, size: int) -> ShardContent:
    """Make one shard: image (N, size, size, 3) uint8, similarity (N, 3, 3) float64, and whose they are."""
    shard = read_shard(faces)
    boxes = shard.get("box", [None] * len(shard["photo"]))
    count = len(boxes)
    images, similarities = np.zeros((count, size, size, 3), np.uint8), np.zeros((count, 3, 3))
    rejected = {}
    for row, box in enumerate(boxes):
        try:
            similarities[row] = align(shard["landmarks"][row], margin, level, size, box)
            photo = read_photo(folder / shard["photo"][row], shard["photo_sha256"][row])
            images[row] = resample(photo, similarities[row], size)
            found = contrast(images[row])
            check(
                found >= MIN_CONTRAST,
                f"The crop of {shard['photo'][row]} shows no face: in its middle, grey values vary by {found:.2g} of "
                f"255; expected {MIN_CONTRAST:g} or more.",
            )
        except ValueError as error:
            rejected[row] = str(error).replace(f"{folder}/", "")
        except OSError as error:
            rejected[row] = f"{shard['photo'][row]} can't be read any more: {error.strerror}."
    good = [row for row in range(count) if row not in rejected]
    datasets = {name: shard[name][good] for name in CARRIED}
    reasons = [(shard["sample_id"][row], reason) for row, reason in rejected.items()]
    images = images[good] if rejected else images
    return ShardContent({**datasets, "image": images, "similarity": similarities[good]}, count, reasons)


if __name__ == "__main__":
    main()
