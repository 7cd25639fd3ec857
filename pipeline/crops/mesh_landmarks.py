"""The 68 landmarks of the annotations, read off the 468 points of Face Mesh."""

import numpy as np
from numpy.typing import NDArray

from ..store.arrays import Array

# For each landmark two points of Face Mesh and a weight w: it lies at (1 - w) a + w b. Chosen by `python -m
# benchmarks.mesh_landmarks` on the 1,199 photos of AFLW2000-3D that are not in its test list, those with a yaw under 45
# degrees, by the least median distance from the annotation; a landmark and its mirror image have mirrored points. Face
# Mesh draws the jaw at the silhouette, the annotation on the face in 3D, so that most weights of the jaw reach beyond.
PAIRS = (
    # jaw
    (234, 177, -0.5), (93, 177, -0.5), (132, 215, -0.25), (58, 138, -0.5), (172, 135, -0.25), (136, 192, -0.25),
    (149, 208, -0.25), (176, 32, -0.25), (152, 199, -0.25), (400, 262, -0.25), (378, 428, -0.25), (365, 416, -0.25),
    (397, 364, -0.25), (288, 367, -0.5), (361, 435, -0.25), (323, 401, -0.5), (454, 401, -0.5),
    # brows
    (71, 225, 0.5), (63, 223, 0.25), (52, 66, 0.25), (55, 105, 0.5), (222, 143, -0.25), (442, 372, -0.25),
    (285, 334, 0.5), (282, 296, 0.25), (293, 443, 0.25), (301, 445, 0.5),
    # nose
    (6, 168, 0.25), (6, 94, 0.25), (1, 197, 0.5), (2, 4, 0.75), (102, 271, 0.25), (2, 203, 0.25), (2, 19, -0.25),
    (2, 423, 0.25), (331, 41, 0.25),
    # eyes
    (25, 27, 0.25), (24, 69, 0.25), (56, 110, 0.25), (243, 6, -0.25), (158, 142, 0.25), (7, 128, 0.25),
    (463, 6, -0.25), (286, 339, 0.25), (254, 299, 0.25), (255, 257, 0.25), (249, 357, 0.25), (385, 371, 0.25),
    # mouth
    (61, 146, 0.25), (39, 183, 0.25), (0, 37, 0.75), (1, 13, 0.75), (0, 267, 0.75), (269, 407, 0.25),
    (291, 375, 0.25), (314, 375, 0.5), (315, 317, -0.5), (16, 17, 0.75), (85, 87, -0.5), (84, 146, 0.5),
    (76, 96, 0.25), (38, 81, 0.25), (11, 13, 0.75), (268, 311, 0.25), (306, 325, 0.25), (311, 316, 0.75),
    (13, 15, 0.75), (81, 86, 0.75),
)  # fmt: skip
FIRST, SECOND = (np.array(column) for column in list(zip(*PAIRS, strict=True))[:2])
WEIGHT = np.array([w for _, _, w in PAIRS])


def read_landmarks(mesh: NDArray) -> Array:
    """Read the 68 landmarks (..., 68, D) off the points of Face Mesh (..., 468, D), in their frame."""
    return (1 - WEIGHT[:, None]) * mesh[..., FIRST, :] + WEIGHT[:, None] * mesh[..., SECOND, :]
