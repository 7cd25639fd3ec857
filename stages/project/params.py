"""Read params.yaml strictly: a section becomes a frozen dataclass, and what is wrong with it is said in a sentence."""

import contextlib
import dataclasses
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from ruamel.yaml import YAML

PARAMS_FILE = Path("params.yaml")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class DataParams:
    """Section `data`: which photos there are, and the size of everything made from them."""

    root: str
    subsets: dict[str, str]
    size: int
    levels: list[str]
    samples_per_shard: int
    max_reject_fraction: float

    def __post_init__(self) -> None:
        check(self.size >= 32 and self.size % 32 == 0, f"data.size is {self.size}; expected a multiple of 32 px.")
        check(bool(self.subsets), "data.subsets is empty; name at least one folder of photos.")
        unknown = sorted(set(self.levels) - {"on", "off"})
        check(bool(self.levels) and not unknown, f"data.levels is {self.levels}; expected some of on, off.")
        check(self.samples_per_shard >= 1, f"data.samples_per_shard is {self.samples_per_shard}; expected 1 or more.")
        check(
            0 <= self.max_reject_fraction <= 1,
            f"data.max_reject_fraction is {self.max_reject_fraction}; expected a fraction between 0 and 1.",
        )

    def folder(self, subset: str) -> Path:
        """Folder of a subset's raw photos and annotations."""
        check(subset in self.subsets, f"{subset!r} is not in data.subsets, which has {', '.join(self.subsets)}.")
        return Path(self.root) / self.subsets[subset]


@dataclasses.dataclass(frozen=True)
class ComputeParams:
    """Section `compute`: where the work runs. It changes no byte, so no stage in dvc.yaml names it."""

    workers: int
    scheduler: str

    def __post_init__(self) -> None:
        check(self.workers >= 0, f"compute.workers is {self.workers}; expected 0 (all cores) or a number of processes.")


def check(condition: bool, sentence: str) -> None:
    """Raise ValueError with a sentence unless the condition holds."""
    if not condition:
        raise ValueError(sentence)


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what a user can mend (a missing file, a value out of range) into one line without a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Load params.yaml as plain Python, in YAML 1.2 as DVC writes it (PyYAML would read 1e-05 as a string)."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage from the project's root.")
    return YAML(typ="safe").load(path)


def read(section: str, cls: type[T], path: Path = PARAMS_FILE) -> T:
    """Read one section of params.yaml.

    Parameters
    ----------
    section : str
        Name of the section.
    cls : type
        The frozen dataclass that it fills; its ``__post_init__`` checks ranges.
    path : Path
        The file.

    Returns
    -------
    An instance of `cls`

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    values = read_params(path)
    if section not in values:
        raise ValueError(f"{path} has no section {section!r}.")
    return build(section, values[section], cls)


def build(where: str, values: Any, cls: type[T]) -> T:
    """Fill a dataclass from a mapping; `where` names the mapping in error sentences."""
    check(isinstance(values, dict), f"{where} is {values!r}; expected a mapping.")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown, missing = sorted(set(values) - set(fields)), sorted(set(fields) - set(values))
    check(not unknown, f"Unknown key {', '.join(unknown)} in {where}; it has {', '.join(fields)}.")
    check(not missing, f"Missing key {', '.join(missing)} in {where}.")
    hints = typing.get_type_hints(cls)
    return cls(**{name: _coerce(f"{where}.{name}", value, hints[name]) for name, value in values.items()})


def _coerce(where: str, value: Any, hint: Any) -> Any:
    """Convert one value to its annotated type, refusing what would lose meaning."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    expected = getattr(hint, "__name__", str(hint))
    if origin is types.UnionType and type(None) in arguments:
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _coerce(where, value, inner)
    if dataclasses.is_dataclass(hint):
        return build(where, value, hint)  # type: ignore[arg-type]
    if origin is list and isinstance(value, list):
        return [_coerce(f"{where}[{i}]", item, arguments[0]) for i, item in enumerate(value)]
    if origin is tuple and isinstance(value, list) and len(value) == len(arguments):
        return tuple(
            _coerce(f"{where}[{i}]", item, kind) for i, (item, kind) in enumerate(zip(value, arguments, strict=True))
        )
    if origin is dict and isinstance(value, dict):
        return {str(key): _coerce(f"{where}.{key}", item, arguments[1]) for key, item in value.items()}
    if hint is Any or (hint is bool and isinstance(value, bool)):
        return value
    if hint is str and isinstance(value, str):
        return value
    if hint in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        check(hint is float or float(value).is_integer(), f"{where} is {value!r}; expected a whole number.")
        return hint(value)
    raise ValueError(f"{where} is {value!r}; expected {expected}.")
