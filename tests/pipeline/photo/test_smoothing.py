"""The One-Euro filter, by hand; and a face's pose through it."""

import numpy as np
import pytest

from pipeline.face.camera import camera_matrix
from pipeline.face.fit import FaceFit
from pipeline.photo.smoothing import one_euro, smooth_face, smoothing_factor

# A cutoff of 1 / (2 pi) Hz has a time constant of one second.
ONE_SECOND = 1 / (2 * np.pi)


def run(values, seconds, **settings):
    state, out = None, []
    for value in values:
        state = one_euro(state, np.array([value], float), seconds, **settings)
        out.append(state.values[0])
    return out


def test_the_weight_of_a_value_after_one_time_constant_is_a_half():
    assert smoothing_factor(ONE_SECOND, 1.0) == pytest.approx(1 / 2)
    assert smoothing_factor(ONE_SECOND, 0.25) == pytest.approx(1 / 5)
    assert smoothing_factor([2 * ONE_SECOND, 4 * ONE_SECOND], 0.5) == pytest.approx([1 / 2, 2 / 3])


def test_what_stays_is_unchanged():
    assert run([7.25] * 9, 0.1, beta=3.0) == [7.25] * 9


def test_without_beta_a_step_is_followed_as_by_a_first_order_low_pass():
    # alpha = 1/5: what is missing shrinks by 4/5 with each value.
    out = run([0.0, *[1.0] * 30], 0.25, beta=0.0, min_cutoff=ONE_SECOND)
    assert out == pytest.approx([1 - 0.8**k for k in range(31)])


def test_short_steps_converge_with_the_time_constant():
    out = run([0.0, *[1.0] * 1000], 0.001, beta=0.0, min_cutoff=ONE_SECOND)
    assert out[-1] == pytest.approx(1 - np.exp(-1), abs=2e-3)


def test_a_step_by_hand_with_the_speed():
    # alpha of the speed 1/2: speed (4 - 0) / 1 / 2 = 2. cutoff (1 + 1.5 * 2) / (2 pi): alpha 4/5 of 4 is 3.2.
    first = one_euro(None, np.array([0.0]), 0.0, beta=0.0)
    state = one_euro(first, np.array([4.0]), 1.0, 1.5 * ONE_SECOND, ONE_SECOND, ONE_SECOND)
    assert (state.speed[0], state.values[0]) == pytest.approx((2.0, 3.2))
    # The speed now: 1/2 (4 - 3.2) + 1/2 2 = 1.4; cutoff 1 + 2.1 = 3.1, alpha 3.1/4.1.
    state = one_euro(state, np.array([4.0]), 1.0, 1.5 * ONE_SECOND, ONE_SECOND, ONE_SECOND)
    assert (state.speed[0], state.values[0]) == pytest.approx((1.4, 3.2 + 0.8 * 3.1 / 4.1))


def test_a_steady_movement_lags_by_no_more_than_one_over_two_pi_beta():
    beta = 2.0
    for speed in (1.0, 10.0):
        values = speed * np.arange(4000) / 1000
        lag = values[-1] - run(values, 1 / 1000, beta=beta, min_cutoff=0.5)[-1]
        # A low-pass filter's lag is speed / (2 pi cutoff); the speed is seen from the filtered value, which is behind.
        assert speed / (2 * np.pi * lag) == pytest.approx(0.5 + beta * (speed + 1000 * lag), rel=1e-3)
        assert 0 < lag < 1 / (2 * np.pi * beta)


def make_fit(roll, scale):
    pose = np.array([0.1, 0.2, roll, 30.0, 40.0, 5.0, scale])
    return FaceFit(pose, camera_matrix(pose, 480), np.array([1.0, -2.0, 0.0]), lambda: np.eye(3), 0.5)


class TestFace:
    mesh = np.random.default_rng(0).uniform(0, 100, (468, 3))
    sigma = np.array([2.0, 1.0, 0.0])

    def test_a_face_that_stays_is_unchanged(self):
        state, fit = None, make_fit(3.0, 2.0)
        for _ in range(4):
            state, smooth, mesh = smooth_face(state, fit, self.mesh, self.sigma, 0.04, 480)
        assert smooth.pose == pytest.approx(fit.pose)
        assert smooth.camera == pytest.approx(fit.camera)
        assert smooth.coefficients == pytest.approx(fit.coefficients)
        assert mesh == pytest.approx(self.mesh)

    def test_a_roll_over_180_degrees_takes_the_short_way_and_a_scale_its_geometric_mean(self):
        state, _, _ = smooth_face(None, make_fit(np.radians(178), 1.0), self.mesh, self.sigma, 0.04, 480)
        _, smooth, _ = smooth_face(state, make_fit(np.radians(-178), 4.0), self.mesh, self.sigma, 0.04, 480)
        assert 178 < abs(np.rad2deg(smooth.pose[2])) <= 180.01
        assert smooth.pose[:2] == pytest.approx([0.1, 0.2], abs=5e-3)
        # The filter's weight, by the speed log(4) / 0.04 s.
        speed = smoothing_factor(1.0, 0.04) * np.log(4) / 0.04
        assert np.log(smooth.pose[6]) == pytest.approx(np.log(4) * smoothing_factor(0.5 + 20 * speed, 0.04))
        assert smooth.camera == pytest.approx(camera_matrix(smooth.pose, 480))
