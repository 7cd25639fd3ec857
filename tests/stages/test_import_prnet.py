"""A checkpoint in the layout of PRNet's, written by a graph of tf.compat.v1, gives the same maps in our network."""

import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from model import prnet_checkpoint
from pipeline.uv.scaling import Scaling, to_pixels
from stages.import_prnet import PRNET, main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SCALING = Scaling("prnet", 256)
CHECKPOINT = "256_256_resfcn256_weight"


def import_prnet(*arguments):
    with mock.patch.dict(os.environ):  # the command chooses a backend for its process
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("prnet")


@pytest.fixture(scope="module")
def graph(keras, folder) -> tuple[np.ndarray, np.ndarray]:
    from tests.helpers.prnet_graph import write_checkpoint

    return write_checkpoint(folder / CHECKPOINT)


@pytest.fixture(scope="module")
def network(keras):
    from model.networks import build_network

    return build_network(256, PRNET, SCALING)


def test_our_network_gives_the_graph_s_maps(graph, network, folder):
    photos, maps = graph
    imported = import_prnet(folder / CHECKPOINT, "--out", folder / "weights/model.weights.h5")
    assert imported.exit_code == 0, imported.output
    assert "13365508 values" in imported.output
    network.load_weights(folder / "weights/model.weights.h5")
    ours = to_pixels(network.predict_on_batch(photos)["final"], SCALING)
    # float32 rounds 281.6 px to 3e-5 px; the sums of 17 + 30 layers in another order add to that.
    assert np.abs(ours - maps).max() < 0.01
    # The maps are neither flat nor saturated.
    assert maps.std() > 10
    assert np.ptp(maps) > 100


def test_each_variable_of_the_published_checkpoint_has_its_place(network, face_data_or_none):
    import tensorflow as tf

    published = face_data_or_none and face_data_or_none / "prnet" / CHECKPOINT
    if not published or not published.with_name(f"{CHECKPOINT}.index").is_file():
        pytest.skip("the published checkpoint's index is not in FACE_DATA/prnet")
    shapes = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in network.layers if layer.weights}
    variables = {name: tuple(shape) for name, shape in tf.train.list_variables(str(published))}
    places = prnet_checkpoint.match_variables(shapes, variables)
    taken = [name for names in places.values() for name in names]
    # Kernels: 1, 3 in each of 10 blocks, 5 shortcuts, 17. Batch normalisations: 1, 3 in each block, 17, of 4 variables.
    kernels, norms = 1 + 30 + 5 + 17, 1 + 30 + 17
    # Adam has two for each that learns, which the batch statistics do not, and its two powers.
    adam = 2 * (kernels + 2 * norms) + 2
    placed = kernels + 4 * norms
    assert len(variables) == placed + adam == 545
    assert len(taken) == len(set(taken)) == placed
    assert sum(int(np.prod(variables[name])) for name in taken) == 13_365_508
    assert len(prnet_checkpoint.unplaced(variables, places)) == 0


def test_a_checkpoint_that_is_cut_short_is_refused(graph, folder, tmp_path):
    (tmp_path / "weight.index").write_bytes((folder / f"{CHECKPOINT}.index").read_bytes())
    whole = (folder / f"{CHECKPOINT}.data-00000-of-00001").read_bytes()
    for size in (0, 1000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "weight.data-00000-of-00001").write_bytes(whole[:size])
        result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
        assert result.exit_code == 1
        assert "weight is damaged or cut short: " in result.output
        assert not (tmp_path / "out.weights.h5").exists()


def test_a_checkpoint_whose_numbers_are_not_finite_is_refused(graph, folder, tmp_path):
    """With checksums that agree, as a training that went astray would write it."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(folder / CHECKPOINT))
    names = sorted(reader.get_variable_to_shape_map())
    values = {name: reader.get_tensor(name) for name in names}
    values["resfcn256/Conv/weights"].flat[7] = np.nan
    tensors = [values[name] for name in names]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "weight"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
    )
    result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
    assert result.exit_code == 1
    assert "weight has numbers that are not finite, in resfcn256/Conv/weights: get it anew." in result.output
    assert not (tmp_path / "out.weights.h5").exists()


def test_the_index_alone_is_not_enough(graph, folder, tmp_path):
    (tmp_path / "weight.index").write_bytes((folder / f"{CHECKPOINT}.index").read_bytes())
    result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
    assert result.exit_code == 1
    assert "weight.data-00000-of-00001 is missing; a checkpoint has an .index and a .data file." in result.output
    assert not (tmp_path / "out.weights.h5").exists()


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    for suffix in ("index", "data-00000-of-00001"):
        (tmp_path / f"weight.{suffix}").write_bytes(b"no checkpoint" * 100)
    result = import_prnet(tmp_path / "weight", "--out", tmp_path / "out.weights.h5")
    assert result.exit_code == 1
    assert "weight is no TensorFlow checkpoint" in result.output
