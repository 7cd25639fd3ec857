"""What a run's network regresses, as the functions that training needs beside the network's layers.

Free of Keras until a network is built, so that a stage can find and refuse samples before TensorFlow starts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.coefficients import CAMERA, Whitening, measure_whitening, to_maps, to_parameters
from model.settings import LossConfig, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout, texel_model
from pipeline.uv.scaling import Scaling, to_network, to_pixels
from pipeline.uv.volume import face_volumes

Arrays = Mapping[str, NDArray]
# Samples at most, evenly spaced, that the mean map is the mean of.
AVERAGED = 2048
# The same of the mean volume, and the least share of samples, and the greatest less than all, that it is taken to have.
VOLUMES_AVERAGED, UNSURE = 256, 0.01


class Statistics(NamedTuple):
    """What a network starts from, of the training part.

    Attributes
    ----------
    whitening : Whitening
        Mean and spread of its parameters.
    mean_map : (S, S, 3) float32
        In px.
    mean_volume : (side, side, side) float32, optional
        The share of samples of which a voxel is occupied; only where it was asked for.
    """

    whitening: Whitening
    mean_map: NDArray[np.float32]
    mean_volume: NDArray[np.float32] | None = None


class Regression(NamedTuple):
    """A way from photos to position maps, or to volumes of voxels.

    Attributes
    ----------
    to_label : callable
        From position maps in px of the aligned image (n, S, S, 3) to labels: the same in the network's range, or
        volumes, see `volume.face_volumes`.
    build : callable
        The Keras network with its first weights, drawn from Keras's random numbers.
    unit : float
        Pixels in a unit of that range; 1 for volumes, whose losses are in nats.
    make_losses : callable
        From the network to the losses of each of its outputs: the one that it learns by, and the one that it learns by
        late, Euclidean where the first is L1.
    make_preparation : callable
        What turns batches of compact samples into photos and labels, see `augmentation`.
    to_output : callable
        From the network's final outputs to what is predicted: position maps (n, S, S, 3) float32, px of the aligned
        image, or volumes (n, side, side, side) float32, the probability that a voxel is occupied.
    mirrored : callable
        From such outputs of mirror images to those of the photos.
    to_online_label : callable, optional
        From cameras (n, 3, 4) and coefficients (n, K) of compact samples to labels, where these are made beside the
        training step and not in it.
    """

    to_label: Callable[[NDArray], NDArray]
    build: Callable[[], Any]
    unit: float
    make_losses: Callable[[Any], dict]
    make_preparation: Callable[[], Callable]
    to_output: Callable[[NDArray], NDArray[np.float32]]
    mirrored: Callable[[NDArray], NDArray[np.float32]]
    to_online_label: Callable[[NDArray, NDArray], NDArray] | None = None


def make_regression(
    network: NetworkConfig,
    loss: LossConfig,
    scaling: Scaling,
    layout: UVLayout,
    model: FaceModel,
    statistics: Statistics | None = None,
) -> Regression:
    """Say how a network learns position maps: as such, as shape and pose apart, or as a face model's; or volumes.

    Parameters
    ----------
    network : NetworkConfig
    loss : LossConfig
    scaling : Scaling
    layout : UVLayout
    model : FaceModel
    statistics : Statistics, optional
        Of the training part; none for a network that takes weights which have learnt: these hold them.

    Returns
    -------
    Regression
    """
    if network.regresses == "volume":
        return _regress_volumes(network, layout, model, statistics)

    def build() -> Any:
        if network.regresses == "coefficients":
            from model.coefficient_network import build_coefficient_network

            texels = texel_model(model, layout)
            count = CAMERA + len(texels.linear_map) - 1
            blank = Whitening(np.zeros(count), np.ones(count))
            whitening = blank if statistics is None else statistics.whitening
            return build_coefficient_network(layout, network, whitening, texels, scaling)
        if network.regresses == "canonical_map":
            from model.canonical_network import build_canonical_network, canonical_mean

            mean_face = canonical_mean(texel_model(model, layout), layout, scaling)
            return build_canonical_network(layout, network, mean_face, scaling)
        from model.networks import build_network, set_mean_map

        built = build_network(layout.size, network, scaling)
        if statistics is not None:
            set_mean_map(built, to_network(statistics.mean_map, scaling, layout.face_mask))
        return built

    def losses(built: Any) -> dict:
        early = losses_by(loss, built)
        late = losses_by(replace(loss, norm="euclidean"), built) if loss.norm == "l1" else early
        return {name: (early[name], late[name]) for name in early}

    def losses_by(loss: LossConfig, built: Any) -> dict:
        from model.losses import make_losses

        made = make_losses(built.output, loss, layout, scaling)
        if network.regresses == "canonical_map":
            from model.canonical_network import canonical_mean, of_canonical

            mean_face = canonical_mean(texel_model(model, layout), layout, scaling)
            made["canonical"] = of_canonical(made["canonical"], layout, mean_face)
        return made

    def preparation() -> Callable:
        from model.augmentation import make_preparation

        return make_preparation(texel_model(model, layout), layout.face_mask, scaling)

    return Regression(
        to_label=lambda maps: to_network(maps, scaling, layout.face_mask),
        build=build,
        unit=scaling.divisor,
        make_losses=losses,
        make_preparation=preparation,
        to_output=lambda final: to_pixels(final, scaling),
        mirrored=mirrored_maps,
    )


def _regress_volumes(
    network: NetworkConfig, layout: UVLayout, model: FaceModel, statistics: Statistics | None
) -> Regression:
    """Say how a network learns volumes: neither the scaling nor the losses of position maps apply."""

    def build() -> Any:
        from model.networks import set_mean_map
        from model.volume_network import build_volume_network

        built = build_volume_network(layout.size, network)
        if statistics is not None and statistics.mean_volume is not None:
            share = np.clip(statistics.mean_volume, UNSURE, 1 - UNSURE)
            set_mean_map(built, np.log(share / (1 - share)))
        return built

    def losses(_: Any) -> dict:
        from model.losses import voxel_cross_entropy

        return {"final": (voxel_cross_entropy, voxel_cross_entropy)}

    def preparation() -> Callable:
        from model.augmentation import make_volume_preparation

        return make_volume_preparation(layout.size)

    def online_label(cameras: NDArray, coefficients: NDArray) -> NDArray[np.uint8]:
        parameters = np.concatenate([cameras.reshape(-1, CAMERA), coefficients], axis=1)
        return face_volumes(to_maps(parameters, texel_model(model, layout)), layout.face_mask)

    return Regression(
        to_label=lambda maps: face_volumes(maps, layout.face_mask),
        build=build,
        unit=1.0,
        make_losses=losses,
        make_preparation=preparation,
        to_output=lambda final: final,
        mirrored=lambda volumes: volumes[:, :, ::-1],
        to_online_label=online_label,
    )


def mirrored_maps(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Position maps (n, S, S, 3) in px of the mirror images of their photos: the layout is mirror-symmetric."""
    flipped = maps[:, :, ::-1].copy()
    flipped[..., 0] = maps.shape[2] - 1 - flipped[..., 0]
    return flipped


