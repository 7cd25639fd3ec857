"""Sections of reports/index.html: the thesis's chapters 2 to 4 in their order, each number and figure beside ours."""

import dataclasses

from model.layer_table import Row
from model.scores import statistics
from model.scores.protocols import PROTOCOLS
from stages.pages import html as parts
from stages.pages.machine import describe_machine
from stages.project.results import Results

# Metric of thesis_reference.yaml: the error and the statistic of runs/<variant>/protocols.csv.
COLUMNS = {
    "thesis_68": ("thesis_68", "mean"),
    "thesis_68_p90": ("thesis_68", "p90"),
    "thesis_mesh": ("thesis_mesh", "mean"),
    "smooth_15deg": ("smooth_prediction", "mean"),
}
METRIC_TEXTS = {
    "thesis_68": "68 landmarks",
    "thesis_68_p90": "68 landmarks, 90 % of the images up to",
    "thesis_mesh": "mesh",
    "smooth_15deg": "adjacent triangles under 15 degrees",
}
# The variants whose cumulative errors a figure draws, and whose smoothness Figure 4.7 does.
CURVES = {
    "4.1": ("prn", "prn_plain", "prn_author"),
    "4.2": ("prn", "prn_sigmoid"),
    "4.3": ("3ddfa", "prn", "frozen", "joint"),
    "4.8": ("final", "prn", "3ddfa"),
}
CURVE_ERRORS = ("thesis_68", "thesis_mesh")
# PRN + ResNet of sections 4.5 and 4.6 is both parts trained at once.
SMOOTHNESS = ("prn", "joint", "final")
TABLE_4_1 = {
    "PRN": ("prn_l1", "prn_l1_k", "prn_l1_s", "prn_l1_k_s", "prn"),
    "PRN + ResNet": ("final_l1", "final_l1_k", "final_l1_s", "final_l1_k_s", "final"),
}
LOSSES = ("L1", "L1 + LK", "L1 + LS", "L1 + LK + LS", "L1 * MASK")
PICTURES = {
    "2.1": "crop, true mesh over it, true mesh, and its position map (x, y, z as red, green, blue)",
    "3.1": "test photos with the annotated mesh over them, and alone",
    "3.3": "box of the face and its 68 points, and the crop that has the face in its centre",
    "3.4": "a face before and after levelling, with the eyes, the nose bridge and the fitted line",
    "3.5": "the network, with the sizes that it has here",
    "3.6": "the 68 landmarks, numbered from 0",
    "4.4": "true mesh, read from its position map",
    "4.5": "mesh of prn for the same sample",
    "4.6": "mesh of final for the same sample",
    "4.9": "photo, predicted mesh over it, and alone, from the least to the largest yaw",
}
CONCLUSIONS = {"better": "holds", "worse": "does not hold"}


@dataclasses.dataclass(frozen=True)
class Content:
    """Everything on the page.

    Attributes
    ----------
    label : str
        Data and scale of our numbers in a few words, for the head of each column that has them.
    results : dict of str to Results
        By variant, the main one first.
    metrics : dict
        As in metrics/thesis.json.
    reference : dict
        As in thesis_reference.yaml.
    layers : dict of str to list of Row
        Our Tables 3.1 to 3.3.
    pictures : dict of str to bytes
        PNG or JPEG by the number of the thesis's figure.
    foreign : dict of str to dict
        Metrics of other methods by their names.
    training : dict of str to float
        Our hyperparameters of section 4.2.
    """

    label: str
    results: dict[str, Results]
    metrics: dict
    reference: dict
    layers: dict[str, list[Row]]
    pictures: dict[str, bytes]
    foreign: dict[str, dict]
    training: dict[str, float]

    def row(self, variant: str, metric: str) -> dict[str, float] | None:
        """Our row of protocols.csv for a variant and a metric; None where the variant did not run."""
        found = self.results.get(variant)
        return None if found is None else found.described(COLUMNS[metric][0])


