"""Which part of a face its photo shows, the colours of it, and its depth: by scenes that one can work out by hand."""

import cv2
import numpy as np
import pytest
import trimesh

from pipeline.face.rendering import rasterize
from pipeline.photo.texture import (
    depth_image,
    encode_depth,
    enlarge,
    fill_by_symmetry,
    inside_photo,
    texture_map,
    vertex_colours,
    visible_vertices,
)


def sphere(radius=40.0, centre=(100.0, 80.0)):
    """Icosphere in the pixel frame; its triangles are counter-clockwise in the frame with y up."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return ball.vertices * [1, -1, 1] + [*centre, 0], np.asarray(ball.faces)


def test_of_a_sphere_the_front_half_is_visible():
    vertices, triangles = sphere()
    visible = visible_vertices(vertices, triangles)
    z = vertices[:, 2]
    assert visible[z > 8].all()
    assert not visible[z < 4].any()


def test_what_lies_behind_is_hidden_wherever_the_photo_ends():
    near, triangles = sphere(radius=20.0, centre=(-5.0, 10.0))
    far = near * [1, 1, 0.1] * [2, 2, 1] - [-5.0, 10.0, 60]
    both = np.concatenate([near + np.array([0, 0, 50]), far])
    visible = visible_vertices(both, np.concatenate([triangles, triangles + len(near)]))
    assert visible[: len(near)][near[:, 2] > 4].all()
    behind = far[:, 2] > far[:, 2].mean() + 1
    distance = np.linalg.norm(far[:, :2] - [-5, 10], axis=1)
    assert not visible[len(near) :][behind & (distance < 17)].any()
    assert visible[len(near) :][behind & (distance > 23)].all()


def test_what_lies_in_a_valley_is_not_hidden_by_its_slopes():
    """Round a vertex at the bottom all pixels of the mesh's picture are a little nearer to the viewer than it."""
    column, row = np.meshgrid(0.5 + 4.5 * np.arange(21), 0.5 + 4.5 * np.arange(21))
    vertices = np.stack([column, row, 0.8 * np.abs(column - 45.5)], axis=-1).reshape(-1, 3)
    cell = (21 * np.arange(20)[:, None] + np.arange(20)).ravel()
    triangles = np.concatenate(
        [np.stack([cell, cell + 21, cell + 1], axis=1), np.stack([cell + 1, cell + 21, cell + 22], axis=1)]
    )
    assert visible_vertices(vertices, triangles).all()


def test_a_photo_ends_at_the_centres_of_its_outer_pixels():
    """Of 3 px height and 5 px width."""
    corners = np.array([[0, 0], [4, 0], [0, 2], [4, 2]], float)
    assert inside_photo(corners, 3, 5).all()
    beyond = np.array([[4.01, 1], [2, 2.01], [-0.01, 1], [3, -0.01], [4, 3]])
    assert not inside_photo(beyond, 3, 5).any()
    assert inside_photo(np.array([[[3.5, 1.5, -9.0]]]), 3, 5).tolist() == [[True]]


def test_a_texel_has_the_colour_that_the_photo_has_where_it_lies():
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[..., 0], photo[..., 1] = np.arange(80), np.arange(60)[:, None]
    column, row = np.meshgrid(np.linspace(10, 50, 16), np.linspace(5, 35, 16))
    position_map = np.stack([column, row, 0 * row], axis=-1)
    texture = texture_map(photo, position_map, 31)
    assert texture.shape == (31, 31, 3)
    for place in ((0, 0), (30, 30), (0, 30), (15, 7)):
        expected = [10 + 40 * place[1] / 30, 5 + 30 * place[0] / 30, 0]
        assert texture[place].tolist() == pytest.approx(expected, abs=0.51)
    assert texture_map(photo, position_map + np.array([500, 0, 0]), 4).max() == 0


def test_a_vertex_has_the_colour_of_the_nearest_pixel_and_beyond_the_photo_that_of_its_border():
    photo = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    vertices = np.array([[0.4, 0.6, 5.0], [1.6, 0.4, -9.0], [-7.0, -7.0, 0.0], [30.0, 0.9, 0.0]])
    assert np.array_equal(vertex_colours(photo, vertices), [photo[1, 0], photo[0, 2], photo[0, 0], photo[1, 2]])


def test_a_map_is_enlarged_from_corner_to_corner():
    assert enlarge(np.array([[0.0, 1.0], [2.0, 3.0]]), 3).tolist() == [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]


