"""reports/index.html: the thesis's chapters 2 to 4 in their order, each number and figure beside ours."""

import dataclasses
from collections.abc import Mapping, Sequence

from model.layer_table import Row
from model.scores.expression import CLOSED_BELOW
from model.scores.statistics import SEEDS_NEEDED
from stages.pages import thesis_tables as tables
from stages.pages.by_crop import ByCrop, claim_rows, score_rows
from stages.pages.comparison import Comparison
from stages.pages.costs import Cost
from stages.pages.face_scores import expression_rows, pose_floors, pose_rows
from stages.pages.losses import FALLING_PERCENT
from stages.pages.machine import describe_machine
from stages.pages.methods import Metrics, method_header, method_row, surface_ends
from stages.pages.occlusion import Occlusion, share_figures, share_header, share_rows
from stages.pages.page import drop_empty_columns, render
from stages.pages.plots import cost_figure, error_figure, gap_figure, scatter_figure, smoothness_figure
from stages.pages.provenance import Provenance
from stages.pages.thesis_reference import METRICS, Reference
from stages.pages.thesis_samples import Choice
from stages.project.results import Results

# The variants whose cumulative errors a figure draws, and whose smoothness Figure 4.7 does.
CURVES = {
    "4.1": ("prn", "prn_plain", "prn_author"),
    "4.2": ("prn", "prn_sigmoid"),
    "4.3": ("3ddfa", "prn", "frozen", "joint"),
    "4.8": ("final", "prn", "3ddfa"),
}
CURVE_ERRORS = ("thesis_68", "thesis_mesh")
# The error that every method has, and what it is drawn against.
COST_ERROR = "surface"
COST_LABELS = {"milliseconds": "ms a face, one thread", "megabytes": "MB of weights or model files"}
# PRN + ResNet of sections 4.5 and 4.6 is both parts trained at once.
SMOOTHNESS = ("prn", "joint", "final")


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the page puts side by side.

    Attributes
    ----------
    provenance : Provenance
        Of our numbers; the head of each column that has them says it in a few words.
    variant : str
        The thesis's model, or the main run's where that did not run.
    results : dict of str to Results
        By variant, the main one first.
    comparison : Comparison
        Of these variants.
    by_crop : ByCrop
        What of these depends on where a crop's box and levelling come from.
    reference : Reference
        What the thesis says.
    layers : dict of str to list of Row
        Our Tables 3.1 to 3.3.
    pictures : dict of str to bytes
        PNG or JPEG by the number of the thesis's figure, or its section.
    graded : list of (bytes, str)
        Figure 4.9: pictures, each with its caption.
    choice : Choice
        Which samples the pictures are of.
    volumes : dict of str to (mapping, int)
        Metrics of our variants that regress volumes, whose surface alone is scored, and their seeds.
    survey : dict of str to mapping
        Metrics of the survey's methods by their names.
    survey_texts : dict of str to str
        What they are, and whose landmarks they see.
    survey_bounds : set of str
        Those that see annotated landmarks.
    foreign : dict of str to mapping
        Metrics of other methods by their names.
    left_out : list of str
        Why others are not shown.
    costs : dict of str to Cost
        Of variants and of the survey's methods, as far as they were measured.
    training : dict of str to float
        Our hyperparameters of section 4.2.
    occlusion : Occlusion or None
        What networks make of covered faces.
    """

    provenance: Provenance
    variant: str
    results: dict[str, Results]
    comparison: Comparison
    by_crop: ByCrop
    reference: Reference
    layers: dict[str, list[Row]]
    pictures: dict[str, bytes]
    graded: list[tuple[bytes, str]]
    choice: Choice
    volumes: dict[str, tuple[Metrics, int]]
    survey: dict[str, Metrics]
    survey_texts: dict[str, str]
    survey_bounds: set[str]
    foreign: dict[str, Metrics]
    left_out: list[str]
    costs: Mapping[str, Cost]
    training: dict[str, float]
    occlusion: Occlusion | None


@dataclasses.dataclass(frozen=True)
class ErrorCurves:
    """One of the thesis's figures of cumulative errors: its variants that did not run here, and pictures by error."""

    absent: list[str]
    images: dict[str, bytes]


