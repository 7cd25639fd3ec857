"""Stage `thesis`: the thesis's numbers beside ours, as metrics/thesis.json and reports/index.html."""

import dataclasses
import json
from pathlib import Path

import click

from model import statistics
from stages import report_parts as parts
from stages.params import DataParams, check, read, sentences
from stages.results import EvaluateParams, Results, count_parts, read_results
from stages.variants import read_variant

ERRORS = {"thesis_68": "68 landmarks", "thesis_mesh": "mesh"}

# Sections 4.3, 4.6 and 4.9, in percent. What the thesis gives no number for is left out.
REFERENCE = {
    "final": {"thesis_mesh": 3.912, "smooth_15deg": 97.0},
    "prn": {"thesis_mesh": 5.255, "thesis_68": 1.675},
    "3DDFA": {"thesis_mesh": 11.845},
}

# The variants whose cumulative errors a figure draws, and whose smoothness Figure 4.7 does.
CURVES = {
    "4.1": ("prn", "prn_plain", "prn_author"),
    "4.2": ("prn", "prn_sigmoid"),
    "4.3": ("3ddfa", "prn", "frozen", "joint"),
    "4.8": ("final", "prn", "3ddfa"),
}
SMOOTHNESS = ("final", "prn")

CONTRADICTIONS = (
    "From 5.255 (PRN) to 3.912 (final) the mesh error falls by 25.6 %; the abstract says 35 %, section 4.9 says 37 %.",
    "PRN + ResNet has a mesh error of 5.104 in section 4.5 and of 3.912 in section 4.9; PRN has 5.268 and 5.255.",
    "Section 4.3 gives the means 2.199, 1.675 and 1.692 for PRN's authors, no augmentation and augmentation, in this "
    "order, but says that augmentation lowers the error by about 30 %. From 2.199 to either of the others it is 23 to "
    "24 %. The table has 1.675 for PRN.",
    "Section 4.9 claims 33 % less error of the 68 landmarks and gives no number for it.",
    'The error of the 68 landmarks is divided by "the variance value of the two outer corner feature points"; for the '
    "mesh the thesis names no divisor, and it has no rule for z. Ours: 3D distance of the outer eye corners, mean z "
    "removed.",
)


@dataclasses.dataclass(frozen=True)
class ThesisParams:
    """Section `thesis`: the variants that stand beside the main one, and the run whose weights each starts from."""

    variants: dict[str, str]


def thesis(root: Path, main_variant: str, others: list[str], notice: str, params: EvaluateParams) -> dict:
    """Compare the main variant with the others and both with the thesis, for the project at `root`.

    Parameters
    ----------
    root : Path
        The project's root.
    main_variant : str
    others : list of str
        Variants that are evaluated too; the main one among them is passed over.
    notice : str
        What data and scale the numbers come from, as HTML.
    params : EvaluateParams

    Returns
    -------
    dict
        What metrics/thesis.json holds, in percent.
    """
    names = [main_variant, *(name for name in others if name != main_variant)]
    results = [read_results(root, name, main=name == main_variant) for name in names]
    metrics: dict = {
        result.variant: {error: result.metrics[error]["mean"] for error in ERRORS}
        | {"smooth_15deg": result.metrics["smooth_15deg"]["prediction"]}
        for result in results
    }
    for other in results[1:]:
        metrics[f"{main_variant}_against_{other.variant}"] = {
            error: compare(results[0], other, error, params) for error in ERRORS
        }
    path = root / "metrics/thesis.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    page = root / "reports/index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(parts.page("The thesis and ours", sections(results, metrics, notice, params)), encoding="utf-8")
    return metrics


def compare(ours: Results, other: Results, error: str, params: EvaluateParams) -> dict[str, float]:
    """Difference ``ours - other`` of the mean error with its 95 % interval, and by how many percent ours is lower."""
    pairs = ours.per_image.merge(other.per_image, on="sample_id", suffixes=("", "_other"))
    check(
        len(pairs) == len(ours.per_image) == len(other.per_image),
        f"{ours.variant} and {other.variant} were not evaluated on the same images: evaluate both again.",
    )
    interval = statistics.paired_interval(pairs[error], pairs[f"{error}_other"], params.bootstrap, params.seed)
    lower_by = -100.0 * interval.mean / float(pairs[f"{error}_other"].mean())
    return {
        "difference": round(interval.mean, 3),
        "low": round(interval.low, 3),
        "high": round(interval.high, 3),
        "lower_by": round(lower_by, 3),
    }


