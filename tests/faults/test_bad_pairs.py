"""Bad and odd pairs among good ones, through the data stages: each is set aside with a reason, or read as meant."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.demo.dataset import write_dataset
from pipeline.raw.annotations import list_pairs
from pipeline.raw.photos import check_photo, decode_photo
from pipeline.store.shards import list_shards, read_shard
from stages import aligned, face_model, index, meshes, position_maps, uv_embedding
from tests.helpers.bad_pairs import (
    ALIGNED,
    BAD,
    EMPTIED,
    INDEX,
    MAPS,
    MESHES,
    ODD,
    REPLACED,
    VANISHED,
    add_bad,
    add_files,
    add_odd,
    eps,
    nested_cells,
    read_pair,
)
from tests.helpers.data_project import SUBSETS, must, write_params
from tests.helpers.places import ROOT


def run_stages(before_aligned=lambda: None):
    must(index, "AFW")
    must(meshes, "AFW")
    before_aligned()
    must(aligned, "AFW")
    must(position_maps, "AFW")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Two projects with the same good pairs: one with the bad and odd ones, one with the odd ones stored plainly."""
    root = tmp_path_factory.mktemp("bad_pairs")
    mixed, clean = root / "mixed", root / "clean"
    write_dataset(clean / "raw", seed=3, photos_per_subset=3, test_photos=1, photo_size=160)
    folder = clean / "raw" / SUBSETS["AFW"]
    good = sorted(path.stem for path in folder.glob("*.jpg"))
    pair = read_pair(folder / f"{good[0]}.jpg")
    shutil.copytree(clean / "raw", mixed / "raw")
    add_odd(folder, pair, plainly=True)
    bad_folder = mixed / "raw" / SUBSETS["AFW"]
    add_odd(bad_folder, pair, plainly=False)
    add_bad(bad_folder, pair)
    files = add_files(bad_folder, root / "outside", pair)

    def spoil():
        (bad_folder / f"{VANISHED}.jpg").unlink()
        (bad_folder / f"{EMPTIED}.jpg").write_bytes(b"")
        shutil.copyfile(bad_folder / f"{good[1]}.jpg", bad_folder / f"{REPLACED}.jpg")

    with pytest.MonkeyPatch.context() as patch:
        for project, before_aligned in ((clean, lambda: None), (mixed, spoil)):
            write_params(project, max_reject_fraction=1, samples_per_shard=4)
            patch.chdir(project)
            if project == clean:
                must(face_model)
                must(uv_embedding)
            else:
                for made in ("face_model", "uv_embedding"):
                    shutil.copytree(clean / "data" / made, mixed / "data" / made)
            run_stages(before_aligned)
    return mixed, clean, good, files


