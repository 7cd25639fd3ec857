"""The page of one photo: its faces, each with its pictures and its numbers, and its mesh to be turned."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .numbers import encode_steps, encode_triangles, in_unit_cube
from .templating import make_environment


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
        surface = surfaces.setdefault(
            (encode_triangles(face.triangles, len(face.vertices)), encode_steps(face.uv)), len(surfaces)
        )
        shown.append((face, surface, encode_steps(in_unit_cube(face.vertices))))
    template = make_environment().get_template("faces.html")
    return template.render(name=name, faces=shown, surfaces=list(surfaces))
