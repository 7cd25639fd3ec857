"""What the thesis says, as thesis_reference.yaml has it: numbers, conclusions, contradictions and tables."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ruamel.yaml import YAML

from pipeline.store.checks import check

REFERENCE = Path(__file__).parent / "thesis_reference.yaml"
EXPECTED = ("better", "worse", "equal")
T = TypeVar("T")


class Metric(NamedTuple):
    """Where runs/<variant>/protocols.csv has a metric of the thesis (error and statistic), and what pages call it."""

    error: str
    statistic: str
    text: str


METRICS = {
    "thesis_68": Metric("thesis_68", "mean", "68 landmarks"),
    "thesis_68_p90": Metric("thesis_68", "p90", "68 landmarks, 90 % of the images up to"),
    "thesis_mesh": Metric("thesis_mesh", "mean", "mesh"),
    "smooth_15deg": Metric("smooth_prediction", "mean", "adjacent triangles under 15 degrees"),
}


@dataclasses.dataclass(frozen=True)
class Number:
    """A number of the thesis: its section, the variant that it is about, one of `METRICS`, and percent."""

    section: str
    variant: str
    metric: str
    value: float
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the thesis concludes from comparing two variants.

    Attributes
    ----------
    name, section : str
    variant, against : str
        The two.
    metric : str
        One of `METRICS`.
    expected : str
        One of `EXPECTED`: what it says of `variant`.
    lower_by, follows : float or None
        By how many percent, in its own words, and by what its own means come to; None where it has none.
    note : str
    """

    name: str
    section: str
    variant: str
    against: str
    metric: str
    expected: str
    lower_by: float | None = None
    follows: float | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Gain:
    """What the thesis says that one variant's cumulative errors gain on another's at most.

    Attributes
    ----------
    section : str
    variant, against : str
        The two.
    metric : str
        One of `METRICS`.
    value : float
        Percent; of what, it does not say.
    """

    section: str
    variant: str
    against: str
    metric: str
    value: float


class Layer(NamedTuple):
    """A row of the tables 3.1 to 3.3, as printed."""

    name: str
    kernel: str
    stride: str
    output: str


@dataclasses.dataclass(frozen=True)
class Reference:
    """All of it.

    Attributes
    ----------
    numbers : list of Number
    claims : list of Claim
    gains : list of Gain
    contradictions : list of str
        A sentence each.
    machine : dict of str to str
        Section 4.1.
    training : dict of str to float
        Section 4.2, by the names of section `train` of params.yaml.
    layers : dict of str to list of Layer
        By the number of the table.
    """

    numbers: list[Number]
    claims: list[Claim]
    gains: list[Gain]
    contradictions: list[str]
    machine: dict[str, str]
    training: dict[str, float]
    layers: dict[str, list[Layer]]


def read_reference(path: Path = REFERENCE) -> Reference:
    """Read the thesis's numbers, conclusions, contradictions and tables.

    Raises
    ------
    ValueError
        If an entry lacks something, has something unknown, or a value that it cannot have.
    """
    content = YAML(typ="safe").load(path)
    check(isinstance(content, dict), f"{path} is no mapping of {', '.join(_names(Reference))}.")
    _check_names(str(path), content, Reference)
    for name in ("numbers", "claims", "gains", "contradictions"):
        check(isinstance(content[name], list), f"{name} in {path} is {content[name]!r}; expected a list.")
    for name in ("machine", "training", "layers"):
        check(isinstance(content[name], dict), f"{name} in {path} is {content[name]!r}; expected a mapping.")
    for number, rows in content["layers"].items():
        check(isinstance(rows, list), f"layers.{number} in {path} is {rows!r}; expected a list.")
    reference = Reference(
        numbers=[_record(f"numbers[{i}] in {path}", entry, Number) for i, entry in enumerate(content["numbers"])],
        claims=[_record(f"claims[{i}] in {path}", entry, Claim) for i, entry in enumerate(content["claims"])],
        gains=[_record(f"gains[{i}] in {path}", entry, Gain) for i, entry in enumerate(content["gains"])],
        contradictions=[str(sentence) for sentence in content["contradictions"]],
        machine={name: str(value) for name, value in content["machine"].items()},
        training={name: _number(f"training.{name} in {path}", value) for name, value in content["training"].items()},
        layers={
            number: [_layer(f"layers.{number}[{i}] in {path}", row) for i, row in enumerate(rows)]
            for number, rows in content["layers"].items()
        },
    )
    entries: list[Number | Claim | Gain] = [*reference.numbers, *reference.claims, *reference.gains]
    for metric in (entry.metric for entry in entries):
        check(metric in METRICS, f"{path} has a metric {metric!r}; expected one of {', '.join(METRICS)}.")
    for claim in reference.claims:
        check(
            claim.expected in EXPECTED,
            f"Claim {claim.name} in {path} expects {claim.expected!r}; expected one of {', '.join(EXPECTED)}.",
        )
    return reference


def _record(where: str, values: Any, cls: type[T]) -> T:
    """Make a record of numbers and texts from a mapping."""
    check(isinstance(values, dict), f"{where} is {values!r}; expected a mapping of {', '.join(_names(cls))}.")
    _check_names(where, values, cls)
    texts = {field.name for field in dataclasses.fields(cls) if field.type is str}  # type: ignore[arg-type]
    return cls(
        **{
            name: _text(f"{name} of {where}", value) if name in texts else _number(f"{name} of {where}", value)
            for name, value in values.items()
        }
    )


def _check_names(where: str, values: dict[str, Any], cls: type) -> None:
    needed = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
    missing = [name for name in needed if name not in values]
    unknown = [str(name) for name in values if name not in _names(cls)]
    check(not missing, f"{where} lacks {', '.join(missing)}.")
    check(not unknown, f"{where} has an unknown {', '.join(unknown)}; expected {', '.join(_names(cls))}.")


def _names(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _text(where: str, value: Any) -> str:
    check(isinstance(value, str), f"{where} is {value!r}; expected a text (in quotes, if it looks like a number).")
    return value


def _number(where: str, value: Any) -> float:
    check(isinstance(value, (int, float)) and not isinstance(value, bool), f"{where} is {value!r}; expected a number.")
    return float(value)


def _layer(where: str, row: Any) -> Layer:
    fields = Layer._fields
    check(isinstance(row, list) and len(row) == len(fields), f"{where} is {row!r}; expected [{', '.join(fields)}].")
    return Layer(*map(str, row))
