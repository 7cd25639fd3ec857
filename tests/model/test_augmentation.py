"""What the training step does to compact samples, against the stored way and against numpy."""

import cv2
import numpy as np
import pytest

from pipeline.crops.alignment import resample
from pipeline.crops.online import border, draw, from_copy_to_crop, move_cameras, unchanged
from pipeline.crops.policy import AugmentationPolicy
from pipeline.face.camera import camera_matrix, project
from pipeline.face.face_model import FaceModel, deform
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.uv.scaling import Scaling, to_network

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SIZE, COUNT = 32, 6
SCALING = Scaling("tanh", SIZE)
RNG = np.random.default_rng(0)
MASK = np.zeros((SIZE, SIZE), bool)
MASK[3:-3, 4:-4] = True
TEXELS = FaceModel(
    RNG.normal(0, 6e4, (SIZE * SIZE, 3)).astype(np.float32),
    RNG.normal(0, 2e-2, (SIZE * SIZE, 3, 3)).astype(np.float32),
    RNG.normal(0, 2e3, (SIZE * SIZE, 3, 2)).astype(np.float32),
    np.zeros((0, 3), np.int32),
    np.zeros(0, np.int32),
)
POSES = np.column_stack([RNG.normal(0, 0.5, (COUNT, 3)), RNG.normal(16, 3, (COUNT, 3)), RNG.uniform(1e-4, 2e-4, COUNT)])
COEFFICIENTS = np.column_stack([RNG.normal(2e5, 1e6, (COUNT, 3)), RNG.normal(0, 1, (COUNT, 2))]).astype(np.float32)
CAMERAS = np.stack([camera_matrix(pose, SIZE) for pose in POSES])
GEOMETRY = AugmentationPolicy(0, 40, (0.85, 1.2), 0.1, (1.0, 1.0), 0, online=True)


def smooth_crops() -> np.ndarray:
    side = SIZE + 2 * border(SIZE)
    rows, columns = np.mgrid[:side, :side]
    waves = [
        [np.sin(rows / (6 + k)), np.cos(columns / (7 + k)), np.sin((rows + columns) / (8 + k))] for k in range(COUNT)
    ]
    return np.moveaxis(127 + 100 * np.array(waves), 1, -1).astype(np.uint8)


CROPS = smooth_crops()


def prepare(draws, scaling=SCALING):
    from model.augmentation import make_preparation

    batch = {name: values for name, values in draws._asdict().items() if name != "move"} | {
        "crop": CROPS,
        "coefficients": COEFFICIENTS,
        "camera": move_cameras(draws.move, CAMERAS).astype(np.float32),
        "source": from_copy_to_crop(draws.move, SIZE).astype(np.float32),
    }
    return tuple(np.asarray(each) for each in make_preparation(TEXELS, MASK, scaling)(batch))


def true_maps(move: np.ndarray) -> np.ndarray:
    """What the stored way makes: each vertex placed by the annotated pose, then moved by the similarity."""
    faces = deform(TEXELS, COEFFICIENTS)
    placed = [
        apply_similarity(one, project(face, pose, SIZE)) for one, face, pose in zip(move, faces, POSES, strict=True)
    ]
    return np.array(placed).reshape(COUNT, SIZE, SIZE, 3)


@pytest.mark.parametrize("name", ["tanh", "linear", "sigmoid", "prnet"])
def test_labels_are_the_position_maps_of_the_stored_way(name):
    scaling, draws = Scaling(name, SIZE), draw(GEOMETRY, COUNT, SIZE, 1, 0)
    _, labels = prepare(draws, scaling)
    assert labels.dtype == np.float32
    # To a hundredth of a pixel.
    assert np.abs(labels - to_network(true_maps(draws.move), scaling, MASK)).max() * scaling.divisor < 0.01


def test_a_sample_that_is_left_as_it_is_shows_the_middle_of_its_crop():
    photos, _ = prepare(unchanged(COUNT))
    inside = slice(border(SIZE), border(SIZE) + SIZE)
    np.testing.assert_allclose(photos * 255, CROPS[:, inside, inside], atol=1e-3)


def test_a_photo_is_resampled_as_opencv_does_to_a_grey_level():
    draws = draw(GEOMETRY, COUNT, SIZE, 2, 0)
    photos, _ = prepare(draws)
    into_crop = make_similarity(1, 0, (0, 0), (border(SIZE),) * 2)
    for photo, crop, move in zip(photos, CROPS, draws.move, strict=True):
        # From the middle of the crop, as from a photo; the crop's own similarity is the inverse of its border.
        expected = resample(crop, move @ np.linalg.inv(into_crop), SIZE)
        # OpenCV places samples in steps of 1/32 px, and these waves climb 17 levels a pixel at most.
        assert np.abs(photo * 255 - expected.astype(float)).max() < 1.5


def test_beyond_the_crop_it_is_black():
    draws = unchanged(COUNT)
    move = draws.move.copy()
    move[:, 0, 2] = 4 * SIZE
    photos, _ = prepare(draws._replace(move=move))
    assert not photos.any()


