"""Any moment may be the last: kills, full disks, folders that may not be written, damaged shards, two at once."""

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.demo import dataset as synthetic
from pipeline.store.resume import ShardContent, digest_code, make_once, sole_writer
from pipeline.store.shards import read_shard
from stages import train
from stages.project import shard_stage

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SUBSETS = {"AFW": "300W_LP/AFW", "AFLW2000": "AFLW2000"}
PHOTOS, DVC_PHOTOS = 48, 24
# The stages that make shards, with one output each whose shards are made, killed and made again.
STAGES = {"index": "AFW", "meshes": "AFW", "aligned": "AFW-on", "position_maps": "AFW-on", "augmented": "mild-on"}
KILLS, KILLS_OF_TWO_WORKERS, KILLS_UNDER_DVC = 20, 3, 6
OTHER_USER = 65534


def arguments_of(stage):
    return [stage, *STAGES[stage].split("-")]


def copy_code(folder):
    """Copy the code: an edit to the project while the tests run must not give the shards new names."""
    for package in ("pipeline", "stages", "model"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def write_params(folder, root="raw", workers=1, scheduler="", samples_per_shard=1, **sections):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    subsets = {"AFW": {"folder": "300W_LP/AFW", "use": "learn"}, "AFLW2000": {"folder": "AFLW2000", "use": "test"}}
    params["data"] |= {"root": root, "subsets": subsets, "size": 64, "samples_per_shard": samples_per_shard}
    params["split"]["validation_fraction"] = 0.1
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
    for stage, levels in (
        ("index", []),
        ("detected", []),
        ("meshes", []),
        ("aligned", ["on"]),
        ("position_maps", ["on"]),
    ):
        commands += [[stage, subset, *levels] for subset in subsets]
    commands += [["split"], ["augmented", "mild", "on"]]
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


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    copy_code(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, code):
    """A project whose data stages ran without a disturbance; one photo a shard."""
    folder = tmp_path_factory.mktemp("undisturbed")
    draw_photos(folder / "raw")
    write_params(folder)
    make_data(folder, code)
    return folder


@dataclasses.dataclass
class Run:
    """How a data stage is run in a project, and where its things are."""

    project: Path
    stage: str
    command: list
    code: Path | None = None

    def __post_init__(self):
        name = STAGES[self.stage]
        self.name = f"{self.stage}@{name}"
        self.output = self.project / "data" / self.stage / name
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
    shutil.copytree(undisturbed, project, symlinks=True, ignore=shutil.ignore_patterns("work", "raw", STAGES[stage]))
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


@dataclasses.dataclass
class Tally:
    kills: int = 0
    middle: int = 0
    twice: int = 0
    shards: int = 0
    finished: int = 0


def disturb(run, expected, kills, seconds, generator, forget=lambda: None):
    """Kill a run at random moments of its work and start it again, until it ends by itself; and from scratch again."""
    count = sum(name.endswith(".h5") for name in expected)
    tally, known = Tally(), {}

    def check():
        nonlocal known
        now = run.whole()
        tally.twice += sum(now.get(name) != made for name, made in known.items())
        tally.shards += len(known.keys() | now.keys()) - len(known)
        known |= now
        return len(now)

    def check_finished():
        nonlocal known
        assert check() == count
        assert digests(run.output) == expected
        inodes = {path.stat().st_ino for path in run.output.glob("*.h5")}
        if run.code:  # DVC puts copies of its own in the place of outputs
            assert inodes == {inode for inode, _ in known.values()}
        tally.finished += 1
        known = {}

    while tally.kills < kills:
        process = run.start_work()
        try:
            result = process.wait(generator.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            kill_group(process)
            tally.kills += 1
            found = check()
            tally.middle += 0 < found < count
            if found < count and tally.kills < kills:
                continue
            run.finish()
            result = 0
        assert result == 0, run.log.read_text()
        check_finished()
        if tally.kills < kills:
            shutil.rmtree(run.work)
            forget()
    return tally


def report(capsys, title, tally):
    with capsys.disabled():
        print(  # noqa: T201 - a person wants to see how often it hit
            f"\n{title}: {tally.kills} kills, {tally.middle} with some of the shards whole, {tally.shards} shards in "
            f"{tally.finished} runs that ended, {tally.twice} made twice, bytes equal"
        )


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_random_moments_ends_with_the_same_bytes_and_makes_no_shard_twice(
    undisturbed, code, tmp_path, stage, capsys
):
    run = stage_run(undisturbed, tmp_path / "project", code, stage)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    seconds = run.finish()
    assert digests(run.output) == expected
    shutil.rmtree(run.work)
    tally = disturb(run, expected, KILLS, seconds, random.Random(f"kill {stage}"))
    report(capsys, f"{run.name}, 1 worker", tally)
    assert tally.twice == 0
    assert tally.middle >= 8


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["aligned", "augmented"])
def test_a_stage_on_two_workers_outlives_kills_as_well(undisturbed, code, tmp_path, stage, capsys):
    run = stage_run(undisturbed, tmp_path / "project", code, stage, workers=2)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    seconds = run.finish()
    shutil.rmtree(run.work)
    tally = disturb(run, expected, KILLS_OF_TWO_WORKERS, seconds, random.Random(f"kill two {stage}"))
    report(capsys, f"{run.name}, 2 workers", tally)
    assert tally.twice == 0


# Under DVC.


def dvc(project, *arguments, check=True):
    done = subprocess.run(
        ["dvc", *arguments], cwd=project, env=environment_of(), capture_output=True, text=True, timeout=300
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def git(project, *arguments):
    names = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    subprocess.run(["git", *names, *arguments], cwd=project, check=True, capture_output=True)


def targets():
    return [f"{stage}@{name}" for stage, name in STAGES.items()]


def make_dvc_project(folder):
    """A committed project of its own: this working tree's code, few and small procedural photos, two subsets."""
    copy_code(folder)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    demo = {"photos_per_subset": DVC_PHOTOS, "test_photos": 3, "photo_size": 96}
    write_params(folder, root="data/demo", demo_data=demo)
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "config", "core.analytics", "false")
    dvc(folder, "config", "core.check_update", "false")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Code")
    dvc(folder, "repro", *targets())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Data")


@pytest.fixture(scope="module")
def dvc_project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dvc") / "project"
    folder.mkdir()
    make_dvc_project(folder)
    return folder


def forget_run(run):
    """Let DVC forget that it ever ran the stage."""
    yaml = YAML()
    path = run.project / "dvc.lock"
    lock = yaml.load(path)
    lock["stages"].pop(run.name, None)
    yaml.dump(lock, path)
    shutil.rmtree(run.project / ".dvc/cache/runs", ignore_errors=True)


def dvc_run(dvc_project, folder, stage):
    """A copy of the project that has yet to run one stage, by ``dvc repro``."""
    shutil.copytree(dvc_project, folder, symlinks=True, ignore=shutil.ignore_patterns("shards"))
    run = Run(folder, stage, [])
    run.command = ["dvc", "repro", run.name]
    shutil.rmtree(run.output)
    forget_run(run)
    return run, digests(dvc_project / "data" / stage / STAGES[stage])


def recorded(run):
    return run.name in YAML(typ="safe").load(run.project / "dvc.lock")["stages"]


def assert_nothing_to_do(run):
    assert recorded(run)
    assert "up to date" in dvc(run.project, "status", run.name)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["index", "position_maps", "augmented"])
