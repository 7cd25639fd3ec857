import pytest

from tests.helpers.stage_runs import copy_code, make_project


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    copy_code(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, code):
    """A project whose data stages ran without a disturbance; one photo a shard."""
    return make_project(tmp_path_factory.mktemp("undisturbed"), code)
