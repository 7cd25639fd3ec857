"""What 64 x 64 x 64 voxels cost: real heads as volumes, read out again, against the annotated meshes."""

import numpy as np
import pytest

from pipeline.crops.alignment import align
from pipeline.face.camera import project
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.landmarks import OUTER_EYE_CORNERS
from pipeline.face.nearest import nearest_points
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.uv.masks import face_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map
from pipeline.uv.surface import make_surface
from pipeline.uv.volume import face_volumes, isosurface

SIZE, FACES, POINTS = 64, 20, 2000


@pytest.fixture(scope="module")
def distances(bfm, bfm_embedding, aflw_pairs):
    """True vertices of the face from the surface of its volume, (FACES, K), and eye distances, (FACES,), in voxels."""
    operator, uv = make_operator(bfm_embedding, SIZE), bfm_embedding.uv[: len(bfm.mean)]
    mask = face_mask(render_map(operator, bfm.mean[None])[0], uv[bfm.landmarks])
    chosen = make_surface(uv, bfm.triangles, bfm.landmarks, mask).vertices
    chosen = chosen[:: -(-len(chosen) // POINTS)]
    found, eyes = [], []
    for photo, path in aflw_pairs[:: len(aflw_pairs) // FACES][:FACES]:
        annotation = read_annotation(path)
        coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
        mesh = project(deform(bfm, coefficients)[0], annotation.pose, len(read_photo(photo)))
        aligned = apply_similarity(align(mesh[bfm.landmarks], margin=1.5, level=True, size=SIZE), mesh)
        position_map = render_map(operator, aligned[None])[0]
        volume = face_volumes(position_map[None], mask)[0]
        surface = isosurface(volume * np.uint8(255), SIZE)
        true = aligned[chosen] - [0, 0, position_map[mask, 2].mean()]
        found.append(np.linalg.norm(nearest_points(true, *surface).points - true, axis=1))
        right, left = (aligned[bfm.landmarks[corner]] for corner in OUTER_EYE_CORNERS)
        eyes.append(np.linalg.norm(right - left))
    return np.array(found), np.array(eyes)


def test_a_face_lies_within_half_a_voxel_of_its_volumes_surface_whatever_its_pose(distances):
    found, _ = distances
    assert len(found) == FACES
    assert np.percentile(found, 99, axis=1).max() < 0.52
    assert found.mean(axis=1).max() < 0.17


def test_that_is_six_thousandths_of_the_distance_of_the_eyes(distances):
    found, eyes = distances
    percent = 100 * found.mean(axis=1) / eyes
    assert percent.mean() == pytest.approx(0.57, abs=0.02)
    assert percent.max() < 0.65
