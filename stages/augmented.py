"""Stage `augmented@policy-level`: the training part, each sample with its augmented copies."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.crops.alignment import resample
from pipeline.crops.augmentation import AugmentationPolicy, disturb, draw_similarity, sample_rng
from pipeline.face.camera import transform_pose
from pipeline.face.similarity import apply_similarity
from pipeline.raw.photos import read_photo
from pipeline.store.encoding import encode_positions
from pipeline.store.resume import ShardContent
from pipeline.store.shards import list_shards, read_dataset, read_shard, reading
from pipeline.store.tables import read_table
from stages.project.params import ComputeParams, DataParams, check, read, sentences
from stages.project.shard_stage import Task, run_stage

SPLIT = Path("data/split.csv")
POSITION_MAPS = Path("data/position_maps")
OUTPUT = Path("data/augmented")


@dataclasses.dataclass(frozen=True)
class AugmentedParams:
    """Section `augmented`."""

    seed: int
    policies: dict[str, AugmentationPolicy]


@click.command()
@click.argument("policy")
@click.argument("level", type=click.Choice(["on", "off"]))
def main(policy: str, level: str) -> None:
    """Gather the training samples of all subsets, and add copies by one policy (thesis, section 3.2.3)."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        augmented = read("augmented", AugmentedParams)
        check(policy in augmented.policies, f"augmented.policies has no {policy!r}.")
        name = f"{policy}-{level}"
        tasks = [
            Task((path,), (path, rows, data.folder(subset), augmented.policies[policy], augmented.seed, data.size))
            for subset, path, rows in _training_rows(data, level)
        ]
        run_stage(f"augmented@{name}", augment, tasks, OUTPUT / name, data.max_reject_fraction, compute)


def augment(
    source: Path, rows: tuple[int, ...], folder: Path, policy: AugmentationPolicy, seed: int, size: int
) -> ShardContent:
    """Make one shard: some samples of one shard of position maps, each followed by its copies."""
    count = len(rows) * (1 + policy.copies)
    images = np.zeros((count, size, size, 3), np.uint8)
    maps = np.zeros(images.shape, np.uint16)
    others = defaultdict(list)
    with reading(source) as file:
        versions = (version for row in rows for version in _versions(file, row, folder, policy, seed, size))
        for number, sample in enumerate(versions):
            images[number] = sample.pop("image")
            maps[number] = encode_positions(sample.pop("position_map"), size)
            for name, value in sample.items():
                others[name].append(value)
    datasets = {name: np.array(values) for name, values in others.items()}
    return ShardContent({**datasets, "image": images, "position_map": maps}, count)


def _versions(
    file: h5py.File, row: int, folder: Path, policy: AugmentationPolicy, seed: int, size: int
) -> Iterator[dict[str, NDArray]]:
    """One sample of a shard of position maps, then its copies."""
    original = {name: read_dataset(file[name], row) for name in file}
    yield dict(original)
    if not policy.copies:
        return
    sample_id, photo = str(original["sample_id"]), read_photo(folder / str(original["photo"]))
    for copy in range(policy.copies):
        yield augment_sample(original, photo, sample_rng(sample_id, copy, seed), policy, size)


def augment_sample(
    sample: dict[str, NDArray],
    photo: NDArray[np.uint8],
    rng: np.random.Generator,
    policy: AugmentationPolicy,
    size: int,
) -> dict[str, NDArray]:
    """Make one augmented copy of a sample.

    Parameters
    ----------
    sample : dict of str to array
        One row of a shard of position maps.
    photo : (H, W, 3) uint8
        Its raw photo, from which the copy is resampled once.
    rng : Generator
    policy : AugmentationPolicy
    size : int
        Side of the aligned image in px.

    Returns
    -------
    dict of str to array
        The same names.
    """
    move = draw_similarity(rng, policy, size)
    similarity = move @ sample["similarity"]
    landmarks = apply_similarity(move, sample["landmarks"]).astype(np.float32)
    return {
        **sample,
        "similarity": similarity,
        "position_map": apply_similarity(move, sample["position_map"]).astype(np.float32),
        "landmarks": landmarks,
        "pose": transform_pose(sample["pose"], size, move, size).astype(np.float32),
        "image": disturb(resample(photo, similarity, size), landmarks, rng, policy),
    }


def _training_rows(data: DataParams, level: str) -> Iterator[tuple[str, Path, tuple[int, ...]]]:
    """Subset, shard of position maps and rows of the training samples, in the order of data.subsets."""
    training = {row["sample_id"] for row in read_table(SPLIT) if row["part"] == "train"}
    subsets = {sample_id.split("/")[0] for sample_id in training}
    for subset in (name for name in data.subsets if name in subsets):
        for path in list_shards(POSITION_MAPS / f"{subset}-{level}"):
            names = read_shard(path, ["sample_id"])["sample_id"]
            rows = tuple(row for row, name in enumerate(names) if name in training)
            if rows:
                yield subset, path, rows


if __name__ == "__main__":
    main()
