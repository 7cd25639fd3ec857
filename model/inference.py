"""A trained network rewritten for applying it: the same function with fewer and cheaper layers."""

from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

Tensor = Any
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose)
# One of these.
Convolution = Any
# A layer, or a `_Factor`.
Follower = Any


def inference_form(model: keras.Model) -> keras.Model:
    """Rewrite a network for inference.

    Batch normalisation and ReLU move into the convolution before them where nothing lies between, and batch
    normalisation after an addition into what is added, so that a runtime does addition and ReLU in one go with a
    convolution: what is no convolution of the addition alone is scaled by one of each channel by itself. Transposed
    convolutions become convolutions, which runtimes have faster kernels for, also in int8; a convolution of every other
    pixel has a stride, and doubling is an operation that runtimes have. All layers compute in float32, whatever the
    network was trained in.

    Parameters
    ----------
    model : keras.Model
        From photos to a dict of outputs, among them `final`; left as it is. Its transposed convolutions have kernel 4,
        stride 1 or 2, and padding `same`.

    Returns
    -------
    keras.Model
        From photos (N, S, S, 3) to the `final` output alone, with weights of its own.

    Raises
    ------
    ValueError
        If a transposed convolution is another one than that.
    """
    final = keras.Model(model.input, model.output["final"], name=model.name)
    readers = _readers(final)
    followers = _followers(final, readers)
    sums = _normalised_sums(final, readers, followers)
    thinned, strides = _thinned(final, readers), dict[str, tuple[int, int]]()
    merged = {layer.name for chain in followers.values() for layer in chain}
    merged |= {norm.name for norm, _ in sums.values()}
    copies: dict[str, layers.Layer] = {}

    def call(operation: Any, *inputs: Tensor, **options: Any) -> Tensor:
        if operation.name in merged:
            return inputs[0]
        if operation.name in thinned:
            strides[thinned[operation.name]] = _step(inputs[1])
            return inputs[0]
        if isinstance(operation, CONVOLUTIONS):
            stride = strides.get(operation.name, operation.strides)
            return _convolve(operation, followers[operation.name], inputs[0], stride)
        if operation.name in sums:
            inputs = (_scale(operation, *sums[operation.name], inputs[0]), *inputs[1:])
        if isinstance(operation, layers.UpSampling2D):
            sides = [side * factor for side, factor in zip(inputs[0].shape[1:3], operation.size, strict=True)]
            return ops.image.resize(inputs[0], sides, interpolation=operation.interpolation)
        if not isinstance(operation, layers.Layer):
            return operation(*inputs, **options)
        if operation.name in copies:  # a layer that is used again
            return copies[operation.name](*inputs, **options)
        copy = copies[operation.name] = type(operation).from_config(_config(operation))
        output = copy(*inputs, **options)
        copy.set_weights(operation.get_weights())
        return output

    return keras.models.clone_model(final, clone_function=lambda operation: operation, call_function=call)


def _readers(model: keras.Model) -> Counter[str]:
    """Count what reads each tensor, by its name."""
    return Counter(tensor.name for one in model.operations for tensor in keras.tree.flatten(one.input))


def _followers(model: keras.Model, readers: Counter[str]) -> dict[str, list[Follower]]:
    """Find what each convolution can take in: the batch normalisation and then the ReLU that alone see its output."""
    chains: dict[str, list[Follower]] = {}
    end_of: dict[str, str] = {}
    for layer in model.layers:
        if isinstance(layer, CONVOLUTIONS):
            chains[layer.name] = []
            if layer.activation is keras.activations.linear:
                end_of[layer.output.name] = layer.name
        elif isinstance(layer, layers.BatchNormalization | layers.ReLU):
            name = end_of.pop(layer.input.name, None)
            if name is not None and readers[layer.input.name] == 1:
                chains[name].append(layer)
                if isinstance(layer, layers.BatchNormalization):
                    end_of[layer.output.name] = name
    return chains


def _normalised_sums(
    model: keras.Model, readers: Counter[str], followers: dict[str, list[Follower]]
) -> dict[str, tuple[layers.Layer, list[bool]]]:
    """Move batch normalisation after an addition into the convolutions that it alone adds up: the followers change.

    Returns each such addition's, and whether each of what is added is still to be scaled. The first convolution takes
    in the shift, too; an addition without one stays as it is.
    """
    makers = {layer.output.name: layer for layer in model.layers if isinstance(layer, CONVOLUTIONS)}
    additions = {layer.output.name: layer for layer in model.layers if isinstance(layer, layers.Add)}
    found = {}
    for norm in model.layers:
        if not isinstance(norm, layers.BatchNormalization) or readers[norm.input.name] > 1:
            continue
        addition = additions.get(norm.input.name)
        added = [] if addition is None else [tensor.name for tensor in addition.input]
        alone = [
            name in makers
            and readers[name] == 1
            and not followers[makers[name].name]
            and makers[name].activation is keras.activations.linear
            for name in added
        ]
        if addition is None or not any(alone):
            continue
        for number, name in enumerate(added):
            if alone[number]:
                followers[makers[name].name].append(norm if number == alone.index(True) else _Factor(norm))
        found[addition.name] = norm, [not is_alone for is_alone in alone]
    return found


class _Factor:
    """What a batch normalisation multiplies by, without what it adds."""

    def __init__(self, norm: layers.Layer) -> None:
        self.norm, self.name = norm, norm.name


