"""Read plain numeric arrays from Matlab files, and nothing else: objects and cells are refused.

Files of version 5 to 7 are parsed here. scipy's compiled reader takes a file's word for it: a type number that does not
exist, or cells in cells in cells, end the interpreter. What it has for version 4 is written in Python, and is used.
"""

import contextlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
NUMERIC_KINDS = range(6, 16)
OTHER_KINDS = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
STRUCT, OPAQUE, COMPLEX_FLAG = 2, 17, 0x800
# A structure is unpacked whole; BFM with all its vectors and its texture has 600 MB.
MAX_STRUCT_BYTES = 2**31
# What is unpacked to see a matrix's name and shape, and what is allowed beside its values.
HEAD_BYTES = 1024


def read_arrays(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    max_values: float = math.inf,
    tolerated: Sequence[str] = (),
) -> dict[str, NDArray]:
    """Read named numeric arrays.

    Parameters
    ----------
    path : Path
        A Matlab file of version 4 to 7.
    required, optional : sequence of str
        Names; a missing required one is an error.
    max_values : float
        Arrays with more values are refused before they are unpacked.
    tolerated : sequence of str
        Names of further optional arrays, which are left out where they can't be used.

    Returns
    -------
    dict of str to array
        As stored, with Matlab's two dimensions.

    Raises
    ------
    ValueError
        If the file is no such Matlab file, an array is missing, or one is no finite numeric array.
    OSError
        If the file can't be read.
    """
    names = (*required, *optional, *tolerated)
    content = path.read_bytes()
    with _naming(path):
        if 0 in content[:4]:  # where later versions have text
            import scipy.io  # takes as long to import as all else that reads annotations, which are of version 5

            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of numbers as a VAX or a Cray has them, it gives something
                arrays = scipy.io.loadmat(io.BytesIO(content), variable_names=list(names))  # type: ignore[arg-type]
        else:
            arrays = _read_version_5(content, names, max_values, tolerated)
    missing = [name for name in required if name not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}.")
    faults = {name: fault for name in names if name in arrays and (fault := _fault(arrays[name]))}
    for name, fault in faults.items():
        if name not in tolerated:
            raise ValueError(f"{name} in {path} {fault}.")
    return {name: arrays[name] for name in names if name in arrays and name not in faults}


def _fault(array: Any) -> str | None:
    """What is wrong with an array's values, or None."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        return "is no numeric array of real numbers"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "holds values that are not finite"
    return None


def read_struct(path: Path, name: str, required: Sequence[str]) -> dict[str, NDArray]:
    """Read numeric fields of a structure, as face3d keeps its face model.

    Parameters
    ----------
    path : Path
        A Matlab file of version 5 to 7.
    name : str
        Of the structure, of 1 x 1.
    required : sequence of str
        Fields.

    Returns
    -------
    dict of str to array
        As stored, with Matlab's two dimensions.

    Raises
    ------
    ValueError
        If the file is no such Matlab file, a field is missing, or one is no finite numeric array.
    OSError
        If the file can't be read.
    """
    content = path.read_bytes()
    with _naming(path):
        arrays = _read_fields(content, name, required)
    missing = [field for field in required if field not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(f'{name}.{field}' for field in missing)}.")
    for field, array in arrays.items():
        if fault := _fault(array):
            raise ValueError(f"{name}.{field} in {path} {fault}.")
    return arrays


class _RefusedError(Exception):
    """An array that is whole, and can't be used: its name, and why."""


class _Version73Error(Exception):
    """A file of version 7.3, which is HDF5."""


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what readers raise into one sentence on the file."""
    try:
        yield
    except _RefusedError as error:
        name, reason = error.args
        raise ValueError(f"{name} in {path} {reason}.") from None
    except _Version73Error:
        raise ValueError(f"{path} is a Matlab 7.3 file; save it with -v7.") from None
    except UserWarning as warning:
        raise ValueError(f"{path} can't be read: {str(warning).rstrip('.')}. Save it anew with -v7.") from warning
    except Exception as error:  # of many kinds, struct.error and zlib.error among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged or no Matlab file: {reason}.") from error


def _read_version_5(
    content: bytes, names: Sequence[str], max_values: float, tolerated: Sequence[str]
) -> dict[str, NDArray]:
    order = _byte_order(content)
    arrays: dict[str, NDArray] = {}
    data, place = memoryview(content), 128
    while place < len(data):
        kind, element, place = _element(data, place, order)
        try:
            read = _read_matrix(kind, element, order, names, max_values)
        except _RefusedError as error:
            if error.args[0] not in tolerated:
                raise
            continue
        if read is None:
            continue
        name, array = read
        if name in arrays:
            raise ValueError(f"{name} is in it twice")
        arrays[name] = array
    return arrays


def _byte_order(content: bytes) -> str:
    if not content:
        raise ValueError("it is empty")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it does not begin as one")
    (version,) = struct.unpack(f"{order}H", content[124:126])
    if version >> 8 == 2:
        raise _Version73Error
    return order


def _read_fields(content: bytes, wanted: str, names: Sequence[str]) -> dict[str, NDArray]:
    order = _byte_order(content)
    data, place = memoryview(content), 128
    while place < len(data):
        kind, element, place = _element(data, place, order)
        if kind == COMPRESSED:
            element = memoryview(zlib.decompressobj().decompress(element, MAX_STRUCT_BYTES))
            kind, element, _ = _element(element, 0, order)
        if kind != MATRIX:
            raise ValueError(f"it has an element of type {kind}")
        name, shape, flags, start = _parse_head(element, order)
        if name == wanted:
            if flags & 0xFF != STRUCT or math.prod(shape) != 1:
                raise _RefusedError(name, "is no structure of 1 x 1")
            return _parse_fields(element, start, order, names)
    return {}


def _parse_fields(matrix: memoryview, place: int, order: str, names: Sequence[str]) -> dict[str, NDArray]:
    """Numeric fields of a structure, from where its fields' names begin."""
    _, size, place = _padded_element(matrix, place, order)
    _, text, place = _padded_element(matrix, place, order)
    (width,) = struct.unpack_from(f"{order}i", size)
    if width < 1 or len(text) % width:
        raise ValueError("the names of its fields are damaged")
    arrays = {}
    for start in range(0, len(text), width):
        field = bytes(text[start : start + width]).split(b"\0")[0].decode("latin1")
        _, value, place = _element(matrix, place, order)
        if field in names:
            _, shape, flags, begin = _parse_head(value, order)
            arrays[field] = _parse_values(value, begin, order, field, shape, flags)
    return arrays


