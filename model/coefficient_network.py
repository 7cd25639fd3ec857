"""The baseline that the thesis compares with: 3DDFA's regression of camera and coefficients, in Keras 3.

With several passes it is their cascade: each after the first sees the photo with the PNCC of the face that the one
before has found, and puts out a correction of its parameters. Theirs begins with the PNCC of a mean face in the middle;
here the first pass sees the photo alone, and is the network of one pass. Theirs trains a pass when those before it are
done; here all learn at once, each by the face that it places, with no gradient from one to the one before.

References
----------
X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li, "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016, sections 3.2
and 3.3.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from model.augmentation import place_faces, to_range
from model.coefficients import CAMERA, Whitening
from model.normalisation import BatchNormalization
from model.pncc import CodePicture, normalised_coordinates
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling

Tensor = Any
DEEPEST_SIDE = 4
WIDEST = 16
FEATURES = 16


class PlacedFace(layers.Layer):
    """From parameters (N, 12 + K), see `coefficients`, to the position maps of the faces in the network's range.

    It has no weights of its own to learn: the face model at the texels, which the weights' file then holds.
    """

    def __init__(self, size: int, coefficients: int, scaling: str, **options: Any) -> None:
        super().__init__(**options)
        self.size, self.coefficients, self.scaling = size, coefficients, Scaling(scaling, size)
        shape = (coefficients + 1, size * size * 3)
        self.basis = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="basis")
        self.face = self.add_weight(shape=(size, size), initializer="ones", trainable=False, name="face")

    def call(self, parameters: Tensor) -> Tensor:
        """Place the faces."""
        cameras = ops.reshape(parameters[:, :CAMERA], (-1, 3, 4))
        maps = place_faces(parameters[:, CAMERA:], cameras, self.basis)
        return to_range(maps, self.face, self.scaling)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made with."""
        own = {"size": self.size, "coefficients": self.coefficients, "scaling": self.scaling.name}
        return {**super().get_config(), **own}


def build_coefficient_network(
    layout: UVLayout, config: NetworkConfig, whitening: Whitening, texels: FaceModel, scaling: Scaling
) -> keras.Model:
    """Build a small convolutional network from a photo to parameters, and to the face that they place.

    Pairs of 3x3 convolutions, the first of each with stride 2, down to 4 x 4 px, then two dense layers. What follows is
    fixed: whitened parameters become parameters, so that each output of what learns has a spread of 1 and constant
    parameters come out as their constant; and these place the face model's texels. So it learns by the distance of
    vertices (the vertex distance cost of 3DDFA), with the losses of the networks that regress the map itself. A
    correction starts at 0, and is of whitened parameters.

    Parameters
    ----------
    layout : UVLayout
        Its size, a multiple of 32, and its face mask.
    config : NetworkConfig
        Its `width`, the channels of the first pair are twice that, `passes` and `batch_norm_momentum`.
    whitening : Whitening
        Of the training part.
    texels : FaceModel
        The face model at the texels of the map.
    scaling : Scaling

    Returns
    -------
    keras.Model
        From photos (N, S, S, 3), RGB in [0, 1], to position maps (N, S, S, 3) in the network's range: `final`, and of
        each pass before the last `pass1` and so on; its layer `parameters` makes the parameters.
    """
    size, count = layout.size, len(whitening.mean)
    photo = keras.Input((size, size, 3), name="photo")
    parameters = layers.Dense(
        count,
        kernel_initializer=lambda *_, **__: ops.convert_to_tensor(np.diag(whitening.deviation), "float32"),
        bias_initializer=lambda *_, **__: ops.convert_to_tensor(whitening.mean, "float32"),
        trainable=False,
        dtype="float32",
        name="parameters",
    )
    placed = PlacedFace(size, count - CAMERA, scaling.name, dtype="float32", name="final")
    whitened = _whitened(photo, config, count)
    maps = [placed(parameters(whitened))]
    for number in range(2, config.passes + 1):
        picture = CodePicture(size, scaling.name, dtype="float32", name=f"pass{number}_codes")
        seen = layers.Concatenate(name=f"pass{number}_input")([photo, picture(maps[-1])])
        picture.set_weights([normalised_coordinates(texels.mean)])
        correction = _whitened(seen, config, count, f"pass{number}_", "zeros")
        whitened = layers.Add(name=f"pass{number}_sum")([ops.stop_gradient(whitened), correction])
        maps.append(placed(parameters(whitened)))
    placed.set_weights([texels.linear_map, layout.face_mask.astype(np.float32)])
    earlier = {f"pass{number}": each for number, each in enumerate(maps[:-1], start=1)}
    return keras.Model(photo, {**earlier, "final": maps[-1]}, name="3ddfa")


def _whitened(
    x: Tensor, config: NetworkConfig, count: int, prefix: str = "", initializer: str = "glorot_uniform"
) -> Tensor:
    """Regress whitened parameters (N, count), or a correction of them, from pictures."""
    level = 0
    while x.shape[1] > DEEPEST_SIDE:
        level += 1
        channels = config.width * min(2**level, WIDEST)
        x = _normalised(x, channels, 2, f"{prefix}conv{level}_1", config)
        x = _normalised(x, channels, 1, f"{prefix}conv{level}_2", config)
    x = layers.Flatten(name=f"{prefix}flatten")(x)
    x = layers.Dense(config.width * FEATURES, "relu", name=f"{prefix}features")(x)
    return layers.Dense(count, kernel_initializer=initializer, dtype="float32", name=f"{prefix}whitened")(x)


def _normalised(x: Tensor, channels: int, stride: int, name: str, config: NetworkConfig) -> Tensor:
    x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, name=name)(x)
    x = BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
