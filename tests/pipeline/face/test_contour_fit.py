"""The silhouette of ellipsoids, which is known, and faces whose hidden jaw line lies on it."""

import numpy as np
import pytest

from pipeline.face.camera import project
from pipeline.face.contour_fit import fit_with_contour, make_outline, occluding_contour
from pipeline.face.face_model import FaceModel, at_landmarks, deform
from pipeline.face.fit import Prior, fit_face, place

HEIGHT, SCALE = 400, 1.5
# Half axes in mm of the mean head: across, up, to the front.
AXES = np.array([70.0, 95.0, 80.0])
STEP = 1.25
PRIOR, SIGMA = Prior(np.zeros(3), np.full(3, 0.2)), 0.3


def make_head():
    """An ellipsoid, open at the back, whose three vectors stretch it along its axes; it stays an ellipsoid."""
    longitude = np.deg2rad(np.arange(-120, 120.1, STEP))
    latitude = np.deg2rad(np.arange(75, -75.1, -STEP))
    across, up = np.meshgrid(longitude, latitude)
    unit = np.stack([np.cos(up) * np.sin(across), np.sin(up), np.cos(up) * np.cos(across)], axis=2).reshape(-1, 3)
    columns = len(longitude)
    corner = (np.arange(len(latitude) - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + columns, corner + columns + 1], axis=1),
            np.stack([corner, corner + columns + 1, corner + 1], axis=1),
        ]
    )

    def vertex(degrees_across, degrees_up):
        row, column = round((75 - degrees_up) / STEP), round((degrees_across + 120) / STEP)
        return row * columns + column

    # From ear to ear round the chin, and 51 points in front.
    jaw = [vertex(-90 + 180 * i / 16, 10 - 70 * np.sin(np.pi * i / 16)) for i in range(17)]
    brows = [(x, 35) for x in (-40, -32.5, -25, -17.5, -10, 10, 17.5, 25, 32.5, 40)]
    nose = [(0, y) for y in (22.5, 17.5, 12.5, 7.5)] + [(x, 0) for x in (-7.5, -3.75, 0, 3.75, 7.5)]
    eyes = [
        (x + side, 22.5 + up)
        for side in (-25, 25)
        for x, up in ((-10, 0), (-5, 3.75), (5, 3.75), (10, 0), (5, -2.5), (-5, -2.5))
    ]
    mouth = [(x, -25 + up) for x, up in zip(np.linspace(-20, 20, 20), 5 * np.sin(np.arange(20)), strict=True)]
    front = [vertex(*place) for place in brows + nose + eyes + mouth]
    mean = (unit * AXES).astype(np.float32)
    stretches = mean[:, :, None] * np.eye(3, dtype=np.float32)
    return FaceModel(
        mean, stretches, np.zeros((len(mean), 3, 0), np.float32), triangles, np.array(jaw + front, np.int32)
    )


HEAD = make_head()
# All of it is face.
OUTLINE = make_outline(HEAD, np.arange(len(HEAD.mean)))


def silhouette_face(yaw, stretch):
    """A pose, the head's vertices in px, and landmarks as a 2D detector finds them: hidden ones on the silhouette.

    Turned about its vertical axis by yaw, an ellipsoid's outline is an ellipse with the half axes
    sqrt(a^2 cos^2 + c^2 sin^2) and b; a point of the jaw line that is hidden goes to the outline at its height.
    """
    pose = np.array([0, np.deg2rad(yaw), 0, 200, 200, 0, SCALE])
    vertices = project(deform(HEAD, stretch[None])[0], pose, HEIGHT)
    landmarks = vertices[HEAD.landmarks][:, :2].copy()
    axes = AXES * (1 + stretch)
    model = deform(HEAD, stretch[None])[0][HEAD.landmarks[:17]]
    # The normal's part towards the viewer: 3DDFA's yaw turns the face to the left of the picture where it is positive.
    facing = (model / axes**2) @ [np.sin(pose[1]), 0, np.cos(pose[1])]
    half = np.hypot(axes[0] * np.cos(pose[1]), axes[2] * np.sin(pose[1]))
    middle = 200 - 1
    hidden = np.flatnonzero(facing < 0)
    for point in hidden:
        side = np.sign(landmarks[point, 0] - middle)
        landmarks[point, 0] = middle + side * SCALE * half * np.sqrt(1 - (model[point, 1] / axes[1]) ** 2)
    return pose, vertices, landmarks, hidden


