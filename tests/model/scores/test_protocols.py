import numpy as np
import pytest

from model.scores import protocols as evaluation
from model.scores import scoring, smoothness, statistics
from pipeline.uv.scaling import Scaling
from pipeline.uv.surface import Points, adjacent_triangles


def rotation(axis, angle_deg):
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    turn = np.eye(3)
    first, second = [i for i in range(3) if i != axis]
    turn[first, first], turn[first, second], turn[second, first], turn[second, second] = c, -s, s, c
    return turn


def face(seed=3):
    """68 points in a box of exactly 40 x 90 px, with outer eye corners 50 px apart in 3D and 30 px in x, y."""
    points = np.random.default_rng(seed).uniform([10, 20, -30], [50, 110, 30], (68, 3))
    points[0], points[1] = [10, 20, 0], [50, 110, 0]
    points[36], points[45] = [12, 50, 0], [42, 50, 40]
    return points


def shifted(points, x, y, z):
    return points + np.array([x, y, z], float)


class TestGoldenErrors:
    def test_3ddfa_divides_the_mean_distance_by_the_geometric_mean_of_the_true_box(self):
        truth = face()
        prediction = shifted(truth, 3, 4, 1000)
        # Every point is 5 px off in x, y; the true box is 40 x 90, so d = 60 px.
        assert evaluation.error_3ddfa(prediction, truth) == pytest.approx(100 * 5 / 60)

    def test_one_point_off_counts_one_sixty_eighth(self):
        truth = face()
        prediction = truth.copy()
        prediction[5, :2] += [-6.0, 8.0]
        assert evaluation.error_3ddfa(prediction, truth) == pytest.approx(100 * 10 / 60 / 68)

    def test_the_box_is_the_true_one_not_the_predicted_one(self):
        truth = face()
        prediction = truth.copy()
        prediction[1, 0] += 100
        assert evaluation.error_3ddfa(prediction, truth) == pytest.approx(100 * 100 / 68 / 60)

    def test_prnet_3d_removes_the_mean_depth_of_each(self):
        truth = face()
        prediction = shifted(truth, 3, 4, 0)
        prediction[:34, 2] += 112.0
        prediction[34:, 2] += 88.0
        # 12 px off in z on either side of the mean shift of 100: sqrt(3^2 + 4^2 + 12^2) = 13.
        assert evaluation.error_prnet(prediction, truth, dimensions=3) == pytest.approx(100 * 13 / 60)
        assert evaluation.error_prnet(prediction, truth, dimensions=2) == pytest.approx(100 * 5 / 60)

    def test_thesis_divides_by_the_3d_distance_of_the_outer_eye_corners(self):
        truth = face()
        prediction = shifted(truth, 3, 4, 77)
        # 30 px in x and 40 px in z make 50 px.
        assert evaluation.error_thesis(prediction, truth, truth) == pytest.approx(100 * 5 / 50)

    def test_thesis_mesh_is_normalised_by_the_landmarks(self):
        mesh = np.random.default_rng(0).normal(size=(500, 3)) * 40
        assert evaluation.error_thesis(shifted(mesh, 0, 7, 0), mesh, face()) == pytest.approx(100 * 7 / 50)

    def test_reconstruction_sees_only_the_shape(self):
        truth = np.random.default_rng(1).normal(size=(300, 3)) * 40
        moved = 1.7 * truth @ (rotation(0, 20) @ rotation(1, 50) @ rotation(2, -30)).T + [100, -50, 400]
        assert evaluation.error_reconstruction(moved, truth, face()) == pytest.approx(0, abs=1e-9)

    def test_reconstruction_of_a_stretched_cross_by_hand(self):
        axes = np.concatenate([np.eye(3), -np.eye(3)])
        truth, prediction = 10 * axes, axes * [10, 10, 40]
        # Best scale = sum s.t / sum s.s = (100 + 100 + 400) / (100 + 100 + 1600) = 1/3: the arms 10, 10, 40 become
        # 10/3, 10/3, 40/3, off by 20/3, 20/3, 10/3; the mean is 50/9 px of 50 px.
        assert evaluation.error_reconstruction(prediction, truth, face()) == pytest.approx(100 * (50 / 9) / 50)

    def test_a_batch_gives_the_errors_of_its_images(self):
        truth = np.stack([face(1), face(2), face(3)])
        prediction = truth + np.random.default_rng(0).normal(size=truth.shape)
        for function in (
            evaluation.error_3ddfa,
            lambda p, t: evaluation.error_prnet(p, t, 3),
            lambda p, t: evaluation.error_thesis(p, t, t),
            lambda p, t: evaluation.error_reconstruction(p, t, t),
        ):
            single = [function(p, t) for p, t in zip(prediction, truth, strict=True)]
            assert function(prediction, truth) == pytest.approx(single)

    def test_points_without_extent_are_refused_with_a_sentence(self):
        with pytest.raises(ValueError, match="no extent"):
            evaluation.error_3ddfa(np.zeros((68, 3)), np.zeros((68, 3)))