def thesis_page(findings: Findings) -> str:
    """Make the page, as HTML."""
    results, comparison, reference = findings.results, findings.comparison, findings.reference
    per_image = results[findings.variant].per_image
    claims = tables.claims_by_section(reference.claims, comparison)
    costs, machine = findings.costs, describe_machine()
    networks = {name: (_with_surface(each), each.seed_count) for name, each in results.items()} | findings.volumes
    means = {name: summary.over_seeds["nme68_2d"] for name, summary in comparison.variants.items()}
    ours = [
        method_row(name, metrics, seeds, means.get(name), costs.get(name))
        for name, (metrics, seeds) in networks.items()
    ]
    surveyed = [
        method_row(f"{name} (bound)" if name in findings.survey_bounds else name, metrics, cost=costs.get(name))
        for name, metrics in findings.survey.items()
    ]
    bounds = {name: metrics for name, metrics in findings.survey.items() if name in findings.survey_bounds}
    found = {name: metrics for name, metrics in findings.survey.items() if name not in bounds}
    others = [method_row(name, metrics) for name, metrics in findings.foreign.items()]
    header, methods = drop_empty_columns(method_header(), ours + surveyed + others)
    return render(
        "thesis.html",
        provenance=findings.provenance,
        variant=findings.variant,
        seeds_needed=SEEDS_NEEDED,
        falling_percent=FALLING_PERCENT,
        claims=claims,
        claim_counts=tables.count_conclusions(claims),
        conclusions=tables.conclusion_rows(reference.claims, comparison),
        contradictions=reference.contradictions,
        meshes={"truth": ""} | {name: mesh_error(result, findings.choice.front) for name, result in results.items()},
        first_mesh=min(results, key=lambda name: comparison.variants[name].over_seeds["thesis_mesh"].mean),
        pictures=findings.pictures,
        graded=findings.graded,
        choice=findings.choice,
        layers={
            number: tables.layer_rows(rows, findings.layers.get(number, []))
            for number, rows in reference.layers.items()
        },
        machine=tables.machine_rows(reference, machine, findings.training),
        processor=machine["processor"],
        numbers=tables.number_rows(reference.numbers, results, comparison),
        error_curves={number: draw_errors(results, variants) for number, variants in CURVES.items()},
        gains=tables.gain_rows(reference.gains, comparison),
        gap_curves=draw_gaps(comparison),
        biases=tables.bias_rows(results),
        smoothness_curves=draw_smoothness(results),
        losses=tables.loss_rows(reference.numbers, comparison, findings.provenance.label),
        loss_rises=tables.rise_rows(results, comparison),
        correlation=comparison.rank_correlation,
        by_crop=score_rows(findings.by_crop),
        claims_by_crop=claim_rows(reference.claims, findings.by_crop),
        error_scatter=scatter_figure(per_image["thesis_68"], per_image["thesis_mesh"]),
        method_header=header,
        surveyed={name: findings.survey_texts[name] for name in findings.survey},
        methods=methods,
        cost_curves=draw_costs([{name: metrics for name, (metrics, _) in networks.items()}, found, bounds], costs),
        left_out=findings.left_out,
        poses=pose_rows(results, findings.foreign),
        pose_floors=pose_floors(results),
        expressions=expression_rows(results),
        closed_below=CLOSED_BELOW,
        **_occlusion_values(findings.occlusion),
    )


def _with_surface(results: Results) -> Metrics:
    """Metrics of a variant, and the interval of its surface's error."""
    row = results.described(COST_ERROR)
    return results.metrics if row is None else results.metrics | surface_ends(row)


def _occlusion_values(occlusion: Occlusion | None) -> dict[str, object]:
    """What the template has of covered faces."""
    if occlusion is None:
        return {"occlusion": None}
    return {
        "occlusion": occlusion,
        "share_header": share_header(occlusion),
        "share_rows": share_rows(occlusion),
        "share_figures": share_figures(occlusion),
    }


def mesh_error(result: Results, sample: str) -> object:
    """Error of a variant's mesh of a sample, by the network that is kept; nothing where it has none."""
    errors = result.per_image.set_index("sample_id")["thesis_mesh"]
    return float(errors[sample]) if sample in errors else ""


def draw_errors(results: Mapping[str, Results], variants: tuple[str, ...]) -> ErrorCurves:
    """Draw the cumulative errors over all seeds of those of a figure's variants that ran here, by the kind of error."""
    found = [results[name] for name in variants if name in results]
    images = {
        METRICS[error].text: error_figure({result.variant: result.per_seed[error] for result in found})
        for error in CURVE_ERRORS
        if found
    }
    return ErrorCurves([name for name in variants if name not in results], images)


def draw_costs(groups: Sequence[Mapping[str, Metrics]], costs: Mapping[str, Cost]) -> list[bytes]:
    """Draw the errors of variants and of the survey's methods against what they cost; nothing where that is unknown."""
    shown = [
        {name: (costs[name], each[COST_ERROR]) for name, each in group.items() if name in costs and COST_ERROR in each}
        for group in groups
    ]
    if not any(shown):
        return []
    return [
        cost_figure(
            [{name: (getattr(cost, unit), error) for name, (cost, error) in group.items()} for group in shown],
            label,
            f"{COST_ERROR} (%)",
        )
        for unit, label in COST_LABELS.items()
    ]


def draw_gaps(comparison: Comparison) -> bytes | None:
    """Draw the gaps along the curves of cumulative errors, by error; None where none of their variants ran."""
    gaps = {
        f"{variant} over {against}, {METRICS[metric].text}": gain.curve
        for (variant, against, metric), gain in comparison.gains.items()
    }
    return gap_figure(gaps) if gaps else None


def draw_smoothness(results: Mapping[str, Results]) -> bytes:
    """Figure 4.7: adjacent triangles by the cosine of their angle, of the truth and of the thesis's variants."""
    first = next(iter(results.values()))
    shares = {"truth": first.smoothness["truth"]} | {
        name: results[name].smoothness["prediction"] for name in SMOOTHNESS if name in results
    }
    return smoothness_figure(shares, first.smoothness["cosine"])