def sections(content: Content) -> list[str]:
    """Parts of the page in the order of the thesis, after what it all comes to."""
    return [
        *conclusion_section(content),
        *contradiction_section(content),
        *viewer_section(content),
        parts.heading("Chapters 2 and 3"),
        *picture_parts(content, "2.1", "3.1"),
        *layer_section(content),
        *picture_parts(content, "3.3", "3.4", "3.5", "3.6"),
        *machine_section(content),
        *number_section(content),
        parts.heading("4.3 Data augmentation"),
        *curve_parts(content, "4.1"),
        parts.heading("4.4 Normalisation"),
        *curve_parts(content, "4.2"),
        *bias_parts(content),
        parts.heading("4.5 Training in steps"),
        *curve_parts(content, "4.3"),
        parts.heading("4.6 The refinement and the smoothness of the mesh"),
        *picture_parts(content, "4.4", "4.5", "4.6"),
        *smoothness_parts(content),
        parts.heading("4.7 The loss"),
        *loss_parts(content),
        parts.heading("4.8 Levelling"),
        *correlation_parts(content),
        parts.heading("4.9 Conclusion"),
        *curve_parts(content, "4.8"),
        *picture_parts(content, "4.9"),
        *method_section(content),
    ]


def conclusion_section(content: Content) -> list[str]:
    """What the thesis concludes, and whether it holds here."""
    rows = []
    for claim in content.reference["claims"]:
        values = content.metrics["claims"].get(claim["name"])
        variants = f"{claim['variant']} against {claim['against']}"
        told = (claim["section"], variants, METRIC_TEXTS[claim["metric"]], claim_text(claim))
        if values is None:
            rows.append((*told, "not run here", "", "", "", ""))
            continue
        verdict = statistics.verdict(statistics.Interval(values["difference"], values["low"], values["high"]))
        between = parts.interval_text(values["low"], values["high"])
        numbers = (values["difference"], between, values["lower_by"], verdict, conclude(claim["expected"], verdict))
        rows.append((*told, *numbers))
    header = (
        "section",
        "variants",
        "metric",
        "thesis",
        f"difference (%), {content.label}",
        "95 % interval",
        "lower by (%)",
        "by this test set",
        "so the thesis's conclusion",
    )
    return [
        parts.heading("The thesis's conclusions"),
        parts.paragraph(
            "Paired bootstrap over the same test images; a negative difference is less error. For adjacent triangles "
            "the error is the share at 15 degrees or more. The intervals cover the choice of test images, not that "
            "of the training seed."
        ),
        parts.table(header, rows),
    ]


def claim_text(claim: dict) -> str:
    """What the thesis says of a claim, with the percentages that it gives and that follow from its means."""
    words = [claim["expected"]]
    if "lower_by" in claim:
        words.append(f"by {claim['lower_by']:g} %")
    if "follows" in claim:
        words.append(f"({claim['follows']:g} % from its means)")
    return " ".join([*words, claim.get("note", "")]).strip()


def conclude(expected: str, verdict: str) -> str:
    """Say whether a conclusion of the thesis holds, from what this test set says of the two variants."""
    if verdict not in CONCLUSIONS:
        return "is not contradicted" if expected == "equal" else "cannot be told"
    return "holds" if verdict == expected else "does not hold"


def contradiction_section(content: Content) -> list[str]:
    """Where the thesis contradicts itself."""
    sentences = content.reference["contradictions"]
    return [parts.heading("Where the thesis contradicts itself"), *(parts.paragraph(text) for text in sentences)]


def viewer_section(content: Content) -> list[str]:
    """One mesh of each variant, to be turned with the mouse."""
    names = ["truth", *content.results]
    return [
        parts.heading("Meshes to turn"),
        parts.paragraph("One test sample: the true mesh, and each variant's. Drag to turn, use the wheel to zoom."),
        parts.frame({name: f"meshes/{name}.html" for name in names}, next(iter(content.results))),
    ]


