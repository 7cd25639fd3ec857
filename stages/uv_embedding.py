"""Stage `uv_embedding`: the mesh laid out in the square, its position-map operator, masks and diagnostics."""

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.face_model import load_model
from pipeline.raw.matlab import read_arrays
from pipeline.store.checks import check
from pipeline.store.progress import show_steps
from pipeline.store.sentences import sentences
from pipeline.uv.diagnostics import diagnose, draw_layout
from pipeline.uv.embedding import count_flipped, embed, from_table
from pipeline.uv.masks import face_mask, weight_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, nearest_texels, render_map, save_uv
from stages.project.beginning import begin_stage
from stages.project.json_file import write_json
from stages.project.params import DataParams, EmbeddingParams
from stages.project.params_file import read
from stages.project.paths import LAYOUT, MODEL, UV_METRICS, UV_PICTURE


@click.command()
def main() -> None:
    """Embed the mean mesh by Tutte's method with uniform weights, or as a published table has it."""
    with sentences():
        begin_stage("uv_embedding", LAYOUT.parent, UV_PICTURE)
        data, params = read("data", DataParams), read("uv_embedding", EmbeddingParams)
        size, model = data.size, load_model(MODEL)
        with show_steps("uv_embedding", 5) as begin:
            begin("embedding")
            if params.source == "file":
                embedding = from_table(read_table(Path(data.root) / params.file, len(model.mean)), model.triangles)
            else:
                embedding = embed(model.mean, model.triangles)
            uv = embedding.uv[: len(model.mean)]
            begin("operator")
            operator = make_operator(embedding, size)
            mean_map = render_map(operator, model.mean[None])[0]
            begin("masks")
            landmark_uv = uv[model.landmarks]
            mask = face_mask(mean_map, landmark_uv)
            weights = weight_mask(mask, landmark_uv)
            layout = UVLayout(uv, operator, mask, weights, nearest_texels(landmark_uv, size))
            begin("diagnostics")
            metrics = {"flipped_triangles": count_flipped(embedding), **diagnose(model, layout, mean_map)}
            begin("picture")
            save_uv(LAYOUT, layout)
            write_json(UV_METRICS, metrics)
            UV_PICTURE.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(UV_PICTURE), cv2.cvtColor(draw_layout(layout, mean_map), cv2.COLOR_RGB2BGR))
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


if __name__ == "__main__":
    main()
