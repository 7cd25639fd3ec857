"""3DDFA's parameters: from pose and coefficients, whitened, and to position maps."""

import numpy as np
import pytest

from model.coefficients import measure_whitening, to_maps, to_parameters
from pipeline.face.face_model import FaceModel


def test_a_frontal_camera_is_the_scale_with_y_turned_down_and_a_0_based_origin_without_depth():
    pose = np.array([[0, 0, 0, 3, 5, 7, 2]])
    parameters = to_parameters(pose, np.array([[1e5, -2e5, 0.5]]), size=32)
    # x - 1 and height - y of the annotation frame; z's own translation, 7, is dropped.
    camera = [2, 0, 0, 3 - 1, 0, -2, 0, 32 - 5, 0, 0, 2, 0]
    assert parameters.tolist() == [[*camera, 1e5, -2e5, 0.5]]


def test_a_face_that_looks_to_the_side_shows_its_depth_along_x():
    pose = np.array([[0, np.pi / 2, 0, 1, 32, 0, 3]])
    # Ry(90 degrees) takes (x, y, z) to (-z, y, x).
    camera = np.array([[0, 0, -3, 0], [0, -3, 0, 0], [3, 0, 0, 0]])
    assert to_parameters(pose, np.zeros((1, 0)), size=32)[0] == pytest.approx(camera.ravel(), abs=1e-12)


def test_a_position_map_is_the_camera_applied_to_the_deformed_texels():
    texels = FaceModel(
        mean=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
        shape_basis=np.array([[[1], [0], [0]]] * 4, np.float32),
        expression_basis=np.array([[[0], [0], [2]]] * 4, np.float32),
        triangles=np.zeros((0, 3), np.int32),
        landmarks=np.zeros(0, np.int32),
    )
    # x and y swapped, z tripled, moved by (10, 20, 0); every texel 5 to the side and 2 x 0.5 to the front.
    camera = [0, 1, 0, 10, 1, 0, 0, 20, 0, 0, 3, 0]
    maps = to_maps(np.array([[*camera, 5, 0.5], [*camera, 0, 0]]), texels)
    assert maps.dtype == np.float32
    assert maps[0].tolist() == [[[10, 25, 3], [10, 26, 3]], [[11, 25, 3], [10, 25, 6]]]
    assert maps[1].tolist() == [[[10, 20, 0], [10, 21, 0]], [[11, 20, 0], [10, 20, 3]]]


def test_a_position_map_is_placed_by_the_rows_of_the_camera_not_its_columns():
    point = np.zeros((1, 3, 0), np.float32)
    texels = FaceModel(
        np.array([[1, 2, 3]], np.float32), point, point, np.zeros((0, 3), np.int32), np.zeros(0, np.int32)
    )
    # x to y, y to z, z to x: 3, 1 and 2.
    maps = to_maps(np.array([[0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0]], float), texels)
    assert maps.tolist() == [[[[3, 1, 2]]]]


def test_whitening_is_mean_and_deviation_of_all_samples_however_they_are_cut():
    # Mean 3, squared offsets 4, 1, 1 and 4, far from 0 as real coefficients are.
    values = np.array([[1.0], [2.0], [4.0], [5.0]]) + 1e5
    for cuts in ([4], [1, 3], [2, 2], [1, 1, 1, 1], [3, 1]):
        whitening = measure_whitening(np.split(values, np.cumsum(cuts)[:-1]))
        assert whitening.mean == pytest.approx([1e5 + 3], rel=1e-14)
        assert whitening.deviation == pytest.approx([np.sqrt(10 / 4)], rel=1e-9)


def test_a_parameter_that_only_rounding_varies_is_constant():
    constant = np.float32(0.1)
    columns = np.full(7, constant), np.full(7, -constant)
    samples = [np.column_stack([*columns, np.arange(7.0) + 7 * k]) for k in range(100)]
    samples[3][2, :2] *= 1 + 1e-7
    deviation = measure_whitening(samples).deviation
    assert deviation[:2].tolist() == [0, 0]
    # Of 0 .. 699: sqrt((700^2 - 1) / 12).
    assert deviation[2] == pytest.approx(202.0725, abs=1e-3)


def test_without_samples_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="no samples to measure"):
        measure_whitening([])
