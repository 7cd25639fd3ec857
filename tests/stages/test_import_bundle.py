"""`import_bundle` writes no weights that it then refuses."""

import io
import types

import h5py
import pytest
from click.testing import CliRunner

from stages import import_bundle
from tests.helpers.places import ROOT


@pytest.mark.parametrize("attributes", [{}, {"facts": "{"}, {"facts": "{}"}])
def test_weights_that_do_not_say_what_they_are_of_are_refused_before_there_is_a_file(tmp_path, monkeypatch, attributes):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs.update(attributes)
    network = types.SimpleNamespace(weights=content.getvalue(), facts="a network")
    monkeypatch.setattr(import_bundle, "load_bundle", lambda _: types.SimpleNamespace(network=network))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    (tmp_path / "old.face3d").touch()
    result = CliRunner().invoke(import_bundle.main, ["old.face3d"])
    assert result.exit_code == 1
    assert "Error: runs/old/model.weights.h5 holds no weights of this software (" in result.output
    assert not (tmp_path / "runs").exists()