class TestInvariance:
    @pytest.mark.parametrize("seed", range(5))
    def test_a_shift_of_depth_changes_nothing_under_the_mean_rule(self, seed):
        rng = np.random.default_rng(seed)
        truth, prediction = face(seed), face(seed) + rng.normal(size=(68, 3))
        for function in (
            lambda p: evaluation.error_prnet(p, truth, 3),
            lambda p: evaluation.error_thesis(p, truth, truth),
        ):
            assert function(shifted(prediction, 0, 0, rng.uniform(-500, 500))) == pytest.approx(function(prediction))

    @pytest.mark.parametrize("seed", range(5))
    def test_a_shift_in_the_picture_is_an_error_except_after_a_fit(self, seed):
        rng = np.random.default_rng(seed)
        truth = face(seed)
        shift = np.array([*rng.uniform(5, 9, 2), 0])
        assert evaluation.error_3ddfa(truth + shift, truth) > 5
        assert evaluation.error_prnet(truth + shift, truth, 3) > 5
        assert evaluation.error_thesis(truth + shift, truth, truth) > 5
        assert evaluation.error_reconstruction(truth + shift, truth, truth) < 1e-9

    @pytest.mark.parametrize("seed", range(5))
    def test_every_error_is_the_same_in_a_photo_of_twice_the_size(self, seed):
        truth, prediction = face(seed), face(seed) + np.random.default_rng(seed).normal(size=(68, 3))
        for function in (
            evaluation.error_3ddfa,
            lambda p, t: evaluation.error_prnet(p, t, 3),
            lambda p, t: evaluation.error_thesis(p, t, t),
            lambda p, t: evaluation.error_reconstruction(p, t, t),
        ):
            assert function(2 * prediction, 2 * truth) == pytest.approx(function(prediction, truth))


class TestReconstruction:
    @pytest.mark.parametrize("seed", range(20))
    def test_a_mirrored_face_is_an_error_also_after_the_fit(self, seed):
        source = np.random.default_rng(seed).normal(size=(30, 3)) * [3, 2, 1]
        assert evaluation.error_reconstruction(source, source * [-1, 1, 1], face()) > 0.5


class TestYawBins:
    def test_limits_belong_to_the_lower_bin_and_angles_are_wrapped(self):
        yaw = [0, 30, -30, 30.0001, 60, -60, 60.0001, 90, -179, -351, 351, 400]
        assert statistics.yaw_bin(yaw).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 1]

    def test_the_mean_of_the_bins_is_not_the_plain_mean(self):
        errors, yaw = [1, 1, 1, 1, 4, 7], [0, 5, 10, -20, 45, 80]
        assert statistics.yaw_bin_means(errors, yaw) == {"yaw_00_30": 1, "yaw_30_60": 4, "yaw_60_90": 7}
        assert statistics.mean_of_yaw_bins(errors, yaw) == 4

    def test_the_mean_of_a_bin_is_no_median(self):
        assert statistics.yaw_bin_means([0, 0, 6, 8], [0, 1, 2, 45]) == {"yaw_00_30": 2, "yaw_30_60": 8}

    def test_an_empty_bin_leaves_no_number(self):
        assert statistics.yaw_bin_means([1, 3], [0, -80]) == {"yaw_00_30": 1, "yaw_60_90": 3}
        assert statistics.mean_of_yaw_bins([1, 3], [0, -80]) is None


class TestCurve:
    def test_it_counts_what_is_at_most_the_threshold(self):
        curve = statistics.cumulative_curve([1.0, 2.0, 2.0, 5.0], [0.5, 1.0, 2.0, 4.9, 5.0])
        assert curve.tolist() == [0, 25, 75, 75, 100]

    def test_an_empty_test_part_is_refused(self):
        with pytest.raises(ValueError, match="empty"):
            statistics.cumulative_curve([], [1.0])