def picture_parts(content: Content, *numbers: str) -> list[str]:
    """Pictures by the numbers of the thesis's figures; one that could not be drawn says so."""
    return [
        parts.picture(content.pictures[number], f"Figure {number}, {content.label}: {PICTURES[number]}")
        if number in content.pictures
        else parts.paragraph(f"Figure {number} ({PICTURES[number]}): its variant did not run here.")
        for number in numbers
    ]


def layer_section(content: Content) -> list[str]:
    """Tables 3.1 to 3.3, layer by layer beside ours."""
    found = []
    for number, theirs in content.reference["layers"].items():
        ours = {row[0]: row[1:] for row in content.layers.get(number, [])}
        rows = [tuple(map(str, (name, *rest, *ours.get(name, ("none",) * 3)))) for name, *rest in theirs]
        header = ("layer", "kernel", "stride", "output", f"kernel, {content.label}", "stride", "output")
        found += [parts.paragraph(f"Table {number}", "caption"), parts.table(header, rows)]
    return found


def machine_section(content: Content) -> list[str]:
    """Sections 4.1 and 4.2: the machine and the hyperparameters."""
    ours, theirs = describe_machine(), content.reference["machine"]
    rows: list[tuple] = [(name, theirs[name], ours[name]) for name in theirs]
    names = content.reference["training"]
    rows += [(name, f"{names[name]:g}", f"{content.training[name]:g}") for name in names]
    return [
        parts.heading("4.1 and 4.2 Machine and hyperparameters"),
        parts.table(("", "thesis", "this page was made on, with"), rows),
    ]


def number_section(content: Content) -> list[str]:
    """Every number of sections 4.3 to 4.9 beside ours."""
    rows = []
    for number in content.reference["numbers"]:
        row, metric = content.row(number["variant"], number["metric"]), number["metric"]
        told = f"{number['value']:g}" + (f" ({number['note']})" if "note" in number else "")
        ours: tuple = ("not run here", "")
        if row is not None:
            statistic = COLUMNS[metric][1]
            between = parts.interval_text(row["low"], row["high"]) if statistic == "mean" else ""
            ours = (row[statistic], between)
        rows.append((number["section"], number["variant"], METRIC_TEXTS[metric], told, *ours))
    header = ("section", "variant", "metric", "thesis (%)", f"ours (%), {content.label}", "95 % interval")
    return [parts.heading("Numbers of sections 4.3 to 4.9"), parts.table(header, rows)]


def curve_parts(content: Content, figure: str) -> list[str]:
    """Cumulative errors as one of the thesis's figures has them, of those of its variants that ran here."""
    found = [content.results[name] for name in CURVES[figure] if name in content.results]
    absent = [name for name in CURVES[figure] if name not in content.results]
    note = [parts.paragraph(f"Figure {figure} here lacks {', '.join(absent)}: not run.")] if absent else []
    return note + [
        parts.picture(
            parts.error_figure({result.variant: result.ced[error] for result in found}, found[0].ced["error"]),
            f"Figure {figure}, {content.label}: cumulative error of the test part, {METRIC_TEXTS[error]}",
        )
        for error in CURVE_ERRORS
        if found
    ]


def bias_parts(content: Content) -> list[str]:
    """Section 4.4's errors that "accumulate in one direction": the signed error of each axis."""
    rows: list[tuple] = []
    for variant in CURVES["4.2"]:
        if variant in content.results:
            for axis, way in (("x", "right"), ("y", "down"), ("z", "to the viewer")):
                row = content.results[variant].described(f"bias_{axis}")
                if row:
                    rows.append((variant, f"{axis} ({way})", row["mean"], parts.interval_text(row["low"], row["high"])))
    header = ("variant", "axis", f"mean signed error (% of the map's side), {content.label}", "95 % interval")
    return [parts.table(header, rows)] if rows else []