def sections(results: list[Results], metrics: dict, notice: str, params: EvaluateParams) -> list[str]:
    """Parts of the page: tables, contradictions, Figures 4.7 and 4.8."""
    comparisons = [(name, values) for name, values in metrics.items() if "_against_" in name]
    verdicts = [
        (
            name.replace("_against_", " against "),
            text,
            values[error]["difference"],
            parts.interval_text(values[error]["low"], values[error]["high"]),
            values[error]["lower_by"],
            statistics.verdict(statistics.Interval(*(values[error][key] for key in ("difference", "low", "high")))),
        )
        for name, values in comparisons
        for error, text in ERRORS.items()
    ]
    first = results[0]
    by_name = {result.variant: result for result in results}
    shares = {"truth": first.smoothness["truth"]} | {
        name: by_name[name].smoothness["prediction"] for name in SMOOTHNESS if name in by_name
    }
    header = ("variant", "error", "ours (%)", "95 % interval", "thesis (%)")
    verdict_header = ("variants", "error", "difference (%)", "95 % interval", "lower by (%)", "by this test set")
    return [
        notice,
        parts.heading("Our numbers and the thesis's"),
        parts.table(header, number_rows(results, metrics, params)),
        parts.heading("What differs between variants"),
        parts.paragraph("Paired bootstrap over the same test images; negative is less error."),
        parts.table(verdict_header, verdicts) if verdicts else parts.paragraph("Only one variant was evaluated."),
        parts.heading("Where the thesis contradicts itself"),
        *(parts.paragraph(sentence) for sentence in CONTRADICTIONS),
        *(part for figure, names in CURVES.items() for part in curve_section(figure, names, by_name)),
        parts.heading("Figure 4.7"),
        parts.picture(
            parts.smoothness_figure(shares, first.smoothness["cosine"]),
            "As Figure 4.7: adjacent triangles by the cosine of their angle",
        ),
    ]


def curve_section(figure: str, names: tuple[str, ...], results: dict[str, Results]) -> list[str]:
    """Cumulative errors as one of the thesis's figures has them; nothing where fewer than two of its variants ran."""
    found = [results[name] for name in names if name in results]
    if len(found) < 2:
        return []
    pictures = [
        parts.picture(
            parts.error_figure({result.variant: result.ced[error] for result in found}, found[0].ced["error"]),
            f"As Figure {figure}: cumulative error, {text}",
        )
        for error, text in ERRORS.items()
    ]
    return [parts.heading(f"Figure {figure}"), *pictures]


def number_rows(results: list[Results], metrics: dict, params: EvaluateParams) -> list[tuple]:
    """Rows of variant, error, ours, its interval, and the thesis's number; 3DDFA has only the thesis's."""
    rows: list[tuple] = []
    columns = {"thesis_68": "thesis_68", "thesis_mesh": "thesis_mesh", "smooth_15deg": "smooth_prediction"}
    texts = ERRORS | {"smooth_15deg": "adjacent triangles under 15 degrees"}
    for result in results:
        for error, column in columns.items():
            interval = statistics.bootstrap_interval(result.per_image[column], params.bootstrap, params.seed)
            between = parts.interval_text(interval.low, interval.high)
            theirs = REFERENCE.get(result.variant, {}).get(error)
            told = "none given" if theirs is None else f"{theirs:g}"
            rows.append((result.variant, texts[error], metrics[result.variant][error], between, told))
    absent = [name for name in REFERENCE if name not in metrics]
    for name in absent:
        rows += [(name, texts[error], "not run here", "", f"{value:g}") for error, value in REFERENCE[name].items()]
    return rows


@click.command()
def main() -> None:
    """Compare the variants with each other and with the thesis."""
    with sentences():
        settings, data = read_variant(None), read("data", DataParams)
        others = list(read("thesis", ThesisParams).variants)
        epochs = len(read_results(Path(), settings.variant, main=True).history)
        notice = parts.provenance(data.root, data.size, settings.network.width, count_parts(Path()), epochs)
        metrics = thesis(Path(), settings.variant, others, notice, read("evaluate", EvaluateParams))
    means = ", ".join(f"{name} {metrics[name]['thesis_mesh']} %" for name in metrics if "thesis_mesh" in metrics[name])
    click.echo(f"thesis: mesh error {means}; reports/index.html")


if __name__ == "__main__":
    main()
