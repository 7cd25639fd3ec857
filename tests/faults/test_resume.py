"""Which shards are found again, and which are made anew: damage, other code, input or params, two at once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.store import resume
from pipeline.store.resume import ShardContent, digest_code, make_once, open_work, sole_writer
from pipeline.store.shards import read_shard
from stages.project import shard_stage, training
from tests.helpers.places import ROOT
from tests.helpers.stage_runs import PHOTOS, STAGES, digests, stage_run, write_params


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


@pytest.mark.parametrize("stage", [shard_stage, training], ids=["shards", "training"])
def test_an_edit_of_any_module_makes_other_shards(stage, tmp_path, monkeypatch):
    """Each module is edited where it stands alone: among all the others, each edit would read hundreds of files."""
    monkeypatch.setattr(resume.importlib.metadata, "version", lambda _name: "1.0")
    assert digest_code(stage.ROOT, stage.CODE) == digest_code(ROOT, stage.CODE)
    modules = [path.relative_to(ROOT) for folder in stage.CODE for path in (ROOT / folder).rglob("*.py")]
    modules += [Path(folder, "room/within/new.py") for folder in stage.CODE]
    assert len(modules) > 200
    for folder in stage.CODE:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "always.py").touch()
    digests = {digest_code(tmp_path, stage.CODE)}
    for module in modules:
        file = tmp_path / module
        file.parent.mkdir(parents=True, exist_ok=True)
        for text in ("# before\n", "# after\n"):
            file.write_text(text)
            digests.add(digest_code(tmp_path, stage.CODE))
        file.unlink()
    assert len(digests) == 1 + 2 * len(modules)


@pytest.mark.parametrize("library", resume.LIBRARIES)
def test_another_version_of_a_library_makes_other_shards(monkeypatch, library):
    before, version = digest_code(ROOT, ["pipeline/store"]), resume.importlib.metadata.version
    assert digest_code(ROOT, ["pipeline/store"]) == before
    monkeypatch.setattr(resume.importlib.metadata, "version", lambda name: version(name) + ".1" * (name == library))
    assert digest_code(ROOT, ["pipeline/store"]) != before


def test_a_folder_without_code_gives_no_key(tmp_path):
    with pytest.raises(ValueError, match="has no Python files"):
        digest_code(tmp_path, ("pipeline",))


def test_a_stage_at_work_again_is_not_tidied_away_by_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with sole_writer(first, print):
        open_work(first)
        (first / "ended").touch()
    with sole_writer(first, print):
        open_work(first)
        (first / "shard.h5").touch()
        with sole_writer(second, print):
            open_work(second)
            assert (first / "shard.h5").exists()
        (first / "ended").touch()
    with sole_writer(second, print):
        open_work(second)
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
        read_shard(folder / "on/00000.h5")["similarity"]
        for folder in (run.output, undisturbed / "data/aligned/learn/AFW")
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
