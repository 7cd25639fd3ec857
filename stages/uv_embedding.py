"""Stage `uv_embedding`: the mesh laid out in the square, its position-map operator, masks and diagnostics."""

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.face_model import FaceModel, load_model
from pipeline.raw.matlab import read_arrays
from pipeline.uv.embedding import count_flipped, embed, from_table
from pipeline.uv.masks import face_mask, weight_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, nearest_texels, render_map, sample_map, save_uv
from stages.project.json_file import write_json
from stages.project.params import DataParams, EmbeddingParams, read, sentences
from stages.project.strict import check

MODEL = Path("data/face_model/model.h5")
OUTPUT = Path("data/uv_embedding/uv.h5")
METRICS = Path("metrics/uv_embedding.json")
PICTURE = Path("reports/uv_embedding.png")
PICTURE_SIDE = 768


@click.command()
def main() -> None:
    """Embed the mean mesh by Tutte's method with uniform weights, or as a published table has it."""
    with sentences():
        data, params = read("data", DataParams), read("uv_embedding", EmbeddingParams)
        size, model = data.size, load_model(MODEL)
        if params.source == "file":
            embedding = from_table(read_table(Path(data.root) / params.file, len(model.mean)), model.triangles)
        else:
            embedding = embed(model.mean, model.triangles)
        uv = embedding.uv[: len(model.mean)]
        operator = make_operator(embedding, size)
        mean_map = render_map(operator, model.mean[None])[0]
        landmark_uv = uv[model.landmarks]
        mask = face_mask(mean_map, landmark_uv)
        weights = weight_mask(mask, landmark_uv)
        layout = UVLayout(uv, operator, mask, weights, nearest_texels(landmark_uv, size))
        metrics = {"flipped_triangles": count_flipped(embedding), **diagnose(model, layout, mean_map)}
        save_uv(OUTPUT, layout)
        write_json(METRICS, metrics)
        PICTURE.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(PICTURE), cv2.cvtColor(draw(layout, mean_map), cv2.COLOR_RGB2BGR))
    click.echo(
        f"uv_embedding: {size} px, {metrics['flipped_triangles']} flipped triangles, "
        f"round trip {metrics['round_trip_mean_percent']} % of the face's height in the mean"
    )


def read_table(path: Path, vertices: int) -> NDArray[np.float64]:
    """Read `UV` (vertices, 2) of a Matlab file."""
    check(
        path.is_file(), f"{path} is missing: put the table there, name it in uv_embedding.file, or take source tutte."
    )
    table = read_arrays(path, ("UV",))["UV"].astype(np.float64)
    check(table.shape == (vertices, 2), f"UV in {path} has shape {table.shape}; the face model needs ({vertices}, 2).")
    check(table.min() >= 0 and table.max() <= 1, f"UV in {path} leaves the unit square.")
    return table


def diagnose(model: FaceModel, layout: UVLayout, mean_map: NDArray) -> dict[str, float]:
    """Round trip vertices -> map -> vertices of the mean mesh, in percent of its height, and how texels are shared."""
    height = np.ptp(model.mean[:, 1])
    error = 100 * np.linalg.norm(sample_map(mean_map, layout.uv) - model.mean, axis=1) / height
    taken = len(np.unique(nearest_texels(layout.uv, layout.size), axis=0))
    landmarks = len(np.unique(layout.landmark_texels, axis=0))
    return {
        "round_trip_mean_percent": round(float(error.mean()), 4),
        "round_trip_worst_percent": round(float(error.max()), 3),
        "vertices": len(layout.uv),
        "vertices_sharing_a_texel": len(layout.uv) - taken,
        "landmarks_sharing_a_texel": len(layout.landmark_texels) - landmarks,
        "face_texels": int(layout.face_mask.sum()),
    }


def draw(layout: UVLayout, mean_map: NDArray) -> NDArray[np.uint8]:
    """The mean map as colours, the weights over it, and the landmarks: two panels of `PICTURE_SIDE` px."""
    low, high = mean_map.min(axis=(0, 1)), mean_map.max(axis=(0, 1))
    colours = (255 * (mean_map - low) / (high - low)).astype(np.uint8)
    weights = np.repeat((255 * layout.weight_mask).astype(np.uint8)[..., None], 3, axis=2)
    panels = [
        cv2.resize(panel, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_NEAREST) for panel in (colours, weights)
    ]
    texel = PICTURE_SIDE / layout.size
    for row, column in layout.landmark_texels:
        centre = (int((column + 0.5) * texel), int((row + 0.5) * texel))
        cv2.circle(panels[0], centre, 4, (255, 255, 255), -1, cv2.LINE_AA)
    return np.hstack(panels)


if __name__ == "__main__":
    main()
