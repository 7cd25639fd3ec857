"""The weights that PRNet's authors published, a TensorFlow 1 checkpoint, as weights of the encoder-decoder.

The network is the same where the thesis is silent: padding SAME, no biases, and a batch normalisation of epsilon 0.001
(`networks.BATCH_NORM_EPSILON`) and momentum 0.999 before each activation; sigmoid outputs times 1.1 x 256 = 281.6 are
pixels (`scaling.Scaling`, prnet). Kernels are laid out alike: (rows, columns, in, out), and of transposed convolutions
(rows, columns, out, in).

References
----------
Y. Feng, F. Wu, X. Shao, Y. Wang, X. Zhou, "Joint 3D Face Reconstruction and Dense Alignment with Position Map
Regression Network", ECCV 2018.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCOPE = "resfcn256"
BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
# What Adam kept while PRNet was trained.
OPTIMIZER = re.compile(r"beta[12]_power|.*/Adam(_1)?")


def variables_of(layer: str) -> list[str]:
    """Name the checkpoint's variables that hold a layer's weights.

    Parameters
    ----------
    layer : str
        Name of a layer of the encoder-decoder that has weights, such as ``encoder_block3_conv2_norm``.

    Returns
    -------
    list of str
        In the order of the Keras layer's weights.

    Raises
    ------
    ValueError
        If PRNet has no such layer.
    """
    name, norm = (layer.removesuffix("_norm"), True) if layer.endswith("_norm") else (layer, False)
    place = f"{SCOPE}/{_place(name)}"
    return [f"{place}/BatchNorm/{part}" for part in BATCH_NORM] if norm else [f"{place}/weights"]


def _place(name: str) -> str:
    if name == "encoder_conv":
        return "Conv"
    if match := re.fullmatch(r"decoder_deconv(\d+)", name):
        return _numbered("Conv2d_transpose", int(match[1]))
    match = re.fullmatch(r"encoder_block(\d+)(?:_(shortcut|conv(\d)))?", name)
    if not match:
        raise ValueError(f"PRNet has no layer for {name!r}: only its encoder-decoder can be filled from a checkpoint.")
    block = _numbered("resBlock", int(match[1]))
    if match[3]:
        return f"{block}/{_numbered('Conv', int(match[3]))}"
    return f"{block}/shortcut" if match[2] else block


def _numbered(name: str, number: int) -> str:
    """TensorFlow 1's name of the number-th (from 1) of several."""
    return name if number == 1 else f"{name}_{number - 1}"


def match_variables(
    layers: Mapping[str, list[tuple[int, ...]]], variables: Mapping[str, tuple[int, ...]]
) -> dict[str, list[str]]:
    """Give each variable of a checkpoint its place.

    Parameters
    ----------
    layers : dict of str to list of tuple
        Shapes of the weights of each layer of the encoder-decoder that has any.
    variables : dict of str to tuple
        Shape of each variable of the checkpoint.

    Returns
    -------
    dict of str to list of str
        The variables of each layer, in the order of its weights. Those of the optimizer have no place.

    Raises
    ------
    ValueError
        If a layer's variable is missing or has another shape, or a variable belongs to no layer.
    """
    places = {layer: variables_of(layer) for layer in layers}
    for layer, names in places.items():
        for name, shape in zip(names, layers[layer], strict=True):
            if name not in variables:
                raise ValueError(f"The checkpoint has no {name}, for the layer {layer}: it is not PRNet's.")
            if tuple(variables[name]) != tuple(shape):
                raise ValueError(
                    f"{name} has shape {tuple(variables[name])}, the layer {layer} needs {tuple(shape)}: the network "
                    "must have width 16 and 5 levels, as PRNet has."
                )
    strays = unplaced(variables, places)
    if strays:
        raise ValueError(f"{len(strays)} variables of the checkpoint belong to no layer, first {strays[0]}.")
    return places


def unplaced(variables: Iterable[str], places: Mapping[str, list[str]]) -> list[str]:
    """List variables that are neither a layer's nor the optimizer's."""
    taken = {name for names in places.values() for name in names}
    return sorted(name for name in variables if name not in taken and not OPTIMIZER.fullmatch(name))


def check_files(checkpoint: Path) -> None:
    """Check that a checkpoint's files are there, without TensorFlow.

    Raises
    ------
    FileNotFoundError
        If one of them is missing.
    """
    for suffix in (".index", ".data-00000-of-00001"):
        path = checkpoint.with_name(checkpoint.name + suffix)
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; a checkpoint has an .index and a .data file.")


def load_prnet(checkpoint: Path, model: Any) -> None:
    """Fill a Keras encoder-decoder with a checkpoint's values.

    Parameters
    ----------
    checkpoint : Path
        The common part of its files' names, ``256_256_resfcn256_weight``.
    model : keras.Model
        From `networks.build_network`, of width 16, with 5 levels, without the residual part; changed in place.

    Raises
    ------
    FileNotFoundError
        If one of its files is missing.
    ValueError
        If it is not PRNet's, cut short, or has numbers that are not finite.
    """
    import tensorflow as tf

    check_files(checkpoint)
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ValueError(f"{checkpoint} is no TensorFlow checkpoint: {error}") from error
    filled = {layer.name: layer for layer in model.layers if layer.weights}
    shapes = {name: [tuple(weight.shape) for weight in layer.weights] for name, layer in filled.items()}
    for name, variables in match_variables(shapes, _shapes(reader)).items():
        try:
            values: list[NDArray] = [reader.get_tensor(variable) for variable in variables]
        except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
            raise ValueError(f"{checkpoint} is damaged or cut short: {error}") from error
        broken = [variable for variable, value in zip(variables, values, strict=True) if not np.isfinite(value).all()]
        if broken:
            raise ValueError(f"{checkpoint} has numbers that are not finite, in {broken[0]}: get it anew.")
        filled[name].set_weights(values)


def _shapes(reader: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
