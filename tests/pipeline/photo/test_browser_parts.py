import json

import numpy as np
import pytest

from pipeline.face.fit import FaceFit, place
from pipeline.photo.browser_parts import browser_arrays, browser_numbers, own_triangles
from pipeline.uv.embedding import boundary_loops


@pytest.fixture(scope="module")
def arrays(embedded):
    return browser_arrays(embedded, None)


def test_units_of_the_prior_make_the_face_that_coefficients_do(embedded, arrays):
    units = np.random.default_rng(0).normal(size=len(embedded.prior.mean))
    coefficients = embedded.prior.mean + embedded.prior.sigma * units
    camera = np.eye(3, 4)
    fit = FaceFit(np.zeros(7), camera, coefficients, lambda: camera, 0.0)
    for name in ("model", "points", "landmarks"):
        made = arrays[f"{name}/mean"] + np.tensordot(units, arrays[f"{name}/basis"], 1)
        expected = place(getattr(embedded, name), fit)
        assert np.abs(made.T - expected).max() < 1e-5 * np.ptp(expected)


def test_the_models_own_triangles_are_fewer_and_their_only_border_is_the_rim(embedded):
    own = own_triangles(embedded)
    assert len(own) < 0.3 * len(embedded.surface.triangles)
    assert own.max() < len(embedded.surface.vertices)
    assert len(boundary_loops(own.astype(np.int32))) == 1
    # They turn as those of the fine mesh do: seen from the front, with y up, nearly all counter-clockwise.
    face = embedded.spread @ embedded.model.mean
    a, b, c = face[own].transpose(1, 0, 2)
    assert (np.cross(b - a, c - a)[:, 2] > 0).mean() > 0.95


def test_numbers_are_json_and_the_mean_face_lies_in_its_sphere(embedded):
    numbers = json.loads(json.dumps(browser_numbers(embedded), allow_nan=False))
    assert numbers["POINTS"] == 468
    assert numbers["LANDMARK_EYES"] == list(range(36, 48))
    assert numbers["CELLS"] == {"near": [[8, 2], [16, 6]], "far": [[4, 1]]}
    face = embedded.spread @ embedded.model.mean
    farthest = np.linalg.norm(face - numbers["middle"], axis=1).max()
    assert farthest == pytest.approx(numbers["radius"] / 1.15)
