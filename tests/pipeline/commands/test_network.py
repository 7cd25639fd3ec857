"""A bundle's network: who draws a face, where its crop lies, and that what it draws is where its map says."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from pipeline.commands import reconstruct as command
from pipeline.commands.bundles import choose_bundle
from pipeline.commands.network import open_regressor
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_reconstructor
from pipeline.crops.alignment import align
from pipeline.crops.face_finding import Face
from pipeline.crops.landmark_map import table_map
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.camera import project, wrap_degrees
from pipeline.face.face_model import deform
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.photo.bundle import MANIFEST, VERSION, load_bundle, save_bundle
from pipeline.photo.bundling import make_layout
from pipeline.photo.embedded import embedded_model
from pipeline.photo.export_facts import ExportFacts, write_facts
from pipeline.photo.fitting import read_mesh
from pipeline.photo.map_network import make_network, place_crop
from pipeline.store.checkout import BUNDLE
from pipeline.uv.position_map import render_map, sample_map
from pipeline.uv.scaling import Scaling, to_network
from tests.helpers.made_networks import REAL, write_onnx

PHOTO = skimage.data.astronaut()
SIZE = REAL.size
SCALING = Scaling(REAL.scaling, SIZE)
DEMO = dataclasses.replace(REAL, demo=True, trained_on="demo", faces=168)


@pytest.fixture(scope="module")
def face():
    """Model, layout, and a face of the model as it lies in a crop: its coefficients, its pose, and its map there."""
    model, prior = embedded_model()
    layout = make_layout(model, SIZE)
    coefficients = prior.sigma * np.linspace(-1, 1, len(prior.sigma))
    height = np.ptp(model.mean[model.landmarks, 1])
    scale = (SIZE - 1) / REAL.margin / height
    pose = np.array([0.05, -0.3, 0.02, SIZE / 2, SIZE / 2, 0, scale])
    vertices = project(deform(model, coefficients[None])[0], pose, SIZE)
    return model, layout, coefficients, pose, vertices, render_map(layout.operator, vertices[None])[0]


@pytest.fixture(scope="module")
def bundle(embedded, face):
    """The embedded bundle with a network that sees this face in every crop."""
    model, layout, *_, position_map = face
    onnx = write_onnx(to_network(position_map, SCALING, layout.face_mask))
    return dataclasses.replace(embedded, network=make_network(onnx, REAL, model, layout))


@pytest.fixture(scope="module")
def path(bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "real.face3d"
    save_bundle(path, bundle)
    return path


def write_manifest(path, facts):
    """A bundle of which nothing but what it says of its network can be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    network = None if facts is None else dataclasses.asdict(facts)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(MANIFEST, json.dumps({"version": VERSION, "network": network}))
    return path


class TestWhoDraws:
    @pytest.mark.parametrize(
        ("method", "named", "own", "chosen", "by_network"),
        [
            # A network that knows real faces is preferred; the one that is named comes first.
            ("auto", REAL, None, "named", True),
            ("auto", None, REAL, "own", True),
            ("auto", REAL, DEMO, "named", True),
            # One that knows procedural faces never draws unasked: the fit does, by the face model that was named.
            ("auto", DEMO, None, "named", False),
            ("auto", DEMO, REAL, "named", False),
            ("auto", None, DEMO, None, False),
            ("auto", None, None, None, False),
            # Asked for, any network draws.
            ("network", DEMO, None, "named", True),
            ("network", None, DEMO, "own", True),
            ("network", DEMO, REAL, "named", True),
            # A fit takes what is named, else the embedded one.
            ("fit", REAL, REAL, "named", False),
            ("fit", None, REAL, None, False),
        ],
    )
    def test_auto_prefers_real_networks_and_leaves_demo_ones(
        self, monkeypatch, tmp_path, method, named, own, chosen, by_network
    ):
        monkeypatch.chdir(tmp_path)
        path = named and write_manifest(tmp_path / "named.face3d", named)
        if own:
            write_manifest(BUNDLE, own)
        expected = {"named": path, "own": BUNDLE, None: None}[chosen]
        assert choose_bundle(ReconstructorOptions(bundle=path, method=method)) == (expected, by_network)

    def test_a_bundle_without_a_network_draws_by_its_face_model_or_is_refused(self, tmp_path):
        path = write_manifest(tmp_path / "named.face3d", None)
        assert choose_bundle(ReconstructorOptions(bundle=path)) == (path, False)
        with pytest.raises(ValueError, match=r"named\.face3d has no network of position maps: name another bundle"):
            choose_bundle(ReconstructorOptions(bundle=path, method="network"))

    def test_the_options_open_it_and_say_who_draws(self, path):
        drawn = "network 'final', trained on 1,499 real faces (AFLW2000)"
        for options, made_by in (
            ({}, f"{drawn}, fitted by the face model 'embedded'"),
            ({"fit": False}, drawn),
            ({"method": "fit"}, "fit of the face model 'embedded' to the points of Face Mesh"),
        ):
            assert open_reconstructor(ReconstructorOptions(bundle=path, **options), 1).made_by == made_by


