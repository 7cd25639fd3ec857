import pytest

from pipeline.raw.annotations import list_pairs
from pipeline.raw.bfm import load_bfm
from pipeline.uv.embedding import embed
from tests.helpers.places import FACE_DATA


@pytest.fixture(scope="session")
def face_data():
    if not (FACE_DATA / "bfm").is_dir():
        pytest.skip(f"the real sample is not at {FACE_DATA}; set FACE_DATA to its folder")
    return FACE_DATA


@pytest.fixture(scope="session")
def bfm(face_data):
    return load_bfm(face_data / "bfm")


@pytest.fixture(scope="session")
def bfm_embedding(bfm):
    return embed(bfm.mean, bfm.triangles)


@pytest.fixture(scope="session")
def aflw_pairs(face_data):
    folder = face_data / "AFLW2000"
    return [(folder / photo, folder / annotation) for photo, annotation in list_pairs(folder)[0]]
