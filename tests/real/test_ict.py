"""ICT-FaceKit's published files, against the compact form of them that stands beside."""

import numpy as np
import pytest

from pipeline.face.face_model import deform
from pipeline.raw.ict import load_ict
from pipeline.uv.embedding import boundary_loops, count_flipped, embed
from tests.helpers.places import FACE_DATA


@pytest.fixture(scope="session")
def ict_data():
    if not (FACE_DATA / "ict").is_dir():
        pytest.skip(f"ICT-FaceKit's files are not at {FACE_DATA}; set FACE_DATA to their folder")
    return FACE_DATA / "ict"


@pytest.fixture(scope="session")
def ict(ict_data):
    return load_ict(ict_data / "FaceXModel")


@pytest.fixture(scope="session")
def compact(ict_data):
    return np.load(ict_data / "ict_face_model.npz")


def test_it_is_the_compact_model_in_micrometres(ict, compact):
    names = compact["expression_names"].tolist()
    assert ict.expression_names == ("browInnerUp_L", "eyeBlink_L", "jawOpen", "mouthSmile_L")
    expressions = compact["expression_basis"][..., [names.index(name) for name in ict.expression_names]]
    # The compact form's vectors are rounded to 2^-15 cm, which is up to 0.153 micrometres off.
    assert np.abs(ict.mean - 1e4 * compact["mean"]).max() < 0.01
    assert np.abs(ict.shape_basis - 1e4 * compact["shape_basis"][..., :3]).max() < 0.16
    assert np.abs(ict.expression_basis - 1e4 * expressions).max() < 0.16
    assert np.array_equal(ict.triangles, compact["triangles"])
    assert np.array_equal(ict.landmarks, compact["landmarks68"])


def test_its_frame_is_the_models(ict):
    """x to the subject's left, y up, z towards the viewer, and triangles counter-clockwise seen from outside."""
    points = ict.mean[ict.landmarks]
    assert points[45, 0] > 40_000 > -40_000 > points[36, 0]
    assert points[27, 1] > points[30, 1] > points[57, 1] > points[8, 1]
    assert points[:, 2].argmax() in range(27, 36)
    corners = ict.mean[ict.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert normals[:, 2].sum() > 0


def test_an_expression_moves_what_it_is_named_after(ict):
    weights = np.zeros((2, 7))
    weights[0, 3 + ict.expression_names.index("jawOpen")] = 1
    weights[1, 3 + ict.expression_names.index("eyeBlink_L")] = 1
    jaw, blink = deform(ict, weights)[:, ict.landmarks] - ict.mean[ict.landmarks]
    # The chin goes down by some centimetres and the subject's left upper lid by 5 mm or more; brows and right eye stay.
    assert jaw[8, 1] < -15_000
    assert blink[[43, 44], 1].max() < -5_000
    assert np.abs(jaw[17:27]).max() < 500
    assert np.abs(blink[36:42]).max() < 100


def test_its_mouth_and_both_eyes_are_closed_in_an_embedding_without_flipped_triangles(ict, compact):
    outer, *holes = boundary_loops(ict.triangles)
    named = ("outer", "mouth", "eye_left", "eye_right")
    expected = [set(compact[f"boundary_{name}"].tolist()) for name in named]
    found = [set(loop.tolist()) for loop in (outer, *holes)]
    assert found[:2] == expected[:2]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    embedding = embed(ict.mean, ict.triangles)
    assert [len(hole) for hole in embedding.holes] == [74, 42, 42]
    assert embedding.uv.shape == (6706 + 3, 2)
    assert len(embedding.triangles) == 13120 + 74 + 42 + 42
    assert count_flipped(embedding) == 0
    # Forehead on top, and the midline in the middle.
    places = embedding.uv[ict.landmarks]
    assert places[[27, 30, 8], 0] == pytest.approx([0.5] * 3, abs=0.01)
    assert places[27, 1] < places[30, 1] < places[57, 1] < places[8, 1]
    assert places[36, 0] < 0.5 < places[45, 0]