def smoothness_parts(content: Content) -> list[str]:
    """Figure 4.7: adjacent triangles by the cosine of their angle, of the truth and of the thesis's variants."""
    first = next(iter(content.results.values()))
    shares = {"truth": first.smoothness["truth"]} | {
        name: content.results[name].smoothness["prediction"] for name in SMOOTHNESS if name in content.results
    }
    caption = f"Figure 4.7, {content.label}: adjacent triangles by the cosine of their angle"
    return [parts.picture(parts.smoothness_figure(shares, first.smoothness["cosine"]), caption)]


def loss_parts(content: Content) -> list[str]:
    """Table 4.1, and how abruptly the loss rose in the runs behind it."""
    theirs = {row["variant"]: row["value"] for row in content.reference["numbers"] if row["section"] == "4.7"}
    rows: list[tuple] = []
    for name, variants in TABLE_4_1.items():
        rows.append((f"{name}, thesis", *(f"{theirs[variant]:.3f}" for variant in variants)))
        rows.append((f"{name}, {content.label}", *(_with_interval(content, variant) for variant in variants)))
    jumps = [
        (
            name,
            result.seeds["seed"].nunique(),
            len(result.seeds),
            *(content.metrics[name][k] for k in ("jumps", "worst_rise")),
        )
        for name, result in content.results.items()
        if name in {variant for variants in TABLE_4_1.values() for variant in variants}
    ]
    header = ("variant", "seeds", "epochs", "rises over 10 %", f"worst rise (%), {content.label}")
    return [
        parts.paragraph("Table 4.1: mean error of the mesh (%), with the 95 % interval of ours", "caption"),
        parts.table(("", *LOSSES), rows),
        parts.paragraph(
            'Section 4.7 speaks of "abrupt changes" that geometric terms may lead to. How far the validation loss rose '
            "above its best so far, over all seeds:"
        ),
        parts.table(header, jumps),
    ]


def _with_interval(content: Content, variant: str) -> str:
    row = content.row(variant, "thesis_mesh")
    return "not run here" if row is None else f"{row['mean']:.3f} ({parts.interval_text(row['low'], row['high'])})"


def correlation_parts(content: Content) -> list[str]:
    """Section 4.8's remark: where the 68 landmarks are off, the mesh is."""
    first, rho = next(iter(content.results.values())), content.metrics["rank_correlation"]
    found = (
        f"Spearman's rank correlation of the two errors over the images of {first.variant}: {rho['rho']:.3f} "
        f"({parts.interval_text(rho['low'], rho['high'])}); {content.label}."
        if rho
        else "The errors have no ranks to compare."
    )
    figure = parts.scatter_figure(first.per_image["thesis_68"], first.per_image["thesis_mesh"])
    caption = f"Error of the mesh against the error of the 68 landmarks, an image a point, {content.label}"
    return [parts.paragraph(found), parts.picture(figure, caption)]


def method_section(content: Content) -> list[str]:
    """Every variant, and every other method that was scored, by each protocol."""
    rows: list[tuple] = []
    for name, result in content.results.items():
        rows.append(_method_row(name, result.metrics))
    rows += [_method_row(f"{name} (scored from its files)", metrics) for name, metrics in content.foreign.items()]
    # Without their underscores the names can be broken into lines, so that the table is no wider than the page.
    names = [name.replace("_", " ") for name in PROTOCOLS]
    header = ("method", "images", "failed", names[0], "95 % interval", "mean of bins", *names[1:])
    return [
        parts.paragraph(f"Every method by every protocol, in percent, {content.label}", "caption"),
        parts.table(header, rows),
    ]


def _method_row(name: str, metrics: dict) -> tuple:
    between = parts.interval_text(metrics["nme68_2d_low"], metrics["nme68_2d_high"])
    head = (name, metrics["images"], metrics["failed"], metrics["nme68_2d"], between, metrics.get("nme68_2d_bins", ""))
    return (*head, *(metrics.get(error, "") for error in list(PROTOCOLS)[1:]))
