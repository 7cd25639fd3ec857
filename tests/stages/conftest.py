"""Faces that another method's predictions are scored against."""

import cv2
import numpy as np
import pytest

from stages.project.foreign import score_folder
from tests.helpers.foreign_scores import (
    HEIGHT,
    NOTHING_PUBLISHED,
    POSES,
    make_mesh,
    save,
    vertices_of,
    write_annotation,
)


@pytest.fixture(scope="module")
def mesh():
    """Of the faces; their landmarks are among its vertices."""
    return make_mesh()


@pytest.fixture
def truths(mesh, tmp_path):
    """Annotations of three faces with their photos: two with landmarks, the third's are those of its mesh."""
    folder = tmp_path / "truths"
    for name, pose in POSES.items():
        landmarks = None if name == "three" else vertices_of(mesh, name)[mesh.model.landmarks]
        write_annotation(folder / f"set/{name}.mat", pose, landmarks)
        cv2.imwrite(str(folder / f"set/{name}.png"), np.zeros((HEIGHT, 100, 3), np.uint8))
    return folder


@pytest.fixture
def hints_of(mesh, truths, tmp_path):
    """What is said of predictions that are the truth but for a change, and the table of their errors."""

    def told(change, **options):
        for name in POSES:
            save(tmp_path / "predicted", name, change(vertices_of(mesh, name)))
        table, failed, hints = score_folder(tmp_path / "predicted", truths, mesh, NOTHING_PUBLISHED, **options)
        assert failed.empty
        return hints, table

    return told
