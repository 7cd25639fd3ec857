"""Scans and the meshes that are compared with them, as benchmarks have them in files: surfaces and landmarks."""

import itertools
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array
from .point_files import MOST_BYTES, read_point_file
from .scan_files import read_scan

SURFACES = (".obj", ".ply")
# MeshLab's picked points, which NoW's scans come with, and tables.
LANDMARKS = (".pp", ".npy", ".txt", ".lmks")
POINT = re.compile(r"<point\b[^>]*>")
NO_TRIANGLES = np.zeros((0, 3), np.int64)
COORDINATE = re.compile(r'\b([xyz])="([^"]*)"')


def find_file(stem: Path, suffixes: tuple[str, ...], what: str) -> Path:
    """Find the one file of a name with any of some endings.

    Raises
    ------
    ValueError
        If there is none or more than one.
    """
    found = [path for path in (stem.parent / f"{stem.name}{suffix}" for suffix in suffixes) if path.is_file()]
    if not found:
        raise ValueError(f"{stem} has no {what} ({', '.join(suffixes)}).")
    if len(found) > 1:
        raise ValueError(f"{stem} has more than one {what} ({', '.join(path.name for path in found)}): keep one.")
    return found[0]


def read_surface(path: Path) -> tuple[Array, NDArray[np.int64]]:
    """Read a mesh with its vertices in their order.

    Parameters
    ----------
    path : Path
        An ``.obj``, whose faces are read as triangles whatever their textures and materials are, or a ``.ply``.

    Returns
    -------
    vertices : (V, 3) float64
        In the file's unit and frame.
    triangles : (F, 3) int64

    Raises
    ------
    ValueError
        If the file can't be read, has no triangles or another kind of points, or triangles of vertices it lacks.
    """
    if path.suffix == ".ply":
        scan = read_scan(path)
        vertices, triangles = scan.vertices, scan.triangles if scan.triangles is not None else NO_TRIANGLES
    else:
        vertices, triangles = read_point_file(path, np.inf), _read_obj_triangles(path)
    if vertices.shape[1] != 3 or not np.isfinite(vertices).all():
        raise ValueError(f"{path} has vertices that are no finite points in space.")
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= len(vertices):
        raise ValueError(f"{path} has no faces, or they name vertices that it has not; expected a surface.")
    return vertices, triangles


def _read_obj_triangles(path: Path) -> NDArray[np.int64]:
    """Faces of an OBJ as triangles, a fan each; numbers may count back from the vertex before."""
    triangles, count = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        kind, *fields = line.split() or [""]
        count += kind == "v"
        if kind == "f":
            try:
                corners = [int(field.partition("/")[0]) for field in fields]
            except ValueError as error:
                raise ValueError(f"{path} has a face that names no vertices by number: {line[:80]!r}.") from error
            corners = [corner - 1 if corner > 0 else corner + count for corner in corners]
            triangles += [(corners[0], *pair) for pair in itertools.pairwise(corners[1:])]
    return np.array(triangles, np.int64).reshape(-1, 3)


def read_landmarks(path: Path, count: int) -> Array:
    """Read landmarks, in the unit and frame of the mesh that they are of.

    Parameters
    ----------
    path : Path
        MeshLab's ``.pp``, an ``.npy`` or a table.
    count : int
        How many are needed: as many of the first.

    Returns
    -------
    (count, 3) float64

    Raises
    ------
    ValueError
        If the file can't be read, or has fewer points or other ones.
    """
    points = _read_picked(path) if path.suffix == ".pp" else read_point_file(path, np.inf)
    if not np.isfinite(points).all():
        raise ValueError(f"{path} has points that are not finite.")
    if len(points) < count or points.shape[1:] != (3,):
        raise ValueError(f"{path} has points of shape {points.shape}; expected {count} landmarks (x, y, z).")
    return points[:count]


def _read_picked(path: Path) -> Array:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected some picked points.")
    found = [dict(COORDINATE.findall(tag)) for tag in POINT.findall(path.read_text("utf-8", errors="replace"))]
    try:
        return np.array([[float(point[axis]) for axis in "xyz"] for point in found]).reshape(-1, 3)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} has a point without x, y or z.") from error
