"""Files of an earlier stage that a hand has changed: what reads them ends in a sentence that names the file."""

import json
import shutil
from pathlib import Path

import click
import cv2
import pytest
from click.testing import CliRunner

from pipeline.store.sentences import sentences
from stages import evaluate, import_bundle, print_metrics, report, thesis
from stages.project.params import DataParams
from stages.project.result_params import ReportParams
from stages.project.results import read_results
from stages.project.train_history import write_history
from tests.helpers.small_project import LAYERS, PARAMS, SETTINGS, SIZE, STARTS, SUBSETS

DATA = DataParams("raw", SUBSETS, SIZE, ["on"], 4, 0.5)
INDEX, SCORES = "data/index/test/test/accepted.csv", "runs/main/scores"


@pytest.fixture
def damaged(project, tmp_path):
    """Copy of a finished project, which a test may damage."""
    return shutil.copytree(project, tmp_path / "copy", symlinks=True)


def replace(old, new):
    def change(path):
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def without_column(name):
    def change(path):
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        place = rows[0].index(name)
        path.write_text("".join(",".join(row[:place] + row[place + 1 :]) + "\n" for row in rows), encoding="utf-8")

    return change


def cell(name, value):
    """Put a value into the first row of a table."""

    def change(path):
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        rows[1][rows[0].index(name)] = value
        path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")

    return change


def entry(value, *keys):
    """Put a value into a mapping in JSON, or take the key out where it is None."""

    def change(path):
        values = place = json.loads(path.read_text(encoding="utf-8"))
        for key in keys[:-1]:
            place = place[key]
        place.pop(keys[-1])
        if value is not None:
            place[keys[-1]] = value
        path.write_text(json.dumps(values), encoding="utf-8")

    return change


def whole(content):
    return lambda path: path.write_bytes(content)


def run_report(root):
    report.report(root, report.Run("final", "on", 8), DATA, ReportParams(samples=7))


def run_thesis(root):
    thesis.thesis(root, thesis.Setup("final", SETTINGS, LAYERS, STARTS, DATA, 1.5), PARAMS)


def run_evaluate(root):
    evaluate.evaluate(root, "main", SETTINGS.train, PARAMS, SUBSETS, ["facemesh"])


def run_results(root):
    """What model_card and trace read."""
    read_results(root, "final", main=True)


DAMAGE = {
    "metrics without a key": (f"{SCORES}/metrics.json", entry(None, "mean_map_ratio"), "lacks mean_map_ratio: "),
    "metrics with NaN": (f"{SCORES}/metrics.json", entry(float("nan"), "nme68_2d"), "no finite number as nme68_2d: "),
    "metrics with text": (f"{SCORES}/metrics.json", entry("3.1", "dense_3d"), "no finite number as dense_3d: "),
    "metrics a list": (f"{SCORES}/metrics.json", whole(b"[1, 2]"), "holds no metrics: "),
    "metrics cut": (f"{SCORES}/metrics.json", whole(b'{"images": 7'), "is no JSON ("),
    "metrics of bytes": (f"{SCORES}/metrics.json", whole(b"\xff\xfe\x00"), "is no JSON ("),
    "metrics nested": (f"{SCORES}/metrics.json", whole(b"[" * 100_000), "is no JSON ("),
    "errors without a column": (f"{SCORES}/per_image.csv", without_column("thesis_mesh"), "the column thesis_mesh: "),
    "errors with text": (
        f"{SCORES}/per_image.csv",
        cell("nme68_2d", "good"),
        "a value of another kind, or none, in nme",
    ),
    "errors with NaN": (f"{SCORES}/per_image.csv", cell("yaw_deg", "nan"), "of another kind, or none, in yaw_deg: "),
    "errors infinite": (f"{SCORES}/per_image.csv", cell("dense_3d", "inf"), "of another kind, or none, in dense_3d: "),
    "errors without an id": (f"{SCORES}/per_image.csv", cell("sample_id", ""), "or none, in sample_id: "),
    "errors empty": (f"{SCORES}/per_image.csv", whole(b""), "is no table (No columns to parse from file): "),
    "errors a photo": (f"{SCORES}/per_image.csv", whole(b"\xff\xd8\xff\xe0" * 9), "is no table ("),
    "seeds' errors without a seed": (f"{SCORES}/per_seed.csv", cell("seed", ""), "or none, in seed: "),
    "seeds' errors without a column": (f"{SCORES}/per_seed.csv", without_column("thesis_68"), "the column thesis_68: "),
    "protocols without a column": (f"{SCORES}/protocols.csv", without_column("low"), "lacks the column low: "),
    "curve with text": (f"{SCORES}/ced.csv", cell("dense_3d", "x"), "of another kind, or none, in dense_3d: "),
    "failures without a reason": (f"{SCORES}/failed.csv", without_column("reason"), "lacks the column reason: "),
    "losses with text": ("runs/main/history.csv", cell("val_loss", "x"), "another kind, or none, in val_loss: "),
    "seeds without passes": ("runs/main/seeds.csv", without_column("passes"), "lacks the column passes: "),
}
ACCEPTED = {
    "index without a column": (INDEX, without_column("photo_sha256"), "lacks the column photo_sha256; make it anew."),
    "index with an empty angle": (INDEX, cell("yaw", ""), "line 2, has no finite number as yaw; make it anew."),
    "index with NaN": (INDEX, cell("roll", "nan"), "line 2, has no finite number as roll; make it anew."),
    "index with text": (INDEX, cell("yaw", "left"), "line 2, has no finite number as yaw; make it anew."),
    "index with a short row": (INDEX, replace(",0\n", "\n"), "line 2, is no row of its columns; make it anew."),
    "index with a long row": (INDEX, replace(",0\n", ",0,0\n"), "line 2, is no row of its columns; make it anew."),
    "index of other columns": (INDEX, whole(b"name\na\n"), "lacks the column sample_id, photo, annotation, photo_"),
    "index of bytes": (INDEX, whole(b"sample_id\n\xff\xfe\n"), "accepted.csv is no table of text ("),
    "index without a sample": (INDEX, replace("test/a", "test/other"), "accepted.csv lacks the sample test/a; make it"),
}
PAGE_DATA = {
    "data without shares": ("metrics/data.json", entry(None, "outside"), "lacks outside: "),
    "data with text": ("metrics/data.json", entry("x", "outside", "tanh", "x"), "has no numbers x, y, z in a row of "),
    "data without a count": ("reports/data.json", entry(None, "subsets", "test", "in"), "has no numbers in, out, reje"),
    "rejected without a reason": ("data/index/test/test/rejected.csv", without_column("reason"), "column reason; make"),
}
RUNS = {
    run_results: DAMAGE,
    run_thesis: DAMAGE | ACCEPTED,
    run_report: DAMAGE | ACCEPTED | PAGE_DATA,
    run_evaluate: ACCEPTED,
}
CASES = [(run, name) for run, cases in RUNS.items() for name in cases]


