"""The Active Shape Model: on drawn faces of known shape, and on real photos."""

import cv2
import numpy as np
import pytest

from model.scores.protocols import error_3ddfa
from pipeline.crops import active_shape
from pipeline.crops.active_shape import FRAME
from pipeline.face.landmarks import LINES
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo

COMPONENTS = 4


def drawn_shape(amounts):
    """A face in the frame: wider, longer, mouth lower, brows higher, by four amounts of about -1 to 1."""
    wide, long, mouth, brows = amounts
    shape = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    shape[:17] = np.column_stack([96 + (58 + 4 * wide) * np.cos(angle), 92 + (74 + 5 * long) * np.sin(angle)])
    for start, left in ((17, 52), (22, 104)):
        bow = np.array([4, 1, 0, 1, 4])
        shape[start : start + 5] = np.column_stack([np.linspace(left, left + 36, 5), 62 + bow - 4 * brows])
    shape[27:31] = np.column_stack([np.full(4, 96), np.linspace(76, 108, 4)])
    shape[31:36] = np.column_stack([np.linspace(84, 108, 5), [114, 117, 118, 117, 114]])
    for start, middle in ((36, 69), (42, 123)):
        turn = np.linspace(np.pi, -np.pi, 7)[:6]
        shape[start : start + 6] = np.column_stack([middle + 11 * np.cos(turn), 78 - 5 * np.sin(turn)])
    turn = np.linspace(np.pi, -np.pi, 13)[:12]
    shape[48:60] = np.column_stack([96 + 22 * np.cos(turn), 137 + 4 * mouth - 8 * np.sin(turn)])
    turn = np.linspace(np.pi, -np.pi, 9)[:8]
    shape[60:] = np.column_stack([96 + 15 * np.cos(turn), 137 + 4 * mouth - 3 * np.sin(turn)])
    return shape


def draw(shape, size=FRAME):
    """Paint a shape's face, RGB."""
    photo = np.full((size, size, 3), 70, np.uint8)
    fixed = np.rint(shape * 16).astype(np.int32)
    head = np.concatenate([fixed[:17], fixed[26:21:-1] - [0, 300], fixed[21:16:-1] - [0, 300]])
    cv2.fillPoly(photo, [head], (190, 160, 140), cv2.LINE_AA, 4)
    for numbers, closed in LINES[1:]:
        points = fixed[numbers]
        if closed:
            cv2.fillPoly(photo, [points], (90, 40, 40) if numbers.start < 60 else (30, 10, 10), cv2.LINE_AA, 4)
        else:
            cv2.polylines(photo, [points], False, (80, 60, 50), 2, cv2.LINE_AA, 4)
    return photo


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    shapes = np.stack([drawn_shape(rng.uniform(-1, 1, 4)) for _ in range(80)])
    frames = np.stack([cv2.cvtColor(draw(shape), cv2.COLOR_RGB2GRAY) for shape in shapes])
    return active_shape.train(frames, shapes, np.full(80, 2), COMPONENTS)


def mean_distance(found, true):
    return np.linalg.norm(found - true, axis=1).mean()


@pytest.mark.parametrize("amounts", [(0.8, -0.8, 0.7, -0.7), (-0.8, 0.8, -0.7, 0.7), (0.5, 0.5, 0.9, 0.9)])
def test_a_drawn_face_is_found_from_the_mean_shape_on(model, amounts):
    shape = drawn_shape(amounts)
    found = active_shape.fit_frame(model, cv2.cvtColor(draw(shape), cv2.COLOR_RGB2GRAY), 2)
    assert mean_distance(model.mean[2], shape) > 1.8
    assert mean_distance(found, shape) < 1
    assert np.abs(found[:, 1] - shape[:, 1]).max() < 3


@pytest.mark.parametrize("degrees", [0, 90, 137, 180, 270])
def test_a_face_is_found_however_it_lies_in_the_photo_and_however_large(model, degrees):
    shape = drawn_shape((0.6, -0.5, 0.5, -0.6))
    move = make_similarity(1.7, np.deg2rad(degrees), (96, 96), (300, 260))
    photo = cv2.warpAffine(draw(shape), move[:2], (600, 520), borderMode=cv2.BORDER_REPLICATE)
    true = apply_similarity(move, shape)
    five = active_shape.five_points(true)
    assert mean_distance(active_shape.fit(model, photo, five), true) < 1.7 * 1.2


def test_a_shape_stays_within_what_faces_have(model):
    wild = model.mean[2] + np.random.default_rng(1).normal(size=(68, 2)) * 200
    shape = active_shape.nearest_shape(model, wild, 2)
    amounts = np.einsum("pck,pc->k", model.basis[2], shape - model.mean[2])
    assert (np.abs(amounts) <= active_shape.LIMIT * model.deviation[2] + 1e-9).all()
    assert mean_distance(shape, model.mean[2]) < 15


def test_the_components_are_orthonormal_and_in_order(model):
    flat = model.basis[2].reshape(-1, COMPONENTS)
    assert flat.T @ flat == pytest.approx(np.eye(COMPONENTS), abs=1e-9)
    assert (np.diff(model.deviation[2]) <= 0).all()
    # What differs among the drawn faces are four amounts, no more.
    assert model.deviation[2, 3] > 1


def test_a_view_with_few_faces_learns_from_all(model):
    assert np.array_equal(model.mean[0], model.mean[2])
    assert np.array_equal(model.profiles[4], model.profiles[2])