def test_dvc_repro_killed_at_random_moments_goes_on_where_it_was(dvc_project, tmp_path, stage, capsys):
    run, expected = dvc_run(dvc_project, tmp_path / "project", stage)
    seconds = run.finish()
    shutil.rmtree(run.work)
    forget_run(run)
    generator = random.Random(f"dvc {stage}")
    tally = disturb(run, expected, KILLS_UNDER_DVC, seconds, generator, lambda: forget_run(run))
    report(capsys, f"dvc repro {run.name}", tally)
    assert tally.twice == 0
    assert tally.middle > 0
    assert_nothing_to_do(run)


@pytest.mark.slow
def test_when_dvc_alone_is_killed_the_next_one_waits_for_the_stage_that_goes_on(dvc_project, tmp_path):
    run, expected = dvc_run(dvc_project, tmp_path / "project", "aligned")
    first = run.start_work()
    orphan = int(run.holder())
    os.kill(orphan, signal.SIGSTOP)  # so that it is still at work when the second one comes
    first.kill()
    first.wait()
    assert not (run.work / "ended").exists()
    before = run.whole()
    second = run.start()
    try:
        while "is at work on" not in (said := run.log.read_text()):
            assert second.poll() is None, said
            time.sleep(0.05)
    finally:
        os.kill(orphan, signal.SIGCONT)
    assert f"Process {orphan} is at work on {run.name}; waiting" in said
    assert second.wait(120) == 0, run.log.read_text()
    assert digests(run.output) == expected
    after = run.whole()
    assert all(after[name] == made for name, made in before.items())
    assert_nothing_to_do(run)
    assert not is_at_work(orphan)


