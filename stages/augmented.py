"""Stage `augmented@policy-level`: the training part, each sample with its augmented copies."""

import dataclasses
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.alignment import resample
from pipeline.annotations import read_photo
from pipeline.augmentation import AugmentationPolicy, disturb, draw_similarity, sample_rng
from pipeline.camera import apply_similarity, transform_pose
from pipeline.parallel import map_shards
from pipeline.shards import encode_positions, list_shards, read_shard, shard_path, write_shard
from stages.outcome import Outcome, conclude, read_table
from stages.params import ComputeParams, DataParams, check, read, sentences

INDEX = Path("data/index")
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
        paths = _shards_with(training_samples(), data, level)
        tasks = [
            (data, augmented.policies[policy], augmented.seed, path, shard_path(OUTPUT / name, number))
            for number, path in enumerate(paths)
        ]
        outcomes = map_shards(augment, tasks, compute.workers, compute.scheduler, f"augmented@{name}")
        conclude(f"augmented@{name}", outcomes, OUTPUT / name, data.max_reject_fraction)


def training_samples() -> set[str]:
    """Ids of the training part."""
    return {row["sample_id"] for row in read_table(SPLIT) if row["part"] == "train"}


def augment(data: DataParams, policy: AugmentationPolicy, seed: int, source: Path, target: Path) -> Outcome:
    """Write one shard: the training samples of one shard of position maps, then their copies."""
    subset = source.parent.name.rpartition("-")[0]
    training = training_samples()
    photos = {row["sample_id"]: row["photo"] for row in read_table(INDEX / subset / "accepted.csv")}
    shard = read_shard(source)
    kept = np.array([sample_id in training for sample_id in shard["sample_id"]], bool)
    originals = {name: values[kept] for name, values in shard.items()}
    samples = {name: [originals[name]] for name in originals}
    for row, sample_id in enumerate(originals["sample_id"] if policy.copies else []):
        original = {name: values[row] for name, values in originals.items()}
        photo = read_photo(data.folder(subset) / photos[sample_id])
        for copy in range(policy.copies):
            made = augment_sample(original, photo, sample_rng(sample_id, copy, seed), policy, data.size)
            for name, value in made.items():
                samples[name].append(np.asarray(value)[None])
    arrays = {name: np.concatenate(values) for name, values in samples.items()}
    arrays["position_map"] = encode_positions(arrays["position_map"], data.size)
    write_shard(target, arrays, {"stage": "augmented"})
    count = int(kept.sum()) * (1 + policy.copies)
    return Outcome(count, len(arrays["sample_id"]))


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


def _shards_with(samples: set[str], data: DataParams, level: str) -> list[Path]:
    """Shards of position maps that hold any of the samples, in the order of data.subsets."""
    subsets = {sample_id.split("/")[0] for sample_id in samples}
    folders = [POSITION_MAPS / f"{subset}-{level}" for subset in data.subsets if subset in subsets]
    paths = [path for folder in folders for path in list_shards(folder)]
    return [path for path in paths if not samples.isdisjoint(read_shard(path, ["sample_id"])["sample_id"])]


if __name__ == "__main__":
    main()
