"""Stage `landmark_map`: how the 68 landmarks, as they are annotated, follow from the 468 points of Face Mesh."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from model.scores.protocols import error_3ddfa
from pipeline.crops.face_mesh import POINTS, MeshFace
from pipeline.crops.landmark_map import ENOUGH, KEYPOINTS, apply_map, learn_map, save_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.landmarks import LANDMARKS
from pipeline.raw.photos import read_photo
from pipeline.store.progress import open_bar
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from stages.project.annotated_face import annotated_face
from stages.project.beginning import begin_stage
from stages.project.json_file import write_json
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import LANDMARK_MAP, LANDMARK_MAP_METRICS, LEARN, subset_folder
from stages.project.samples import read_part, spread, subset_of

# Faces of a part that are looked at, evenly spaced: 75 kB are held of each, which may not grow with the data.
MOST_FACES = 5000


@click.command()
def main() -> None:
    """Learn the map from the training part, and compare it with the table on the validation part."""
    with sentences():
        begin_stage("landmark_map", LANDMARK_MAP.parent)
        data = read("data", DataParams)
        parts = [spread(read_part(Path(), part), MOST_FACES) for part in ("train", "validation")]
        train, validation = (stack(find_faces(data, names)) for names in parts)
        learnt = learn_map(**train)
        save_map(LANDMARK_MAP, learnt)
        counts = {name: len(part["meshes"]) for name, part in (("train", train), ("validation", validation))}
        write_json(LANDMARK_MAP_METRICS, counts | (compare(learnt, **validation) if counts["validation"] else {}))
    few = f"; fewer than {ENOUGH}, so the map is the table" if counts["train"] < ENOUGH else ""
    click.echo(f"landmark_map: {counts['train']} training faces found{few}; {counts['validation']} validation faces")


def stack(faces: Iterable[tuple[MeshFace, NDArray]]) -> dict[str, NDArray]:
    """Arrays of faces, which may be none, by what `learn_map` calls them."""
    pairs = list(faces)
    return {
        "meshes": np.array([face.mesh for face, _ in pairs]).reshape(-1, POINTS, 3),
        "landmarks": np.array([landmarks for _, landmarks in pairs]).reshape(-1, LANDMARKS, 3),
        "presences": np.array([face.confidence for face, _ in pairs]),
        "keypoints": np.array([face.keypoints for face, _ in pairs]).reshape(-1, KEYPOINTS, 2),
    }


def compare(
    learnt: NDArray, meshes: NDArray, landmarks: NDArray, presences: NDArray, keypoints: NDArray
) -> dict[str, float]:
    """Errors of the 68 landmarks in 2D by a map and by the table, in percent, over faces that it did not see."""
    mapped = [apply_map(learnt, *face) for face in zip(meshes, presences, keypoints, strict=True)]
    metrics: dict[str, float] = {}
    for name, found in (("map", np.stack(mapped)), ("table", read_landmarks(meshes))):
        errors = error_3ddfa(found, landmarks)
        metrics |= {f"{name}_mean": round(float(errors.mean()), 3)}
        metrics |= {f"{name}_median": round(float(np.median(errors)), 3)}
    return metrics


def find_faces(data: DataParams, sample_ids: Sequence[str]) -> Iterator[tuple[MeshFace, NDArray[np.float64]]]:
    """Find the annotated faces of samples, each with its true landmarks (68, 3) in pixels of the photo.

    These are ``pt3d_68`` where it is annotated, else the model's own.
    """
    wanted = set(sample_ids)
    with open_bar("landmark_map", "photo", len(wanted)) as bar:
        for subset in dict.fromkeys(map(subset_of, sample_ids)):
            for path in list_shards(subset_folder("meshes", LEARN, subset)):
                shard = read_shard(path, ["sample_id", "photo", "photo_sha256", "landmarks"])
                index = read_shard(subset_folder("index", LEARN, subset) / path.name, ["sample_id", "true_landmarks"])
                annotated = dict(zip(index["sample_id"], index["true_landmarks"], strict=True))
                for name, photo, digest, landmarks in zip(*shard.values(), strict=True):
                    if name in wanted:
                        face = annotated_face(read_photo(data.folder(subset) / photo, digest), landmarks)
                        truth = annotated[name] if np.isfinite(annotated[name]).all() else landmarks
                        bar.update()
                        if face is not None:
                            yield face, truth.astype(np.float64)


if __name__ == "__main__":
    main()