def _scale(addition: layers.Layer, norm: layers.Layer, unscaled: list[bool], added: list[Tensor]) -> list[Tensor]:
    """Multiply what is not scaled yet of an addition by the factors of its batch normalisation."""
    factor, _ = _factor_and_shift(norm)
    scaled = []
    for number, (is_unscaled, x) in enumerate(zip(unscaled, added, strict=True)):
        if is_unscaled:
            layer = layers.DepthwiseConv2D(1, dtype="float32", name=f"{addition.name}_scale{number}")
            kernel = factor[None, None, :, None].astype(np.float32)
            x = _apply(layer, x, kernel, np.zeros(len(factor), np.float32))
        scaled.append(x)
    return scaled


def _thinned(model: keras.Model, readers: Counter[str]) -> dict[str, str]:
    """Name the convolution of kernel 1 that alone sees what each slice of a tensor takes."""
    slices = {one.output.name: one.name for one in model.operations if type(one).__name__ == "GetItem"}
    return {
        slices[layer.input.name]: layer.name
        for layer in model.layers
        if isinstance(layer, layers.Conv2D)
        and layer.input.name in slices
        and readers[layer.input.name] == 1
        and (layer.kernel_size, layer.strides) == ((1, 1), (1, 1))
    }


def _step(key: tuple[slice, ...]) -> tuple[int, int]:
    """Steps of rows and columns of a slice that takes every so manyth from the first one on, as all of them here do."""
    batch, *steps = key
    if batch != slice(None) or any((step.start, step.stop) != (None, None) for step in steps):
        raise ValueError(f"{key} takes something else than every so manyth row and column from the first one on.")
    return steps[0].step, steps[1].step


def _convolve(layer: Convolution, followers: list[Follower], x: Tensor, stride: tuple[int, int]) -> Tensor:
    """Apply a copy of a convolution, by a stride, that does the work of its followers too."""
    kernel, bias = _normalised_weights(layer, followers)
    activation = "relu" if any(isinstance(follower, layers.ReLU) for follower in followers) else layer.activation
    if not isinstance(layer, layers.Conv2DTranspose):
        changes = {"use_bias": True, "activation": activation, "strides": stride}
        copy = type(layer).from_config(_config(layer) | changes)
        return _apply(copy, x, kernel, bias)
    if layer.kernel_size != (4, 4) or layer.padding != "same" or layer.strides not in ((1, 1), (2, 2)):
        raise ValueError(f"{layer.name} is no transposed convolution of kernel 4 and stride 1 or 2 with padding same.")
    if layer.strides == (1, 1):
        # The convolution whose transpose this is adds one row before the image and two after it.
        padding, kernel = ((2, 1), (2, 1)), kernel[::-1, ::-1].swapaxes(2, 3)
    else:
        padding, kernel, bias = ((1, 1), (1, 1)), _four_phases(kernel), np.tile(bias, 4)
    copy = layers.Conv2D(kernel.shape[-1], kernel.shape[:2], activation=activation, dtype="float32", name=layer.name)
    x = _apply(copy, layers.ZeroPadding2D(padding, name=f"{layer.name}_pad")(x), kernel, bias)
    if layer.strides == (1, 1):
        return x
    return layers.Cropping2D(1, name=f"{layer.name}_crop")(ops.depth_to_space(x, 2))


def _four_phases(kernel: NDArray) -> NDArray:
    """Turn the kernel of a transposed convolution of stride 2 into that of a convolution.

    Row 2t - 1 + q of the output sees rows t - 1 and t of the input through rows 2 + q and q of the kernel, and columns
    likewise: four convolutions of kernel 2, one for each pair of q, whose outputs interleave.

    Parameters
    ----------
    kernel : (4, 4, filters, channels) float

    Returns
    -------
    (2, 2, channels, 4 * filters) float
        For an input with a row and a column of zeros on each side; `depth_to_space` of what it puts out is the output
        with one more on each side.
    """
    filters, channels = kernel.shape[2:]
    taps = kernel.reshape(2, 2, 2, 2, filters, channels)[::-1, :, ::-1]
    return taps.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, channels, 4 * filters)


def _config(layer: layers.Layer) -> dict[str, Any]:
    """A layer's configuration in float32, without initialisers: a function among them cannot be read back."""
    config = {key: value for key, value in layer.get_config().items() if not key.endswith("_initializer")}
    return {**config, "dtype": "float32"}


def _apply(layer: Convolution, x: Tensor, kernel: NDArray, bias: NDArray) -> Tensor:
    output = layer(x)
    layer.set_weights([kernel, bias])
    return output


def _normalised_weights(layer: Convolution, followers: list[Follower]) -> tuple[NDArray, NDArray]:
    """Kernel and bias (float32) of a convolution with the batch normalisation among its followers."""
    kernel, *biases = layer.get_weights()
    # A transposed convolution's kernel has the channels that it puts out before those that it takes in, as has that of
    # a convolution of each channel by itself, which takes in one for each.
    outputs_first = not isinstance(layer, layers.Conv2D)
    bias = biases[0] if biases else np.zeros(kernel.shape[2 if outputs_first else 3], np.float32)
    for follower in followers:
        if isinstance(follower, layers.BatchNormalization | _Factor):
            norm = follower.norm if isinstance(follower, _Factor) else follower
            factor, shift = _factor_and_shift(norm)
            along_outputs = factor[:, None] if outputs_first else factor
            kernel = (kernel * along_outputs).astype(np.float32)
            bias = bias * factor + (0 if isinstance(follower, _Factor) else shift)
    return kernel, bias.astype(np.float32)


def _factor_and_shift(norm: layers.Layer) -> tuple[NDArray, NDArray]:
    """What a batch normalisation multiplies by and then adds: (C,) float64 each."""
    gamma, beta, mean, variance = (values.astype(np.float64) for values in norm.get_weights())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta - mean * factor
