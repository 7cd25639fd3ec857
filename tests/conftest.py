import fcntl
import os
import sys
from unittest import mock

import numpy as np
import pytest

from model.backend import prepare_keras
from pipeline.face.face_model import FaceModel
from tests.helpers.meshes import grid_mesh
from tests.helpers.places import FACE_DATA, ROOT
from tests.helpers.small_project import make_everything

HEAVY = {"tensorflow", "keras", "jax", "mtcnn"}
IMPORTED = pytest.StashKey[set[str]]()


def pytest_collection_finish(session):
    """Note which slow modules the tests import before any of them runs: the fast ones must need none."""
    session.config.stash[IMPORTED] = HEAVY & set(sys.modules)


@pytest.fixture
def imported_by_collection(request):
    return request.config.stash[IMPORTED]


@pytest.fixture(scope="module", autouse=True)
def environment():
    """What a module's tests set in the environment, as starting Keras or MTCNN does, no other's processes inherit."""
    with mock.patch.dict(os.environ):
        yield


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
    return FACE_DATA if FACE_DATA.is_dir() else None


@pytest.fixture(scope="session")
def keras():
    """Keras on TensorFlow as the stages start it, once for all slow tests that ask for it."""
    with mock.patch.dict(os.environ, KERAS_BACKEND="tensorflow"):
        prepare_keras()
        import keras
        from tensorflow.python.framework.config import is_op_determinism_enabled

        # TensorFlow reads the variable when it is first asked. Processes that later tests start must not inherit it.
        assert is_op_determinism_enabled()
    return keras


@pytest.fixture(scope="session")
def embedded():
    """The embedded bundle, as the commands make it once for each state of the code; it takes some seconds then."""
    from pipeline.commands import bundles

    folder = ROOT / bundles.EMBEDDED
    folder.mkdir(parents=True, exist_ok=True)
    # One of pytest's processes makes it, the others wait.
    with mock.patch.object(bundles, "EMBEDDED", folder), (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return bundles.embedded_bundle()
