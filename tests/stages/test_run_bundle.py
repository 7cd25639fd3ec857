"""The bundle that `export` writes of a run: all that photos need, and the maps that Keras predicts."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from model.weights import WeightsFacts, digest_uv, save_weights
from pipeline.commands.network import open_regressor
from pipeline.crops.alignment import resample
from pipeline.crops.landmark_map import save_map, table_map
from pipeline.face.face_model import save_model
from pipeline.face.fit import save_prior
from pipeline.photo.bundle import load_bundle, save_bundle
from pipeline.photo.bundling import make_layout
from pipeline.photo.embedded import embedded_model
from pipeline.photo.map_network import place_crop
from pipeline.raw.photos import read_photo
from pipeline.store.checkout import BUNDLE
from pipeline.store.shards import list_shards, read_shard
from pipeline.store.tables import write_table
from pipeline.uv.scaling import Scaling, to_photo
from stages.import_bundle import main as import_bundle
from stages.project.paths import DEMO, LANDMARK_MAP, MAIN_RUN, MODEL, PRIOR, predictions_of, weights_of
from stages.project.predictions import Predictions
from stages.project.run_bundle import bundle_of_run
from stages.project.runs import initial_network, load_run
from stages.project.variants import resolve_variant
from tests.helpers.made_params import PARAMS
from tests.helpers.places import ROOT
from tests.helpers.train_project import NETWORK

pytestmark = pytest.mark.slow
SIZE = 64
SCRIPT = """
import json, sys
from pipeline.commands.reconstruct import main
main(sys.argv[1:], standalone_mode=False)
json.dump(sorted(set(name.split(".")[0] for name in sys.modules)), open("modules.json", "w"))
"""


@pytest.fixture(scope="module")
def made(keras, tmp_path_factory):
    """A network with random weights, and the folder of the project whose bundle has it."""
    from model.export import write_onnx
    from model.inference import inference_form
    from model.networks import build_network

    root = tmp_path_factory.mktemp("project")
    model, prior = embedded_model()
    save_model(root / MODEL, model)
    save_prior(root / PRIOR, prior)
    save_map(root / LANDMARK_MAP, table_map())
    names = ["AFW/a", "AFW/b", "HELEN/c"]
    write_table(root / "data/split/train.csv", ("sample_id", "identity"), zip(names, names, strict=True))
    settings = resolve_variant(PARAMS | {"network": NETWORK}, None)
    keras.utils.set_random_seed(0)
    trained = build_network(SIZE, settings.network, Scaling(settings.train.scaling, SIZE))
    network = inference_form(trained)
    write_onnx(network, root / "network.onnx")
    layout = make_layout(model, SIZE)
    facts = WeightsFacts(settings.network, settings.train.scaling, digest_uv(layout.uv))
    save_weights(root / "model.weights.h5", trained, facts)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, folder in (("demo", DEMO), ("real", Path("data/raw"))):
            bundle = bundle_of_run(settings, layout, Path("network.onnx"), Path("model.weights.h5"), folder, 1.6)
            save_bundle(root / f"{name}.face3d", bundle)
    return root, settings, network


def test_it_says_what_the_run_was_and_whose_faces_it_has_seen(made):
    root, settings, _ = made
    demo, real = (load_bundle(root / f"{name}.face3d") for name in ("demo", "real"))
    for bundle, trained_on in ((demo, "demo"), (real, "AFW, HELEN")):
        facts = bundle.network.facts
        assert (facts.scaling, facts.size, facts.margin) == (settings.train.scaling, SIZE, 1.6)
        assert facts.level == (settings.train.level == "on")
        assert facts.variant == settings.variant
        summed = subprocess.check_output(["sha256sum", root / "model.weights.h5"], text=True)
        assert facts.weights_sha256 == summed.split()[0]
        assert (facts.trained_on, facts.faces) == (trained_on, 3)
        assert np.array_equal(bundle.landmark_map, table_map())
        assert np.array_equal(bundle.prior.sigma, embedded_model()[1].sigma)
    assert (demo.network.facts.demo, real.network.facts.demo) == (True, False)
    assert (demo.about["name"], real.about["name"]) == ("demo", "BFM")
    assert "MIT" in demo.about["licences"]["face model"]
    assert "only if that may" in real.about["licences"]["face model"]


def test_its_network_puts_out_the_map_that_keras_does(made):
    from pipeline.uv.scaling import to_pixels

    root, settings, network = made
    predict = open_regressor(load_bundle(root / "real.face3d").network, 1)
    crops = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    expected = to_pixels(network.predict_on_batch(to_photo(crops)), Scaling(settings.train.scaling, SIZE))
    found = np.stack([predict(crop) for crop in crops])
    assert np.ptp(expected) > 1
    assert np.abs(found - expected).max() < 0.01


def draw_in_an_empty_folder(folder, bundle):
    """What `reconstruct` writes of a photo by the network of a bundle, with nothing else there, and what it imports."""
    (folder / "b.face3d").write_bytes(bundle.read_bytes())
    cv2.imwrite(str(folder / "photo.png"), skimage.data.astronaut()[..., ::-1])
    kinds = [word for kind in ("overlay", "pose", "depth", "map", "glb") for word in ("--write", kind)]
    options = ("--out", "out", "--bundle", "b.face3d", "--method", "network")
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, "photo.png", *options, *kinds],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert {path.name for path in folder.iterdir()} == {"b.face3d", "photo.png", "out", "modules.json"}
    (photo,) = json.loads((folder / "out/faces.json").read_text())
    assert all((folder / "out/photo" / name).is_file() for face in photo["faces"] for name in face["files"])
    return photo["faces"], set(json.loads((folder / "modules.json").read_text()))


UNNEEDED = {"tensorflow", "keras", "jax", "dvc", "mtcnn", "matplotlib", "dask", "pandas"}


def test_in_an_empty_folder_it_draws_a_photo_without_tensorflow_and_dvc(made, tmp_path):
    root, *_ = made
    faces, imported = draw_in_an_empty_folder(tmp_path, root / "demo.face3d")
    assert [face["made_by"].split(",")[0] for face in faces] == [f"network '{made[1].variant}'"]
    assert "onnxruntime" in imported
    assert not imported & UNNEEDED


@pytest.mark.skipif(not (ROOT / BUNDLE).is_file(), reason="There are no results of the demo here: make repro")
class TestDemo:
    def test_in_an_empty_folder_it_draws_a_photo(self, tmp_path):
        ((face,), imported) = draw_in_an_empty_folder(tmp_path, ROOT / BUNDLE)
        assert face["made_by"].endswith("procedural faces (demo), fitted by the face model 'demo'")
        assert not imported & UNNEEDED
        # It knows no real face, but its crop lies where the face is.
        assert np.mean(face["landmarks"], axis=0)[:2] == pytest.approx((224, 118), abs=15)

    def test_the_annotated_box_gives_the_maps_that_predict_wrote(self):
        network = load_bundle(ROOT / BUNDLE).network
        predict = open_regressor(network, 1)
        meshes = read_shard(list_shards(ROOT / "data/meshes/test/AFLW2000")[0], ["sample_id", "photo", "landmarks"])
        compared = 0
        with Predictions(ROOT / predictions_of(MAIN_RUN)) as predictions:
            for name, photo, landmarks in list(zip(*meshes.values(), strict=True))[:10]:
                predicted, similarity = predictions.read(name)
                pixels = read_photo(ROOT / DEMO / "AFLW2000" / photo)
                crop = place_crop(landmarks, 0, network.facts)
                assert np.abs(crop - similarity).max() < 1e-9
                found = predict(resample(pixels, crop, network.facts.size))
                compared += 1
                # Predictions are stored in steps.
                assert np.abs(found - predicted).max() < 0.02
        assert compared == 10


def test_its_weights_are_what_another_run_starts_from(made, monkeypatch):
    root, settings, network = made
    monkeypatch.chdir(root)
    Path("params.yaml").write_text(json.dumps(PARAMS), encoding="utf-8")
    imported = CliRunner().invoke(import_bundle, ["demo.face3d", "--name", "mine"])
    assert imported.exit_code == 0, imported.output
    assert f"-S train.init=mine -S train.scaling={settings.train.scaling}" in imported.output
    layout = make_layout(embedded_model()[0], SIZE)
    assert "uv_embedding" not in PARAMS
    Path("params.yaml").write_text(json.dumps(PARAMS | {"uv_embedding": {"source": "tutte", "file": ""}}))
    start = initial_network("mine", settings, layout)
    photos = np.random.default_rng(0).random((2, SIZE, SIZE, 3), np.float32)
    maps = network.predict_on_batch(photos)
    assert np.ptp(maps) > 0.1
    np.testing.assert_allclose(start.predict_on_batch(photos)["final"], maps, atol=1e-4)
    sigmoid = dataclasses.replace(settings, train=dataclasses.replace(settings.train, scaling="sigmoid"))
    with pytest.raises(ValueError, match=r"whose scaling is tanh, and train\.scaling is sigmoid"):
        initial_network("mine", sigmoid, layout)
    with pytest.raises(ValueError, match="of another face model or UV layout"):
        initial_network("mine", settings, dataclasses.replace(layout, uv=layout.uv[::-1]))
    wide = dataclasses.replace(settings, network=dataclasses.replace(settings.network, width=4, lean=True))
    with pytest.raises(ValueError, match=r"of another network than this: it has network\.width 2, network\.lean F"):
        initial_network("mine", wide, layout)


@pytest.fixture
def weights(made, tmp_path, monkeypatch):
    """A project whose runs/other/model.weights.h5 is a copy that may be changed, its settings and its layout."""
    root, settings, _ = made
    save_model(tmp_path / MODEL, embedded_model()[0])
    path = tmp_path / weights_of("other")
    path.parent.mkdir(parents=True)
    path.write_bytes((root / "model.weights.h5").read_bytes())
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(PARAMS | {"uv_embedding": {"source": "tutte", "file": ""}}))
    return path, settings, make_layout(embedded_model()[0], SIZE)


def read_both_ways(path, settings, layout):
    """The sentences of a start from weights, and of a run that is applied by them."""
    told = []
    network = build(settings, layout)
    for read in (
        lambda: initial_network("other", settings, layout),
        lambda: load_run(network, path, settings, layout),
    ):
        with pytest.raises(ValueError, match=r"runs/other/model\.weights\.h5 ") as error:
            read()
        told.append(str(error.value))
    return told


def build(settings, layout):
    from model.networks import build_network

    return build_network(layout.size, settings.network, Scaling(settings.train.scaling, layout.size))


def test_weights_that_are_whole_are_read(weights):
    path, settings, layout = weights
    network = build(settings, layout)
    load_run(network, path, settings, layout)
    expected = initial_network("other", settings, layout).get_weights()
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(network.get_weights(), expected, strict=True))


def test_weights_of_another_scaling_layout_or_network_are_applied_by_no_run(weights):
    path, settings, layout = weights
    network = build(settings, layout)
    sigmoid = dataclasses.replace(settings, train=dataclasses.replace(settings.train, scaling="sigmoid"))
    joined = dataclasses.replace(settings, network=dataclasses.replace(settings.network, residual_join="thesis"))
    turned = dataclasses.replace(layout, uv=layout.uv[::-1])
    for other, its, what in (
        (sigmoid, layout, "scaling"),
        (joined, layout, "network"),
        (settings, turned, "layout"),
    ):
        with pytest.raises(ValueError, match=rf"than the run's settings ask for \({what} differ\): run dvc repro"):
            load_run(network, path, other, its)


def test_weights_that_are_cut_short_not_finite_or_of_nothing_known_are_refused(weights):
    path, settings, layout = weights
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        found = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        found[3][...] = np.nan
    assert all("has weights that are not finite" in told for told in read_both_ways(path, settings, layout))
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        del file.attrs["facts"]
    assert all("holds no weights of this software" in told for told in read_both_ways(path, settings, layout))
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert all("holds no weights" in told for told in read_both_ways(path, settings, layout))


def test_prnet_s_weights_want_prnet_s_scaling_and_prnet_s_layout(weights):
    path, settings, layout = weights
    with h5py.File(path, "r+") as file:
        facts = json.loads(file.attrs["facts"])
        file.attrs["facts"] = json.dumps(facts | {"scaling": "prnet", "layout": ""})
    with pytest.raises(
        ValueError, match=r"whose scaling is prnet, and train\.scaling is tanh: set train\.scaling to prnet"
    ):
        initial_network("other", settings, layout)
    prnet = dataclasses.replace(settings, train=dataclasses.replace(settings.train, scaling="prnet"))
    with pytest.raises(ValueError, match=r"layout of BFM_UV\.mat, and uv_embedding\.source is not file"):
        initial_network("other", prnet, layout)
    Path("params.yaml").write_text(json.dumps(PARAMS | {"uv_embedding": {"source": "file", "file": "bfm/BFM_UV.mat"}}))
    assert initial_network("other", prnet, layout) is not None


@pytest.mark.parametrize("name", ["main", "prn"])
def test_weights_take_no_run_s_place(made, monkeypatch, name):
    monkeypatch.chdir(made[0])
    Path("params.yaml").write_text(json.dumps(PARAMS), encoding="utf-8")
    refused = CliRunner().invoke(import_bundle, ["demo.face3d", "--name", name])
    assert refused.exit_code == 1
    assert f"{name!r} is the name of a run of this project" in refused.output
