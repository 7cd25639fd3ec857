"""Pose and coefficients fitted to points: against synthetic truth, and against what theory says of noise and prior."""

import numpy as np
import pytest

from pipeline.face.camera import camera_matrix, project, rotation_matrix
from pipeline.face.face_model import FaceModel, at_vertices, deform
from pipeline.face.fit import Prior, fit_face, load_prior, place, prior_of, save_prior

HEIGHT = 480
SHAPES, EXPRESSIONS = 6, 3
# As BFM's: identity is counted in hundreds of thousands, expression in ones.
SIGMA = np.array([4e5, 3e5, 3e5, 2e5, 1e5, 1e5, 1.2, 0.8, 0.5])
MEAN = SIGMA * np.array([0.1, 0.0, -0.2, 0.0, 0.0, 0.1, 0.5, -0.5, 0.0])
PRIOR = Prior(MEAN, SIGMA)
FLAT_PRIOR = Prior(MEAN, 1e5 * SIGMA)
# So narrow that 68 points with noise say about as much.
NARROW, NOISE_PX = Prior(MEAN, SIGMA / 5), 4.0
RIGID = Prior(MEAN, 0 * SIGMA)


def make_face(vertices, depth=1.0):
    """A face-like bulge with a nose, 140 by 180 mm, with smooth vectors that move a vertex by 3 mm a sigma."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, size=(2, vertices))
    z = 0.9 - 0.6 * x**2 - 0.3 * y**2 + 0.4 * np.exp(-8 * (x**2 + (y + 0.1) ** 2))
    mean = np.stack([70e3 * x, 90e3 * y, depth * 70e3 * z], axis=1)
    waves = rng.normal(size=(3, SHAPES + EXPRESSIONS, 3)) * 2
    phases = rng.uniform(0, 2 * np.pi, size=(3, SHAPES + EXPRESSIONS))
    basis = np.cos(np.einsum("vi,api->vap", np.stack([x, y, z], axis=1), waves) + phases) * 3e3 / SIGMA
    return FaceModel(
        mean=mean.astype(np.float32),
        shape_basis=basis[..., :SHAPES].astype(np.float32),
        expression_basis=basis[..., SHAPES:].astype(np.float32),
        triangles=np.zeros((0, 3), np.int32),
        landmarks=np.arange(68, dtype=np.int32),
    )


DENSE, SPARSE = make_face(1500), make_face(68)


def shoot(model, pose, coefficients):
    """Photo pixels (K, 3) of a face, in double precision."""
    basis = np.concatenate([model.shape_basis, model.expression_basis], axis=2).astype(np.float64)
    return project(model.mean + basis @ coefficients, pose, HEIGHT)


def draw_pose(rng, yaw=None):
    """Any roll, yaw to +-90 degrees, a face of 100 to 300 px anywhere in the photo."""
    yaw = rng.uniform(-90, 90) if yaw is None else yaw
    angles = np.deg2rad([rng.uniform(-50, 50), yaw, rng.uniform(-180, 180)])
    return np.array([*angles, *rng.uniform(50, 400, size=2), rng.uniform(-1e3, 1e3), rng.uniform(0.7, 2) * 1e-3])


def draw_coefficients(rng, prior=PRIOR):
    return prior.mean + prior.sigma * rng.normal(size=len(MEAN))


def angle_between(pose, other):
    """Of the two rotations, in degrees."""
    turn = rotation_matrix(*pose[:3]) @ rotation_matrix(*other[:3]).T
    # The arc sine of the half chord, since the arc cosine of the trace is blind to small angles.
    return np.rad2deg(2 * np.arcsin(np.linalg.norm(turn - np.eye(3)) / 8**0.5))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("yaw", [None, -90, 0, 90])
def test_dense_points_without_noise_and_prior_give_the_truth(axes, yaw):
    rng = np.random.default_rng(axes)
    for _ in range(25):
        pose, coefficients = draw_pose(rng, yaw), draw_coefficients(rng)
        fit = fit_face(DENSE, shoot(DENSE, pose, coefficients)[:, :axes], 1.0, FLAT_PRIOR, HEIGHT)
        assert angle_between(fit.pose, pose) < 0.01
        assert np.abs((fit.coefficients - coefficients) / SIGMA).max() < 1e-3
        assert fit.pose[3:5] == pytest.approx(pose[3:5], abs=1e-2)
        assert fit.pose[5] == pytest.approx(pose[5] if axes == 3 else 0, abs=1e-2)
        assert fit.pose[6] == pytest.approx(pose[6], rel=1e-4)
        assert fit.residual_px < 1e-4


def test_a_face_turned_anyhow_is_found_even_from_its_back():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pose = draw_pose(rng)
        pose[:3] = rng.uniform(-np.pi, np.pi, size=3)
        fit = fit_face(SPARSE, shoot(SPARSE, pose, MEAN)[:, :2], 1.0, PRIOR, HEIGHT)
        assert angle_between(fit.pose, pose) < 0.01


def jacobian(model, pose, coefficients, axes):
    """Of the pixels by the pose, without tz, and the coefficients, by differences: (K * axes, 6 + P)."""
    parameters = np.concatenate([np.delete(pose, 5), coefficients])
    steps = 1e-4 * np.concatenate([[1, 1, 1, 1, 1, pose[6]], SIGMA])
    columns = []
    for i, step in enumerate(steps):
        ends = []
        for sign in (1, -1):
            moved = parameters.copy()
            moved[i] += sign * step
            points = shoot(model, np.insert(moved[:6], 5, pose[5]), moved[6:])
            ends.append(points[:, :axes] - (axes == 3) * np.array([0, 0, points[:, 2:].mean()])[:axes])
        columns.append((ends[0] - ends[1]).ravel() / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_covariance_is_the_inverse_curvature_of_the_cost(axes):
    rng = np.random.default_rng(1)
    pose, coefficients = draw_pose(rng, yaw=30), draw_coefficients(rng, NARROW)
    noise = rng.normal(scale=NOISE_PX, size=(68, axes))
    fit = fit_face(SPARSE, shoot(SPARSE, pose, coefficients)[:, :axes] + noise, NOISE_PX, NARROW, HEIGHT)
    slopes = jacobian(SPARSE, fit.pose, fit.coefficients, axes)
    curvature = slopes.T @ slopes / NOISE_PX**2 + np.diag([0] * 6 + [*NARROW.sigma**-2])
    expected = np.linalg.inv(curvature)[6:, 6:] / np.outer(NARROW.sigma, NARROW.sigma)
    assert fit.covariance / np.outer(NARROW.sigma, NARROW.sigma) == pytest.approx(expected, abs=1e-5)
    assert 0.05 < np.diag(expected).min() < np.diag(expected).max() < 0.99


def test_bias_and_spread_over_noise_are_those_of_the_formula():
    """Of one face, whose coefficients the prior draws towards its mean."""
    rng = np.random.default_rng(2)
    pose, draws = draw_pose(rng, yaw=40), 500
    coefficients = MEAN + NARROW.sigma * np.resize([1.0, -1.0], len(MEAN))
    points = shoot(SPARSE, pose, coefficients)[:, :2]
    slopes = jacobian(SPARSE, pose, coefficients, 2)
    data = slopes.T @ slopes / NOISE_PX**2
    inverse = np.linalg.inv(data + np.diag([0] * 6 + [*NARROW.sigma**-2]))
    bias = -inverse[6:, 6:] @ ((coefficients - MEAN) / NARROW.sigma**2) / NARROW.sigma
    spread = (inverse @ data @ inverse)[6:, 6:] / np.outer(NARROW.sigma, NARROW.sigma)

    fits = [
        fit_face(SPARSE, points + rng.normal(scale=NOISE_PX, size=points.shape), NOISE_PX, NARROW, HEIGHT)
        for _ in range(draws)
    ]
    errors = np.array([(fit.coefficients - coefficients) / NARROW.sigma for fit in fits])
    # The estimate must be worth a test: neither all prior nor all data.
    assert np.abs(bias).max() > 0.2
    assert np.sqrt(np.diag(spread)).min() > 0.1
    whitener = np.linalg.inv(np.linalg.cholesky(spread))
    white = (errors - bias) @ whitener.T
    assert np.abs(white.mean(axis=0)).max() < 4 / draws**0.5
    assert np.cov(white.T) == pytest.approx(np.eye(len(MEAN)), abs=4 * (2 / draws) ** 0.5)


@pytest.mark.parametrize("axes", [2, 3])
def test_errors_of_faces_drawn_from_the_prior_have_the_covariance_that_the_fit_states(axes):
    rng = np.random.default_rng(3)
    draws, surprises = 250, []
    for _ in range(draws):
        coefficients = draw_coefficients(rng, NARROW)
        points = shoot(SPARSE, draw_pose(rng), coefficients)[:, :axes]
        noise = rng.normal(scale=NOISE_PX, size=points.shape)
        fit = fit_face(SPARSE, points + noise, NOISE_PX, NARROW, HEIGHT)
        error = (fit.coefficients - coefficients) / NARROW.sigma
        surprises.append(error @ np.linalg.solve(fit.covariance / np.outer(NARROW.sigma, NARROW.sigma), error))
    # Chi squared with a degree of freedom for each coefficient.
    assert np.mean(surprises) == pytest.approx(len(MEAN), abs=4 * (2 * len(MEAN) / draws) ** 0.5)


@pytest.mark.parametrize("axes", [2, 3])
def test_points_that_are_not_seen_have_no_say(axes):
    rng = np.random.default_rng(4)
    pose, coefficients = draw_pose(rng, yaw=60), draw_coefficients(rng)
    points = shoot(SPARSE, pose, coefficients)[:, :axes] + rng.normal(size=(68, axes))
    seen = SPARSE.mean[:, 0] > 0
    assert 25 < seen.sum() < 45
    alone = fit_face(at_vertices(SPARSE, lambda values: values[seen]), points[seen], 2.0, PRIOR, HEIGHT)
    without_points = fit_face(SPARSE, np.where(seen[:, None], points, np.nan), 2.0, PRIOR, HEIGHT)
    without_sigma = fit_face(SPARSE, np.where(seen[:, None], points, 1e4), np.where(seen, 2.0, np.inf), PRIOR, HEIGHT)
    for fit in (without_points, without_sigma):
        assert fit.pose == pytest.approx(alone.pose)
        assert fit.coefficients / SIGMA == pytest.approx(alone.coefficients / SIGMA)
        assert fit.covariance / np.outer(SIGMA, SIGMA) == pytest.approx(alone.covariance / np.outer(SIGMA, SIGMA))
        assert fit.residual_px == pytest.approx(alone.residual_px)


@pytest.mark.parametrize("axes", [2, 3])
def test_half_a_dense_face_gives_the_truth(axes):
    rng = np.random.default_rng(5)
    for yaw in (-90, -60, 30, 75, 90):
        pose, coefficients = draw_pose(rng, yaw), draw_coefficients(rng)
        points = shoot(DENSE, pose, coefficients)[:, :axes]
        points[DENSE.mean[:, 0] * yaw > 0] = np.nan
        fit = fit_face(DENSE, points, 1.0, FLAT_PRIOR, HEIGHT)
        assert angle_between(fit.pose, pose) < 0.01
        assert np.abs((fit.coefficients - coefficients) / SIGMA).max() < 1e-3


def test_a_coordinate_of_little_worth_has_little_say():
    rng = np.random.default_rng(6)
    pose, coefficients = draw_pose(rng), draw_coefficients(rng)
    points = shoot(DENSE, pose, coefficients)
    sigma = np.ones(points.shape)
    points[::3, 1] += 50
    sigma[::3, 1] = 1e6
    points[1::2, 2] = np.nan
    points[5::7, 0] = np.nan
    fit = fit_face(DENSE, points, sigma, FLAT_PRIOR, HEIGHT)
    assert angle_between(fit.pose, pose) < 0.01
    assert np.abs((fit.coefficients - coefficients) / SIGMA).max() < 1e-3


def test_points_whose_depth_is_never_seen_are_points_of_a_plane():
    points = shoot(SPARSE, draw_pose(np.random.default_rng(7)), MEAN)
    plane = fit_face(SPARSE, points[:, :2], 1.0, PRIOR, HEIGHT)
    for depth, sigma in ((np.nan, 1.0), (7.0, np.tile([1.0, 1.0, np.inf], (68, 1)))):
        points[:, 2] = depth
        fit = fit_face(SPARSE, points, sigma, PRIOR, HEIGHT)
        assert (fit.pose == plane.pose).all()
        assert (fit.coefficients == plane.coefficients).all()
    assert plane.pose[5] == 0


@pytest.mark.parametrize("axes", [2, 3])
def test_a_face_moved_and_enlarged_in_the_photo_is_the_same_face(axes):
    rng = np.random.default_rng(8)
    points = shoot(SPARSE, draw_pose(rng), draw_coefficients(rng))[:, :axes] + rng.normal(size=(68, axes))
    shift = np.array([1000, -200, 5e4])[:axes]
    fit = fit_face(SPARSE, points, 2.0, PRIOR, HEIGHT)
    moved = fit_face(SPARSE, 3 * points + shift, 6.0, PRIOR, HEIGHT)
    assert moved.pose[:3] == pytest.approx(fit.pose[:3], abs=1e-9)
    assert moved.coefficients / SIGMA == pytest.approx(fit.coefficients / SIGMA, abs=1e-8)
    assert moved.camera[:axes, :3] == pytest.approx(3 * fit.camera[:axes, :3])
    assert moved.camera[:axes, 3] == pytest.approx(3 * fit.camera[:axes, 3] + shift)
    assert moved.residual_px == pytest.approx(3 * fit.residual_px)


@pytest.mark.parametrize("seed", range(10))
def test_a_mirrored_face_is_never_fitted_by_a_reflection(seed):
    rng = np.random.default_rng(seed)
    points = shoot(SPARSE, draw_pose(rng), MEAN)
    assert fit_face(SPARSE, points, 1.0, RIGID, HEIGHT).residual_px < 1e-3
    fit = fit_face(SPARSE, points * [-1, 1, 1], 1.0, RIGID, HEIGHT)
    # Photos have y down, so that the camera's own determinant is negative.
    assert np.linalg.det(fit.camera[:, :3]) == pytest.approx(-(fit.pose[6] ** 3))
    assert fit.pose[6] > 0
    assert fit.residual_px > 1


@pytest.mark.parametrize("depth", [0.0, 0.05, 0.3])
def test_the_depth_of_a_nearly_flat_face_is_not_reversed(depth):
    """A plane seen from far away looks the same turned to the left and to the right; what is left of depth decides."""
    rng = np.random.default_rng(9)
    model = make_face(300, depth)
    for _ in range(30):
        pose = draw_pose(rng, yaw=rng.choice([-1, 1]) * rng.uniform(20, 70))
        points = shoot(model, pose, draw_coefficients(rng))[:, :2]
        fit = fit_face(model, points, 1.0, FLAT_PRIOR, HEIGHT)
        assert angle_between(fit.pose, pose) < 0.01


def test_four_points_of_a_plane_seen_from_the_front_are_enough():
    """They tell nothing of what moves them towards the viewer, and how far they are tilted only to second order."""
    corners = np.array([[-1e5, -1e5, 0], [1e5, -1e5, 0], [1e5, 1e5, 0], [-1e5, 1e5, 0]], np.float32)
    forwards = np.array([[0, 0, 1], [0, 0, -2], [0, 0, 0], [0, 0, 3]], np.float32)[:, :, None]
    upwards = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1e3, 0]], np.float32)[:, :, None]
    square = FaceModel(corners, forwards, upwards, *[None] * 2)
    points = [[100, 300], [300, 300], [300, 100], [100, 100]]
    fit = fit_face(square, points, 1.0, Prior(np.zeros(2), np.array([7.0, 2.0])), HEIGHT)
    assert fit.camera[:2] == pytest.approx(np.array([[1e-3, 0, 0, 200], [0, -1e-3, 0, 200]]), abs=1e-6)
    assert fit.coefficients == pytest.approx([0, 0], abs=1e-6)
    # A unit of the second moves one of the eight coordinates by 1 px, of which shift, scale and roll explain the shares
    # 1/4, 1/8 and 1/8, and tilts nothing. The other half comes to what the prior says, 1/4.
    assert fit.covariance == pytest.approx(np.diag([7.0**2, 1 / (1 / 4 + 1 / 2)]), abs=1e-6)


def test_no_other_face_is_more_probable():
    rng = np.random.default_rng(10)
    points = shoot(SPARSE, draw_pose(rng), draw_coefficients(rng)) + rng.normal(scale=4, size=(68, 3))
    sigma = rng.uniform(2, 6, size=(68, 3))
    fit = fit_face(SPARSE, points, sigma, PRIOR, HEIGHT)

    def cost(pose, coefficients):
        misfit = (shoot(SPARSE, pose, coefficients) - points) / sigma
        return (misfit**2).sum() + (((coefficients - MEAN) / SIGMA) ** 2).sum()

    best = cost(fit.pose, fit.coefficients)
    steps = np.array([0.01, 0.01, 0.01, 0.5, 0.5, 0.5, 1e-5, *0.1 * SIGMA])
    for _ in range(300):
        step = steps * rng.normal(size=len(steps)) * 10 ** rng.uniform(-2, 1)
        assert cost(fit.pose + step[:7], fit.coefficients + step[7:]) > best


def test_the_camera_is_that_of_the_pose():
    fit = fit_face(SPARSE, shoot(SPARSE, draw_pose(np.random.default_rng(11)), MEAN), 1.0, PRIOR, HEIGHT)
    assert (fit.camera == camera_matrix(fit.pose, HEIGHT)).all()


def test_a_fit_at_landmarks_places_all_vertices():
    rng = np.random.default_rng(12)
    pose, coefficients = draw_pose(rng), draw_coefficients(rng)
    some = at_vertices(DENSE, lambda values: values[::10])
    fit = fit_face(some, shoot(some, pose, coefficients), 1.0, FLAT_PRIOR, HEIGHT)
    truth = project(deform(DENSE, coefficients[None])[0], pose, HEIGHT)
    assert place(DENSE, fit) == pytest.approx(truth, abs=0.05)


def test_the_residual_is_the_weighted_distance_in_the_photo():
    rng = np.random.default_rng(13)
    points = shoot(SPARSE, draw_pose(rng), MEAN) + rng.normal(scale=5, size=(68, 3))
    sigma = rng.uniform(1, 9, size=68)
    fit = fit_face(SPARSE, points, sigma, PRIOR, HEIGHT)
    squares = ((place(SPARSE, fit) - points)[:, :2] ** 2).sum(axis=1)
    assert fit.residual_px == pytest.approx(np.sqrt(np.average(squares, weights=sigma**-2)), rel=1e-5)


def test_a_prior_is_mean_and_deviation_of_the_training_set():
    prior = prior_of(np.array([[1, 5, 2], [3, 5, 2], [5, 5, 8]], np.float32))
    assert prior.mean.tolist() == [3, 5, 4]
    assert prior.sigma == pytest.approx([(8 / 3) ** 0.5, 0, 8**0.5])


def test_a_prior_that_was_saved_is_loaded_to_the_last_bit(tmp_path):
    save_prior(tmp_path / "a" / "prior.h5", PRIOR)
    loaded = load_prior(tmp_path / "a" / "prior.h5")
    assert loaded.mean.tobytes() == PRIOR.mean.tobytes()
    assert loaded.sigma.tobytes() == PRIOR.sigma.tobytes()


def test_a_coefficient_that_never_varies_stays_at_its_mean():
    rng = np.random.default_rng(14)
    sigma = np.where(np.arange(len(SIGMA)) == 2, 0, SIGMA)
    fit = fit_face(DENSE, shoot(DENSE, draw_pose(rng), draw_coefficients(rng)), 1.0, Prior(MEAN, sigma), HEIGHT)
    assert fit.coefficients[2] == MEAN[2]
    assert (fit.covariance[2] == 0).all()
    assert (fit.covariance[:, 2] == 0).all()
    assert (np.diag(np.delete(np.delete(fit.covariance, 2, 0), 2, 1)) > 0).all()


def cost(points, sigma, prior, fit):
    misfit = (shoot(SPARSE, fit.pose, fit.coefficients)[:, : points.shape[1]] - points) / sigma
    return (misfit**2).sum() + (((fit.coefficients - prior.mean) / prior.sigma) ** 2).sum()


def test_a_round_more_never_makes_it_worse(monkeypatch):
    """Not even for a face a third of whose points are far off, where plain Gauss-Newton steps go too far."""
    rng = np.random.default_rng(15)
    for _ in range(20):
        points = shoot(SPARSE, draw_pose(rng), draw_coefficients(rng))[:, :2]
        points[::3] += rng.normal(scale=300, size=points[::3].shape)
        costs = []
        for rounds in range(8):
            monkeypatch.setattr("pipeline.face.fit.ROUNDS", rounds)
            costs.append(cost(points, 1.0, FLAT_PRIOR, fit_face(SPARSE, points, 1.0, FLAT_PRIOR, HEIGHT)))
        assert (np.diff(costs) < 1e-6 * costs[0]).all()


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("prior", [PRIOR, RIGID])
def test_points_that_are_no_face_still_have_a_finite_fit(axes, prior):
    rng = np.random.default_rng(16)
    for _ in range(100):
        fit = fit_face(SPARSE, 100 * rng.standard_cauchy(size=(68, axes)), 1.0, prior, HEIGHT)
        assert np.isfinite(fit.camera).all()
        assert np.isfinite(fit.coefficients).all()
        assert fit.residual_px > 10


def some_points():
    return shoot(SPARSE, draw_pose(np.random.default_rng(16)), MEAN)


def test_a_fit_begins_where_another_one_ended(monkeypatch):
    """Without a round it is the other one, but for its translation, which the first round finds."""
    rng = np.random.default_rng(17)
    points = shoot(SPARSE, draw_pose(rng, yaw=30), draw_coefficients(rng))
    start = fit_face(SPARSE, points, 2.0, PRIOR, HEIGHT)
    assert np.abs((start.coefficients - MEAN) / SIGMA).min() > 1e-3
    monkeypatch.setattr("pipeline.face.fit.ROUNDS", 0)
    fit = fit_face(SPARSE, points + 50, 2.0, PRIOR, HEIGHT, start)
    assert fit.pose[[0, 1, 2, 6]] == pytest.approx(start.pose[[0, 1, 2, 6]])
    assert (fit.coefficients - start.coefficients) / SIGMA == pytest.approx(0, abs=1e-9)


def test_points_in_one_place_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="all lie in one place: check the landmarks"):
        fit_face(SPARSE, np.full((68, 2), 7.0), 1.0, PRIOR, HEIGHT)


@pytest.mark.parametrize("direction", [[0, 0, 0], [1, 2, 3]])
def test_a_model_without_extent_is_refused_with_a_sentence(direction):
    line = np.linspace(-1e5, 1e5, 68)[:, None] * direction
    model = FaceModel(line.astype(np.float32), SPARSE.shape_basis, SPARSE.expression_basis, *[None] * 2)
    with pytest.raises(ValueError, match="one place or on one line"):
        fit_face(model, some_points(), 1.0, Prior(0 * MEAN, SIGMA), HEIGHT)


def test_fewer_than_four_seen_points_are_refused_with_a_sentence():
    points = some_points()
    points[3:, 1] = np.nan
    with pytest.raises(ValueError, match="3 seen points of 68: at least 4"):
        fit_face(SPARSE, points, 1.0, PRIOR, HEIGHT)
    with pytest.raises(ValueError, match="0 seen points of 68"):
        fit_face(SPARSE, some_points(), np.inf, PRIOR, HEIGHT)


@pytest.mark.parametrize("shape", [(67, 2), (68, 4), (68,), (1, 68, 2)])
def test_points_of_another_model_are_refused_with_a_sentence(shape):
    with pytest.raises(ValueError, match=r"expected \(68, 2 or 3\)"):
        fit_face(SPARSE, np.zeros(shape), 1.0, PRIOR, HEIGHT)


def test_a_sigma_that_does_not_belong_to_the_points_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"sigma has shape \(68, 3\); expected one number, \(68,\) or \(68, 2\)"):
        fit_face(SPARSE, some_points()[:, :2], np.ones((68, 3)), PRIOR, HEIGHT)
    with pytest.raises(ValueError, match="not positive"):
        fit_face(SPARSE, some_points(), 0.0, PRIOR, HEIGHT)


def test_a_prior_of_another_model_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="8 means and 8 sigmas, the face model 9 vectors"):
        fit_face(SPARSE, some_points(), 1.0, Prior(MEAN[1:], SIGMA[1:]), HEIGHT)
