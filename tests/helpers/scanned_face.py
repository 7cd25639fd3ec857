"""A face that a formula draws, as a scan and as meshes of other vertices, with the landmarks of the benchmarks."""

import numpy as np

from model.scores.scans import realy

# Half the width and the height of the face in mm; where landmarks lie on it (x, y).
WIDE, HIGH = 75.0, 100.0
SEVEN = np.array([[-45, 30], [-18, 30], [18, 30], [45, 30], [0, -22], [-25, -35], [25, -35]], float)


def height(x, y):
    """How far a face stands out at (x, y), mm: a dome with a nose, sockets of the eyes and a mouth."""
    return (
        60 * np.sqrt(1 - ((x / WIDE) ** 2 + (y / HIGH) ** 2) / 2.2)
        + 20 * np.exp(-((x / 12) ** 2 + (y / 25) ** 2))
        - 6 * np.exp(-(((np.abs(x) - 32) / 12) ** 2 + ((y - 30) / 8) ** 2))
        - 5 * np.exp(-((x / 25) ** 2 + ((y + 35) / 6) ** 2))
    )


def on_face(places):
    """Points (K, 3) of the face at places (K, 2), mm."""
    return np.column_stack([places, height(*np.asarray(places, float).T)])


def face_mesh(count):
    """Vertices (count^2, 3) in mm and triangles of the face."""
    x, y = (side.ravel() for side in np.meshgrid(np.linspace(-WIDE, WIDE, count), np.linspace(-HIGH, HIGH, count)))
    cells = np.arange(count**2).reshape(count, count)
    a, b, c, d = (part.ravel() for part in (cells[:-1, :-1], cells[:-1, 1:], cells[1:, 1:], cells[1:, :-1]))
    return on_face(np.column_stack([x, y])), np.vstack([np.column_stack([a, b, c]), np.column_stack([a, c, d])])


def keypoints():
    """Places (85, 2) of REALY's keypoints; those that it does not use lie at the origin."""
    places = np.zeros((85, 2))
    eye = np.array([[-13, 0], [-6, 4], [6, 4], [13, 0], [6, -4], [-6, -4]], float)
    mouth = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    places[7:10] = [[-15, -80], [0, -85], [15, -80]]
    places[17:27] = np.column_stack([np.linspace(-50, 50, 10), np.full(10, 45)])
    places[27:31] = np.column_stack([np.zeros(4), np.linspace(28, -10, 4)])
    places[31:36] = np.column_stack([np.linspace(-12, 12, 5), np.full(5, -20)])
    places[36:42], places[42:48] = eye + np.array([-32, 30]), eye + np.array([32, 30])
    places[48:60] = np.column_stack([-25 * np.cos(mouth), -38 + 8 * np.sin(mouth)])
    places[60:68] = np.column_stack([np.linspace(-20, 20, 8), np.full(8, -38)])
    places[[70, 71, 76, 77]] = [[-14, -12], [14, -12], [-50, -20], [50, -20]]
    return places


def cut_regions(vertices, triangles):
    """REALY's regions of the face."""
    x, y = vertices[:, 0], vertices[:, 1]
    inside = {
        "nose": (np.abs(x) < 20) & (y > -26) & (y < 32),
        "mouth": (np.abs(x) < 30) & (y <= -26) & (y > -52),
        "forehead": (y > 22) & (np.abs(x) < 60),
        "cheek": (np.abs(x) > 25) & (np.abs(x) < 65) & (y < 20) & (y > -50),
    }
    return {
        name: realy.Region(vertices[kept], (np.cumsum(kept) - 1)[triangles[kept[triangles].all(axis=1)]])
        for name, kept in inside.items()
    }
