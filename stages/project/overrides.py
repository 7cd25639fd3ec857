"""Files of overrides of params.yaml, a line each as ``dvc exp run -S`` takes it: key=value, +key=value or ~key.

Beside what DVC takes, ``*`` in a line stands for each name that there is, `#` begins a comment, and a later line goes
before an earlier one.
"""

import itertools
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.store.checks import check
from stages.project.params_file import PARAMS_FILE

# The thesis's scale.
SCALE = Path("ablation/thesis_scale.txt")
# Value of a key that is not there, or is to be taken out.
ABSENT = object()
Params = dict[str, Any]
# Keys of nested mappings, from the outermost on.
Place = tuple[str, ...]


def read_overrides(path: Path = SCALE) -> list[str]:
    """Read the lines of a file of overrides, without comments.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is no override.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run this from the project's root.")
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line]
    for line in lines:
        check(
            " " not in line and line.startswith("~") != ("=" in line),
            f"{path} has the line {line!r}; expected key=value, +key=value or ~key, without spaces.",
        )
    return lines


def override(params: Params, lines: list[str]) -> Params:
    """Lay overrides over parameters, which are left as they are."""
    return _lay(params, lines)[0]


def unmet(params: Params, lines: list[str]) -> list[str]:
    """List the overrides that would change something."""
    _, origin = _lay(params, lines)
    changing = {line for place, line in origin.items() if _value_at(params, place) != _value_of(line)}
    return [line for line in lines if line in changing]


def arguments(params: Params, lines: list[str]) -> list[str]:
    """Write overrides as DVC's ``-S`` takes them: a key each, and of what is there.

    Raises
    ------
    ValueError
        If a value would be set where params.yaml has none, and the line does not say that it adds one.
    """
    _, origin = _lay(params, lines)
    found = []
    for place, line in origin.items():
        key, value = ".".join(place), line.partition("=")[2]
        there = _value_at(params, place) is not ABSENT
        check(there or line[0] in "~+", f"{line}: {PARAMS_FILE} has no {key}.")
        if there:
            found.append(f"~{key}" if line.startswith("~") else _setting(place, value))
        elif line.startswith("+"):
            found.append(f"+{key}={value}")
    return found


def _setting(place: Place, value: str) -> str:
    """Write a setting for DVC, whose keys may not begin with a digit: such a one stands within the value."""
    named = len(list(itertools.takewhile(lambda key: not key[0].isdigit(), place)))
    for key in reversed(place[named:]):
        value = f"{{{key}:{value}}}"
    return f"{'.'.join(place[:named])}={value}"


def _lay(params: Params, lines: list[str]) -> tuple[Params, dict[Place, str]]:
    """Parameters with the overrides laid over them, and the last line that is about each place."""
    changed, origin = deepcopy(params), {}
    for line in lines:
        pattern = line.lstrip("~+").partition("=")[0]
        for place in list(_places(changed, pattern.split("."))):
            *above, last = place
            section = changed
            for key in above:
                section = section.setdefault(key, {})
            value = _value_of(line)
            if value is ABSENT:
                section.pop(last, None)
            else:
                section[last] = value
            origin[place] = line
    return changed, origin


def _places(section: Any, pattern: list[str]) -> Iterator[Place]:
    """Places that a pattern names."""
    name, *rest = pattern
    for key in section if name == "*" else [name]:
        if rest:
            yield from ((key, *below) for below in _places(section.get(key, {}), rest))
        else:
            yield (key,)


def _value_of(line: str) -> Any:
    """Value that a line sets; `ABSENT` where it takes out."""
    return ABSENT if line.startswith("~") else YAML(typ="safe").load(line.partition("=")[2])


def _value_at(params: Any, place: Place) -> Any:
    for key in place:
        if key not in params:
            return ABSENT
        params = params[key]
    return params
