"""Pictures of coordinate codes of real faces: what a network sees, against the rasterised mesh of the face model."""

import numpy as np
import pytest

from pipeline.crops.alignment import align
from pipeline.face.camera import project
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.rendering import interpolate, rasterize
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SIZE = 64


def test_crops_of_every_60th_photo_are_coded_as_the_mesh_is(bfm, bfm_embedding, aflw_pairs):
    from model.pncc import draw_codes, normalised_coordinates

    operator, colours = make_operator(bfm_embedding, SIZE), normalised_coordinates(bfm.mean)
    agreeing = []
    for photo, path in aflw_pairs[::60]:
        annotation, height = read_annotation(path), len(read_photo(photo))
        coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
        vertices = project(deform(bfm, coefficients)[0], annotation.pose, height)
        mesh = apply_similarity(align(vertices[bfm.landmarks], 1.5, True, SIZE), vertices)
        ids, shares = rasterize(mesh, bfm.triangles, SIZE, SIZE)
        expected = interpolate(colours, bfm.triangles, ids, shares)
        texels = render_map(operator, colours[None])[0].reshape(-1, 3)
        found = np.asarray(draw_codes(render_map(operator, mesh[None]), texels))[0]
        shown = (ids >= 0) | (found.max(axis=-1) > 0)
        agreeing.append((np.abs(found - expected).max(axis=-1)[shown] < 0.05).mean())
    assert len(agreeing) >= 20
    # What is left is the rim, and open mouths, which the mesh leaves open and a map closes.
    assert np.mean(agreeing) > 0.985
    assert min(agreeing) > 0.96
