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


def test_the_table_as_a_map_says_what_the_table_says():
    for mesh in draw_meshes(2, 20):
        assert apply_map(table_map(), mesh) == pytest.approx(read_landmarks(mesh), abs=1e-9)


def test_landmarks_that_follow_from_the_mesh_are_learnt_from_some_faces_and_found_in_others():
    train, test = draw_meshes(2), draw_meshes(3, 50)
    learnt = learn_map(train, annotate(train))
    found = np.stack([apply_map(learnt, mesh) for mesh in test])
    sides = np.sqrt(np.ptp(test[..., :2], axis=1).prod(axis=1))
    errors = np.linalg.norm(found - annotate(test), axis=2).mean(axis=1) / sides
    assert np.median(errors) < 5e-3
    table = np.linalg.norm(read_landmarks(test) - annotate(test), axis=2).mean(axis=1) / sides
    assert errors.max() < table.min() / 15


def test_an_offset_of_the_annotated_depth_does_not_matter():
    train = draw_meshes(2)
    offset = np.random.default_rng(4).normal(scale=100, size=(FACES, 1, 1)) * [0, 0, 1]
    learnt, moved = (learn_map(train, annotate(train) + shift) for shift in (0, offset))
    assert moved == pytest.approx(learnt, abs=1e-9)


def test_few_wrong_annotations_bend_the_map_little():
    train, test = draw_meshes(2), draw_meshes(3, 50)
    wrong = annotate(train)
    sides = np.sqrt(np.ptp(wrong[..., :2], axis=1).prod(axis=1))
    wrong[::10] += sides[::10, None, None] * [0.5, 0, 0]
    learnt = learn_map(train, wrong)
    errors = [
        np.linalg.norm(apply_map(learnt, mesh) - points, axis=1).mean() / mesh_size(mesh)
        for mesh, points in zip(test, annotate(test), strict=True)
    ]
    # Least squares would move every landmark by a tenth of the half face, the mean of the annotations.
    assert np.median(errors) < 0.01


def mesh_size(mesh):
    return 1 / np.hypot(*mesh_frame(mesh)[0][0, :2])


def test_a_face_moved_turned_and_enlarged_has_the_same_landmarks_there():
    train = draw_meshes(2)
    learnt = learn_map(train, annotate(train))
    mesh = draw_meshes(5, 1)[0]
    move = make_similarity(2.5, 2.0, (10, 20), (400, 300))
    moved = apply_map(learnt, apply_similarity(move, mesh))
    assert moved == pytest.approx(apply_similarity(move, apply_map(learnt, mesh)), abs=1e-8)


def test_too_few_faces_leave_the_table():
    train = draw_meshes(2, ENOUGH)
    assert (learn_map(train[1:], annotate(train[1:])) == table_map()).all()
    assert not (learn_map(train, annotate(train)) == table_map()).all()
    assert (learn_map(np.zeros((0, 468, 3)), np.zeros((0, 68, 3))) == table_map()).all()


def test_a_map_that_was_saved_is_loaded_to_the_last_bit(tmp_path):
    save_map(tmp_path / "a" / "map.h5", table_map())
    assert load_map(tmp_path / "a" / "map.h5").tobytes() == table_map().tobytes()
