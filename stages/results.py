"""What `evaluate` writes and the reports read: metrics and tables of one variant."""

import dataclasses
import json
from pathlib import Path

import pandas as pd

from stages.params import check
from stages.tables import read_table
from stages.variants import MAIN_RUN

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class EvaluateParams:
    """Section `evaluate`: resamples of the bootstrap, and its seed."""

    bootstrap: int
    seed: int

    def __post_init__(self) -> None:
        check(self.bootstrap >= 100, f"evaluate.bootstrap is {self.bootstrap}; expected 100 resamples or more.")
        check(self.seed >= 0, f"evaluate.seed is {self.seed}; expected 0 or more.")


@dataclasses.dataclass(frozen=True)
class Results:
    """One variant's metrics, errors of each image, curves, and losses by epoch."""

    variant: str
    metrics: dict
    per_image: pd.DataFrame
    ced: pd.DataFrame
    smoothness: pd.DataFrame
    history: pd.DataFrame


def read_results(root: Path, variant: str, main: bool) -> Results:
    """Read what `train` and `evaluate` wrote for the main run, whose variant is named, or for another variant.

    The main run's files have one name whichever variant it is, so that ``dvc metrics diff`` compares experiments.
    """
    folder = root / "runs" / (MAIN_RUN if main else variant)
    metrics_path = root / ("metrics/evaluation.json" if main else f"metrics/ablation/{variant}.json")
    tables = {name: folder / f"{name}.csv" for name in ("per_image", "ced", "smoothness", "history")}
    for path in (metrics_path, *tables.values()):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; train and evaluate the variant {variant!r} first.")
    metrics = json.loads(metrics_path.read_text(encoding="utf-8"))
    return Results(variant, metrics, **{name: pd.read_csv(path) for name, path in tables.items()})


def count_parts(root: Path) -> dict[str, int]:
    """Samples of each part of data/split.csv."""
    parts = [row["part"] for row in read_table(root / "data/split.csv")]
    return {part: parts.count(part) for part in PARTS}
