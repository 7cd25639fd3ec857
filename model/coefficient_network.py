"""The baseline that the thesis compares with: 3DDFA's regression of camera and coefficients, in Keras 3.

References
----------
X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li, "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016, section 3.3.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from model.coefficients import CAMERA, Moves, Whitening
from model.settings import NetworkConfig

Tensor = Any
DEEPEST_SIDE = 4
WIDEST = 16
FEATURES = 16


def build_coefficient_network(size: int, config: NetworkConfig, whitening: Whitening) -> keras.Model:
    """Build a small convolutional network from a photo to parameters.

    Pairs of 3x3 convolutions, the first of each with stride 2, down to 4 x 4 px, then two dense layers. The last layer
    is fixed: it turns whitened parameters into parameters, so that the weights say all that is needed to apply them,
    and constant parameters come out as their constant.

    Parameters
    ----------
    size : int
        Side of the photo in px, a multiple of 32.
    config : NetworkConfig
        Its `width`, the channels of the first pair are twice that, and `batch_norm_momentum`.
    whitening : Whitening
        Of the training part.

    Returns
    -------
    keras.Model
        From photos (N, size, size, 3), RGB in [0, 1], to ``{"final": (N, P)}``, see `coefficients`.
    """
    photo = x = keras.Input((size, size, 3), name="photo")
    level = 0
    while x.shape[1] > DEEPEST_SIDE:
        level += 1
        channels = config.width * min(2**level, WIDEST)
        x = _normalised(x, channels, 2, f"conv{level}_1", config)
        x = _normalised(x, channels, 1, f"conv{level}_2", config)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(config.width * FEATURES, "relu", name="features")(x)
    count = len(whitening.mean)
    x = layers.Dense(count, dtype="float32", name="whitened")(x)
    final = layers.Dense(
        count,
        kernel_initializer=lambda *_, **__: ops.convert_to_tensor(np.diag(whitening.deviation), "float32"),
        bias_initializer=lambda *_, **__: ops.convert_to_tensor(whitening.mean, "float32"),
        trainable=False,
        dtype="float32",
        name="final",
    )
    return keras.Model(photo, {"final": final(x)}, name="3ddfa")


def weighted_parameter_loss(moves: Moves, whitening: Whitening) -> Callable[[Tensor, Tensor], Tensor]:
    """Make 3DDFA's weighted parameter distance cost.

    The squared error of each whitened parameter, weighted by how far the vertices move when this parameter alone is
    taken from the prediction and all others from the truth, ``w_i = |V(p_i) - V(p)|``, divided by the largest weight
    (equations 7 and 8). A face is linear in each parameter, so that the root mean square over the vertices is, without
    placing any of them: ``|dA_rc| sqrt(mean s_c^2)`` for an entry of the camera's (3, 3) part, with the true face's
    coordinate s_c; ``|dt_r|`` for a translation; ``|da_i| sqrt(tr(A G_i A^T))`` for a coefficient, with the true camera
    A and the vector's Gram matrix G_i. The weights have no gradient.

    Parameters
    ----------
    moves : Moves
        Of the vertices that stand for the face.
    whitening : Whitening

    Returns
    -------
    callable
        Of true and predicted parameters (N, P) to values (N,): a weighted mean of squared deviations, without a unit.
    """
    vectors, shapes = moves.vectors.astype(np.float32), moves.shapes.astype(np.float32)
    varies = whitening.deviation > 0
    whitener = (varies / np.where(varies, whitening.deviation, 1.0)).astype(np.float32)

    def loss(true: Tensor, predicted: Tensor) -> Tensor:
        difference = ops.abs(predicted - true)
        weights = ops.stop_gradient(difference * _moves_of_each(true, vectors, shapes))
        weights = weights / ops.maximum(ops.max(weights, axis=1, keepdims=True), 1e-12)
        return ops.mean(weights * ops.square(difference * whitener), axis=1)

    return loss


def _moves_of_each(true: Tensor, vectors: Tensor, shapes: Tensor) -> Tensor:
    """Root mean square move of the vertices, px a unit of each parameter (N, P), around true parameters."""
    cameras = ops.reshape(true[:, :CAMERA], (-1, 3, 4))
    linear = cameras[:, :, :3]
    coefficients = ops.pad(true[:, CAMERA:], ((0, 0), (1, 0)), constant_values=1.0)
    coordinates = ops.sqrt(ops.einsum("ni,aij,nj->na", coefficients, shapes, coefficients))
    row = ops.concatenate([coordinates, ops.ones_like(coordinates[:, :1])], axis=1)
    turned = ops.einsum("nra,iab,nrb->ni", linear, vectors, linear)
    return ops.concatenate([row, row, row, ops.sqrt(ops.maximum(turned, 0.0))], axis=1)


def _normalised(x: Tensor, channels: int, stride: int, name: str, config: NetworkConfig) -> Tensor:
    x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
