"""Faces followed through made-up videos of a real photo, by the networks of Face Mesh; every run of one is counted."""

import dataclasses

import cv2
import numpy as np
import pytest
import skimage.data

from pipeline.crops.face_mesh import find_faces, open_networks
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.camera import camera_matrix
from pipeline.face.fit import place
from pipeline.photo import tracking as tracking_module
from pipeline.photo.smoothing import Smoothed, one_euro
from pipeline.photo.tracking import KEEP, LOOK, Tracking, follow_faces, track_faces

BLANK = np.full((240, 320, 3), 90, np.uint8)
# The face is 60 px wide, its middle at (112, 60).
PICTURE = cv2.resize(skimage.data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
RATE = 30


@pytest.fixture
def counted():
    """The networks, and how often each was run."""
    counts = dict.fromkeys(open_networks(), 0)

    def count(name, network):
        def run(values):
            counts[name] += 1
            return network.run(values)

        return network._replace(run=run)

    return {name: count(name, network) for name, network in open_networks().items()}, counts


def frame_of(*shifts):
    """A frame of 320 x 240 with the face once for each shift (x, y) of the picture's left half."""
    frame = BLANK.copy()
    for x, y in shifts:
        part = PICTURE[:130, 60:165]
        frame[y : y + 130, x : x + 105] = part
    return frame


def follow(frames, networks, tracking=None, start=0):
    """Numbers and middles of the faces of each frame."""
    tracking, seen = tracking or Tracking(), []
    for number, frame in enumerate(frames, start):
        tracking = follow_faces(tracking, frame, number / RATE, networks)
        now = [track for track in tracking.tracks if track.time == number / RATE]
        seen.append({track.number: track.face.box[:2] + track.face.box[2:] / 2 for track in now})
    return tracking, seen


def test_a_moving_face_is_followed_without_the_detector(counted):
    networks, counts = counted
    frames = [frame_of((20 + 6 * k, 40 + 3 * k)) for k in range(LOOK)]
    tracking, seen = follow(frames[:1], networks)
    before = dict(counts)
    _, later = follow(frames[1:], networks, tracking, 1)
    assert (counts["near"], counts["far"]) == (before["near"], before["far"])
    assert counts["mesh"] - before["mesh"] == 2 * (LOOK - 1)
    places = np.array([next(iter(each.values())) for each in seen + later])
    assert [list(each) for each in seen + later] == [[1]] * LOOK
    assert np.diff(places, axis=0) == pytest.approx(np.tile([6, 3], (LOOK - 1, 1)), abs=1.5)


def test_a_face_that_is_away_for_less_than_a_second_keeps_its_number(counted):
    frames = [frame_of((40, 40)), *[BLANK] * 5, frame_of((60, 40))]
    _, seen = follow(frames, counted[0])
    assert [list(each) for each in seen] == [[1], *[[]] * 5, [1]]


def test_who_comes_back_later_or_elsewhere_is_a_new_face(counted):
    late = [frame_of((40, 40)), *[BLANK] * (int(KEEP * RATE) + 2), frame_of((40, 40))]
    assert list(follow(late, counted[0])[1][-1]) == [2]
    assert list(follow([frame_of((0, 0)), BLANK, frame_of((200, 100))], counted[0])[1][-1]) == [2]


def test_two_faces_keep_their_numbers_and_a_third_is_found_within_some_frames(counted):
    two = [frame_of((4 * k, 100), (200 - 4 * k, 0)) for k in range(LOOK)]
    _, seen = follow([*two, *[frame_of((36, 100), (164, 0), (210, 110))] * (LOOK + 1)], counted[0])
    assert all(set(each) >= {1, 2} for each in seen)
    first, second = (np.array([each[number] for each in seen[:LOOK]]) for number in (1, 2))
    down = first if first[0, 1] > second[0, 1] else second
    up = second if down is first else first
    assert np.diff(down[:, 0]) == pytest.approx(4, abs=1.5)
    assert np.diff(up[:, 0]) == pytest.approx(-4, abs=1.5)
    assert set(seen[-1]) == {1, 2, 3}


def test_a_still_face_filmed_with_noise_jitters_a_third_of_frame_by_frame(counted):
    networks, rng = counted[0], np.random.default_rng(0)
    picture = cv2.resize(skimage.data.astronaut(), (640, 640), interpolation=cv2.INTER_AREA)[:320, 80:400]
    alone, smooth = [], []
    tracking, state = Tracking(), None
    for number in range(40):
        frame = np.clip(np.rint(picture + rng.normal(0, 6, picture.shape)), 0, 255).astype(np.uint8)
        alone.append(read_landmarks(find_faces(frame, networks)[0].mesh)[:, :2])
        tracking = follow_faces(tracking, frame, number / RATE, networks)
        mesh = tracking.tracks[0].face.mesh
        state: Smoothed | None = one_euro(state, mesh, 1 / RATE, 20 / 120)
        smooth.append(read_landmarks(state.values)[:, :2])
    before, after = (np.std(points[10:], axis=0).mean() for points in (alone, smooth))
    assert after < before / 3


def test_a_face_that_is_seen_from_the_side_is_turned_further_as_in_a_photo(embedded, monkeypatch):
    """What exceeds 25 degrees is taken 1.3 times, all points counting, so that nothing jumps."""
    fit_points = tracking_module.fit_points
    for yaw, expected in ((20, 20), (-20, -20), (45, 51), (-45, -51)):

        def fit(mesh, seen, bundle, height, yaw=yaw):
            fit = fit_points(mesh, seen, bundle, height)
            pose = np.array([fit.pose[0], np.deg2rad(yaw), *fit.pose[2:]])
            return dataclasses.replace(fit, pose=pose, camera=camera_matrix(pose, height))

        monkeypatch.setattr(tracking_module, "fit_points", fit)
        frames = [(0.0, frame_of((20, 40)))]
        ((_, _, (face,)),) = track_faces(frames, embedded, open_networks())
        assert np.rad2deg(face.fit.pose[1]) == pytest.approx(expected, abs=0.1)
        assert face.fit.camera == pytest.approx(camera_matrix(face.fit.pose, len(BLANK)))
        # About the middle of the points.
        middle = place(embedded.points, face.fit).mean(axis=0)
        assert middle[:2] == pytest.approx(face.mesh.mean(axis=0)[:2], abs=0.5)