def _read_matrix(
    kind: int, element: memoryview, order: str, names: Sequence[str], max_values: float
) -> tuple[str, NDArray] | None:
    """Name and values of a matrix, or None if its name is none of those asked for."""
    if kind not in (MATRIX, COMPRESSED):
        raise ValueError(f"it has an element of type {kind}")
    head = element if kind == MATRIX else memoryview(zlib.decompressobj().decompress(element, HEAD_BYTES))[8:]
    name, shape, flags, start = _parse_head(head, order)
    if name not in names:
        return None
    count = math.prod(shape)
    _check_kind(name, flags)
    if count > max_values:
        raise _RefusedError(name, f"has {count:,} values; expected up to {max_values:,}")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} has a shape of {shape}")
    matrix = element if kind == MATRIX else _unpack(element, HEAD_BYTES + 8 * count)[8:]
    return name, _parse_values(matrix, start, order, name, shape, flags)


def _check_kind(name: str, flags: int) -> None:
    if flags & 0xFF not in NUMERIC_KINDS:
        raise _RefusedError(name, f"is no numeric array but of kind {OTHER_KINDS.get(flags & 0xFF, flags & 0xFF)}")
    if flags & COMPLEX_FLAG:
        raise _RefusedError(name, "is no numeric array of real numbers but of complex ones")


def _parse_values(matrix: memoryview, start: int, order: str, name: str, shape: list[int], flags: int) -> NDArray:
    """Values of a numeric matrix, from where they begin."""
    _check_kind(name, flags)
    number, values, _ = _element(matrix, start, order)
    if number not in TYPES:
        raise ValueError(f"{name} has values of type {number}")
    array = np.frombuffer(values, order + TYPES[number])
    return array.astype(TYPES[number], copy=False).reshape(shape, order="F")


def _parse_head(matrix: memoryview, order: str) -> tuple[str, list[int], int, int]:
    """Name, shape and flags of a matrix, and where its values start."""
    _, flags, place = _element(matrix, 0, order)
    _, sides, place = _padded_element(matrix, place, order)
    kind = struct.unpack_from(f"{order}I", flags)[0]
    if kind & 0xFF == OPAQUE:  # has its name in place of its shape
        return bytes(sides).decode("latin1"), [], kind, place
    _, name, place = _padded_element(matrix, place, order)
    return bytes(name).decode("latin1"), np.frombuffer(sides, f"{order}i4").tolist(), kind, place


def _element(data: memoryview, place: int, order: str) -> tuple[int, memoryview, int]:
    """Type and bytes of the element at a place, and where the next one is."""
    kind, size = struct.unpack_from(f"{order}II", data, place)
    start = place + 8
    if kind >> 16:  # up to four bytes share the eight of the type and the size
        kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        if size > 4:
            raise ValueError("it has an element of a wrong size")
    if start + size > len(data):
        raise ValueError("it ends within an element")
    return kind, data[start : start + size], max(start + size, place + 8)


def _padded_element(data: memoryview, place: int, order: str) -> tuple[int, memoryview, int]:
    """As `_element`; within a matrix elements start at multiples of eight bytes."""
    kind, content, after = _element(data, place, order)
    return kind, content, after + -after % 8


def _unpack(packed: memoryview, limit: int) -> memoryview:
    stream = zlib.decompressobj()
    content = stream.decompress(packed, limit)
    if not stream.eof:
        raise ValueError("an array has more values than its shape says, or is cut off")
    return memoryview(content)
