"""params.yaml: how it is read, strictly and in YAML 1.2, and a section of it as a frozen dataclass."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pipeline.store.checks import check
from stages.project.strict import build

PARAMS_FILE = Path("params.yaml")
T = TypeVar("T")


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Load params.yaml as plain Python, in YAML 1.2 as DVC writes it (PyYAML would read 1e-05 as a string).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no YAML, has a key twice or one that is no text, holds itself, or is no mapping.
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # commands for photos read no params

    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the stage from the project's root.")
    try:
        values = _parse(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line} is no valid YAML: {error.problem or error.context}.") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from error
    check(isinstance(values, dict), f"{path} has no sections; expected a mapping of mappings.")
    try:
        numbers = list(_keys_without_name(values))
    except RecursionError as error:
        raise ValueError(f"{path} holds itself, by an anchor; write out what is meant.") from error
    check(not numbers, f"{path} has {', '.join(map(repr, numbers))} where a name belongs; put it in quotes.")
    return values


def _keys_without_name(values: Any) -> Iterator[Any]:
    """Keys that are no text, in all of some parameters."""
    if isinstance(values, dict):
        yield from (key for key in values if not isinstance(key, str))
        for value in values.values():
            yield from _keys_without_name(value)
    elif isinstance(values, list):
        for value in values:
            yield from _keys_without_name(value)


@functools.lru_cache(maxsize=1)
def _parse(text: str) -> Any:
    """Parse the file once for all sections that a stage reads; nobody changes what this gives."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)


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
    FileNotFoundError
        If there is no such file.
    ValueError
        If a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    values = read_params(path)
    check(section in values, f"{path} has no section {section!r}.")
    return build(section, values[section], cls)
