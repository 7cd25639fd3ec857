"""MTCNN on real photos through the stages, in child processes: a fast pytest never imports TensorFlow."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.crops.alignment import landmark_box
from pipeline.store.shards import read_shard
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow
SUBSET = "HELEN"


def run(folder, stage, *arguments):
    command = [sys.executable, "-m", f"stages.{stage}", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=300)


def test_the_crop_can_come_from_the_detector(face_data, tmp_path):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"root": str(face_data), "subsets": {}}
    params["data"]["subsets"][SUBSET] = {"folder": f"300W_LP/{SUBSET}", "use": "learn", "boxes": "detected"}
    yaml.dump(params, tmp_path / "params.yaml")
    run(tmp_path, "face_model")
    run(tmp_path, "index", SUBSET)
    run(tmp_path, "meshes", SUBSET)
    assert run(tmp_path, "detected", SUBSET).stderr == ""
    run(tmp_path, "aligned", SUBSET)

    detected = read_shard(tmp_path / f"data/detected/learn/{SUBSET}/00000.h5")
    boxes = dict(zip(detected["sample_id"], detected["box"], strict=True))
    shard = read_shard(tmp_path / f"data/aligned/learn/{SUBSET}/on/00000.h5")
    assert set(shard["sample_id"]) == set(boxes)
    # Framed as by the landmarks that the annotation has there; MTCNN's own boxes are larger by a sixth.
    true = [landmark_box(landmarks) for landmarks in detected["landmarks"]]
    sides = detected["box"][:, 2] / [side for _, side in true]
    offs = detected["box"][:, :2] + (detected["box"][:, 2:] - 1) / 2 - [centre for centre, _ in true]
    assert np.median(sides) == pytest.approx(1, abs=0.06)
    assert np.median(np.linalg.norm(offs, axis=1) / [side for _, side in true]) < 0.08
    size = params["data"]["size"]
    for name, similarity in zip(shard["sample_id"], shard["similarity"], strict=True):
        x, y, width, height = boxes[name][:4]
        centre = similarity @ [x + (width - 1) / 2, y + (height - 1) / 2, 1]
        assert centre[:2] == pytest.approx([(size - 1) / 2] * 2, abs=1e-6)
