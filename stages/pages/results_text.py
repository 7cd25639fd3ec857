"""A project's results as tables in Markdown, from its metrics alone, for pages that are kept."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from stages.pages.comparison import Difference
from stages.pages.page import drop_empty_columns
from stages.pages.thesis_reference import METRICS, Claim
from stages.pages.thesis_tables import claim_text, conclude
from stages.project.json_file import read_json
from stages.project.paths import MAIN_RUN, THESIS_METRICS, scores_of
from stages.project.results import FITTED, SOURCES
from stages.project.results import METRICS as SCORES

# What metrics/thesis.json holds beside variants.
NOT_VARIANTS = ("rank_correlation", "claims", "largest_gains", "by_crop", "claims_by_crop")
FOUND = "facemesh"
VARIANT_HEADER = (
    "variant",
    "seeds (still falling)",
    "passes",
    "`nme68_2d`, mean over seeds",
    "mesh (`thesis_mesh`), mean over seeds",
    "kept network: mesh",
    "68 landmarks, xy (`nme68_2d`, 95 % interval)",
    "mean of the yaw bins",
    "dense, xyz",
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
    variants = {name: told for name, told in metrics.items() if name not in NOT_VARIANTS}
    found = {name: Difference(**values) for name, values in metrics["claims"].items()}
    runs = [MAIN_RUN, *list(variants)[1:]]
    rows = [variant_row(root / scores_of(run), name, variants[name]) for run, name in zip(runs, variants, strict=True)]
    told = [claim_row(claim, found[claim.name]) for claim in claims if claim.name in found]
    return f"{markdown(*drop_empty_columns(VARIANT_HEADER, rows))}\n{markdown(CLAIM_HEADER, told)}"


def variant_row(folder: Path, variant: str, summary: Mapping[str, float]) -> tuple[str, ...]:
    """How long a variant learnt, and its errors: over all seeds; of the kept network, fitted, and on found crops.

    `summary` is what metrics/thesis.json has of it, see `stages.pages.comparison.Summary`.
    """
    scores = read_json(folder / SCORES)
    sources = pd.read_csv(folder / SOURCES).set_index("map").to_dict("index")
    learnt = (f"`{variant}`", f"{summary['seeds']} ({summary.get('falling', 'not told')})", f"{summary['passes']:,}")
    errors = (
        *(mean_over_seeds(summary, name) for name in ("nme68_2d", "thesis_mesh")),
        f"{scores['thesis_mesh']:.2f}",
        interval(scores["nme68_2d"], scores["nme68_2d_low"], scores["nme68_2d_high"]),
        *(f"{scores[name]:.2f}" for name in ("nme68_2d_bins", "dense_3d")),
        f"{scores['smooth_15deg']:.1f}",
        f"{sources[FITTED]['nme68_2d']:.2f}",
    )
    by_found = f"{sources[FOUND]['nme68_2d']:.2f} ({sources[FOUND]['failed']})" if FOUND in sources else ""
    return (*learnt, *errors, by_found)


def mean_over_seeds(summary: Mapping[str, float], error: str) -> str:
    """Mean of an error over photos and seeds, with its interval where there is one; empty where there is no mean."""
    mean, low, high = (summary.get(f"{error}_over_seeds{end}") for end in ("", "_low", "_high"))
    if mean is None:
        return ""
    return f"{mean:.2f}" if low is None or high is None else interval(mean, low, high)


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
