"""Augmentation and labels in the training step, on any backend: crops, cameras and coefficients to photos and maps.

What is drawn is in `pipeline.crops.online`; here it is done, for a batch, in keras.ops.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.backend import full_precision
from pipeline.crops.online import NOISE_STARTS
from pipeline.face.face_model import FaceModel
from pipeline.uv.scaling import Scaling

Tensor = Any
Batch = Mapping[str, Tensor]


def make_preparation(
    texels: FaceModel, face_mask: NDArray[np.bool_], scaling: Scaling
) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    """Make what turns a batch of compact samples into photos and labels.

    Parameters
    ----------
    texels : FaceModel
        The face model at the texels of the map, see `position_map.texel_model`.
    face_mask : (S, S) bool
        The texels whose z is centred.
    scaling : Scaling

    Returns
    -------
    callable
        From `crop` (n, C, C, 3) uint8, `coefficients` (n, K), `camera` (n, 3, 4), `source` (n, 2, 3), see
        `online.from_copy_to_crop`, and the fields of `online.Draws` but its moves, to photos (n, S, S, 3) in [0, 1] and
        maps (n, S, S, 3) in the range of the network, both float32.
    """
    size, face = scaling.size, face_mask.astype(np.float32)
    bank = _noise(size)

    def prepare(batch: Batch) -> tuple[Tensor, Tensor]:
        photos = recolour(warp(batch["crop"], batch["source"], size), batch, bank)
        maps = to_range(place_faces(batch["coefficients"], batch["camera"], texels.linear_map), face, scaling)
        mirrored = ops.reshape(batch["mirrored"], (-1, 1, 1, 1))
        photos = ops.where(mirrored, ops.flip(photos, axis=2), photos)
        return photos, ops.where(mirrored, mirror_maps(maps, scaling), maps)

    return prepare


def make_volume_preparation(size: int) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    """Make what turns a batch of compact samples that has volumes of the copies into photos and labels.

    Parameters
    ----------
    size : int
        Side of the photos in px.

    Returns
    -------
    callable
        As that of `make_preparation`, but the batch has `label` (n, side, side, side) instead of coefficients and
        cameras.
    """
    bank = _noise(size)

    def prepare(batch: Batch) -> tuple[Tensor, Tensor]:
        photos = recolour(warp(batch["crop"], batch["source"], size), batch, bank)
        mirrored = ops.reshape(batch["mirrored"], (-1, 1, 1, 1))
        photos, volumes = (ops.where(mirrored, ops.flip(values, axis=2), values) for values in (photos, batch["label"]))
        return photos, volumes

    return prepare


def _noise(size: int) -> NDArray[np.float32]:
    """Fixed random numbers, of which each sample takes others: so noise is the same on every backend."""
    return np.random.default_rng(0).standard_normal(NOISE_STARTS + size * size * 3, np.float32)


def warp(crops: Tensor, source: Tensor, size: int) -> Tensor:
    """Resample crops bilinearly.

    Parameters
    ----------
    crops : (n, C, C, 3) uint8
    source : (n, 2, 3) float32
        Pixels of the copy to pixels of the crop.
    size : int
        Side of the copy in px.

    Returns
    -------
    (n, size, size, 3) float32
        In [0, 1]; black beyond the crop.
    """
    count, side = ops.shape(crops)[0], crops.shape[1]
    rows, columns = np.mgrid[:size, :size].reshape(2, -1)
    grid = np.stack([columns, rows, np.ones(size * size)]).astype(np.float32)
    with full_precision():
        places = ops.matmul(source, grid[None])
    low = ops.floor(places)
    share, low = places - low, ops.cast(low, "int32")
    texels = ops.reshape(crops, (-1, 3))
    first = ops.reshape(ops.arange(count, dtype="int32"), (-1, 1)) * (side * side)
    result = 0.0
    for down in (0, 1):
        for right in (0, 1):
            column, row = low[:, 0] + right, low[:, 1] + down
            inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
            place = first + ops.clip(row, 0, side - 1) * side + ops.clip(column, 0, side - 1)
            weight = (share[:, 0] if right else 1 - share[:, 0]) * (share[:, 1] if down else 1 - share[:, 1])
            values = ops.cast(ops.take(texels, place, axis=0), "float32")
            result = result + values * ops.expand_dims(weight * ops.cast(inside, "float32"), -1)
    return ops.reshape(result * np.float32(1 / 255), (-1, size, size, 3))


def recolour(photos: Tensor, batch: Batch, bank: NDArray[np.float32]) -> Tensor:
    """Change colours, add noise and cover patches, in this order, as `online.Draws` says; (n, S, S, 3) in [0, 1]."""
    size = photos.shape[1]

    def each(name: str) -> Tensor:
        return ops.reshape(batch[name], (-1, 1, 1, 1))

    photos = photos * ops.reshape(batch["gain"], (-1, 1, 1, 3)) + each("brightness")
    grey = ops.mean(photos, axis=3, keepdims=True)
    photos = grey + (photos - grey) * each("saturation")
    mean = ops.mean(photos, axis=(1, 2, 3), keepdims=True)
    photos = mean + (photos - mean) * each("contrast")
    numbers = ops.reshape(batch["noise_start"], (-1, 1)) + np.arange(size * size * 3, dtype=np.int32)[None]
    photos = photos + ops.reshape(ops.take(bank, numbers, axis=0), (-1, size, size, 3)) * each("noise")
    rows, columns = np.mgrid[:size, :size].astype(np.float32)[:, None]
    for number in range(batch["patch"].shape[1]):
        left, top, right, bottom = (ops.reshape(batch["patch"][:, number, side], (-1, 1, 1)) for side in range(4))
        covered = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
        colour = ops.reshape(batch["patch_colour"][:, number], (-1, 1, 1, 3))
        photos = ops.where(ops.expand_dims(covered, -1), colour, photos)
    return ops.clip(photos, 0.0, 1.0)


def place_faces(coefficients: Tensor, cameras: Tensor, basis: Tensor) -> Tensor:
    """Place faces as position maps, by the same product as `position_maps`, in full float32.

    Parameters
    ----------
    coefficients : (n, K) float32
    cameras : (n, 3, 4) float32
        Model frame to pixels.
    basis : (K + 1, S * S * 3) float32
        Of the face model at the texels, see `FaceModel.linear_map`.

    Returns
    -------
    (n, S, S, 3) float32
        Pixels.
    """
    size = round((basis.shape[1] / 3) ** 0.5)
    with full_precision():
        faces = ops.matmul(coefficients, basis[:-1]) + basis[-1]
        placed = ops.matmul(ops.reshape(faces, (-1, size * size, 3)), ops.transpose(cameras[:, :, :3], (0, 2, 1)))
    return ops.reshape(placed + cameras[:, None, :, 3], (-1, size, size, 3))


def to_range(maps: Tensor, face: Tensor, scaling: Scaling) -> Tensor:
    """Scale position maps in px to a network's range, as `scaling.to_network` does; `face` (S, S) is 1 on the face."""
    z = maps[..., 2]
    if scaling.centred:
        zero = ops.sum(z * face, axis=(1, 2), keepdims=True) / ops.sum(face)
    else:
        zero = ops.min(ops.where(face > 0, z, np.float32(np.inf)), axis=(1, 2), keepdims=True)
    origin = np.array([scaling.centre, scaling.centre, 0], np.float32)
    zero = ops.expand_dims(zero, -1) * np.array([0, 0, 1], np.float32)
    return (maps - origin - zero) * np.float32(1 / scaling.divisor)


def mirror_maps(maps: Tensor, scaling: Scaling) -> Tensor:
    """Mirror maps (n, S, S, 3) in a network's range as the photo is mirrored: the layout is mirror-symmetric.

    Texels change sides, and x counts from the other edge.
    """
    # Of pixels, x becomes size - 1 - x.
    opposite = np.float32((scaling.size - 1 - 2 * scaling.centre) / scaling.divisor)
    sign, shift = np.array([-1, 1, 1], np.float32), np.array([opposite, 0, 0], np.float32)
    return ops.flip(maps, axis=2) * sign + shift
