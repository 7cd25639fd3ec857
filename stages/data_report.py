"""Stage `data_report`: what went in, what came out, and what a network cannot reach, as metrics/data.json."""

from collections import Counter
from pathlib import Path

import click
import numpy as np

from model.scaling import Scaling, clipped_share
from model.settings import SCALINGS
from pipeline.store.tables import read_table
from pipeline.uv.position_map import load_uv
from stages.project import samples as truth
from stages.project.json_file import write_json
from stages.project.params import DataParams, check, read, sentences
from stages.project.shard_stage import read_counts

# Enough labels to know the share of texels out of the frame to the digits that are shown.
SAMPLES = 2000
SHARD_STAGES = ("index", "meshes", "aligned", "position_maps", "augmented")
# Photos of 300W-LP, 61,225 in all, and as many mirrored ones (thesis, section 3.1.1).
THESIS_PAIRS = {"HELEN": 37_676, "LFPW": 16_556, "AFW": 5_207, "IBUG": 1_786}


def data_report(root: Path, data: DataParams) -> dict:
    """Count samples and measure labels of the project at `root`; writes metrics/data.json.

    Parameters
    ----------
    root : Path
        The project's root.
    data : DataParams

    Returns
    -------
    dict
        `stages`: samples in, out and rejected of each stage; `subsets`: pairs in, samples out at every level, rejected
        on the way; `missing_of_300w_lp`: pairs that the thesis counts and the index has not; `split`: samples of each
        part; `outside`: percent of the face's texels out of each scaling's range, for each axis, over the training
        part at the first level.
    """
    level = data.levels[0]
    stages = count_stages(root)
    subsets = {subset: count_subset(stages, subset, data.levels) for subset in data.subsets}
    parts = Counter(row["part"] for row in read_table(root / "data/split.csv"))
    metrics = {
        "stages": stages,
        "subsets": subsets,
        "missing_of_300w_lp": missing_pairs({subset: counts["in"] for subset, counts in subsets.items()}),
        "split": {part: parts[part] for part in ("train", "validation", "test")},
        "outside": outside_percent(root, level, data.size),
    }
    write_json(root / "metrics/data.json", metrics)
    return metrics


def count_stages(root: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Samples in, out and rejected, by stage and by output folder of the stage."""
    return {
        stage: {folder.name: read_counts(folder) for folder in sorted((root / "data" / stage).iterdir())}
        for stage in SHARD_STAGES
    }


def count_subset(stages: dict[str, dict[str, dict[str, int]]], subset: str, levels: list[str]) -> dict[str, int]:
    """Count a subset's pairs in, samples that every level has, and those rejected between."""
    taken = stages["index"][subset]["in"]
    made = min(stages["position_maps"][f"{subset}-{level}"]["out"] for level in levels)
    return {"in": taken, "out": made, "rejected": taken - made}


def missing_pairs(found: dict[str, int]) -> dict[str, int]:
    """Hold the pairs of each subset of 300W-LP, and of its mirrored one, against the thesis's count (section 3.1.1).

    Returns
    -------
    dict of str to int
        Pairs that are missing; negative where there are more. Nothing for subsets of other names.
    """
    expected = {subset: THESIS_PAIRS.get(subset.removesuffix("_Flip")) for subset in found}
    return {subset: count - found[subset] for subset, count in expected.items() if count is not None}


def outside_percent(root: Path, level: str, size: int) -> dict[str, dict[str, float]]:
    """Percent of the face's texels whose label is out of the range of each scaling, for x, y and z."""
    face_mask = load_uv(root / "data/uv_embedding/uv.h5").face_mask
    places = truth.spread(truth.locate(root, level, truth.read_part(root, "train")), SAMPLES)
    check(bool(places), "The training part has no position maps: every sample was rejected.")
    totals = {name: np.zeros(3) for name in SCALINGS}
    for position_map in truth.read_maps(places):
        for name, total in totals.items():
            total += clipped_share(position_map, face_mask, Scaling(name, size))
    return {
        name: {axis: round(float(100 * share), 3) for axis, share in zip("xyz", total / len(places), strict=True)}
        for name, total in totals.items()
    }


@click.command()
def main() -> None:
    """Count what the data stages made."""
    with sentences():
        metrics = data_report(Path(), read("data", DataParams))
    counts = metrics["subsets"].values()
    click.echo(
        f"data_report: {sum(c['in'] for c in counts)} pairs in, {sum(c['out'] for c in counts)} samples out, "
        f"{sum(c['rejected'] for c in counts)} rejected; split {metrics['split']}"
    )
    for subset, missing in metrics["missing_of_300w_lp"].items():
        expected = THESIS_PAIRS[subset.removesuffix("_Flip")]
        if missing and missing < expected / 2:  # else it is a sample of 300W-LP, and meant to be one
            click.echo(f"data_report: {subset} has {expected - missing:,} pairs, the thesis counts {expected:,}.")


if __name__ == "__main__":
    main()
