"""A bundle comes back as it was written, and what is no bundle or a damaged one is told in a sentence."""

import dataclasses
import io
import json
import pickle
import re
import zipfile

import numpy as np
import pytest
import scipy.sparse

from pipeline.face.face_model import at_vertices
from pipeline.face.fit import Prior
from pipeline.photo.bundle import (
    MANIFEST,
    MATRICES,
    MODEL_ARRAYS,
    MODELS,
    NETWORK,
    VERSION,
    Bundle,
    load_bundle,
    read_facts,
    save_bundle,
)
from pipeline.photo.map_network import MapNetwork, NetworkFacts
from pipeline.store.sparse import from_scipy
from pipeline.uv.surface import Surface

FACTS = NetworkFacts("tanh", 4, 1.5, False, "prn", "00ff", "AFW, HELEN", False, 1499)


@pytest.fixture
def bundle(patch_model):
    rng = np.random.default_rng(1)
    model = dataclasses.replace(patch_model, expression_names=("smile",))
    points = at_vertices(model, lambda values: values[:5])
    surface = Surface(
        landmark_uv=rng.random((68, 2)),
        vertex_uv=rng.random((80, 2)),
        triangles=model.triangles.astype(np.int64),
        pairs=np.array([[0, 1], [1, 2]]),
        face_mask=rng.random((4, 4)) > 0.5,
        landmarks=np.arange(68),
        vertices=np.arange(80),
    )
    network = MapNetwork(
        onnx=b"a graph",
        facts=FACTS,
        surface=dataclasses.replace(surface, vertex_uv=rng.random((7, 2))),
        operator=from_scipy(scipy.sparse.random_array((16, 7), density=0.5, rng=rng, dtype=np.float32, format="csr")),
        mean=rng.random((7, 3), np.float32),
        texels=np.array([3, 9]),
        points=at_vertices(model, lambda values: values[:2]),
        weights=b"weights",
    )
    return Bundle(
        model=model,
        points=points,
        landmarks=at_vertices(model, lambda values: values[model.landmarks]),
        prior=Prior(rng.normal(size=3), np.array([0.0, 1, 2])),
        # A sixteenth's multiples are exact in half precision.
        correction=(rng.integers(-50, 50, (81, 5)) / 16).astype(np.float32),
        spread=from_scipy(scipy.sparse.random_array((90, 81), density=0.05, rng=rng, dtype=np.float32, format="csr")),
        surface=surface,
        operator=from_scipy(scipy.sparse.random_array((16, 90), density=0.05, rng=rng, dtype=np.float32, format="csr")),
        files={"mesh.tflite": b"TFL3 network", "empty.tflite": b""},
        about={"name": "small", "licences": {"face model": "MIT"}, "scaling": 0.1},
        network=network,
        landmark_map=rng.normal(size=(6, 4)),
    )


@pytest.fixture
def path(bundle, tmp_path):
    save_bundle(tmp_path / "small.face3d", bundle)
    return tmp_path / "small.face3d"


