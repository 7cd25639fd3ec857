"""Stage `meshes@subset`: coefficients to vertices in photo pixels."""

from pathlib import Path

import click
import numpy as np

from pipeline.camera import project
from pipeline.face_model import deform, load_model, select_coefficients
from pipeline.parallel import map_shards
from pipeline.shards import count_samples, read_shard, shard_path, write_shard
from stages.outcome import Outcome, conclude, read_table
from stages.params import ComputeParams, DataParams, read, sentences

INDEX = Path("data/index")
MODEL = Path("data/face_model/model.h5")
OUTPUT = Path("data/meshes")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Deform the face model for each accepted sample of one subset, and place it in its photo."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        annotations = INDEX / subset / "annotations.h5"
        step = data.samples_per_shard
        tasks = [
            (subset, start // step, slice(start, start + step)) for start in range(0, count_samples(annotations), step)
        ]
        outcomes = map_shards(make_meshes, tasks, compute.workers, compute.scheduler, f"meshes@{subset}")
        conclude(f"meshes@{subset}", outcomes, OUTPUT / subset, data.max_reject_fraction)


def make_meshes(subset: str, number: int, rows: slice) -> Outcome:
    """Write one shard: vertices (N, V, 3) and landmarks (N, 68, 3) float32 in photo pixels, coefficients, pose."""
    model = load_model(MODEL)
    annotations = read_shard(INDEX / subset / "annotations.h5", rows=rows)
    heights = [int(row["height"]) for row in read_table(INDEX / subset / "accepted.csv")][rows]
    coefficients = select_coefficients(model, annotations["shape"], annotations["expression"])
    shapes = deform(model, coefficients)
    vertices = np.zeros_like(shapes)
    for i, (shape, pose, height) in enumerate(zip(shapes, annotations["pose"], heights, strict=True)):
        vertices[i] = project(shape, pose, height)
    arrays = {
        "sample_id": annotations["sample_id"],
        "vertices": vertices,
        "landmarks": vertices[:, model.landmarks],
        "coefficients": coefficients,
        "pose": annotations["pose"],
    }
    write_shard(shard_path(OUTPUT / subset, number), arrays, {"stage": "meshes"})
    return Outcome(len(vertices), len(vertices))


if __name__ == "__main__":
    main()
