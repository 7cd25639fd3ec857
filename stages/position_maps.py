"""Stage `position_maps@subset`: mesh, similarity and operator to finished training samples."""

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import camera_matrix, transform_pose
from pipeline.face.face_model import deform, load_model
from pipeline.face.similarity import apply_similarity
from pipeline.store.encoding import encode_positions, position_range
from pipeline.store.resume import ShardContent
from pipeline.store.shards import StoredImages, list_shards, read_shard, read_stored
from pipeline.uv.position_map import load_uv, texel_model
from stages.project.params import ComputeParams, DataParams, read, sentences
from stages.project.paths import LAYOUT, MODEL
from stages.project.shard_stage import Task, run_stage

CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256")
# Maps that are made in one matrix product: more is no faster, and a float map of 256 px has 0.8 MB.
BATCH = 16


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Make the samples of one subset, at each level."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        folder, output = data.shards("meshes", subset), data.shards("position_maps", subset)
        tasks: dict[str, list[Task]] = {}
        for level in data.levels:
            pairs = [(folder / aligned.name, aligned) for aligned in list_shards(data.shards("aligned", subset, level))]
            tasks[level] = [Task((MODEL, LAYOUT, *pair), (*pair, data.size)) for pair in pairs]
        run_stage(f"position_maps@{subset}", make_samples, tasks, output, data.max_reject_fraction, compute)


def make_samples(meshes: Path, aligned: Path, size: int) -> ShardContent:
    """Make one shard of training samples, see docs/data.md, section 'Contracts'."""
    texels = texel_model(load_model(MODEL), load_uv(LAYOUT))
    photos, shard = read_shard(aligned, [*CARRIED, "similarity"]), read_shard(meshes)
    rows = {sample_id: row for row, sample_id in enumerate(shard["sample_id"])}
    order = [rows[sample_id] for sample_id in photos["sample_id"]]
    heights, coefficients = shard["height"][order], shard["coefficients"][order]
    count = len(order)
    poses, landmarks = np.zeros((count, 7)), np.zeros((count, 68, 3))
    maps, fits = np.zeros((count, size, size, 3), np.uint16), np.ones(count, bool)
    for start in range(0, count, BATCH):
        for row, deformed in enumerate(deform(texels, coefficients[start : start + BATCH]), start):
            similarity, source = photos["similarity"][row], order[row]
            poses[row] = transform_pose(shard["pose"][source], heights[row], similarity, size)
            landmarks[row] = apply_similarity(similarity, shard["landmarks"][source])
            positions = cv2.transform(deformed[None], camera_matrix(poses[row], size))[0]
            try:
                maps[row] = encode_positions(positions.reshape(size, size, 3), size)
            except ValueError:
                fits[row] = False
    datasets: dict[str, NDArray | StoredImages] = {
        **photos,
        "image": read_stored(aligned, "image"),
        "position_map": maps,
        "landmarks": landmarks.astype(np.float32),
        "pose": poses.astype(np.float32),
        "coefficients": coefficients,
    }
    low, high = position_range(size)
    reason = f"The aligned mesh leaves the stored range of {low:.0f} to {high:.0f} px; the pose can't be right."
    rejected = [(sample_id, reason) for sample_id in photos["sample_id"][~fits]]
    if rejected:
        kept = np.flatnonzero(fits).tolist()
        datasets = {name: values[kept] for name, values in datasets.items()}
    return ShardContent(datasets, count, rejected)


if __name__ == "__main__":
    main()
