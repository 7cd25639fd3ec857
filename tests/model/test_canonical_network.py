"""Shape and pose apart: labels, the moved map, weights and learning, against values worked out by hand."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.sparse

from model.coefficients import to_maps, to_parameters
from model.settings import LossConfig, LossTerms, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling, to_network
from tests.helpers.settled_networks import PHOTOS, pixels, settle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("keras")]

SIZE = 32
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] / (SIZE - 1) - 0.5
# A bowl, 1e5 wide, 1.3e5 high and 3e4 deep, in the y-up frame of face models; identity widens it, expression bends it.
BOWL = np.stack([1e5 * COLUMNS, -1.3e5 * ROWS, 3e4 * np.cos(3 * COLUMNS) * np.cos(2 * ROWS)], axis=-1)
WIDER = np.stack([COLUMNS, 0 * ROWS, 0 * ROWS], axis=-1)
DEEPER = np.stack([0 * ROWS, 0 * ROWS, np.cos(6 * ROWS)], axis=-1)
FACE = FaceModel(
    *(part.reshape(-1, 3, *rest).astype(np.float32) for part, *rest in ((BOWL,), (WIDER, 1), (DEEPER, 1))),
    np.zeros((0, 3), np.int32),
    np.zeros(0, np.int32),
)
MASK = np.zeros((SIZE, SIZE), bool)
MASK[3:-3, 4:-4] = True
LAYOUT = UVLayout(None, None, MASK, MASK.astype(np.float32), np.zeros((68, 2), np.int32))
# With an operator: each texel is a vertex.
LAYOUT_OF_VERTICES = dataclasses.replace(
    LAYOUT, operator=scipy.sparse.eye_array(SIZE * SIZE, dtype=np.float32, format="csr")
)
CONFIG = NetworkConfig("canonical_map", 4, 3, 0.9)
TERMS = LossTerms()


def posed(count, coefficients, seed=1):
    """Labels of faces in poses of all kinds, in the range of tanh."""
    rng = np.random.default_rng(seed)
    pose = np.column_stack(
        [rng.uniform(-1.2, 1.2, (count, 3)), rng.normal(16, 3, (count, 3)), rng.uniform(1e-4, 3e-4, count)]
    )
    maps = to_maps(to_parameters(pose, np.broadcast_to(coefficients, (count, 2)), SIZE), FACE)
    return to_network(maps, Scaling("tanh", SIZE), MASK)


def mean_face(scaling="tanh"):
    from model.canonical_network import canonical_mean

    return canonical_mean(FACE, LAYOUT, Scaling(scaling, SIZE))


def build(scaling="tanh", config=CONFIG):
    from model.canonical_network import build_canonical_network

    return build_canonical_network(LAYOUT, config, mean_face(scaling), Scaling(scaling, SIZE))


def canonical_label(maps):
    """What the loss of the canonical map compares with."""
    from model.canonical_network import of_canonical

    return np.asarray(of_canonical(lambda true, _: true, LAYOUT, mean_face())(maps, None))


@pytest.mark.parametrize("scaling", ["tanh", "linear", "sigmoid", "prnet"])
def test_the_mean_face_looks_to_the_front_and_is_as_large_as_faces_in_crops(scaling):
    px = mean_face(scaling) * Scaling(scaling, SIZE).divisor
    inside = px[MASK]
    assert inside.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
    # Two thirds of the map's 32 px are the mean of width (23 of 31 texels of 1e5) and height (25 of 31 of 1.3e5).
    unit = (23 / 31 * 1e5 + 25 / 31 * 1.3e5) / 2 / (32 * 2 / 3)
    assert np.ptp(inside, axis=0)[:2] == pytest.approx([23 / 31 * 1e5 / unit, 25 / 31 * 1.3e5 / unit], rel=1e-5)
    # y down, x to the right, the nose towards the viewer.
    assert px[-1, 0, 1] > px[0, 0, 1]
    assert px[0, -1, 0] > px[0, 0, 0]
    assert px[16, 16, 2] > px[16, 4, 2]


def test_the_label_of_a_face_is_the_same_in_every_pose_and_of_the_mean_face_the_mean_face():
    assert canonical_label(posed(6, [0, 0])) == pytest.approx(
        np.broadcast_to(mean_face(), (6, SIZE, SIZE, 3)), abs=2e-6
    )
    label = canonical_label(posed(6, [2e4, 8e3]))
    assert np.abs(label - label[:1]).max() < 2e-6
    # Its shape is in it: a face that is a fifth wider, at the size of the mean face.
    ratio = np.ptp(label[0][MASK], axis=0) / np.ptp(mean_face()[MASK], axis=0)
    assert ratio[0] / ratio[1] == pytest.approx(1.2, rel=1e-3)


def test_the_label_of_a_mirrored_photo_is_the_mirrored_label():
    from model.augmentation import mirror_maps

    maps = posed(3, [2e4, 8e3])
    mirrored = np.asarray(mirror_maps(maps, Scaling("tanh", SIZE)))
    assert canonical_label(mirrored) == pytest.approx(canonical_label(maps)[:, :, ::-1] * [-1, 1, 1], abs=2e-6)


def test_the_true_canonical_map_laid_over_the_true_map_is_that_map():
    from model.self_alignment import SelfAlignment

    maps = posed(6, [2e4, 8e3])
    layer = SelfAlignment(SIZE)
    layer.set_weights([MASK.astype(np.float32)])
    assert np.asarray(layer([maps, canonical_label(maps)])) == pytest.approx(maps, abs=2e-6)


def test_a_network_puts_out_both_maps_and_the_canonical_one_laid_over_the_posed_one(keras):
    from pipeline.face.similarity import fit_similarity

    keras.utils.set_random_seed(1)
    found = {name: np.asarray(values) for name, values in settle(build())(PHOTOS).items()}
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("posed", "canonical", "final"), (8, SIZE, SIZE, 3)
    )
    assert np.abs(found["posed"]).max() <= 1
    fit = fit_similarity(found["canonical"][:, MASK], found["posed"][:, MASK])
    moved = found["canonical"].reshape(8, -1, 3) @ fit.rotation.transpose(0, 2, 1) * fit.scale[:, None, None]
    # Of random weights, whose posed map is no face: the rotation is less certain than a face's.
    assert found["final"].reshape(8, -1, 3) == pytest.approx(moved + fit.translation[:, None], abs=2e-2)


def test_a_second_decoder_is_all_that_it_has_beyond_the_encoder_decoder():
    from model.networks import build_network

    prn = build_network(SIZE, NetworkConfig("position_map", 4, 3, 0.9), Scaling("tanh", SIZE))
    # Transposed convolutions of 4 x 4, each with scale and shift of its batch normalisation.
    channels = [32, 32, 16, 16, 16, 8, 8, 4, 4, 3, 3, 3]
    decoder = sum(16 * a * b + 2 * b for a, b in itertools.pairwise(channels))
    count = {
        name: sum(int(np.prod(w.shape)) for w in n.trainable_weights) for name, n in (("prn", prn), ("two", build()))
    }
    assert count["two"] - count["prn"] == decoder
    # What does not learn: two statistics a channel, the mean face and the mask.
    fixed = sum(int(np.prod(w.shape)) for w in build().non_trainable_weights)
    assert fixed - sum(int(np.prod(w.shape)) for w in prn.non_trainable_weights) == 2 * sum(channels[1:]) + SIZE**2 * 4


def test_the_loss_of_the_moved_map_alone_reaches_every_weight(keras):
    import tensorflow as tf

    from model.losses import weighted_distance

    keras.utils.set_random_seed(1)
    network, loss = settle(build()), weighted_distance(LAYOUT.weight_mask, Scaling("tanh", SIZE))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(loss(posed(8, [2e4, 8e3]), network(PHOTOS, training=True)["final"]))
    gradients = tape.gradient(value, network.trainable_weights)
    for weights, gradient in zip(network.trainable_weights, gradients, strict=True):
        assert gradient is not None, weights.path
        assert np.isfinite(gradient.numpy()).all(), weights.path
    silent = [
        w.path for w, g in zip(network.trainable_weights, gradients, strict=True) if not np.abs(g.numpy()).max() > 0
    ]
    # A shift of all of a map is taken out by the alignment; what is constant on the mean has no effect.
    assert silent == []


def test_it_learns_eight_faces_by_heart(keras):
    from model import regression

    coefficients = np.random.default_rng(4).normal(0, 1, (8, 2)) * [2e4, 8e3]
    maps = posed(8, coefficients)
    task = regression.make_regression(
        CONFIG, LossConfig("l1", TERMS, TERMS), Scaling("tanh", SIZE), LAYOUT_OF_VERTICES, FACE
    )
    keras.utils.set_random_seed(1)
    network = task.build()
    losses = {name: early for name, (early, _) in task.make_losses(network).items()}
    assert set(losses) == {"posed", "canonical", "final"}
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss=losses)
    first, *_, last = (
        network.train_on_batch(PHOTOS, dict.fromkeys(losses, maps), return_dict=True) for _ in range(150)
    )
    for name in losses:
        assert last[f"{name}_loss"] < 0.4 * first[f"{name}_loss"], name


def test_exported_files_put_out_the_moved_map(keras, tmp_path):
    from model.export import FORMATS, export, open_network
    from model.inference import inference_form

    keras.utils.set_random_seed(1)
    model = settle(build())
    expected = pixels(model(PHOTOS)["final"])[:1]
    files = export(inference_form(model), tmp_path, PHOTOS)
    assert list(files) == list(FORMATS)
    gaps = {name: np.abs(pixels(open_network(path, 1)(PHOTOS[:1])) - expected).max() for name, path in files.items()}
    assert max(gaps["onnx"], gaps["litert"]) < 1e-3
    assert max(gaps["onnx_float16"], gaps["litert_float16"]) < 0.1
    assert max(gaps["onnx_int8"], gaps["litert_int8"]) < 2
