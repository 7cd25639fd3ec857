"""What a bundle is made of belongs together: the mesh that is shown, the points, the map and the landmarks."""

import numpy as np
import pytest

from pipeline.crops.face_mesh import FILES, POINTS
from pipeline.demo.face import make_face
from pipeline.photo.embedded import EXPRESSION_SIGMA, SIZE, read_networks
from pipeline.uv.embedding import boundary_loops
from pipeline.uv.position_map import sample_map

MILLIMETRE = 1000.0


def test_the_embedded_bundle_is_of_the_procedural_face_and_says_where_it_comes_from(embedded):
    face = make_face()
    assert set(embedded.files) == set(FILES.values())
    assert embedded.files == read_networks()
    assert all(content[4:8] == b"TFL3" for content in embedded.files.values())
    assert embedded.about["name"] == "embedded"
    assert "MIT" in embedded.about["licences"]["face model"]
    assert "Apache-2.0" in embedded.about["licences"]["networks"]
    assert embedded.prior.sigma[: len(face.shape_sigma)].tolist() == face.shape_sigma.tolist()
    assert set(embedded.prior.sigma[len(face.shape_sigma) :]) == {EXPRESSION_SIGMA}
    assert not embedded.prior.mean.any()
    # Vertices that neither the mesh nor a point needs are left out; the landmarks stay what they were.
    assert len(embedded.model.mean) <= len(face.mean)
    assert np.array_equal(embedded.landmarks.mean, face.mean[face.landmarks])
    assert np.array_equal(embedded.model.mean[embedded.model.landmarks], face.mean[face.landmarks])


def test_its_parts_have_the_sizes_of_each_other(embedded):
    model, surface = embedded.model, embedded.surface
    vectors = model.shape_basis.shape[2] + model.expression_basis.shape[2]
    assert embedded.prior.mean.shape == (vectors,)
    assert embedded.points.mean.shape == (POINTS, 3)
    assert embedded.correction.shape == (len(model.mean), POINTS)
    assert embedded.spread.shape[1] == len(model.mean)
    assert embedded.operator.shape == (SIZE**2, len(model.mean))
    assert surface.vertex_uv.shape == (embedded.spread.shape[0], 2)
    assert surface.triangles.max() == len(surface.vertices) - 1 == embedded.spread.shape[0] - 1
    assert np.array_equal(surface.landmarks, model.landmarks)
    # The finer mesh goes by the model's vertices, and each of its own knows the one that it is made of most.
    assert np.array_equal(embedded.spread.argmax(axis=1), surface.vertices)
    assert 0 <= model.triangles.min() <= model.triangles.max() < len(model.mean)
    assert embedded.spread.sum(axis=1) == pytest.approx(1, abs=1e-5), "a mean of vertices"


@pytest.fixture(scope="module")
def shown(embedded):
    """Mean face at the vertices that are shown."""
    return embedded.spread @ embedded.model.mean.astype(float)


def test_the_map_has_the_vertices_where_the_layout_places_them(embedded, shown):
    surface = embedded.surface
    position_map = (embedded.operator @ embedded.model.mean.astype(float)).reshape(SIZE, SIZE, 3)
    away = sample_map(position_map, surface.vertex_uv) - shown
    distance = np.linalg.norm(away, axis=1) / MILLIMETRE
    # The finer mesh is rounded, and its rim evened out.
    assert np.median(distance) < 0.1
    assert np.percentile(distance, 99) < 2
    assert not position_map[~surface.face_mask].any()
    rows = np.asarray(embedded.operator.sum(axis=1)).ravel()
    assert rows[surface.face_mask.ravel()] == pytest.approx(1, abs=1e-5)


def test_the_mouth_is_closed_by_a_vertex_in_its_middle_and_the_rim_is_the_only_boundary(embedded, shown):
    triangles = embedded.surface.triangles
    assert len(boundary_loops(triangles.astype(np.int32))) == 1
    middle = shown[len(shown) - 1] / MILLIMETRE
    corners = embedded.landmarks.mean[[48, 54]] / MILLIMETRE
    assert abs(middle[0]) < 0.5
    assert np.abs(middle[1] - corners[:, 1]).max() < 4


def test_the_mesh_that_is_shown_is_fine_and_faces_outwards(embedded, shown):
    surface = embedded.surface
    mouth = (surface.triangles == len(shown) - 1).any(axis=1)
    corners = shown[surface.triangles[~mouth]]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2) / MILLIMETRE
    assert np.median(edges) < 2
    assert edges.max() < 12
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = corners.mean(axis=1)
    assert np.mean((normals * outwards).sum(axis=1) > 0) > 0.9


def test_what_is_missing_everywhere_moves_the_face_by_it_and_a_slope_is_met_at_the_points(embedded):
    front = embedded.model.mean[:, 2] > 60 * MILLIMETRE
    moved = embedded.correction @ np.ones(POINTS)
    assert moved[front] == pytest.approx(np.ones(front.sum()), abs=0.06)
    # A smooth field of what is missing is met at the vertices next to the points.
    missing = embedded.points.mean[:, 0] / (50 * MILLIMETRE)
    met = embedded.correction @ missing
    nearest = np.linalg.norm(embedded.model.mean[None] - embedded.points.mean[:, None], axis=2).argmin(axis=1)
    assert np.abs(met[nearest] - missing).max() < 0.25
    assert np.median(np.abs(met[nearest] - missing)) < 0.05
