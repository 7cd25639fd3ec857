"""Stage `meshes@subset`: each sample's mesh in its photo, as the coefficients and the camera that make it."""

from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.crops.alignment import landmark_box
from pipeline.face.camera import project
from pipeline.face.face_model import at_landmarks, deform, load_model, select_coefficients
from pipeline.face.landmarks import LANDMARKS
from pipeline.face.meshes import read_vertices
from pipeline.raw.agreement import doubt_model, find_disagreement, landmark_distances
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import count_samples, list_shards, read_shard
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read
from stages.project.paths import MODEL
from stages.project.shard_stage import WHOLE, Task, run_stage

CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256", "height", "pose")
# A face that is larger than its photo by more than this has coefficients or a camera of something else.
MAX_FACE_PHOTOS = 2
# A face whose landmarks' box is smaller has nothing to learn from; the smallest of AFLW2000-3D is 130 px.
MIN_FACE_PX = 8


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Deform the face model for each accepted sample of one subset, and place it in its photo."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        tasks = {WHOLE: [Task((MODEL, path), (path,)) for path in list_shards(data.shards("index", subset))]}
        output = data.shards("meshes", subset)
        run_stage(f"meshes@{subset}", make_meshes, tasks, output, data.max_reject_fraction, compute)
        _save_first(output)
        doubt = _doubt_model(data.shards("index", subset), output)
    if doubt:
        click.echo(f"meshes@{subset}: {doubt}")


def make_meshes(index: Path) -> ShardContent:
    """Make one shard: what `read_vertices` needs, and the landmarks (N, 68, 3) float64 in photo pixels.

    Samples are set aside whose landmarks are not in their photo, or contradict those that the annotation has beside its
    coefficients: it is of another photo or another model.
    """
    model = load_model(MODEL)
    annotations = read_shard(index)
    with np.errstate(over="ignore", invalid="ignore"):  # said below, of the sample
        coefficients = select_coefficients(model, annotations["shape"], annotations["expression"])
        shapes = deform(at_landmarks(model), coefficients)
        landmarks = np.zeros(shapes.shape)
        for i, shape in enumerate(shapes):
            landmarks[i] = project(shape, annotations["pose"][i], annotations["height"][i])
    beside = (annotations[name] for name in ("true_landmarks", "marked_landmarks"))
    sizes = zip(annotations["width"], annotations["height"], strict=True)
    reasons = [
        _fault(points, *size) or find_disagreement(Path(photo).stem, points, *known)
        for photo, points, size, *known in zip(annotations["photo"], landmarks, sizes, *beside, strict=True)
    ]
    good = np.array([reason is None for reason in reasons], bool)
    datasets = {
        **{name: annotations[name][good] for name in CARRIED},
        "coefficients": coefficients[good],
        "landmarks": landmarks[good],
    }
    rejected = [(name, reason) for name, reason in zip(annotations["sample_id"], reasons, strict=True) if reason]
    return ShardContent(datasets, len(reasons), rejected)


def _fault(landmarks: np.ndarray, width: int, height: int) -> str | None:
    """Why landmarks (68, 3) can't belong to a photo, or None."""
    if not np.isfinite(landmarks).all():
        return "The landmarks of the annotated face are not finite; its coefficients are of another model."
    side = landmark_box(landmarks)[1]
    if side < MIN_FACE_PX:
        return f"The annotated face is {side:.2g} px wide; expected {MIN_FACE_PX} px or more."
    if side > MAX_FACE_PHOTOS * (width * height) ** 0.5:
        return (
            f"The annotated face is {side:.3g} px wide in a photo of {width} x {height} px; the annotation belongs to "
            "another photo or model."
        )
    inside = ((landmarks[:, :2] >= 0) & (landmarks[:, :2] < (width, height))).all(axis=1).sum()
    if inside < len(landmarks) / 2:
        return f"Only {inside} of 68 landmarks are in the photo; the annotation belongs to another photo or model."
    return None


def _doubt_model(index: Path, meshes: Path) -> str | None:
    """Say so where the meshes of a subset are further from ``pt3d_68`` than those of the right face model are."""
    means: list[float] = []
    for path in list_shards(meshes):
        annotated = read_shard(index / path.name, ["sample_id", "true_landmarks"])
        truths = dict(zip(annotated["sample_id"], annotated["true_landmarks"], strict=True))
        shard = read_shard(path, ["sample_id", "landmarks"])
        true_landmarks = np.array([truths[name] for name in shard["sample_id"]]).reshape(-1, LANDMARKS, 3)
        distances = landmark_distances(shard["landmarks"], true_landmarks).mean(axis=1)
        means += distances[np.isfinite(distances)].tolist()
    return doubt_model(float(np.mean(means))) if means else None


def _save_first(output: Path) -> None:
    """Save the first mesh as first.ply, for a look at it in any viewer; z to the front and y up, as viewers have it."""
    import trimesh  # half a second, for this alone

    model = load_model(MODEL)
    for path in list_shards(output):
        if count_samples(path):
            with threadpool_limits(1):  # as shards are made: BLAS rounds otherwise with more threads
                vertices = read_vertices(path, model, slice(0, 1))[0] * (1, -1, 1)
            trimesh.Trimesh(vertices, model.triangles, process=False).export(output / "first.ply")
            return


if __name__ == "__main__":
    main()