class TestBootstrap:
    def test_the_interval_is_that_of_the_normal_mean(self):
        values = np.random.default_rng(5).normal(10, 3, 900)
        interval = statistics.bootstrap_interval(values, 4000, seed=1)
        # Standard error of the mean: 3 / sqrt(900) = 0.1; 1.96 of it on either side.
        assert interval.mean == pytest.approx(values.mean())
        assert interval.low == pytest.approx(values.mean() - 0.196, abs=0.02)
        assert interval.high == pytest.approx(values.mean() + 0.196, abs=0.02)

    def test_it_covers_the_true_mean_about_nineteen_times_of_twenty(self):
        rng = np.random.default_rng(11)
        intervals = [statistics.bootstrap_interval(rng.normal(size=60), 400, seed) for seed in range(300)]
        covered = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
        assert 0.90 <= covered <= 0.98

    def test_equal_values_have_no_width_and_one_value_is_its_own_interval(self):
        assert statistics.bootstrap_interval([2.5] * 7, 200, 0) == (2.5, 2.5, 2.5)
        assert statistics.bootstrap_interval([4.0], 200, 0) == (4.0, 4.0, 4.0)

    def test_the_seed_decides_every_digit(self):
        values = np.random.default_rng(0).gamma(2, size=50)
        assert statistics.bootstrap_interval(values, 300, 7) == statistics.bootstrap_interval(values, 300, 7)
        assert statistics.bootstrap_interval(values, 300, 7) != statistics.bootstrap_interval(values, 300, 8)

    def test_large_sets_are_drawn_in_portions(self):
        values = np.random.default_rng(0).normal(size=600_000)
        interval = statistics.bootstrap_interval(values, 7, 0)
        assert interval.low < interval.mean < interval.high

    def test_pairs_tell_apart_what_two_intervals_cannot(self):
        rng = np.random.default_rng(2)
        hard = rng.gamma(2, 3, 200)
        ours, other = hard + rng.normal(0, 0.1, 200), hard + 0.2 + rng.normal(0, 0.1, 200)
        first, second = (statistics.bootstrap_interval(values, 500, 0) for values in (ours, other))
        assert first.high > second.low
        assert statistics.verdict(statistics.paired_interval(ours, other, 500, 0), 3) == "better"
        assert statistics.verdict(statistics.paired_interval(other, ours, 500, 0), 3) == "worse"
        same = statistics.verdict(statistics.paired_interval(ours, ours, 500, 0), 3)
        assert same == "not told apart"

    @pytest.mark.parametrize(
        ("interval", "words"),
        [
            ((-1, -2, -0.1), "better"),
            ((-1, -2, 0), "not told apart"),
            ((-1, -2, 0.1), "not told apart"),
            ((1, -0.1, 2), "not told apart"),
            ((1, 0, 2), "not told apart"),
            ((1, 0.1, 2), "worse"),
        ],
    )
    def test_an_interval_that_holds_no_difference_tells_nothing(self, interval, words):
        difference = statistics.Interval(*interval)
        assert [statistics.verdict(difference, seeds) for seeds in (1, 2, 3, 9)] == [None, None, words, words]

    def test_pairs_of_different_images_are_refused(self):
        with pytest.raises(ValueError, match="same images: got 3 and 2"):
            statistics.paired_interval([1, 2, 3], [1, 2], 100, 0)


