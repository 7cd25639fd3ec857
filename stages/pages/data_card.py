"""data/data_card.md: what the prepared set holds, where it is from, what may be done with it, what is wrong with it.

Its questions are those of T. Gebru et al., "Datasheets for Datasets", CACM 2021.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from model.scores.expression import CLOSED_BELOW
from model.scores.statistics import YAW_BINS
from stages.pages.page import render_markdown, three_digits
from stages.project.data_facts import ANGLES, Members, PartFacts
from stages.project.data_sources import DataSource
from stages.project.params import DataParams

# Reasons that are listed; the reject lists have all.
MOST_REASONS = 12


@dataclasses.dataclass(frozen=True)
class DataFacts:
    """All that the card tells.

    Attributes
    ----------
    demo : bool
        Whether no person is shown.
    data : DataParams
    margin : float
        Side of a crop in sides of the box.
    sources : list of (DataSource, names of subsets)
    members : dict of str to Members
        By subset.
    parts : dict of str to PartFacts
    reasons : list of (stage, samples, example, reason)
    metrics : dict
        metrics/data.json.
    subsets : dict of str to dict
        Counts of each subset, reports/data.json.
    layout : dict of str to (shape, type)
        Of a sample.
    vectors : (int, int, int)
        Vertices, identity vectors and expression vectors of the face model.
    """

    demo: bool
    data: DataParams
    margin: float
    sources: Sequence[tuple[DataSource, Sequence[str]]]
    members: Mapping[str, Members]
    parts: Mapping[str, PartFacts]
    reasons: Sequence[tuple[str, int, str, str]]
    metrics: Mapping[str, Any]
    subsets: Mapping[str, Mapping[str, int]]
    layout: Mapping[str, tuple[Sequence[int], str]]
    vectors: tuple[int, int, int]


def data_card(facts: DataFacts) -> str:
    """Make the card, Markdown in which names are what they are and nothing else."""
    metrics = facts.metrics
    return render_markdown(
        "data_card.md",
        demo=facts.demo,
        data=facts.data,
        margin=facts.margin,
        sources=facts.sources,
        metrics=metrics,
        persons=sum(part.identities for part in facts.parts.values()),
        subsets=[_subset_row(facts, name) for name in facts.data.subsets],
        yaw=[(part, *_yaw_row(each)) for part, each in facts.parts.items()],
        angles=[(part, *_angle_row(each)) for part, each in facts.parts.items()],
        closed=[(part, *_closed_row(each)) for part, each in facts.parts.items()],
        photos=[(part, each.samples, each.identities, *each.sides) for part, each in facts.parts.items()],
        limits={name: f"{limit:g}" for name, limit in CLOSED_BELOW.items()},
        reasons=facts.reasons[:MOST_REASONS],
        more_reasons=len(facts.reasons[MOST_REASONS:]),
        outside=[(name, *map(three_digits, axes.values())) for name, axes in metrics["outside"].items()],
        distance=three_digits(metrics.get("pt3d_68_distance")),
        layout=[(name, " x ".join(["N", *map(str, shape)]), kind) for name, (shape, kind) in facts.layout.items()],
        vectors=facts.vectors,
    )


def _subset_row(facts: DataFacts, name: str) -> tuple:
    subset, members, counts = facts.data.subsets[name], facts.members[name], facts.subsets[name]
    numbers = (counts["in"], counts["rejected"], counts["out"], members.identities, *members.parts.values())
    return (name, subset.use, subset.boxes, *numbers)


def _yaw_row(part: PartFacts) -> tuple:
    return *(_share(part.by_yaw[name], part.samples) for name in YAW_BINS), _share(part.beyond, part.samples)


def _angle_row(part: PartFacts) -> list[str]:
    return [f"{low:.1f} / {middle:.1f} / {high:.1f}" for low, middle, high in (part.angles[name] for name in ANGLES)]


def _closed_row(part: PartFacts) -> tuple:
    return part.measured, *(_share(part.closed[name], part.measured) for name in CLOSED_BELOW)


def _share(count: int, of: int) -> str:
    return f"{count} ({100 * count / max(of, 1):.1f} %)"
