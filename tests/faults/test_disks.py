"""Full disks, files that get too large and folders that may not be written are named, and nothing half is left."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers.small_disk import assert_nothing_half, small_disk
from tests.helpers.stage_runs import STAGES, assert_one_sentence, copy_code, digests, stage_run

pytestmark = pytest.mark.slow

OTHER_USER = 65534


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_that_gets_too_large_is_named_and_nothing_half_is_left(undisturbed, code, tmp_path, stage):
    run = stage_run(undisturbed, tmp_path / "project", code, stage)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    sizes = sorted(path.stat().st_size for path in (undisturbed / "data" / stage / STAGES[stage]).rglob("*.h5"))
    limit = sizes[len(sizes) // 2] - 1
    process = run.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert_one_sentence(run, process, f"work/shards/{run.name}/", ".h5 can't be written: File too large.")
    assert_nothing_half(run, expected)
    assert not run.output.exists()
    run.finish()
    assert digests(run.output) == expected


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
        script = "import os, cv2, email.parser, importlib.metadata, threadpoolctl, stages.index\n"
        script += "from stages.project.params import DataParams\nfrom stages.project.params_file import read\n"
        script += "read('data', DataParams)\n"
        script += f"os.setgroups([]); os.setgid({OTHER_USER}); os.setuid({OTHER_USER})\n" if root else ""
        run.command = [sys.executable, "-c", f"{script}stages.index.main(['AFW'])"]
        process = run.launch()
        assert_one_sentence(run, process, f"Error: {place}/", "can't be written: Permission denied.")
        assert list(closed.rglob("*AFW/*")) == []
        assert not run.output.exists()
        closed.chmod(0o755)
