"""Stage `index@subset`: which pairs of photo and annotation can be used, and why the others can't."""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import decode_photo, hash_pair, list_pairs, read_annotation
from pipeline.parallel import map_shards
from pipeline.shards import append_rows, writing
from stages.outcome import Outcome, conclude, write_table
from stages.params import ComputeParams, DataParams, read, sentences

OUTPUT = Path("data/index")
COLUMNS = (
    *("sample_id", "photo", "annotation", "source_sha256", "width", "height"),
    *("pitch", "yaw", "roll", "tx", "ty", "tz", "scale"),
)
Row = tuple[str | int | float, ...]
Rejected = list[tuple[str, str]]


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Read and check each pair of one subset."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        output = OUTPUT / subset
        pairs, alone = list_pairs(data.folder(subset))
        step = data.samples_per_shard
        tasks = [(subset, pairs[i : i + step]) for i in range(0, len(pairs), step)]
        results = map_shards(read_pairs, tasks, compute.workers, compute.scheduler, f"index@{subset}")
        rows: list[Row] = []
        outcomes = _collect(results, output, rows, [(path.name, reason) for path, reason in alone])
        conclude(f"index@{subset}", outcomes, output, data.max_reject_fraction)
        write_table(output / "accepted.csv", COLUMNS, rows)


def read_pairs(subset: str, pairs: list[tuple[Path, Path]]) -> tuple[list[Row], dict[str, NDArray], Rejected]:
    """Read some pairs.

    Parameters
    ----------
    subset : str
    pairs : list of (photo, annotation)

    Returns
    -------
    rows : list of tuple
        `COLUMNS` of the accepted pairs.
    arrays : dict of str to (N, ...) array
        sample_id, shape (N, 199), expression (N, 29), pose (N, 7), true_landmarks (N, 68, 3), in the same order.
    rejected : list of (file name, reason)
    """
    rows: list[Row] = []
    annotations, rejected = [], []
    for photo_path, path in pairs:
        try:
            content = photo_path.read_bytes()
            height, width = decode_photo(content, photo_path).shape[:2]
            annotation = read_annotation(path)
            digest = hash_pair(content, path.read_bytes())
        except (ValueError, OSError) as error:
            rejected.append((photo_path.name, str(error).replace(f"{path.parent}/", "")))
            continue
        names = (f"{subset}/{photo_path.stem}", photo_path.name, path.name, digest)
        rows.append((*names, width, height, *(float(value) for value in annotation.pose)))
        annotations.append(annotation)
    arrays = {
        "sample_id": np.array([row[0] for row in rows], object),
        "shape": np.array([a.shape for a in annotations]).reshape(-1, 199),
        "expression": np.array([a.expression for a in annotations]).reshape(-1, 29),
        "pose": np.array([a.pose for a in annotations]).reshape(-1, 7),
        "true_landmarks": np.array([a.true_landmarks for a in annotations], np.float32).reshape(-1, 68, 3),
    }
    return rows, arrays, rejected


def _collect(
    results: Iterator[tuple[list[Row], dict[str, NDArray], Rejected]], output: Path, rows: list[Row], alone: Rejected
) -> Iterator[Outcome]:
    """Append each chunk's arrays to annotations.h5 as it comes."""
    yield Outcome(taken=len(alone), rejected=alone)
    with writing(output / "annotations.h5") as file:
        for accepted, arrays, rejected in results:
            append_rows(file, arrays)
            rows += accepted
            yield Outcome(len(accepted) + len(rejected), len(accepted), rejected)


if __name__ == "__main__":
    main()
