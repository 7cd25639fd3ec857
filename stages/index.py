"""Stage `index@subset`: which pairs of photo and annotation can be used, and why the others can't."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.raw.agreement import find_other_shape
from pipeline.raw.annotations import (
    EXPRESSION_COEFFICIENTS,
    SHAPE_COEFFICIENTS,
    hash_pair,
    list_pairs,
    read_annotation,
)
from pipeline.raw.pairs import Pair, describe_passed_over
from pipeline.raw.photos import check_photo, hash_photo, read_content
from pipeline.store.checks import check
from pipeline.store.resume import ShardContent
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards, read_shard
from pipeline.store.tables import write_table
from stages.project.params import ComputeParams, DataParams
from stages.project.params_file import read
from stages.project.shard_stage import WHOLE, Task, run_stage

NAME_COLUMNS = ("sample_id", "photo", "annotation", "source_sha256", "photo_sha256")
FILE_COLUMNS = (*NAME_COLUMNS, "width", "height")
POSE_COLUMNS = ("pitch", "yaw", "roll", "tx", "ty", "tz", "scale")


@click.command()
@click.argument("subset")
def main(subset: str) -> None:
    """Read and check each pair of one subset."""
    with sentences():
        data, compute = read("data", DataParams), read("compute", ComputeParams)
        output, folder = data.shards("index", subset), data.folder(subset)
        pairs, unpaired, others = list_pairs(folder)
        step = data.samples_per_shard
        tasks = {WHOLE: [_task(subset, folder, pairs[i : i + step]) for i in range(0, len(pairs), step)]}
        if others:
            click.echo(f"index@{subset}: passed over in {folder}: {describe_passed_over(others)}")
        run_stage(f"index@{subset}", read_pairs, tasks, output, data.max_reject_fraction, compute, unpaired)
        write_table(output / "accepted.csv", (*FILE_COLUMNS, *POSE_COLUMNS), _rows(output))


def _task(subset: str, folder: Path, pairs: list[Pair]) -> Task:
    """One shard's pairs; sizes and times tell a changed file from an unchanged one when the work is resumed."""
    status = tuple(_status(folder / name) for pair in pairs for name in pair)
    return Task((), (subset, folder, [tuple(pair) for pair in pairs], status))


def _status(path: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError):  # it has gone since: said of the pair
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return -1, -1


def read_pairs(subset: str, folder: Path, pairs: list[tuple[str, str]], _statuses: tuple) -> ShardContent:
    """Read some pairs.

    Parameters
    ----------
    subset : str
    folder : Path
    pairs : list of (photo's name, annotation's name)

    Returns
    -------
    ShardContent
        Datasets `FILE_COLUMNS`, shape (N, 199) and expression (N, 29) float64, NaN where none is annotated, pose (N, 7)
        float64, true_landmarks (N, 68, 3) and marked_landmarks (N, 68, 2) float32, see `Annotation`.
    """
    names, annotations, rejected = [], [], []
    for photo_name, name in pairs:
        try:
            content = read_content(folder / photo_name)
            height, width = check_photo(content, folder / photo_name)
            annotation = read_annotation(folder / name)
            fault = find_other_shape(annotation.region, width, height)
            check(not fault, f"{photo_name}: {fault}")
            digest = hash_pair(content, (folder / name).read_bytes())
        except ValueError as error:
            rejected.append((photo_name, str(error).replace(f"{folder}/", "")))
            continue
        except OSError as error:
            rejected.append((photo_name, f"The photo or its annotation can't be read: {error.strerror or error}."))
            continue
        sample_id = f"{subset}/{Path(photo_name).stem}"
        names.append((sample_id, photo_name, name, digest, hash_photo(content), width, height))
        annotations.append(annotation)
    columns: list[tuple] = list(zip(*names, strict=True)) if names else [() for _ in FILE_COLUMNS]
    datasets: dict[str, NDArray] = {
        **{
            name: np.array(values, object if name in NAME_COLUMNS else np.int32)
            for name, values in zip(FILE_COLUMNS, columns, strict=True)
        },
        "shape": np.array([_filled(a.shape, SHAPE_COEFFICIENTS) for a in annotations]).reshape(-1, 199),
        "expression": np.array([_filled(a.expression, EXPRESSION_COEFFICIENTS) for a in annotations]).reshape(-1, 29),
        "pose": np.array([a.pose for a in annotations]).reshape(-1, 7),
        "true_landmarks": np.array([a.true_landmarks for a in annotations], np.float32).reshape(-1, 68, 3),
        "marked_landmarks": np.array([a.marked_landmarks for a in annotations], np.float32).reshape(-1, 68, 2),
    }
    return ShardContent(datasets, len(pairs), rejected)


def _filled(values: NDArray, count: int) -> NDArray:
    """Append NaN for coefficients that an annotation does not keep; a model with vectors for them is another one."""
    return np.append(values, np.full(count - len(values), np.nan))


def _rows(output: Path) -> Iterator[tuple]:
    """Accepted samples as a person reads them: the file's columns and the annotated pose."""
    for path in list_shards(output):
        shard = read_shard(path, [*FILE_COLUMNS, "pose"])
        for *columns, pose in zip(*(shard[name] for name in FILE_COLUMNS), shard["pose"].tolist(), strict=True):
            yield (*columns, *pose)


if __name__ == "__main__":
    main()
