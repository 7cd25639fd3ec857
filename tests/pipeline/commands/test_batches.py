"""A batch of photos goes on after any of them, and its next run goes on from where it ended."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.commands import batches, edit, swap
from pipeline.commands import reconstruct as command
from pipeline.commands.files import KINDS
from pipeline.commands.folders import OWN, PART
from pipeline.commands.processes import PHOTOS_A_PROCESS, in_processes
from pipeline.store.files import holding
from tests.helpers.deadly import tell_killed, work
from tests.helpers.made_faces import find_squares, make_model, make_reconstructor, whole_surface
from tests.helpers.places import ROOT

PLY = ("--write", "ply")


def write_photo(path, *squares):
    photo = np.full((150, 200, 3), 60, np.uint8)
    for x, y in squares:
        photo[y : y + 40, x : x + 40] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", photo)[1].tobytes())


@pytest.fixture
def seen(monkeypatch):
    """Photos that the made-up reconstructor looked at; one with a pixel of 7 in its corner makes it raise."""
    made, looked = make_reconstructor(make_model(), whole_surface(make_model())), []

    def find(photo):
        looked.append(photo)
        if photo[0, 0, 0] == 7:
            raise ERRORS[photo[0, 1, 0]]
        return find_squares(photo)

    monkeypatch.setattr(batches, "open_once", lambda *_: made.__class__(find, *list(vars(made).values())[1:]))
    return looked


ERRORS = {
    0: RuntimeError("the runtime\nsays no"),
    1: MemoryError(),
    2: cv2.error("not in my library"),
    3: IndexError("list index out of range"),
    4: ZeroDivisionError("division by zero"),
    5: OSError(28, "No space left on device"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch, seen):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        write_photo(Path(f"in/{name}.png"), (30, 40))
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


def rows(out="out"):
    return json.loads(Path(out, "faces.json").read_text())


def faces(out="out"):
    return [(row["photo"], len(row["faces"])) for row in rows(out)]


def files(out="out"):
    return {str(path.relative_to(out)): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}


class TestWhatFails:
    @pytest.mark.parametrize("kind", ERRORS)
    def test_any_error_of_a_photo_is_told_and_the_others_go_on(self, folder, kind):
        bad = np.full((150, 200, 3), 60, np.uint8)
        bad[0, 0], bad[0, 1] = 7, kind
        cv2.imwrite("in/b.png", bad)
        result = call("in", "--out", "out", *PLY)
        assert result.exit_code == 1
        assert faces() == [("a", 1), ("b", 0), ("c", 1)]
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("b: ")
        assert result.stderr.rstrip().endswith((".", "device"))
        assert not Path("out/b").exists()

    def test_names_that_lead_elsewhere_stay_in_the_folder(self, folder):
        for name in ("...jpg", "..jpg", "faces.json.jpg", "a\nb.jpg", os.fsdecode(b"\xff.jpg")):
            write_photo(Path("odd") / name, (30, 40))
        before = set(Path().iterdir())
        names = sorted(Path("odd").iterdir())
        result = call(*names, "--out", "out", *PLY, "--write", "page")
        assert result.exit_code == 0, result.output
        assert set(Path().iterdir()) == before | {Path("out")}
        assert [count for _, count in faces()] == [1] * 5
        for row in rows():
            assert Path("out", row["photo"], "face1.ply").is_file()
            assert Path("out", row["photo"], "index.html").is_file()
        assert sorted(path.name for path in Path("out").iterdir() if path.is_file()) == ["faces.json"]

    def test_names_that_are_no_utf_8_are_written_as_in_an_address(self, folder):
        names = [os.fsdecode(name) for name in (b"\xff.jpg", b"\xfe.jpg", b"a\xc3\xa4\x80.jpg")]
        for name in names[1:]:
            write_photo(Path("odd") / name, (30, 40))
        Path("odd", names[0]).write_text("no picture")
        result = call("odd", "--out", "out", *PLY)
        assert result.exit_code == 1
        assert dict(faces()) == {"%FF": 0, "%FE": 1, "aä%80": 1}
        assert "%FF: odd/%FF.jpg is damaged, or no picture" in result.stderr
        # Strict readers take no half of a pair of surrogates, even as an escape.
        assert not re.search(rb"\\u[dD][89a-fA-F]", Path("out/faces.json").read_bytes())
        assert {path.name for path in Path("out").iterdir()} == {"%FE", "aä%80", "faces.json"}
        before = files()
        assert call("odd", "--out", "out", *PLY).exit_code == 1
        assert files() == before

    def test_what_a_folder_holds_besides_photos_is_told_in_a_line(self, folder):
        for name in ("notes.txt", "more.TXT", ".DS_Store", "clip.mp4"):
            (Path("in") / name).touch()
        result = call("in", "in/a.png", "--out", "out", *PLY)
        assert result.stdout.splitlines()[0] == "reconstruct: passed over in in: 1 .mp4, 2 .txt, 1 hidden"
        assert result.exit_code == 0
        assert "passed over" not in call("in/a.png", "--out", "out", *PLY).stdout
        Path("in/deeper").mkdir()
        told = call("in", "--out", "out", *PLY).stdout.splitlines()[0]
        assert told.endswith("1 .mp4, 2 .txt, 1 folder, 1 hidden; 'in/**/*.jpg' names the photos in its folders")

    def test_photos_among_which_the_results_would_lie_are_refused(self, folder):
        write_photo(Path("a/face1.png"), (30, 40))
        before = Path("a/face1.png").read_bytes()
        result = call("a/face1.png", "in/a.png", "--out", ".")
        assert result.exit_code == 1
        assert result.stderr == (
            "Error: a/face1.png lies where results of a photo go: choose another folder by --out.\n"
        )
        assert Path("a/face1.png").read_bytes() == before

    @pytest.mark.parametrize("content", ["{}", "[", "[1]", '[{"photo": "a"}]', "null", '[{"photo": 1, "faces": 2}]'])
    def test_a_table_that_is_damaged_or_of_something_else_is_kept(self, folder, content):
        Path("out").mkdir()
        Path("out/faces.json").write_text(content)
        result = call("in", "--out", "out", *PLY)
        assert result.exit_code == 1
        assert "out/faces.json is damaged, or not of this command: delete it, or choose another" in result.stderr
        assert Path("out/faces.json").read_text() == content

    def test_a_folder_in_the_place_of_the_table_is_told_before_the_work(self, folder, seen):
        Path("out/faces.json").mkdir(parents=True)
        assert "out/faces.json is damaged, or not of this command" in call("in", "--out", "out", *PLY).stderr
        assert seen == []

    def test_an_edited_photo_is_not_written_over_itself(self, folder):
        before = files("in")
        Path("link.png").symlink_to("in/a.png")
        Path("in/a.obj").hardlink_to("in/b.png")
        for arguments in (
            (edit.main, "in/a.png", "--region", "nose", "--out", "in/a.png"),
            (edit.main, "in/a.png", "--region", "nose", "--out", "link.png"),
            (edit.main, "in/a.obj", "--region", "nose", "--out", "in/a.jpg"),
            (swap.main, "in/a.png", "in/b.png", "--out", "in/../in/b.png"),
        ):
            result = CliRunner().invoke(arguments[0], arguments[1:])
            assert result.exit_code == 1
            assert "a photo that is read: choose another name." in result.stderr
        assert {name: content for name, content in files("in").items() if name != "a.obj"} == before


class TestSecondRun:
    def test_files_of_an_earlier_run_do_not_stay(self, folder):
        write_photo(Path("in/a.png"), (20, 20), (120, 80))
        everything = ("--write", ",".join(KINDS))
        assert call("in/a.png", "--out", "out", *everything).exit_code == 0
        own = set(files()) - {"faces.json", "a/index.html"}
        assert all(OWN.fullmatch(Path(name).name) for name in own)
        Path("out/a/notes.txt").write_text("mine")
        write_photo(Path("in/a.png"), (60, 60))
        assert call("in/a.png", "--out", "out", *PLY).exit_code == 0
        assert set(files()) == {"faces.json", "a/face1.ply", "a/notes.txt"}
        write_photo(Path("in/a.png"))
        assert call("in/a.png", "--out", "out", *PLY).exit_code == 1
        assert set(files()) == {"faces.json", "a/notes.txt"}

    def test_a_photo_that_has_no_face_any_more_leaves_no_folder(self, folder):
        call("in/a.png", "--out", "out", *PLY)
        write_photo(Path("in/a.png"))
        call("in/a.png", "--out", "out", *PLY)
        assert [path.name for path in Path("out").iterdir()] == ["faces.json"]

    def test_a_page_of_somebody_else_stays(self, folder):
        Path("out/a").mkdir(parents=True)
        Path("out/a/index.html").write_text("mine")
        call("in/a.png", "--out", "out", *PLY)
        assert Path("out/a/index.html").read_text() == "mine"

    def test_what_is_done_is_not_done_again(self, folder, seen):
        first = call("in", "--out", "out", *PLY)
        before, times = files(), {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.ply")}
        assert len(seen) == 3
        again = call("in", "--out", "out", *PLY)
        assert (again.exit_code, again.stdout) == (0, first.stdout)
        assert len(seen) == 3
        assert files() == before
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_what_changed_is_done_again(self, folder, seen):
        call("in", "--out", "out", *PLY)
        write_photo(Path("in/a.png"), (90, 60))
        Path("out/b/face1.ply").unlink()
        assert call("in", "--out", "out", *PLY).exit_code == 0
        assert len(seen) == 5
        assert rows()[0]["faces"][0]["box"][0] == pytest.approx(90, abs=1)
        assert call("in", "--out", "out", *PLY, "--unit", "mm", "--pupil-distance", 60).exit_code == 0
        assert len(seen) == 8

    def test_an_error_of_the_photo_is_known_and_one_of_the_machine_tried_again(self, folder, seen):
        write_photo(Path("in/b.png"))
        full = np.full((150, 200, 3), 60, np.uint8)
        full[0, 0], full[0, 1] = 7, 5
        cv2.imwrite("in/c.png", full)
        for looked in (3, 4, 5):
            assert call("in", "--out", "out", *PLY).exit_code == 1
            assert len(seen) == looked
            assert faces() == [("a", 1), ("b", 0), ("c", 0)]

    def test_other_photos_of_the_folder_stay_listed(self, folder):
        call("in/a.png", "in/b.png", "--out", "out", *PLY)
        assert call("in/c.png", "--out", "out", *PLY).stdout.startswith("reconstruct: 1 photo, 1 face;")
        assert faces() == [("c", 1), ("a", 1), ("b", 1)]

    def test_two_runs_into_one_folder_do_not_mix(self, folder):
        with holding(Path("out")):
            result = call("in", "--out", "out", *PLY)
        assert result.exit_code == 1
        assert result.stderr == (
            "Error: Another run is writing into out: wait for its end, or choose another folder by --out.\n"
        )
        assert not Path("out").exists()
        assert call("in", "--out", "out", *PLY).exit_code == 0

    def test_what_a_killed_run_left_unfinished_goes(self, folder):
        Path(f"out/{PART}x").mkdir(parents=True)
        Path(f"out/{PART}x/face1.ply").touch()
        call("in", "--out", "out", *PLY)
        assert sorted(path.name for path in Path("out").iterdir()) == ["a", "b", "c", "faces.json"]


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "deadly"), [(1, (0, 9)), (2, (3, 4))])
def test_who_kills_its_process_is_told_and_all_others_are_done(processes, deadly):
    tasks = ((number, deadly) for number in range(10))
    expected = [{"killed" if number in deadly else "number": number} for number in range(10)]
    assert list(in_processes(work, tasks, processes, tell_killed)) == expected


SLEEPY = textwrap.dedent("""
    import sys, time
    from pipeline.commands import processes
    def work(number):
        print(os.getpid(), flush=True)
        time.sleep(60)
    import os
    if __name__ == "__main__":
        list(processes.in_processes(work, ((n,) for n in range(4)), 2, None))