@pytest.mark.parametrize(("run", "name"), CASES, ids=[f"{run.__name__}-{name}" for run, name in CASES])
def test_a_damaged_file_ends_each_command_that_reads_it_in_a_sentence(damaged, run, name):
    file, change, told = RUNS[run][name]
    change(damaged / file)
    with pytest.raises(click.ClickException) as error, sentences():
        run(damaged)
    assert told in error.value.message
    assert Path(file).name in error.value.message
    assert "\n" not in error.value.message
    assert "delete" not in error.value.message


@pytest.mark.parametrize("run", [run_report, run_thesis])
def test_a_run_that_trained_nothing_has_pages_all_the_same(damaged, run):
    write_history(damaged / "runs/prn/history.csv", [])
    write_history(damaged / "runs/prn/seeds.csv", [], "seed")
    assert (damaged / "runs/prn/seeds.csv").read_text() == "seed,passes,phase,lr,loss,val_loss\n"
    run(damaged)
    assert read_results(damaged, "prn", main=False).passes == 0


@pytest.mark.parametrize("run", [run_report, run_thesis])
def test_a_photo_that_was_replaced_after_the_index_is_not_drawn(damaged, run):
    """All of them, by pictures of the same size: which ones a page draws is its own affair."""
    for path in (damaged / "raw/test").glob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path))[:, ::-1])
    with pytest.raises(ValueError, match=r"\.png is not the photo any more that the stage index read; run dvc repro"):
        run(damaged)


def test_metrics_that_are_no_metrics_are_not_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("runs/main/scores/metrics.json")
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    result = CliRunner().invoke(print_metrics.main)
    assert (result.exit_code, result.stderr) == (1, f"Error: {path} holds no metrics: run the stage that makes it.\n")
    path.write_text('{"images": "many", "failed": 0}')
    result = CliRunner().invoke(print_metrics.main)
    assert result.stderr == f"Error: {path} has no finite number as images: run the stage that makes it.\n"


def test_what_was_scored_is_printed_a_line_each(tmp_path, monkeypatch):
    """Variants in the order of params.yaml; then the survey; a volume has no landmarks."""
    monkeypatch.chdir(tmp_path)
    errors = {"nme68_2d": 4.834, "nme68_2d_low": 4.3, "nme68_2d_high": 5.315, "dense_3d": 5.75, "smooth_15deg": 78.44}
    scores = {
        "main": {"images": 60, "failed": 0, **errors},
        "vrn": {"images": 58, "failed": 2, "surface": 4.2},
        "survey/fit": {"images": 60, "failed": 0, "nme68_2d": 0.364, "surface": 1.0},
        "older": {"images": 60, "failed": 0},
    }
    for run, values in scores.items():
        folder = Path("runs", run, "scores")
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(values))
    Path("params.yaml").write_text("variants:\n  best: {}\n  vrn: {}\n  missing: {}\n")
    Path("reports").mkdir()
    Path("reports/index.html").touch()
    alone = CliRunner().invoke(print_metrics.main, catch_exceptions=False).stdout.splitlines()
    lines = CliRunner().invoke(print_metrics.main, ["--all"], catch_exceptions=False).stdout.splitlines()
    assert [line.split()[0] for line in alone[1:2]] == ["main"]
    assert alone[2:] == lines[4:]
    assert [line.split() for line in lines[1:4]] == [
        ["main", "4.83", "(4.30", "to", "5.32)", "5.75", "-", "78.4", "60"],
        ["vrn", "-", "-", "4.20", "-", "58", "(2", "failed)"],
        ["survey/fit", "0.36", "-", "1.00", "-", "60"],
    ]
    assert lines[4:] == [
        "Of the test photos in annotated boxes; what each column means is in docs/evaluation.md.",
        f"report: {tmp_path / 'reports/index.html'}",
    ]


def test_parameters_of_something_else_are_told_by_the_command_that_takes_only_their_variants(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("train:\n  lr: 1\n")
    result = CliRunner().invoke(import_bundle.main, ["b.face3d"])
    assert (result.exit_code, result.stderr) == (1, "Error: params.yaml has no section 'variants'.\n")
