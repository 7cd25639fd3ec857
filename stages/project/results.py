"""What `evaluate` writes and the reports read: metrics and tables of one variant."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd

from model.scores.summary import ALL
from pipeline.store.tables import read_table
from stages.project.variants import MAIN_RUN

TABLES = ("protocols", "per_image", "failed", "ced", "smoothness", "history", "seeds")
FAILED_COLUMNS = ["sample", "stage", "reason"]
PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Results:
    """One variant's metrics, protocols by yaw, errors of each image, failures, curves, and losses by epoch."""

    variant: str
    metrics: dict
    protocols: pd.DataFrame
    per_image: pd.DataFrame
    failed: pd.DataFrame
    ced: pd.DataFrame
    smoothness: pd.DataFrame
    history: pd.DataFrame
    seeds: pd.DataFrame

    def described(self, error: str, group: str = ALL) -> dict[str, Any] | None:
        """Row of runs/<variant>/protocols.csv for an error and a group of images; None where there is none."""
        rows = self.protocols[(self.protocols["error"] == error) & (self.protocols["group"] == group)]
        return None if rows.empty else {str(name): value for name, value in rows.iloc[0].items()}

    def mean(self, error: str) -> float:
        """Mean of an error over all images, in percent."""
        rows = self.protocols[(self.protocols["error"] == error) & (self.protocols["group"] == ALL)]
        return float(rows["mean"].iloc[0])


def write_csv(table: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as it is compared: no index, and the same bytes on every system."""
    table.to_csv(path, index=False, float_format=float_format, lineterminator="\n")


def read_results(root: Path, variant: str, main: bool) -> Results:
    """Read what `train` and `evaluate` wrote for the main run, whose variant is named, or for another variant.

    The main run's files have one name whichever variant it is, so that ``dvc metrics diff`` compares experiments.
    """
    folder = root / "runs" / (MAIN_RUN if main else variant)
    metrics_path = root / ("metrics/evaluation.json" if main else f"metrics/ablation/{variant}.json")
    tables = {name: folder / f"{name}.csv" for name in TABLES}
    for path in (metrics_path, *tables.values()):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; train and evaluate the variant {variant!r} first.")
    metrics = json.loads(metrics_path.read_text(encoding="utf-8"))
    return Results(variant, metrics, **{name: pd.read_csv(path) for name, path in tables.items()})


def count_parts(root: Path) -> dict[str, int]:
    """Samples of each part of data/split.csv."""
    parts = [row["part"] for row in read_table(root / "data/split.csv")]
    return {part: parts.count(part) for part in PARTS}
