"""What a network regresses, as the functions that training needs beside the network's layers.

Free of Keras until a network is built, so that a stage can find and refuse samples before TensorFlow starts.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.coefficients import (
    CAMERA,
    Whitening,
    at_texels_of,
    mean_distance,
    measure_moves,
    measure_whitening,
    to_maps,
    to_parameters,
)
from model.scaling import Scaling, to_network, to_pixels
from model.settings import LossConfig, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout, texel_model

Arrays = Mapping[str, NDArray]


class Regression(NamedTuple):
    """A way from photos to position maps.

    Attributes
    ----------
    datasets : tuple of str
        What a label is made from, as sample shards name it.
    to_label : callable
        From these datasets, (n, ...) each, to labels (n, ...) float32.
    build : callable
        The Keras network with its first weights, drawn from Keras's random numbers.
    make_losses : callable
        From the network to the loss of each of its outputs, which it learns by, and to what judges each of them on the
        validation samples.
    to_maps : callable
        From the network's final outputs to position maps (n, S, S, 3) float32, px of the aligned image.
    """

    datasets: tuple[str, ...]
    to_label: Callable[[Arrays], NDArray[np.float32]]
    build: Callable[[], Any]
    make_losses: Callable[[Any], tuple[dict, dict]]
    to_maps: Callable[[NDArray], NDArray[np.float32]]


def position_maps(network: NetworkConfig, loss: LossConfig, scaling: Scaling, layout: UVLayout) -> Regression:
    """Regress the position map itself, as PRNet and the thesis do."""

    def build() -> Any:
        from model.networks import build_network

        return build_network(layout.size, network, scaling)

    def losses(model: Any) -> tuple[dict, dict]:
        from model.losses import make_losses

        both = make_losses(model.output, loss, layout, scaling)
        return both, both

    return Regression(
        datasets=("position_map",),
        to_label=lambda arrays: to_network(arrays["position_map"], scaling, layout.face_mask),
        build=build,
        make_losses=losses,
        to_maps=lambda final: to_pixels(final, scaling),
    )


def coefficients(
    network: NetworkConfig, layout: UVLayout, model: FaceModel, read_labels: Callable[[], Iterable[Arrays]] | None
) -> Regression:
    """Regress the camera and the coefficients of the face model, as 3DDFA does.

    Parameters
    ----------
    network : NetworkConfig
    layout : UVLayout
    model : FaceModel
    read_labels : callable or None
        Gives `pose` and `coefficients` of the training part, batch by batch, for their mean and deviation. None for a
        network that takes weights which have learnt: these hold both.
    """
    texels = texel_model(model, layout)
    if read_labels is None:
        count = CAMERA + model.shape_basis.shape[2] + model.expression_basis.shape[2]
        whitening = Whitening(np.zeros(count), np.ones(count))
    else:
        parameters = (to_parameters(one["pose"], one["coefficients"], layout.size) for one in read_labels())
        whitening = measure_whitening(parameters)

    def build() -> Any:
        from model.coefficient_network import build_coefficient_network

        return build_coefficient_network(layout.size, network, whitening)

    def losses(_model: Any) -> tuple[dict, dict]:
        from model.coefficient_network import weighted_parameter_loss

        face = at_texels_of(texels, layout.face_mask)
        # The loss weighs parameters by the largest error of each sample, so that it can grow while the face gets
        # better: it would choose bad weights.
        return (
            {"final": weighted_parameter_loss(measure_moves(face), whitening)},
            {"final": lambda true, predicted: mean_distance(np.asarray(true), np.asarray(predicted), face)},
        )

    return Regression(
        datasets=("pose", "coefficients"),
        to_label=lambda arrays: to_parameters(arrays["pose"], arrays["coefficients"], layout.size).astype(np.float32),
        build=build,
        make_losses=losses,
        to_maps=lambda final: to_maps(final, texels),
    )
