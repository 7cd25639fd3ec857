"""The networks of the thesis in Keras 3: encoder-decoder (Tables 3.1 to 3.3) and residual refinement (section 3.4.3).

Where the tables are silent this follows PRNet, whose layers they list: no biases, batch normalisation with scale and
shift after every convolution but the one before an addition and the shortcut, and batch normalisation also before the
output's activation. In one thing it follows PRNet against them: Table 3.2 and the text below it give each block's
shortcut a convolution; here the shortcut is the identity where shapes agree. So it is in PRNet, whose weights section
4.2 starts from: they have no such convolution.

The lean network is our own: the same encoder-decoder with kernels of 3 where nothing is halved or doubled, fewer layers
in the decoder, and all of its channels up to the last layer, which puts out the difference to the mean map. Where the
tables' work at the full resolution, it gathers squares of 2 x 2 px into channels, which takes a quarter off each step.

Separable, it is small enough for a telephone: between the first and the last layer each convolution is one of kernel 3
of each channel by itself, and one of kernel 1 across them (MobileNet: Howard et al. 2017, arXiv 1704.04861); nothing is
narrowed for the former, which is cheap; and doubling repeats pixels, which the next such convolution smooths.

The refinement adds its difference to the brief output's *logits* by default, ``tanh(a + d)``. Section 3.4.3 read
literally squashes twice, ``tanh(tanh(a) + d)``: the difference is then not that "between the Brief-output and the
Ground-Truth", since even the right one for a perfect brief output is not 0. Both joins exist, see `JOINS`. The last
convolution of the difference starts at 0, so that with `logits` the refinement starts from the brief output itself.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from model.normalisation import BatchNormalization
from model.settings import NetworkConfig
from pipeline.uv.scaling import Scaling

KERNEL = 4
LEAN_KERNEL, LEAN_SQUARES = 3, 2
BATCH_NORM_EPSILON = 1e-3
# Where the decoder is only 3 channels wide, a ReLU at mean 0 would cut off half of each coordinate: batch normalisation
# starts two deviations above 0 there, and puts out what tanh does not saturate at. Short runs learn much faster so.
NARROW_BETA, LAST_GAMMA = 2.0, 0.4
Tensor = Any


def build_network(size: int, config: NetworkConfig, scaling: Scaling) -> keras.Model:
    """Build a network from a photo to a position map.

    Parameters
    ----------
    size : int
        Side of photo and map in px, a multiple of 2 ** levels.
    config : NetworkConfig
    scaling : Scaling
        Gives the output's activation.

    Returns
    -------
    keras.Model
        From photos (N, size, size, 3), RGB in [0, 1], to a dict of position maps (N, size, size, 3) in the scaling's
        range: `final`, and with the residual part also `brief`, the encoder-decoder's own.

    Raises
    ------
    ValueError
        If the size cannot be halved as often as the network has levels.
    """
    photo = photo_input(size, config)
    logits = _lean_logits(photo, config) if config.lean else decode(encode(photo, config)[-1], config)
    if not config.residual:
        return keras.Model(photo, {"final": activate(logits, scaling, "final")}, name="prn")
    if size % config.residual_shrink:
        raise ValueError(
            f"network.residual_shrink gathers squares of {config.residual_shrink} px; {size} px is no multiple of that."
        )
    brief = output = activate(logits, scaling, "brief")
    for stage in range(1, config.residual_stages + 1):
        last = stage == config.residual_stages
        joined = logits if config.residual_join == "logits" else output
        difference = _difference(photo, output, config, "residual" if stage == 1 else f"residual{stage}")
        logits = layers.Add(name="join" if stage == 1 else f"join{stage}")([joined, difference])
        output = activate(logits, scaling, "final" if last else f"refined{stage}")
    return keras.Model(photo, {"brief": brief, "final": output}, name="prn_resnet")


def photo_input(size: int, config: NetworkConfig) -> Tensor:
    """Make the input of photos.

    Raises
    ------
    ValueError
        If they cannot be halved as often as the network has levels.
    """
    step = 2**config.levels
    if size % step or size < step:
        raise ValueError(f"The network halves its input {config.levels} times: {size} px is not a multiple of {step}.")
    return keras.Input((size, size, 3), name="photo")


def brief_part(model: keras.Model) -> keras.Model:
    """Cut the encoder-decoder out of a network with a refinement: the same layers, with `brief` as the only output."""
    return keras.Model(model.input, {"brief": model.get_layer("brief").output}, name="prn")


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Set the layers of a network to those of the same names in another, as from the encoder-decoder to the whole.

    Raises
    ------
    ValueError
        If the target has no layer of a name that has weights in the source, or one of other shapes.
    """
    for layer in source.layers:
        weights = layer.get_weights()
        if weights:
            target.get_layer(layer.name).set_weights(weights)


