import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.face.face_model import FaceModel
from tests.helpers.small_project import make_everything


def grid_mesh(rows, columns, hole=None):
    """A patch of unit quads centred on x = 0, two triangles each, counter-clockwise; one quad may be left out."""
    x, y = np.meshgrid(np.arange(columns) - (columns - 1) / 2, (rows - 1) / 2 - np.arange(rows))
    vertices = np.stack([x, y, -0.05 * (x**2 + y**2)], axis=-1).reshape(-1, 3)
    triangles = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            if (row, column) != hole:
                a = row * columns + column
                triangles += [[a, a + columns, a + columns + 1], [a, a + columns + 1, a + 1]]
    return vertices, np.array(triangles, np.int32)


@pytest.fixture
def patch_model():
    """A 9 x 9 patch with a hole as a face model: 2 identity vectors, 1 expression vector."""
    vertices, triangles = grid_mesh(9, 9, hole=(4, 4))
    rng = np.random.default_rng(0)
    return FaceModel(
        mean=vertices.astype(np.float32),
        shape_basis=rng.normal(size=(81, 3, 2)).astype(np.float32),
        expression_basis=rng.normal(size=(81, 3, 1)).astype(np.float32),
        triangles=triangles,
        landmarks=np.arange(68, dtype=np.int32),
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A made-up project after evaluate, data_report, report and thesis; tests only read it."""
    return make_everything(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def face_data_or_none():
    """Folder of the real sample, where it is."""
    folder = Path(os.environ.get("FACE_DATA", Path(__file__).parents[2] / "shared" / "data")).resolve()
    return folder if folder.is_dir() else None
