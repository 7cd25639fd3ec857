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


def test_what_falls_is_followed_as_what_rises():
    rising = run([0.0, 1.0, 3.0, 4.0], 0.1, beta=2.0)
    assert run([0.0, -1.0, -3.0, -4.0], 0.1, beta=2.0) == pytest.approx([-value for value in rising])


def make_fit(roll, scale, coefficients=(1.0, -2.0, 0.0)):
    pose = np.array([0.1, 0.2, roll, 30.0, 40.0, 5.0, scale])
    return FaceFit(pose, camera_matrix(pose, 480), np.array(coefficients), lambda: np.eye(3), 0.5)


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

    @pytest.mark.parametrize("degrees", [0, 90, 180, 270])
    def test_a_face_that_rolls_past_any_quarter_turn_does_not_spin(self, degrees):
        """Of the two quaternions of a turn scipy gives another one on the other side of some of them."""
        turns = [make_fit(np.radians(degrees + side), 2.0) for side in (-1, 1)]
        state, _, _ = smooth_face(None, turns[0], self.mesh, self.sigma, 0.04, 480)
        _, smooth, _ = smooth_face(state, turns[1], self.mesh, self.sigma, 0.04, 480)
        roll = (np.rad2deg(smooth.pose[2]) - degrees + 180) % 360 - 180
        assert -1 < roll < 1
        assert smooth.pose[:2] == pytest.approx([0.1, 0.2], abs=1e-3)

    def test_a_coefficient_moves_by_its_sigmas_and_a_point_by_its_share_of_the_face(self):
        """Whatever moves the face's points by as much of its size is followed as fast."""
        mesh = 10 + 0.7 * self.mesh
        mesh[0], mesh[1] = [0, 0, 0], [100, 100, 0]  # a size of 100 px, also where the others are moved
        state, _, _ = smooth_face(None, make_fit(0.0, 1.0), mesh, self.sigma, 0.04, 480)
        # 30 sigmas are a face's size: 3, of a sigma of 2 and of 1, are a tenth of it; so are 10 px.
        moved, raised = mesh.copy(), (1.0 + 6.0, -2.0 + 3.0, 0.0)
        moved[2:] += [10, 0, 0]
        _, smooth, points = smooth_face(state, make_fit(0.0, 1.0, raised), moved, self.sigma, 0.04, 480)
        # A speed of 0.1 sizes in 0.04 s, of which the filter of the speed sees a share; 20 Hz for one size a second.
        weight = smoothing_factor(0.5 + 20 * smoothing_factor(1.0, 0.04) * 0.1 / 0.04, 0.04)
        assert smooth.coefficients == pytest.approx([1 + 6 * weight, -2 + 3 * weight, 0])
        assert points[2:, 0] - mesh[2:, 0] == pytest.approx(10 * weight)