""")


@pytest.mark.slow
def test_no_process_outlives_a_run_that_is_killed(tmp_path):
    (tmp_path / "sleepy.py").write_text(SLEEPY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "sleepy.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        workers = [int(run.stdout.readline()) for _ in range(2)]
        run.kill()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
def test_a_batch_that_is_killed_goes_on_where_it_ended(embedded, tmp_path):
    import skimage.data

    (tmp_path / "in").mkdir()
    photo = skimage.data.astronaut()[:300, 80:380, ::-1]
    for number in range(2 * PHOTOS_A_PROCESS):
        cv2.imwrite(str(tmp_path / f"in/{number:02d}.png"), np.roll(photo, number, axis=1))
    run = [sys.executable, "-m", "stages.reconstruct", "in", "--write", "ply"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    table = tmp_path / "out/faces.json"
    with subprocess.Popen([*run, "--out", "out"], cwd=tmp_path, env=environment) as first:
        while not (table.exists() and len(rows(tmp_path / "out")) >= 5):
            assert first.poll() is None
            time.sleep(0.02)
        first.kill()
    done = {row["photo"]: row for row in rows(tmp_path / "out")}
    assert 5 <= len(done) < 2 * PHOTOS_A_PROCESS
    times = {name: (tmp_path / f"out/{name}/face1.ply").stat().st_mtime_ns for name in done}
    subprocess.run([*run, "--out", "out"], cwd=tmp_path, env=environment, check=True)
    assert times == {name: (tmp_path / f"out/{name}/face1.ply").stat().st_mtime_ns for name in done}
    subprocess.run([*run, "--out", "whole"], cwd=tmp_path, env=environment, check=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
