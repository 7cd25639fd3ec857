"""A network from a photo to a volume of voxels, after VRN, in Keras 3.

An hourglass of the thesis's own blocks: the encoder of Table 3.1, and a decoder that doubles the resolution up to that
of the volume, adding what the encoder saw at each. The slices of the volume along z are the channels of the last layer,
as in VRN. VRN stacks two hourglasses of 256 channels everywhere, and its volumes have 192 x 192 x 200 voxels; this is
one, whose widths are those of the other variants, but no layer of its decoder is narrower than the slices are many. It
starts from the mean volume, which VRN learns, too: what the last layer puts out is a difference to its logits.

References
----------
A. S. Jackson, A. Bulat, V. Argyriou, G. Tzimiropoulos, "Large Pose 3D Face Reconstruction from a Single Image via
Direct Volumetric CNN Regression", ICCV 2017, section 3.2.
"""

import keras
from keras import layers

from model.networks import KERNEL, MeanMap, bottleneck_block, encode, normalised, photo_input
from model.settings import NetworkConfig
from pipeline.uv.volume import volume_side


def build_volume_network(size: int, config: NetworkConfig) -> keras.Model:
    """Build a network from a photo to a volume.

    Parameters
    ----------
    size : int
        Side of the photo in px, a multiple of 2 ** levels.
    config : NetworkConfig
        Its `width`, `levels` and `batch_norm_momentum`.

    Returns
    -------
    keras.Model
        From photos (N, size, size, 3), RGB in [0, 1], to ``{"final": (N, side, side, side)}``: row, column, slice, the
        probability that a voxel is occupied; `side` is `volume_side(size)`. The mean is set by `networks.set_mean_map`.

    Raises
    ------
    ValueError
        If the size cannot be halved as often as the network has levels, or these are fewer than the halvings from the
        photo to the volume.
    """
    photo = photo_input(size, config)
    side = volume_side(size)
    # The level of the encoder that has the resolution of the volume.
    level_of_volume = (size // side).bit_length() - 1
    if config.levels < level_of_volume:
        raise ValueError(
            f"network.levels is {config.levels}: a volume of {side} voxels a side of photos of {size} px needs "
            f"{level_of_volume} or more."
        )
    seen = encode(photo, config)
    x = seen[-1]
    for level in reversed(range(level_of_volume, config.levels)):
        width = max(side, config.width * 2**level)
        up = layers.Conv2DTranspose(width, KERNEL, 2, padding="same", use_bias=False, name=f"decoder_up{level}")
        skip = layers.Conv2D(width, 1, use_bias=False, name=f"decoder_skip{level}")
        x = layers.Add(name=f"decoder_add{level}")([normalised(up, x, config), skip(seen[level])])
        x = bottleneck_block(x, width, 1, f"decoder_block{level}", config)
    # A start near the mean volume.
    small = keras.initializers.VarianceScaling(0.1)
    difference = layers.Conv2D(side, 1, kernel_initializer=small, dtype="float32", name="slices")(x)
    logits = MeanMap(dtype="float32", name="mean_volume")(difference)
    final = layers.Activation("sigmoid", dtype="float32", name="final")(logits)
    return keras.Model(photo, {"final": final}, name="vrn")
