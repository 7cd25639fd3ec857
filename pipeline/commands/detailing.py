"""A reconstructed face with the detail that the shading of its photo tells: a finer mesh, and what draws it."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity
from ..photo.detail import FineMesh, add_detail, levels_for, refine
from ..photo.masks import are_covered
from ..photo.reconstruction import Reconstruction
from ..photo.texture import enlarge
from ..store.arrays import Image
from ..store.sparse import take_columns
from ..uv.surface import adjacent_triangles
from .reconstructor import Reconstructor


def with_detail(
    photo: Image, found: Reconstruction, reconstructor: Reconstructor, covered: NDArray[np.bool_] | None = None
) -> tuple[Reconstruction, Reconstructor]:
    """Give a face the detail of its photo.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    found : Reconstruction
    reconstructor : Reconstructor
        That it was found by.
    covered : (H, W) bool, optional
        Where something lies before the face.

    Returns
    -------
    found : Reconstruction
        On the finer mesh. Its position map is moved as the mesh is; landmarks, pose and coefficients stay.
    reconstructor : Reconstructor
        With the finer mesh.
    """
    levels = levels_for(found.vertices, reconstructor.surface.triangles)
    finer, fine = make_finer(reconstructor, levels)
    hides = None if covered is None else functools.partial(are_covered, covered)
    detail = add_detail(photo, found.vertices, reconstructor.surface, fine, hides)

    def make_map() -> NDArray[np.float32]:
        position_map = found.position_map
        moved = enlarge(detail.moved, len(position_map)).astype(np.float64)
        origin = apply_similarity(found.similarity, np.zeros(3))
        return (position_map + apply_similarity(found.similarity, moved) - origin).astype(np.float32)

    return dataclasses.replace(found, vertices=detail.vertices, make_map=make_map), finer


@functools.lru_cache(maxsize=4)
def make_finer(reconstructor: Reconstructor, levels: int) -> tuple[Reconstructor, FineMesh]:
    """Make the mesh of a reconstructor finer, see `pipeline.photo.detail.refine`, and all that its vertices carry."""
    surface = reconstructor.surface
    fine = refine(surface, levels)
    count = len(surface.vertex_uv)
    nearest = np.asarray(fine.operator.argmax(axis=1)).ravel()
    finer = dataclasses.replace(
        surface,
        vertex_uv=fine.uv,
        triangles=fine.triangles,
        pairs=adjacent_triangles(fine.triangles),
        vertices=surface.vertices[nearest],
    )
    expressions = reconstructor.expressions
    if expressions is not None:
        names, moves = expressions
        expressions = names, np.stack([fine.operator @ move for move in moves])
    return dataclasses.replace(
        reconstructor,
        surface=finer,
        # The old vertices are the first of the new ones.
        operator=take_columns(reconstructor.operator, np.arange(count), len(fine.uv)),
        mean=fine.operator @ reconstructor.mean,
        made_by=f"{reconstructor.made_by}, with the detail of its shading",
        expressions=expressions,
    ), fine