def rewrite(path, change):
    """Write the members of a bundle anew after `change` has changed them and the manifest, without their digests."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {MANIFEST: json.dumps(manifest).encode(), **members}.items():
            file.writestr(name, content)


def assert_same_array(read, written, name):
    assert read.dtype == written.dtype, name
    assert np.array_equal(read, written), name


def assert_same_model(read, written):
    for part in MODEL_ARRAYS:
        assert_same_array(getattr(read, part), getattr(written, part), part)
    assert read.expression_names == ("smile",)


def assert_same_matrix(read, written):
    assert read.shape == written.shape
    assert read.data.dtype == np.float32
    for part in ("data", "indices", "indptr"):
        assert_same_array(getattr(read, part), getattr(written, part), part)


def assert_same_surface(read, written):
    for field in dataclasses.fields(Surface):
        assert_same_array(getattr(read, field.name), getattr(written, field.name), field.name)


def test_every_array_network_and_word_comes_back(bundle, path):
    loaded = load_bundle(path)
    for name in MODELS:
        assert_same_model(getattr(loaded, name), getattr(bundle, name))
    for name in MATRICES:
        assert_same_matrix(getattr(loaded, name), getattr(bundle, name))
    assert_same_surface(loaded.surface, bundle.surface)
    assert np.array_equal(loaded.prior.mean, bundle.prior.mean)
    assert np.array_equal(loaded.prior.sigma, bundle.prior.sigma)
    assert loaded.correction.dtype == np.float32
    assert np.array_equal(loaded.correction, bundle.correction)
    assert loaded.files == bundle.files
    assert loaded.about == bundle.about
    assert_same_array(loaded.landmark_map, bundle.landmark_map, "landmark_map")
    read, written = loaded.network, bundle.network
    assert (read.onnx, read.facts) == (b"a graph", FACTS)
    assert_same_surface(read.surface, written.surface)
    assert_same_matrix(read.operator, written.operator)
    assert_same_model(read.points, written.points)
    assert_same_array(read.mean, written.mean, "mean")
    assert_same_array(read.texels, written.texels, "texels")


def test_network_and_landmark_map_may_be_left_out(bundle, path):
    assert read_facts(path) == FACTS
    save_bundle(path, dataclasses.replace(bundle, network=None, landmark_map=None))
    loaded = load_bundle(path)
    assert read_facts(path) is loaded.network is loaded.landmark_map is None
    assert loaded.files == bundle.files
    with zipfile.ZipFile(path) as file:
        assert not [name for name in file.namelist() if name.startswith(("network", "landmark_map"))]


def test_a_network_says_what_it_is_and_whose_faces_it_knows():
    assert str(FACTS) == "network 'prn', trained on 1,499 real faces (AFW, HELEN)"
    assert str(dataclasses.replace(FACTS, demo=True, trained_on="demo", faces=168)) == (
        "network 'prn', trained on 168 procedural faces (demo)"
    )


def test_it_has_the_same_bytes_however_often_and_wherever_it_is_written(bundle, path):
    other = path.parent / "folder" / "made" / "other.face3d"
    save_bundle(other, load_bundle(path))
    assert other.read_bytes() == path.read_bytes()
    save_bundle(path, bundle)
    assert other.read_bytes() == path.read_bytes()
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == ["small.face3d"]
    assert list(other.parent.iterdir()) == [other]


def test_what_could_not_be_written_leaves_the_bundle_before_and_nothing_beside_it(bundle, path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match=r"small\.face3d can't be written: No space left on device"):
        save_bundle(path, bundle)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_flipped_byte_anywhere_is_told_or_changes_nothing(bundle, path):
    content, sentences = path.read_bytes(), []
    for place in np.linspace(0, len(content) - 1, 150).astype(int):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        try:
            loaded = load_bundle(path)
        except ValueError as error:
            sentences.append(str(error))
        else:  # a time or a flag of the zip file that nothing depends on
            assert np.array_equal(loaded.model.mean, bundle.model.mean)
            assert np.array_equal(loaded.correction, bundle.correction)
            assert loaded.files == bundle.files
    assert len(sentences) > 100
    assert all("small.face3d is " in sentence and sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.3, 0.9, -1])
def test_a_cut_file_is_told(path, kept):
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"small\.face3d is damaged or no bundle: File is not a zip file\."):
        load_bundle(path)


@pytest.mark.parametrize("name", ["mesh.tflite", NETWORK, "landmark_map.npy", "network/texels.npy"])
def test_a_member_that_is_not_what_was_written_is_named(path, name):
    rewrite(path, lambda _, members: members.update({name: b"another"}))
    sentence = f"small.face3d is damaged: {name} is not what was written. Copy or export it anew."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_bundle(path)


@pytest.mark.parametrize("name", ["correction.npy", NETWORK, "landmark_map.npy", "network/operator/data.npy"])
def test_a_member_that_is_missing_is_named(path, name):
    rewrite(path, lambda _, members: members.pop(name))
    sentence = f"small.face3d is damaged: {name} is missing in it. Copy or export it anew."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_bundle(path)


def test_a_network_that_the_manifest_has_and_no_member_is_told(path):
    def forget(manifest, members):
        del members[NETWORK], manifest["sha256"][NETWORK]

    rewrite(path, forget)
    with pytest.raises(ValueError, match=r"small\.face3d is damaged or no bundle: 'network\.onnx'\."):
        load_bundle(path)


@pytest.mark.parametrize(
    ("version", "advice"),
    [(VERSION + 1, "get a newer version of it."), (VERSION - 1, "export it anew."), ("two", "export it anew.")],
)
@pytest.mark.parametrize("read", [load_bundle, read_facts])
def test_another_version_is_told_whatever_else_it_has(path, version, advice, read):
    def change(manifest, members):
        manifest.update(version=version)
        del manifest["sha256"], manifest["network"]
        members.clear()

    rewrite(path, change)
    sentence = f"small.face3d is a bundle of version {version}, this software reads {VERSION}: {advice}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read(path)


class Harm:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a member was unpickled",)


def test_a_pickled_member_is_refused_and_not_run(path):
    import hashlib

    buffer = io.BytesIO()
    np.save(buffer, np.array([Harm()], object), allow_pickle=True)
    sentences = {
        buffer.getvalue(): "has objects, which would have to be unpickled",
        pickle.dumps(Harm()): "magic string",
    }
    for content, sentence in sentences.items():

        def put(manifest, members, content=content):
            members["correction.npy"] = content
            manifest["sha256"]["correction.npy"] = hashlib.sha256(content).hexdigest()

        rewrite(path, put)
        with pytest.raises(ValueError, match=rf"small\.face3d is damaged.*{sentence}"):
            load_bundle(path)


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", "3", f'{{"version": {VERSION}, "sha256": 3}}'])
def test_a_manifest_of_another_kind_is_told(path, manifest):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(MANIFEST, manifest)
    with pytest.raises(ValueError, match=r"small\.face3d is damaged or no bundle: .+\.$"):
        load_bundle(path)


def test_another_zip_file_and_a_text_are_told(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "<w/>")
    with pytest.raises(ValueError, match=r"no bundle: .*There is no item named 'bundle\.json'"):
        load_bundle(path)
    path.write_text("v 0 0 0\n")
    with pytest.raises(ValueError, match=r"no bundle: File is not a zip file\."):
        load_bundle(path)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "none.face3d", tmp_path):
        for read in (load_bundle, read_facts):
            with pytest.raises(FileNotFoundError, match=rf"{path.name} is missing or no file; expected a bundle"):
                read(path)
