"""Every method by every protocol: our variants, and other methods that `python -m stages.score` has scored."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.scores.protocols import PROTOCOLS
from stages.pages.page import interval_text
from stages.project.strict import check

# What every row shows; what a method lacks of the other protocols is left empty.
NEEDED = ("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high")
Metrics = Mapping[str, Any]


def read_foreign(folder: Path) -> dict[str, Metrics]:
    """Metrics of other methods by the names of their files, in their order.

    Raises
    ------
    ValueError
        If a file is no JSON, or lacks one of `NEEDED`.
    """
    return {path.stem: _read_metrics(path) for path in sorted(folder.glob("*.json"))}


def _read_metrics(path: Path) -> Metrics:
    instead = "write it with `python -m stages.score`"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}): {instead}.") from error
    check(isinstance(metrics, dict), f"{path} holds no metrics: {instead}.")
    missing = [name for name in NEEDED if name not in metrics]
    check(not missing, f"{path} lacks {', '.join(missing)}: {instead}.")
    return metrics


def method_header() -> tuple[str, ...]:
    """Head of the rows of `method_row`."""
    # Without their underscores the names can be broken into lines, so that the table is no wider than the page.
    first, *others = (name.replace("_", " ") for name in PROTOCOLS)
    return ("method", "images", "failed", first, "95 % interval", "mean of bins", *others)


def method_row(name: str, metrics: Metrics) -> tuple[object, ...]:
    """One method's row from metrics as metrics/evaluation.json has them."""
    between = interval_text(metrics["nme68_2d_low"], metrics["nme68_2d_high"])
    head = (name, metrics["images"], metrics["failed"], metrics["nme68_2d"], between, metrics.get("nme68_2d_bins", ""))
    return (*head, *(metrics.get(error, "") for error in list(PROTOCOLS)[1:]))
