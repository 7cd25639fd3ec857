"""HDF5 shards of samples: written atomically, in fixed point where it is exact enough, read by rows."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1

# Fixed point of position maps at 256 px: steps of 1/64 px from -384 px. Both shrink with the map.
POSITION_STEP_PX = 1 / 64
POSITION_OFFSET_PX = -384.0
REFERENCE_SIZE = 256


def position_range(size: int) -> tuple[float, float]:
    """Smallest and largest coordinate in px that the fixed point of maps of `size` px can hold."""
    step, offset = _step_and_offset(size)
    return offset, offset + step * np.iinfo(np.uint16).max


def encode_positions(position_map: NDArray, size: int) -> NDArray[np.uint16]:
    """Round positions to 16-bit fixed point.

    Parameters
    ----------
    position_map : (..., size, size, 3) float
        Pixels of the aligned image.
    size : int
        Side of the map in px; the step is 1/64 px at 256 px and shrinks with it.

    Returns
    -------
    Same shape, uint16
        ``stored * step + offset`` is within half a step of the input.

    Raises
    ------
    ValueError
        If a coordinate is outside `position_range` or not finite.
    """
    step, offset = _step_and_offset(size)
    stored = np.rint((np.asarray(position_map, np.float64) - offset) / step)
    if stored.size and not (stored.min() >= 0 and stored.max() <= np.iinfo(np.uint16).max):
        low, high = position_range(size)
        raise ValueError(
            f"Positions from {np.min(position_map):.1f} to {np.max(position_map):.1f} px do not fit the stored range "
            f"of {low:.0f} to {high:.0f} px."
        )
    return stored.astype(np.uint16)


def write_shard(path: Path, datasets: dict[str, NDArray], attributes: dict[str, str | int | float]) -> None:
    """Write a shard beside its place and rename it, so that a file under its final name is always whole.

    Parameters
    ----------
    path : Path
        Where the shard goes; its folder is made.
    datasets : dict of str to (N, ...) array
        One row a sample. Strings may be lists, object or str arrays. Arrays of two or more dimensions are stored one
        sample a chunk, compressed; a `position_map` must come from `encode_positions`.
    attributes : dict
        What it was made from.
    """
    with writing(path) as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs.update(attributes)
        for name, values in datasets.items():
            write_dataset(file, name, values)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for writing that takes its final name only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def reading(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    return h5py.File(path, "r")


def write_dataset(file: h5py.File, name: str, values: NDArray) -> None:
    """Add one dataset to an open shard, see `write_shard`."""
    values = np.asarray(values)
    if values.dtype.kind in "OU":
        file.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
        return
    image_like = values.ndim >= 3 and values.shape[-1] == 3 and values.dtype.kind == "u"
    options = {"chunks": (1, *values.shape[1:]), "compression": "gzip", "compression_opts": 1} if image_like else {}
    dataset = file.create_dataset(name, data=values, shuffle=values.dtype == np.uint16, **options)
    if name == "position_map":
        dataset.attrs["scale"], dataset.attrs["offset"] = _step_and_offset(values.shape[-2])


def append_rows(file: h5py.File, datasets: dict[str, NDArray]) -> None:
    """Append rows to growing datasets of an open file, made with the first rows; strings as in `write_shard`."""
    for name, values in datasets.items():
        if name not in file:
            string = values.dtype.kind in "OU"
            dtype = h5py.string_dtype() if string else values.dtype
            chunks = (256, *values.shape[1:])
            file.create_dataset(name, (0, *values.shape[1:]), dtype, chunks=chunks, maxshape=(None, *values.shape[1:]))
        dataset = file[name]
        start = len(dataset)
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


def read_shard(path: Path, names: Sequence[str] | None = None, rows: slice | None = None) -> dict[str, NDArray]:
    """Read datasets of a shard, strings as str and fixed point decoded to float32 px.

    Parameters
    ----------
    path : Path
        A shard.
    names : sequence of str, optional
        Which datasets; all by default.
    rows : slice, optional
        Which samples; all by default.

    Returns
    -------
    dict of str to (N, ...) array
    """
    rows = slice(None) if rows is None else rows
    with reading(path) as file:
        return {name: read_dataset(file[name], rows) for name in (names or sorted(file))}


def read_dataset(dataset: h5py.Dataset, rows: slice | int = slice(None)) -> NDArray:
    """Read rows of one dataset, see `read_shard`."""
    if h5py.check_string_dtype(dataset.dtype):
        return dataset.asstr()[rows]
    values = dataset[rows]
    if "scale" in dataset.attrs:
        return (values * np.float32(dataset.attrs["scale"]) + np.float32(dataset.attrs["offset"])).astype(np.float32)
    return values


def list_shards(folder: Path) -> list[Path]:
    """Shards of a folder in order.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    paths = sorted(Path(folder).glob("[0-9]*.h5"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no shards; run the stage that makes it.")
    return paths


def shard_path(folder: Path, number: int) -> Path:
    """Name of the shard of that number."""
    return Path(folder) / f"{number:05d}.h5"


def count_samples(path: Path) -> int:
    """Count the samples of a shard."""
    with reading(path) as file:
        return len(file["sample_id"])


def _step_and_offset(size: int) -> tuple[float, float]:
    return POSITION_STEP_PX * size / REFERENCE_SIZE, POSITION_OFFSET_PX * size / REFERENCE_SIZE
