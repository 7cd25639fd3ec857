"""runs/main/model_card.md: what the main run's network is, what it has learnt from, how well it does, where it fails.

Its sections are those of M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from model.scores.expression import CLOSED_BELOW, EXPRESSION
from model.scores.protocols import PROTOCOLS
from model.scores.statistics import YAW_BINS
from model.scores.summary import ALL, BINS
from pipeline.photo.map_network import NetworkFacts
from stages.pages.page import interval_text, render_markdown, three_digits
from stages.project.occlusion import ANYTHING, NOTHING
from stages.project.results import Results
from stages.project.variants import VariantSettings

# What is shown by yaw.
BY_YAW = ("nme68_2d", "dense_3d")
YAW_TEXTS = dict(zip((*YAW_BINS, BINS), ("up to 30", "over 30, up to 60", "over 60", "mean of the three"), strict=True))
# The error that failures are told by, and from where on a face counts as lost, in percent.
TOLD_BY, LOST_ABOVE = "nme68_2d", 10.0
# Of `EXPRESSION`, what the network's own maps tell; the coefficients are the fitted face model's.
OPENINGS = tuple(name for name in EXPRESSION if name != "expression")
POSE = {"pose_mae": "mean of pitch, yaw and roll", "pose_geodesic": "angle of the turn between the two"}


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


def model_card(
    settings: VariantSettings, data: CardData, results: Results, files: CardFiles, shares: pd.DataFrame
) -> str:
    """Make the card, Markdown in which names are what they are and nothing else.

    Parameters
    ----------
    settings : VariantSettings
    data : CardData
    results : Results
        What the run scored on the test part.
    files : CardFiles
    shares : DataFrame
        What it scored on photos with something before the face, see `stages.project.occlusion.read_shares`.
    """
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
        seeds=results.seed_count,
        failures=[*_turned_rows(results), *_covered_rows(shares)],
        kinds=_listed(sorted(set(shares["kind"]) - {ANYTHING, NOTHING})),
        lost=_count_lost(results),
        told_by=TOLD_BY,
        lost_above=f"{LOST_ABOVE:g}",
        openings=_described_rows(results, {name: EXPRESSION[name] for name in OPENINGS}),
        unseen=[name for name in CLOSED_BELOW if results.described(f"{name}_closed") is None],
        pose=_described_rows(results, POSE),
    )


def _settings(settings: VariantSettings) -> list[tuple[str, str, Any]]:
    return [(part, name, value) for part, values in settings.used().items() for name, value in values.items()]


def _listed(names: list[str]) -> str:
    return ", ".join(f"a {name}" for name in names)


def _protocol_rows(results: Results) -> list[tuple]:
    """Each error with its mean, interval and median, and all that a reader of it must know."""
    described = {name: results.described(name, ALL) for name in PROTOCOLS}
    return [(name, *_numbers(row), *PROTOCOLS[name][1:]) for name, row in described.items() if row is not None]


def _yaw_rows(results: Results) -> list[tuple]:
    described = [(name, text, results.described(name, group)) for name in BY_YAW for group, text in YAW_TEXTS.items()]
    return [(name, text, int(row["images"]), *_numbers(row)[:2]) for name, text, row in described if row is not None]


def _numbers(row: Mapping[str, Any]) -> tuple:
    return three_digits(row["mean"]), interval_text(row["low"], row["high"]), three_digits(row["median"])


def _turned_rows(results: Results) -> Iterator[tuple]:
    """The error of faces by how far they are turned, and how many times that of the most frontal ones it is."""
    rows = {group: row for group in YAW_BINS if (row := results.described(TOLD_BY, group)) is not None}
    frontal = next(iter(rows.values()), None)
    for group, row in rows.items():
        yield f"turned, yaw {YAW_TEXTS[group]} degrees", *_beside(row, frontal)


def _covered_rows(shares: pd.DataFrame) -> Iterator[tuple]:
    """The error of faces by how much of them is covered, and how many times that of the same photos as they are."""
    rows = shares[(shares["kind"] == ANYTHING) & (shares["error"] == TOLD_BY)].sort_values("share").to_dict("records")
    for row in rows:
        covered = f"{100 * row['share']:g} % of the face covered" if row["share"] else "nothing before the face"
        yield covered, *_beside(row, rows[0])


def _beside(row: Mapping[Any, Any], first: Mapping[Any, Any] | None) -> tuple:
    times = f"{row['mean'] / first['mean']:.2f}" if first and first["mean"] else ""
    return int(row["images"]), three_digits(row["mean"]), interval_text(row["low"], row["high"]), times


def _count_lost(results: Results) -> dict[str, Any]:
    """Faces whose error is above `LOST_ABOVE`, and the largest."""
    errors = results.per_image[TOLD_BY]
    above = int((errors > LOST_ABOVE).sum())
    return {"images": above, "percent": f"{100 * above / max(len(errors), 1):.1f}", "largest": f"{errors.max():.1f}"}


def _described_rows(results: Results, texts: Mapping[str, str]) -> list[tuple]:
    described = [(name, text, results.described(name, ALL)) for name, text in texts.items()]
    return [(name, int(row["images"]), *_numbers(row)[:2], text) for name, text, row in described if row is not None]


def _source_rows(results: Results) -> list[tuple]:
    """Whose box and whose levelling the crops of each map have, and the error of the 68 landmarks."""
    return [
        (
            row["map"],
            row["box"],
            row["levelling"],
            int(row["images"]),
            int(row["failed"]),
            three_digits(row["nme68_2d"]),
            interval_text(row["nme68_2d_low"], row["nme68_2d_high"]),
            three_digits(row["dense_3d"]),
        )
        for row in results.sources.to_dict("records")
    ]