def measure_statistics(
    labels: Iterable[Arrays], model: FaceModel, layout: UVLayout, volume: bool = False
) -> Statistics:
    """Measure what a network starts from.

    Parameters
    ----------
    labels : iterable of mapping
        `pose` and `coefficients` of the training part, batch by batch.
    model : FaceModel
    layout : UVLayout
    volume : bool
        Whether the mean volume is measured, too.

    Returns
    -------
    Statistics

    Raises
    ------
    ValueError
        If there is no sample.
    """
    batches = [to_parameters(one["pose"], one["coefficients"], layout.size) for one in labels]
    whitening = measure_whitening(batches)
    parameters = np.concatenate(batches)
    chosen = parameters[:: -(-len(parameters) // AVERAGED)]
    texels = texel_model(model, layout)
    total = sum(to_maps(part, texels).sum(axis=0) for part in np.array_split(chosen, -(-len(chosen) // 32)))
    mean_map = (total / len(chosen)).astype(np.float32)
    if not volume:
        return Statistics(whitening, mean_map)
    chosen = parameters[:: -(-len(parameters) // VOLUMES_AVERAGED)]
    filled = sum(face_volumes(to_maps(one[None], texels), layout.face_mask)[0].astype(np.float32) for one in chosen)
    return Statistics(whitening, mean_map, np.asarray(filled / len(chosen), np.float32))