def is_at_work(pid):
    """Whether a process runs; one that ended may still be listed, if nobody asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["meshes", "augmented"])
def test_a_kill_between_the_end_of_a_stage_and_its_recording_costs_nothing(dvc_project, tmp_path, stage):
    run, expected = dvc_run(dvc_project, tmp_path / "project", stage)
    process = run.start_work()
    run.await_end(process)
    kill_group(process)
    assert not recorded(run)
    before = run.whole()
    assert len(before) == sum(name.endswith(".h5") for name in expected)
    run.finish()
    assert run.whole() == before
    assert digests(run.output) == expected
    assert_nothing_to_do(run)


# Disks and folders.


def assert_one_sentence(run, process, *parts):
    assert process.wait(60) == 1
    lines = run.log.read_text().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    for part in parts:
        assert part in lines[0]


def assert_nothing_half(run, expected):
    """Under a final name there are whole files only, and under a passing one nothing."""
    for folder in (run.work, run.output):
        found = digests(folder) if folder.exists() else {}
        assert not [name for name in found if name.endswith(".part")]
        assert {digest for name, digest in found.items() if name.endswith(".h5")} <= set(expected.values())


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_file_that_gets_too_large_is_named_and_nothing_half_is_left(undisturbed, code, tmp_path, stage):
    run = stage_run(undisturbed, tmp_path / "project", code, stage)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    sizes = sorted(path.stat().st_size for path in (undisturbed / "data" / stage / STAGES[stage]).glob("*.h5"))
    limit = sizes[len(sizes) // 2] - 1
    process = run.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert_one_sentence(run, process, f"work/shards/{run.name}/", ".h5 can't be written: File too large.")
    assert_nothing_half(run, expected)
    assert not run.output.exists()
    run.finish()
    assert digests(run.output) == expected


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """A file system of its own at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"This user may not mount a file system: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="There is no mount command.")
@pytest.mark.parametrize("place", ["work", "data/aligned"])
@pytest.mark.parametrize("kilobytes", [16, 200])
def test_a_full_disk_is_named_and_nothing_half_is_left(undisturbed, code, tmp_path, place, kilobytes):
    run = stage_run(undisturbed, tmp_path / "project", code, "aligned")
    expected = digests(undisturbed / "data/aligned" / STAGES["aligned"])
    disk = run.project / place
    with small_disk(disk, kilobytes):
        assert_one_sentence(run, run.start(), f"Error: {place}/", "can't be written: No space left on device.")
        assert_nothing_half(run, expected)
        before = run.whole()
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        run.finish()
        assert digests(run.output) == expected
        after = run.whole()
        assert all(after[name] == made for name, made in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("place", ["work", "data/index"])
def test_a_folder_that_may_not_be_written_is_named(undisturbed, place):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which other users may not enter
        Path(folder).chmod(0o755)
        copy_code(Path(folder))
        run = stage_run(undisturbed, Path(folder) / "project", Path(folder), "index")
        (run.project / "raw").unlink()
        shutil.copytree(undisturbed / "raw/300W_LP/AFW", run.project / "raw/300W_LP/AFW")
        (run.project / "work").mkdir()
        closed, root = run.project / place, os.getuid() == 0
        if root:
            for path in {run.project, run.project / "work", run.project / "data/index"} - {closed}:
                os.chown(path, OTHER_USER, OTHER_USER)
        closed.chmod(0o755 if root else 0o555)
        # Imports first: another user may not read this one's Python.
        script = "import os, cv2, threadpoolctl, stages.index\n"
        script += f"os.setgroups([]); os.setgid({OTHER_USER}); os.setuid({OTHER_USER})\n" if root else ""
        run.command = [sys.executable, "-c", f"{script}stages.index.main(['AFW'])"]
        process = run.launch()
        assert_one_sentence(run, process, f"Error: {place}/", "can't be written: Permission denied.")
        assert list(closed.rglob("*AFW/*")) == []
        assert not run.output.exists()
        closed.chmod(0o755)


# What is found again, and what is not.


def counted(calls):
    def make(rows, level):
        calls.append((rows, level))
        return ShardContent(
            {"sample_id": np.array([str(row) for row in range(rows)], object), "values": np.arange(rows)}, rows
        )

    return make


def truncate(shard, _=None):
    shard.write_bytes(shard.read_bytes()[:-100])


def flip_a_byte(shard, _=None):
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


def make_empty(shard, note):
    shard.write_bytes(b"")
    note.write_bytes(b"")


DAMAGE = {
    "truncated": truncate,
    "one bit flipped": flip_a_byte,
    "both empty": make_empty,
    "shard gone": lambda shard, _: shard.unlink(),
    "note gone": lambda _, note: note.unlink(),
    "note no JSON": lambda _, note: note.write_text("{"),
    "note no text": lambda _, note: note.write_bytes(b"\xff\xfe\x00"),
    "note a list": lambda _, note: note.write_text("[]"),
    "note a number": lambda _, note: note.write_text("1"),
    "note of less": lambda _, note: note.write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_or_note_is_made_anew(tmp_path, damage, capfd):
    calls = []
    first = make_once(tmp_path, "code", "s", counted(calls), (), (5, "on"))
    content = first.path.read_bytes()
    assert make_once(tmp_path, "code", "s", counted(calls), (), (5, "on")) == first
    assert len(calls) == 1
    DAMAGE[damage](first.path, first.path.with_suffix(".json"))
    assert make_once(tmp_path, "code", "s", counted(calls), (), (5, "on")) == first
    assert len(calls) == 2
    assert first.path.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.path.name, first.path.with_suffix(".json").name]
    assert capfd.readouterr() == ("", "")


def test_other_code_input_or_arguments_make_another_shard(tmp_path):
    calls, source, work = [], tmp_path / "input", tmp_path / "work"
    source.write_text("one")
    make = counted(calls)
    paths = [make_once(work, "code", "s", make, (source,), (5, "on")).path]
    paths.append(make_once(work, "other code", "s", make, (source,), (5, "on")).path)
    paths.append(make_once(work, "code", "t", make, (source,), (5, "on")).path)
    paths.append(make_once(work, "code", "s", make, (source,), (6, "on")).path)
    paths.append(make_once(work, "code", "s", make, (source,), (5, "off")).path)
    source.write_text("another")
    paths.append(make_once(work, "code", "s", make, (source,), (5, "on")).path)
    assert len(set(paths)) == len(calls) == 6
    source.write_text("one")
    assert make_once(work, "code", "s", make, (source,), (5, "on")).path == paths[0]
    assert len(calls) == 6


@pytest.mark.parametrize("stage", [shard_stage, train], ids=["shards", "training"])
def test_an_edit_of_any_module_makes_other_shards(stage, tmp_path):
    for folder in stage.CODE:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / folder / "room/within").mkdir(parents=True)
        (tmp_path / folder / "room/within/new.py").touch()
    assert digest_code(stage.ROOT, stage.CODE) == digest_code(ROOT, stage.CODE)
    modules = sorted(path for folder in stage.CODE for path in (tmp_path / folder).rglob("*.py"))
    digests = {digest_code(tmp_path, stage.CODE)}
    for number, module in enumerate(modules, 1):
        module.write_text(f"# {number}\n")
        digests.add(digest_code(tmp_path, stage.CODE))
    assert len(digests) == 1 + len(modules)


