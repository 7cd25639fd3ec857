"""Stage `augmented@policy`: the training part at each level, each sample with its augmented copies.

Where the policy is online, the copies are made while a network learns, and each sample is kept compact: its photo as a
crop with a border, and pose and coefficients, which its map follows from.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.crops.online import crop_with_border, pad_rows
from pipeline.crops.policy import AugmentationPolicy
from pipeline.raw.photos import read_photo
from pipeline.store.checks import check
from pipeline.store.encoding import encode_positions
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import read_dataset, reading
from stages.project.maps import select_labels, select_rows
from stages.project.params import AugmentedParams, ComputeParams, DataParams
from stages.project.params_file import read
from stages.project.paths import AUGMENTED
from stages.project.selection import rows_of_part
from stages.project.shard_stage import Task, run_stage


@click.command()
@click.argument("policy")
def main(policy: str) -> None:
    """Gather the training samples of all subsets, and add copies by one policy (thesis, section 3.2.3)."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        params = read("augmented", AugmentedParams)
        check(policy in params.policies, f"augmented.policies has no {policy!r}.")
        chosen = params.policies[policy]
        tasks: dict[str, list[Task]] = {}
        for level in data.levels:
            parts = rows_of_part("train", level)
            tasks[level] = [
                Task((path,), (path, rows, data.folder(subset), chosen, params.seed, data.size))
                for subset, path, rows in parts
            ]
        run_stage(f"augmented@{policy}", augment, tasks, AUGMENTED / policy, data.max_reject_fraction, compute)


def augment(
    source: Path, rows: tuple[int, ...], folder: Path, policy: AugmentationPolicy, seed: int, size: int
) -> ShardContent:
    """Make one shard: some samples of one shard of position maps, each followed by its copies."""
    if policy.online:
        return keep_crops(source, rows, folder, size)
    if not policy.copies:
        return select_rows(source, rows)
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


def keep_crops(source: Path, rows: tuple[int, ...], folder: Path, size: int) -> ShardContent:
    """Make one shard of compact samples: crop (N, L) uint8, padded JPEGs, and all labels but the maps."""
    datasets = select_labels(source, rows)
    photos = zip(*(datasets[name] for name in ("photo", "photo_sha256", "similarity")), strict=True)
    crops = [crop_with_border(read_photo(folder / name, digest), each, size) for name, digest, each in photos]
    return ShardContent({**datasets, "crop": pad_rows(crops)}, len(rows))


def _versions(
    file: h5py.File, row: int, folder: Path, policy: AugmentationPolicy, seed: int, size: int
) -> Iterator[dict[str, NDArray]]:
    """One sample of a shard of position maps, then its copies."""
    from pipeline.crops.augmentation import augment_sample, sample_rng  # albumentations takes a second to import

    original = {name: read_dataset(file[name], row) for name in file}
    yield dict(original)
    sample_id, digest = str(original["sample_id"]), str(original["photo_sha256"])
    photo = read_photo(folder / str(original["photo"]), digest)
    for copy in range(policy.copies):
        yield augment_sample(original, photo, sample_rng(sample_id, copy, seed), policy, size)


if __name__ == "__main__":
    main()
