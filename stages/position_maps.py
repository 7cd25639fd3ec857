"""Stage `position_maps@subset-level`: mesh, similarity and operator to finished training samples."""

from pathlib import Path

import click
import numpy as np

from pipeline.camera import apply_similarity, transform_pose
from pipeline.parallel import map_shards
from pipeline.position_map import load_uv, render_map
from pipeline.shards import encode_positions, list_shards, position_range, read_shard, write_shard
from stages.outcome import Outcome, conclude, read_table
from stages.params import ComputeParams, DataParams, read, sentences

INDEX = Path("data/index")
MESHES = Path("data/meshes")
ALIGNED = Path("data/aligned")
LAYOUT = Path("data/uv_embedding/uv.h5")
OUTPUT = Path("data/position_maps")


@click.command()
@click.argument("subset")
@click.argument("level", type=click.Choice(["on", "off"]))
def main(subset: str, level: str) -> None:
    """Make the training samples of one subset."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        name = f"{subset}-{level}"
        tasks = [(data.size, subset, path) for path in list_shards(ALIGNED / name)]
        outcomes = map_shards(make_samples, tasks, compute.workers, compute.scheduler, f"position_maps@{name}")
        conclude(f"position_maps@{name}", outcomes, OUTPUT / name, data.max_reject_fraction)


def make_samples(size: int, subset: str, aligned: Path) -> Outcome:
    """Write one shard of training samples, see README.md, section 'Data contracts'."""
    layout = load_uv(LAYOUT)
    photos = read_shard(aligned)
    meshes = read_shard(MESHES / subset / aligned.name)
    rows = {sample_id: row for row, sample_id in enumerate(meshes["sample_id"])}
    order = [rows[sample_id] for sample_id in photos["sample_id"]]
    heights = {row["sample_id"]: int(row["height"]) for row in read_table(INDEX / subset / "accepted.csv")}
    vertices = np.stack(
        [apply_similarity(s, meshes["vertices"][row]) for s, row in zip(photos["similarity"], order, strict=True)]
    )
    maps = render_map(layout.operator, vertices)
    low, high = position_range(size)
    texels = maps.reshape(len(maps), -1)
    fits = np.asarray((texels.min(axis=1) >= low) & (texels.max(axis=1) <= high))
    poses = [
        transform_pose(meshes["pose"][row], heights[sample_id], similarity, size)
        for row, sample_id, similarity in zip(order, photos["sample_id"], photos["similarity"], strict=True)
    ]
    landmarks = [
        apply_similarity(similarity, meshes["landmarks"][row])
        for row, similarity in zip(order, photos["similarity"], strict=True)
    ]
    arrays = {
        **photos,
        "position_map": encode_positions(np.clip(maps, low, high), size),
        "landmarks": np.array(landmarks, np.float32),
        "pose": np.array(poses, np.float32),
        "coefficients": meshes["coefficients"][order],
    }
    write_shard(
        OUTPUT / aligned.parent.name / aligned.name, {k: v[fits] for k, v in arrays.items()}, {"stage": "position_maps"}
    )
    reason = f"The aligned mesh leaves the stored range of {low:.0f} to {high:.0f} px; the pose can't be right."
    return Outcome(len(fits), int(fits.sum()), [(sample_id, reason) for sample_id in photos["sample_id"][~fits]])


if __name__ == "__main__":
    main()
