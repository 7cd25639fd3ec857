"""Head pose against the labels of AFLW2000-3D: how far off annotated meshes are, read as predictions are."""

import numpy as np
import pytest

from model.scores.head_pose import LIMIT_DEG, score_pose
from pipeline.face.camera import project, wrap_degrees
from pipeline.face.face_model import at_vertices, deform, select_coefficients
from pipeline.face.fit import fit_face, prior_of
from pipeline.face.head_pose import estimate_pose
from pipeline.raw.annotations import read_annotation
from pipeline.uv.map_fit import SIGMA_PX

HEIGHT = 450


@pytest.fixture(scope="module")
def annotations(aflw_pairs):
    found = []
    for _, path in aflw_pairs:
        try:
            found.append(read_annotation(path))
        except ValueError:  # one has a negative scale
            continue
    return found


def test_the_cut_leaves_out_the_heads_that_are_turned_furthest(annotations):
    angles = wrap_degrees(np.rad2deg([annotation.pose[:3] for annotation in annotations]))
    # 31 of all 2,000.
    assert (len(angles), (np.abs(angles) > LIMIT_DEG).any(axis=1).sum()) == (1499, 24)
    left_out = [score_pose(annotation.pose[:3], annotation.pose[:3])["pose_mae"] is None for annotation in annotations]
    assert sum(left_out) == 24


def test_the_annotated_mesh_has_the_annotated_pose_as_far_as_its_reading_goes(annotations, bfm):
    chosen = [a for a in annotations if score_pose(a.pose[:3], a.pose[:3])["pose_mae"] is not None][::30]
    coefficients = select_coefficients(
        bfm, np.array([a.shape for a in annotations]), np.array([a.expression for a in annotations])
    )
    prior = prior_of(coefficients)
    rows = {id(annotation): row for annotation, row in zip(annotations, coefficients, strict=True)}
    # The front of the face, between and above the landmarks.
    marks = bfm.mean[bfm.landmarks]
    low, high = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0) + np.array([0, 30000])
    front = ((bfm.mean[:, :2] > low) & (bfm.mean[:, :2] < high)).all(axis=1) & (bfm.mean[:, 2] > marks[:17, 2].min())
    kept = np.flatnonzero(front)[::60]
    face = at_vertices(bfm, lambda values: values[kept])
    laid, fitted = [], []
    for annotation in chosen:
        vertices = project(deform(face, rows[id(annotation)][None])[0], annotation.pose, HEIGHT)
        # The deviation of map_fit, which is of a crop of 256 px: 1.5 times the landmarks' box.
        sigma = SIGMA_PX * 1.5 * np.ptp(vertices[:, :2], axis=0).mean() / 256
        for poses, pose in (
            (laid, estimate_pose(vertices, face.mean, HEIGHT)),
            (fitted, fit_face(face, vertices, sigma, prior, HEIGHT).pose),
        ):
            poses.append(score_pose(pose[:3], annotation.pose[:3]))
    floors = [{name: np.mean([row[name] for row in poses]) for name in poses[0]} for poses in (laid, fitted)]
    # A mean face that is laid over a smile or a long chin is turned by it, most in pitch.
    assert floors[0]["pose_mae"] == pytest.approx(0.8, abs=0.2)
    assert floors[0]["pose_pitch"] > 2 * floors[0]["pose_yaw"]
    assert floors[1]["pose_mae"] < 0.3
    assert floors[1]["pose_geodesic"] < 0.5
