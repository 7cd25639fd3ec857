import numpy as np
import pytest

from pipeline.uv.embedding import _uniform_laplacian, boundary_loops, count_flipped, embed
from pipeline.uv.masks import face_mask, reweigh, weight_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, load_uv, nearest_texels, render_map, sample_map, save_uv
from tests.helpers.meshes import grid_mesh


def test_boundary_loops_follow_the_directed_edges_longest_first():
    _, triangles = grid_mesh(4, 4, hole=(1, 1))
    outer, hole = boundary_loops(triangles)
    assert outer.tolist() == [0, 4, 8, 12, 13, 14, 15, 11, 7, 3, 2, 1]
    assert hole.tolist() == [5, 6, 10, 9]


def test_a_closed_mesh_and_a_pinched_one_are_refused():
    tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    with pytest.raises(ValueError, match="closed"):
        boundary_loops(tetrahedron)
    with pytest.raises(ValueError, match="touches itself"):
        boundary_loops(np.array([[0, 1, 2], [2, 3, 4]], np.int32))


def test_a_flat_square_grid_embeds_as_itself():
    # With equal steps on its sides a square grid is its own solution of Tutte's equations with uniform weights, but for
    # the diagonals: those along one direction keep the symmetry under the point reflection.
    vertices, triangles = grid_mesh(5, 5)
    uv = embed(vertices * [1, 1, 0], triangles).uv
    corners = uv[[0, 4, 20, 24]]
    assert corners == pytest.approx(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    assert uv[[1, 2, 3]] == pytest.approx(np.array([[0.25, 0], [0.5, 0], [0.75, 0]]))
    assert uv[12] == pytest.approx([0.5, 0.5])
    assert uv[::-1] == pytest.approx(1 - uv)


def test_each_inner_vertex_is_the_mean_of_its_neighbours(patch_model):
    embedding = embed(patch_model.mean, patch_model.triangles)
    outer = set(boundary_loops(patch_model.triangles)[0].tolist())
    for vertex in range(len(embedding.uv)):
        if vertex not in outer:
            around = embedding.triangles[(embedding.triangles == vertex).any(axis=1)]
            neighbours = np.setdiff1d(around, vertex)
            assert embedding.uv[vertex] == pytest.approx(embedding.uv[neighbours].mean(axis=0))


def test_no_triangle_is_flipped_and_the_square_is_covered_once(patch_model):
    embedding = embed(patch_model.mean, patch_model.triangles)
    corners = embedding.uv[embedding.triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (a[:, 1] * b[:, 0] - a[:, 0] * b[:, 1]) / 2
    assert count_flipped(embedding) == 0
    assert areas.sum() == pytest.approx(1.0)


def test_a_turned_triangle_is_counted_as_flipped(patch_model):
    embedding = embed(patch_model.mean, patch_model.triangles)
    embedding.triangles[3] = embedding.triangles[3][::-1]
    assert count_flipped(embedding) == 1


def test_a_mesh_off_the_midline_is_refused(patch_model):
    with pytest.raises(ValueError, match="midline"):
        embed(patch_model.mean + np.float32([100, 0, 0]), patch_model.triangles)


def test_the_operator_reproduces_what_is_linear_in_uv(patch_model):
    embedding = embed(patch_model.mean, patch_model.triangles)
    operator = make_operator(embedding, 16)
    uv = embedding.uv[: len(patch_model.mean)]
    vertices = np.stack([uv[:, 0], uv[:, 1], 2 * uv[:, 0] - 3 * uv[:, 1] + 1], axis=1)
    column, row = np.meshgrid(np.arange(16) / 15, np.arange(16) / 15)
    expected = np.stack([column, row, 2 * column - 3 * row + 1], axis=-1)
    assert render_map(operator, vertices[None])[0] == pytest.approx(expected, abs=1e-5)


def test_texels_in_the_closed_hole_blend_its_rim(patch_model):
    embedding = embed(patch_model.mean, patch_model.triangles)
    operator = make_operator(embedding, 64)
    centre = (embedding.uv[-1] * 63).round().astype(int)
    row = operator[[centre[1] * 64 + centre[0]]]
    assert set(row.indices) == set(embedding.holes[0].tolist())
    assert row.sum() == pytest.approx(1)


def test_reading_bilinearly_is_exact_at_texels_and_half_way_between():
    position_map = np.arange(4 * 4 * 3, dtype=np.float32).reshape(4, 4, 3)
    read = sample_map(position_map, np.array([[1 / 3, 2 / 3], [0.5, 2 / 3], [1, 1]]))
    assert read == pytest.approx(np.stack([position_map[2, 1], position_map[2, 1:3].mean(axis=0), position_map[3, 3]]))


def test_nearest_texels_are_row_and_column():
    assert nearest_texels(np.array([[0.0, 1.0], [0.6, 0.2]]), 6).tolist() == [[5, 0], [1, 3]]


def test_the_layout_survives_its_file(patch_model, tmp_path):
    embedding = embed(patch_model.mean, patch_model.triangles)
    uv = embedding.uv[:81]
    mask = np.eye(16, dtype=bool)
    layout = UVLayout(uv, make_operator(embedding, 16), mask, mask.astype(np.float32), nearest_texels(uv[:68], 16))
    save_uv(tmp_path / "uv.h5", layout)
    loaded = load_uv(tmp_path / "uv.h5")
    assert loaded.size == 16
    assert (loaded.operator != layout.operator).nnz == 0
    for name in ("uv", "face_mask", "weight_mask", "landmark_texels"):
        assert np.array_equal(getattr(loaded, name), getattr(layout, name))


def jaw_and_centre():
    """Landmarks on a unit square: a jaw as a V between (0.203, 0.4), (0.5, 0.8), (0.797, 0.4)."""
    uv = np.full((68, 2), 0.5)
    uv[:9] = np.linspace([0.203, 0.4], [0.5, 0.8], 9)
    uv[8:17] = np.linspace([0.5, 0.8], [0.797, 0.4], 9)
    return uv


def test_the_face_lies_above_the_jaw_and_under_the_arch_of_the_forehead():
    size = 101
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    flat = np.stack([column - 50.0, 50.0 - row, np.zeros((size, size))], axis=-1)
    mask = face_mask(flat, jaw_and_centre())
    assert mask[50, 50]
    assert mask[5, 50]  # forehead
    assert mask[76, 50]  # just above the chin
    assert not mask[84, 50]  # neck
    assert not mask[60, 25]  # below the jaw's slope
    assert not mask[40, 10]  # ear
    assert not mask[5, 25]  # temple, outside the arch
    assert np.array_equal(mask, mask[:, ::-1])


def test_the_four_regions_weigh_as_the_thesis_says():
    mask = np.zeros((101, 101), bool)
    mask[10:90, 10:90] = True
    uv = jaw_and_centre()
    uv[36:42] = [[0.2, 0.2], [0.25, 0.15], [0.3, 0.15], [0.35, 0.2], [0.3, 0.25], [0.25, 0.25]]
    weights = weight_mask(mask, uv)
    assert weights[20, 20] == 1.0  # a landmark
    assert weights[21, 21] == 1.0  # in the ring round it
    assert weights[20, 28] == np.float32(0.4)  # inside the right eye
    assert weights[60, 50] == np.float32(0.3)  # a cheek
    assert weights[5, 50] == 0.0
    assert set(np.unique(weights)) == {np.float32(w) for w in (0, 0.3, 0.4, 1)}


def test_the_regions_may_have_other_weights_and_the_thesis_s_keep_their_bytes():
    mask = np.zeros((101, 101), bool)
    mask[10:90, 10:90] = True
    weights = weight_mask(mask, jaw_and_centre())
    assert reweigh(weights, landmarks=1.0, features=0.4, face=0.3).tobytes() == weights.tobytes()
    other = reweigh(weights, landmarks=5.0, features=0.0, face=2.5)
    assert other.dtype == np.float32
    for before, after in ((0, 0), (0.3, 2.5), (0.4, 0), (1, 5)):
        assert set(other[weights == np.float32(before)]) <= {np.float32(after)}


@pytest.mark.parametrize("landmark", range(68))
def test_each_landmark_is_in_the_hull_of_its_own_feature_and_in_no_other(landmark):
    features = [range(36, 42), range(42, 48), range(27, 36), range(48, 68)]  # eyes, nose, and mouth with its inner lips
    # All landmarks lie in the middle but this one: the hull of its feature is the line from there, in 10 texels.
    uv = np.full((68, 2), 0.5)
    uv[landmark] = [0.2, 0.5]
    weights = weight_mask(np.ones((101, 101), bool), uv)
    in_a_feature = any(landmark in feature for feature in features)
    assert weights[50, 35] == np.float32(0.4 if in_a_feature else 0.3)
    for feature in features:
        others = uv.copy()
        others[feature] = [0.5, 0.9]
        # The other points of its feature are now elsewhere: from the middle no line leads to it.
        weight = weight_mask(np.ones((101, 101), bool), others)[50, 35]
        assert weight == np.float32(0.4 if in_a_feature and landmark not in feature else 0.3)


def test_the_ring_round_a_landmark_is_one_texel_wide_on_each_side_and_stays_in_the_face():
    mask = np.zeros((21, 21), bool)
    mask[:, :11] = True
    uv = np.tile([[0.5, 0.25]], (68, 1))  # column 10, the last one of the face, and row 5
    weights = weight_mask(mask, uv)
    expected = np.where(mask, np.float32(0.3), 0)
    expected[4:7, 9:11] = 1
    assert np.array_equal(weights, expected)


def test_an_edge_of_two_triangles_weighs_as_much_as_one_at_the_rim():
    # A square of two triangles, which share the edge from 0 to 2.
    laplacian = _uniform_laplacian(np.array([[0, 1, 2], [0, 2, 3]], np.int32), 4).toarray()
    assert laplacian.tolist() == [[3, -1, -1, -1], [-1, 2, -1, 0], [-1, -1, 3, -1], [-1, 0, -1, 2]]


def test_between_two_texels_the_nearer_one_is_taken():
    assert nearest_texels(np.array([[0.55, 0.29], [0.29, 0.55]]), 6).tolist() == [[1, 3], [3, 1]]
