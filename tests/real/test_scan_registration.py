"""Real face shapes as scans: ICT-FaceKit's neutral face, which the procedural face is laid over."""

import numpy as np
import pytest
import scipy.spatial

from pipeline.crops.face_mesh import open_networks
from pipeline.demo.face import make_face
from pipeline.face.landmarks import JAW
from pipeline.face.nearest import nearest_points
from pipeline.face.nicp import register_scan
from pipeline.photo.registration import find_points
from pipeline.raw.ict import load_ict
from tests.helpers.places import FACE_DATA

MILLIMETRE = 1000.0


@pytest.fixture(scope="module")
def ict():
    if not (FACE_DATA / "ict" / "FaceXModel").is_dir():
        pytest.skip(f"ICT-FaceKit's files are not at {FACE_DATA}; set FACE_DATA to their folder")
    return load_ict(FACE_DATA / "ict" / "FaceXModel")


@pytest.mark.slow
@pytest.mark.parametrize("landmarks", ["given", "found"])
def test_the_procedural_face_comes_to_lie_on_another_model_s(ict, landmarks):
    """The scan ends before the template does: a narrow face, without ears and neck."""
    face = make_face()
    if landmarks == "given":
        marked, places = face.landmarks[JAW.stop :], ict.mean[ict.landmarks[JAW.stop :]]
    else:
        networks = open_networks()
        seen = find_points(face.mean, face.triangles, networks)
        marked = scipy.spatial.cKDTree(face.mean).query(seen)[1]
        places = find_points(ict.mean, ict.triangles, networks)
    result = register_scan(face.mean, face.triangles, ict.mean, ict.triangles, marked, places)
    assert 0.55 < result.matched.mean() < 0.8
    found = result.vertices[result.matched]
    away = np.linalg.norm(nearest_points(found, ict.mean, ict.triangles).points - found, axis=1) / MILLIMETRE
    assert np.median(away) < 0.1
    assert np.percentile(away, 95) < 0.5
    # Eyes' corners, nose and mouth's corners lie where those of the other model do.
    corners = [36, 39, 42, 45, 30, 48, 54]
    off = result.vertices[face.landmarks[corners]] - ict.mean[ict.landmarks[corners]]
    assert np.linalg.norm(off, axis=1).mean() / MILLIMETRE < (2 if landmarks == "given" else 4)
