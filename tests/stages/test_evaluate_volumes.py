"""The stage evaluate on a run that predicts volumes: the small project's solids, and what is written of them."""

import numpy as np
import pytest

from stages import evaluate
from tests.helpers.small_project import (
    EMPTY,
    FLAT,
    NOT_FOUND,
    PARAMS,
    SCALE,
    SETTINGS,
    SUBSETS,
    YAW_DEG,
    make_project,
    read_json,
    read_rows,
    true_points,
)

SCORES = "runs/vrn/scores"


def eye_voxels(name):
    """Distance of the outer eye corners in voxels, which are pixels of the crop here."""
    points = true_points(name)
    return SCALE * np.linalg.norm(points[36] - points[45])


def test_only_the_surface_is_scored_to_a_part_of_a_voxel_and_what_has_none_failed_with_its_reason(project):
    rows = read_rows(project / SCORES / "per_image.csv")
    assert [row["sample_id"] for row in rows] == [f"test/{name}" for name in YAW_DEG if name != EMPTY]
    assert list(rows[0]) == ["sample_id", "yaw_deg", "truth", "surface"]
    voxels = {row["sample_id"][5:]: float(row["surface"]) * eye_voxels(row["sample_id"][5:]) / 100 for row in rows}
    # A block instead of a dome of 9 px cannot be laid over it.
    flat = voxels.pop(FLAT)
    assert min(voxels.values()) > 0.02
    assert max(voxels.values()) < 0.3
    assert flat > 4 * max(voxels.values())
    failed = [tuple(row.values()) for row in read_rows(project / SCORES / "failed.csv")]
    assert failed[-1] == (f"test/{EMPTY}", "evaluate", "The volume has no surface: its voxels are all empty.")
    metrics = read_json(project / SCORES / "metrics.json")
    assert (metrics["images"], metrics["failed"]) == (6, 3)
    assert metrics["surface"] == pytest.approx(np.mean([float(row["surface"]) for row in rows]), abs=6e-4)
    assert set(metrics) == {"images", "failed", "surface"}


def test_the_tables_of_a_run_have_the_error_that_there_is(project):
    protocols = read_rows(project / SCORES / "protocols.csv")
    assert {row["error"] for row in protocols} == {"surface"}
    assert {"all", "test"} < {row["group"] for row in protocols}
    per_seed = read_rows(project / SCORES / "per_seed.csv")
    assert list(per_seed[0]) == ["seed", "sample_id", "surface"]
    curve = read_rows(project / SCORES / "ced.csv")
    assert (list(curve[0]), float(curve[-1]["surface"])) == (["error", "surface"], 100)
    sources = read_rows(project / SCORES / "sources.csv")
    assert [(row["map"], row["images"], row["failed"]) for row in sources] == [
        ("predicted", "6", "3"),
        ("facemesh", "6", "3"),
    ]
    assert not (project / SCORES / "smoothness.csv").exists()
    assert not (project / SCORES / "fitted").exists()
    found = [row["sample_id"] for row in read_rows(project / SCORES / "facemesh/per_image.csv")]
    assert found == [f"test/{name}" for name in YAW_DEG if name != NOT_FOUND]


def test_the_page_has_a_row_of_it(project):
    page = (project / "reports/index.html").read_text()
    surface = read_json(project / SCORES / "metrics.json")["surface"]
    row = page[page.index('<th scope="row">vrn</th>') :]
    assert f"{surface}" in row[: row.index("</tr>")]


def test_a_run_without_any_surface_is_refused(tmp_path):
    from pipeline.store.shards import read_shard, write_shard

    make_project(tmp_path)
    path = tmp_path / "runs/vrn/predictions.h5"
    datasets = read_shard(path)
    write_shard(path, datasets | {"volume": np.zeros_like(datasets["volume"])}, {"seed": 1})
    with pytest.raises(ValueError, match=r"^evaluate vrn: nothing could be scored. First: The volume has no surface"):
        evaluate.evaluate(tmp_path, "vrn", SETTINGS.train, PARAMS, SUBSETS, [])
