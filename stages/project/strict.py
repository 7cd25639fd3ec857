"""Fill frozen dataclasses from plain mappings, strictly; what is wrong is said in a sentence a line."""

import dataclasses
import difflib
import functools
import json
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pipeline.store.checks import check_all

# What was expected where pydantic found another type.
EXPECTED = {
    "int_type": "int",
    "float_type": "float",
    "finite_number": "a finite number",
    "bool_type": "bool",
    "string_type": "str",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}
# Kind of pydantic's errors for a key that a dataclass has no field for.
UNKNOWN_KEY = "unexpected_keyword_argument"
T = TypeVar("T")


def check_at_least_one(section: str, params: Any) -> None:
    """Check that every value of a section of counts is 1 or more."""
    counts = dataclasses.asdict(params).items()
    check_all(*((count >= 1, f"{section}.{name} is {count}; expected 1 or more.") for name, count in counts))


def build(where: str, values: Any, cls: type[T]) -> T:
    """Fill a dataclass, and those in it, from a mapping.

    Parameters
    ----------
    where : str
        Names the mapping in error sentences; empty for all of params.yaml.
    values : mapping
        Of plain values, lists and mappings. A whole number may be written as 3.0.
    cls : type
        A dataclass of the standard library, whose annotations say what each value is.

    Returns
    -------
    An instance of `cls`

    Raises
    ------
    ValueError
        With a sentence a line for all keys and values that are wrong.
    """
    from pydantic import ValidationError

    # From JSON, because strict Python would want tuples for tuples and dataclasses for dataclasses.
    text = json.dumps({where: _whole(values)}, default=str)
    try:
        return _adapter(cls).validate_json(text)[where]  # type: ignore[arg-type]
    except ValidationError as error:
        errors = error.errors()
        # What is missing may be an unknown key, misspelt: that is one mistake.
        misspelt = [(*each["loc"][:-1], _meant(cls, each)) for each in errors if each["type"] == UNKNOWN_KEY]
        found = [_sentence(cls, each) for each in errors if each["type"] != "missing" or each["loc"] not in misspelt]
        found.sort(key=lambda sentence: not sentence.startswith("Unknown"))
        raise ValueError("\n".join(dict.fromkeys(found))) from error


@functools.cache
def _adapter(cls: type) -> Any:
    """Make pydantic's reader of mappings to a dataclass."""
    # It takes a fifth of a second to import, more than all the rest here: only what reads pays.
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return TypeAdapter(dict[str, cls], config=config)  # type: ignore[valid-type]


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, its abbreviation or the most similar one; empty if none is near."""
    known = list(map(str, known))
    initials = "".join(part[:1] for part in word.split("_"))
    likely = [initials] if initials in known else difflib.get_close_matches(word, known, n=1)
    return next(iter(likely), "")


def _whole(values: Any) -> Any:
    """Write whole numbers as int, which a float may be too."""
    if isinstance(values, dict):
        return {key: _whole(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_whole(value) for value in values]
    return int(values) if isinstance(values, float) and values.is_integer() else values


def _known_keys(cls: Any, place: tuple) -> list[str]:
    """Keys of the mapping at a place."""
    return [field.name for field in dataclasses.fields(_hint_at(place, cls))]


def _meant(cls: Any, error: Any) -> str:
    """The key that an unknown one probably is, misspelt; empty if it is near none."""
    return nearest(str(error["loc"][-1]), _known_keys(cls, error["loc"][:-1]))


def _sentence(cls: Any, error: Any) -> str:
    """Say what pydantic found wrong; the first part of a place names the mapping that `cls` is filled from."""
    kind, place, value = error["type"], error["loc"], error["input"]
    inside = place[:-1]
    if kind == UNKNOWN_KEY:
        known, meant = _known_keys(cls, inside), _meant(cls, error)
        suggestion = f"did you mean {meant}? It" if meant else "it"
        return f"Unknown key {place[-1]} in {_name(inside)}; {suggestion} has {', '.join(known)}."
    if kind == "missing" and isinstance(place[-1], str):
        return f"Missing key {place[-1]} in {_name(inside)}."
    if kind == "value_error":
        # A section's own sentences say where; those of what is within one are of any such mapping.
        own = len([part for part in place if part != ""]) == 1
        return "\n".join(line if own else f"{_name(place)}: {line}" for line in str(error["ctx"]["error"]).splitlines())
    if kind in ("missing", "too_long", "tuple_type"):
        place = inside if kind == "missing" else place
        return f"{_name(place)} is {value!r}; expected a list of {len(typing.get_args(_hint_at(place, cls)))}."
    expected = "a whole number" if kind == "int_type" and isinstance(value, float) else EXPECTED[kind]
    return f"{_name(place)} is {value!r}; expected {expected}."


def _name(place: tuple[str | int, ...]) -> str:
    """Write a place as people do: ``train.seeds[0]``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place if part != ""]
    return "".join(parts).removeprefix(".") or "params.yaml"


def _hint_at(place: tuple[str | int, ...], cls: Any) -> Any:
    """Annotated type of a place."""
    for part in place[1:]:
        cls = typing.get_type_hints(cls)[str(part)] if dataclasses.is_dataclass(cls) else typing.get_args(cls)[-1]
    return cls
