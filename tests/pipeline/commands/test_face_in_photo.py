"""A large photo's pictures are smaller than it; numbers stay in pixels of the photo."""

import dataclasses

import numpy as np
import pytest

from pipeline.commands import face_in_photo
from pipeline.commands.face_in_photo import TEXTURE_SIZE, FaceInPhoto, shrink
from pipeline.commands.files import WriteOptions, describe, write_faces
from pipeline.commands.pictures import mark_hidden
from pipeline.face.rendering import rasterize
from pipeline.photo.texture import depth_image, enlarge
from tests.helpers.made_faces import make_model, make_reconstructor, whole_surface


@pytest.mark.parametrize(
    ("shape", "expected", "factor"),
    [((4, 6), (4, 6), 1), ((6, 10), (6, 10), 1), ((5, 11), (2, 5), 2), ((31, 7), (7, 1), 4), ((1, 25), (1, 8), 3)],
)
def test_a_photo_is_shrunk_by_the_least_whole_number_that_suffices(monkeypatch, shape, expected, factor):
    monkeypatch.setattr(face_in_photo, "PICTURE_SIDE", 10)
    picture, reduced = shrink(np.zeros((*shape, 3), np.uint8))
    assert (picture.shape, picture.dtype, reduced) == ((*expected, 3), np.uint8, factor)


def test_a_photo_that_is_small_enough_is_its_own_picture():
    photo = np.zeros((1600, 3, 3), np.uint8)
    assert shrink(photo)[0] is photo


def test_a_pixel_is_the_mean_of_its_square_and_lies_at_its_middle(monkeypatch):
    monkeypatch.setattr(face_in_photo, "PICTURE_SIDE", 4)
    photo = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    picture, reduced = shrink(photo)
    assert (reduced, picture.shape) == (3, (3, 3, 3))
    face = FaceInPhoto(photo, picture, reduced, None, None, False)
    for row in range(3):
        for column in range(3):
            square = photo[3 * row : 3 * row + 3, 3 * column : 3 * column + 3].astype(float)
            assert np.abs(square.mean(axis=(0, 1)) - picture[row, column]).max() <= 0.5
            middle = [3 * column + 1, 3 * row + 1, 7.5]
            assert face.in_picture(middle).tolist() == pytest.approx([column, row, 7.5])
    # The photo's outer edges are the picture's.
    assert face.in_picture([[-0.5, -0.5, 0], [8.5, 8.5, -2]]) == pytest.approx(
        np.array([[-0.5, -0.5, 0], [2.5, 2.5, -2]])
    )


def test_where_nothing_is_reduced_points_stay():
    points = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert FaceInPhoto(None, None, 1, None, None, False).in_picture(points) == pytest.approx(points)


@pytest.fixture(scope="module")
def reconstructor():
    model = make_model()
    return make_reconstructor(model, whole_surface(model))


@pytest.fixture
def photo():
    """A photo with one face for the made-up detector, on a ground that is not plain."""
    image = np.random.default_rng(0).integers(40, 80, (150, 200, 3)).astype(np.uint8)
    image[50:90, 70:110] = 255
    return image


def in_photo(photo, reconstructor, side, monkeypatch):
    monkeypatch.setattr(face_in_photo, "PICTURE_SIDE", side)
    face = reconstructor.find_faces(photo)[0]
    return FaceInPhoto(photo, *shrink(photo), reconstructor.reconstruct(photo, face), reconstructor, False)


def test_pictures_have_the_size_of_the_picture_and_the_face_in_its_place(photo, reconstructor, monkeypatch):
    face = in_photo(photo, reconstructor, 100, monkeypatch)
    assert face.reduced == 2
    for each in (face.overlay, face.pose, face.depth):
        assert each.shape[:2] == (75, 100)
    drawn = np.argwhere((face.overlay != face.picture).any(axis=2))[:, ::-1]
    middle = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
    vertices = face.found.vertices[:, :2]
    expected = ((vertices.min(axis=0) + vertices.max(axis=0)) / 2 + 0.5) / 2 - 0.5
    assert np.abs(middle - expected).max() < 2