@pytest.fixture(scope="module")
def landmarks(face):
    """Those of the face, turned and larger in a photo."""
    model, *_, vertices, _ = face
    return apply_similarity(make_similarity(3.0, 0.3, (0, 0), (200, 90)), vertices[model.landmarks])


class TestCrop:
    def test_a_levelled_network_sees_what_training_saw(self, landmarks):
        for turns in (0, 3):
            assert np.array_equal(place_crop(landmarks, turns, REAL), align(landmarks, 1.5, True, SIZE))

    def test_one_that_is_not_levelled_sees_a_face_the_right_way_up(self, landmarks):
        facts = dataclasses.replace(REAL, level=False)
        upright = place_crop(landmarks, 0, facts)
        assert np.array_equal(upright, align(landmarks, 1.5, False, SIZE))
        seen = apply_similarity(upright, landmarks[:, :2])
        for turns in (1, 2, 3):
            # So many turns counter-clockwise undo as many clockwise ones, which are positive angles with y down.
            turned = apply_similarity(make_similarity(1.0, turns * np.pi / 2, (0, 0), (900, 900)), landmarks)
            again = apply_similarity(place_crop(turned, turns, facts), turned[:, :2])
            assert np.abs(again - seen).max() < 1e-9


class TestRegressor:
    def test_the_map_in_px_is_what_the_scaling_says_and_the_crop_arrives_from_0_to_1(self, bundle, face):
        *_, position_map = face
        layout = face[1]
        predict = open_regressor(bundle.network, 1)
        found = predict(np.zeros((SIZE, SIZE, 3), np.uint8))
        offset = position_map[layout.face_mask][:, 2].mean() * np.array([0, 0, 1])
        assert np.abs(found - (position_map - offset)).max() < 1e-3
        echo = dataclasses.replace(bundle.network, onnx=write_onnx(np.zeros((SIZE, SIZE, 3)), gain=0.5))
        crop = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
        # tanh: 32 px a unit, from the middle at 31.5 px.
        expected = crop / 255 / 2 * 32 + np.array([31.5, 31.5, 0])
        assert np.abs(open_regressor(echo, 1)(crop) - expected).max() < 1e-4

    def test_a_network_of_another_size_and_what_is_none_are_refused(self, bundle):
        small = dataclasses.replace(bundle.network, onnx=write_onnx(np.zeros((32, 32, 3))))
        with pytest.raises(ValueError, match=r"The network in the bundle takes no photo of 64 px: .*32"):
            open_regressor(small, 1)
        with pytest.raises(ValueError, match="The network in the bundle takes no photo of 64 px: "):
            open_regressor(dataclasses.replace(bundle.network, onnx=b"no graph"), 1)

    def test_a_network_that_says_otherwise_than_its_bundle_or_is_broken_is_refused(self, bundle, face, tmp_path):
        told = ExportFacts("final", "tanh", SIZE, 1.5, level=True, weights_sha256="ab" * 32, uv_sha256="cd" * 32)
        path = tmp_path / "network.onnx"
        path.write_bytes(bundle.network.onnx)
        write_facts(path, told)
        network = dataclasses.replace(bundle.network, onnx=path.read_bytes())
        crop = np.zeros((SIZE, SIZE, 3), np.uint8)
        assert np.array_equal(open_regressor(network, 1)(crop), open_regressor(bundle.network, 1)(crop))
        for change, sentence in (
            ({"scaling": "sigmoid"}, "its scaling is tanh, and the bundle that it lies in that it is sigmoid"),
            ({"weights_sha256": "ef" * 32}, "its weights_sha256 is abab"),
            ({"level": False}, "its level is True, and the bundle that it lies in that it is False"),
        ):
            other = dataclasses.replace(network, facts=dataclasses.replace(REAL, **change))
            with pytest.raises(ValueError, match=f"The network says of itself that {sentence}"):
                open_regressor(other, 1)
        broken = dataclasses.replace(bundle.network, onnx=write_onnx(np.full((SIZE, SIZE, 3), np.nan)))
        with pytest.raises(ValueError, match="puts out numbers that are not finite"):
            open_regressor(broken, 1)


@pytest.fixture(scope="module", params=[True, False], ids=["fit", "no fit"])
def opened(request, path):
    """Whether the face model is fitted to the network's map, and what faces are then reconstructed by."""
    return request.param, open_reconstructor(ReconstructorOptions(bundle=path, fit=request.param), 1)


