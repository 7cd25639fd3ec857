"""Stage `data_report`: what went in, what came out, and what a network cannot reach, as metrics/data.json."""

import json
from collections import Counter
from pathlib import Path

import click
import numpy as np

from model.scaling import Scaling, clipped_share
from pipeline.position_map import load_uv
from pipeline.shards import count_samples, list_shards
from stages import truth
from stages.outcome import read_table
from stages.params import DataParams, check, read, sentences

# Enough labels to know the share of texels out of the frame to the digits that are shown.
SAMPLES = 2000


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
        `subsets`: pairs in, samples out at every level, rejected on the way; `split`: samples of each part; `outside`:
        percent of the face's texels out of the range of tanh for each axis, over the training part at the first level.
    """
    level = data.levels[0]
    subsets = {subset: count_subset(root, subset, data.levels) for subset in data.subsets}
    parts = Counter(row["part"] for row in read_table(root / "data/split.csv"))
    metrics = {
        "subsets": subsets,
        "split": {part: parts[part] for part in ("train", "validation", "test")},
        "outside": outside_percent(root, level, data.size),
    }
    path = root / "metrics/data.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics


def count_subset(root: Path, subset: str, levels: list[str]) -> dict[str, int]:
    """Count a subset's pairs in, samples that every level has, and those rejected between."""
    index = root / "data/index" / subset
    accepted = sum(1 for _ in read_table(index / "accepted.csv"))
    taken = accepted + sum(1 for _ in read_table(index / "rejected.csv"))
    folders = [root / "data/position_maps" / f"{subset}-{level}" for level in levels]
    made = min(sum(count_samples(shard) for shard in list_shards(folder)) for folder in folders)
    return {"in": taken, "out": made, "rejected": taken - made}


def outside_percent(root: Path, level: str, size: int) -> dict[str, float]:
    """Percent of the face's texels whose label is out of the range of tanh, for x, y and z."""
    face_mask = load_uv(root / "data/uv_embedding/uv.h5").face_mask
    places = truth.spread(truth.locate(root, level, truth.read_part(root, "train")), SAMPLES)
    check(bool(places), "The training part has no position maps: every sample was rejected.")
    total = np.zeros(3)
    for position_map in truth.read_maps(places):
        total += clipped_share(position_map, face_mask, Scaling("tanh", size))
    return {axis: round(float(100 * share), 3) for axis, share in zip("xyz", total / len(places), strict=True)}


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


if __name__ == "__main__":
    main()
