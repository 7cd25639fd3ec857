"""Scans as other programs leave them: meshes, or points alone; and sets of meshes in correspondence."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array

SUFFIXES = (".ply", ".obj", ".stl", ".off", ".glb")
# A scan of five million triangles takes about 250 MB as text.
MOST_BYTES = 500 * 2**20
# Between the names of identity and expression in the name of a mesh of a set; a name without it is a neutral face's.
BETWEEN, NEUTRAL = "__", "neutral"


@dataclasses.dataclass(frozen=True, eq=False)
class ScanFile:
    """A scan: vertices (V, 3) float64 in its own unit and pose, and triangles (F, 3) int64, None for points alone."""

    vertices: Array
    triangles: NDArray[np.int64] | None


@dataclasses.dataclass(frozen=True, eq=False)
class MeshSet:
    """Meshes in correspondence, of each identity with each expression.

    Attributes
    ----------
    vertices : (N, M, V, 3) float32
    identities, expressions : tuples of N and M str
    """

    vertices: NDArray[np.float32]
    identities: tuple[str, ...]
    expressions: tuple[str, ...]


def read_scan(path: Path) -> ScanFile:
    """Read a scan; of a ``.ply`` the vertices are as they lie in the file.

    Parameters
    ----------
    path : Path
        One of `SUFFIXES`; a ``.ply`` may have points alone.

    Returns
    -------
    ScanFile

    Raises
    ------
    ValueError
        If the file is of another kind, can't be read, has no points, or some that are not finite, or faces
        of vertices that it lacks.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no scan that can be read; expected one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise ValueError(f"{path} is missing, or no file.")
    size = path.stat().st_size
    if not 0 < size <= MOST_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; expected the scan of one face.")
    try:
        vertices, triangles = _load_ply(path) if path.suffix.lower() == ".ply" else _load(path)
        vertices, triangles = np.array(vertices, np.float64), np.array(triangles, np.int64)
    except Exception as error:  # of trimesh, numpy and the system: kinds of many sorts
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} can't be read as a mesh: {reason}.") from error
    if vertices.ndim != 2 or vertices.shape[1:] != (3,) or not len(vertices):
        raise ValueError(f"{path} has no points.")
    if not np.isfinite(vertices).all():
        raise ValueError(f"{path} has points that are not finite.")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise ValueError(f"{path} has faces of vertices that it has not.")
    return ScanFile(vertices, triangles.reshape(-1, 3) if triangles.size else None)


def _load(path: Path) -> tuple[Any, Any]:
    import trimesh  # half a second to import

    loaded = trimesh.load(path, process=False, maintain_order=True, skip_materials=True)
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    return getattr(loaded, "vertices", ()), getattr(loaded, "faces", ())


def _load_ply(path: Path) -> tuple[Any, Any]:
    """Without textures, for whose seams trimesh would give vertices a new order."""
    from trimesh.exchange.ply import load_ply

    with path.open("rb") as file:
        found = load_ply(file, resolver=None, fix_texture=False, skip_materials=True)
    return found["vertices"], found.get("faces", ())


def read_mesh_set(folder: Path, count: int) -> MeshSet:
    """Read a set of registered meshes, as `register` writes them.

    Parameters
    ----------
    folder : Path
        With ``<identity>__<expression>.ply`` for each identity with each expression, or ``<identity>.ply`` for neutral
        faces alone.
    count : int
        Vertices that each has.

    Returns
    -------
    MeshSet
        Both in the order of their names, a neutral expression first.

    Raises
    ------
    ValueError
        If there is none, one is missing, can't be read or has other vertices.
    """
    paths = {_names_of(path): path for path in sorted(folder.glob("*.ply"))}
    if not paths:
        raise ValueError(f"{folder} holds no meshes (.ply): `python -m stages.register` makes them from scans.")
    identities = sorted({identity for identity, _ in paths})
    expressions = sorted({expression for _, expression in paths}, key=lambda name: (name != NEUTRAL, name))
    pairs = [(identity, expression) for identity in identities for expression in expressions]
    missing = [BETWEEN.join(pair) for pair in pairs if pair not in paths]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{folder} lacks {missing[0]}.ply{more}: a set has each identity with each expression.")
    vertices = np.zeros((len(pairs), count, 3), np.float32)
    for row, pair in zip(vertices, pairs, strict=True):
        found = read_scan(paths[pair]).vertices
        if len(found) != count:
            raise ValueError(f"{paths[pair]} has {len(found)} vertices, the face model {count}: register it first.")
        row[:] = found
    return MeshSet(vertices.reshape(len(identities), -1, count, 3), tuple(identities), tuple(expressions))


def _names_of(path: Path) -> tuple[str, str]:
    identity, _, expression = path.stem.partition(BETWEEN)
    return identity, expression or NEUTRAL
