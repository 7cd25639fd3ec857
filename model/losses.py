"""Losses on position maps (thesis, section 3.4.4), in keras.ops.

A loss is a function of true and predicted maps (N, S, S, 3) in a network's range; it returns one value a sample, in px,
so that the curves of two scalings and two sizes can be read against each other.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.scaling import Scaling
from model.settings import LossConfig

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def make_losses(
    outputs: Iterable[str], config: LossConfig, weight_mask: NDArray[np.float32], scaling: Scaling
) -> dict[str, Loss]:
    """Give each output of a network its loss.

    Parameters
    ----------
    outputs : iterable of str
        `final`, and `brief` where the network has one.
    config : LossConfig
    weight_mask : (S, S) float32
        Weights of the thesis's four regions.
    scaling : Scaling

    Returns
    -------
    dict of str to Loss
    """
    return {name: weighted_distance(weight_mask, scaling, config.norm) for name in outputs}


def weighted_distance(weight_mask: NDArray[np.float32], scaling: Scaling, norm: str = "l1") -> Loss:
    """Make equation 3.1, the weighted distance of two position maps.

    The equation writes a squared Euclidean norm; its name L1 and Table 4.1's ``L1 * MASK`` say the sum of absolute
    differences, which is the default. The equation divides by the number of texels; this divides by the sum of the
    weights, a constant factor that makes the value a weighted mean over the face: it does not change with the share of
    the map that the face fills.

    Parameters
    ----------
    weight_mask : (S, S) float32
        Weights, none of them negative, some above 0.
    scaling : Scaling
        Gives the pixels in a unit of the maps.
    norm : {'l1', 'l2'}
        l1: absolute differences in x, y and z added up, in px; l2: the squared Euclidean distance, in px squared.

    Returns
    -------
    Loss
        Of maps (N, S, S, 3) to values (N,).

    Raises
    ------
    ValueError
        If no texel has a weight.
    """
    total = float(weight_mask.sum(dtype=np.float64))
    if not total > 0:
        raise ValueError("The weight mask is 0 everywhere: there is nothing to learn. Check the uv_embedding stage.")
    weights = (weight_mask / total).astype(np.float32)[None]

    def loss(true: Tensor, predicted: Tensor) -> Tensor:
        difference = (predicted - true) * np.float32(scaling.divisor)
        size = ops.abs(difference) if norm == "l1" else ops.square(difference)
        return ops.sum(ops.sum(size, axis=-1) * weights, axis=(1, 2))

    return loss