class TestSymmetry:
    """A texture of 64 texels, whose right half the photo hides."""

    @pytest.fixture
    def face_mask(self):
        mask = np.zeros((64, 64), bool)
        mask[4:60, 4:60] = True
        return mask

    @pytest.fixture
    def texture(self):
        """The same on both sides, but for what only one has: a mole on the left."""
        column = np.abs(np.arange(64) - 31.5)
        texture = np.stack([np.tile(100 + column, (64, 1))] * 3, axis=-1).astype(np.uint8)
        texture[20:24, 10:14] = 10
        return texture

    def test_hidden_texels_are_those_of_the_other_side(self, texture, face_mask):
        visible = np.zeros((64, 64), bool)
        visible[:, :34] = True
        shown = np.where(visible[..., None], texture, 255).astype(np.uint8)
        filled = fill_by_symmetry(shown, visible, face_mask)
        assert np.abs(filled[4:60, 4:30].astype(int) - texture[4:60, 4:30]).max() <= 1
        right = filled[4:60, 36:60].astype(int)
        assert np.abs(right - texture[4:60, ::-1][:, 36:60]).max() <= 2
        assert filled[22, 63 - 12].tolist() == pytest.approx([10] * 3, abs=1)
        assert not filled[~face_mask].any()

    def test_what_both_sides_hide_is_filled_from_around_it(self, texture, face_mask):
        visible = np.ones((64, 64), bool)
        visible[30:34, 10:14] = visible[30:34, 50:54] = False
        shown = np.where(visible[..., None], texture, 255).astype(np.uint8)
        filled = fill_by_symmetry(shown, visible, face_mask)
        assert np.abs(filled[30:34, 10:14].astype(int) - texture[30:34, 10:14]).max() < 8

    @pytest.mark.parametrize("flip", [1, -1], ids=["hidden right", "hidden left"])
    def test_the_other_side_is_made_as_light_as_this_one_where_both_are_seen(self, flip):
        """The light comes from the right, and the photo shows it up to column 47."""
        shown = np.full((64, 64, 3), 100, np.uint8)
        shown[:, 32:] = 120
        visible = np.zeros((64, 64), bool)
        visible[:, :48] = True
        shown[~visible] = 255
        filled = fill_by_symmetry(shown[:, ::flip], visible[:, ::flip], np.ones((64, 64), bool))[:, ::flip]
        assert np.unique(filled[:, :32]).tolist() == [100]
        assert np.unique(filled[:, 32:]).tolist() == [120]

    def test_what_is_filled_runs_into_what_is_seen_over_a_seam(self):
        """Light differs by more than is made good, 1.4: columns from 192 of 256 on have 1.4 times 100, not 200."""
        shown = np.full((256, 256, 3), 100, np.uint8)
        shown[:, 128:] = 200
        visible = np.zeros((256, 256), bool)
        visible[:, :192] = True
        filled = fill_by_symmetry(shown, visible, np.ones((256, 256), bool))[128, :, 0].astype(float)
        assert filled[192:] == pytest.approx(140)
        # The mean over nine columns of what is more than four from the hidden ones: a ninth more with each.
        assert filled[184:192] == pytest.approx(140 + 60 * np.arange(8, 0, -1) / 9, abs=0.5)
        assert filled[128:184] == pytest.approx(200)

    def test_the_rim_of_what_is_seen_is_not_taken_for_the_other_side(self):
        """It has colours of what lies behind: here 250, in the column before a hidden part."""
        shown = np.full((64, 64, 3), 100, np.uint8)
        visible = np.ones((64, 64), bool)
        visible[20:44, 4:14] = visible[20:44, 44:52] = False
        shown[20:44, 14] = 250
        shown[~visible] = 0
        filled = fill_by_symmetry(shown, visible, np.ones((64, 64), bool))
        # Column 49 mirrors column 14; those beside it are 100.
        assert filled[24:40, 44:49] == pytest.approx(100, abs=1)
        assert filled[24:40, 49].max() < 110

    def test_a_face_that_is_seen_whole_stays_as_it_is(self, texture, face_mask):
        texture = np.random.default_rng(0).integers(0, 256, texture.shape, np.uint8)
        filled = fill_by_symmetry(texture, np.ones((64, 64), bool), face_mask)
        assert np.array_equal(filled[face_mask], texture[face_mask])


class TestDepth:
    def test_the_nearest_point_is_the_brightest_and_outside_is_0(self):
        vertices, triangles = sphere()
        z = depth_image(vertices, triangles, *rasterize(vertices, triangles, 160, 200))
        assert np.isnan(z[0, 0])
        assert np.unravel_index(np.nanargmax(z), z.shape) == (80, 100)
        # From the rim of the front, which pixels a little inside see, to the top.
        assert np.nanmin(z) == 0
        assert np.nanmax(z) == pytest.approx(40, abs=7)
        picture, step = encode_depth(z)
        assert picture.dtype == np.uint16
        assert (picture[80, 100], picture[0, 0]) == (65_535, 0)
        # As a reader of the file has it.
        stored = cv2.imdecode(cv2.imencode(".png", picture)[1], cv2.IMREAD_UNCHANGED)
        inside = stored > 0
        assert np.array_equal(inside, np.isfinite(z))
        assert np.abs((stored[inside] - 1.0) * step - z[inside]).max() <= step / 2 + 1e-5

    def test_a_face_beyond_the_photo_leaves_an_empty_picture(self):
        vertices, triangles = sphere()
        beyond = vertices + np.array([900, 0, 0])
        picture, step = encode_depth(depth_image(beyond, triangles, *rasterize(beyond, triangles, 50, 50)))
        assert not picture.any()
        assert step > 0
