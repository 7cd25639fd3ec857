"""Where samples lie, and what is read of them across shards."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.store import shards
from pipeline.store.samples import locate, read_labels, read_samples
from pipeline.store.shards import list_shards, write_shard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards of 4, 1 and 5 samples; sample k has an image full of k."""
    first = 0
    for number, samples in enumerate((4, 1, 5)):
        values = np.arange(first, first + samples)
        images = np.zeros((samples, 8, 8, 3), np.uint8) + values[:, None, None, None].astype(np.uint8)
        names = np.array([f"set/{value}" for value in values], object)
        write_shard(tmp_path / f"{number:05d}.h5", {"image": images, "sample_id": names}, {})
        first += samples
    return tmp_path


def test_samples_are_found_by_id_in_the_order_of_shards_and_rows(folder: Path):
    found = locate(list_shards(folder), ["set/9", "set/2", "set/4", "other/1"])
    assert [(s.sample_id, s.shard.name, s.row) for s in found] == [
        ("set/2", "00000.h5", 2),
        ("set/4", "00001.h5", 0),
        ("set/9", "00002.h5", 4),
    ]


def test_samples_come_back_in_the_order_asked_for_across_shards_and_twice_if_asked_twice(folder: Path):
    samples = locate(list_shards(folder))
    read = read_samples([samples[i] for i in (7, 0, 4, 0)], ["image", "sample_id"])
    assert read["sample_id"].tolist() == ["set/7", "set/0", "set/4", "set/0"]
    assert read["image"][:, 5, 5, 1].tolist() == [7, 0, 4, 0]


def test_each_shard_is_opened_once_whatever_the_order(folder: Path, monkeypatch):
    opened, reading = [], shards.reading
    monkeypatch.setattr(shards, "reading", lambda path: opened.append(path.name) or reading(path))
    samples = locate(list_shards(folder))
    opened.clear()
    read = read_samples([samples[i] for i in (7, 0, 4, 9, 1)], ["sample_id"])
    assert read["sample_id"].tolist() == [f"set/{i}" for i in (7, 0, 4, 9, 1)]
    assert opened == ["00000.h5", "00001.h5", "00002.h5"]


def test_labels_are_read_shard_by_shard_in_the_order_of_the_samples(folder: Path):
    read = list(read_labels(locate(list_shards(folder), ["set/1", "set/3", "set/4", "set/8"]), ["sample_id"]))
    assert [labels["sample_id"].tolist() for labels in read] == [["set/1", "set/3"], ["set/4"], ["set/8"]]
