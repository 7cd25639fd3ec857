"""Where the embedded bundle is kept; which bundle draws is told in `test_network`."""

import numpy as np
import pytest

from pipeline.commands import bundles
from pipeline.commands.bundles import embedded_bundle
from pipeline.photo import embedded as embedded_module


@pytest.fixture
def made(monkeypatch, tmp_path, embedded):
    """The folder is empty, and so is the user's cache; the list of times that the bundle was made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    times = []

    def make(_files):
        times.append(1)
        return embedded

    monkeypatch.setattr(embedded_module, "make_embedded", make)
    return times


def test_the_embedded_bundle_is_made_once(monkeypatch, tmp_path, capsys, embedded, made):
    (tmp_path / "dvc.yaml").touch()
    first, second = embedded_bundle(), embedded_bundle()
    assert made == [1]
    assert np.array_equal(first.model.mean, embedded.model.mean)
    assert np.array_equal(first.model.mean, second.model.mean)
    assert capsys.readouterr().err == (
        "Making the embedded face model, once; it takes some seconds.\nIt is kept in work/embedded.\n"
    )
    monkeypatch.setattr(bundles, "digest_modules", lambda *_: "of another state of the code")
    embedded_bundle()
    assert made == [1, 1]
    assert len(list((tmp_path / "work/embedded").iterdir())) == 2


def test_outside_of_a_checkout_the_embedded_bundle_is_kept_in_the_user_s_cache(tmp_path, made):
    embedded_bundle()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    (tmp_path / "dvc.yaml").touch()
    embedded_bundle()
    assert made == [1], "a checkout looks there too"


def test_an_embedded_bundle_that_can_t_be_kept_is_made_and_said(tmp_path, capsys, embedded, made):
    # Files where folders should be: not even the superuser can write there.
    for name in ("dvc.yaml", "work", "cache"):
        (tmp_path / name).touch()
    assert embedded_bundle() is embedded
    assert f"can't be kept, since {tmp_path / 'cache'}" in capsys.readouterr().err


def test_a_checkout_that_can_t_be_written_keeps_the_embedded_bundle_in_the_user_s_cache(tmp_path, made):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "work").touch()
    embedded_bundle()
    embedded_bundle()
    assert made == [1]
    assert len(list((tmp_path / "cache").rglob("*.face3d"))) == 1