def test_a_folder_without_code_gives_no_key(tmp_path):
    with pytest.raises(ValueError, match="has no Python files"):
        digest_code(tmp_path, ("pipeline",))


def test_a_stage_at_work_again_is_not_tidied_away_by_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with sole_writer(first, print):
        (first / "ended").touch()
    with sole_writer(first, print):
        (first / "shard.h5").touch()
        with sole_writer(second, print):
            assert (first / "shard.h5").exists()
        (first / "ended").touch()
    with sole_writer(second, print):
        assert not first.exists()


@pytest.mark.slow
def test_a_damaged_shard_in_the_work_folder_is_made_anew_by_the_stage(undisturbed, code, tmp_path):
    run = stage_run(undisturbed, tmp_path / "project", code, "aligned")
    run.finish()
    before = run.whole()
    damaged = sorted(run.work.glob("*.h5"))[:4]
    shutil.rmtree(run.output)
    truncate(damaged[0])
    flip_a_byte(damaged[1])
    damaged[2].with_suffix(".json").unlink()
    damaged[3].with_suffix(".json").write_text("<html>")
    run.finish()
    assert digests(run.output) == digests(undisturbed / "data/aligned" / STAGES["aligned"])
    assert len(run.log.read_text().splitlines()) == 1
    after = run.whole()
    assert {name for name in before if after[name] != before[name]} == {path.name for path in damaged}


@pytest.mark.slow
def test_another_parameter_makes_all_shards_of_a_stage_anew(undisturbed, code, tmp_path):
    run = stage_run(undisturbed, tmp_path / "project", code, "aligned")
    run.finish()
    before = run.whole()
    write_params(run.project, crop={"margin": 1.6})
    run.finish()
    assert not before.keys() & run.whole().keys()
    assert len(run.whole()) == len(before) == PHOTOS
    similarities = [
        read_shard(folder / "00000.h5")["similarity"] for folder in (run.output, undisturbed / "data/aligned/AFW-on")
    ]
    assert not np.array_equal(*similarities)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_of_one_stage_at_the_same_time_both_end_well(undisturbed, code, tmp_path, stage):
    run = stage_run(undisturbed, tmp_path / "project", code, stage)
    for _ in range(3):
        shutil.rmtree(run.work, ignore_errors=True)
        processes = [run.launch(), run.launch()]
        assert [process.wait(60) for process in processes] == [0, 0], run.log.read_text()
        assert digests(run.output) == digests(undisturbed / "data" / stage / STAGES[stage])