def test_the_view_is_the_side_that_the_nose_points_to():
    five = active_shape.FIVE_POINTS
    views = [active_shape.view_of(five + np.outer(np.arange(5) == 2, [step, 0])) for step in (-40, -12, 0, 12, 40)]
    assert views == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("aside", [-80, 80])
def test_the_nose_is_seen_from_the_middle_of_eyes_and_mouth(aside):
    five = active_shape.FIVE_POINTS.copy()
    five[3:] += [aside, 0]
    five[2] = (five[:2].mean(axis=0) + five[3:].mean(axis=0)) / 2
    assert active_shape.view_of(five) == 2


def test_a_pixel_of_a_halving_lies_between_the_pixels_that_it_is_the_mean_of():
    places = np.array([[0.5, 2.5], [1.5, 5.5]])
    for octave, expected in ((0, places), (1, [[0, 1], [0.5, 2.5]]), (2, [[-0.25, 0.25], [0, 1]])):
        assert active_shape._to_octave(places, octave).tolist() == np.array(expected).tolist()
        assert active_shape._from_octave(np.array(expected), octave).tolist() == places.tolist()


@pytest.mark.parametrize(
    # A variance of 25 px^2 of the places: of as large a one of the shapes half is believed, and 2.5 deviations at most.
    ("deviation", "amount", "believed"),
    [(5, 4, 2), (10, -4, -3.2), (0, 4, 0), (5, 100, 12.5), (5, -100, -12.5)],
)
def test_the_rarer_a_shape_the_less_it_is_believed(deviation, amount, believed):
    basis, mean = np.zeros((1, 68, 2, 1)), np.arange(136.0).reshape(1, 68, 2)
    basis[0, 7, 1] = 1
    model = active_shape.ActiveShapeModel(mean, basis, np.full((1, 1), float(deviation)), None, None)
    away = np.zeros((68, 2))
    away[7, 1], away[3, 0] = amount, 9  # no shape has the latter
    expected = mean[0].copy()
    expected[7, 1] += believed
    assert active_shape.nearest_shape(model, mean[0] + away, 0) == pytest.approx(expected)


def test_the_ends_of_an_open_line_have_the_normals_of_their_last_pieces():
    shape = np.random.default_rng(0).normal(size=(68, 2))
    shape[:17] = np.column_stack([np.arange(17), np.zeros(17)])
    shape[16] = [15, 1]  # the last piece goes down
    normals = active_shape.line_normals(shape)
    assert normals[:15].tolist() == [[0, 1]] * 15
    assert normals[15] == pytest.approx(np.array([-1, 1]) / 2**0.5)
    assert normals[16] == pytest.approx([-1, 0])


def test_a_photo_that_is_made_smaller_is_blurred_first():
    """Columns of 0 and 255 in turn, of which every fourth is read, are grey."""
    photo = np.zeros((4 * FRAME, 4 * FRAME, 3), np.uint8)
    photo[:, ::2] = 255
    frame = active_shape.frame_of(photo, np.diag([0.25, 0.25, 1.0]))
    assert np.abs(frame[4:-4, 4:-4] - 127.5).max() < 2
    assert set(np.unique(active_shape.frame_of(photo, np.eye(3)))) == {0, 255}


def test_saving_keeps_every_bit_and_training_repeats(model, tmp_path):
    active_shape.save_model(tmp_path / "model.h5", model)
    loaded = active_shape.load_model(tmp_path / "model.h5")
    for name in ("mean", "basis", "deviation", "profiles", "precision"):
        assert np.array_equal(getattr(loaded, name), getattr(model, name))


def test_what_cannot_be_done_is_refused(model):
    with pytest.raises(ValueError, match="all lie in one place"):
        active_shape.fit(model, draw(drawn_shape((0, 0, 0, 0))), np.ones((5, 2)))
    with pytest.raises(ValueError, match="2 training faces can't tell 4 components"):
        active_shape.train(np.zeros((2, FRAME, FRAME), np.uint8), np.zeros((2, 68, 2)), np.zeros(2, int), COMPONENTS)


@pytest.mark.slow
def test_on_real_photos_it_comes_nearer_than_the_mean_shape(face_data_or_none):
    """From true five points: 400 photos to learn from, 100 others."""
    if face_data_or_none is None:
        pytest.skip("FACE_DATA has no real photos")
    faces = []
    for path in sorted((face_data_or_none / "AFLW2000").glob("*.mat"))[::3]:
        landmarks = read_annotation(path).true_landmarks[:, :2].astype(np.float64)
        photo = read_photo(path.with_suffix(".jpg"))
        five = active_shape.five_points(landmarks)
        similarity = active_shape.upright_frame(five)
        frame = active_shape.frame_of(photo, similarity)
        faces.append((frame, apply_similarity(similarity, landmarks), active_shape.view_of(five)))
    assert len(faces) == 500
    frames, shapes, views = (np.stack(column) for column in zip(*faces[:400], strict=True))
    model = active_shape.train(frames, shapes, views, 20)
    fitted, start = [], []
    for frame, shape, view in faces[400:]:
        fitted.append(error_3ddfa(active_shape.fit_frame(model, frame, view), shape))
        start.append(error_3ddfa(model.mean[view], shape))
    assert np.mean(fitted) < 0.9 * np.mean(start)
    assert np.median(fitted) < 5
