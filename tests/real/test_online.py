"""Compact samples of real photos, against the samples that the stages store of them."""

import numpy as np
import pytest

from model.coefficients import CAMERA, to_maps, to_parameters
from pipeline.crops.alignment import align, resample
from pipeline.crops.augmentation import augment_sample, draw_similarity, sample_rng
from pipeline.crops.online import border, crop_with_border, from_copy_to_crop, move_cameras, unpack_crop
from pipeline.crops.policy import AugmentationPolicy
from pipeline.face.camera import project, transform_pose
from pipeline.face.face_model import deform, select_coefficients
from pipeline.face.landmarks import MIRRORED
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import UVLayout, nearest_texels, render_map, sample_map, texel_model

SIZE = 128
POLICY = AugmentationPolicy(copies=1, rotation_deg=34, zoom=(0.85, 1.2), shift=0.1, channel_gain=(1, 1), noises=0)


@pytest.fixture(scope="module")
def operator(bfm_embedding):
    return make_operator(bfm_embedding, SIZE)


@pytest.fixture(scope="module")
def texels(bfm, bfm_embedding, operator):
    rows_columns = nearest_texels(bfm_embedding.uv[bfm.landmarks], SIZE)
    return texel_model(bfm, UVLayout(bfm_embedding.uv, operator, *[np.zeros((SIZE, SIZE))] * 2, rows_columns))


@pytest.fixture(scope="module")
def samples(bfm, operator, aflw_pairs):
    """Photo, sample as the stages make it but for rounding, and crop, of every 100th photo; not levelled."""
    found = []
    for path, annotation_path in aflw_pairs[::100]:
        photo, annotation = read_photo(path), read_annotation(annotation_path)
        coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
        mesh = project(deform(bfm, coefficients)[0], annotation.pose, len(photo))
        similarity = align(mesh[bfm.landmarks], margin=1.5, level=False, size=SIZE)
        aligned = apply_similarity(similarity, mesh)
        sample = {
            "sample_id": np.array(path.stem),
            "image": resample(photo, similarity, SIZE),
            "position_map": render_map(operator, aligned[None])[0],
            "landmarks": aligned[bfm.landmarks].astype(np.float32),
            "similarity": similarity,
            "pose": transform_pose(annotation.pose, len(photo), similarity, SIZE).astype(np.float32),
            "coefficients": coefficients[0],
        }
        found.append((photo, sample, unpack_crop(crop_with_border(photo, similarity, SIZE))))
    assert len(found) > 10
    return found


def moved_copies(samples):
    """The stored way's copy of each sample, and the same similarity."""
    for photo, sample, crop in samples:
        names = (str(sample["sample_id"]), 0, 1)
        yield (
            augment_sample(sample, photo, sample_rng(*names), POLICY, SIZE),
            crop,
            draw_similarity(sample_rng(*names), POLICY, SIZE),
        )


def test_the_middle_of_a_crop_is_the_aligned_image_up_to_what_a_jpeg_loses(samples):
    inside = slice(border(SIZE), border(SIZE) + SIZE)
    for _, sample, crop in samples:
        gap = np.abs(crop[inside, inside].astype(int) - sample["image"])
        assert gap.mean() < 3, sample["sample_id"]


def placed(samples, texels, moves):
    """Maps of the moved cameras of samples' parameters."""
    parameters = [to_parameters(s["pose"][None], s["coefficients"][None], SIZE)[0] for _, s, _ in samples]
    cameras = np.stack([row[:CAMERA].reshape(3, 4) for row in parameters])
    moved = move_cameras(np.stack(moves), cameras).reshape(-1, CAMERA)
    return to_maps(np.concatenate([moved, np.stack(parameters)[:, CAMERA:]], axis=1), texels)


def gap_px(maps, expected):
    """Largest distance, z up to a constant of each map."""
    gap = maps - expected
    gap[..., 2] -= gap[..., 2].mean(axis=(1, 2), keepdims=True)
    return np.abs(gap).max()


def test_labels_are_the_stored_way_s_position_maps_to_a_hundredth_of_a_pixel(samples, texels):
    maps = placed(samples, texels, [np.eye(3)] * len(samples))
    assert gap_px(maps, np.stack([sample["position_map"] for _, sample, _ in samples])) < 0.01


def test_labels_of_moved_samples_are_the_stored_way_s_copies_maps(samples, texels):
    copies = list(moved_copies(samples))
    maps = placed(samples, texels, [move for *_, move in copies])
    assert gap_px(maps, np.stack([copy["position_map"] for copy, *_ in copies])) < 0.05


@pytest.mark.slow
def test_the_training_step_makes_the_photos_and_maps_of_the_stored_way(keras, samples, texels):
    from model.augmentation import place_faces, warp

    copies = list(moved_copies(samples))
    moves = np.stack([move for *_, move in copies])
    source = from_copy_to_crop(moves, SIZE).astype(np.float32)
    photos = np.asarray(warp(np.stack([crop for _, crop, _ in copies]), source, SIZE)) * 255
    side = SIZE + 2 * border(SIZE)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for photo, (copy, *_), back in zip(photos, copies, source, strict=True):
        places = np.stack([columns, rows, np.ones((SIZE, SIZE))], axis=-1) @ back.T
        inside = ((places >= 1) & (places < side - 2)).all(axis=-1)
        assert inside.mean() > 0.9
        # Resampled twice and once: what is fine is blurred a little.
        assert np.abs(photo - copy["image"])[inside].mean() < 8
    parameters = np.stack([to_parameters(s["pose"][None], s["coefficients"][None], SIZE)[0] for _, s, _ in samples])
    cameras = move_cameras(moves, parameters[:, :CAMERA].reshape(-1, 3, 4)).astype(np.float32)
    maps = np.asarray(place_faces(parameters[:, CAMERA:].astype(np.float32), cameras, texels.linear_map))
    assert gap_px(maps, np.stack([copy["position_map"] for copy, *_ in copies])) < 0.05


def test_a_mirrored_map_has_each_landmark_at_the_place_of_its_partner(bfm, bfm_embedding, samples):
    uv = bfm_embedding.uv[bfm.landmarks]
    # The layout is mirror-symmetric to 1.3 texels at most.
    assert np.abs(uv[MIRRORED] * [-1, 1] + [1, 0] - uv).max() * (SIZE - 1) < 1.3
    for _, sample, _ in samples:
        mirrored = sample["position_map"][:, ::-1] * [-1, 1, 1] + [SIZE - 1, 0, 0]
        partners = sample["landmarks"][MIRRORED] * [-1, 1, 1] + [SIZE - 1, 0, 0]
        # What the layout's and the mesh's own asymmetry leave, of faces some 85 px wide.
        assert np.linalg.norm(sample_map(mirrored, uv) - partners, axis=1).mean() < 0.7, sample["sample_id"]
