"""A stand-in for candide3.wfm: a wireframe in its format, whose vertices lie on the procedural face."""

from pathlib import Path

import numpy as np
import scipy.spatial

from pipeline.face.candide import VERTEX_OF
from pipeline.face.face_model import FaceModel

VERTICES = 113


def wireframe_vertices(model: FaceModel) -> np.ndarray:
    """Vertices (113, 3): those that are landmarks at the model's, the others spread over its face, in model heights."""
    mean = model.mean.astype(np.float64)
    landmarks = mean[model.landmarks]
    inside = mean[(np.abs(mean - landmarks.mean(axis=0)) < 0.6 * np.ptp(landmarks, axis=0)).all(axis=1)]
    others = inside[np.linspace(0, len(inside) - 1, VERTICES).astype(int)]
    others[list(VERTEX_OF.values())] = landmarks[list(VERTEX_OF)]
    return (others - landmarks.mean(axis=0)) / np.ptp(landmarks[:, 1])


def write_wireframe(path: Path, model: FaceModel) -> np.ndarray:
    """Write the file; returns its vertices."""
    vertices = wireframe_vertices(model)
    faces = scipy.spatial.Delaunay(vertices[:, :2]).simplices
    lower = np.flatnonzero(vertices[:, 1] < vertices[VERTEX_OF[66], 1])
    shape = {
        "Head height": [(v, 0, 0.2 * y, 0) for v, (_, y, _) in enumerate(vertices)],
        "Head width": [(v, 0.2 * x, 0, 0) for v, (x, _, _) in enumerate(vertices)],
    }
    animation = {
        "AUV11 Jaw drop": [(v, 0, -0.1, 0) for v in lower],
        "AUV14 Lid tightener": [(VERTEX_OF[37], 0, -0.02, 0.001), (VERTEX_OF[44], 0, -0.02, 0.001)],
    }
    lines = ["# CANDIDE-like", "#", "# VERTEX LIST:", VERTICES, *(" ".join(f"{x:.6f}" for x in v) for v in vertices)]
    lines += ["", "# FACE LIST:", len(faces), *(" ".join(map(str, face)) for face in faces), ""]
    for heading, units in (("ANIMATION", animation), ("SHAPE", shape)):
        lines += [f"# {heading} UNITS LIST:", len(units), ""]
        for name, moved in units.items():
            lines += [f"# {name}", len(moved), *(f"{v} {x:.6f} {y:.6f} {z:.6f}" for v, x, y, z in moved), ""]
    lines += ["# ANIMATION PARAMETERS:", 0, "", "# SHAPE PARAMETERS:", 0, "", "# TEXTURE:", -1, "", "# END OF FILE"]
    path.write_text("\n".join(map(str, lines)) + "\n", encoding="latin-1")
    return vertices
