"""Rows of the tables on reports/index.html: the thesis's numbers, and ours beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.layer_table import Row
from model.scores import statistics
from stages.pages.comparison import Comparison, Difference, Summary
from stages.pages.page import interval_text, mean_text
from stages.pages.thesis_reference import METRICS, Claim, Gain, Layer, Number, Reference
from stages.project.results import Results

TABLE_4_1 = {
    "PRN": ("prn_l1", "prn_l1_k", "prn_l1_s", "prn_l1_k_s", "prn"),
    "PRN + ResNet": ("final_l1", "final_l1_k", "final_l1_s", "final_l1_k_s", "final_mask"),
}
SCALED_OUTPUTS = ("prn", "prn_sigmoid")
AXES = {"x": "right", "y": "down", "z": "to the viewer"}
ABSENT = "not run here"
IMAGES_ALONE = ", over images alone"
# The section of claims that are not the thesis's.
OURS = "ours"
COMPARED = {"better": "better than", "worse": "worse than", "equal": "as good as"}
CHANGES = {"better": "lower", "worse": "higher", "equal": "equal"}
SHORT = {"smooth_15deg": "smoothness"}
FIGURES_ONLY = "figures only"
# Of conclusions, in the order in which they are counted.
COLOURS = {
    "holds": "good",
    "does not hold": "bad",
    "is not contradicted": "",
    "cannot be told": "",
    FIGURES_ONLY: "",
    ABSENT: "",
}
MINUS = "\u2212"
NO_VERDICT = "no verdict"


def conclusion_rows(claims: Sequence[Claim], comparison: Comparison) -> list[tuple]:
    """What the thesis concludes, and whether it holds here."""
    rows: list[tuple] = []
    for claim in claims:
        found = comparison.claims.get(claim.name)
        variants = f"{claim.variant} against {claim.against}"
        told = (claim.section, variants, METRICS[claim.metric].text, claim_text(claim))
        if found is None:
            rows.append((*told, "", "", "", ABSENT, "", "", ""))
            continue
        two = [comparison.variants[name] for name in (claim.variant, claim.against)]
        difference = mean_text(found.difference, found.low, found.high) + ("" if found.verdict else IMAGES_ALONE)
        passes = dict.fromkeys(f"{each.passes:,}" for each in two)
        learnt = (" and ".join(passes), " and ".join(map(falling_text, two)))
        ours = (f"{found.seeds} and {found.against_seeds}", *learnt, difference, found.lower_by)
        rows.append((*told, *ours, found.verdict or NO_VERDICT, conclude(claim.expected, found.verdict)))
    return rows


class Said(NamedTuple):
    """One of the thesis's claims in a line: what it says, by how many percent, what is found here, and what follows.

    `colour` is the class of the conclusion in templates/thesis.html; `falling` says whether the loss of one of the two
    variants was still falling in some seed: it has not come to its end.
    """

    claim: str
    theirs: str
    ours: str
    conclusion: str
    colour: str
    falling: bool


def claims_by_section(claims: Sequence[Claim], comparison: Comparison) -> dict[str, list[Said]]:
    """Whether each of the thesis's claims holds, by its sections."""
    sections: dict[str, list[Said]] = {}
    for claim in claims:
        if claim.section == OURS:
            continue
        found = comparison.claims.get(claim.name)
        metric = SHORT.get(claim.metric, METRICS[claim.metric].text)
        said = f"{claim.variant} {COMPARED[claim.expected]} {claim.against}: {metric}"
        conclusion = ABSENT if found is None else conclude(claim.expected, found.verdict) or FIGURES_ONLY
        sections.setdefault(claim.section, []).append(
            Said(
                said,
                _their_change(claim),
                "" if found is None else _our_change(found),
                conclusion,
                COLOURS[conclusion],
                found is not None and any(comparison.variants[name].falling for name in (claim.variant, claim.against)),
            )
        )
    return sections


def count_conclusions(sections: Mapping[str, Sequence[Said]]) -> list[tuple[str, int]]:
    """How many claims have each conclusion, those that were told apart first."""
    counts = Counter(said.conclusion for lines in sections.values() for said in lines)
    return [(name, counts[name]) for name in COLOURS if counts[name]]


def _their_change(claim: Claim) -> str:
    """By how many percent an error changes in the thesis, or which way, where it has no number."""
    by, follows = ("" if value is None else f"{_signed(-value, 'g')} %" for value in (claim.lower_by, claim.follows))
    if claim.expected == "better" and not by:
        by, follows = follows, ""
    return (by or CHANGES[claim.expected]) + (f" (its means: {follows})" if follows else "")


def _our_change(found: Difference) -> str:
    """By how many percent the error changes here, with its interval."""
    numbers = (-found.lower_by, -found.lower_by_high, -found.lower_by_low)
    mean, low, high = (_signed(value, ".1f") for value in numbers)
    return f"{mean} % ({low} to {high})"


def _signed(value: float, digits: str) -> str:
    """A number with its sign, which nothing has not."""
    return f"{value:+{digits}}".replace("-", MINUS) if value else f"{0:{digits}}"


