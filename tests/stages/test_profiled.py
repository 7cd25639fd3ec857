"""The stage `profiled` on procedural photos: pairs that the other stages read as any, and that are only learnt from."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from ruamel.yaml import YAML

from pipeline.demo import dataset as synthetic
from pipeline.face.camera import project
from pipeline.face.face_model import at_landmarks, deform, load_model, select_coefficients
from pipeline.photo.profiling import head_yaw, turn_pose
from pipeline.raw.annotations import list_pairs, read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.shards import list_shards, read_shard
from pipeline.store.tables import read_table
from stages import face_model, index, meshes, profiled, settings, split, uv_embedding
from stages.project.profiled_params import ProfiledParams
from tests.helpers.data_project import call, describe, must, write_params

MADE = Path("data/profiled/AFW")
SUBSETS = describe({"AFW": "300W_LP/AFW", "AFW_Profiled": "../data/profiled/AFW", "AFLW2000": "AFLW2000"})


def set_profiled(folder, **changes):
    path = folder / "params.yaml"
    params = YAML().load(path)
    params["profiled"] |= {"subsets": ["AFW"]} | changes
    YAML().dump(params, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "NAMES", {"AFW": synthetic.NAMES["AFW"]})
        synthetic.write_dataset(folder / "raw", seed=3, photos_per_subset=9, test_photos=3, photo_size=160)
        patch.chdir(folder)
        write_params(folder, subsets=SUBSETS, samples_per_shard=4)
        set_profiled(folder)
        must(face_model)
        must(uv_embedding)
        for stage in (index, meshes):
            must(stage, "AFW")
        assert must(profiled, "AFW").splitlines()[-1].endswith("copies of 9 photos")
        for stage in (index, meshes):
            for subset in ("AFW_Profiled", "AFLW2000"):
                must(stage, subset)
        must(split)
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def pairs_of(folder):
    return [(folder / photo, folder / annotation) for photo, annotation in list_pairs(folder)[0]]


def digests():
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(MADE.iterdir())}


def test_copies_are_pairs_whose_pose_alone_is_turned_further():
    originals = {path.stem: read_annotation(path) for _, path in pairs_of(Path("raw/300W_LP/AFW"))}
    copies = pairs_of(MADE)
    assert len(copies) >= 8
    for photo, path in copies:
        stem, number = path.stem.rsplit("_", 1)
        before, after = originals[stem], read_annotation(path)
        assert number in "12"
        assert np.array_equal(after.shape, before.shape)
        assert np.array_equal(after.expression, before.expression)
        turn = head_yaw(after.pose) - head_yaw(before.pose)
        assert np.deg2rad(15) <= abs(turn) <= np.deg2rad(60)
        assert abs(head_yaw(after.pose)) <= np.deg2rad(90) + 1e-9
        assert after.pose == pytest.approx(turn_pose(before.pose, turn), abs=1e-9)
        assert read_photo(photo).shape == (160, 160, 3)


def test_landmarks_of_the_stages_are_where_pose_and_coefficients_place_them():
    model = load_model(Path("data/face_model/model.h5"))
    placed = {}
    for _, path in pairs_of(MADE):
        label = read_annotation(path)
        shape = deform(at_landmarks(model), select_coefficients(model, label.shape[None], label.expression[None]))[0]
        placed[f"AFW_Profiled/{path.stem}"] = project(shape, label.pose, 160)
        points = scipy.io.loadmat(path)["pt2d"].T - 1
        assert points == pytest.approx(placed[f"AFW_Profiled/{path.stem}"][:, :2], abs=0.01)
    read = {}
    for path in list_shards(Path("data/meshes/learn/AFW_Profiled")):
        shard = read_shard(path, ["sample_id", "landmarks"])
        read |= dict(zip(shard["sample_id"], shard["landmarks"], strict=True))
    assert read.keys() == placed.keys()
    for name, points in read.items():
        assert points == pytest.approx(placed[name], abs=0.01)


def test_the_split_learns_from_copies_of_the_training_part_alone():
    parts = {part: list(read_table(Path(f"data/split/{part}.csv"))) for part in ("train", "validation", "test")}
    of = {row["sample_id"]: part for part, rows in parts.items() for row in rows}
    learnt = {row["identity"] for row in parts["train"]}
    copies = [row for row in parts["train"] if row["sample_id"].startswith("AFW_Profiled/")]
    assert copies
    assert {row["identity"] for row in copies} <= {
        row["identity"] for row in parts["train"] if row["sample_id"].startswith("AFW/")
    }
    assert not learnt & {row["identity"] for row in parts["validation"] + parts["test"]}
    assert {of[name] for name in of if name.startswith("AFW_Profiled/")} == {"train"}


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(folder):
    first = digests()
    must(profiled, "AFW")
    assert digests() == first
    set_profiled(folder, seed=2)
    must(profiled, "AFW")
    assert digests() != first
    set_profiled(folder, seed=1)
    must(profiled, "AFW")
    assert digests() == first


def test_params_that_name_no_photos_or_no_copies_are_refused(folder):
    set_profiled(folder, subsets=["AFLW2000"])
    result = call(settings)
    assert "profiled.subsets has 'AFLW2000'; the photos to learn from are AFW." in result.output
    assert "data.subsets.AFW_Profiled is made of photos whose subset profiled.subsets must name." in result.output
    set_profiled(folder)
    for turn, limit in (([0, 60], 90), ([60, 15], 90), ([15, 60], 50), ([15, 60], 91)):
        with pytest.raises(ValueError, match="expected these three to grow"):
            ProfiledParams([], 1, 2, tuple(turn), limit)