class TestFaces:
    def test_the_face_lies_where_the_crop_of_the_found_landmarks_puts_the_map(self, opened, face, bundle):
        fit, reconstructor = opened
        model, layout, coefficients, pose, vertices, position_map = face
        (seen,) = reconstructor.find_faces(PHOTO)
        found = reconstructor.reconstruct(PHOTO, seen)
        similarity = align(read_landmarks(seen.mesh), REAL.margin, True, SIZE)
        px = np.linalg.norm(similarity[0, :2])
        # The map has at a landmark what lies between four texels; the fit knows the vertex, but the prior draws it to
        # the mean. In px of the crop.
        read = sample_map(position_map.astype(np.float64), layout.uv[model.landmarks])
        truth = apply_similarity(np.linalg.inv(similarity), vertices[model.landmarks] if fit else read)
        apart = px * np.abs(found.landmarks - truth)[:, :2]
        assert apart.max() < (0.35 if fit else 1e-3)
        yaw = np.rad2deg(found.pose[1])
        assert wrap_degrees(yaw) == pytest.approx(np.rad2deg(pose[1]), abs=1.5 if fit else 3)
        assert found.doubt == ""
        assert np.array_equal(found.mesh, seen.mesh)
        assert len(found.vertices) == reconstructor.operator.shape[1] == len(reconstructor.mean)
        if fit:
            off = (found.coefficients - coefficients) / bundle.prior.sigma
            assert np.abs(off).max() < 0.6
            assert np.sqrt((off**2).mean()) < 0.25

    def test_the_fit_is_shown_finer_and_with_expressions_and_the_map_as_it_is(self, opened, bundle):
        fit, reconstructor = opened
        shown = bundle.surface if fit else bundle.network.surface
        assert np.array_equal(reconstructor.surface.triangles, shown.triangles)
        assert (reconstructor.expressions is not None) == fit

    def test_a_face_of_another_detector_is_placed_by_its_own_points_of_face_mesh(self, opened):
        _, reconstructor = opened
        (seen,) = reconstructor.find_faces(PHOTO)
        expected = reconstructor.reconstruct(PHOTO, seen)
        other = Face(np.array([-4, 3, 5, -2]) + seen.box, seen.points, 0.99, 0)
        found = reconstructor.reconstruct(PHOTO, other)
        assert np.abs(found.landmarks - expected.landmarks)[:, :2].max() < 0.03 * seen.box[2:].mean()

    def test_a_map_of_no_face_is_doubted(self, bundle, tmp_path):
        noise = np.random.default_rng(0).uniform(-1, 1, (SIZE, SIZE, 3))
        network = dataclasses.replace(bundle.network, onnx=write_onnx(noise))
        save_bundle(tmp_path / "noise.face3d", dataclasses.replace(bundle, network=network))
        reconstructor = open_reconstructor(ReconstructorOptions(bundle=tmp_path / "noise.face3d"), 1)
        found = reconstructor.reconstruct(PHOTO, reconstructor.find_faces(PHOTO)[0])
        assert found.doubt.startswith("Likely wrong: ")


def test_landmarks_are_read_by_the_learnt_map_where_the_bundle_has_one(bundle):
    rng = np.random.default_rng(0)
    mesh = rng.normal(size=(468, 3)) * 50 + 200
    table = read_mesh(bundle, mesh)
    assert np.array_equal(table, read_landmarks(mesh))
    learnt = table_map()
    same = read_mesh(dataclasses.replace(bundle, landmark_map=learnt), mesh, 0.2, rng.normal(size=(6, 2)))
    assert np.abs(same - table).max() < 1e-9
    # A map that sees the detector's doubt: 1 - presence moves the first landmark's x by a share of the face's size.
    learnt[-2, 0] = 1.0
    moved = read_mesh(dataclasses.replace(bundle, landmark_map=learnt), mesh, 0.2, rng.normal(size=(6, 2)))
    apart = np.linalg.norm(moved - table, axis=1)
    assert np.abs(apart[1:]).max() < 1e-9
    assert apart[0] > 50
    assert np.array_equal(moved[:, 2], table[:, 2])


def test_the_files_say_who_drew(path, tmp_path, monkeypatch):
    import cv2

    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", PHOTO[..., ::-1])
    for number, options in enumerate(([], ["--method", "fit"])):
        arguments = ["photo.png", "--out", f"out{number}", "--bundle", str(path), "--write", "page", *options]
        assert CliRunner().invoke(command.main, arguments).exit_code == 0
    told = [json.loads((tmp_path / f"out{n}/faces.json").read_text())[0]["faces"][0]["made_by"] for n in (0, 1)]
    assert [each.split(",")[0] for each in told] == [
        "network 'final'",
        "fit of the face model 'embedded' to the points of Face Mesh",
    ]
    for number, text in enumerate(("trained on 1,499 real faces (AFLW2000)", "to the points of Face Mesh")):
        assert text in (tmp_path / f"out{number}/photo/index.html").read_text()


def test_the_bundle_of_a_network_comes_back(path, bundle):
    loaded = load_bundle(path)
    assert loaded.network.onnx == bundle.network.onnx
    assert loaded.network.facts == REAL
    assert np.array_equal(loaded.network.texels, bundle.network.texels)
    assert 500 < len(loaded.network.texels) < 1024
