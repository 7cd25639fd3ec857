"""A face's shape and its pose apart: two decoders, and the pose by laying one's map over the other's, in Keras 3.

A nonlinear face model: where a linear one adds vectors, a decoder makes the deformation of the mean face, and learns it
from photos. One decoder puts out the posed map, as all of our networks of position maps do; the other the canonical
map: the face as it is from the front, centred and as large as the mean face, whatever the photo's camera. The
similarity between the two is the camera (self-alignment); the canonical map moved by it is what the network puts out.

What differs from Tran and Liu: no albedo, no renderer, no photo without labels; all is learnt from true maps. From
SADRNet: no map of what is hidden, which says there whose landmarks the alignment trusts; ours trusts all texels of the
face alike, and is in the graph, so that the moved map's loss reaches both decoders.

References
----------
L. Tran, X. Liu, "Nonlinear 3D Face Morphable Model", CVPR 2018.
Z. Ruan, C. Zou, L. Wu, G. Wu, L. Wang, "SADRNet: Self-Aligned Dual Face Regression Networks for Robust 3D Dense Face
Alignment and Reconstruction", IEEE Transactions on Image Processing 30, 2021.
"""

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from model.losses import Loss
from model.networks import MeanMap, activate, decode, encode, photo_input
from model.self_alignment import SelfAlignment, align_maps
from model.settings import NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling

Tensor = Any
# Side of the canonical face's box in sides of the map: about as large as faces in crops, so that losses in px agree.
CANONICAL_SIDE = 2 / 3
# Deformations are a few hundredths of a unit. The decoder's own output is larger, as that of the posed map is: were its
# last scale so small, the first steps would take it to 0, and the decoder would learn no more.
DEFORMATION = 0.05


def build_canonical_network(
    layout: UVLayout, config: NetworkConfig, mean_face: NDArray[np.float32], scaling: Scaling
) -> keras.Model:
    """Build a network from a photo to a posed map, a canonical map, and the one laid over the other.

    Parameters
    ----------
    layout : UVLayout
        Its size, a multiple of 2 ** levels, and its face mask.
    config : NetworkConfig
        Its `width`, `levels` and `batch_norm_momentum`.
    mean_face : (S, S, 3) float32
        See `canonical_mean`.
    scaling : Scaling

    Returns
    -------
    keras.Model
        From photos (N, S, S, 3), RGB in [0, 1], to a dict of maps (N, S, S, 3): `posed` and `final` in the network's
        range, `canonical` in its unit, centred over the face.

    Raises
    ------
    ValueError
        If the size cannot be halved as often as the network has levels.
    """
    photo = photo_input(layout.size, config)
    code = encode(photo, config)[-1]
    posed = activate(decode(code, config), scaling, "posed")
    deformation = layers.Rescaling(DEFORMATION, dtype="float32", name="deformation")(decode(code, config, "canonical"))
    mean = MeanMap(dtype="float32", name="canonical")
    alignment = SelfAlignment(layout.size, dtype="float32", name="final")
    canonical = mean(deformation)
    final = alignment([posed, canonical])
    mean.set_weights([mean_face])
    alignment.set_weights([layout.face_mask.astype(np.float32)])
    return keras.Model(photo, {"posed": posed, "canonical": canonical, "final": final}, name="canonical")


def canonical_mean(texels: FaceModel, layout: UVLayout, scaling: Scaling) -> NDArray[np.float32]:
    """Mean face from the front, which canonical maps are laid over: (S, S, 3), y down, 0 in the middle of the face.

    Parameters
    ----------
    texels : FaceModel
        The face model at the texels of the map.
    layout : UVLayout
    scaling : Scaling
        Gives the unit: `CANONICAL_SIDE` of the map's side is the mean of width and height of the face's box.
    """
    face = texels.mean.reshape(layout.size, layout.size, 3) * np.array([1, -1, 1], np.float32)
    seen = face[layout.face_mask]
    unit = np.ptp(seen[:, :2], axis=0).mean() * scaling.divisor / (CANONICAL_SIDE * layout.size)
    return (face - seen.mean(axis=0, dtype=np.float64)).astype(np.float32) / np.float32(unit)


def of_canonical(loss: Loss, layout: UVLayout, mean_face: NDArray[np.float32]) -> Loss:
    """Make a loss of canonical maps of one of maps: the truth is the posed map without its pose.

    Its pose is what lays it over the mean face: what the deformation has of turn and size would be no shape. So a label
    is the same whether it comes from a stored map or from coefficients, and whether or not photo and map are mirrored.
    """
    face = layout.face_mask.astype(np.float32)

    def unposed(true: Tensor, predicted: Tensor) -> Tensor:
        return loss(align_maps(true, mean_face[None], face), predicted)

    return unposed
