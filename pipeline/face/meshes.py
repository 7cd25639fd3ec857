"""Meshes in photo pixels, made from the coefficients and poses that a shard of the stage `meshes` stores.

Vertices of BFM take 0.64 MB a sample as float32, 78 GB for 300W-LP with its flips; what they are made from takes 2 kB.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..store.shards import read_shard
from .camera import project
from .face_model import FaceModel, deform


def read_vertices(path: Path, model: FaceModel, rows: slice | None = None) -> NDArray[np.float32]:
    """Read the meshes of a shard.

    Parameters
    ----------
    path : Path
        A shard of ``data/meshes``.
    model : FaceModel
        ``data/face_model/model.h5``, which the shard was made with.
    rows : slice, optional
        Which samples; all by default.

    Returns
    -------
    (N, V, 3) float32
        Photo pixels, 0-based, y down, z towards the viewer.
    """
    shard = read_shard(path, ["coefficients", "pose", "height"], rows)
    vertices = deform(model, shard["coefficients"])
    for i, (pose, height) in enumerate(zip(shard["pose"], shard["height"], strict=True)):
        vertices[i] = project(vertices[i], pose, height)
    return vertices
