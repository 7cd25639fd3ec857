"""Stage `landmark_map`: how the 68 landmarks, as they are annotated, follow from the 468 points of Face Mesh."""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.scores.protocols import error_3ddfa
from pipeline.crops.landmark_map import ENOUGH, apply_map, learn_map, save_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.raw.photos import read_photo
from pipeline.store.shards import list_shards, read_shard
from stages.project.annotated_mesh import annotated_mesh
from stages.project.json_file import write_json
from stages.project.params import DataParams, read, sentences
from stages.project.paths import LANDMARK_MAP, LANDMARK_MAP_METRICS, LEARN, subset_folder
from stages.project.samples import read_part, subset_of

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@click.command()
def main() -> None:
    """Learn the map from the training part, and compare it with the table on the validation part."""
    with sentences():
        data = read("data", DataParams)
        train, validation = (list(find_pairs(data, read_part(Path(), part))) for part in ("train", "validation"))
        meshes, landmarks = stack(train)
        learnt = learn_map(meshes, landmarks)
        save_map(LANDMARK_MAP, learnt)
        metrics: dict[str, int | float] = {"train": len(train), "validation": len(validation)}
        if validation:
            meshes, landmarks = stack(validation)
            found = {"map": np.stack([apply_map(learnt, mesh) for mesh in meshes]), "table": read_landmarks(meshes)}
            for name, points in found.items():
                errors = error_3ddfa(points, landmarks)
                metrics |= {f"{name}_mean": round(float(errors.mean()), 3)}
                metrics |= {f"{name}_median": round(float(np.median(errors)), 3)}
        write_json(LANDMARK_MAP_METRICS, metrics)
    few = f"; fewer than {ENOUGH}, so the map is the table" if len(train) < ENOUGH else ""
    click.echo(f"landmark_map: {len(train)} training faces found{few}; {len(validation)} validation faces")


def stack(pairs: list[Pair]) -> Pair:
    """Meshes (N, 468, 3) and landmarks (N, 68, 3) of N faces, which may be none."""
    meshes = np.array([mesh for mesh, _ in pairs]).reshape(-1, 468, 3)
    return meshes, np.array([points for _, points in pairs]).reshape(-1, 68, 3)


def find_pairs(data: DataParams, sample_ids: list[str]) -> Iterator[Pair]:
    """Find the annotated faces of samples: Face Mesh's points and the 68 landmarks, in pixels of the photo.

    The landmarks are ``pt3d_68`` where it is annotated, else the model's own.
    """
    wanted = set(sample_ids)
    bar = tqdm(total=len(sample_ids), unit="image", desc="landmark_map", disable=None)
    for subset in dict.fromkeys(map(subset_of, sample_ids)):
        for path in list_shards(subset_folder("meshes", LEARN, subset)):
            shard = read_shard(path, ["sample_id", "photo", "landmarks"])
            index = read_shard(subset_folder("index", LEARN, subset) / path.name, ["sample_id", "true_landmarks"])
            annotated = dict(zip(index["sample_id"], index["true_landmarks"], strict=True))
            for name, photo, landmarks in zip(*shard.values(), strict=True):
                if name in wanted:
                    mesh = annotated_mesh(read_photo(data.folder(subset) / photo), landmarks)
                    truth = annotated[name] if np.isfinite(annotated[name]).all() else landmarks
                    bar.update()
                    if mesh is not None:
                        yield mesh, truth.astype(np.float64)


if __name__ == "__main__":
    main()
