"""DVC's lock files: told from their first parts, kept while they are whole, and mended from what was kept."""

import contextlib
import json

import pytest
from click.testing import CliRunner

from stages import mend_locks as command
from stages.project.lock_files import KEPT, LOCKS, READERS, is_whole, keep_locks, mend_locks

STAGE = """  {name}:
    cmd: python -m stages.{name}
    deps:
    - path: data/code/{name}.txt
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 12
    params:
      params.yaml:
        data.root: null
    outs:
    - path: data/{name}
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 34
      nfiles: 2
"""


def lock(*names):
    return "schema: '2.0'\nstages:\n" + "".join(STAGE.format(name=name) for name in names)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "ablation").mkdir()
    return tmp_path


def cuts(text):
    """Places behind every line, and some within."""
    return sorted({0, *range(1, len(text), 13), *(at + 1 for at, letter in enumerate(text[:-1]) if letter == "\n")})


def mend():
    return list(mend_locks(contextlib.nullcontext))


def test_a_first_part_that_ends_anywhere_but_behind_a_record_is_not_whole():
    text = lock("split", "asm", "train")
    assert is_whole(text.encode())
    # It may end behind the last line of a stage's record, or behind others that only say more of a hashed output.
    whole = {cut for cut in range(len(text)) if is_whole(text[:cut].encode())}
    ends = {text[:cut].splitlines()[-1].split(":")[0].strip() for cut in whole}
    assert ends == {"md5", "size", "nfiles"}
    for cut in whole:
        assert text[:cut].endswith("\n")
        assert "outs" in text[:cut].rpartition("cmd")[2]


@pytest.mark.parametrize("path", LOCKS, ids=str)
def test_one_that_was_cut_anywhere_is_the_kept_one_again_and_a_line_says_so(root, path):
    text = lock("split", "asm", "train")
    path.write_text(text)
    keep_locks()
    for cut in cuts(text):
        path.write_text(text[:cut])
        keep_locks()  # a stage that begins now keeps nothing worse ...
        (said,) = mend()
        assert said.startswith(f"{path} was cut off when DVC was killed")
        assert path.read_text() == text
        # ... and what was left is not lost.
        assert (KEPT / path).with_name("dvc.lock.cut").read_text() == text[:cut]


def test_a_newer_one_that_was_cut_gives_way_to_the_kept_one(root):
    path, old, new = LOCKS[0], lock("split", "asm"), lock("split", "train", "asm").replace("0123", "4567")
    path.write_text(old)
    keep_locks()
    for cut in cuts(new):
        path.write_text(new[:cut])
        if not is_whole(new[:cut].encode()):
            assert len(mend()) == 1
            assert path.read_text() == old


def test_a_whole_one_stays_whatever_was_kept(root):
    path = LOCKS[0]
    path.write_text(lock("split", "asm"))
    keep_locks()
    for other in (lock("split"), lock("asm"), lock("split", "asm", "train")):
        path.write_text(other.replace("size: 12", "size: 13"))
        assert mend() == []
        assert "size: 13" in path.read_text()


def test_without_a_kept_one_it_is_removed(root):
    LOCKS[0].write_text(lock("split")[:-60])
    (said,) = mend()
    assert "it is removed" in said
    assert not LOCKS[0].exists()


def test_a_conflict_of_git_is_left_to_the_user(root):
    text = f"<<<<<<< HEAD\n{lock('split')}=======\n{lock('asm')}>>>>>>> other\n"
    LOCKS[0].write_text(text)
    with pytest.raises(ValueError, match=r"dvc\.lock has a conflict that git left in it"):
        mend()
    assert LOCKS[0].read_text() == text


@pytest.mark.parametrize("left", ["", '{"read": {', '{"read": {}, "write": {"a'])
def test_a_list_of_readers_that_was_cut_off_is_removed(root, left):
    READERS.write_text(left)
    (said,) = mend()
    assert str(READERS) in said
    assert not READERS.exists()
    READERS.write_text(json.dumps({"read": {}, "write": {}}))
    assert mend() == []
    assert READERS.exists()


def test_nothing_is_said_or_done_where_there_is_nothing_to_mend(root):
    def never():
        raise AssertionError("DVC was asked for its lock.")

    assert list(mend_locks(never)) == []
    done = CliRunner().invoke(command.main)
    assert (done.exit_code, done.output) == (0, "")
    LOCKS[0].write_text(lock("split"))
    assert CliRunner().invoke(command.main).output == ""
    assert (KEPT / LOCKS[0]).read_text() == lock("split")
