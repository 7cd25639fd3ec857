"""Head pose beside published numbers, and expression: rows of the tables that pages have of them."""

from collections.abc import Mapping
from typing import Any

from model.scores.expression import EXPRESSION
from model.scores.head_pose import POSE
from stages.pages.page import interval_text
from stages.project.results import Results

# Published on AFLW2000-3D by networks that have learnt from 300W-LP: pitch, yaw, roll and MAE in degrees; what a paper
# does not say is left empty. Hempel et al., ICIP 2022; SynergyNet's repository (Wu et al., 3DV 2021); Cobo et al.,
# Pattern Recognition 149, 2024; Li et al., CVPR 2023.
PUBLISHED_POSE = (
    ("6DRepNet", 4.91, 3.63, 3.37, 3.97),
    ("SynergyNet", "", "", "", 3.31),
    ("opal23", "", "", "", 3.26),
    ("DSFNet-f", "", "", "", 3.25),
)
PUBLISHED_IMAGES = 1969
# What is shown of the predicted mesh, and of the face model that is fitted to it.
MESH_POSE, FITTED_POSE = (
    ("pose_pitch", "pose_yaw", "pose_roll", "pose_mae", "pose_geodesic"),
    ("pose_mae", "pose_geodesic"),
)
OPENINGS = ("eyes", "mouth", "mouth_width")


def pose_rows(results: Mapping[str, Results], foreign: Mapping[str, Mapping[str, Any]]) -> list[tuple]:
    """A row for each variant, for each other method that was scored from files, and for each published one."""
    rows: list[tuple] = []
    for variant, result in results.items():
        whole = result.described("pose_mae")
        if whole is None:
            continue
        means = [_mean(result, name, False) for name in MESH_POSE]
        between = interval_text(whole["low"], whole["high"])
        fitted = [_mean(result, name, True) for name in FITTED_POSE]
        rows.append((variant, int(whole["images"]), *means[:4], between, means[4], *fitted))
    for name, metrics in foreign.items():
        if "pose_mae" in metrics:
            rows.append(
                (name, metrics["images"], "", "", "", metrics["pose_mae"], "", metrics["pose_geodesic"], "", "")
            )
    rows += [(f"{name}, published", PUBLISHED_IMAGES, *angles, "", "", "", "") for name, *angles in PUBLISHED_POSE]
    return rows


def pose_floors(results: Mapping[str, Results]) -> tuple[object, object]:
    """MAE of the annotated meshes themselves, in degrees, read as those of the predicted and of the fitted ones are."""
    first = next(iter(results.values()))
    return _mean(first, "pose_floor", False), _mean(first, "pose_floor", True)


def expression_rows(results: Mapping[str, Results]) -> list[tuple]:
    """A row for each variant: coefficients, and the errors of `OPENINGS`, also signed, and of what is closed."""
    return [
        (
            variant,
            _mean(result, "expression", True),
            *(cell for name in OPENINGS for cell in _opening(result, name)),
        )
        for variant, result in results.items()
        if result.described("eyes") is not None
    ]


def _opening(result: Results, name: str) -> list[object]:
    cells = [_mean(result, name, False), _mean(result, f"{name}_bias", False)]
    if f"{name}_closed" not in EXPRESSION:
        return cells
    closed = result.described(f"{name}_closed")
    if closed is None:
        return [*cells, "none are closed"]
    images = int(closed["images"])
    return [*cells, f"{round(closed['mean'] * images / 100)} of {images}"]


def face_rows(result: Results) -> list[tuple]:
    """One variant's scores of pose and expression, of its predicted meshes and of the fitted ones."""
    return [
        (name, of, int(row["images"]), row["mean"], interval_text(row["low"], row["high"]), row["median"], text)
        for name, text in (POSE | EXPRESSION).items()
        for of, fitted in (("predicted", False), ("fitted", True))
        if (row := result.described(name, fitted=fitted)) is not None
    ]


def _mean(result: Results, name: str, fitted: bool) -> object:
    row = result.described(name, fitted=fitted)
    return "" if row is None else row["mean"]