def test_a_mirrored_sample_has_photo_and_map_mirrored_and_twice_is_once():
    from model.augmentation import mirror_maps

    plain = prepare(unchanged(COUNT))
    mirrored = prepare(unchanged(COUNT)._replace(mirrored=np.ones(COUNT, bool)))
    np.testing.assert_array_equal(mirrored[0], plain[0][:, :, ::-1])
    for name in ("tanh", "sigmoid", "prnet"):
        scaling = Scaling(name, SIZE)
        maps = prepare(unchanged(COUNT), scaling)[1]
        there = np.asarray(mirror_maps(maps, scaling))
        pixels = there * scaling.divisor + [scaling.centre, scaling.centre, 0]
        original = maps * scaling.divisor + [scaling.centre, scaling.centre, 0]
        # A texel and its partner: x counts from the other edge of the image.
        np.testing.assert_allclose(pixels[:, 5, 6, 0], SIZE - 1 - original[:, 5, SIZE - 1 - 6, 0], atol=1e-3)
        np.testing.assert_allclose(pixels[:, 5, 6, 1:], original[:, 5, SIZE - 1 - 6, 1:], atol=1e-3)
        np.testing.assert_allclose(mirror_maps(there, scaling), maps, atol=1e-5)
    np.testing.assert_array_equal(mirrored[1], np.asarray(mirror_maps(plain[1], SCALING)))


def test_a_mirrored_sample_of_a_volume_has_photo_and_volume_mirrored():
    from model.augmentation import make_volume_preparation

    draws = draw(GEOMETRY, COUNT, SIZE, 3, 0)._replace(mirrored=np.arange(COUNT) % 2 > 0)
    volumes = RNG.integers(0, 2, (COUNT, SIZE, SIZE, SIZE)).astype(np.uint8)
    batch = {name: values for name, values in draws._asdict().items() if name != "move"} | {
        "crop": CROPS,
        "label": volumes,
        "source": from_copy_to_crop(draws.move, SIZE).astype(np.float32),
    }
    photos, labels = (np.asarray(each) for each in make_volume_preparation(SIZE)(batch))
    np.testing.assert_array_equal(photos, prepare(draws)[0])
    np.testing.assert_array_equal(labels[::2], volumes[::2])
    np.testing.assert_array_equal(labels[1::2], volumes[1::2, :, ::-1])
    assert labels.dtype == np.uint8


def colours(**changes) -> np.ndarray:
    plain = unchanged(COUNT)
    return prepare(plain._replace(**{name: np.float32(values) for name, values in changes.items()}))[0] * 255


def test_each_change_of_colour_is_what_its_name_says_to_a_grey_level():
    photo = colours()
    each = np.linspace(0.6, 1.4, COUNT)
    wide = each[:, None, None, None]
    gains = np.stack([each, each[::-1], np.full(COUNT, 0.8)], axis=1)
    grey, mean = photo.mean(axis=3, keepdims=True), photo.mean(axis=(1, 2, 3), keepdims=True)
    expected = {
        "gain": (gains, photo * gains[:, None, None]),
        "brightness": (each - 1, photo + 255 * (wide - 1)),
        "saturation": (each, grey + (photo - grey) * wide),
        "contrast": (each, mean + (photo - mean) * wide),
    }
    for name, (values, result) in expected.items():
        np.testing.assert_allclose(colours(**{name: values}), np.clip(result, 0, 255), atol=0.51, err_msg=name)


def test_gain_is_opencv_s_multiplication():
    photo = colours()
    halved = np.stack([cv2.convertScaleAbs(one, alpha=0.5) for one in np.rint(photo).astype(np.uint8)])
    np.testing.assert_allclose(colours(gain=np.full((COUNT, 3), 0.5)), halved, atol=1.01)


def test_noise_has_its_deviation_and_is_another_one_from_each_start():
    draws = unchanged(COUNT)._replace(
        contrast=np.zeros(COUNT, np.float32), noise_start=np.array([0, 5000, 0, 77, 10**5, 2**18 - 1], np.int32)
    )
    flat, noisy = (prepare(draws._replace(noise=np.full(COUNT, sigma, np.float32)))[0] for sigma in (0.0, 0.05))
    noise = noisy - flat
    assert noise.std(axis=(1, 2, 3)) == pytest.approx([0.05] * COUNT, rel=0.05)
    assert np.abs(noise.mean(axis=(1, 2, 3))).max() < 0.005
    np.testing.assert_allclose(noise[0], noise[2], atol=1e-6)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1


def test_patches_cover_their_rectangle_with_their_colour_and_nothing_else():
    patch = np.zeros((COUNT, 2, 4), np.float32)
    patch[0, 0], patch[0, 1] = (3, 5, 10, 20), (8, 0, 12, 9)
    colour = np.zeros((COUNT, 2, 3), np.float32)
    colour[0] = [[1, 0, 0.5], [0, 1, 0]]
    photos = prepare(unchanged(COUNT)._replace(patch=patch, patch_colour=colour))[0]
    plain = prepare(unchanged(COUNT))[0]
    np.testing.assert_allclose(photos[0, 10:20, 4:10], [[[1, 0, 0.5]]] * np.ones((10, 6, 1)), atol=1e-6)
    np.testing.assert_allclose(photos[0, 1:9, 9:12], [[[0, 1, 0]]] * np.ones((8, 3, 1)), atol=1e-6)
    outside = np.ones((SIZE, SIZE), bool)
    outside[5:21, 3:11] = outside[0:10, 8:13] = False
    np.testing.assert_array_equal(photos[0][outside], plain[0][outside])
    np.testing.assert_array_equal(photos[1:], plain[1:])
