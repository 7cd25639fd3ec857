"""Parameters of real annotations, and the position maps that the stages store of them."""

import numpy as np
import pytest

from model.coefficients import to_maps, to_parameters
from pipeline.crops.alignment import align, resample
from pipeline.crops.augmentation import AugmentationPolicy, augment_sample, sample_rng
from pipeline.face.camera import project, transform_pose
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import list_pairs, read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.encoding import decode_positions, encode_positions
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, nearest_texels, render_map, texel_model

SIZE = 256
STEP_PX = 1 / 64
POLICY = AugmentationPolicy(copies=1, rotation_deg=45, zoom=(0.7, 1.3), shift=0.1, channel_gain=(0.5, 1.5), noises=0)


def make_sample(photo, annotation, bfm, operator):
    """One sample as the data stages make it: from the whole mesh, with the stored types and rounding."""
    coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
    mesh = project(deform(bfm, coefficients)[0], annotation.pose, len(photo))
    similarity = align(mesh[bfm.landmarks], margin=1.5, level=True, size=SIZE)
    aligned = apply_similarity(similarity, mesh)
    stored = encode_positions(render_map(operator, aligned[None])[0], SIZE)
    return {
        "sample_id": np.array("AFLW2000/any"),
        "image": resample(photo, similarity, SIZE),
        "position_map": decode_positions(stored, SIZE),
        "landmarks": aligned[bfm.landmarks].astype(np.float32),
        "similarity": similarity,
        "pose": transform_pose(annotation.pose, len(photo), similarity, SIZE).astype(np.float32),
        "coefficients": coefficients[0],
    }


@pytest.fixture(scope="module")
def gaps(bfm, bfm_embedding, face_data, aflw_pairs):
    """Stored map less the map of the parameters, (N, SIZE, SIZE, 3) px, of samples and of one augmented copy each."""
    operator = make_operator(bfm_embedding, SIZE)
    texels = nearest_texels(bfm_embedding.uv[bfm.landmarks], SIZE)
    face = texel_model(bfm, UVLayout(bfm_embedding.uv, operator, *[np.zeros((SIZE, SIZE))] * 2, texels))
    pairs = aflw_pairs[::75]
    for folder in sorted((face_data / "300W_LP").iterdir()):
        pairs = pairs + [(folder / photo, folder / annotation) for photo, annotation in list_pairs(folder)[0]]
    plain, copies = [], []
    for number, (path, annotation) in enumerate(pairs):
        photo = read_photo(path)
        sample = make_sample(photo, read_annotation(annotation), bfm, operator)
        copy = augment_sample(sample, photo, sample_rng(str(number), 0, 1), POLICY, SIZE)
        for version, gathered in ((sample, plain), (copy, copies)):
            parameters = to_parameters(version["pose"][None], version["coefficients"][None], SIZE)
            gathered.append(version["position_map"] - to_maps(parameters, face)[0])
    return np.array(plain), np.array(copies)


def test_the_parameters_of_a_sample_describe_its_position_map_to_half_a_step(gaps):
    plain, _ = gaps
    assert len(plain) == 29
    assert np.abs(plain[..., :2]).max() < STEP_PX / 2 + 0.001


def test_its_depth_differs_by_one_number_alone(gaps):
    plain, _ = gaps
    assert np.ptp(plain[..., 2], axis=(1, 2)).max() < STEP_PX + 0.002
    assert np.abs(plain[..., 2]).max() > 1


def test_the_parameters_of_an_augmented_copy_describe_the_copy(gaps):
    _, copies = gaps
    # The copy's map is the stored one moved, whose rounding is magnified by at most 1.3, and turned.
    assert np.abs(copies[..., :2]).max() < 1.3 * 2**0.5 * STEP_PX / 2 + 0.001
    assert np.ptp(copies[..., 2], axis=(1, 2)).max() < 1.3 * STEP_PX + 0.002
