"""Time the way from a photo's file to its mesh with a network of the thesis's size (`python -m benchmarks.photo_time`).

On real photos and the real face model (FACE_DATA), with the exported `prn_refine_fast` of 256 px. Its weights are
random, since the time of a multiplication does not depend on its numbers; where the way goes on, the mean face stands
for its output, which lies in the crop as faces do. Prints a table, then one line of JSON.
"""

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.model import SIZE, write_files
from model.export import FORMATS, open_network
from pipeline.crops.alignment import align, resample
from pipeline.crops.face_finding import find_faces, first_crop
from pipeline.face.face_model import FaceModel
from pipeline.photo.photo_files import list_photos, open_photo
from pipeline.photo.reconstruction import Reconstruction, find_landmarks, read_face
from pipeline.raw.bfm import load_bfm
from pipeline.uv.embedding import embed
from pipeline.uv.masks import face_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map
from pipeline.uv.scaling import to_photo
from pipeline.uv.surface import make_surface

PHOTOS, MARGIN = 30, 1.5
RUNTIMES = ("onnx", "onnx_int8", "litert_int8")


def place_mean(model: FaceModel) -> NDArray[np.float32]:
    """Mean face (V, 3) as it lies in a levelled crop of SIZE px."""
    height = np.ptp(model.mean[model.landmarks, 1])
    scale = (SIZE - 1) / MARGIN / height
    low, high = model.mean[model.landmarks].min(axis=0), model.mean[model.landmarks].max(axis=0)
    middle = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 0])
    return ((model.mean - (low + high) / 2) * [scale, -scale, scale] + middle).astype(np.float32)


def time_photos(folder: Path, runtime: str, data: Path) -> dict[str, float]:
    """Median milliseconds of each step over real photos."""
    model = load_bfm(data / "bfm")
    embedding = embed(model.mean, model.triangles)
    operator, uv = make_operator(embedding, SIZE), embedding.uv[: len(model.mean)]
    mean_map = render_map(operator, place_mean(model)[None])[0]
    mask = face_mask(render_map(operator, model.mean[None])[0], uv[model.landmarks])
    surface = make_surface(uv, model.triangles, model.landmarks, mask)
    run = open_network(folder / FORMATS[runtime], os.cpu_count() or 1)
    steps: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = work(*arguments)
        steps.setdefault(name, []).append(1e3 * (time.perf_counter() - start))
        return result

    def predict(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        run(to_photo(crop[None]))
        return mean_map

    def reconstruct(photo: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Reconstruction:
        similarity = align(landmarks, MARGIN, True, SIZE)
        mean = model.mean[surface.vertices]
        return read_face(predict(resample(photo, similarity, SIZE)), similarity, surface, mean, len(photo))

    for path in list_photos([str(data / "AFLW2000")])[: PHOTOS + 1]:
        photo, _ = timed("decode", open_photo, path)
        faces = timed("detect (MTCNN)", find_faces, photo)
        if faces:
            first = first_crop(faces[0], MARGIN, SIZE)
            landmarks = timed("first pass: landmarks", find_landmarks, photo, first, predict, surface, SIZE)
            timed("second pass: crop, network, mesh, pose", reconstruct, photo, landmarks)
            timed("of each pass, the network", run, to_photo(photo[None, :SIZE, :SIZE]))
    # The first of each is not counted.
    return {name: round(statistics.median(values[1:]), 1) for name, values in steps.items()}


@click.command()
def main() -> None:
    """Time photos to meshes."""
    data = Path(os.environ.get("FACE_DATA", "../shared/data"))
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=write_files, args=(theirs, Path(name), "prn_refine_fast")
        )
        child.start()
        ours.recv()
        child.join()
        rows = {runtime: time_photos(Path(name), runtime, data) for runtime in RUNTIMES}
    click.echo("| ms, median of 30 photos of 450 px | " + " | ".join(rows) + " |\n|---" + "|---" * len(rows) + "|")
    for step in next(iter(rows.values())):
        click.echo(f"| {step} | " + " | ".join(str(row[step]) for row in rows.values()) + " |")
    total = {
        name: row["first pass: landmarks"] + row["second pass: crop, network, mesh, pose"] for name, row in rows.items()
    }
    click.echo(
        "| decoded photo to mesh, beside MTCNN | " + " | ".join(f"{value:.0f}" for value in total.values()) + " |"
    )
    click.echo(json.dumps(rows))


if __name__ == "__main__":
    main()