class TestSmoothness:
    # Two unit squares that share the edge x = 0, each of two triangles.
    vertices = np.array([[-1, 0, 0], [0, 0, 0], [0, 1, 0], [-1, 1, 0], [1, 0, 0], [1, 1, 0]], float)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])

    def folded(self, angle_deg):
        vertices = self.vertices.copy()
        vertices[4:, 0], vertices[4:, 2] = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        return vertices

    def test_adjacent_triangles_share_an_edge_and_rims_make_no_pair(self):
        pairs = adjacent_triangles(self.triangles)
        assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (0, 3), (2, 3)]

    @pytest.mark.parametrize("angle", [0, 14, 16, 90, 150])
    def test_a_fold_has_its_angle_between_the_normals(self, angle):
        pairs = adjacent_triangles(self.triangles)
        cosines = smoothness.adjacent_cosines(self.folded(angle), self.triangles, pairs)
        assert sorted(np.rad2deg(np.arccos(cosines)).round(3)) == [0, 0, angle]
        assert smoothness.smooth_share(cosines) == pytest.approx(100 if angle < 15 else 200 / 3)

    def test_the_histogram_and_its_curve_tell_the_share_under_each_degree(self):
        pairs = adjacent_triangles(self.triangles)
        cosines = smoothness.adjacent_cosines(self.folded(40.5), self.triangles, pairs)
        histogram = smoothness.angle_histogram(cosines)
        assert histogram.shape == (180,)
        assert histogram[0] == 2
        assert histogram[40] == 1
        curve = smoothness.angle_curve(histogram)
        assert curve[[0, 1, 40, 41, 180]].tolist() == pytest.approx([0, 200 / 3, 200 / 3, 100, 100])

    def test_a_mesh_folded_flat_on_itself_is_in_the_last_degree(self):
        assert smoothness.angle_histogram(np.array([-1.0]))[179] == 1

    def test_a_triangle_without_area_counts_as_rough(self):
        vertices = self.vertices.copy()
        vertices[0] = vertices[1]
        pairs = adjacent_triangles(self.triangles)
        cosines = smoothness.adjacent_cosines(vertices, self.triangles, pairs)
        assert sorted(cosines.tolist()) == [0, 0, 1]

    def test_angles_do_not_change_with_a_similarity(self):
        pairs = adjacent_triangles(self.triangles)
        turned = 7 * self.folded(33) @ (rotation(0, 12) @ rotation(1, 80)).T + 5
        before = smoothness.adjacent_cosines(self.folded(33), self.triangles, pairs)
        assert smoothness.adjacent_cosines(turned, self.triangles, pairs) == pytest.approx(before)


class TestScoring:
    def test_every_protocol_is_scored_and_the_truth_has_no_error(self):
        rng = np.random.default_rng(0)
        landmarks, vertices, texels = (rng.uniform(0, 8, (count, 3)) for count in (68, 4, 49))
        truth, perfect = Points(face(), vertices, texels), Points(landmarks, vertices, texels)
        errors = scoring.score(perfect, truth, landmarks, np.array([[0, 1, 2], [1, 2, 3]]))
        assert list(errors) == [name for name in evaluation.PROTOCOLS if name != "nme68_2d_reannotated"]
        assert max(errors.values()) == pytest.approx(0, abs=1e-9)


