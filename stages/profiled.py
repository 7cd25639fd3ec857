"""Stage `profiled@subset`: copies of a subset's photos whose heads are turned further in depth, with their labels."""

import dataclasses
import zlib
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel, at_landmarks, at_vertices, deform, load_model, select_coefficients
from pipeline.photo.profiling import draw_turns, head_yaw, turn_photo, turn_pose
from pipeline.raw.pair_files import jpeg_bytes, matlab_bytes
from pipeline.raw.photos import read_photo
from pipeline.store.arrays import Image
from pipeline.store.files import write_bytes
from pipeline.store.parallel import map_shards
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from pipeline.uv.surface import load_surface
from stages.project.beginning import begin_stage
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read
from stages.project.paths import LAYOUT, MODEL, PROFILED
from stages.project.profiled_params import ProfiledParams

ANNOTATED = ("sample_id", "photo", "photo_sha256", "shape", "expression", "pose")
JPEG_QUALITY = 95
WHAT = "face turned by the stage profiled"


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Turn the heads of one subset, and write each copy as a pair ``<photo>_<copy>`` in the layout of 300W-LP."""
    with sentences():
        begin_stage(f"profiled@{subset}", PROFILED / subset)
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        params, folder, output = read("profiled", ProfiledParams), data.folder(subset), PROFILED / subset
        # Which subsets there are changes no copy of this one.
        params = dataclasses.replace(params, subsets=[subset])
        tasks = [
            (path, data.shards("index", subset) / path.name, folder, output, params)
            for path in list_shards(data.shards("meshes", subset))
        ]
        output.mkdir(parents=True, exist_ok=True)
        made = list(map_shards(profile, tasks, compute.workers, compute.scheduler, f"profiled@{subset}"))
        photos, copies = (sum(counts) for counts in zip(*made, strict=True)) if made else (0, 0)
    click.echo(f"profiled@{subset}: {copies} copies of {photos} photos")


def profile(meshes: Path, index: Path, folder: Path, output: Path, params: ProfiledParams) -> tuple[int, int]:
    """Make the copies of the photos of one shard of meshes, from their annotations in the index's shard of its name.

    Returns
    -------
    photos, copies : int
    """
    model, surface = load_model(MODEL), load_surface(MODEL, LAYOUT)
    face = at_vertices(model, lambda values: values[surface.vertices])
    usable, annotated = set(read_shard(meshes, ["sample_id"])["sample_id"]), read_shard(index, ANNOTATED)
    rows = [row for row, name in enumerate(annotated["sample_id"]) if name in usable]
    copies = 0
    for row in rows:
        name, photo_name, digest, shape, expression, pose = (annotated[column][row] for column in ANNOTATED)
        stem, generator = Path(photo_name).stem, np.random.default_rng([params.seed, zlib.crc32(name.encode())])
        least, largest, limit = np.deg2rad([*params.turn_deg, params.limit_deg])
        angles = draw_turns(head_yaw(pose), params.copies, (least, largest), limit, generator)
        if not angles:
            continue
        photo = read_photo(folder / photo_name, digest)
        height = len(photo)
        coefficients = select_coefficients(model, shape[None], expression[None])
        vertices = deform(face, coefficients)[0]
        for number, angle in enumerate(angles, start=1):
            turned = turn_pose(pose, angle)
            places = project(vertices, pose, height), project(vertices, turned, height)
            picture = turn_photo(photo, *places, surface.triangles)
            label = label_arrays(model, coefficients, shape, expression, turned, picture)
            write_bytes(output / f"{stem}_{number}.jpg", jpeg_bytes(picture, JPEG_QUALITY))
            write_bytes(output / f"{stem}_{number}.mat", matlab_bytes(label, WHAT))
        copies += len(angles)
    return len(rows), copies


def label_arrays(
    model: FaceModel, coefficients: NDArray, shape: NDArray, expression: NDArray, pose: NDArray, photo: Image
) -> dict[str, NDArray]:
    """Arrays of a copy's ``.mat``, as those of 300W-LP: what was annotated of its photo, with the pose (7,) turned.

    ``pt2d`` has the 68 landmarks that the model, its coefficients (1, S + E) and the pose place; ``roi`` is the photo.
    """
    height, width = photo.shape[:2]
    points = project(deform(at_landmarks(model), coefficients)[0], pose, height)[:, :2]
    return {
        "Shape_Para": shape[np.isfinite(shape), None],
        "Exp_Para": expression[np.isfinite(expression), None],
        "Pose_Para": pose[None],
        "pt2d": points.T + 1,
        "roi": np.array([[1, 1, width, height]], np.int32),
    }


if __name__ == "__main__":
    main()