def test_depth_is_in_pixels_of_the_photo_however_small_the_picture(photo, reconstructor, monkeypatch):
    small, whole = (in_photo(photo, reconstructor, side, monkeypatch) for side in (100, 1000))
    triangles = reconstructor.surface.triangles
    vertices = whole.found.vertices
    expected = depth_image(vertices, triangles, *rasterize(vertices, triangles, 150, 200))
    assert np.array_equal(whole.depth, expected, equal_nan=True)
    squares = whole.depth.reshape(75, 2, 100, 2)
    both = np.isfinite(small.depth) & np.isfinite(squares).all(axis=(1, 3))
    assert both.sum() > 100
    assert small.depth[both] == pytest.approx(squares.mean(axis=(1, 3))[both], abs=1.0)


def test_what_is_visible_and_the_numbers_do_not_depend_on_the_picture(photo, reconstructor, monkeypatch, tmp_path):
    numbers = []
    for side in (50, 1000):
        monkeypatch.setattr(face_in_photo, "PICTURE_SIDE", side)
        faces = reconstructor.find_faces(photo)
        (number,) = write_faces(tmp_path / str(side), photo, faces, reconstructor, WriteOptions(("overlay", "map")))
        assert number.pop("pictures_reduced") == {50: 4, 1000: 1}[side]
        numbers.append(number)
    assert numbers[0] == numbers[1]
    maps = [np.load(tmp_path / side / "face1_map.npy") for side in ("50", "1000")]
    assert np.array_equal(*maps)
    found = reconstructor.reconstruct(photo, faces[0])
    assert numbers[0]["landmarks"] == np.round(found.landmarks, 2).tolist()


def test_a_doubt_is_told_with_the_numbers(photo, reconstructor):
    face = reconstructor.find_faces(photo)[0]
    found = reconstructor.reconstruct(photo, face)
    assert describe(face, found)["doubt"] == ""
    assert describe(face, dataclasses.replace(found, doubt="Likely wrong: no."))["doubt"] == "Likely wrong: no."


class TestCutByTheBorder:
    """A face whose left part, up to its middle or beyond, lies outside of the photo."""

    @pytest.fixture(params=[0.3, 0.6], ids=lambda share: f"{share:.0%} outside")
    def cut(self, request, photo, reconstructor):
        """The face, once hatched and once filled, and which vertices are outside."""
        found = reconstructor.reconstruct(photo, reconstructor.find_faces(photo)[0])
        x = found.vertices[:, 0]
        shift = int(x.min() + request.param * np.ptp(x))
        shifted = dataclasses.replace(
            found,
            vertices=found.vertices - [shift, 0, 0],
            similarity=found.similarity @ np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1.0]]),
        )
        part = np.ascontiguousarray(photo[:, shift:])
        faces = [FaceInPhoto(part, *shrink(part), shifted, reconstructor, fill) for fill in (False, True)]
        return *faces, x < shift, FaceInPhoto(photo, *shrink(photo), found, reconstructor, False)

    def test_vertices_outside_are_not_visible_and_the_others_as_in_the_whole_photo(self, cut):
        face, _, outside, whole = cut
        assert outside.any()
        assert not face.visible[outside].any()
        assert np.array_equal(face.visible[~outside], whole.visible[~outside])

    def test_the_texture_is_hatched_there_and_filled_if_asked_for(self, cut, reconstructor):
        face, filled, _, whole = cut
        mask = enlarge(reconstructor.surface.face_mask, TEXTURE_SIZE) > 0.5
        outside = (enlarge(face.position_map, TEXTURE_SIZE)[..., 0] < 0) & mask
        hatched = mark_hidden(np.zeros_like(face.texture), np.zeros(outside.shape, bool), mask)
        assert outside.sum() > 0.2 * mask.sum()
        assert np.array_equal(face.texture[outside], hatched[outside])
        assert filled.texture[outside].min() > 20, "nothing stays black"
        # Coordinates that were moved round a little otherwise.
        change = np.abs(face.texture.astype(int) - whole.texture)[mask & ~outside]
        assert (change > 2).mean() < 0.001
