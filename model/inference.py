"""A trained network rewritten for applying it: the same function with fewer and cheaper layers."""

from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

Tensor = Any
# A layers.Conv2D or layers.Conv2DTranspose.
Convolution = Any


def inference_form(model: keras.Model) -> keras.Model:
    """Rewrite a network for inference.

    Batch normalisation and ReLU move into the convolution before them where nothing lies between. Transposed
    convolutions become convolutions, which runtimes have faster kernels for, also in int8. All layers compute in
    float32, whatever the network was trained in.

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
    followers = _followers(final)
    merged = {layer.name for chain in followers.values() for layer in chain}
    copies: dict[str, layers.Layer] = {}

    def call(operation: Any, *inputs: Tensor, **options: Any) -> Tensor:
        if operation.name in merged:
            return inputs[0]
        if isinstance(operation, layers.Conv2D | layers.Conv2DTranspose):
            return _convolve(operation, followers[operation.name], inputs[0])
        if not isinstance(operation, layers.Layer):
            return operation(*inputs, **options)
        if operation.name in copies:  # a layer that is used again
            return copies[operation.name](*inputs, **options)
        copy = copies[operation.name] = type(operation).from_config(_config(operation))
        output = copy(*inputs, **options)
        copy.set_weights(operation.get_weights())
        return output

    return keras.models.clone_model(final, clone_function=lambda operation: operation, call_function=call)


def _followers(model: keras.Model) -> dict[str, list[layers.Layer]]:
    """Find what each convolution can take in: the batch normalisation and then the ReLU that alone see its output."""
    inputs = {operation.name: keras.tree.flatten(operation.input) for operation in model.operations}
    readers = Counter(tensor.name for tensors in inputs.values() for tensor in tensors)
    chains: dict[str, list[layers.Layer]] = {}
    end_of: dict[str, str] = {}
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
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


def _convolve(layer: Convolution, followers: list[layers.Layer], x: Tensor) -> Tensor:
    """Apply a copy of a convolution that does the work of its followers too."""
    kernel, bias = _normalised_weights(layer, followers)
    activation = "relu" if any(isinstance(follower, layers.ReLU) for follower in followers) else layer.activation
    if isinstance(layer, layers.Conv2D):
        copy = layers.Conv2D.from_config({**_config(layer), "use_bias": True, "activation": activation})
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


def _apply(layer: layers.Conv2D, x: Tensor, kernel: NDArray, bias: NDArray) -> Tensor:
    output = layer(x)
    layer.set_weights([kernel, bias])
    return output


def _normalised_weights(layer: Convolution, followers: list[layers.Layer]) -> tuple[NDArray, NDArray]:
    """Kernel and bias (float32) of a convolution with the batch normalisation among its followers."""
    kernel, *biases = layer.get_weights()
    bias = biases[0] if biases else np.zeros(layer.filters, np.float32)
    for norm in followers:
        if isinstance(norm, layers.BatchNormalization):
            gamma, beta, mean, variance = (values.astype(np.float64) for values in norm.get_weights())
            factor = gamma / np.sqrt(variance + norm.epsilon)
            # A transposed convolution's kernel has the channels that it puts out before those that it takes in.
            along_outputs = factor[:, None] if isinstance(layer, layers.Conv2DTranspose) else factor
            kernel, bias = (kernel * along_outputs).astype(np.float32), (bias - mean) * factor + beta
    return kernel, bias.astype(np.float32)
