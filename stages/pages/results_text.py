"""A project's results as tables in Markdown, from its metrics alone, for pages that are kept."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from stages.pages.comparison import Comparison, Difference, Summary
from stages.pages.thesis_reference import METRICS, Claim
from stages.pages.thesis_tables import claim_text, conclude, falling_text
from stages.project.json_file import read_json
from stages.project.paths import MAIN_RUN, THESIS_METRICS, scores_of
from stages.project.results import FITTED, SOURCES
from stages.project.results import METRICS as SCORES

# What metrics/thesis.json holds beside variants.
NOT_VARIANTS = ("rank_correlation", "claims", "largest_gains", "by_crop", "claims_by_crop")
FOUND = "facemesh"
VARIANT_HEADER = (
    "variant",
    "seeds",
    "passes",
    "still falling",
    "68 landmarks, xy (`nme68_2d`, 95 % interval)",
    "mean of the yaw bins",
    "dense, xyz",
    "mesh (`thesis_mesh`)",
    "triangles under 15 degrees",
    "`nme68_2d`, fitted",
    "`nme68_2d`, by Face Mesh's landmarks (not found)",
)
CLAIM_HEADER = (
    "section",
    "variants",
    "error",
    "the thesis says",
    "difference in percent points (95 % interval)",
    "verdict",
    "so the thesis's conclusion",
)


def results_text(root: Path, claims: Sequence[Claim]) -> str:
    """Write the tables of variants and of the thesis's claims.

    Parameters
    ----------
    root : Path
        A project, or a copy of its metrics: metrics/thesis.json, and metrics.json and sources.csv of each run's scores.
    claims : sequence of Claim
        The thesis's.

    Raises
    ------
    FileNotFoundError
        If one of these is missing.
    """
    metrics = read_json(root / THESIS_METRICS)
    variants = {name: Summary(**{"falling": None} | told) for name, told in metrics.items() if name not in NOT_VARIANTS}
    found = Comparison(variants, None, {name: Difference(**values) for name, values in metrics["claims"].items()})
    runs = [MAIN_RUN, *list(variants)[1:]]
    rows = [variant_row(root / scores_of(run), name, variants[name]) for run, name in zip(runs, variants, strict=True)]
    told = [claim_row(claim, found.claims[claim.name]) for claim in claims if claim.name in found.claims]
    return f"{markdown(VARIANT_HEADER, rows)}\n{markdown(CLAIM_HEADER, told)}"


def variant_row(folder: Path, variant: str, summary: Summary) -> tuple[str, ...]:
    """How long a variant learnt, and its errors: of its maps, fitted, and on crops by found landmarks."""
    scores = read_json(folder / SCORES)
    sources = pd.read_csv(folder / SOURCES).set_index("map").to_dict("index")
    learnt = (f"`{variant}`", str(summary.seeds), f"{summary.passes:,}", falling_text(summary))
    errors = (
        interval(scores["nme68_2d"], scores["nme68_2d_low"], scores["nme68_2d_high"]),
        *(f"{scores[name]:.2f}" for name in ("nme68_2d_bins", "dense_3d", "thesis_mesh")),
        f"{scores['smooth_15deg']:.1f}",
        f"{sources[FITTED]['nme68_2d']:.2f}",
    )
    by_found = f"{sources[FOUND]['nme68_2d']:.2f} ({sources[FOUND]['failed']})" if FOUND in sources else ""
    return (*learnt, *errors, by_found)


def claim_row(claim: Claim, found: Difference) -> tuple[str, ...]:
    """What the thesis says of two variants, their difference, and what follows."""
    seeds = "" if found.verdict else f", {found.seeds} and {found.against_seeds} seeds: over the photos alone"
    return (
        claim.section,
        f"`{claim.variant}` against `{claim.against}`",
        METRICS[claim.metric].text,
        claim_text(claim),
        interval(found.difference, found.low, found.high, "+.2f") + seeds,
        found.verdict or "none",
        conclude(claim.expected, found.verdict),
    )


def interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """Write a value and its interval."""
    return f"{value:{form}} ({low:.2f} to {high:.2f})"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; what is in its cells must hold no ``|``."""
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return "\n".join([head, f"|{'---|' * len(header)}", *lines, ""])
