"""Samples in, out and rejected of every stage, and what of the labels a network cannot reach."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline.face.similarity import apply_similarity
from pipeline.raw.agreement import landmark_distances
from pipeline.store.checks import check
from pipeline.store.shards import list_shards, read_shard
from pipeline.uv.position_map import load_uv
from pipeline.uv.scaling import SCALINGS, Scaling, clipped_share
from stages.project.maps import read_maps
from stages.project.params import DataParams
from stages.project.paths import AUGMENTED, LAYOUT, LEVELLED_STAGES, SUBSET_STAGES, VALIDATION
from stages.project.samples import locate, read_part, spread
from stages.project.shard_stage import read_counts

Counts = dict[str, int]
# Enough labels to know the share of texels out of the frame to the digits that are shown.
SAMPLES = 2000
# Photos of 300W-LP, 61,225 in all, and as many mirrored ones (thesis, section 3.1.1).
THESIS_PAIRS = {"HELEN": 37_676, "LFPW": 16_556, "AFW": 5_207, "IBUG": 1_786}


def count_stages(root: Path, data: DataParams) -> dict[str, dict[str, Counts]]:
    """Samples in, out and rejected, by stage and by output folder, named ``<subset>`` or ``<subset>-<level>``."""
    stages = {
        stage: {name: read_counts(folder) for name, folder in subset_folders(root, data, stage)}
        for stage in SUBSET_STAGES
    }
    gathered = {
        "augmented": sorted((root / AUGMENTED).glob("*/*")),
        "validation": sorted((root / VALIDATION).iterdir()),
    }
    for stage, folders in gathered.items():
        stages[stage] = {
            "-".join(folder.relative_to(root / "data").parts[1:]): read_counts(folder) for folder in folders
        }
    return stages


def subset_folders(root: Path, data: DataParams, stage: str) -> Iterator[tuple[str, Path]]:
    """Name and folder of each output of a stage that every subset passes."""
    for subset in data.subsets:
        if stage in LEVELLED_STAGES:
            yield from ((f"{subset}-{level}", root / data.shards(stage, subset, level)) for level in data.levels)
        else:
            yield subset, root / data.shards(stage, subset)


def count_subset(stages: Mapping[str, Mapping[str, Counts]], subset: str, levels: list[str]) -> Counts:
    """Count a subset's pairs in, samples that every level has, and those rejected between."""
    taken = stages["index"][subset]["in"]
    made = min(stages["position_maps"][f"{subset}-{level}"]["out"] for level in levels)
    return {"in": taken, "out": made, "rejected": taken - made}


def missing_pairs(found: Mapping[str, int]) -> Counts:
    """Hold the pairs of each subset of 300W-LP, and of its mirrored one, against the thesis's count (section 3.1.1).

    Returns
    -------
    dict of str to int
        Pairs that are missing; negative where there are more. Nothing for subsets of other names.
    """
    expected = {subset: THESIS_PAIRS.get(subset.removesuffix("_Flip")) for subset in found}
    return {subset: count - found[subset] for subset, count in expected.items() if count is not None}


def truth_distance(root: Path, data: DataParams) -> float | None:
    """Mean distance of the meshes' landmarks from ``pt3d_68`` in the photo, in percent of the face's size.

    Returns
    -------
    float or None
        Over all samples that have both; None where no annotation has ``pt3d_68``.
    """
    means: list[float] = []
    for subset in data.subsets:
        index = root / data.shards("index", subset)
        for path in list_shards(root / data.shards("position_maps", subset, data.levels[0])):
            annotated = read_shard(index / path.name, ["sample_id", "true_landmarks"])
            truths = dict(zip(annotated["sample_id"], annotated["true_landmarks"], strict=True))
            shard = read_shard(path, ["sample_id", "landmarks", "similarity"])
            for name, landmarks, similarity in zip(*shard.values(), strict=True):
                if np.isfinite(truths[name]).all():
                    own = apply_similarity(np.linalg.inv(similarity), landmarks.astype(np.float64))
                    means.append(float(landmark_distances(own, truths[name]).mean()))
    return round(float(np.mean(means)), 3) if means else None


def outside_percent(root: Path, level: str, size: int) -> dict[str, dict[str, float]]:
    """Percent of the face's texels whose label is out of the range of each scaling that has ends, for x, y and z.

    Raises
    ------
    ValueError
        If the training part has no position maps.
    """
    face_mask = load_uv(root / LAYOUT).face_mask
    places = spread(locate(root, level, read_part(root, "train")), SAMPLES)
    check(bool(places), "The training part has no position maps: every sample was rejected.")
    scalings = {name: scaling for name in SCALINGS if np.isfinite((scaling := Scaling(name, size)).highest)}
    totals = {name: np.zeros(3) for name in scalings}
    for position_map in read_maps(root, places, size):
        for name, total in totals.items():
            total += clipped_share(position_map, face_mask, scalings[name])
    return {
        name: {axis: round(float(100 * share), 3) for axis, share in zip("xyz", total / len(places), strict=True)}
        for name, total in totals.items()
    }
