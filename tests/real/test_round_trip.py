"""Photo and annotation to aligned position map and back, judged by AFLW2000's own landmarks (`pt3d_68`)."""

import numpy as np
import pytest

from pipeline.crops.alignment import align
from pipeline.face.camera import project, transform_pose
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.encoding import encode_positions
from pipeline.store.shards import read_shard, write_shard
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, nearest_texels, render_map, sample_map, texel_model

SIZE = 256


@pytest.fixture(scope="module")
def round_trip(bfm, bfm_embedding, aflw_pairs, tmp_path_factory):
    """Of every 15th photo: true and recovered landmarks (N, 68, 3), px errors of single texels and of the short cut."""
    operator = make_operator(bfm_embedding, SIZE)
    uv = bfm_embedding.uv[bfm.landmarks]
    texels = nearest_texels(uv, SIZE)
    shard = tmp_path_factory.mktemp("round_trip") / "00000.h5"
    texel_face = texel_model(bfm, UVLayout(bfm_embedding.uv, operator, *[np.zeros((SIZE, SIZE))] * 2, texels))
    truth, recovered, nearest, short_cut = [], [], [], []
    for photo, path in aflw_pairs[::15]:
        annotation = read_annotation(path)
        coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
        mesh = project(deform(bfm, coefficients)[0], annotation.pose, len(read_photo(photo)))
        similarity = align(mesh[bfm.landmarks], margin=1.5, level=True, size=SIZE)
        aligned = apply_similarity(similarity, mesh)
        rendered = render_map(operator, aligned[None])
        pose = transform_pose(annotation.pose, len(read_photo(photo)), similarity, SIZE)
        direct = project(deform(texel_face, coefficients)[0], pose, SIZE)
        short_cut.append(np.abs(direct.reshape(SIZE, SIZE, 3) - rendered[0]).max())
        write_shard(shard, {"position_map": encode_positions(rendered, SIZE)}, {})
        stored = read_shard(shard)["position_map"][0]
        back = np.linalg.inv(similarity)
        recovered.append(apply_similarity(back, sample_map(stored, uv).astype(np.float64)))
        nearest.append(np.linalg.norm(stored[tuple(texels.T)][:, :2] - aligned[bfm.landmarks][:, :2], axis=1))
        truth.append(annotation.true_landmarks)
    return np.array(truth), np.array(recovered), np.array(nearest), np.array(short_cut)


def nme_percent(truth, recovered, dimensions):
    extent = np.ptp(truth[:, :, :2], axis=1).prod(axis=1) ** 0.5
    distance = np.linalg.norm((truth - recovered)[..., :dimensions], axis=2).mean(axis=1)
    return 100 * distance / extent


def test_landmarks_read_from_the_map_return_to_pt3d_68_in_the_photo(round_trip):
    truth, recovered, *_ = round_trip
    errors = nme_percent(truth, recovered, 2)
    assert len(errors) == 100
    # 0.90 % is what the cut to 40 + 10 vectors costs; a shift of 2 px would add 1.1 %.
    assert errors.mean() < 1.0


def test_depth_returns_too_once_its_mean_is_removed(round_trip):
    truth, recovered = (np.array(points, np.float64) for points in round_trip[:2])
    truth[..., 2] -= truth[..., 2].mean(axis=1, keepdims=True)
    recovered[..., 2] -= recovered[..., 2].mean(axis=1, keepdims=True)
    assert nme_percent(truth, recovered, 3).mean() < 1.2


def test_no_axis_is_shifted_by_a_pixel_convention(round_trip):
    truth, recovered, *_ = round_trip
    bias = np.median((recovered - truth)[..., :2], axis=(0, 1))
    assert np.abs(bias).max() < 0.3


def test_reading_the_nearest_texel_is_off_by_its_rounding_only(round_trip):
    nearest = round_trip[2]
    assert 0.1 < nearest.mean() < 0.7


def test_the_model_of_texels_gives_the_map_of_the_mesh(round_trip):
    """What the stage does, operator first and then the coefficients, against the mesh first and then the operator."""
    assert round_trip[3].max() < 0.001