def gain_rows(gains: Sequence[Gain], comparison: Comparison) -> list[tuple]:
    """The largest gains along the curves of cumulative errors that the thesis has, and ours."""
    rows: list[tuple] = []
    for gain in gains:
        told = (f"{gain.variant} over {gain.against}", METRICS[gain.metric].text, f"{gain.value:g}")
        found = comparison.gains.get((gain.variant, gain.against, gain.metric))
        if found is None:
            rows.append((*told, "", ABSENT, "", ""))
            continue
        numbers = found.as_metrics()
        alone = "" if min(found.seeds, found.against_seeds) >= statistics.SEEDS_NEEDED else IMAGES_ALONE
        between = interval_text(numbers["low"], numbers["high"]) + alone
        rows.append((*told, f"{found.seeds} and {found.against_seeds}", numbers["gain"], between, numbers["error"]))
    return rows


def claim_text(claim: Claim) -> str:
    """What the thesis says of a claim, with the percentages that it gives and that follow from its means."""
    words = [claim.expected]
    if claim.lower_by is not None:
        words.append(f"by {claim.lower_by:g} %")
    if claim.follows is not None:
        words.append(f"({claim.follows:g} % from its means)")
    return " ".join([*words, claim.note]).strip()


def conclude(expected: str, verdict: str | None) -> str:
    """Say whether a conclusion of the thesis holds, from the verdict on its two variants; nothing without one."""
    if verdict is None:
        return ""
    if verdict not in ("better", "worse"):
        return "is not contradicted" if expected == "equal" else "cannot be told"
    return "holds" if verdict == expected else "does not hold"


def layer_rows(theirs: Sequence[Layer], ours: Sequence[Row]) -> list[tuple]:
    """One of the tables 3.1 to 3.3, layer by layer beside ours."""
    found = {row[0]: row[1:] for row in ours}
    return [tuple(map(str, (*layer, *found.get(layer.name, ("none",) * 3)))) for layer in theirs]


def machine_rows(reference: Reference, machine: Mapping[str, str], training: Mapping[str, float]) -> list[tuple]:
    """Sections 4.1 and 4.2: the machine and the hyperparameters, the thesis's and ours."""
    rows = [(name, theirs, machine[name]) for name, theirs in reference.machine.items()]
    return rows + [(name, f"{theirs:g}", f"{training[name]:g}") for name, theirs in reference.training.items()]


def falling_text(summary: Summary) -> str:
    """In how many seeds of a variant the loss was still falling at the end."""
    return "not told" if summary.falling is None else f"{summary.falling} of {summary.seeds}"


def number_rows(numbers: Sequence[Number], results: Mapping[str, Results], comparison: Comparison) -> list[tuple]:
    """Every number of sections 4.3 to 4.9 beside ours: means over all seeds, and a percentile of the kept network."""
    rows: list[tuple] = []
    for number in numbers:
        told = f"{number.value:g}" + (f" ({number.note})" if number.note else "")
        ours: tuple = ("", "", "", ABSENT, "")
        if number.variant in results:
            summary = comparison.variants[number.variant]
            learnt = (summary.seeds, summary.passes, falling_text(summary))
            ours = (*learnt, *_our_number(number.metric, results[number.variant], summary))
        rows.append((number.section, number.variant, METRICS[number.metric].text, told, *ours))
    return rows


def _our_number(metric: str, result: Results, summary: Summary) -> tuple[float | str, str]:
    """One of `METRICS` of a variant, and its interval, or of which network it is."""
    if metric in summary.over_seeds:
        mean, low, high = summary.over_seeds[metric]
        return mean, interval_text(low, high)
    error, statistic, _ = METRICS[metric]
    row = result.described(error)
    return (ABSENT, "") if row is None else (row[statistic], "of the kept network")


def bias_rows(results: Mapping[str, Results]) -> list[tuple]:
    """Section 4.4's errors that "accumulate in one direction": the signed error of each axis."""
    found = [
        (variant, results[variant].seed_count, f"{axis} ({way})", results[variant].described(f"bias_{axis}"))
        for variant in SCALED_OUTPUTS
        if variant in results
        for axis, way in AXES.items()
    ]
    return [(*told, row["mean"], interval_text(row["low"], row["high"])) for *told, row in found if row]


def loss_rows(numbers: Sequence[Number], comparison: Comparison, label: str) -> list[tuple]:
    """Table 4.1: mean error of the mesh by loss, the thesis's and ours over all seeds."""
    theirs = {number.variant: number.value for number in numbers if number.section == "4.7"}
    rows: list[tuple] = []
    for name, variants in TABLE_4_1.items():
        rows.append((f"{name}, thesis", *(f"{theirs[variant]:.3f}" for variant in variants)))
        rows.append((f"{name}, {label}", *(_mesh_error(comparison, variant) for variant in variants)))
    return rows


def _mesh_error(comparison: Comparison, variant: str) -> str:
    if variant not in comparison.variants:
        return ABSENT
    return mean_text(*comparison.variants[variant].over_seeds["thesis_mesh"])


def rise_rows(results: Mapping[str, Results], comparison: Comparison) -> list[tuple]:
    """How long the runs behind Table 4.1 learnt, and how abruptly their loss rose."""
    shown = {variant for variants in TABLE_4_1.values() for variant in variants}
    return [
        (
            name,
            result.seeds["seed"].nunique(),
            comparison.variants[name].passes,
            falling_text(comparison.variants[name]),
            len(result.seeds),
            comparison.variants[name].jumps,
            comparison.variants[name].worst_rise,
        )
        for name, result in results.items()
        if name in shown
    ]
