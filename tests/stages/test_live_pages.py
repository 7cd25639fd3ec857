"""Pages that are looked at while something runs, in a real browser and without a network."""

import html
import re
import shutil
import subprocess

import pytest

from benchmarks.chromium import BROWSER
from stages import offline_plots
from stages.project.training_page import training_page
from tests.helpers.dvc_project import git
from tests.helpers.stage_runs import environment_of
from tests.stages.test_browser import LOOK, browse, inject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium: install Debian's package of that name"),
]


def row(number, phase, loss):
    return {"passes": 40 * number, "phase": phase, "lr": 0.003, "loss": loss, "val_loss": loss + 1}


def look(page, tmp_path, size="1000,800"):
    dom, said = browse(page, tmp_path / "profile", "--dump-dom", f"--window-size={size}")
    assert said == []
    return html.unescape(dom)


@pytest.mark.parametrize("size", ["1000,800", "500,800"])
def test_a_training_is_seen_in_its_middle(tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    with training_page("main", "final", [1, 2, 3], 480) as show:
        for seed, phases in ((1, ("brief", "brief", "all", "all")), (2, ("brief", "brief"))):
            for number, phase in enumerate(phases, 1):
                show(seed, row(number, phase, 10.0 / number))
        page = tmp_path / "work/training/main.html"
        dom = look(page, tmp_path, size)
        assert "<title>Training final (main)</title>" in dom
        assert "240 of at most 480 passes of a sample" in dom
        # Two phases of the first seed and one of the second, each learnt and validated; a point a validation.
        assert len(re.findall("<polyline", dom)) == 6
        assert len(re.findall("<circle", dom)) == 6
        assert ">seed 1, brief, 40 passes: 11<" in dom
        watched = inject(page, LOOK)
        shutil.copy(page.with_suffix(".js"), watched.with_suffix(".js"))
        wide, asked = re.search(r"wide (.*) asked (\d+)</title>", look(watched, tmp_path, size)).groups()
        # The table scrolls in a box of its own.
        assert set(filter(None, wide.split(","))) <= {"TABLE", "TBODY", "TR", "TD", "TH"}
        assert asked == "0"
    assert "Done: 240 of at most 480" in look(page, tmp_path, size)


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
    assert re.search(r"<canvas[^>]* width=\"\d{3}", dom)
