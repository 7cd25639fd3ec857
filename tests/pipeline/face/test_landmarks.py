"""The names of the 68 landmarks, against the places where the demo's face has them."""

import numpy as np

from pipeline.demo.face import make_face
from pipeline.face import landmarks as names

PARTS = (
    names.JAW,
    names.RIGHT_BROW,
    names.LEFT_BROW,
    names.NOSE_BRIDGE,
    names.NOSTRILS,
    names.RIGHT_EYE,
    names.LEFT_EYE,
    names.OUTER_LIPS,
    names.INNER_LIPS,
)
POINTS = np.arange(names.LANDMARKS)


def numbers(*groups):
    return np.concatenate([POINTS[group] for group in groups]).tolist()


def test_the_parts_have_each_point_once_and_the_wholes_are_made_of_them():
    assert numbers(*PARTS) == list(range(68))
    assert numbers(names.RIGHT_BROW, names.LEFT_BROW) == numbers(names.BROWS)
    assert numbers(names.NOSE_BRIDGE, names.NOSTRILS) == numbers(names.NOSE)
    assert numbers(names.RIGHT_EYE, names.LEFT_EYE) == numbers(names.EYES)
    assert numbers(names.OUTER_LIPS, names.INNER_LIPS) == numbers(names.MOUTH)
    assert numbers(*(line for line, _ in names.LINES)) == list(range(68))
    assert numbers(*names.REGIONS.values()) == list(range(68))


def test_mirroring_twice_changes_nothing_and_ten_points_lie_on_the_midline():
    assert names.MIRRORED[names.MIRRORED].tolist() == list(range(68))
    assert np.flatnonzero(names.MIRRORED == POINTS).tolist() == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert names.MIRRORED[[0, 17, 31, 36, 41, 48, 60]].tolist() == [16, 26, 35, 45, 46, 54, 64]


def test_the_names_say_where_a_face_has_the_points():
    face = make_face()
    points = face.mean[face.landmarks]
    x, y = points[:, 0], points[:, 1]
    for right, left in ((names.RIGHT_BROW, names.LEFT_BROW), (names.RIGHT_EYE, names.LEFT_EYE)):
        assert x[right].max() < 0 < x[left].min()
    right, left = names.OUTER_EYE_CORNERS
    assert (x[names.EYES].argmin(), x[names.EYES].argmax()) == (right - names.EYES.start, left - names.EYES.start)
    right, left = names.MOUTH_CORNERS
    assert (x[names.MOUTH].argmin(), x[names.MOUTH].argmax()) == (right - names.MOUTH.start, left - names.MOUTH.start)
    assert y.argmin() == names.CHIN
    assert points[:, 2].argmax() == names.NOSE_TIP
    assert y[names.NOSE].argmax() == names.NOSE_ROOT - names.NOSE.start
    assert y[names.BROWS].min() > y[names.EYES].max() > y[names.NOSE_TIP] > y[names.MOUTH].max() > y[names.CHIN]


def test_the_29_pairs_are_those_of_the_published_order():
    pairs = """
    jaw      0-16 1-15 2-14 3-13 4-12 5-11 6-10 7-9
    brows    17-26 18-25 19-24 20-23 21-22
    nostrils 31-35 32-34
    eyes     36-45 37-44 38-43 39-42 40-47 41-46
    lips     48-54 49-53 50-52 59-55 58-56 60-64 61-63 67-65
    """
    expected = {tuple(map(int, word.split("-"))) for word in pairs.split() if "-" in word}
    assert len(expected) == 29
    assert set(map(tuple, names.SYMMETRIC_PAIRS.tolist())) == expected
