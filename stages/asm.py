"""Stage `asm`: the Active Shape Model that finds 68 landmarks, learnt from the training part (thesis, 3.3.2)."""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.crops.active_shape import five_points, frame_of, save_model, train, upright_frame, view_of
from pipeline.face.similarity import apply_similarity
from pipeline.raw.photos import read_photo
from pipeline.store.checkout import SHAPES
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.project.beginning import begin_stage
from stages.project.params import AsmParams, DataParams
from stages.project.params_file import read
from stages.project.paths import LEARN, subset_folder
from stages.project.samples import read_part, spread, subset_of


@click.command()
def main() -> None:
    """Learn shapes and gradients from the training part."""
    with sentences():
        begin_stage("asm", SHAPES.parent)
        data, params = read("data", DataParams), read("asm", AsmParams)
        names = list(spread(read_part(Path(), "train"), params.faces))
        frames, shapes, views = read_frames(Path(), data, names)
        SHAPES.parent.mkdir(parents=True, exist_ok=True)
        save_model(SHAPES, train(frames, shapes, views, params.components))
    click.echo(f"asm: {len(names)} faces in, by view {', '.join(map(str, np.bincount(views, minlength=5)))}")


def read_frames(
    root: Path, data: DataParams, sample_ids: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
    """Read faces as `active_shape.train` wants them: frames (N, S, S), shapes (N, 68, 2) and views (N,)."""
    wanted, found = set(sample_ids), []
    for subset in sorted({subset_of(name) for name in sample_ids}):
        for path in list_shards(root / subset_folder("meshes", LEARN, subset)):
            shard = read_shard(path, ["sample_id", "photo", "photo_sha256", "landmarks"])
            for name, photo, digest, landmarks in zip(*shard.values(), strict=True):
                if name in wanted:
                    picture = read_photo(root / data.folder(subset) / photo, digest)
                    points = five_points(landmarks)
                    similarity = upright_frame(points)
                    shape = apply_similarity(similarity, landmarks[:, :2].astype(np.float64))
                    found.append((frame_of(picture, similarity), shape, view_of(points)))
    check(bool(found), "The training part has no meshes: there is nothing to learn landmarks from.")
    frames, shapes, views = zip(*found, strict=True)
    return np.stack(frames), np.stack(shapes), np.array(views)


if __name__ == "__main__":
    main()
