"""Learning data without position maps (`data.stored_maps` false): what is left out, and that nothing else changes."""

import shutil

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.demo.dataset import write_dataset
from pipeline.store.shards import list_shards, read_shard
from pipeline.uv.position_map import load_uv
from stages import augmented, position_maps, validation
from stages.project.counts import outside_percent
from stages.project.paths import LAYOUT
from stages.project.samples import mean_training_map
from tests.helpers.data_project import SIZE, must, prepare, write_params

IMAGES = {"image", "position_map"}


def ask_for(folder, stored_maps, tested=()):
    write_params(folder, stored_maps=stored_maps)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["split"]["tested"] = list(tested)
    yaml.dump(params, folder / "params.yaml")


def read_all(folder):
    return [read_shard(path) for path in list_shards(folder)]


def raw_bytes(folder):
    return [path.read_bytes() for path in list_shards(folder)]


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """The same photos with all maps stored, and then with those of what is learnt from left out."""
    first = tmp_path_factory.mktemp("stored")
    write_dataset(first / "raw", seed=3, photos_per_subset=6, test_photos=3, photo_size=160)
    second = first.with_name("labels")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(first)
        ask_for(first, stored_maps=True)
        prepare()
        must(augmented, "online")
        shutil.copytree(first, second)
        patch.chdir(second)
        ask_for(second, stored_maps=False)
        for subset in ("AFW", "AFW_Flip", "AFLW2000"):
            must(position_maps, subset)
        must(validation)
        must(augmented, "online")
    return first, second


def test_only_crops_and_maps_of_what_is_learnt_from_are_left_out(projects):
    first, second = (project / "data/position_maps" for project in projects)
    assert raw_bytes(second / "test/AFLW2000/on") == raw_bytes(first / "test/AFLW2000/on")
    for subset in ("AFW", "AFW_Flip"):
        folder = f"learn/{subset}/on"
        for whole, labels in zip(read_all(first / folder), read_all(second / folder), strict=True):
            assert set(whole) - set(labels) == IMAGES
            assert all(np.array_equal(labels[name], whole[name]) for name in labels)
        sizes = [sum(map(len, raw_bytes(root / folder))) for root in (first, second)]
        assert sizes[1] < sizes[0] / 2


def test_what_is_augmented_online_is_the_same(projects):
    first, second = (read_all(project / "data/augmented/online/on") for project in projects)
    assert sum(len(shard["sample_id"]) for shard in first) >= 3
    for whole, made in zip(first, second, strict=True):
        assert list(made) == list(whole)
        assert all(np.array_equal(made[name], whole[name]) for name in whole)


def test_validation_makes_its_own_maps_and_takes_its_crops_from_aligned(projects):
    first, second = (read_all(project / "data/validation/on") for project in projects)
    assert sum(len(shard["sample_id"]) for shard in first) >= 3
    for whole, made in zip(first, second, strict=True):
        assert set(made) == set(whole)
        for name in set(whole) - {"position_map"}:
            assert np.array_equal(made[name], whole[name])
        np.testing.assert_allclose(made["position_map"], whole["position_map"], atol=0.01)


def test_the_mean_map_and_the_share_out_of_range_are_those_of_the_stored_maps(projects, monkeypatch):
    results = []
    for project in projects:
        monkeypatch.chdir(project)
        face_mask = load_uv(LAYOUT).face_mask
        results.append((mean_training_map(project, "on", face_mask), outside_percent(project, "on", SIZE)))
    (mean, outside), (other_mean, other_outside) = results
    assert np.ptp(mean[face_mask], axis=0).min() > SIZE / 4
    np.testing.assert_allclose(other_mean, mean, atol=0.01)
    assert outside.keys() == other_outside.keys()
    for name, shares in outside.items():
        assert other_outside[name] == pytest.approx(shares, abs=0.02)


def test_a_subset_of_which_a_part_is_tested_keeps_its_maps(projects, tmp_path, monkeypatch):
    first, second = projects
    shutil.copytree(second, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    ask_for(tmp_path, stored_maps=False, tested=["AFW"])
    must(position_maps, "AFW")
    must(position_maps, "AFW_Flip")
    kept, left = ("data/position_maps/learn/AFW/on", "data/position_maps/learn/AFW_Flip/on")
    assert raw_bytes(tmp_path / kept) == raw_bytes(first / kept)
    assert raw_bytes(tmp_path / left) == raw_bytes(second / left)
