import base64
import dataclasses
import gzip
import re

import numpy as np
import pytest

from pipeline.crops.alignment import align
from pipeline.crops.blaze_face import Region, _anchors, decode, halvings, see
from pipeline.crops.face_mesh import mesh_region
from pipeline.crops.landmark_map import INPUTS, apply_map
from pipeline.face.camera import camera_matrix
from pipeline.face.face_model import at_vertices
from pipeline.face.fit import FaceFit, place
from pipeline.face.similarity import apply_similarity
from pipeline.photo.browser_parts import browser_arrays, browser_numbers
from pipeline.photo.fitting import correct, fit_points, turn_further
from pipeline.photo.smoothing import smooth_face
from pipeline.photo.tracking import ALL_SEEN
from stages.pages.browser_page import browser_page, pack_arrays
from tests.helpers.browser_scripts import NODE, run_scripts

HEIGHT = 480
needs_node = pytest.mark.skipif(NODE is None, reason="no node: install Node.js")


def make_page(**changes):
    parts = {
        "numbers": {"MIN_SCORE": 0.5, "sign": "</script>"},
        "arrays": {"triangles": np.arange(3, dtype=np.uint16), "mean": np.arange(6, dtype=np.float32)},
        "files": {"runtime": b"wasm", "loader": b"export default 1;"},
        "library": "var ort = {};",
        "made_by": "A sentence.",
        "licences": [("Runtime", "MIT")],
    }
    return browser_page(**(parts | changes))


def test_the_page_asks_for_nothing_and_has_the_same_bytes_each_time():
    page = make_page()
    assert page == make_page()
    assert not re.search(
        r"""(src|href)\s*=\s*["']?(?!data:)[\w/.:]""", re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    )
    assert "http://" not in page
    assert "https://" not in page
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_files_and_arrays_come_out_of_the_page_as_they_went_in():
    page = make_page()
    found = {
        name: gzip.decompress(base64.b64decode(text))
        for name, text in re.findall(r'octet-stream" id="([^"]+)">([^<]*)<', page)
    }
    assert found["runtime"] == b"wasm"
    places, content = pack_arrays({"triangles": np.arange(3, dtype=np.uint16), "mean": np.arange(6, dtype=np.float32)})
    assert found["arrays"] == content
    assert places == {
        "triangles": {"kind": "<u2", "offset": 0, "count": 3},
        "mean": {"kind": "<f4", "offset": 8, "count": 6},
    }
    assert np.array_equal(np.frombuffer(content, "<f4", 6, 8), np.arange(6))


def test_nothing_that_is_put_in_ends_a_script():
    page = make_page()
    assert page.count("<script") == page.count("</script>")
    assert "\\u003c/script>" in page
    with pytest.raises(ValueError, match="ends the element"):
        make_page(library="'</SCRIPT>'")


@pytest.fixture(scope="module")
def known(embedded):
    return browser_numbers(embedded)


def by_axes(points):
    return np.asarray(points, np.float64).T.ravel().tolist()


@needs_node
def test_a_photo_is_sampled_to_the_same_bytes(known):
    photo = np.random.default_rng(0).integers(0, 256, (301, 417, 3), np.uint8)
    data = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)]).ravel().tolist()
    # Turned, across the border, made smaller by 1, 2 and 3 samples a pixel, and from the next halving.
    regions = [
        (150.2, 110.7, 160, 0.3, 128),
        (10, 20, 200, -2.0, 96),
        (208, 150, 417, 0.0, 192),
        (200, 100, 700, 1.1, 64),
    ]
    found = run_scripts(
        known,
        {"photo": {"data": data, "width": 417, "height": 301}, "regions": regions},
        "(() => { const levels = halvings(given.photo); return [levels.map((level) => [level.width, level.height]),"
        "given.regions.map(([x, y, side, roll, size]) => "
        "[...see(levels, {centre: [x, y], side, roll}, size).seen])]; })()",
    )
    levels = halvings(photo)
    assert found[0] == [[level.shape[1], level.shape[0]] for level in levels]
    for (x, y, side, roll, size), pixels in zip(regions, found[1], strict=True):
        expected, _ = see(levels, Region(np.array([x, y]), side, roll), size)
        assert expected.std() > 5
        assert np.array_equal(np.reshape(pixels, expected.shape), expected)


@needs_node
def test_a_detectors_outputs_are_read_alike(known):
    random = np.random.default_rng(1)
    boxes, logits = random.normal(0, 8, (896, 16)), random.normal(-4, 3, 896)
    boxes[:, 2:4] = random.uniform(20, 60, (896, 2))
    similarity = {"c": 0.4, "s": 0.1, "x": 3.0, "y": -2.0}
    found = run_scripts(
        known,
        {"boxes": boxes.ravel().tolist(), "logits": logits.tolist(), "similarity": similarity},
        "decodeBoxes(given.boxes, given.logits, anchorsOf('near', 128), given.similarity)",
    )
    matrix = np.array([[0.4, -0.1, 3.0], [0.1, 0.4, -2.0], [0, 0, 1]])
    expected = decode(boxes, logits, _anchors("near", 128), matrix)
    assert len(found) == len(expected) > 5
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one["centre"], other.centre)
        assert np.allclose(one["keypoints"], other.keypoints)
        assert (one["side"], one["score"]) == pytest.approx((other.side, other.score))


@pytest.fixture(scope="module")
def few(embedded):
    """The embedded bundle with some of its vertices, which tell as much of the code, and take less to write."""
    some = slice(None, None, 40)
    model = at_vertices(embedded.model, lambda values: values[some])
    return dataclasses.replace(embedded, model=model, correction=embedded.correction[some])


