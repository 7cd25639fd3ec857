"""The map from Face Mesh's points to the 68 landmarks: what it learns, what it leaves alone, and what it saves."""

import numpy as np
import pytest

from pipeline.crops.landmark_map import ENOUGH, apply_map, learn_map, load_map, mesh_frame, save_map, table_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.similarity import apply_similarity, make_similarity

FACES = 300


def draw_meshes(seed, count=FACES):
    """Faces that differ in eight ways, anywhere in a photo, of any size and roll."""
    rng = np.random.default_rng(seed)
    mean, ways = np.random.default_rng(0).normal(size=(468, 3)), np.random.default_rng(1).normal(size=(8, 468, 3))
    mean[33], mean[263] = [-1, 0, 0], [1, 0, 0]
    meshes = mean + 0.1 * np.tensordot(rng.normal(size=(count, 8)), ways, axes=1)
    moves = [
        make_similarity(rng.uniform(20, 90), rng.uniform(-3, 3), (0, 0), rng.uniform(0, 500, 2)) for _ in range(count)
    ]
    meshes = np.stack([apply_similarity(move, mesh) for move, mesh in zip(moves, meshes, strict=True)])
    meshes[..., 2] += rng.uniform(-50, 50, size=(count, 1))
    return meshes


def annotate(meshes):
    """Landmarks that are other points than the table's, in no single point of the mesh."""
    return 0.7 * meshes[:, 100:168] + 0.3 * meshes[:, 300:368]


def learn(meshes, landmarks):
    """Learn from faces that there is no doubt about."""
    return learn_map(meshes, landmarks, np.ones(len(meshes)), np.zeros((len(meshes), 6, 2)))


def test_the_table_as_a_map_says_what_the_table_says():
    for mesh in draw_meshes(2, 20):
        assert apply_map(table_map(), mesh) == pytest.approx(read_landmarks(mesh), abs=1e-9)


def test_landmarks_that_follow_from_the_mesh_are_learnt_from_some_faces_and_found_in_others():
    train, test = draw_meshes(2), draw_meshes(3, 50)
    learnt = learn(train, annotate(train))
    found = np.stack([apply_map(learnt, mesh) for mesh in test])
    sides = np.sqrt(np.ptp(test[..., :2], axis=1).prod(axis=1))
    errors = np.linalg.norm(found - annotate(test), axis=2).mean(axis=1) / sides
    assert np.median(errors) < 5e-3
    table = np.linalg.norm(read_landmarks(test) - annotate(test), axis=2).mean(axis=1) / sides
    assert errors.max() < table.min() / 15


def test_an_offset_of_the_annotated_depth_does_not_matter():
    train = draw_meshes(2)
    offset = np.random.default_rng(4).normal(scale=100, size=(FACES, 1, 1)) * [0, 0, 1]
    learnt, moved = (learn(train, annotate(train) + shift) for shift in (0, offset))
    assert moved == pytest.approx(learnt, abs=1e-9)


def test_few_wrong_annotations_bend_the_map_little():
    train, test = draw_meshes(2), draw_meshes(3, 50)
    wrong = annotate(train)
    sides = np.sqrt(np.ptp(wrong[..., :2], axis=1).prod(axis=1))
    wrong[::10] += sides[::10, None, None] * [0.5, 0, 0]
    learnt = learn(train, wrong)
    errors = [
        np.linalg.norm(apply_map(learnt, mesh) - points, axis=1).mean() * mesh_scale(mesh)
        for mesh, points in zip(test, annotate(test), strict=True)
    ]
    # Least squares would move every landmark by a tenth of the half face, the mean of the annotations.
    assert np.median(errors) < 0.01


def mesh_scale(mesh):
    return np.hypot(*mesh_frame(mesh)[0][0, :2])


def test_a_face_moved_turned_and_enlarged_has_the_same_landmarks_there():
    train = draw_meshes(2)
    learnt = learn(train, annotate(train))
    mesh = draw_meshes(5, 1)[0]
    move = make_similarity(2.5, 2.0, (10, 20), (400, 300))
    moved = apply_map(learnt, apply_similarity(move, mesh))
    assert moved == pytest.approx(apply_similarity(move, apply_map(learnt, mesh)), abs=1e-8)


