"""What a bundle is made of belongs together: the mesh that is shown, the points, the map and the landmarks."""

import numpy as np
import pytest
import scipy.sparse

from pipeline.crops.face_mesh import FILES, POINTS, read_files
from pipeline.demo.face import make_face
from pipeline.face.fit import Prior
from pipeline.photo.bundling import EVENED, SIZE, even_out, make_bundle, prune, show
from pipeline.photo.embedded import EXPRESSION_SIGMA, embedded_model
from pipeline.uv.embedding import boundary_loops
from pipeline.uv.position_map import sample_map
from tests.helpers.meshes import grid_mesh

MILLIMETRE = 1000.0


def test_the_embedded_bundle_is_of_the_procedural_face_and_says_where_it_comes_from(embedded):
    face = make_face()
    assert set(embedded.files) == set(FILES.values())
    assert embedded.files == read_files()
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
    spread = embedded.spread
    most = scipy.sparse.csr_array((spread.data, spread.indices, spread.indptr), shape=spread.shape).argmax(axis=1)
    assert np.array_equal(most, surface.vertices)
    assert 0 <= model.triangles.min() <= model.triangles.max() < len(model.mean)
    assert spread @ np.ones(len(model.mean)) == pytest.approx(1, abs=1e-5), "a mean of vertices"


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
    rows = embedded.operator @ np.ones(len(embedded.model.mean))
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


def test_no_triangle_of_the_shown_mesh_is_folded_over_in_the_layout(embedded):
    corners = embedded.surface.vertex_uv[embedded.surface.triangles]
    (ax, ay), (bx, by) = (corners[:, number].T - corners[:, 0].T for number in (1, 2))
    assert len(set(np.sign(ax * by - ay * bx))) == 1


# --- what is cut out of a mesh, by hand --------------------------------------------------------------------------


def test_triangles_that_hang_by_one_edge_are_dropped_one_after_the_other():
    # Two of the eight triangles of 2 x 2 squares are corners with two free edges.
    square = grid_mesh(3, 3)[1].astype(np.int64)
    kept = prune(square)
    assert len(kept) == 6
    corners = [{1, 5, 2}, {3, 6, 7}]
    assert all(set(triangle) not in corners for triangle in kept.tolist())
    assert np.array_equal(prune(kept), kept)
    # A strip of triangles hangs on the square's side by its first, and goes with it.
    strip = np.array([[8, 7, 9], [9, 7, 10], [9, 10, 11]])
    assert np.array_equal(prune(np.concatenate([square, strip])), kept)


def test_a_rim_is_evened_out_and_nothing_else_moves():
    rim = np.array([4, 1, 5, 2, 6, 3])
    matrix = even_out(rim, 8)
    assert matrix.sum(axis=1) == pytest.approx(1)
    assert (matrix.toarray()[[0, 7]] == np.eye(8)[[0, 7]]).all()
    zigzag = np.zeros(8)
    zigzag[rim] = [1, -1, 1, -1, 1, -1]
    assert not (matrix @ zigzag).any(), "half of its own and a quarter of each neighbour's"
    # The slowest wave round six vertices loses a quarter at each of the steps.
    wave = np.zeros(8)
    wave[rim] = np.cos(2 * np.pi * np.arange(6) / 6)
    assert matrix @ wave == pytest.approx(0.75**EVENED * wave)


def test_what_is_shown_is_one_closed_piece_of_the_masked_mesh_made_finer():
    vertices, triangles = grid_mesh(9, 9, hole=(4, 4))
    uv = (vertices[:, :2] + 5) / 10
    mask = np.ones((64, 64), bool)
    mask[:, 48:] = False  # what lies to the right of x = 2.5 or so
    spread, shown = show(mask, uv, triangles)
    assert spread.sum(axis=1) == pytest.approx(1)
    assert shown.max() == spread.shape[0] - 1
    assert len(np.unique(shown)) == spread.shape[0]
    assert len(boundary_loops(shown.astype(np.int32))) == 1, "the hole is closed"
    edges = np.concatenate([shown[:, [0, 1]], shown[:, [1, 2]], shown[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges), "all triangles turn the same way"
    placed = spread @ vertices
    corners = placed[shown]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0
    # At the right angles of so small a patch the rounds fold slivers over, at a face's rim none, see above.
    assert facing.mean() > 0.95
    assert placed[:, 0].min() < -3.5
    assert 1.5 < placed[:, 0].max() <= 2.5
    # The hole was the square from (0, -1) to (1, 0): the last vertex is its middle.
    assert placed[-1, :2] == pytest.approx([0.5, -0.5], abs=0.05)
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() < 1.0, "edges of 1 and 1.4 are halved"


def test_a_prior_of_another_model_is_refused_before_anything_is_looked_at():
    model, prior = embedded_model()
    other = Prior(prior.mean[1:], prior.sigma[1:])
    with pytest.raises(ValueError, match=r"The prior is of 18 coefficients, the face model has 19 vectors\."):
        make_bundle(model, other, "embedded", "MIT")
