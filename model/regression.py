"""What a run's network regresses, as the functions that training needs beside the network's layers.

Free of Keras until a network is built, so that a stage can find and refuse samples before TensorFlow starts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.coefficients import CAMERA, Whitening, measure_whitening, to_maps, to_parameters
from model.scaling import Scaling, to_network, to_pixels
from model.settings import LossConfig, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout, texel_model

Arrays = Mapping[str, NDArray]
# Samples at most, evenly spaced, that the mean map is the mean of.
AVERAGED = 2048


class Statistics(NamedTuple):
    """What a network starts from: mean and spread of the training part's parameters, and its mean map in px."""

    whitening: Whitening
    mean_map: NDArray[np.float32]


class Regression(NamedTuple):
    """A way from photos to position maps.

    Attributes
    ----------
    to_label : callable
        From position maps in px of the aligned image (n, S, S, 3) to labels, the same in the network's range.
    build : callable
        The Keras network with its first weights, drawn from Keras's random numbers.
    unit : float
        Pixels in a unit of that range.
    make_losses : callable
        From the network to the losses of each of its outputs: the one that it learns by, and the one that it learns by
        late, Euclidean where the first is L1.
    make_preparation : callable
        What turns batches of compact samples into photos and labels, see `augmentation`.
    to_maps : callable
        From the network's final outputs to position maps (n, S, S, 3) float32, px of the aligned image.
    """

    to_label: Callable[[NDArray], NDArray[np.float32]]
    build: Callable[[], Any]
    unit: float
    make_losses: Callable[[Any], dict]
    make_preparation: Callable[[], Callable]
    to_maps: Callable[[NDArray], NDArray[np.float32]]


def make_regression(
    network: NetworkConfig,
    loss: LossConfig,
    scaling: Scaling,
    layout: UVLayout,
    model: FaceModel,
    statistics: Statistics | None = None,
) -> Regression:
    """Say how a network learns position maps: as such, as shape and pose apart, or as a face model's parameters.

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
        to_maps=lambda final: to_pixels(final, scaling),
    )


def measure_statistics(labels: Iterable[Arrays], model: FaceModel, layout: UVLayout) -> Statistics:
    """Measure what a network starts from.

    Parameters
    ----------
    labels : iterable of mapping
        `pose` and `coefficients` of the training part, batch by batch.
    model : FaceModel
    layout : UVLayout

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
    return Statistics(whitening, (total / len(chosen)).astype(np.float32))
