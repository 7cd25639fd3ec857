"""Exported files that say what they are, read without any parameter, and refused where they contradict."""

import dataclasses
import json
import subprocess
import zipfile

import numpy as np
import onnx
import pytest
import scipy.sparse

from model.export import open_network
from model.exported_maps import open_maps
from model.weights import digest_uv
from pipeline.photo.export_facts import ExportFacts, check_same, facts_in, read_facts, write_facts
from pipeline.photo.onnx_session import open_session
from pipeline.uv.position_map import UVLayout
from tests.helpers.made_networks import REAL, write_onnx

SIZE = 64
UV = np.random.default_rng(0).random((5, 2))
FACTS = ExportFacts("prn", "tanh", SIZE, 1.5, level=True, weights_sha256="ab" * 32, uv_sha256=digest_uv(UV))
PHOTO = np.zeros((1, SIZE, SIZE, 3), np.float32)


def layout(uv=UV, size=SIZE):
    mask = np.ones((size, size))
    operator = scipy.sparse.csr_array((size * size, 5), dtype=np.float32)
    return UVLayout(uv, operator, mask > 0, mask.astype(np.float32), np.zeros((68, 2), np.int32))


def write_file(folder, facts=FACTS, value=0.25, size=SIZE):
    """An ONNX network that puts out one value everywhere, and says of itself what `facts` says."""
    path = folder / "network.onnx"
    path.write_bytes(write_onnx(np.full((size, size, 3), value)))
    if facts is not None:
        write_facts(path, facts)
    return path


def test_a_file_says_what_it_was_told_and_the_same_bytes_again(tmp_path):
    path = write_file(tmp_path)
    assert read_facts(path) == FACTS
    (prop,) = onnx.load(path).metadata_props
    assert prop.key == "facts"
    assert json.loads(prop.value) == dataclasses.asdict(FACTS)
    first = path.read_bytes()
    assert write_file(tmp_path).read_bytes() == first
    assert facts_in(open_session(first, 1)) == FACTS


@pytest.mark.parametrize(
    ("scaling", "x", "z"),
    # 0.25 of 64 px: of half a side from the middle at 31.5, of 255/256 of a side from 0, of 1.1 sides from 0.
    [("tanh", 39.5, 8.0), ("linear", 39.5, 8.0), ("sigmoid", 15.9375, 15.9375), ("prnet", 17.6, 17.6)],
)
def test_its_own_scaling_makes_it_px_whatever_params_yaml_says(tmp_path, scaling, x, z):
    path = write_file(tmp_path, dataclasses.replace(FACTS, scaling=scaling))
    maps = open_maps(path, 1)(PHOTO)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, np.broadcast_to([x, x, z], (1, SIZE, SIZE, 3)), atol=1e-5)


@pytest.mark.parametrize("facts", [FACTS, dataclasses.replace(FACTS, level=False)])
def test_a_file_of_another_uv_layout_or_size_is_refused(tmp_path, facts):
    path = write_file(tmp_path, facts)
    open_maps(path, 1, layout())
    for other in (layout(UV[::-1]), layout(UV, 32)):
        with pytest.raises(
            ValueError, match=r"network\.onnx puts out maps of 64 px, of UV layout .* other points of a"
        ):
            open_maps(path, 1, other)


def test_a_file_that_says_nothing_or_what_it_is_not_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"network\.onnx is missing; expected an exported network"):
        read_facts(tmp_path / "network.onnx")
    with pytest.raises(ValueError, match=r"network\.onnx does not say how its output becomes px: export it anew"):
        open_maps(write_file(tmp_path, None), 1)
    for wrong in ({"size": "64"}, {"level": 1}, {"scaling": None}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} of its facts is of another kind"):
            read_facts(write_file(tmp_path, dataclasses.replace(FACTS, **wrong)))
    with pytest.raises(ValueError, match="The scaling is 'cubic'; expected one of tanh"):
        open_maps(write_file(tmp_path, dataclasses.replace(FACTS, scaling="cubic")), 1)
    small = write_file(tmp_path, dataclasses.replace(FACTS, size=32))
    with pytest.raises(ValueError, match=r"puts out \(1, 64, 64, 3\); it says that its maps are \(1, 32, 32, 3\)"):
        open_maps(small, 1)(PHOTO)
    whole = write_file(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"network\.onnx is damaged, or no network that `export` wrote"):
        read_facts(whole)


@pytest.mark.parametrize("change", [{"scaling": "sigmoid"}, {"size": 32}, {"variant": "final"}, {"margin": 1.6}])
def test_what_else_says_otherwise_is_refused(change):
    same = dataclasses.replace(REAL, variant="prn", weights_sha256="ab" * 32)
    check_same(FACTS, same, "the bundle")
    ((name, value),) = change.items()
    with pytest.raises(
        ValueError, match=f"that its {name} is {getattr(FACTS, name)}, and the bundle that it is {value}"
    ):
        check_same(FACTS, dataclasses.replace(same, **change), "the bundle")


@pytest.mark.slow
def test_litert_files_carry_the_same_and_still_run(keras, tmp_path):
    from model.export import write_litert
    from model.inference import inference_form
    from tests.helpers.settled_networks import PHOTOS, make_network

    path = tmp_path / "network.tflite"
    write_litert(inference_form(make_network()), path, "float32", PHOTOS)
    bare = path.read_bytes()
    expected = open_network(path, 1)(PHOTOS[:1])
    size = PHOTOS.shape[1]
    facts = dataclasses.replace(FACTS, size=size)
    with pytest.raises(ValueError, match=r"network\.tflite is damaged, or no network that `export` wrote"):
        read_facts(path)
    write_facts(path, facts)
    assert path.read_bytes().startswith(bare)
    assert read_facts(path) == facts
    told = subprocess.check_output(["python3", "-c", READ, path], text=True)
    assert json.loads(told) == dataclasses.asdict(facts)
    np.testing.assert_array_equal(open_network(path, 1)(PHOTOS[:1]), expected)
    scaled = expected * np.float32(size / 2) + np.array([(size - 1) / 2, (size - 1) / 2, 0], np.float32)
    np.testing.assert_allclose(open_maps(path, 1)(PHOTOS[:1]), scaled, atol=1e-4)
    assert zipfile.ZipFile(path).infolist()[0].date_time[0] == 1980


READ = "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('facts.json').decode())"
