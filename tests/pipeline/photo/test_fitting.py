"""The face model of the embedded bundle laid over the points of Face Mesh: against truth, and on a photo."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data

from model.scores.smoothness import adjacent_cosines, smooth_share
from pipeline.crops.face_mesh import MeshFace, find_faces, open_networks
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.camera import camera_matrix
from pipeline.face.face_model import deform
from pipeline.face.fit import FaceFit, fit_face, place
from pipeline.face.landmarks import MIRRORED, NOSE_ROOT
from pipeline.face.similarity import make_similarity
from pipeline.photo import fitting
from pipeline.photo.fitting import (
    ASIDE,
    FURTHER,
    correct,
    doubt_of,
    fit_map_to_photo,
    fit_mesh,
    fit_points,
    keypoint_distance,
    turn_further,
)
from pipeline.uv.position_map import sample_map
from pipeline.uv.surface import adjacent_triangles

HEIGHT, WIDTH = SIZE = 512, 512
UNSURE = (
    "Likely wrong: seen from the side, half covered, or no face (Face Mesh's score is {}; of a face that it sees well "
    "it is over 0.999)."
)


@pytest.fixture(scope="module")
def face():
    return find_faces(skimage.data.astronaut(), open_networks())[0]


def placed(model, coefficients, pose):
    camera = camera_matrix(pose, HEIGHT)
    return deform(model, coefficients[None])[0].astype(float) @ camera[:, :3].T + camera[:, 3]


def seen_as(mesh, confidence=1.0):
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    return MeshFace(np.concatenate([low, high - low]), mesh[:5, :2], confidence, 0, mesh, 0.9)


def truth(embedded, seed):
    """Pose and coefficients of a face of about 200 px, not seen from the side."""
    rng = np.random.default_rng(seed)
    pitch, yaw, roll = rng.uniform(-1, 1, 3) * [0.3, 0.4, 1.5]
    return np.array([pitch, yaw, roll, 250, 260, 40, 1.2e-3]), 0.7 * embedded.prior.sigma * rng.normal(
        size=len(embedded.prior.sigma)
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_face_that_the_model_can_express_comes_back(embedded, seed):
    pose, coefficients = truth(embedded, seed)
    found = fit_mesh(seen_as(placed(embedded.points, coefficients, pose)), embedded, SIZE)
    assert found.doubt == ""
    assert np.rad2deg(np.abs(found.pose[:3] - pose[:3])).max() < 0.2
    assert found.pose[3:5] == pytest.approx(pose[3:5], abs=0.5)
    assert found.pose[6] == pytest.approx(pose[6], rel=2e-3)
    camera = camera_matrix(pose, HEIGHT)
    vertices = (embedded.spread @ deform(embedded.model, coefficients[None])[0].astype(float)) @ camera[:, :3].T
    away = found.vertices - (vertices + camera[:, 3])[: len(found.vertices)]
    away[:, 2] -= away[:, 2].mean()
    assert np.abs(away[:, :2]).max() < 0.5
    assert np.abs(away[:, 2]).max() < 2


def test_a_stretched_face_that_no_coefficients_make_is_followed_by_the_correction(embedded):
    pose, coefficients = np.array([0, 0, 0, 250, 260, 0, 1.2e-3]), np.zeros(len(embedded.prior.mean))
    mesh = placed(embedded.points, coefficients, pose)
    chin = np.exp(-(np.linalg.norm(mesh[:, :2] - mesh[152, :2], axis=1) ** 2) / 30**2)
    mesh[:, 1] += 12 * chin
    found = fit_mesh(seen_as(mesh), embedded, SIZE)
    with_none = dataclasses.replace(embedded, correction=np.zeros_like(embedded.correction))
    without = fit_mesh(seen_as(mesh), with_none, SIZE)
    # Against the vertices next to the points: where no vertex is near, what they are apart by in the mean face.
    near = np.linalg.norm(embedded.spread @ embedded.model.mean - embedded.points.mean[:, None], axis=2)
    vertex = near.argmin(axis=1)
    close = near.min(axis=1) < 2000
    assert close.sum() > 200
    away, before = (
        np.linalg.norm((each.vertices[vertex] - mesh)[close & (chin > 0.5), :2], axis=1) for each in (found, without)
    )
    assert np.median(away) < 0.6 * np.median(before)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_face_from_the_side_is_turned_further_about_what_is_seen_of_it(embedded, side):
    pose, coefficients = (
        np.array([0, side * np.deg2rad(40), 0.2, 250, 260, 0, 1.2e-3]),
        np.zeros(len(embedded.prior.mean)),
    )
    mesh = placed(embedded.points, coefficients, pose)
    found = fit_mesh(seen_as(mesh), embedded, SIZE)
    assert np.rad2deg(found.pose[1]) == pytest.approx(side * (40 + FURTHER * 15), abs=0.3)
    assert np.rad2deg(found.pose[[0, 2]] - pose[[0, 2]]) == pytest.approx(0, abs=0.3)
    # The brow and the jaw of the far side are the model's; those of the near side are read off the points.
    far = {1: [0, 1, 2, 17, 18], -1: [14, 15, 16, 25, 26]}[side]
    near = MIRRORED[far]
    read = read_landmarks(mesh)
    assert found.landmarks[near, :2] == pytest.approx(read[near, :2])
    assert np.linalg.norm((found.landmarks - read)[far, :2], axis=1).min() > 0.5


def test_what_is_read_is_of_the_photo(embedded, face):
    found = fit_mesh(face, embedded, SIZE)
    assert found.doubt == ""
    assert (found.similarity == np.eye(3)).all()
    assert found.mesh is face.mesh
    assert found.landmarks[:, :2] == pytest.approx(read_landmarks(face.mesh)[:, :2])
    # The woman looks at the camera, her head a little to her left shoulder.
    pitch, yaw, roll = np.rad2deg(found.pose[:3])
    assert abs(pitch) < 12
    assert abs(yaw) < 8
    assert 0 < roll < 8


def test_mesh_landmarks_and_map_agree(embedded, face):
    found = fit_mesh(face, embedded, SIZE)
    surface, size = embedded.surface, float(face.box[2:].mean())
    # Jaw and brows of the registration are not moved to the model's own landmarks: see `pipeline.photo.registration`.
    inner = slice(NOSE_ROOT, None)
    own = [int(np.argmax(surface.vertices == vertex)) for vertex in surface.landmarks[inner]]
    assert (surface.vertices[own] == surface.landmarks[inner]).all(), "inner landmarks are shown"
    away = found.vertices[own] - found.landmarks[inner]
    assert np.median(np.linalg.norm(away[:, :2], axis=1)) < 0.015 * size
    assert np.linalg.norm(away[:, :2], axis=1).mean() < 0.0103 * size
    assert np.linalg.norm(away[:, :2], axis=1).max() < 0.0255 * size, "the tip of the nose"
    # z has the same offset as the mesh's.
    assert abs(np.median(away[:, 2])) < 0.03 * size
    inside = sample_map(found.position_map.astype(float), surface.vertex_uv) - found.vertices
    assert np.median(np.linalg.norm(inside, axis=1)) < 0.002 * size
    assert found.position_map.dtype == np.float32
    assert not found.position_map[~surface.face_mask].any()


def test_the_mesh_is_smooth(embedded, face):
    found = fit_mesh(face, embedded, SIZE)
    triangles = embedded.surface.triangles
    assert np.array_equal(np.sort(embedded.surface.pairs, axis=1), np.sort(adjacent_triangles(triangles), axis=1))
    assert smooth_share(adjacent_cosines(found.vertices, triangles, embedded.surface.pairs)) > 97


def test_the_mesh_faces_the_viewer(embedded, face):
    found = fit_mesh(face, embedded, SIZE)
    corners = found.vertices[embedded.surface.triangles]
    # y is down, so that what is counter-clockwise from outside has a negative z here.
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.average(np.sign(-normal[:, 2]), weights=np.linalg.norm(normal, axis=1)) > 0.8


def test_a_point_is_off_by_a_hundredth_of_the_face_by_three_in_depth_and_by_three_times_that_where_it_is_covered(
    monkeypatch,
):
    told = []
    monkeypatch.setattr(fitting, "fit_face", lambda *arguments: told.append(arguments))
    mesh = np.zeros((468, 3))
    mesh[:2] = [[0, 0, 0], [100, 140, 900]]  # a size of 120 px
    seen, covered = np.arange(468) % 3 > 0, np.arange(468) % 2 > 0
    fit_points(mesh, seen, SimpleNamespace(points="points", prior="prior"), HEIGHT, covered, "start")
    ((points, target, sigma, prior, height, start),) = told
    assert (points, prior, height, start) == ("points", "prior", HEIGHT, "start")
    assert target is mesh
    assert np.unique(sigma[seen & ~covered], axis=0) == pytest.approx(np.array([[1.2, 1.2, 3.6]]))
    assert np.unique(sigma[seen & covered], axis=0) == pytest.approx(np.array([[3.6, 3.6, 10.8]]))
    assert np.isinf(sigma[~seen]).all()


def test_what_points_are_off_the_model_moves_its_vertices_in_depth_by_three_tenths_of_it(embedded):
    pose = np.array([0.1, 0.2, 0.3, 250, 260, 0, 1.2e-3])
    fit = FaceFit(pose, camera_matrix(pose, HEIGHT), np.zeros(len(embedded.prior.mean)), lambda: None, 0.0)
    correction = np.zeros_like(embedded.correction)
    correction[5, 10], correction[6, 20], correction[7, 30] = 1, 0.5, 1
    mesh = place(embedded.points, fit) + np.array([0, 0, 40])
    seen = np.arange(468) != 30
    mesh[10] += [2, -3, 467]  # in the mean of the 467 seen points 1 px
    mesh[30] += [99, 99, 99]
    bundle = dataclasses.replace(embedded, correction=correction)
    vertices, offset = correct(fit, mesh, seen, bundle)
    assert offset == pytest.approx(41)
    moved = vertices - place(embedded.model, fit)
    assert moved[5] == pytest.approx([2, -3, 0.3 * (467 - 1)], rel=1e-5)
    assert moved[6] == pytest.approx([0, 0, 0.5 * 0.3 * -1], abs=1e-5)
    assert np.abs(np.delete(moved, [5, 6], axis=0)).max() < 1e-5


@pytest.mark.parametrize("all_covered", [False, True])
def test_covered_points_are_not_followed_and_landmarks_have_the_depth_of_the_mesh(embedded, monkeypatch, all_covered):
    followed = []

    def told(fit, _, seen, bundle):
        followed.append(seen)
        return place(bundle.model, fit), 17.0

    monkeypatch.setattr(fitting, "correct", told)
    pose = np.array([0, 0, 0, 250, 260, 40, 1.2e-3])
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), pose)
    covered = np.ones(468, bool) if all_covered else mesh[:, 1] > np.median(mesh[:, 1])
    found = fit_mesh(dataclasses.replace(seen_as(mesh), covered=covered), embedded, SIZE)
    assert followed[0].sum() > 100
    assert followed[0][covered].any() == all_covered
    nose = slice(27, 36)
    assert found.landmarks[nose, 2] == pytest.approx(read_landmarks(mesh)[nose, 2] - 17)


def test_what_was_fitted_to_a_map_is_brought_to_the_photo_and_off_by_a_share_of_the_face(embedded, monkeypatch):
    pose, size = np.array([0.1, 0.2, 0.3, 90, 100, 4, 5e-4]), 128
    fit = FaceFit(pose, camera_matrix(pose, size), np.zeros(len(embedded.prior.mean)), lambda: None, 3.0)
    monkeypatch.setattr(fitting, "fit_texels", lambda *_: fit)
    maps = np.full((size, size, 3), 1e4, np.float32)
    maps[0, :2] = [[0, 0, 0], [100, 140, 9]]  # a size of 120 px at the texels that are fitted to
    network = SimpleNamespace(points=None, texels=np.array([0, 1]))
    # The crop is twice as large as the photo, and 10 and 20 px further.
    similarity = make_similarity(2.0, 0.0, (0, 0), (10, 20))
    found, residual = fit_map_to_photo(maps, similarity, network, embedded, HEIGHT)
    assert residual == pytest.approx(3 / 120)
    crop = embedded.spread @ place(embedded.model, fit)
    assert found.vertices[:, :2] == pytest.approx((crop[:, :2] - [10, 20]) / 2)
    assert np.ptp(found.vertices[:, 2]) == pytest.approx(np.ptp(crop[:, 2]) / 2)
    assert found.landmarks[:, :2] == pytest.approx((place(embedded.landmarks, fit)[:, :2] - [10, 20]) / 2)


def test_noise_is_doubted(embedded):
    mesh = np.random.default_rng(0).uniform(100, 300, (468, 3))
    doubt = fit_mesh(seen_as(mesh), embedded, SIZE).doubt
    assert doubt.startswith("Likely wrong: the points found are ")
    assert doubt.endswith("% of the face's size from those of any face.")


def test_noise_of_a_few_hundredths_is_not_doubted_yet_twice_as_much_is(embedded, face):
    size = float(face.box[2:].mean())
    noise = size * np.random.default_rng(0).normal(size=(468, 3))
    few, many = (fit_mesh(seen_as(face.mesh + share * noise), embedded, SIZE) for share in (0.02, 0.06))
    assert few.doubt == ""
    assert many.doubt


def test_what_face_mesh_is_not_sure_of_is_doubted(embedded, face):
    unsure = fit_mesh(dataclasses.replace(face, confidence=0.1), embedded, SIZE)
    assert unsure.doubt == UNSURE.format("0.100")
    sure = fit_mesh(face, embedded, SIZE)
    assert np.array_equal(unsure.vertices, sure.vertices)


# --- faces seen from the side ------------------------------------------------------------------------------------

ASIDE_POSE = np.array([0.1, 0.6, -0.7, 250, 260, 0, 1.2e-3])


@pytest.mark.parametrize("yaw", [0.5, -0.5, 0.9])
def test_a_face_seen_from_the_side_is_turned_further_and_keeps_the_rest_of_its_pose(embedded, yaw):
    pose = ASIDE_POSE.copy()
    pose[1] = yaw
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), pose)
    found = fit_mesh(seen_as(mesh), embedded, SIZE)
    assert found.pose[:3] == pytest.approx([0.1, yaw + np.sign(yaw) * FURTHER * (abs(yaw) - ASIDE), -0.7], abs=5e-3)
    assert found.doubt == ""


def test_a_face_is_turned_to_the_side_at_most_and_its_roll_stays_known(embedded):
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), ASIDE_POSE)
    seen = np.ones(len(mesh), bool)
    fit = fit_face(embedded.points, mesh, 1.0, embedded.prior, HEIGHT)
    for yaw, expected in (
        (1.5, np.deg2rad(89)),
        (-1.5, np.deg2rad(-89)),
        (0.8, 0.8 + 0.3 * (0.8 - np.deg2rad(25))),
        (-0.43, -0.43),
    ):
        pose = np.array([0.1, yaw, -0.7, 250, 260, 0, 1.2e-3])
        further = turn_further(
            dataclasses.replace(fit, pose=pose, camera=camera_matrix(pose, HEIGHT)), mesh, seen, embedded, HEIGHT
        )
        assert further.pose[:3] == pytest.approx([0.1, expected, -0.7])
        assert further.camera == pytest.approx(camera_matrix(further.pose, HEIGHT))


def test_it_is_turned_about_the_seen_points_at_the_size_that_fits_them_best(embedded):
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), ASIDE_POSE)
    fit = fit_face(embedded.points, mesh, 1.0, embedded.prior, HEIGHT)
    seen = np.arange(len(mesh)) % 3 > 0
    further = turn_further(fit, mesh, seen, embedded, HEIGHT)
    turned = place(embedded.points, further)[seen, :2]
    assert turned.mean(axis=0) == pytest.approx(mesh[seen, :2].mean(axis=0), abs=1e-6)

    def misfit(scale):
        return ((scale * (turned - turned.mean(axis=0)) + turned.mean(axis=0) - mesh[seen, :2]) ** 2).sum()

    assert misfit(1.0) < min(misfit(0.999), misfit(1.001))


def test_what_face_mesh_guesses_of_the_hidden_half_is_not_followed(embedded):
    pose = ASIDE_POSE.copy()
    pose[1] = 0.9
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), pose)
    # Of the two sides' silhouettes the one further away from the viewer.
    sides = np.array([[454, 323, 361, 288, 356], [234, 93, 132, 58, 127]])
    hidden = sides[mesh[sides, 2].mean(axis=1).argmin()]
    wrong = mesh.copy()
    wrong[hidden, :2] += 3
    right, misled = (fit_mesh(seen_as(each), embedded, SIZE) for each in (mesh, wrong))
    assert np.abs(misled.vertices[:, :2] - right.vertices[:, :2]).max() < 0.05
    assert np.abs(misled.landmarks[:, :2] - right.landmarks[:, :2]).max() < 0.05


@pytest.mark.parametrize(
    ("presence", "residual", "apart", "doubt"),
    [
        (0.999, 0.06, 0.1, ""),
        (0.99899, 0.0, 0.0, UNSURE.format("0.998")),
        (0.49, 0.07, 0.11, UNSURE.format("0.490")),
        (1.0, 0.07, 0.1, "Likely wrong: the points found are 7 % of the face's size from those of any face."),
        (
            1.0,
            0.07,
            0.17,
            "Likely wrong: half covered or seen from the side (eyes, nose and mouth are 17 % of the face's size from "
            "where the detector saw them).",
        ),
    ],
)
def test_the_limits_of_doubt(presence, residual, apart, doubt):
    assert doubt_of(presence, residual, apart) == doubt


def test_points_that_left_what_the_detector_saw_are_doubted(embedded, face):
    assert 0 < keypoint_distance(face) < 0.06
    # All six are as far away: the mean over the four that Face Mesh has too is that distance.
    points = np.vstack([face.points[:3], face.points[3:].mean(axis=0), face.points[:2]])
    size = float(face.box[2:].mean())
    away = dataclasses.replace(face, keypoints=points + size * np.array([0.09, 0.12]))
    assert keypoint_distance(away) == pytest.approx(0.15)
    assert fit_mesh(away, embedded, SIZE).doubt.startswith("Likely wrong: half covered or seen from the side")
    assert keypoint_distance(dataclasses.replace(face, keypoints=None)) == 0


def test_a_learnt_map_reads_all_landmarks_and_without_one_the_hidden_ones_are_the_model_s(embedded):
    from pipeline.crops.landmark_map import table_map

    pose = np.array([0, np.deg2rad(70), 0, 250, 260, 0, 1.2e-3])
    face = seen_as(placed(embedded.points, np.zeros(len(embedded.prior.mean)), pose))
    without = fit_mesh(face, embedded, SIZE).landmarks
    mapped = fit_mesh(face, dataclasses.replace(embedded, landmark_map=table_map()), SIZE).landmarks
    apart = np.linalg.norm(mapped[:, :2] - read_landmarks(face.mesh)[:, :2], axis=1)
    assert apart.max() < 1e-9
    other = np.linalg.norm(without - mapped, axis=1) > 1e-6
    # A yaw of 70 degrees hides one side: the corner of one eye is read in both, that of the other is not.
    assert sorted(other[[36, 45]]) == [False, True]
    assert 10 < other.sum() < 34


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_landmarks_beyond_the_border_of_the_photo_are_the_model_s(embedded, side):
    pose = np.array([0, 0, 0, 250, 260, 0, 1.2e-3])
    mesh = placed(embedded.points, np.zeros(len(embedded.prior.mean)), pose)
    whole = fit_mesh(seen_as(mesh), embedded, SIZE).landmarks
    middle = whole[:, :2].mean(axis=0)
    # The photo ends, or begins, in the middle of the face.
    height, width = (HEIGHT, int(middle[0])) if side == "right" else (int(middle[1]), WIDTH)
    height, width = (height, width) if side in ("right", "bottom") else (HEIGHT, WIDTH)
    if side in ("left", "top"):
        axis = 0 if side == "left" else 1
        mesh[:, axis] -= middle[axis]
        whole[:, axis] -= middle[axis]
    found = fit_mesh(seen_as(mesh), embedded, (height, width)).landmarks
    x, y = whole[:, 0], whole[:, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    assert 20 < inside.sum() < 48
    read = read_landmarks(mesh)
    assert found[inside, :2] == pytest.approx(read[inside, :2])
    # Jaw and brows of the model are elsewhere than where they are read.
    jaw_and_brows = ~inside & (np.arange(68) < NOSE_ROOT)
    assert np.median(np.linalg.norm((found - read)[jaw_and_brows, :2], axis=1)) > 1
