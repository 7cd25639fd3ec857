"""Where a crop lies in its photo, and a map as a picture, by hand."""

import numpy as np
import pytest

from pipeline.face.similarity import make_similarity
from stages.pages.contact_sheet import DIMMED, TILE, crop_outline, map_tile
from stages.project.samples import Truth


def test_the_outline_of_a_crop_is_along_the_outer_edges_of_its_pixels():
    none = np.zeros((0, 3))
    # A quarter turn clockwise about (10, 20), where the crop's first pixel is, at twice the size.
    similarity = make_similarity(2.0, np.pi / 2, (10, 20), (0, 0))
    sample = Truth(
        "a", np.zeros((4, 4, 3), np.uint8), none, similarity, none, True, np.zeros(7), np.zeros(2, np.float32)
    )
    # The crop's x runs up in the photo, and its y to the right; half a pixel of the crop is a quarter of the photo's.
    expected = [[9.75, 20.25], [9.75, 18.25], [11.75, 18.25], [11.75, 20.25]]
    assert crop_outline(sample) == pytest.approx(np.array(expected))


def test_a_map_is_red_by_x_green_by_y_and_blue_by_z_from_the_face_s_mean():
    mask = np.array([[True, True], [True, False]])
    # Two px a side; z of the face has the mean 50. Half of 2 px is a grey of 127.5.
    maps = np.zeros((2, 2, 3))
    maps[..., 0], maps[..., 1] = [[0, 1], [2, 2]], [[0.5, 0.5], [3, 2]]
    maps[..., 2] = [[50, 50.4], [49.6, 50.4]]
    tile = map_tile(maps, mask)
    quarter = TILE // 4
    seen = tile[quarter :: TILE // 2, quarter :: TILE // 2].astype(float)
    assert seen[0] == pytest.approx(np.array([[0, 63.75, 127.5], [127.5, 63.75, 178.5]]), abs=0.51)
    # y = 3 px is beyond the picture; what is no face is dimmed.
    beyond = DIMMED * np.array([255, 255, 178.5])
    assert seen[1] == pytest.approx(np.array([[255, 255, 76.5], beyond]), abs=0.51)
