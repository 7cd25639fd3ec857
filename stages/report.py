"""Stage `report`: one page on the main variant that a person can judge it by, and its contact sheet."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from model.scores.protocols import PROTOCOLS
from model.scores.summary import BINS
from pipeline.photo.photo_files import encode_image
from pipeline.raw.photos import read_photo
from pipeline.store.tables import read_table
from pipeline.uv.surface import load_surface
from stages.pages import contact_sheet as samples
from stages.pages import html as parts
from stages.project import samples as truth
from stages.project.params import DataParams, check, read, sentences
from stages.project.results import Results, count_parts, read_results
from stages.project.variants import MAIN_RUN, read_variant

REASONS_SHOWN = 12
YAW_ERRORS = ("nme68_2d", "nme68_2d_reannotated", "thesis_mesh")
YAW_TEXTS = {
    "yaw_00_30": "up to 30",
    "yaw_30_60": "over 30, up to 60",
    "yaw_60_90": "over 60",
    BINS: "mean of the three",
}


@dataclasses.dataclass(frozen=True)
class ReportParams:
    """Section `report`: how many test samples are drawn."""

    samples: int

    def __post_init__(self) -> None:
        check(self.samples >= 1, f"report.samples is {self.samples}; expected 1 or more.")


@dataclasses.dataclass(frozen=True)
class Run:
    """The variant that is reported on: its name, the level of its crops, the width of its network."""

    variant: str
    level: str
    width: int


def report(root: Path, run: Run, data: DataParams, sheet: ReportParams) -> Path:
    """Write reports/main.html and reports/contact_sheet.png of the project at `root`; returns the page's path."""
    results = read_results(root, run.variant, main=True)
    strips = list(draw_samples(root, run, data, results, sheet.samples))
    folder = root / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contact_sheet.png").write_bytes(encode_image(samples.contact_sheet(strips), ".png"))
    sections = [
        parts.provenance(data.root, data.size, run.width, count_parts(root), len(results.history)),
        *error_section(results),
        parts.heading("Test samples"),
        parts.paragraph(
            f"From left to right: {', '.join(samples.TILE_NAMES)}. Green points are true, red ones predicted; the "
            "thick side of the outline is the crop's upper side. Maps show x, y, z as red, green, blue; they are dark "
            "beyond the face, which no number counts."
        ),
        *(parts.picture(encode_image(strip, ".jpg"), text) for text, strip in strips),
        *curve_section(results),
        *data_section(root, data),
    ]
    path = folder / "main.html"
    path.write_text(parts.page(f"Face reconstruction: variant {run.variant}", sections), encoding="utf-8")
    return path


def draw_samples(
    root: Path, run: Run, data: DataParams, results: Results, count: int
) -> Iterator[tuple[str, samples.Image]]:
    """Draw the chosen test samples, each as (caption, strip), in the order of their choice."""
    surface = load_surface(root / "data/face_model/model.h5", root / "data/uv_embedding/uv.h5")
    chosen = samples.choose_samples(results.per_image, count)
    ids = list(chosen["sample_id"])
    photos = {row["sample_id"]: row["photo"] for row in truth.read_accepted(root, ids)}
    truths = {sample.sample_id: sample for sample in truth.read_truths(root, truth.locate(root, run.level, ids))}
    with truth.Predictions(root / "runs" / MAIN_RUN / "predictions.h5") as predictions:
        for row in chosen.to_dict("records"):
            name = row["sample_id"]
            photo = read_photo(root / data.folder(truth.subset_of(name)) / photos[name])
            strip = samples.draw_strip(photo, truths[name], *predictions.read(name), surface)
            text = (
                f"{row['why']}: {name}, yaw {row['yaw_deg']:.1f} degrees, 68 landmarks in 2D {row['nme68_2d']:.3f} %, "
                f"mesh {row['thesis_mesh']:.3f} %"
            )
            yield text, strip


def error_section(results: Results) -> list[str]:
    """Errors by protocol with their intervals, by yaw, beside the mean map's; and what could not be scored."""
    metrics = results.metrics
    annotated = int((results.per_image["truth"] == "pt3d_68").sum())
    limit = results.protocols["share_under"].max()
    header = ("error", "mean (%)", "95 % interval", "median", "90th percentile", f"images up to {limit:g} %")
    definitions = ("error", "protocol", "points", "dimensions", "divided by", "z")
    failed = results.failed[["sample", "stage", "reason"]].to_numpy().tolist()
    return [
        parts.heading("Errors on the test part"),
        parts.paragraph(
            f"{metrics['images']} test images scored, {metrics['failed']} failed (listed below). In pixels of the raw "
            f"photo. The true 68 landmarks are pt3d_68 for {annotated} of them and the face model's own for the "
            "others. The interval is a bootstrap over images; the test part chose no checkpoint."
        ),
        parts.table(header, protocol_rows(results)),
        parts.table(definitions, [(name, *text) for name, text in PROTOCOLS.items() if results.described(name)]),
        parts.paragraph(
            "Predicting the mean position map of the training part, without looking at the photo, has "
            f"{results.mean('mean_map_68_2d'):.3f} % for the 68 landmarks in 2D; this variant has "
            f"{metrics['mean_map_ratio']:.3f} of that."
        ),
        parts.heading("By yaw"),
        parts.table(("error", "|yaw| (degrees)", "images", "mean (%)", "95 % interval", "median"), yaw_rows(results)),
        parts.heading("Failed"),
        parts.table(("sample", "rejected by", "reason"), failed)
        if failed
        else parts.paragraph("Every test sample was scored."),
    ]


