"""Data stages as processes of their own, on a few procedural photos: how they are run, killed and compared."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.demo import dataset as synthetic
from tests.helpers.data_project import describe
from tests.helpers.places import ROOT

BIN = Path(sys.executable).parent
SUBSETS = {"AFW": "300W_LP/AFW", "AFLW2000": "AFLW2000"}
PHOTOS = 48
# The stages that make shards, with one output each whose shards are made, killed and made again.
STAGES = {
    "index": "learn/AFW",
    "meshes": "learn/AFW",
    "aligned": "learn/AFW",
    "position_maps": "learn/AFW",
    "augmented": "mild",
}


def arguments_of(stage):
    return [stage, Path(STAGES[stage]).name]


def copy_code(folder):
    """Copy the code: an edit to the project while the tests run must not give the shards new names."""
    for package in ("pipeline", "stages", "model"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def write_params(folder, root="raw", workers=1, scheduler="", samples_per_shard=1, **sections):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"root": root, "subsets": describe(SUBSETS), "size": 64, "samples_per_shard": samples_per_shard}
    params["data"]["levels"] = ["on"]
    params["thesis"]["variants"] = {}
    params["occlusion"]["runs"] = []
    params["compute"] |= {"workers": workers, "scheduler": scheduler}
    for section, values in sections.items():
        params[section] |= values
    yaml.dump(params, folder / "params.yaml")


def environment_of(code=None):
    names = {"DVC_NO_ANALYTICS": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}
    return {**os.environ, **names, **({"PYTHONPATH": str(code)} if code else {})}


def make_data(project, code, subsets=tuple(SUBSETS)):
    """Run all data stages in a project, in one child process."""
    commands = [["face_model"], ["uv_embedding"]]
    for stage in ("index", "meshes", "aligned", "position_maps"):
        commands += [[stage, subset] for subset in subsets]
    commands += [["split"], ["augmented", "mild"], ["validation"]]
    script = f"import importlib\nfor name, *rest in {commands}:\n"
    script += "    importlib.import_module(f'stages.{name}').main(rest, standalone_mode=False)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=project, env=environment_of(code), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def digests(folder):
    """SHA-256 of each file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def draw_photos(folder):
    """Draw the raw photos of `SUBSETS`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "NAMES", {"AFW": synthetic.NAMES["AFW"]})
        synthetic.write_dataset(folder, seed=3, photos_per_subset=PHOTOS, test_photos=3, photo_size=160)


@dataclasses.dataclass
class Run:
    """How a data stage is run in a project, and where its things are."""

    project: Path
    stage: str
    command: list
    code: Path | None = None

    def __post_init__(self):
        place = STAGES[self.stage]
        self.name = f"{self.stage}@{Path(place).name}"
        self.output = self.project / "data" / self.stage / place
        self.work = self.project / "work/shards" / self.name
        self.lock = self.work.with_name(f"{self.name}.lock")
        self.log = self.project / "log.txt"

    def holder(self):
        """Process that was last at work, as its lock says."""
        return self.lock.read_text() if self.lock.is_file() else ""

    def start(self, **options):
        """Start it in a process group of its own, its outputs removed as DVC does."""
        shutil.rmtree(self.output, ignore_errors=True)
        return self.launch(**options)

    def launch(self, **options):
        environment = environment_of(self.code)
        with self.log.open("w") as log:
            return subprocess.Popen(
                self.command,
                cwd=self.project,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )

    def start_work(self):
        """Start it and wait until the stage begins to work."""
        before = self.holder()
        process = self.start()
        while process.poll() is None and self.holder() in ("", before):
            time.sleep(0.001)
        return process

    def finish(self):
        """Run it without a disturbance: seconds from the beginning of its work to the end of it."""
        process = self.start_work()
        start = time.perf_counter()
        self.await_end(process)
        seconds = time.perf_counter() - start
        assert process.wait(120) == 0, self.log.read_text()
        return seconds

    def await_end(self, process):
        """Wait until the stage says that its work has ended."""
        while not (self.work / "ended").exists():
            assert process.poll() in (None, 0), self.log.read_text()
            time.sleep(0.001)

    def whole(self):
        """Name, inode and time of each whole shard in the work folder."""
        found = {}
        for note in self.work.glob("*.json"):
            shard = note.with_suffix(".h5")
            with contextlib.suppress(OSError, ValueError):
                if json.loads(note.read_text())["sha256"] == hashlib.sha256(shard.read_bytes()).hexdigest():
                    found[shard.name] = (shard.stat().st_ino, shard.stat().st_mtime_ns)
        return found


def stage_run(undisturbed, project, code, stage, workers=1):
    """A project in which everything is there but one stage's output."""
    shutil.copytree(
        undisturbed, project, symlinks=True, ignore=shutil.ignore_patterns("work", "raw", Path(STAGES[stage]).name)
    )
    (project / "raw").symlink_to(undisturbed / "raw")
    for needed in set(STAGES) - {stage}:
        source, target = undisturbed / "data" / needed / STAGES[needed], project / "data" / needed / STAGES[needed]
        shutil.copytree(source, target, dirs_exist_ok=True)
    write_params(project, workers=workers)
    return Run(project, stage, [sys.executable, "-m", f"stages.{stage}", *arguments_of(stage)[1:]], code)


def kill_group(process):
    """Kill -9 a process and its descendants, and wait until none is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(2000):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.001)
    raise AssertionError("A process group outlives kill -9.")


def assert_one_sentence(run, process, *parts):
    assert process.wait(60) == 1
    lines = run.log.read_text().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    for part in parts:
        assert part in lines[0], lines[0]


def make_project(folder, code):
    """A project whose data stages ran without a disturbance, one process each; one photo a shard."""
    draw_photos(folder / "raw")
    write_params(folder)
    make_data(folder, code)
    return folder
