"""Stage `found@source`: crops of the test part by landmarks that were found in the photos, not annotated."""

from pathlib import Path

import click
import numpy as np

from pipeline.crops.alignment import align, resample
from pipeline.raw.photos import read_photo
from pipeline.store.checks import check
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.photo.landmark_finders import file_of, open_finder
from stages.project.params import ComputeParams, CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import FOUND
from stages.project.samples import read_part, shards_of, subset_of
from stages.project.shard_stage import Task, run_stage

CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256")
NO_FACE = "No face was found where the annotation has one."
# It counts as failed where no face is found: there is nothing to stop a run for.
ALL = 1.0


@click.command()
@click.argument("source")
def main(source: str) -> None:
    """Find the landmarks of the test part by SOURCE, and crop and level its photos by these alone."""
    with sentences():
        data, crop, compute = read("data", DataParams), read("crop", CropParams), read("compute", ComputeParams)
        check(source in crop.found, f"{source!r} is not in crop.found, which has {', '.join(crop.found)}.")
        names = frozenset(read_part(Path(), "test"))
        learnt = file_of(source, crop.found[source])
        shards = [
            (path, data.folder(subset))
            for subset in sorted({subset_of(name) for name in names})
            for path in list_shards(shards_of(Path(), "meshes", subset))
        ]
        tasks = {
            level: [
                Task((path, learnt), (path, names, folder, source, learnt, crop.margin, level == "on", data.size))
                for path, folder in shards
            ]
            for level in data.levels
        }
        run_stage(f"found@{source}", crop_found, tasks, FOUND / source, ALL, compute)


def crop_found(
    meshes: Path, names: frozenset[str], folder: Path, source: str, learnt: Path, margin: float, level: bool, size: int
) -> ShardContent:
    """Make one shard: image and similarity as `aligned` has them, of the tested samples of a shard of meshes."""
    shard = read_shard(meshes, (*CARRIED, "landmarks"))
    find = open_finder(source, learnt)
    good, images, similarities, rejected = [], [], [], []
    tested = [row for row, name in enumerate(shard["sample_id"]) if name in names]
    for row in tested:
        try:
            photo = read_photo(folder / shard["photo"][row], shard["photo_sha256"][row])
            landmarks = find(photo, shard["landmarks"][row])
            if landmarks is None:
                rejected.append((shard["sample_id"][row], NO_FACE))
                continue
            similarity = align(landmarks, margin, level, size)
        except (ValueError, OSError) as error:
            rejected.append((shard["sample_id"][row], str(error).replace(f"{folder}/", "")))
            continue
        good.append(row)
        images.append(resample(photo, similarity, size))
        similarities.append(similarity)
    return ShardContent(
        {name: shard[name][good] for name in CARRIED}
        | {
            "image": np.array(images, np.uint8).reshape(-1, size, size, 3),
            "similarity": np.array(similarities, np.float64).reshape(-1, 3, 3),
        },
        len(tested),
        rejected,
    )


if __name__ == "__main__":
    main()
