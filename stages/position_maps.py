"""Stage `position_maps@subset`: mesh, similarity and operator to finished training samples."""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import transform_pose
from pipeline.face.similarity import apply_similarity
from pipeline.store.encoding import encode_positions, position_range
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import StoredImages, list_shards, read_shard, read_stored
from stages.project.maps import IMAGES, load_texels, place_faces
from stages.project.params import ComputeParams, DataParams, SplitParams
from stages.project.params_file import read
from stages.project.paths import LAYOUT, MODEL
from stages.project.shard_stage import Task, run_stage

CARRIED = ("sample_id", "photo", "source_sha256", "photo_sha256")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Make the samples of one subset, at each level."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        # What is tested needs its maps, also in a subset that is learnt from.
        stored = data.stored_maps or subset not in data.learned or subset in read("split", SplitParams).tested
        folder, output = data.shards("meshes", subset), data.shards("position_maps", subset)
        tasks: dict[str, list[Task]] = {}
        for level in data.levels:
            pairs = [(folder / aligned.name, aligned) for aligned in list_shards(data.shards("aligned", subset, level))]
            tasks[level] = [Task((MODEL, LAYOUT, *pair), (*pair, data.size, stored)) for pair in pairs]
        run_stage(f"position_maps@{subset}", make_samples, tasks, output, data.max_reject_fraction, compute)


def make_samples(meshes: Path, aligned: Path, size: int, stored: bool) -> ShardContent:
    """Make one shard of samples, see docs/data.md, section 'Contracts'; `stored`: with crops and maps."""
    photos, shard = read_shard(aligned, [*CARRIED, "similarity"]), read_shard(meshes)
    rows = {sample_id: row for row, sample_id in enumerate(shard["sample_id"])}
    order = [rows[sample_id] for sample_id in photos["sample_id"]]
    heights, coefficients = shard["height"][order], shard["coefficients"][order]
    count = len(order)
    poses, landmarks = np.zeros((count, 7)), np.zeros((count, 68, 3))
    maps, fits = np.zeros((count, size, size, 3), np.uint16), np.ones(count, bool)
    for row, (similarity, source) in enumerate(zip(photos["similarity"], order, strict=True)):
        poses[row] = transform_pose(shard["pose"][source], heights[row], similarity, size)
        landmarks[row] = apply_similarity(similarity, shard["landmarks"][source])
    for row, position_map in enumerate(place_faces(load_texels(Path()), poses, coefficients, size)):
        try:
            maps[row] = encode_positions(position_map, size)
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
    if not stored:
        datasets = {name: values for name, values in datasets.items() if name not in IMAGES}
    low, high = position_range(size)
    reason = f"The aligned mesh leaves the stored range of {low:.0f} to {high:.0f} px; the pose can't be right."
    rejected = [(sample_id, reason) for sample_id in photos["sample_id"][~fits]]
    if rejected:
        kept = np.flatnonzero(fits).tolist()
        datasets = {name: values[kept] for name, values in datasets.items()}
    return ShardContent(datasets, count, rejected)


if __name__ == "__main__":
    main()
