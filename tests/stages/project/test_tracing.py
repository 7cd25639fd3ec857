"""Follow a number of a small project back to its raw files."""

import shutil

import numpy as np
import pytest

from pipeline.raw.annotations import hash_pair
from pipeline.store.shards import write_shard
from stages.project.params import DataParams
from stages.project.samples import read_part
from stages.project.tracing import trace
from tests.helpers.small_project import NO_FACE, SIZE, SUBSETS, YAW_DEG, read_json, read_rows

SHARDS = ("position_maps/test/test/on", "aligned/test/test/on", "meshes/test/test", "index/test/test")


@pytest.fixture(scope="module")
def root(project, tmp_path_factory):
    """The small project with shards that record what they were made from, in another order in each stage."""
    root = shutil.copytree(project, tmp_path_factory.mktemp("trace"), symlinks=True, dirs_exist_ok=True)
    names = list(YAW_DEG)
    hashes = {}
    for name in names:
        (root / f"raw/test/{name}.mat").write_bytes(name.encode())
        pair = (root / f"raw/test/{name}.png").read_bytes(), name.encode()
        hashes[name] = hash_pair(*pair)
    for number, stage in enumerate(SHARDS):
        for old in (root / "data" / stage).glob("*.h5"):
            old.unlink()
        for shard, rows in enumerate((names[number:], names[:number])):
            if rows:
                values = {"sample_id": [f"test/{n}" for n in rows], "source_sha256": [hashes[n] for n in rows]}
                write_shard(root / f"data/{stage}/{shard:05d}.h5", values, {})
    return root


def follow(root, sample_id, variant="final", main=True):
    return trace(root, DataParams("raw", SUBSETS, SIZE, ["on"], 4, 0.5), variant, main, "on", sample_id)


def test_every_step_of_a_sample_is_found(root):
    rows = follow(root, "test/b")
    places = [place for place, _ in rows]
    assert places[0] == "runs/main/scores/metrics.json"
    assert places[2] == "runs/main/predictions.h5, row 5"
    # b is the second of seven; in stage n the first n samples are in the second shard.
    assert places[3:7] == [
        "data/position_maps/test/test/on/00000.h5, row 1",
        "data/aligned/test/test/on/00000.h5, row 0",
        "data/meshes/test/test/00001.h5, row 1",
        "data/index/test/test/00001.h5, row 1",
    ]
    photo = (root / "raw/test/b.png").read_bytes()
    assert rows[-1][1] == f"source_sha256 {hash_pair(photo, b'b')}"


def test_the_errors_are_those_of_the_line_that_is_named(root):
    place, text = follow(root, "test/b", "prn", main=False)[1]
    path, _, line = place.partition(", line ")
    row = (root / path).read_text().splitlines()[int(line) - 1].split(",")
    header = (root / path).read_text().splitlines()[0].split(",")
    assert row[0] == "test/b"
    assert f"thesis_mesh {float(row[header.index('thesis_mesh')]):g}" in text
    metrics = read_json(root / "runs/prn/scores/metrics.json")
    rows = read_rows(root / path)
    assert metrics["thesis_mesh"] == pytest.approx(np.mean([float(r["thesis_mesh"]) for r in rows]), abs=6e-4)


def test_raw_files_that_changed_since_are_told(root, tmp_path):
    import shutil

    copy = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    (copy / "raw/test/c.mat").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"00000.h5, row 2 was made from a pair with the hash .* changed since"):
        follow(copy, "test/c")


def test_a_sample_without_a_score_is_told_with_the_reason(root):
    with pytest.raises(ValueError, match=f"test/noface has no score: the stage aligned refused it. {NO_FACE}"):
        follow(root, "test/noface")
    with pytest.raises(ValueError, match="has no test/nobody: only test photos have scores, and its first is test/a"):
        follow(root, "test/nobody")
    assert read_part(root, "test")[-1] == "test/noface"