def rejected(project, stage):
    with (project / "data" / stage / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return {row["sample"]: row["reason"] for row in csv.DictReader(file)}


def kept(project, stage, *names):
    """Arrays of a stage's samples, by sample id."""
    samples = {}
    for path in list_shards(project / "data" / stage):
        shard = read_shard(path, ["sample_id", *names])
        for row, sample_id in enumerate(shard["sample_id"]):
            samples[sample_id] = [shard[name][row] for name in names]
    return samples


@pytest.fixture(scope="module")
def maps(projects):
    mixed, clean, *_ = projects
    return [kept(project, MAPS, "image", "position_map", "source_sha256") for project in (mixed, clean)]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pair_is_set_aside_by_its_stage_with_a_reason(projects, maps, name):
    mixed, bad = projects[0], BAD[name]
    reasons = {file: why for file, why in rejected(mixed, bad.stage).items() if Path(file.split("/")[-1]).stem == name}
    assert len(reasons) == 1, reasons
    assert re.search(bad.reason, next(iter(reasons.values())))
    assert f"AFW/{name}" not in maps[0]


def test_a_file_that_cannot_be_read_or_chosen_is_set_aside_with_a_reason(projects):
    mixed, *_, files = projects
    reasons = rejected(mixed, INDEX)
    for name, reason in files.items():
        assert reason in reasons[name], name


def test_a_photo_that_changes_between_two_stages_is_set_aside_by_the_second(projects, maps):
    reasons = rejected(projects[0], ALIGNED)
    changed = {f"AFW/{name}" for name in (VANISHED, EMPTIED, REPLACED)}
    assert set(reasons) == changed | {f"AFW/{name}" for name, bad in BAD.items() if bad.stage == ALIGNED}
    assert "can't be read any more: No such file" in reasons[f"AFW/{VANISHED}"]
    assert "is damaged or no picture" in reasons[f"AFW/{EMPTIED}"]
    assert f"{REPLACED}.jpg is not the photo any more that the stage index read" in reasons[f"AFW/{REPLACED}"]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_photo_is_read_as_the_plain_one(maps, name):
    (image, *_), (plain, *_) = (samples[f"AFW/{name}"] for samples in maps)
    assert plain.std() > 20  # a face, not a black square
    assert np.abs(image.astype(float) - plain).mean() <= ODD[name].tolerance


def test_a_photo_turned_or_with_its_colours_swapped_would_be_noticed(maps):
    image = maps[1]["AFW/plain"][0].astype(float)
    for wrong in (image[::-1], image[:, ::-1], np.rot90(image), image[..., ::-1], 255 - image):
        assert np.abs(image - wrong).mean() > 4


def test_good_pairs_come_through_as_they_do_alone(projects, maps):
    good, (mixed, clean) = projects[2], maps
    for stem in good:
        (image, positions, digest), (image_alone, positions_alone, digest_alone) = (
            samples[f"AFW/{stem}"] for samples in (mixed, clean)
        )
        assert digest == digest_alone
        assert np.array_equal(image, image_alone)
        # A shard is one matrix product, and BLAS rounds by its size: a step of 1/64 px here and there.
        difference = np.abs(positions - positions_alone)
        assert difference.max() <= 1 / 64
        assert (difference > 0).mean() < 0.01


def test_nothing_but_good_and_odd_pairs_comes_through(projects, maps):
    assert set(maps[0]) == {f"AFW/{name}" for name in (*projects[2], *ODD)} == set(maps[1])


def test_each_stage_takes_what_the_one_before_made_and_loses_none(projects):
    mixed, *_, files = projects
    going_in = len(projects[2]) + len(ODD) + len(BAD) + len(files) + len((VANISHED, EMPTIED, REPLACED))
    for stage in (INDEX, MESHES, ALIGNED, MAPS):
        counts = json.loads((mixed / "data" / stage / "counts.json").read_text())
        assert counts["in"] == counts["out"] + counts["rejected"]
        assert counts["out"] == len(kept(mixed, stage))
        assert counts["in"] == going_in
        going_in = counts["out"]


def test_no_reason_names_a_folder_of_this_machine_or_has_two_lines(projects):
    mixed = projects[0]
    for stage in (INDEX, MESHES, ALIGNED, MAPS):
        for name, reason in rejected(mixed, stage).items():
            assert str(mixed.parent) not in reason
            assert "raw/" not in reason, reason
            assert len(reason.splitlines()) == 1, name
            assert len(reason) < 250


def test_the_table_of_accepted_pairs_has_each_name_as_it_is(projects):
    with (projects[0] / "data/index/learn/AFW/accepted.csv").open(newline="", encoding="utf-8") as file:
        names = {row["sample_id"] for row in csv.DictReader(file)}
    assert {f"AFW/{name}" for name in ODD} <= names


def test_a_photo_larger_than_any_photo_is_not_read(tmp_path, monkeypatch):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(2**40)  # of a sparse file nothing is on the disk
    made = index.read_pairs("AFW", tmp_path, [("a.jpg", "a.mat")], ())
    assert made.rejected == [("a.jpg", "a.jpg has 1,099,511,627,776 bytes; expected a photo of up to 268,435,456.")]


def test_huge_files_with_equal_annotations_are_compared_without_being_held(tmp_path):
    for stem in "ab":
        (tmp_path / f"{stem}.jpg").write_bytes(stem.encode())
        with (tmp_path / f"{stem}.mat").open("wb") as file:
            file.truncate(2**40)
    assert list_pairs(tmp_path)[:2] == ([("a.jpg", "a.mat"), ("b.jpg", "b.mat")], [])


def test_a_program_in_place_of_a_photo_is_not_started(tmp_path, monkeypatch):
    """Pillow hands Postscript to Ghostscript; here a script takes its place and leaves a trace."""
    trace, script = tmp_path / "trace", tmp_path / "gs"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ValueError, match="no picture of kind JPEG or PNG"):
        check_photo(eps(None), Path("a.jpg"))
    with pytest.raises(ValueError, match="no picture"):
        decode_photo(eps(None), Path("a.jpg"))
    assert not trace.exists()


def test_cells_in_cells_do_not_crash_the_interpreter(tmp_path):
    (tmp_path / "a.mat").write_bytes(nested_cells(100_000))
    code = (
        "from pathlib import Path; from pipeline.raw.annotations import read_annotation; read_annotation(Path('a.mat'))"
    )
    options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "capture_output": True, "text": True, "timeout": 60}
    child = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, **options)
    assert child.returncode == 1
    assert child.stderr.strip().endswith("ValueError: Shape_Para in a.mat is no numeric array but of kind cell.")