def test_the_occluding_contour_is_the_ellipse_that_it_must_be():
    pose, vertices, _, _ = silhouette_face(40, np.zeros(3))
    places = occluding_contour(OUTLINE, vertices)
    first, second = vertices[places.ends.T]
    contour = first + places.shares[:, None] * (second - first)
    half = np.hypot(AXES[0] * np.cos(pose[1]), AXES[2] * np.sin(pose[1]))
    radius = np.hypot((contour[:, 0] - 199) / (SCALE * half), (contour[:, 1] - 200) / (SCALE * AXES[1]))
    assert len(contour) > 40
    # Away from the rim, where normals are those of one side.
    assert np.median(radius) == pytest.approx(1, abs=1e-4)
    assert np.abs(radius - 1).max() < 0.01


def test_the_nose_has_no_contour():
    ends = np.unique(OUTLINE.edges)
    distances = np.linalg.norm(HEAD.mean[ends][:, None] - HEAD.mean[HEAD.landmarks[27:36]], axis=2).min(axis=1)
    assert distances.min() > 0.1 * np.ptp(HEAD.mean[HEAD.landmarks[:17], 0])
    assert len(ends) > 0.8 * len(HEAD.mean)


@pytest.mark.parametrize(("yaw", "factor"), [(-60, 20), (-45, 10), (-30, 2), (30, 2), (45, 10), (60, 20)])
def test_with_the_moving_contour_the_head_comes_back_many_times_better(yaw, factor):
    """Taken for fixed vertices, landmarks on the silhouette change the head; moving, they tell it as true ones do."""
    _, vertices, landmarks, hidden = silhouette_face(yaw, np.array([0.05, -0.06, 0.07]))
    assert len(hidden) >= 4

    def error(fit):
        placed = place(HEAD, fit)
        moved = placed - placed.mean(axis=0) - (vertices - vertices.mean(axis=0))
        return np.linalg.norm(moved, axis=1).mean() / SCALE

    def fixed(points):
        return fit_face(at_landmarks(HEAD), points, SIGMA, PRIOR, HEIGHT)

    moving = error(fit_with_contour(HEAD, OUTLINE, landmarks, SIGMA, PRIOR, HEIGHT))
    assert moving < error(fixed(landmarks)) / factor
    # In mm: what the prior makes of it remains, and of true vertices it makes about as much.
    assert moving < error(fixed(vertices[HEAD.landmarks][:, :2])) + 0.8


def test_a_frontal_face_is_fitted_as_with_fixed_landmarks():
    stretch = np.array([0.05, -0.06, 0.07])
    _, _, landmarks, hidden = silhouette_face(0, stretch)
    assert len(hidden) == 0
    fixed = fit_face(at_landmarks(HEAD), landmarks, SIGMA, PRIOR, HEIGHT)
    moving = fit_with_contour(HEAD, OUTLINE, landmarks, SIGMA, PRIOR, HEIGHT)
    assert moving.coefficients == pytest.approx(fixed.coefficients, abs=1e-3)
    assert moving.pose == pytest.approx(fixed.pose, abs=1e-2)


def test_a_hidden_landmark_that_is_not_seen_stays_out():
    _, _, landmarks, hidden = silhouette_face(45, np.zeros(3))
    landmarks[hidden[0]] = np.nan
    fit = fit_with_contour(HEAD, OUTLINE, landmarks, SIGMA, PRIOR, HEIGHT)
    assert np.isfinite(fit.coefficients).all()
    assert np.rad2deg(fit.pose[1]) == pytest.approx(45, abs=1)
