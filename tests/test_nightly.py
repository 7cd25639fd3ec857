"""`.ci/nightly` goes on after a part that failed, says so at its end, and fails."""

import re
import shutil
import subprocess

import pytest

from tests.helpers.places import ROOT

PARTS = ["install", "site", "fast", "repro", "slow", "notebook"]


@pytest.fixture
def nightly(tmp_path):
    """Run the script in a folder where each of its commands is one that says its name; fails by the name given."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/nightly", tmp_path / ".ci")
    commands = tmp_path / ".venv/bin"
    commands.mkdir(parents=True)
    for name in ("make", "pytest", "python"):
        (commands / name).write_text(f'#!/bin/sh\necho "runs {name} $*"\ntest "$FAILS" != {name}\n')
        (commands / name).chmod(0o755)

    def run(fails):
        environment = {"PATH": f"{commands}:/usr/bin:/bin", "FAILS": fails}
        done = subprocess.run([".ci/nightly"], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()

    return run


@pytest.mark.parametrize(
    ("fails", "failed"),
    [("nothing", []), ("pytest", ["slow"]), ("make", ["install", "site", "fast", "repro"]), ("python", ["notebook"])],
)
def test_every_part_runs_and_has_its_line_whatever_failed_before_it(nightly, tmp_path, fails, failed):
    code, lines = nightly(fails)
    assert code == (1 if failed else 0)
    summary = [re.fullmatch(r"(\w+) +(passed|FAILED) in \d+ min \d\d s: .+", line) for line in lines[-len(PARTS) :]]
    assert [line[1] for line in summary] == PARTS
    assert [line[1] for line in summary if line[2] == "FAILED"] == failed
    assert "runs pytest -m slow" in (tmp_path / "work/nightly/slow.log").read_text()
    assert len([line for line in lines if line.startswith("runs ")]) == len(PARTS)


def test_the_targets_that_it_makes_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {word for line in re.findall(r"\bmake (.+)", (ROOT / ".ci/nightly").read_text()) for word in line.split()}
    assert {"site", "test"} <= named
    places = {"$(READY_DEV)": ".venv/.ready-dev", "$(READY_REMOTES)": ".venv/.ready-remotes"}
    targets = {places.get(target, target) for target in re.findall(r"^(\S+):", makefile, re.MULTILINE)}
    assert named <= targets