def test_a_mesh_is_levelled_about_its_mean_and_divided_by_the_root_of_width_times_height():
    mesh = np.zeros((468, 3))
    # Eyes' corners along y: turned by a quarter. Along them 40 px, across them 90: the root of the product is 60.
    mesh[[33, 263]] = [[0, -20, 0], [0, 20, 0]]
    mesh[[1, 2]] = [[45, 0, 468 * 3], [-45, 0, 0]]
    frame, depth = mesh_frame(mesh + np.array([100, 200, 0]))
    assert depth == pytest.approx(3)
    placed = apply_similarity(frame, np.array([[100.0, 200], [100, 220], [145, 200]]))
    assert placed == pytest.approx(np.array([[0, 0], [1 / 3, 0], [0, -3 / 4]]), abs=1e-9)


def test_too_few_faces_leave_the_table():
    train = draw_meshes(2, ENOUGH)
    assert (learn(train[1:], annotate(train[1:])) == table_map()).all()
    assert not (learn(train, annotate(train)) == table_map()).all()
    assert (learn(np.zeros((0, 468, 3)), np.zeros((0, 68, 3))) == table_map()).all()


def test_where_face_mesh_is_in_doubt_the_landmarks_follow_the_keypoints_of_the_detector():
    """Half of the faces turn to where the mesh has nothing to tell, but the keypoints have."""
    rng = np.random.default_rng(7)

    def draw(seed):
        meshes, doubts = draw_meshes(seed), rng.integers(0, 2, FACES).astype(float)
        frames = [np.linalg.inv(mesh_frame(mesh)[0]) for mesh in meshes]
        turns = rng.normal(scale=0.3, size=(FACES, 1, 1))
        keypoints = np.stack(
            [apply_similarity(f, turn * np.ones((6, 2))) for f, turn in zip(frames, turns, strict=True)]
        )
        moves = doubts[:, None, None] * turns * [1, 0, 0] / np.stack([[mesh_scale(mesh)] for mesh in meshes])[..., None]
        level = np.stack([f[:2, 0] / np.hypot(*f[:2, 0]) for f in frames])
        shift = moves[..., :1] * np.pad(level, ((0, 0), (0, 1)))[:, None]
        return meshes, annotate(meshes) + shift, 1 - doubts, keypoints

    train, test = draw(2), draw(3)
    learnt = learn_map(*train)
    meshes, landmarks, presences, keypoints = test
    errors = {"with": [], "without": []}
    for mesh, points, presence, marks in zip(meshes, landmarks, presences, keypoints, strict=True):
        for name, found in (
            ("with", apply_map(learnt, mesh, presence, marks)),
            ("without", apply_map(learnt, mesh)),
        ):
            errors[name].append(np.linalg.norm(found - points, axis=1).mean() * mesh_scale(mesh))
    doubtful = presences == 0
    assert np.median(np.array(errors["with"])[doubtful]) < 0.02
    assert np.median(np.array(errors["without"])[doubtful]) > 0.1
    assert np.median(np.array(errors["without"])[~doubtful]) < 0.02
    # Keypoints of a face that Face Mesh is sure of have no say.
    sure = apply_map(learnt, meshes[0], 1.0, keypoints[0])
    assert (sure == apply_map(learnt, meshes[0], 1.0, keypoints[0] + 30)).all()


def test_keypoints_count_by_the_doubt_and_no_farther_than_two_faces_away():
    mesh, learnt = draw_meshes(8, 1)[0], table_map()
    # x of the first landmark follows x of the first keypoint, y that of its y; both in levelled units.
    learnt[3 * 468, 0] = learnt[3 * 468 + 1, 1] = 1
    frame = mesh_frame(mesh)[0]
    plain = apply_similarity(frame, apply_map(learnt, mesh)[0, :2])

    def moved(place, presence=0.75):
        keypoints = apply_similarity(np.linalg.inv(frame), np.tile(place, (6, 1)))
        return apply_similarity(frame, apply_map(learnt, mesh, presence, keypoints)[0, :2]) - plain

    assert moved([0.8, -1.2]) == pytest.approx([0.2, -0.3])
    assert moved([0.8, -1.2], 1.0) == pytest.approx([0, 0], abs=1e-9)
    assert moved([30.0, -2.5]) == pytest.approx([0.5, -0.5])


def test_a_map_that_was_saved_is_loaded_to_the_last_bit(tmp_path):
    save_map(tmp_path / "a" / "map.h5", table_map())
    assert load_map(tmp_path / "a" / "map.h5").tobytes() == table_map().tobytes()
