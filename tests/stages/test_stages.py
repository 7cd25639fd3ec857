"""The data stages on a small procedural set: contracts, counts, same bytes, and sentences for bad input."""

import csv
import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pipeline.demo.dataset import write_dataset
from pipeline.face import camera
from pipeline.face.face_model import deform, load_model
from pipeline.face.similarity import apply_similarity, similarity_scale
from pipeline.raw.annotations import read_annotation
from pipeline.store.shards import list_shards, read_shard
from pipeline.uv.position_map import load_uv, sample_map
from stages import face_model, index, meshes, uv_embedding
from tests.helpers.data_project import SIZE, SUBSETS, call, must, prepare, use_of, write_params
from tests.helpers.places import ROOT


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "raw"
    write_dataset(folder, seed=3, photos_per_subset=6, test_photos=3, photo_size=160)
    return folder


@pytest.fixture
def project(raw, tmp_path, monkeypatch):
    """An empty project on the raw data, which the stages run in."""
    (tmp_path / "raw").symlink_to(raw)
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "raw").symlink_to(raw)
    write_params(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare()
    return folder


def samples(folder):
    return [read_shard(path) for path in list_shards(folder)]


def test_every_pair_becomes_a_sample_in_order(prepared):
    for subset in SUBSETS:
        stems = sorted(path.stem for path in (prepared / "raw" / SUBSETS[subset]).glob("*.jpg"))
        made = [
            name
            for shard in samples(prepared / f"data/position_maps/{use_of(subset)}/{subset}/on")
            for name in shard["sample_id"]
        ]
        assert made == [f"{subset}/{stem}" for stem in stems]


def test_a_sample_keeps_its_contract(prepared):
    shard = samples(prepared / "data/position_maps/learn/AFW/on")[0]
    expected = {
        "image": ((2, SIZE, SIZE, 3), np.uint8),
        "position_map": ((2, SIZE, SIZE, 3), np.float32),
        "landmarks": ((2, 68, 3), np.float32),
        "similarity": ((2, 3, 3), np.float64),
        "pose": ((2, 7), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        assert (shard[name].shape, shard[name].dtype) == (shape, dtype), name
    assert set(shard) == {*expected, "coefficients", "photo", "sample_id", "source_sha256", "photo_sha256"}
    assert all(len(digest) == 64 for digest in shard["source_sha256"])


def test_the_aligned_pose_and_coefficients_rebuild_the_aligned_landmarks(prepared):
    model = load_model(prepared / "data/face_model/model.h5")
    for shard in samples(prepared / "data/position_maps/test/AFLW2000/on"):
        shapes = deform(model, shard["coefficients"])[:, model.landmarks]
        for shape, pose, landmarks in zip(shapes, shard["pose"], shard["landmarks"], strict=True):
            assert camera.project(shape, pose, SIZE) == pytest.approx(landmarks, abs=0.01)


def test_landmarks_of_the_map_return_to_the_true_ones_in_the_photo(prepared):
    layout, model = load_uv(prepared / "data/uv_embedding/uv.h5"), load_model(prepared / "data/face_model/model.h5")
    errors = []
    for shard in samples(prepared / "data/position_maps/test/AFLW2000/on"):
        for row, name in enumerate(shard["sample_id"]):
            truth = read_annotation(prepared / "raw" / f"{name}.mat").true_landmarks
            back = np.linalg.inv(shard["similarity"][row])
            points = sample_map(shard["position_map"][row], layout.uv[model.landmarks])
            distance = np.linalg.norm(apply_similarity(back, points)[:, :2] - truth[:, :2], axis=1)
            errors.append(distance.mean() * similarity_scale(shard["similarity"][row]))
    # Bilinear reading of a 64 px map: a convention that is off by a pixel of the photo shows as 0.4 px and more.
    assert np.mean(errors) < 0.25


def test_an_augmented_sample_moves_image_map_and_landmarks_together(prepared):
    layout, model = load_uv(prepared / "data/uv_embedding/uv.h5"), load_model(prepared / "data/face_model/model.h5")
    uv = layout.uv[model.landmarks]
    copies, names = 0, set()
    for shard in samples(prepared / "data/augmented/full/on"):
        originals = {}
        names.update(shard["sample_id"])
        for row, name in enumerate(shard["sample_id"]):
            if name not in originals:
                originals[name] = row
                continue
            first = originals[name]
            move = shard["similarity"][row] @ np.linalg.inv(shard["similarity"][first])
            read_and_moved = apply_similarity(move, sample_map(shard["position_map"][first].astype(np.float64), uv))
            moved_and_read = sample_map(shard["position_map"][row].astype(np.float64), uv)
            assert np.abs(read_and_moved - moved_and_read).max() < 0.02
            assert apply_similarity(move, shard["landmarks"][first]) == pytest.approx(shard["landmarks"][row], abs=1e-3)
            assert not np.array_equal(shard["image"][row], shard["image"][first])
            copies += 1
    assert copies == 3 * len(names) > 0


def test_only_training_samples_are_augmented(prepared):
    with (prepared / "data/split/train.csv").open() as file:
        training = {row["sample_id"] for row in csv.DictReader(file)}
    used = {name for shard in samples(prepared / "data/augmented/full/on") for name in shard["sample_id"]}
    assert used == training


@pytest.mark.slow
def test_two_workers_write_the_bytes_of_one(prepared, project):
    write_params(project, workers=2)
    # In a child process: Dask's processes and pytest's captured output do not get on.
    code = "from tests.helpers.data_project import prepare; prepare()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, check=True, timeout=300)

    def digests(folder):
        files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(project) == digests(prepared)


def test_a_bad_pair_is_set_aside_with_its_reason_and_the_run_goes_on(project, raw):
    (project / "raw").unlink()
    folder = project / "raw/300W_LP/AFW"
    shutil.copytree(raw / SUBSETS["AFW"], folder)
    stems = sorted(path.stem for path in folder.glob("*.jpg"))
    (folder / f"{stems[0]}.mat").write_bytes(b"<html>")
    (folder / f"{stems[1]}.jpg").write_bytes(b"")
    (folder / f"{stems[2]}.mat").unlink()
    write_params(project, max_reject_fraction=0.6)
    assert f"{len(stems)} in, {len(stems) - 3} out, 3 rejected" in must(index, "AFW")
    with (project / "data/index/learn/AFW/rejected.csv").open() as file:
        reasons = {row["sample"]: row["reason"] for row in csv.DictReader(file)}
    assert "damaged or no Matlab file" in reasons[f"{stems[0]}.jpg"]
    assert "damaged or no picture" in reasons[f"{stems[1]}.jpg"]
    assert "annotation (.mat) of this photo is missing" in reasons[f"{stems[2]}.jpg"]
    assert str(project) not in " ".join(reasons.values())


def test_too_many_rejected_samples_stop_the_run(project, raw):
    (project / "raw").unlink()
    folder = project / "raw/300W_LP/AFW"
    shutil.copytree(raw / SUBSETS["AFW"], folder)
    next(folder.glob("*.mat")).write_bytes(b"")
    result = call(index, "AFW")
    assert result.exit_code == 1
    assert "index@AFW rejected 1 of 6 samples, more than data.max_reject_fraction (0.02) allows" in result.output
    assert "Mend or remove these pairs" in result.output
    assert "dvc exp run -S data.max_reject_fraction=0.17\n" in result.output


@pytest.mark.parametrize(
    ("stage", "arguments", "break_it", "sentence"),
    [
        (index, ("AFW",), {"root": "nowhere"}, "Error: The folder of photos nowhere/300W_LP/AFW is missing;"),
        (
            face_model,
            (),
            {"root": "nowhere"},
            "Error: The face model nowhere/bfm/Model_Shape.mat is missing; docs/data.md",
        ),
        (index, ("LFPW",), {}, "Error: 'LFPW' is not in data.subsets, which has AFW, AFW_Flip, AFLW2000."),
        (uv_embedding, (), {"size": 50}, "Error: data.size is 50; expected a multiple of 32 px."),
        (meshes, ("AFW",), {}, "Error: data/index/learn/AFW holds no shards; run the stage that makes it."),
    ],
)
def test_bad_input_gets_one_sentence(project, stage, arguments, break_it, sentence):
    write_params(project, **break_it)
    result = call(stage, *arguments)
    assert result.exit_code == 1
    assert sentence in result.output
    assert len(result.output.strip().splitlines()) == 1