def encode(photo: Tensor, config: NetworkConfig) -> list[Tensor]:
    """Apply Table 3.1: what it sees at each resolution, from that of the photo to the deepest level's."""
    x = normalised(
        layers.Conv2D(config.width, KERNEL, padding="same", use_bias=False, name="encoder_conv"), photo, config
    )
    seen = [x]
    for level in range(1, config.levels + 1):
        channels = config.width * 2**level
        x = bottleneck_block(x, channels, 2, f"encoder_block{2 * level - 1}", config)
        x = bottleneck_block(x, channels, 1, f"encoder_block{2 * level}", config)
        seen.append(x)
    return seen


def bottleneck_block(x: Tensor, channels: int, stride: int, name: str, config: NetworkConfig) -> Tensor:
    """Table 3.2, but for a shortcut that is the identity where shapes agree."""

    def convolution(channels: int, kernel: int, stride: int, part: str) -> layers.Layer:
        return layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_{part}")

    shortcut = x
    if stride != 1 or x.shape[-1] != channels:
        # TensorFlow on CPU (2.18 to 2.21) corrupts the heap in oneDNN's gradient of a 1x1 convolution with a stride.
        # Such a convolution only looks at every other pixel: taking these first is the same function, and safe.
        shortcut = convolution(channels, 1, 1, "shortcut")(x[:, ::stride, ::stride])
    if config.separable:
        x = normalised(convolution(channels, 1, 1, "conv1"), x, config)
        x = normalised(_depthwise(stride, f"{name}_conv2"), x, config)
    else:
        x = normalised(convolution(channels // 2, 1, 1, "conv1"), x, config)
        kernel = LEAN_KERNEL if config.lean and stride == 1 else KERNEL
        x = normalised(convolution(channels // 2, kernel, stride, "conv2"), x, config)
    x = layers.Add(name=f"{name}_add")([convolution(channels, 1, 1, "conv3")(x), shortcut])
    return layers.ReLU(name=f"{name}_relu")(_batch_norm(x, f"{name}_norm", config))


class MeanMap(layers.Layer):
    """Add a fixed map (S, S, C), which is 0 until it is set: the mean of what is learnt."""

    def build(self, input_shape: tuple) -> None:
        """Make room for the map."""
        self.mean = self.add_weight(shape=input_shape[1:], initializer="zeros", trainable=False, name="mean")

    def call(self, maps: Tensor) -> Tensor:
        """Add it."""
        return maps + self.mean


def set_mean_map(model: keras.Model, mean: NDArray[np.float32]) -> None:
    """Let a network that has such a layer start from a mean map (S, S, C), added before its activation."""
    for layer in model.layers:
        if isinstance(layer, MeanMap):
            layer.set_weights([mean])


def _lean_logits(photo: Tensor, config: NetworkConfig) -> Tensor:
    """Encoder-decoder of the lean network, from photos to differences to the mean map, and this added."""

    def convolution(x: Tensor, channels: int, kernel: int, stride: int, name: str) -> Tensor:
        layer = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)
        return normalised(layer, x, config)

    def smooth(x: Tensor, channels: int, name: str) -> Tensor:
        if not config.separable:
            return convolution(x, channels, LEAN_KERNEL, 1, name)
        return convolution(normalised(_depthwise(1, f"{name}_depthwise"), x, config), channels, 1, 1, name)

    channels = [config.width * 2**level for level in range(config.levels + 1)]
    x = convolution(gather_squares(photo, LEAN_SQUARES), channels[1], LEAN_KERNEL, 1, "encoder_conv")
    for level in range(1, config.levels + 1):
        for part, stride in ((1, 1 if level == 1 else 2), (2, 1)):
            x = bottleneck_block(x, channels[level], stride, f"encoder_level{level}_{part}", config)
    x = smooth(x, channels[-1], "decoder_conv")
    for level in reversed(range(1, config.levels)):
        width = channels[level]
        if config.separable:
            x = layers.UpSampling2D(name=f"decoder_up{level}_repeat")(convolution(x, width, 1, 1, f"decoder_up{level}"))
        else:
            up = layers.Conv2DTranspose(width, KERNEL, 2, padding="same", use_bias=False, name=f"decoder_up{level}")
            x = normalised(up, x, config)
        x = smooth(x, width, f"decoder_conv{level}")
    # A start near the mean map: a unit of the network's range is half the image.
    small = keras.initializers.VarianceScaling(0.1)
    last = layers.Conv2D(
        3 * LEAN_SQUARES**2, LEAN_KERNEL, padding="same", kernel_initializer=small, dtype="float32", name="difference"
    )
    return MeanMap(dtype="float32", name="mean_map")(spread_squares(last(x), LEAN_SQUARES))


def _depthwise(stride: int, name: str) -> layers.Layer:
    """A convolution of each channel by itself."""
    return layers.DepthwiseConv2D(LEAN_KERNEL, stride, padding="same", use_bias=False, name=name)


def decoder_layers(levels: int) -> list[tuple[int, int | None]]:
    """Stride of each transposed convolution and its width in multiples of the base width.

    With 5 levels these are the 17 of Table 3.3; the last three, None, have the 3 channels of a position.
    """
    layout: list[tuple[int, int | None]] = [(1, 2**levels)]
    for level in reversed(range(levels)):
        layout += [(2, 2**level)] + [(1, 2**level)] * (2 if level >= 2 else 1)
    return layout + [(1, None)] * 3


def decode(x: Tensor, config: NetworkConfig, prefix: str = "decoder") -> Tensor:
    """Table 3.3, up to the last batch normalisation; its layers have names with `prefix`."""
    layout = decoder_layers(config.levels)
    for number, (stride, multiple) in enumerate(layout, start=1):
        channels = 3 if multiple is None else multiple * config.width
        name = f"{prefix}_deconv{number}"
        layer = layers.Conv2DTranspose(channels, KERNEL, stride, padding="same", use_bias=False, name=name)
        if number == len(layout):
            x = _batch_norm(layer(x), f"{name}_norm", config, gamma=LAST_GAMMA)
        else:
            x = normalised(layer, x, config, beta=NARROW_BETA if multiple is None else 0.0)
    return x


def _difference(photo: Tensor, brief: Tensor, config: NetworkConfig, prefix: str) -> Tensor:
    """Section 3.4.3: what to add to the brief output, seen from the photo and the brief output together.

    The section names no activation outside the blocks. The two convolutions around the stack have ReLU here: without
    it the 3x3 and the 1x1 convolution after the stack would be one linear map.
    """

    def convolution(channels: int, name: str, activation: str | None = "relu") -> layers.Layer:
        return layers.Conv2D(channels, 3, padding="same", activation=activation, name=f"{prefix}_{name}")

    side = config.residual_shrink
    x = layers.Concatenate(name=f"{prefix}_input")([photo, brief])
    x = convolution(config.residual_width, "conv")(gather_squares(x, side))
    for number in range(1, config.residual_blocks + 1):
        inner = convolution(config.residual_width, f"block{number}_conv1")(x)
        inner = convolution(config.residual_width, f"block{number}_conv2", activation=None)(inner)
        x = layers.Add(name=f"{prefix}_block{number}_add")([x, inner])
    x = convolution(config.residual_head_width, "head")(x)
    x = layers.Conv2D(3 * side**2, 1, kernel_initializer="zeros", name=f"{prefix}_difference")(x)
    return spread_squares(x, side)


def gather_squares(x: Tensor, side: int) -> Tensor:
    """Turn squares of pixels into channels: (N, H, W, C) to (N, H / side, W / side, side * side * C)."""
    if side == 1:
        return x
    return ops.space_to_depth(x, side)


def spread_squares(x: Tensor, side: int) -> Tensor:
    """Undo `gather_squares`."""
    if side == 1:
        return x
    return ops.depth_to_space(x, side)


def normalised(layer: layers.Layer, x: Tensor, config: NetworkConfig, beta: float = 0.0) -> Tensor:
    """Apply a convolution, batch normalisation and ReLU."""
    return layers.ReLU(name=f"{layer.name}_relu")(_batch_norm(layer(x), f"{layer.name}_norm", config, beta))


def _batch_norm(x: Tensor, name: str, config: NetworkConfig, beta: float = 0.0, gamma: float = 1.0) -> Tensor:
    norm = BatchNormalization(
        momentum=config.batch_norm_momentum,
        epsilon=BATCH_NORM_EPSILON,
        beta_initializer=keras.initializers.Constant(beta),
        gamma_initializer=keras.initializers.Constant(gamma),
        name=name,
    )
    return norm(x)


def activate(x: Tensor, scaling: Scaling, name: str) -> Tensor:
    """Squash a decoder's output into the network's range."""
    # Under mixed precision too: 16 bits would leave steps of half a pixel and more.
    return layers.Activation(scaling.activation, dtype="float32", name=name)(x)
