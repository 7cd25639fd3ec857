"""The part of the mesh under the face mask, and what is read of it from a map."""

import numpy as np
import pytest
import scipy.sparse

from pipeline.face.face_model import FaceModel, save_model
from pipeline.uv.position_map import UVLayout, save_uv
from pipeline.uv.surface import load_surface, make_surface, mesh_points, read_points

SIZE = 9
# The last but one is 0.1 texel beyond the mask's first column, the last at the corner of the map.
UV = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75], [0.9 / 8, 0.5], [1.0, 1.0]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [2, 5, 3]])
SIMILARITY = np.array([[0, -0.5, 100], [0.5, 0, 10], [0, 0, 1.0]])


def make():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[1:8, 1:8] = True
    return make_surface(UV, TRIANGLES, np.zeros(68, int), mask)


def position_map():
    row, column = np.mgrid[:SIZE, :SIZE].astype(float)
    return np.stack([column, row, row * 0 + 5], axis=-1)


def test_only_the_vertices_and_triangles_under_the_face_mask_are_scored():
    surface = make()
    assert surface.vertex_uv.tolist() == UV[:4].tolist()
    assert surface.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert surface.pairs.tolist() == [[0, 1]]


def test_a_mask_that_covers_no_vertex_is_refused():
    with pytest.raises(ValueError, match="covers no vertex"):
        make_surface(UV, TRIANGLES, np.zeros(68, int), np.zeros((SIZE, SIZE), bool))


def test_points_return_to_the_raw_photo_and_depth_is_divided_by_the_scale():
    points = read_points(position_map(), SIMILARITY, make())
    # uv (0.75, 0.25) is texel column 6, row 2: aligned (6, 2). Aligned x = 100 - y / 2 and y = 10 + x / 2, so the
    # raw point is x = 2 (2 - 10) = -16, y = 2 (100 - 6) = 188; z = 5 / 0.5 = 10.
    assert points.vertices[1] == pytest.approx([-16, 188, 10])
    assert points.landmarks[0] == pytest.approx([2 * (2 - 10), 2 * (100 - 2), 10])
    assert points.texels.shape == (49, 3)
    # The first face texel is row 1, column 1.
    assert points.texels[0] == pytest.approx([-18, 198, 10])


def test_a_surface_is_made_from_the_files_of_a_project(tmp_path):
    basis = np.zeros((6, 3, 1), np.float32)
    landmarks = np.arange(68, dtype=np.int32) % 4
    save_model(
        tmp_path / "model.h5",
        FaceModel(np.zeros((6, 3), np.float32), basis, basis, TRIANGLES.astype(np.int32), landmarks),
    )
    mask = np.zeros((SIZE, SIZE), bool)
    mask[1:8, 1:8] = True
    operator = scipy.sparse.csr_array((SIZE * SIZE, 6), dtype=np.float32)
    save_uv(tmp_path / "uv.h5", UVLayout(UV, operator, mask, mask.astype(np.float32), np.zeros((68, 2), np.int32)))
    loaded = load_surface(tmp_path / "model.h5", tmp_path / "uv.h5")
    assert loaded.vertices.tolist() == [0, 1, 2, 3]
    assert loaded.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert loaded.landmark_uv.tolist() == UV[landmarks].tolist()
    assert loaded.face_mask.sum() == 49


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.h5 is missing"):
        load_surface(tmp_path / "model.h5", tmp_path / "uv.h5")


def test_of_a_whole_mesh_the_texels_of_the_face_are_taken_row_by_row():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[1:4, 1:8] = True  # 3 rows and 7 columns
    surface = make_surface(UV, TRIANGLES, np.arange(68) % 6, mask)
    # A mesh with a vertex a texel: its number is in x.
    vertices = np.arange(SIZE * SIZE)[:, None] * [1.0, 0, 0]
    points = mesh_points(vertices, surface, scipy.sparse.eye_array(SIZE * SIZE).tocsr())
    assert points.texels[:, 0].tolist() == [row * SIZE + column for row in (1, 2, 3) for column in range(1, 8)]
    assert points.landmarks[:7, 0].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert points.vertices[:, 0].tolist() == surface.vertices.tolist()
