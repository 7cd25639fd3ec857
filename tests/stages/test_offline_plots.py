"""The page that DVC's plots are put into, and what a browser shows of it."""

import re
import subprocess

import pytest
from click.testing import CliRunner

from stages import offline_plots
from stages.offline_plots import PLACES, make_page
from tests.helpers.browser import LOOK, browse, inject, needs_browser
from tests.helpers.dvc_project import git
from tests.helpers.stage_runs import environment_of


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(offline_plots, "find_drawing_code", lambda: "window.vegaEmbed = () => 0;")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n")
    return tmp_path


def run():
    return CliRunner().invoke(offline_plots.main)


def test_dvc_is_told_of_a_page_that_has_its_places_and_loads_nothing(project):
    result = run()
    assert result.exit_code == 0, result.output
    page = (project / ".dvc/plots_page.html").read_text()
    assert "<script>window.vegaEmbed = () => 0;</script>" in page
    assert all(page.count(place) == 1 for place in PLACES)
    assert "src=" not in page
    assert "{scripts}" not in page
    assert "html_template = plots_page.html" in (project / ".dvc/config.local").read_text()
    assert (project / ".dvc/config").read_text() == "[core]\n    analytics = false\n"
    before = (project / ".dvc/config.local").read_bytes()
    assert run().exit_code == 0
    assert (project / ".dvc/config.local").read_bytes() == before


def test_what_a_user_has_set_stays(project):
    (project / ".dvc/config.local").write_text(
        "[cache]\n    dir = /somewhere\n[plots]\n    html_template = mine.html\n"
    )
    assert run().output == "offline_plots: plots.html_template is mine.html already, and stays\n"
    assert not (project / ".dvc/plots_page.html").exists()
    (project / ".dvc/config.local").write_text("[cache]\n    dir = /somewhere\n")
    assert run().exit_code == 0
    assert "dir = /somewhere" in (project / ".dvc/config.local").read_text()


def test_elsewhere_than_in_a_project_it_says_where_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path} is no project of DVC: run this where dvc.yaml lies.\n"


@pytest.mark.parametrize("mark", ["</script", "{plot_divs}", "<!--"])
def test_code_that_a_page_cannot_hold_is_refused(mark):
    with pytest.raises(ValueError, match="can't be put into a page"):
        make_page(f"a {mark} b")


@pytest.mark.slow
@needs_browser
def test_plots_of_dvc_are_drawn_without_a_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    subprocess.run(["dvc", "init", "-q"], env=environment_of(), check=True)
    (tmp_path / "history.csv").write_text("passes,loss,val_loss\n40,3,4\n80,2,3.5\n120,1.5,3\n")
    (tmp_path / "dvc.yaml").write_text(
        "plots:\n- Loss:\n    template: simple\n    x: passes\n    y:\n      history.csv: [loss, val_loss]\n"
    )
    offline_plots.main([], standalone_mode=False)
    subprocess.run(["dvc", "plots", "show"], env=environment_of(), check=True, capture_output=True)
    page = tmp_path / "dvc_plots/index.html"
    assert not re.search(r'(src|href)="http', page.read_text(encoding="utf-8"))
    dom, said = browse(inject(page, LOOK), tmp_path / "profile", "--dump-dom", "--window-size=1000,800")
    # Vega tells that it is newer than what the charts were written for.
    assert [line for line in said if "The compiled spec uses Vega" not in line] == []
    assert re.search(r"asked 0</title>", dom)
    assert re.search(r'<svg[^>]* class="marks" width="\d{3}"', dom)
    assert ">val_loss<" in dom
    assert len(re.findall('aria-roledescription="line mark"|mark-line', dom)) >= 1
