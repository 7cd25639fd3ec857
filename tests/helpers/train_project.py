"""A small project that the stage `train` can run in, and how to run it there."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.sparse
from ruamel.yaml import YAML

from pipeline.face.face_model import FaceModel, save_model
from pipeline.store.encoding import encode_positions
from pipeline.store.shards import write_shard
from pipeline.store.tables import write_table
from pipeline.uv.position_map import UVLayout, save_uv
from stages.project.variants import resolve_variant
from tests.helpers.made_params import PARAMS
from tests.helpers.places import ROOT

SIZE = 32
NETWORK = {
    "regresses": "position_map",
    "width": 2,
    "levels": 5,
    "batch_norm_momentum": 0.9,
    "residual": True,
    "residual_blocks": 2,
    "residual_width": 4,
    "residual_head_width": 4,
    "residual_join": "logits",
    "residual_stages": 1,
    "residual_shrink": 1,
}


def make_samples(count: int, seed: int) -> dict[str, np.ndarray]:
    """Make photos whose colour tells the place of a slanted square, and its map."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE))
    maps, photos = [], []
    for _ in range(count):
        x, y, scale = rng.uniform([10, 10, 5], [22, 22, 10])
        maps.append(np.stack([x + scale * across, y + scale * down, 20 + scale * across * down], axis=-1))
        photo = np.zeros((SIZE, SIZE, 3)) + np.array([x, y, 2 * scale]) * 8
        photos.append(photo + rng.integers(0, 20, photo.shape))
    return {
        "image": np.array(photos).astype(np.uint8),
        "position_map": encode_positions(np.array(maps), SIZE),
        "similarity": rng.normal(size=(count, 3, 3)),
    }


def prepare_project(folder: Path) -> Path:
    """Everything that the stage reads: 12 training, 3 validation and 5 test samples in two subsets."""
    learnt, tested = ([f"{subset}/{i}" for i in range(count)] for subset, count in (("A", 11), ("B", 5)))
    samples = make_samples(11, seed=11) | {"sample_id": np.array(learnt, object)}
    write_shard(folder / "data/validation/on/00000.h5", {name: rows[8:] for name, rows in samples.items()}, {})
    samples = make_samples(5, seed=5) | {"sample_id": np.array(tested, object)}
    write_shard(folder / "data/position_maps/test/B/on/00000.h5", samples, {})
    found = make_samples(4, seed=6) | {"sample_id": np.array(tested[:4], object)}
    write_shard(folder / "data/found/facemesh/on/00000.h5", found, {})
    copies = make_samples(12, seed=3) | {"sample_id": np.array([f"A/{i % 8}" for i in range(12)], object)}
    write_shard(folder / "data/augmented/full/on/00000.h5", copies, {})
    for part, ids in (("train", learnt[:8]), ("validation", learnt[8:]), ("test", tested)):
        write_table(folder / f"data/split/{part}.csv", ("sample_id", "identity"), zip(ids, ids, strict=True))
    write_table(folder / "data/split/subsets.csv", ("subset", "use"), [("A", "learn"), ("B", "test")])
    ones = np.ones((SIZE, SIZE))
    operator = scipy.sparse.csr_array(np.ones((SIZE * SIZE, 1), np.float32))
    layout = UVLayout(np.zeros((1, 2)), operator, ones > 0, ones.astype(np.float32), np.zeros((68, 2), np.int32))
    save_uv(folder / "data/uv_embedding/uv.h5", layout)
    point = np.zeros((1, 3), np.float32)
    basis, landmarks = np.zeros((1, 3, 1), np.float32), np.zeros(68, np.int32)
    save_model(
        folder / "data/face_model/model.h5", FaceModel(point, basis, basis, np.zeros((0, 3), np.int32), landmarks)
    )
    data = {
        "root": "raw",
        "subsets": {
            name: {"folder": name, "use": use, "boxes": "meshes"} for name, use in (("A", "learn"), ("B", "test"))
        },
        "size": SIZE,
        "levels": ["on"],
        "samples_per_shard": 8,
        "max_reject_fraction": 0.0,
    }
    embedding = {"source": "tutte", "file": "bfm/BFM_UV.mat"}
    train = PARAMS["train"] | {"lr": 0.01, "budget": 72, "strategy": "staged", "seeds": [2, 1]}
    crop = {"detected": {}, "found": {"facemesh": "data/landmark_map"}, "margin": 1.5}
    write_params(
        folder, PARAMS | {"data": data, "crop": crop, "uv_embedding": embedding, "network": NETWORK, "train": train}
    )
    return folder


def write_params(folder: Path, params: dict) -> None:
    """Write params.yaml, and what the stage `settings` makes of it for each run."""
    YAML().dump(params, folder / "params.yaml")
    (folder / "data/settings").mkdir(parents=True, exist_ok=True)
    for run, name in {"main": None, **{name: name for name in params["thesis"]["variants"]}}.items():
        settings = json.dumps(resolve_variant(params, name).used())
        (folder / f"data/settings/{run}.json").write_text(settings)


def change_params(folder: Path, **changes: dict) -> None:
    """Change keys of sections of params.yaml."""
    params = YAML(typ="safe").load(folder / "params.yaml")
    write_params(folder, params | {section: params[section] | keys for section, keys in changes.items()})


def source(init: str) -> dict[str, str]:
    """An entry of thesis.variants that starts from the weights of `init`."""
    return {"init": init, "policy": "full", "level": "on"}


STAGE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from stages.train import main; main()"
PREDICT = STAGE.replace("train", "predict")


def run_stage(folder: Path, *arguments: str, stage: str = STAGE, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", stage, str(ROOT), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def read_rows(path: Path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))
