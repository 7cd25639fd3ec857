"""runs/main/model_card.md: what the main run's network is, what it has learnt from, how well it does, how to use it."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from model.scores.protocols import PROTOCOLS
from model.scores.statistics import YAW_BINS
from model.scores.summary import ALL, BINS
from pipeline.photo.map_network import NetworkFacts
from stages.pages.page import interval_text, render_markdown, three_digits
from stages.project.results import Results
from stages.project.variants import VariantSettings

# What is shown by yaw.
BY_YAW = ("nme68_2d", "dense_3d")
YAW_TEXTS = dict(zip((*YAW_BINS, BINS), ("up to 30", "over 30, up to 60", "over 60", "mean of the three"), strict=True))


@dataclasses.dataclass(frozen=True)
class CardFiles:
    """What is known of the files of a run.

    Attributes
    ----------
    numbers : int
        In the file of the weights.
    weights_sha256, bundle_sha256 : str
    facts : NetworkFacts or None
        What the bundle says of its network; None if it has none.
    licences : dict of str to str
        Of what is in the bundle.
    """

    numbers: int
    weights_sha256: str
    bundle_sha256: str
    facts: NetworkFacts | None
    licences: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class CardData:
    """The faces of a run.

    Attributes
    ----------
    demo : bool
        Whether they are procedural.
    size : int
        Side of crops and maps in px.
    margin : float
        Side of a crop in sides of the box of the landmarks.
    subsets : list of (str, str, int)
        Each set's name, what it is for, and how many of its samples are in the training part.
    counts : dict of str to int
        Samples of each part.
    """

    demo: bool
    size: int
    margin: float
    subsets: list[tuple[str, str, int]]
    counts: dict[str, int]


def model_card(settings: VariantSettings, data: CardData, results: Results, files: CardFiles) -> str:
    """Make the card, Markdown in which names are what they are and nothing else."""
    return render_markdown(
        "model_card.md",
        settings=settings,
        used=[(f"{part}.{name}", json.dumps(value)) for part, name, value in _settings(settings)],
        data=data,
        files=files,
        passes=f"{results.passes:,}",
        numbers=f"{files.numbers:,}",
        images=results.metrics["images"],
        failed=results.metrics["failed"],
        protocols=_protocol_rows(results),
        by_yaw=_yaw_rows(results),
        sources=_source_rows(results),
    )


def _settings(settings: VariantSettings) -> list[tuple[str, str, Any]]:
    return [(part, name, value) for part, values in settings.used().items() for name, value in values.items()]


def _protocol_rows(results: Results) -> list[tuple]:
    """Each error with its mean, interval and median, and all that a reader of it must know."""
    described = {name: results.described(name, ALL) for name in PROTOCOLS}
    return [(name, *_numbers(row), *PROTOCOLS[name][1:]) for name, row in described.items() if row is not None]


def _yaw_rows(results: Results) -> list[tuple]:
    described = [(name, text, results.described(name, group)) for name in BY_YAW for group, text in YAW_TEXTS.items()]
    return [(name, text, int(row["images"]), *_numbers(row)[:2]) for name, text, row in described if row is not None]


def _numbers(row: Mapping[str, Any]) -> tuple:
    return three_digits(row["mean"]), interval_text(row["low"], row["high"]), three_digits(row["median"])


def _source_rows(results: Results) -> list[tuple]:
    """Whose box and whose levelling the crops of each map have, and the error of the 68 landmarks."""
    return [
        (
            row["map"],
            row["box"],
            row["levelling"],
            int(row["images"]),
            three_digits(row["nme68_2d"]),
            interval_text(row["nme68_2d_low"], row["nme68_2d_high"]),
            three_digits(row["dense_3d"]),
        )
        for row in results.sources.to_dict("records")
    ]
