"""The page of one photo: its faces, each with its pictures and its numbers, and its mesh to be turned."""

import base64
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .templating import make_environment

STEPS = 65_535


class Picture(NamedTuple):
    """A picture of a face: what its tab is called, a PNG or JPEG file's bytes, and a sentence on what it shows."""

    tab: str
    file: bytes
    caption: str


@dataclasses.dataclass(frozen=True)
class FaceViews:
    """What the page shows of one face.

    Attributes
    ----------
    pictures : list of Picture
        In the order of their tabs.
    texture : Picture
        The last tab, and what is laid over the mesh.
    thumbnail : bytes
        Small picture, by which one chooses among several faces.
    vertices : (V, 3) float
        Pixel frame: x right, y down, z towards the viewer.
    triangles : (F, 3) int
        Counter-clockwise seen from outside, with y up.
    uv : (V, 2) float
        Column and row of the texture, from 0 to 1 between its outer edges.
    numbers : list of (str, str)
        What each is, and its value as it is shown.
    files : list of str
        Names of files beside the page.
    warning : str
        That the face is likely wrong, and why; a sentence, or empty.
    method : str
        What made the face, or empty.
    """

    pictures: list[Picture]
    texture: Picture
    thumbnail: bytes
    vertices: NDArray[np.floating]
    triangles: NDArray[np.integer]
    uv: NDArray[np.floating]
    numbers: list[tuple[str, str]]
    files: list[str]
    warning: str = ""
    method: str = ""


def faces_page(name: str, faces: Sequence[FaceViews]) -> str:
    """Make the page of the photo `name`, as HTML that asks for nothing.

    Triangles and places in the texture, which the faces of a photo share, are in the page once; a face of V vertices
    adds its pictures and 8 V bytes.
    """
    surfaces: dict[tuple[str, str], int] = {}
    shown = []
    for face in faces:
        surface = surfaces.setdefault((_encode_triangles(face), _encode_steps(face.uv)), len(surfaces))
        shown.append((face, surface, _encode_steps(_in_unit_cube(face.vertices))))
    template = make_environment().get_template("faces.html")
    return template.render(name=name, faces=shown, surfaces=list(surfaces))


def _in_unit_cube(vertices: NDArray) -> NDArray[np.float64]:
    """Move and scale vertices (V, 3) in the pixel frame about the middle of the unit cube, y up."""
    vertices = np.asarray(vertices, np.float64) * [1, -1, 1]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return 0.5 + (vertices - (low + high) / 2) / max((high - low).max(), 1e-9)


def _encode_steps(values: NDArray) -> str:
    """Write values from 0 to 1 as little-endian uint16, in base64."""
    return _base64(np.rint(np.clip(values, 0, 1) * STEPS).astype("<u2"))


def _encode_triangles(face: FaceViews) -> str:
    """Write indices as little-endian uint16 where there are few enough vertices, else uint32, in base64."""
    return _base64(face.triangles.astype("<u2" if len(face.vertices) <= STEPS else "<u4"))


def _base64(values: NDArray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
