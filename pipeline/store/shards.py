"""HDF5 shards of samples: written atomically, in fixed point where it is exact enough, read by rows."""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py

try:
    import hdf5plugin
except ImportError as error:
    raise ImportError("Shards are compressed by bitshuffle: install hdf5plugin, see requirements.txt.") from error
import numpy as np
from numpy.typing import NDArray

from .encoding import accumulate, decode_positions, difference, step_and_offset
from .files import beside, replacing

SCHEMA_VERSION = 2
# Of 48 crops and maps of 256 px, of 590 kB, this leaves 187 kB in 0.5 ms to write and 0.3 to read; Blosc, zstd 167 kB
# in 0.8 and 0.6 ms; gzip at level 1 235 kB in 6 ms. Without the differences bitshuffle and LZ4 leave over 400 kB.
COMPRESSION = dict(hdf5plugin.Bitshuffle(cname="lz4"))
ENCODING = "bitshuffle, LZ4 (HDF5 filter 32008); difference along columns, then rows, modulo the type's range"
DIFFERENCED = (np.uint8, np.uint16)


@dataclasses.dataclass(frozen=True)
class StoredImages:
    """Images (H, W, C) as their chunks, one an image: HDF5's mask of the filters left out, and the bytes."""

    chunks: list[tuple[int, bytes]]
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, rows: Sequence[int]) -> "StoredImages":
        return StoredImages([self.chunks[row] for row in rows], self.shape, self.dtype)


def write_shard(
    path: Path, datasets: Mapping[str, NDArray | StoredImages], attributes: dict[str, str | int | float]
) -> str:
    """Write a shard beside its place and rename it, so that a file under its final name is always whole.

    Parameters
    ----------
    path : Path
        Where the shard goes; its folder is made.
    datasets : dict of str to (N, ...) array or StoredImages
        One row a sample. Strings may be lists, object or str arrays. Images and position maps are stored one sample a
        chunk, as `difference`, compressed; a `position_map` must come from `encode_positions`.
    attributes : dict
        What it was made from.

    Returns
    -------
    str
        SHA-256 of the file.
    """
    with _in_memory(path) as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs.update(attributes)
        for name, values in datasets.items():
            write_dataset(file, name, values)
        content = _content(file)
    with replacing(path) as part:
        part.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for writing that takes its final name only when the block ends well.

    Raises
    ------
    OSError
        If it can't be written: no space, no permission, no folder. Nothing is left of it then.
    """
    with _in_memory(path) as file:
        yield file
        content = _content(file)
    with replacing(path) as part:
        part.write_bytes(content)


def _in_memory(path: Path) -> h5py.File:
    """Begin a file that is written in one go when it is complete: HDF5 itself does not recover from a full disk."""
    return h5py.File(beside(path).name, "w", driver="core", backing_store=False, block_size=2**22)


def _content(file: h5py.File) -> bytes:
    file.flush()
    return file.id.get_file_image()


def reading(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is damaged, keeps data in other files, or can't be opened for another reason, which is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage that makes it.")
    try:
        status = path.stat()
        _check_version(path.absolute(), status.st_size, status.st_mtime_ns)
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise ValueError(_reason(path, error)) from error


@functools.lru_cache(maxsize=4096)
def _check_version(path: Path, size: int, time: int) -> None:  # noqa: ARG001
    """Check a file as `check_own` does, once in a process while its size and time stay."""
    with h5py.File(path, "r", locking="best-effort") as file:
        check_own(file, path)


def _reason(path: Path, error: OSError) -> str:
    """Why HDF5 can't open or read a file; only what the system has no reason for is damage."""
    if error.errno is None:
        return f"{path} is damaged; delete it and run the stage that makes it."
    reason = os.strerror(error.errno)
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
        return f"{path} is being written by another process ({reason}); wait for it to end, or end it."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path} may not be read ({reason}): it belongs to another user, who must allow it."
    if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
        return f"{path} can't be locked ({reason}): set HDF5_USE_FILE_LOCKING=FALSE for this file system."
    return f"{path} can't be read: {reason}."


def check_own(group: h5py.Group, path: Path) -> None:
    """Check that all that an HDF5 file names is in it: it may name any file that this user can read as its data.

    Raises
    ------
    ValueError
        If there is a link other than a plain one, or a dataset kept in other files.
    """
    for name in group:
        plain = group.id.links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD
        member = h5py.h5o.open(group.id, name.encode()) if plain else None
        if isinstance(member, h5py.h5g.GroupID):
            check_own(h5py.Group(member), path)
        elif not plain or (isinstance(member, h5py.h5d.DatasetID) and _lies_outside(member)):
            raise ValueError(f"{path} keeps {name} in another file, which no stage does; take the file from elsewhere.")


