"""Masks of what covers a face: read, painted over, and known at the points of the face."""

import dataclasses
import time

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.crops.face_finding import Face
from pipeline.crops.face_mesh import MeshFace, find_faces, open_networks
from pipeline.photo.fitting import fit_mesh, fit_points
from pipeline.photo.masks import are_covered, cover_faces, open_mask, paint_over

PHOTO = np.full((60, 80, 3), 90, np.uint8)


@pytest.fixture
def mask(tmp_path):
    """A mask that is white in a box, in any kind that a program saves; its values themselves where white is None."""

    def save(name, values, white=255):
        if white is not None:
            values = np.where(values, white, 0).astype(np.uint8 if white == 255 else np.uint16)
        cv2.imwrite(str(tmp_path / name), values)
        return tmp_path / name

    return save


def box(rows, columns, shape=PHOTO.shape[:2]):
    covered = np.zeros(shape, bool)
    covered[rows, columns] = True
    return covered


@pytest.mark.parametrize(("name", "white"), [("a.png", 255), ("a.jpg", 255), ("a.png", 65_535)])
def test_white_is_covered(mask, name, white):
    covered = box(slice(16, 32), slice(8, 40))
    assert np.array_equal(open_mask(mask(name, covered, white), PHOTO), covered)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (box(3, 3, (80, 60)), r"a\.png is a picture of 60 x 80 px, its photo one of 80 x 60: draw it over the photo"),
        (np.zeros((60, 80), bool), r"a\.png covers nothing: it is white where the face is covered"),
        (np.ones((60, 80), bool), r"a\.png covers everything: it is white where"),
    ],
)
def test_a_mask_of_another_size_or_without_two_parts_is_refused(mask, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_mask(mask("a.png", values), PHOTO)


@pytest.mark.parametrize("white", [1, 255])
def test_ones_among_zeros_are_covered(mask, white):
    covered = box(slice(16, 32), slice(8, 40))
    assert np.array_equal(open_mask(mask("a.png", white * covered.astype(np.uint8), None), PHOTO), covered)


@pytest.mark.parametrize("value", [2, 100, 127])
def test_a_mask_that_is_dark_all_over_is_not_guessed_at(mask, value):
    with pytest.raises(ValueError, match="covers nothing: it is white where"):
        open_mask(mask("a.png", value * box(3, 3).astype(np.uint8), None), PHOTO)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (30, 40, 200)])
def test_of_a_picture_with_transparent_parts_what_is_opaque_is_covered(mask, colour):
    covered = box(slice(16, 32), slice(8, 40))
    opacity = np.where(covered, 255, 0)
    opacity[15], opacity[32] = 90, 90  # brushes have soft rims
    picture = np.dstack([np.broadcast_to(np.uint8(colour), PHOTO.shape), opacity.astype(np.uint8)])
    assert np.array_equal(open_mask(mask("a.png", picture, None), PHOTO), covered)


def test_a_mask_that_is_opaque_all_over_says_by_its_colours_what_is_covered(mask):
    covered = box(slice(16, 32), slice(8, 40))
    for opacity in (255, 254):
        picture = np.dstack([np.where(covered, 255, 0)] * 3 + [np.full(covered.shape, opacity)]).astype(np.uint8)
        assert np.array_equal(open_mask(mask("a.png", picture, None), PHOTO), covered)


def test_a_mask_of_light_dark_and_transparent_parts_is_refused(mask):
    light, opaque = box(slice(16, 32), slice(8, 40)), box(slice(8, 40), slice(8, 40))
    picture = np.dstack([np.where(light, 255, 0)] * 3 + [np.where(opaque, 255, 0)]).astype(np.uint8)
    with pytest.raises(ValueError, match=r"a\.png has light, dark and transparent parts: save it without transparency"):
        open_mask(mask("a.png", picture, None), PHOTO)


