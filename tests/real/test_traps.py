"""Traps of the real data sets, as they are: what the files say, and that this code is not caught by it.

Landmarks are made as the stages make them: coefficients, face model, camera.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from pipeline.face.camera import project, rotation_matrix, wrap_angle
from pipeline.face.face_model import at_landmarks, deform, select_coefficients
from pipeline.raw.annotations import list_pairs, read_annotation
from pipeline.raw.bfm import SHAPE_FILE
from pipeline.raw.photos import read_photo
from pipeline.raw.splitting import identity

TRAINING = ("AFW", "AFW_Flip", "HELEN", "HELEN_Flip", "IBUG")
PHOTOS = {"AFW": "AFW_134212_1", "HELEN": "HELEN_232194_1"}
RIGHT_EYE, LEFT_EYE, INNER = 36, 45, slice(17, 68)


def raw(path):
    return scipy.io.loadmat(path)


def annotated_points(path):
    """pt2d (N, 2) in 0-based pixels."""
    return raw(path)["pt2d"].T - 1


def distance(points, others):
    """Mean distance in px of two sets of points in the photo."""
    return float(np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean())


def find_again(photo, other, place, radius=12, reach=20):
    """Where a patch of a photo has moved to in another, in px."""
    (x, y), far = place, radius + reach
    patch = photo[y - radius : y + radius + 1, x - radius : x + radius + 1]
    score = cv2.matchTemplate(other[y - far : y + far + 1, x - far : x + far + 1], patch, cv2.TM_CCOEFF_NORMED)
    row, column = np.unravel_index(score.argmax(), score.shape)
    return column - reach, row - reach


@pytest.fixture(scope="module")
def training(face_data):
    folder = face_data / "300W_LP"
    paths = {}
    for subset in TRAINING:
        paths |= {f"{subset}/{Path(name).stem}": folder / subset / name for _, name in list_pairs(folder / subset)[0]}
    assert len(paths) == 9
    return paths


@pytest.fixture(scope="module")
def landmarks_of(bfm):
    def landmarks(path, model=None):
        annotation = read_annotation(path)
        face = at_landmarks(model or bfm)
        coefficients = select_coefficients(face, annotation.shape[None], annotation.expression[None])
        height = len(read_photo(path.with_suffix(".jpg")))
        return project(deform(face, coefficients)[0], annotation.pose, height)

    return landmarks


def test_pairs_of_300w_lp_have_no_true_landmarks(training):
    for path in training.values():
        assert "pt3d_68" not in raw(path)
        assert np.isnan(read_annotation(path).true_landmarks).all()


def test_pairs_of_aflw2000_have_true_landmarks(aflw_pairs):
    for _, path in aflw_pairs[::50]:
        assert np.isfinite(read_annotation(path).true_landmarks).all()


@pytest.mark.parametrize("subset", PHOTOS)
def test_pt2d_of_a_reposed_copy_is_stale_and_the_coefficients_are_not(training, landmarks_of, subset):
    first, second = (training[f"{subset}/{PHOTOS[subset]}_{copy}"] for copy in (0, 1))
    points = annotated_points(first)
    assert np.array_equal(points, annotated_points(second))
    assert not np.array_equal(raw(first)["Pose_Para"], raw(second)["Pose_Para"])
    # The outline is left out: a fit to it is loose, and 40 + 10 vectors do not reach it.
    errors = [distance(landmarks_of(path)[INNER], points[INNER]) for path in (first, second)]
    assert errors[0] < 5
    assert errors[1] > 1.5 * errors[0]


@pytest.mark.parametrize("subset", PHOTOS)
def test_a_copy_moves_in_the_photo_as_its_coefficients_say(training, landmarks_of, subset):
    """Judged by the photos alone: patches of the one are looked for in the other."""
    first, second = (training[f"{subset}/{PHOTOS[subset]}_{copy}"] for copy in (0, 1))
    photos = [read_photo(path.with_suffix(".jpg")) for path in (first, second)]
    places = landmarks_of(first)[INNER, :2]
    seen = np.array([find_again(*photos, place) for place in places.round().astype(int)])
    said = landmarks_of(second)[INNER, :2] - places
    assert np.median(np.linalg.norm(seen - said, axis=1)) < 2
    assert np.median(np.linalg.norm(seen, axis=1)) > 3


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("subset", PHOTOS)
def test_pt2d_of_a_flipped_copy_is_mirrored_without_exchanging_left_and_right(training, landmarks_of, subset, copy):
    stem = f"{PHOTOS[subset]}_{copy}"
    path, flipped = training[f"{subset}/{stem}"], training[f"{subset}_Flip/{stem}"]
    points, mirrored = annotated_points(path), annotated_points(flipped)
    width = read_photo(path.with_suffix(".jpg")).shape[1]
    assert mirrored[:, 0] == pytest.approx(width - 1 - points[:, 0], abs=1e-3)
    assert mirrored[:, 1] == pytest.approx(points[:, 1], abs=1e-3)
    assert points[RIGHT_EYE, 0] < points[LEFT_EYE, 0]
    assert mirrored[RIGHT_EYE, 0] > mirrored[LEFT_EYE, 0]
    ours = landmarks_of(flipped)
    assert ours[RIGHT_EYE, 0] < ours[LEFT_EYE, 0] - 50


@pytest.mark.parametrize("subset", PHOTOS)
def test_coefficients_of_a_flipped_copy_are_a_new_fit(training, landmarks_of, subset):
    stem = f"{PHOTOS[subset]}_0"
    path, flipped = training[f"{subset}/{stem}"], training[f"{subset}_Flip/{stem}"]
    first, second = raw(path)["Shape_Para"].ravel(), raw(flipped)["Shape_Para"].ravel()
    assert not np.allclose(np.abs(first), np.abs(second), rtol=0.1)
    # and still they say the same face in the mirror, left and right exchanged
    width = read_photo(path.with_suffix(".jpg")).shape[1]
    mirrored = landmarks_of(flipped)[[RIGHT_EYE, LEFT_EYE, 48, 54]] * [-1, 1, 1] + [width - 1, 0, 0]
    assert distance(landmarks_of(path)[[LEFT_EYE, RIGHT_EYE, 54, 48]], mirrored) < 8


def test_the_flipped_photo_is_the_mirror_of_the_photo(training):
    for subset, stem in PHOTOS.items():
        paths = [training[f"{name}/{stem}_0"].with_suffix(".jpg") for name in (subset, f"{subset}_Flip")]
        photo, flipped = (read_photo(path).astype(float) for path in paths)
        assert np.abs(photo[:, ::-1] - flipped).mean() < 5
        assert np.abs(photo - flipped).mean() > 15


def test_roi_is_no_box_of_the_face(training, landmarks_of):
    for path in training.values():
        points = landmarks_of(path)
        low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
        roi = raw(path)["roi"].ravel().astype(float)
        shared = np.clip(np.minimum(high, roi[2:]) - np.maximum(low, roi[:2]), 0, None).prod()
        union = (high - low).prod() + (roi[2:] - roi[:2]).prod() - shared
        assert shared / union < 0.2, path.name
        height, width = read_photo(path.with_suffix(".jpg")).shape[:2]
        assert roi[2] > width or roi[3] > height or roi.min() < 0, "roi lies in the photo"


def test_photos_and_poses_of_all_copies_are_of_one_identity(training):
    assert {identity(name) for name in training} == {"AFW/AFW_134212", "HELEN/HELEN_232194", "IBUG/IBUG_image_008"}


def test_some_angles_are_not_wrapped_and_mean_the_rotation_of_the_wrapped_ones(aflw_pairs):
    poses = np.array([raw(path)["Pose_Para"].ravel() for _, path in aflw_pairs], np.float64)
    beyond = poses[np.abs(poses[:, :3]).max(axis=1) > np.pi]
    assert len(beyond) >= 5
    assert np.abs(poses[:, :3]).max() > 3 * np.pi
    for pose in beyond:
        wrapped = wrap_angle(pose[:3])
        assert np.abs(wrapped).max() <= np.pi
        assert rotation_matrix(*wrapped) == pytest.approx(rotation_matrix(*pose[:3]), abs=1e-9)


def test_a_pair_with_unwrapped_angles_is_read_as_its_true_landmarks_say(aflw_pairs, landmarks_of):
    errors = []
    for _, path in aflw_pairs:
        pose = raw(path)["Pose_Para"].ravel()
        if np.abs(pose[:3]).max() > np.pi and pose[6] > 0:
            errors.append(distance(landmarks_of(path), read_annotation(path).true_landmarks))
    assert len(errors) >= 5
    assert np.median(errors) < 5


def test_the_pair_with_a_negative_scale_is_refused(aflw_pairs):
    negative = [path for _, path in aflw_pairs if raw(path)["Pose_Para"].ravel()[6] <= 0]
    assert [path.stem for path in negative] == ["image04157"]
    with pytest.raises(ValueError, match="expected a positive number"):
        read_annotation(negative[0])


def test_pairs_with_23_points_are_read_as_those_with_21(aflw_pairs, landmarks_of):
    points = {path: raw(path)["pt2d"].shape for _, path in aflw_pairs}
    assert set(points.values()) == {(2, 21), (2, 23)}
    odd = [path for path, shape in points.items() if shape == (2, 23)]
    assert {path.stem for path in odd} <= {path.stem for path in points}
    for path in odd:
        truth = read_annotation(path).true_landmarks
        assert distance(landmarks_of(path), truth) < 0.03 * np.ptp(truth[:, :2], axis=0).mean()


def test_indices_of_the_face_model_are_read_to_0_based_rows(face_data, bfm):
    stored = raw(face_data / "bfm" / SHAPE_FILE)
    vertices = len(bfm.mean)
    assert (stored["tri"].dtype, stored["tri"].shape[0], stored["tri"].min()) == (np.uint16, 3, 1)
    assert stored["tri"].max() == vertices
    assert bfm.triangles.shape == (stored["tri"].shape[1], 3)
    for indices in (bfm.triangles, bfm.landmarks):
        assert indices.dtype == np.int32
        assert 0 <= indices.min() <= indices.max() < vertices
    assert (bfm.triangles.min(), bfm.triangles.max()) == (0, vertices - 1)
    corners = {tuple(sorted(triangle)) for triangle in stored["tri"].T[:100].astype(int) - 1}
    assert corners == {tuple(sorted(triangle)) for triangle in bfm.triangles[:100]}


def test_triangles_are_small_and_landmarks_symmetric_as_with_right_indices_only(bfm):
    """An index off by one still names a neighbour; one that wrapped, or a table read across, does not."""
    corners = bfm.mean[bfm.triangles].astype(np.float64)
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert edges.max() < 0.1 * np.ptp(bfm.mean, axis=0).max()
    across = bfm.mean[bfm.landmarks[36:42], 0].mean() + bfm.mean[bfm.landmarks[42:48], 0].mean()
    assert abs(across) < 0.02 * np.ptp(bfm.mean[:, 0])


def test_keypoints_off_by_one_are_farther_from_pt3d_68_than_ours(aflw_pairs, bfm, landmarks_of):
    def mean_error(shift):
        model = dataclasses.replace(bfm, landmarks=bfm.landmarks + shift)
        pairs = [path for _, path in aflw_pairs[::75]]
        return np.mean([distance(landmarks_of(path, model), read_annotation(path).true_landmarks) for path in pairs])

    right = mean_error(0)
    assert right < 2
    assert min(mean_error(-1), mean_error(1)) > right
