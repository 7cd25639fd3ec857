"""What is in the prepared set: samples, identities and parts, poses, expressions, and what was set aside and why."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from model.scores.expression import CLOSED_BELOW, measure_openings
from model.scores.head_pose import LIMIT_DEG
from model.scores.protocols import eye_distance
from model.scores.statistics import YAW_BINS, yaw_bin
from pipeline.face.camera import wrap_degrees
from pipeline.store.checks import check
from pipeline.store.shards import list_shards, read_shard, reading
from pipeline.store.tables import read_table
from stages.project.counts import subset_folders
from stages.project.params import DataParams
from stages.project.paths import LEVELLED_STAGES, PARTS, SPLIT, SUBSET_STAGES
from stages.project.samples import REJECTED_COLUMNS, subset_of
from stages.project.shard_stage import REJECTED

ANGLES = ("pitch", "yaw", "roll")
# Numbers in a reason, which differ from sample to sample of the same reason.
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")


@dataclasses.dataclass(frozen=True)
class Members:
    """Samples of a subset: of each part, and the identities that they show."""

    parts: Mapping[str, int]
    identities: int


@dataclasses.dataclass(frozen=True)
class PartFacts:
    """What the samples of a part are like.

    Attributes
    ----------
    samples, identities : int
    by_yaw : dict of str to int
        Samples of each of `YAW_BINS`.
    beyond : int
        Samples of which an angle is beyond 99 degrees.
    angles : dict of str to (float, float, float)
        Of `ANGLES`, in degrees: 5th percentile, median, 95th.
    closed : dict of str to int
        Samples whose eyes or mouth are closed by their labels, of `measured`.
    measured : int
        Samples that came through to the end.
    sides : (int, int)
        Shorter side of the photos in px: the smallest, and the median.
    """

    samples: int
    identities: int
    by_yaw: Mapping[str, int]
    beyond: int
    angles: Mapping[str, tuple[float, float, float]]
    closed: Mapping[str, int]
    measured: int
    sides: tuple[int, int]


def read_members(root: Path, data: DataParams) -> dict[str, Members]:
    """Count the samples of each subset by part, and its identities."""
    parts: dict[str, Counter[str]] = {subset: Counter() for subset in data.subsets}
    identities: dict[str, set[str]] = {subset: set() for subset in data.subsets}
    for part in PARTS:
        for sample_id, identity in _identities(root, part).items():
            subset = subset_of(sample_id)
            parts[subset][part] += 1
            identities[subset].add(identity)
    return {
        subset: Members({part: parts[subset][part] for part in PARTS}, len(identities[subset]))
        for subset in data.subsets
    }


def read_part_facts(root: Path, data: DataParams) -> dict[str, PartFacts]:
    """Describe poses, expressions and photos of each part that has samples.

    Raises
    ------
    FileNotFoundError
        If a table or shard is missing.
    ValueError
        If one is damaged, or the split has a sample that no index accepted.
    """
    accepted = {row["sample_id"]: row for subset in data.subsets for row in _accepted(root, data, subset)}
    closed = dict(_closed(root, data))
    facts = {}
    for part in PARTS:
        identities = _identities(root, part)
        if not identities:
            continue
        other = [sample_id for sample_id in identities if sample_id not in accepted]
        told = f"{part}.csv has the sample {', '.join(other[:1])}, which no index accepted: run dvc repro split."
        check(not other, told)
        rows = [accepted[sample_id] for sample_id in identities]
        angles = wrap_degrees(np.rad2deg([[float(row[name]) for name in ANGLES] for row in rows]))
        sides = np.min([[int(row["width"]), int(row["height"])] for row in rows], axis=1)
        bins = Counter(yaw_bin(angles[:, 1]).tolist())
        found = [closed[sample_id] for sample_id in identities if sample_id in closed]
        low, middle, high = np.percentile(angles, (5, 50, 95), axis=0)
        facts[part] = PartFacts(
            len(rows),
            len(set(identities.values())),
            {name: bins[index] for index, name in enumerate(YAW_BINS)},
            int((np.abs(angles) > LIMIT_DEG).any(axis=1).sum()),
            {name: tuple(numbers) for name, *numbers in zip(ANGLES, low, middle, high, strict=True)},
            {name: sum(one[name] for one in found) for name in CLOSED_BELOW},
            len(found),
            (int(sides.min()), int(np.median(sides))),
        )
    return facts


def read_reasons(root: Path, data: DataParams) -> list[tuple[str, int, str, str]]:
    """Gather why samples were set aside.

    Returns
    -------
    list of (stage, samples, example's name, its reason)
        Reasons that differ in names and numbers alone are one. The most frequent come first; what two levels say of
        one sample counts once.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for stage, subset in itertools.product(SUBSET_STAGES, data.subsets):
        for level in data.levels if stage in LEVELLED_STAGES else (None,):
            path = root / data.shards(stage, subset, level) / REJECTED
            for row in read_table(path, REJECTED_COLUMNS):
                # The index knows files, the others samples.
                sample = row["sample"] if stage != "index" else f"{subset}/{row['sample']}"
                kind = NUMBER.sub("#", row["reason"].replace(Path(sample).stem, "..."))
                found.setdefault((stage, kind), {}).setdefault(sample, row["reason"])
    rows = [(stage, len(samples), *next(iter(samples.items()))) for (stage, _), samples in found.items()]
    return sorted(rows, key=lambda row: -row[1])


def read_layout(root: Path, data: DataParams) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape of a sample's row and type of each dataset of the prepared shards; strings are ``str``.

    Datasets that some subsets alone have, as crops and maps where `data.stored_maps` is false, are among them.
    """
    layout: dict[str, tuple[tuple[int, ...], str]] = {}
    for _, folder in subset_folders(root, data, "position_maps"):
        for path in list_shards(folder)[:1]:
            with reading(path) as file:
                layout |= {
                    name: (each.shape[1:], "str" if h5py.check_string_dtype(each.dtype) else each.dtype.name)
                    for name, each in file.items()
                    if isinstance(each, h5py.Dataset)
                }
    return layout


def _identities(root: Path, part: str) -> dict[str, str]:
    rows = read_table(root / SPLIT / f"{part}.csv", ["sample_id", "identity"])
    return {row["sample_id"]: row["identity"] for row in rows}


def _accepted(root: Path, data: DataParams, subset: str) -> Iterator[dict[str, str]]:
    path = root / data.shards("index", subset) / "accepted.csv"
    return read_table(path, ["sample_id"], [*ANGLES, "width", "height"])


def _closed(root: Path, data: DataParams) -> Iterator[tuple[str, dict[str, bool]]]:
    """Whether eyes and mouth of each prepared sample are closed, by ``pt3d_68`` where it is annotated, as in scores."""
    for subset in data.subsets:
        for path in list_shards(root / data.shards("position_maps", subset, data.levels[0])):
            shard = read_shard(path, ["sample_id", "landmarks"])
            annotated = read_shard(root / data.shards("index", subset) / path.name, ["sample_id", "true_landmarks"])
            truths = dict(zip(*annotated.values(), strict=True))
            landmarks = [
                truths[name] if np.isfinite(truths[name]).all() else own
                for name, own in zip(*shard.values(), strict=True)
            ]
            percent = _openings(np.array(landmarks))
            for row, sample_id in enumerate(shard["sample_id"]):
                yield sample_id, {name: bool(percent[name][row] < limit) for name, limit in CLOSED_BELOW.items()}


def _openings(landmarks: NDArray) -> dict[str, Any]:
    sizes = eye_distance(landmarks.astype(np.float64))
    return {name: 100 * distance / sizes for name, distance in measure_openings(landmarks).items()}
