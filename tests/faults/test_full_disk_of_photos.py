"""`reconstruct` onto a disk that runs full: what is written stays valid, it is told, and a run with space goes on."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import pytest
import skimage.data

from pipeline.photo.bundle import save_bundle
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c", "d")
# In namespaces of its own any user may mount a small disk; what lies on it is seen within them alone.
SCRIPT = """
set -e
mount -t tmpfs -o size={size} tmpfs disk
for run in first second; do
    set +e
    {command} > $run.out 2> $run.err
    echo $? > $run.code
    set -e
    cp -a disk/out $run
    mount -o remount,size=100m disk
done
"""


@pytest.fixture(scope="module")
def project(embedded, tmp_path_factory):
    """Photos of one face, each of another size."""
    root = tmp_path_factory.mktemp("photos")
    save_bundle(root / "b.face3d", embedded)
    (root / "in").mkdir()
    for number, name in enumerate(NAMES):
        photo = skimage.data.astronaut()[: 400 - number, ..., ::-1]
        cv2.imwrite(str(root / f"in/{name}.png"), photo)
    return root


def reconstruct_twice(project, folder, size):
    """Reconstruct photos onto a disk of some size, and again when it has grown."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("There is no unshare, or no mount.")
    folder.mkdir()
    (folder / "disk").mkdir()
    arguments = (project / "in", "--out", "disk/out", "--write", "obj,page", "--bundle", project / "b.face3d")
    command = " ".join(map(str, (sys.executable, "-m", "stages.reconstruct", *arguments)))
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SCRIPT.format(size=size, command=command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / "first.code").exists():
        pytest.skip(f"This user may not mount a file system: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


def files(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


# Of the four photos each has 3 MB: none, one or two have space, and on the smallest disk not even the table of results.
@pytest.mark.parametrize(("size", "whole"), [("4k", 0), ("64k", 0), ("4m", 1), ("8m", 2)])
def test_what_is_written_is_whole_and_a_run_with_space_goes_on(project, tmp_path, size, whole):
    folder = tmp_path / "run"
    reconstruct_twice(project, folder, size)
    first, second = folder / "first", folder / "second"
    assert (folder / "first.code").read_text() == "1\n"
    said = (folder / "first.err").read_text()
    assert "Traceback" not in said
    lost = [line for line in said.splitlines() if "can't be written: No space left on device. Free the disk" in line]
    assert lost

    rows = json.loads((first / "faces.json").read_text()) if (first / "faces.json").exists() else []
    names = [row["photo"] for row in rows if row["faces"]]
    assert names == list(NAMES[:whole])
    if size == "4k":
        assert lost[-1].startswith("Error: disk/out")
    else:
        assert [line.split(":")[0] for line in lost] == list(NAMES[whole:])
        assert [row["photo"] for row in rows] == list(NAMES)
    made = files(first)
    listed = {f"{row['photo']}/{name}" for row in rows for face in row["faces"] for name in face["files"]}
    pages = {f"{name}/index.html" for name in names}
    assert made.keys() - {"faces.json"} == listed | pages

    assert (folder / "second.code").read_text() == "0\n"
    assert (folder / "second.err").read_text() == ""
    again = files(second)
    assert {name.split("/")[0] for name in again} == {*NAMES, "faces.json"}
    for name in made.keys() - {"faces.json"}:
        assert made[name].read_bytes() == again[name].read_bytes()
        assert made[name].stat().st_mtime_ns == again[name].stat().st_mtime_ns  # it was not made twice
    assert [len(row["faces"]) for row in json.loads((second / "faces.json").read_text())] == [1] * len(NAMES)
