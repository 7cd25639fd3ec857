"""Heads that are turned in depth, by scenes that one can work out by hand: half a ball on a photo of noise."""

import cv2
import numpy as np
import pytest
import trimesh

from pipeline.face.camera import project, rotation_matrix
from pipeline.photo.profiling import draw_turns, head_yaw, turn_photo, turn_pose

CENTRE, RADIUS = np.array([100.0, 90.0, 0.0]), 40.0


@pytest.fixture(scope="module")
def scene():
    """Photo, vertices and triangles: the front of a ball, counter-clockwise in the frame with y up."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=RADIUS)
    front = (ball.vertices[ball.faces][..., 2] > -4).all(axis=1)
    noise = np.random.default_rng(1).uniform(60, 250, (12, 14, 3)).astype(np.float32)
    photo = cv2.resize(noise, (210, 180), interpolation=cv2.INTER_LINEAR)
    return photo.astype(np.uint8), ball.vertices * [1, -1, 1] + CENTRE, np.asarray(ball.faces)[front]


def turned(vertices, degrees):
    """Turn about the vertical axis through the ball's centre; what is in front goes to the right."""
    x, y, z = (vertices - CENTRE).T
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle) * x + np.sin(angle) * z, y, np.cos(angle) * z - np.sin(angle) * x], 1) + CENTRE


def test_a_turn_of_nothing_gives_the_photo(scene):
    photo, vertices, triangles = scene
    same = turn_photo(photo, vertices, vertices.copy(), triangles)
    assert np.abs(same.astype(int) - photo).max() <= 1


@pytest.mark.parametrize("degrees", [-60, -25, 25, 60])
def test_a_dot_on_the_face_goes_where_the_mesh_goes(scene, degrees):
    photo, vertices, triangles = scene
    after = turned(vertices, degrees)
    wanted = CENTRE + np.array([np.sign(degrees) * 7, -12, 30])
    dot = np.argmin(np.linalg.norm(after - wanted, axis=1))
    painted = photo.copy()
    painted[..., 2] = 0
    soft = np.exp(-(np.hypot(*(np.indices(photo.shape[:2])[::-1] - vertices[dot, :2, None, None])) ** 2) / 8)
    painted[..., 2] = np.rint(250 * soft)
    seen = turn_photo(painted, vertices, after, triangles)[..., 2].astype(float)
    seen[seen < 60] = 0
    place = np.array([(np.arange(seen.shape[1]) * seen).sum(), (np.arange(len(seen)) * seen.T).sum()]) / seen.sum()
    assert place == pytest.approx(after[dot, :2], abs=1.0)
    assert np.abs(after[dot, 0] - vertices[dot, 0]) > 10


@pytest.mark.parametrize("degrees", [-80, 30, 60])
def test_the_border_stays_and_there_are_no_holes(scene, degrees):
    photo, vertices, triangles = scene
    made = turn_photo(photo, vertices, turned(vertices, degrees), triangles)
    assert made.shape == photo.shape
    assert made.dtype == np.uint8
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert np.abs(made[side].astype(int) - photo[side]).max() <= 2
    assert made.min() >= photo.min() - 1
    assert np.abs(made.astype(int) - photo).max() > 40


def test_a_face_that_is_cut_off_by_the_photo_leaves_no_holes(scene):
    photo, vertices, triangles = scene
    for move in ([-80, 0, 0], [90, 0, 0], [0, 70, 0], [-80, -80, 0]):
        made = turn_photo(photo, vertices + move, turned(vertices, 40) + move, triangles)
        assert made.min() >= photo.min() - 1


def test_the_mirror_image_turns_to_the_other_side(scene):
    photo, vertices, triangles = scene
    made = turn_photo(photo, vertices, turned(vertices, 40), triangles)
    flip, last = np.array([-1, 1, 1]), np.array([photo.shape[1] - 1, 0, 0])
    mirrored = turn_photo(
        np.ascontiguousarray(photo[:, ::-1]),
        vertices * flip + last,
        turned(vertices, 40) * flip + last,
        triangles[:, ::-1],
    )
    difference = np.abs(mirrored[:, ::-1].astype(int) - made)
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 12


def test_the_same_turn_gives_the_same_bytes(scene):
    photo, vertices, triangles = scene
    first, second = (turn_photo(photo, vertices, turned(vertices, 33), triangles) for _ in range(2))
    assert np.array_equal(first, second)


def test_an_upright_head_s_yaw_grows_by_the_turn():
    pose = np.array([0.2, 0.3, 0.0, 120, 130, -50, 2e-3])
    made = turn_pose(pose, 0.5)
    assert made == pytest.approx([0.2, 0.8, 0.0, 120, 130, -50, 2e-3], abs=1e-12)


def test_a_head_is_turned_about_its_own_axis_however_it_is_held():
    pose = np.array([0.3, -0.4, 0.9, 120, 130, -50, 2.0])
    made = turn_pose(pose, -0.6)
    assert head_yaw(made) == pytest.approx(head_yaw(pose) - 0.6, abs=1e-12)
    assert rotation_matrix(*made[:3]) == pytest.approx(rotation_matrix(*pose[:3]) @ rotation_matrix(0, -0.6, 0))
    axis = np.array([[0, -20, 0], [0, 0, 0], [0, 30.0, 0]])
    assert project(axis, made, 300) == pytest.approx(project(axis, pose, 300))
    # From the front, one of positive yaw shows more of its right side, and its nose goes to the left of the photo.
    front = np.array([0, 0, 0, 100, 100, 0, 1.0])
    assert project(np.array([0, 0, 10.0]), turn_pose(front, np.pi / 2), 200)[:2] == pytest.approx([89, 100])


def test_turns_go_further_to_the_same_side_in_equal_parts_up_to_the_limit():
    generator = np.random.default_rng(3)
    turns, limit = tuple(np.deg2rad([15, 60])), np.deg2rad(90)
    for yaw in np.deg2rad([-70, -50, -20, 20, 50, 70]):
        room = np.rad2deg(min(turns[1], limit - abs(yaw)))
        made = np.rad2deg(draw_turns(yaw, 3, turns, limit, generator)) * np.sign(yaw)
        edges = np.linspace(15, room, 4)
        assert ((made >= edges[:-1] - 1e-9) & (made <= edges[1:] + 1e-9)).all()
    assert draw_turns(np.deg2rad(80), 3, turns, limit, generator) == []
    sides = np.sign([draw_turns(0.05, 2, turns, limit, generator) for _ in range(50)])
    assert 20 < (sides > 0).sum() < 80