@pytest.fixture(scope="module")
def mesh(embedded):
    """Points of a face of the model that is turned aside, and not quite the model's."""
    random = np.random.default_rng(2)
    coefficients = embedded.prior.sigma * random.normal(size=len(embedded.prior.sigma))
    pose = np.array([0.1, 0.6, -0.3, 300, 220, 0, 120 / np.ptp(embedded.points.mean[:, 1])])
    fit = FaceFit(pose, camera_matrix(pose, HEIGHT), coefficients, lambda: np.eye(1), 0.0)
    return place(embedded.points, fit) + random.normal(0, 0.5, (468, 3))


@pytest.fixture(scope="module")
def face(embedded, few):
    """What the scripts know of the bundle, and the code that makes it of what is given."""
    made = browser_arrays(embedded, None) | {"correction": few.correction}
    for part in ("mean", "basis"):
        made[f"model/{part}"] = made[f"model/{part}"][..., ::40]
    names = ("model/mean", "model/basis", "points/mean", "points/basis", "correction")
    arrays = {name: made[name].astype(np.float64).ravel().tolist() for name in names}
    code = (
        "const model = (name) => ({mean: given[name + '/mean'], basis: given[name + '/basis'],"
        "count: given[name + '/mean'].length / 3,"
        "vectors: given[name + '/basis'].length / given[name + '/mean'].length});"
        "const face = {model: model('model'), points: model('points'), correction: given.correction};"
        "const mesh = Float64Array.from(given.mesh);"
    )
    return arrays, code


@needs_node
def test_a_face_is_fitted_turned_corrected_and_smoothed_alike(few, known, face, mesh):
    arrays, code = face
    seen = (np.arange(468) % 3 > 0).tolist()
    found = run_scripts(
        known,
        arrays | {"mesh": by_axes(mesh), "seen": seen},
        f"(() => {{ {code} const height = {HEIGHT}; const first = fitPoints(face, mesh, null, height);"
        "const fit = fitPoints(face, mesh, given.seen, height, first);"
        "const turned = turnFurther(face, fit, mesh, given.seen, height);"
        "const {vertices, offset} = correct(face, turned, mesh, given.seen, height);"
        "const once = smoothFace(null, first, mesh, 1);"
        "const twice = smoothFace(once.state, turned, mesh.map((value) => value + 3), 0.05);"
        "return {first, fit, turned, vertices: [...vertices], offset, smooth: twice.fit, "
        "points: [...twice.mesh]}; })()",
    )
    first = fit_points(mesh, ALL_SEEN, few, HEIGHT)
    fit = fit_points(mesh, np.array(seen), few, HEIGHT, start=first)
    turned = turn_further(fit, mesh, np.array(seen), few, HEIGHT)
    vertices, offset = correct(turned, mesh, np.array(seen), few)
    for name, expected in (("first", first), ("fit", fit), ("turned", turned)):
        assert np.allclose(found[name]["pose"], expected.pose, rtol=1e-5, atol=1e-4), name
        units = (expected.coefficients - few.prior.mean) / few.prior.sigma
        assert np.allclose(found[name]["units"], units, atol=1e-3), name
        assert found[name]["residual"] == pytest.approx(expected.residual_px, rel=1e-4)
    assert turned.pose[1] > fit.pose[1] + 0.01
    assert found["offset"] == pytest.approx(offset, abs=1e-3)
    assert np.abs(np.reshape(found["vertices"], (3, -1)).T - vertices).max() < 0.01

    state, _, _ = smooth_face(None, first, mesh, few.prior.sigma, 1, HEIGHT)
    _, smooth, points = smooth_face(state, turned, mesh + 3, few.prior.sigma, 0.05, HEIGHT)
    assert np.allclose(found["smooth"]["pose"], smooth.pose, rtol=1e-5, atol=1e-3)
    assert np.abs(np.reshape(found["points"], (3, -1)).T - points).max() < 1e-6


@needs_node
def test_regions_landmarks_and_crops_are_placed_alike(known, mesh):
    random = np.random.default_rng(3)
    learnt, keypoints = random.normal(0, 0.1, (INPUTS, 204)), random.uniform(200, 300, (6, 2))
    landmarks = random.uniform(100, 200, (68, 3))
    found = run_scripts(
        known,
        {
            "mesh": by_axes(mesh),
            "learnt": learnt.ravel().tolist(),
            "keypoints": keypoints.tolist(),
            "landmarks": by_axes(landmarks),
        },
        "(() => { const mesh = Float64Array.from(given.mesh); return {region: meshRegion(mesh),"
        "mapped: [...applyMap(given.learnt, mesh, 0.7, given.keypoints)],"
        "crops: [true, false].map((level) => placeCrop(given.landmarks, 0, {level, margin: 1.5, size: 64}))}; })()",
    )
    region = mesh_region(mesh)
    assert np.allclose(found["region"]["centre"], region.centre)
    assert (found["region"]["side"], found["region"]["roll"]) == pytest.approx((region.side, region.roll))
    expected = apply_map(learnt, mesh, 0.7, keypoints)
    assert np.allclose(np.reshape(found["mapped"], (2, -1)).T, expected[:, :2])
    for level, crop in zip((True, False), found["crops"], strict=True):
        matrix = np.array([[crop["c"], -crop["s"], crop["x"]], [crop["s"], crop["c"], crop["y"]], [0, 0, 1]])
        moved, true = (apply_similarity(each, landmarks) for each in (matrix, align(landmarks, 1.5, level, 64)))
        assert np.allclose(moved, true)
