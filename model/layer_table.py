"""The layers of a network as the thesis's Tables 3.1 to 3.3 list them, read from the Keras network itself."""

from typing import Any

from model.settings import NetworkConfig
from pipeline.uv.scaling import Scaling

Row = tuple[str, int, int, str]
# The block that Table 3.2 is read from: the first, whose stride is 2.
BLOCK = "encoder_block1"


def layer_tables(size: int, config: NetworkConfig, scaling: Scaling) -> dict[str, list[Row]]:
    """List the layers of the encoder-decoder.

    Parameters
    ----------
    size : int
        Side of photo and map in px.
    config : NetworkConfig
    scaling : Scaling

    Returns
    -------
    dict of str to list of (layer, side of the kernel, stride, output)
        By the number of the thesis's table; an output reads ``height*width*channels``. The shortcut's stride is that of
        the pixels that it is given.
    """
    from model.networks import build_network

    return read_tables(build_network(size, config, scaling))


def read_tables(network: Any) -> dict[str, list[Row]]:
    """Read the tables from a Keras network of `model.networks.build_network`, see `layer_tables`."""
    layers = {layer.name: layer for layer in network.layers}
    blocks = [name for name in (f"encoder_block{n}" for n in range(1, len(layers))) if f"{name}_relu" in layers]
    deconvolutions = [name for name in (f"decoder_deconv{n}" for n in range(1, len(layers))) if name in layers]
    encoder = [_row("Conv1", layers["encoder_conv"])]
    for number, block in enumerate(blocks, start=1):
        encoder.append(_row(f"ResBlock{number}", layers[f"{block}_conv2"], layers[f"{block}_relu"]))
    parts = [(text, layers[f"{BLOCK}_{text.lower()}"]) for text in ("Shortcut", "Conv1", "Conv2", "Conv3")]
    decoder = [_row(f"Deconv{number}", layers[name]) for number, name in enumerate(deconvolutions, start=1)]
    return {"3.1": encoder, "3.2": [_row(text, layer) for text, layer in parts], "3.3": decoder}


def _row(name: str, layer: Any, last: Any = None) -> Row:
    """Kernel and stride of a convolution, and the output of the layer that its block ends with."""
    output = "*".join(str(length) for length in (last or layer).output.shape[1:])
    return name, int(layer.kernel_size[0]), int(layer.strides[0]), output
