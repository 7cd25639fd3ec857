"""The page of one mesh, to be turned."""

import numpy as np
from numpy.typing import NDArray

from .numbers import encode_steps, encode_triangles, in_unit_cube
from .templating import make_environment


def mesh_page(title: str, vertices: NDArray[np.floating], triangles: NDArray[np.integer], back: str = "") -> str:
    """Make a page that shows a mesh in grey, to be turned by mouse, touch or keys.

    Parameters
    ----------
    title : str
        What it is the mesh of.
    vertices : (V, 3) float
        Pixel frame: x right, y down, z towards the viewer.
    triangles : (F, 3) int
        Counter-clockwise seen from outside, with y up.
    back : str
        Address of the page that leads to this one, or empty.

    Returns
    -------
    str
        HTML that asks for nothing.
    """
    template = make_environment().get_template("mesh.html")
    return template.render(
        name=title,
        vertices=encode_steps(in_unit_cube(vertices)),
        triangles=encode_triangles(triangles, len(vertices)),
        back=back,
    )