def test_what_is_covered_becomes_like_its_surroundings_and_nothing_else_changes():
    row, column = np.mgrid[:200, :300]
    photo = np.stack([row, column // 2, 100 + 0 * row], axis=-1).astype(np.uint8)
    covered = np.hypot(row - 90, column - 140) < 40
    hidden = np.where(covered[..., None], (255, 0, 255), photo).astype(np.uint8)
    painted = paint_over(hidden, covered)
    assert np.array_equal(painted[~covered], photo[~covered])
    # The ramps go on: no pixel is off by more than half of what they rise by across the hole.
    assert np.abs(painted[covered].astype(int) - photo[covered]).max() <= 40
    assert np.abs(painted[covered].astype(int) - photo[covered]).mean() < 8
    assert np.abs(painted[covered][:, 2].astype(int) - 100).max() <= 15, "no colour of what covered it"


def test_a_corner_is_painted_too():
    covered = box(slice(0, 20), slice(0, 30))
    hidden = np.where(covered[..., None], 0, PHOTO).astype(np.uint8)
    assert np.abs(paint_over(hidden, covered).astype(int) - 90).max() <= 15


def test_a_large_part_of_a_large_photo_takes_no_minutes():
    covered = box(slice(500, 2500), slice(500, 3500), (3000, 4000))
    start = time.perf_counter()
    painted = paint_over(np.full((3000, 4000, 3), 90, np.uint8), covered)
    assert time.perf_counter() - start < 10
    assert np.abs(painted.astype(int) - 90).max() <= 15


def test_points_are_covered_by_the_pixel_that_they_lie_in():
    covered = box(slice(10, 20), slice(30, 40))
    points = np.array([[29.6, 9.6, 5], [29.4, 12, 0], [39.4, 19.4, 0], [39.6, 19, 0], [-30, 15, 0], [35, 99, 0]])
    assert are_covered(covered, points).tolist() == [True, False, True, False, False, False]
    everywhere = np.ones((60, 80), bool)
    assert are_covered(everywhere, points).tolist() == [True] * 4 + [False] * 2, "beyond the photo nothing is"
    assert are_covered(covered, points.reshape(2, 3, 3)).shape == (2, 3)


def mesh_face(points):
    return MeshFace(np.array([0, 0, 60, 60.0]), points[:5, :2], 1.0, 0, points, 0.9)


def test_a_face_knows_its_covered_points_and_is_lost_if_nearly_all_are():
    # 468 points in a row of half pixels, of which the pixels 0 to 19 are covered: those up to x = 19.4.
    points = np.stack([np.linspace(0, 59, 468), np.full(468, 30), np.zeros(468)], axis=1)
    (face,) = cover_faces([mesh_face(points)], box(slice(0, 60), slice(0, 20)))
    assert isinstance(face, MeshFace)
    assert np.array_equal(face.covered, points[:, 0] < 19.5)
    assert cover_faces([mesh_face(points)], box(slice(0, 60), slice(0, 56))) == []
    assert len(cover_faces([mesh_face(points)], box(slice(0, 60), slice(0, 50)))) == 1


def test_a_face_without_points_stays_as_it_is():
    other = Face(np.array([0, 0, 30, 30.0]), np.zeros((5, 2)), 0.9, 0)
    assert cover_faces([other], np.ones((60, 80), bool)) == [other]


@pytest.fixture(scope="module")
def face():
    return find_faces(skimage.data.astronaut(), open_networks())[0]


def test_covered_points_pull_less_at_the_fit_and_are_not_followed(embedded, face):
    covered = face.mesh[:, 0] > face.mesh[4, 0] + 10  # her left cheek
    wrong = face.mesh.copy()
    wrong[covered, 0] += 12
    right, misled, masked = (
        fit_mesh(dataclasses.replace(face, mesh=mesh, covered=known), embedded, (512, 512)).vertices[:, :2]
        for mesh, known in ((face.mesh, None), (wrong, None), (wrong, covered))
    )
    near = right[:, 0] < face.mesh[4, 0]  # what is seen stays where it is
    assert np.abs(masked - right)[near].mean() < np.abs(misled - right)[near].mean()
    assert np.abs(masked - right).mean() < 0.9 * np.abs(misled - right).mean()


def test_a_covered_point_has_three_times_the_deviation(embedded, face):
    some = np.arange(468) % 3 == 0
    once = fit_points(face.mesh, np.ones(468, bool), embedded, 512)
    none = fit_points(face.mesh, np.ones(468, bool), embedded, 512, np.zeros(468, bool))
    part = fit_points(face.mesh, np.ones(468, bool), embedded, 512, some)
    every = fit_points(face.mesh, np.ones(468, bool), embedded, 512, np.ones(468, bool))
    assert np.array_equal(once.pose, none.pose)
    # Less is known of the face, and no more than a ninth of the points' weight is left where all are covered.
    spreads = [
        np.trace(fit.covariance / np.outer(embedded.prior.sigma, embedded.prior.sigma)) for fit in (once, part, every)
    ]
    assert spreads[0] < spreads[1] < spreads[2] < 9 * spreads[0]


def test_a_face_behind_a_mask_is_found_where_its_eyes_and_mouth_are():
    photo, networks = skimage.data.astronaut(), open_networks()
    (true,) = find_faces(photo, networks)[:1]
    covered = np.zeros(photo.shape[:2], np.uint8)
    cv2.circle(covered, (255, 125), 22, 1, -1)  # her left cheek and half of her left eye
    hidden = np.where(covered[..., None] > 0, (0, 200, 60), photo).astype(np.uint8)
    without, painted = (find_faces(image, networks)[0] for image in (hidden, paint_over(hidden, covered > 0)))
    seen = ~are_covered(covered > 0, true.mesh)
    off = [np.linalg.norm((found.mesh - true.mesh)[seen, :2], axis=1).mean() for found in (without, painted)]
    assert off[1] < min(off[0], 3)
