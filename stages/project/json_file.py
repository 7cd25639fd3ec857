"""Metrics as JSON, written and read; apart from `results`, whose pandas a stage of data does not need."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.store.checks import check


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON, the same bytes on every system; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(
    path: Path, needed: Iterable[str] = (), *, instead: str = "run the stage that makes it"
) -> dict[str, Any]:
    """Read a mapping that `write_json` wrote.

    Parameters
    ----------
    path : Path
    needed : iterable of str
        Keys that it must have.
    instead : str
        What to do where it is not so.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no JSON, no mapping, or lacks a key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file that can be read: {instead}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): {instead}.") from error
    check(isinstance(values, dict), f"{path} holds no metrics: {instead}.")
    missing = [name for name in needed if name not in values]
    check(not missing, f"{path} lacks {', '.join(missing)}: {instead}.")
    return values


def read_metrics(path: Path, needed: Iterable[str], shown: Iterable[str], instead: str) -> dict[str, Any]:
    """Read a mapping as `read_json` does, in which what is shown has to be a finite number.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no JSON, no mapping, lacks a key, or has no number where one belongs.
    """
    metrics = read_json(path, needed, instead=instead)
    wrong = [name for name in dict.fromkeys(shown) if name in metrics and not is_number(metrics[name])]
    check(not wrong, f"{path} has no finite number as {', '.join(wrong)}: {instead}.")
    return metrics


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