def protocol_rows(results: Results) -> list[tuple]:
    """One row a protocol: mean with its interval, median, 90th percentile, share of the images under an error."""
    found = [(name, results.described(name)) for name in PROTOCOLS]
    return [
        (name, row["mean"], parts.interval_text(row["low"], row["high"]), row["median"], row["p90"], row["share"])
        for name, row in found
        if row
    ]


def yaw_rows(results: Results) -> list[tuple]:
    """Errors of each yaw bin that holds an image, and the mean of the bins, which protocol 3ddfa gives."""
    rows: list[tuple] = []
    for error in YAW_ERRORS:
        for group, text in YAW_TEXTS.items():
            row = results.described(error, group)
            if row:
                median = "" if group == BINS else row["median"]
                interval = parts.interval_text(row["low"], row["high"])
                rows.append((error, text, int(row["images"]), row["mean"], interval, median))
    return rows


def curve_section(results: Results) -> list[str]:
    """Cumulative errors, smoothness and training history as figures."""
    ced, smoothness, history = results.ced, results.smoothness, results.history
    smooth = {name: results.mean(f"smooth_{name}") for name in ("prediction", "truth")}
    errors = {name: ced[name] for name in ced.columns if name != "error"}
    losses = {name: (history["epoch"], history[name]) for name in history.columns if name.endswith("loss")}
    shares = {name: smoothness[name] for name in ("truth", "prediction")}
    return [
        parts.heading("Cumulative errors"),
        parts.picture(parts.error_figure(errors, ced["error"]), "Cumulative error distribution over the test images"),
        parts.heading("Smoothness of the mesh"),
        parts.paragraph(
            f"Adjacent triangles at an angle under 15 degrees: {smooth['prediction']:.3f} % in the "
            f"predicted meshes, {smooth['truth']:.3f} % in the true ones, both read from their maps."
        ),
        parts.picture(
            parts.smoothness_figure(shares, smoothness["cosine"]), "Adjacent triangles by the cosine of their angle"
        ),
        parts.heading("Training"),
        parts.picture(parts.curves_figure(losses, "epoch", "loss", log=True), "Loss of each epoch"),
    ]


def data_section(root: Path, data: DataParams) -> list[str]:
    """Where the samples come from, why some were rejected, and the UV embedding."""
    metrics = json.loads((root / "metrics/data.json").read_text(encoding="utf-8"))
    rows = [(name, counts["in"], counts["out"], counts["rejected"]) for name, counts in metrics["subsets"].items()]
    reasons = Counter(reason for path in reject_lists(root, data) for reason in _reasons(path))
    outside = [(name, *shares.values()) for name, shares in metrics["outside"].items()]
    rejects = (
        parts.table(("reason", "samples"), reasons.most_common(REASONS_SHOWN))
        if reasons
        else parts.paragraph("No pair was rejected.")
    )
    return [
        parts.heading("Data"),
        parts.table(("subset", "pairs in", "samples out", "rejected"), rows),
        parts.paragraph("Texels of the face whose label is out of the range of each scaling, which no output reaches:"),
        parts.table(("scaling", "x (%)", "y (%)", "z (%)"), outside),
        parts.heading("Rejected"),
        rejects,
        parts.heading("UV embedding"),
        parts.picture((root / "reports/uv_embedding.png").read_bytes(), "UV embedding of the mean face, and its masks"),
    ]


def reject_lists(root: Path, data: DataParams) -> list[Path]:
    """Reject lists of the stages that every subset passes."""
    by_subset = [root / "data" / stage / subset for subset in data.subsets for stage in ("index", "meshes")]
    by_level = [
        root / "data" / stage / f"{subset}-{level}"
        for subset in data.subsets
        for level in data.levels
        for stage in ("aligned", "position_maps")
    ]
    return [folder / "rejected.csv" for folder in (*by_subset, *by_level)]


def _reasons(path: Path) -> list[str]:
    """Reasons of one reject list without the names and numbers in them, so that equal reasons add up."""
    return [re.sub(r"\S*\d\S*(?<![.,;:])", "…", row["reason"]) for row in read_table(path)]


@click.command()
def main() -> None:
    """Write the report on the main variant."""
    with sentences():
        settings, data = read_variant(None), read("data", DataParams)
        run = Run(settings.variant, settings.train.level, settings.network.width)
        path = report(Path(), run, data, read("report", ReportParams))
    click.echo(f"report: {path}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