class TestSurface:
    """A bulging sheet of 21 x 21 vertices; the eyes' corners of `face` are 50 px apart."""

    across, down = np.meshgrid(np.linspace(-30, 30, 21), np.linspace(-40, 40, 21))
    sheet = np.stack([across, down, 20 * np.exp(-((across + 8) ** 2) / 200 - down**2 / 400)], axis=2).reshape(-1, 3)
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 21, corner + 1], 1), np.stack([corner + 1, corner + 21, corner + 22], 1)]
    )

    def test_the_distance_is_that_from_the_triangles_not_from_their_corners(self):
        """A point over the middle of one large triangle is its height away."""
        triangle = np.array([[-90.0, -90, 0], [90, -90, 0], [0, 120, 0]])
        points = np.array([[0.0, 0, 4], [1, 5, -6]])
        error = evaluation.error_surface(triangle, np.array([[0, 1, 2]]), points, face())
        assert error == pytest.approx(100 * (4 + 6) / 2 / 50)

    def test_of_many_points_every_so_manieth_is_measured(self):
        points = np.zeros((2 * evaluation.SURFACE_POINTS + 1, 3))
        assert len(evaluation.surface_points(points)) == -(-len(points) // 3)
        assert len(evaluation.surface_points(points[:2000])) == 2000

    def test_a_surface_with_other_vertices_is_scored_by_its_form_alone(self):
        """The same sheet, finer, turned, larger and elsewhere in depth, has next to no error."""
        truth = Points(face(), self.sheet, self.sheet)
        # Each triangle cut in three at its middle lies in the same surface.
        middles = self.sheet[self.triangles].mean(axis=1)
        new = len(self.sheet) + np.arange(len(self.triangles))
        a, b, c = self.triangles.T
        finer = np.concatenate([np.stack([p, q, new], 1) for p, q in ((a, b), (b, c), (c, a))])
        vertices = np.concatenate([self.sheet, middles])
        moved = 1.1 * vertices @ (rotation(0, 4) @ rotation(2, 3)).T + [2, -1, 500]
        found = scoring.score_surface(moved, finer, truth, face())
        assert list(found) == ["surface"]
        assert found["surface"] < 0.3  # closest points come near slowly
        bent = moved + np.where(moved[:, :1] > 0, [0, 0, 6.0], 0)
        assert 1 < scoring.score_surface(bent, finer, truth, face())["surface"] < 100 * 6 / 50


def test_a_method_without_some_landmarks_is_scored_by_those_that_it_has():
    landmarks = shifted(face(), 3, 0, 9)
    landmarks[10:] = np.nan
    landmarks[0, 0] += 5
    assert scoring.score_some_landmarks(landmarks, face()) == pytest.approx({"nme68_2d": 100 * (9 * 3 + 8) / 10 / 60})
    assert scoring.score_some_landmarks(np.full((68, 2), np.nan), face()) == {}


@pytest.mark.parametrize(("angle", "share"), [(14.99, 100), (15.01, 0), (0, 100), (180, 0)])
def test_a_pair_is_smooth_under_15_degrees(angle, share):
    assert smoothness.smooth_share(np.cos(np.deg2rad([angle, angle]))) == share


def test_a_pair_of_15_degrees_is_not_smooth():
    assert smoothness.smooth_share(np.cos(np.deg2rad([15.0]))) == 0


def test_the_bias_is_the_mean_signed_difference_over_the_face_in_percent_of_the_map():
    mask = np.zeros((50, 50), bool)
    mask[10:20, 10:40] = True
    truth = np.random.default_rng(0).uniform(5, 45, (50, 50, 3))
    # Depth is known up to its own offset, which the label of tanh has at the mean of the face.
    truth[..., 2] -= truth[mask, 2].mean()
    moved = np.where(mask[..., None], [1.0, -2.0, 0.5], 40.0)
    # A part of the face lies as far on the other side.
    moved[10:15][mask[10:15]] *= -3
    found = scoring.signed_bias(truth + moved, truth, Scaling("tanh", 50), mask)
    # The mean of d and -3 d is -d; 1 px of 50 is 2 %.
    assert found == pytest.approx({"bias_x": -2, "bias_y": 4, "bias_z": -1}, abs=1e-4)


def test_each_protocol_measures_its_own_points_in_its_own_dimensions():
    """Landmarks are 3 px off in x and 4 px in z on either side of the mean; vertices 6 px, texels 12 px in y."""
    truth_68, other = face(), np.random.default_rng(0).uniform(0, 60, (80, 3))
    other[0], other[1] = [0, 0, 0], [60, 60, 0]
    sides = np.where(np.arange(68) % 2, 4.0, -4.0)
    landmarks = truth_68 + np.stack([np.full(68, 3.0), np.zeros(68), sides], axis=1)
    depth = np.where(np.arange(80) % 2, 5.0, -5.0)
    texels = other + np.stack([np.zeros(80), np.full(80, 12.0), depth], axis=1)
    predicted = Points(landmarks, shifted(other, 6, 0, 0), texels)
    errors = scoring.score(predicted, Points(truth_68, other, other), truth_68, np.arange(78).reshape(26, 3))
    # The box of the landmarks is 60 px, that of the texels too; the eye corners are 50 px apart.
    assert errors.pop("reconstruction") < 100 * 5.5 / 50
    # It is a test of its own; here the texels' fit moves a cloud of triangles.
    assert errors.pop("surface") > 0
    assert errors == pytest.approx(
        {
            "nme68_2d": 100 * 3 / 60,
            "nme68_3d": 100 * 5 / 60,
            "dense_2d": 100 * 12 / 60,
            "dense_3d": 100 * 13 / 60,
            "thesis_68": 100 * 5 / 50,
            "thesis_mesh": 100 * 6 / 50,
        }
    )


def test_each_bin_has_its_share_in_the_interval_of_the_bins_mean():
    # Bins of one image each but the last, whose two are 0 and 12: their mean is 0, 6 or 12, and that of the bins
    # (3 + 6 + that) / 3.
    interval = statistics.bins_interval([3, 6, 0, 12], [0, 40, 80, -80], 2000, 1)
    assert interval == pytest.approx((5, 3, 7))
