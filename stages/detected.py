"""Stage `detected@subset`: where MTCNN has each annotated face, for subsets in `crop.detected`."""

from pathlib import Path

import click
import numpy as np

from pipeline.crops.face_finding import choose_annotated, find_faces, landmark_box_of
from pipeline.raw.photos import read_photo
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read
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
    """Make one shard: what `aligned` needs of the shard of meshes, and box (N, 4) float64, see `landmark_box_of`.

    Photos in which MTCNN finds no face where the annotation has one are set aside.
    """
    shard = read_shard(meshes, CARRIED)
    rows = zip(shard["photo"], shard["photo_sha256"], shard["landmarks"], strict=True)
    faces = [choose_annotated(find_faces(read_photo(folder / photo, sha)), landmarks) for photo, sha, landmarks in rows]
    good = [row for row, face in enumerate(faces) if face is not None]
    rejected = [
        (name, "The detector found no face where the annotation has one.")
        for name, face in zip(shard["sample_id"], faces, strict=True)
        if face is None
    ]
    boxes = np.array([landmark_box_of(face) for face in faces if face is not None], np.float64).reshape(-1, 4).round(4)
    return ShardContent({**{name: shard[name][good] for name in CARRIED}, "box": boxes}, len(faces), rejected)


if __name__ == "__main__":
    main()
