"""The 68 landmarks of a face in the order of iBUG (300-W), 0-based: which points are which.

Right and left are the subject's; the subject's right is on the left of a photo. The points of jaw, brows and nostrils
run from the subject's right to the left, those of the bridge of the nose down; those of eyes and lips run round, from
the corner on the subject's right over the top.
"""

import numpy as np

LANDMARKS = 68

JAW = slice(0, 17)
RIGHT_BROW, LEFT_BROW = slice(17, 22), slice(22, 27)
BROWS = slice(17, 27)
NOSE_BRIDGE, NOSTRILS = slice(27, 31), slice(31, 36)
NOSE = slice(27, 36)
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
EYES = slice(36, 48)
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)
MOUTH = slice(48, 68)

# Single points.
CHIN = 8
NOSE_ROOT, NOSE_TIP = 27, 30
OUTER_EYE_CORNERS = (36, 45)
MOUTH_CORNERS = (48, 54)

# The regions of a face that can be edited by name.
REGIONS = {
    "jaw": JAW,
    "brows": BROWS,
    "nose": NOSE,
    "right_eye": RIGHT_EYE,
    "left_eye": LEFT_EYE,
    "mouth": MOUTH,
}

# Points along each line of the face, and whether it is closed.
LINES = (
    (JAW, False),
    (RIGHT_BROW, False),
    (LEFT_BROW, False),
    (NOSE_BRIDGE, False),
    (NOSTRILS, False),
    (RIGHT_EYE, True),
    (LEFT_EYE, True),
    (OUTER_LIPS, True),
    (INNER_LIPS, True),
)

# The 29 pairs of points that are each other's mirror image: jaw, brows, nostrils, eyes, mouth. The other ten are on the
# midline.
SYMMETRIC_PAIRS = np.array(
    [(i, 16 - i) for i in range(8)]
    + [(i, 43 - i) for i in range(17, 22)]
    + [(31, 35), (32, 34)]
    + [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    + [(48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)]
)
# The point that each point becomes in a mirror.
MIRRORED = np.arange(LANDMARKS)
MIRRORED[SYMMETRIC_PAIRS] = SYMMETRIC_PAIRS[:, ::-1]