def _lies_outside(dataset: h5py.h5d.DatasetID) -> bool:
    kept = dataset.get_create_plist()
    return kept.get_layout() == h5py.h5d.VIRTUAL or (
        kept.get_layout() == h5py.h5d.CONTIGUOUS and kept.get_external_count() > 0
    )


def write_dataset(file: h5py.File, name: str, values: NDArray | StoredImages) -> None:
    """Add one dataset to an open shard, see `write_shard`."""
    if isinstance(values, StoredImages):
        dataset = _create_images(file, name, values.shape, values.dtype)
        dataset.resize(len(values.chunks), axis=0)
        for row, (left_out, chunk) in enumerate(values.chunks):
            dataset.id.write_direct_chunk((row, 0, 0, 0), chunk, left_out)
        dataset.flush()
        return
    values = np.asarray(values)
    if values.ndim == 4 and values.dtype in DIFFERENCED:
        append_images(file, name, values)
        return
    if values.dtype.kind in "OU":
        encoded = [str(value).encode() for value in values]
        kind = h5py.string_dtype(length=max(map(len, encoded), default=1))
        dataset = file.create_dataset(name, data=np.array(encoded, kind))
    else:
        dataset = file.create_dataset(name, data=values)
    # HDF5 lays a dataset out when its last reference goes, and a profiler may hold one longer: now, for the same bytes.
    dataset.flush()


def append_images(file: h5py.File, name: str, values: NDArray) -> None:
    """Append images (N, H, W, C) uint8, or maps from `encode_positions`, to a dataset that begins with the first."""
    dataset = file[name] if name in file else _create_images(file, name, values.shape[1:], values.dtype)
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    # h5py's own way to write a row, `dataset[row] = image`, takes a quarter longer.
    place, row_space = dataset.id.get_space(), h5py.h5s.create_simple((1, *values.shape[1:]))
    for row, image in enumerate(values, start):
        place.select_hyperslab((row, 0, 0, 0), row_space.shape)
        dataset.id.write(row_space, place, difference(image))
    dataset.flush()


def _create_images(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> h5py.Dataset:
    dataset = file.create_dataset(name, (0, *shape), dtype, chunks=(1, *shape), maxshape=(None, *shape), **COMPRESSION)
    dataset.attrs["encoding"] = ENCODING
    if name == "position_map":
        dataset.attrs["scale"], dataset.attrs["offset"] = step_and_offset(shape[-2])
    return dataset


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

    Raises
    ------
    ValueError
        If it can't be opened, see `reading`, lacks a dataset, or one is damaged.
    """
    rows = slice(None) if rows is None else rows
    with reading(path) as file:
        missing = [name for name in names or () if name not in file]
        if missing:
            raise ValueError(f"{path} lacks {', '.join(missing)}; run the stage that makes it.")
        try:
            return {name: read_dataset(file[name], rows) for name in (names or sorted(file))}
        except OSError as error:
            raise ValueError(_reason(path, error)) from error


def read_dataset(dataset: h5py.Dataset, rows: slice | int = slice(None)) -> NDArray:
    """Read rows of one dataset, see `read_shard`."""
    if h5py.check_string_dtype(dataset.dtype):
        return dataset.asstr()[rows]
    values = accumulate(dataset[rows]) if "encoding" in dataset.attrs else dataset[rows]
    if "scale" in dataset.attrs:
        return decode_positions(values, dataset.shape[-2])
    return values


@functools.lru_cache(maxsize=4096)
def map_rows(path: Path, name: str) -> NDArray:
    """Map a dataset that is stored as it is, which any thread may read rows of, without HDF5 and its lock.

    Raises
    ------
    ValueError
        If the dataset is in chunks.
    """
    with reading(path) as file:
        dataset = file[name]
        start = dataset.id.get_offset()
        if start is None:
            raise ValueError(f"{path} keeps {name} in chunks, which cannot be mapped; delete it and run its stage.")
        return np.memmap(path, dataset.dtype, "r", start, dataset.shape)


def read_stored(path: Path, name: str) -> StoredImages:
    """Read images as they are stored, to write them elsewhere without unpacking them."""
    with reading(path) as file:
        dataset = file[name]
        chunks = [dataset.id.read_direct_chunk((row, 0, 0, 0)) for row in range(len(dataset))]
        return StoredImages(chunks, dataset.shape[1:], dataset.dtype)


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
