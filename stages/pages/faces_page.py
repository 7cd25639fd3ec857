"""The page of one photo: its faces, with the mesh of each to be turned."""

import dataclasses
from collections.abc import Sequence

from stages.pages.page import render


@dataclasses.dataclass(frozen=True)
class FaceViews:
    """What the page shows of one face.

    Attributes
    ----------
    pictures : list of (bytes, str)
        PNG or JPEG files, each with its caption.
    viewer : str
        HTML of a whole page that shows the mesh to be turned; the page holds it in a frame.
    """

    pictures: list[tuple[bytes, str]]
    viewer: str


def faces_page(name: str, faces: Sequence[tuple[str, FaceViews]]) -> str:
    """Make the page of the photo `name` from a sentence on the pose and the views of each face, as HTML."""
    return render("faces.html", name=name, faces=faces)
