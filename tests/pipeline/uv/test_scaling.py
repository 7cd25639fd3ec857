"""The scalings between pixels and a network's range."""

import numpy as np
import pytest

from pipeline.uv.scaling import Scaling, clipped_share, to_network, to_pixels

MASK = np.array([[True, True], [True, False]])


def one_map(z: list[list[float]], xy: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    return np.stack([np.full((2, 2), xy[0]), np.full((2, 2), xy[1]), np.array(z)], axis=-1)


def test_tanh_puts_the_image_centre_and_the_mean_depth_of_the_face_at_zero():
    # Mean z of the three face texels is 20; the fourth, outside the face, has no say.
    scaled = to_network(one_map([[10, 20], [30, 999]], xy=(127.5, 255.5)), Scaling("tanh", 256), MASK)
    np.testing.assert_allclose(scaled[..., 0], 0)
    np.testing.assert_allclose(scaled[..., 1], 1)
    np.testing.assert_allclose(scaled[..., 2], np.array([[-10, 0], [10, 979]]) / 128)


def test_sigmoid_puts_pixel_0_and_the_least_depth_of_the_face_at_zero_and_pixel_255_at_one():
    scaled = to_network(one_map([[-80, -60], [-40, -999]], xy=(255, 51)), Scaling("sigmoid", 256), MASK)
    np.testing.assert_allclose(scaled[..., 0], 1)
    np.testing.assert_allclose(scaled[..., 1], 0.2)
    np.testing.assert_allclose(scaled[..., 2], np.array([[0, 20], [40, -919]]) / 255, rtol=1e-6)


def test_prnet_divides_by_its_281_6_and_a_smaller_map_by_less():
    np.testing.assert_allclose(
        to_network(one_map([[0, 0], [0, 0]], (140.8, 0)), Scaling("prnet", 256), MASK)[..., 0], 0.5
    )
    np.testing.assert_allclose(
        to_network(one_map([[0, 0], [0, 0]], (35.2, 0)), Scaling("prnet", 64), MASK)[..., 0], 0.5
    )


@pytest.mark.parametrize("name", ["tanh", "linear", "sigmoid", "prnet"])
def test_pixels_survive_the_round_trip_unclipped_and_depth_up_to_one_offset_a_map(name):
    rng = np.random.default_rng(0)
    maps = rng.uniform(-200, 500, (5, 32, 32, 3)).astype(np.float32)
    mask = rng.random((32, 32)) < 0.5
    back = to_pixels(to_network(maps, Scaling(name, 32), mask), Scaling(name, 32))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[..., :2], maps[..., :2], atol=1e-3)
    offset = (maps - back)[..., 2]
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:, :1, :1], offset.shape), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "zero"),
    # 63 / 2 for those that count from the centre; z has no offset of its own in any.
    [("tanh", [31.5, 31.5, 0]), ("linear", [31.5, 31.5, 0]), ("sigmoid", [0, 0, 0]), ("prnet", [0, 0, 0])],
)
def test_what_a_network_puts_out_as_0_is_the_image_s_centre_or_corner_at_no_depth(name, zero):
    assert to_pixels(np.zeros((1, 1, 3), np.float32), Scaling(name, 64)).tolist() == [[zero]]


def test_the_clipped_share_counts_the_face_texels_of_each_axis_alone():
    # Of the three face texels x leaves [0, 255] in none, y in all; z, counted from its least, in one.
    share = clipped_share(one_map([[0, 255], [256, 9999]], xy=(255, -0.5)), MASK, Scaling("sigmoid", 256))
    np.testing.assert_allclose(share, [0, 1, 1 / 3])


def test_under_tanh_the_range_has_two_ends():
    # x = 255.5 is exactly 1 and inside, y = -1 is just below -1.
    share = clipped_share(one_map([[0, 0], [0, 0]], xy=(255.5, -1)), MASK, Scaling("tanh", 256))
    np.testing.assert_allclose(share, [0, 1, 0])


def test_linear_is_tanh_without_ends():
    maps = one_map([[10, 20], [30, 999]], xy=(-300, 2000))
    linear, tanh = Scaling("linear", 256), Scaling("tanh", 256)
    assert np.array_equal(to_network(maps, linear, MASK), to_network(maps, tanh, MASK))
    assert clipped_share(maps, MASK, tanh).tolist() == [1, 1, 0]
    assert clipped_share(maps, MASK, linear).tolist() == [0, 0, 0]
    assert (linear.activation, linear.divisor, linear.centre) == ("linear", 128, 127.5)


def test_an_unknown_scaling_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'relu'; expected one of tanh, linear, sigmoid, prnet"):
        Scaling("relu", 64)
