"""Choose the pairs of Face Mesh's points that the 68 landmarks are read from (`python -m benchmarks.mesh_landmarks`).

On the photos of FACE_DATA's AFLW2000 that are not tested, those with a yaw under 45 degrees: for each landmark the two
points and the weight whose combination has the least median distance from the annotation, the same for a landmark and
its mirror image. Prints the rows of `pipeline.crops.mesh_landmarks.PAIRS`; some minutes.
"""

import os
from pathlib import Path

import click
import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from benchmarks.aflw2000 import read_photos
from benchmarks.free_faces import choose
from pipeline.crops.blaze_face import line_roll
from pipeline.crops.face_mesh import OUTER_CORNERS, find_faces, open_networks
from pipeline.face.landmarks import LANDMARKS, MIRRORED
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.store.arrays import Array
from pipeline.store.progress import show_progress

MOST_YAW_DEG = 45
WEIGHTS = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75)
# First points that are tried: those that lie nearest to the landmark; second points are all. Of each weight's second
# points the best few by their mean distance, up to a bound, are compared by the median.
FIRST, SHORTLIST, BOUND = 30, 6, 0.08


def read_faces(folder: Path) -> tuple[Array, Array]:
    """Points of Face Mesh (N, 468, 2) and true landmarks (N, 68, 2), both in sizes of the true face."""
    networks, meshes, truths = open_networks(), [], []
    for photo in show_progress(read_photos(folder, tested=False), "mesh_landmarks", "photo"):
        face = choose(list(find_faces(photo.pixels, networks)), photo)
        if face is not None and abs(photo.yaw_deg) < MOST_YAW_DEG:
            size = np.sqrt(np.ptp(photo.landmarks[:, :2], axis=0).prod())
            meshes.append(face.mesh[:, :2] / size)  # type: ignore[attr-defined]
            truths.append(photo.landmarks[:, :2] / size)
    return np.array(meshes), np.array(truths)


def mirror_points(meshes: Array) -> NDArray[np.int64]:
    """For each of the 468 points the one that it becomes in a mirror, by the mean of the levelled faces."""
    levelled = [
        apply_similarity(make_similarity(1.0, -line_roll(*mesh[list(OUTER_CORNERS)]), mesh.mean(axis=0), (0, 0)), mesh)
        for mesh in meshes
    ]
    mean = np.median(levelled, axis=0)
    mirrored = np.column_stack([mean[list(OUTER_CORNERS), 0].sum() - mean[:, 0], mean[:, 1]])
    apart = np.linalg.norm(mirrored[:, None] - mean[None], axis=2)
    return np.asarray(scipy.optimize.linear_sum_assignment(apart)[1], np.int64)


def choose_pair(
    meshes: Array, truths: Array, landmark: int, mirror: NDArray[np.int64]
) -> tuple[float, int, int, float]:
    """Least median distance in sizes of the face, the two points and the weight of the second."""
    other, points = int(MIRRORED[landmark]), np.arange(len(mirror))
    if other == landmark:
        points = points[mirror == points]  # on the midline
    apart = np.median(np.linalg.norm(meshes[:, points] - truths[:, None, landmark], axis=2), axis=0)
    tried = []
    for first in points[np.argsort(apart)[:FIRST]]:
        for weight in WEIGHTS:
            distance = _distances(meshes, truths, landmark, first, points, weight)
            if other != landmark:
                far_side = _distances(meshes, truths, other, mirror[first], mirror[points], weight)
                distance = np.concatenate([distance, far_side])
            for column in np.argsort(np.minimum(distance, BOUND).mean(axis=0))[:SHORTLIST]:
                tried.append((float(np.median(distance[:, column])), int(first), int(points[column]), weight))
    return min(tried)


def _distances(
    meshes: Array, truths: Array, landmark: int, first: int, seconds: NDArray[np.int64], weight: float
) -> Array:
    read = (1 - weight) * meshes[:, first, None] + weight * meshes[:, seconds]
    return np.asarray(np.linalg.norm(read - truths[:, None, landmark], axis=2), np.float64)


@click.command()
def main() -> None:
    """Choose on FACE_DATA's AFLW2000."""
    meshes, truths = read_faces(Path(os.environ.get("FACE_DATA", "../shared/data")) / "AFLW2000")
    mirror = mirror_points(meshes)
    pairs: dict[int, tuple[int, int, float]] = {}
    for landmark in range(LANDMARKS):
        if MIRRORED[landmark] >= landmark:
            median, first, second, weight = choose_pair(meshes, truths, landmark, mirror)
            pairs[landmark] = first, second, weight
            pairs[int(MIRRORED[landmark])] = pairs[landmark]
            if MIRRORED[landmark] != landmark:
                pairs[int(MIRRORED[landmark])] = int(mirror[first]), int(mirror[second]), weight
            click.echo(f"{landmark}: {pairs[landmark]}, median {100 * median:.2f} %", err=True)
    click.echo(", ".join(f"({a}, {b}, {w:g})" for _, (a, b, w) in sorted(pairs.items())))


if __name__ == "__main__":
    main()
