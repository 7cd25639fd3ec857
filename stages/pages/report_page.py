"""reports/main.html: what a person can judge the main variant by."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from model.scores.protocols import PROTOCOLS
from model.scores.summary import BINS, CED_COLUMNS
from pipeline.store.checks import check
from pipeline.store.tables import read_table
from stages.pages.contact_sheet import TILE_NAMES
from stages.pages.face_scores import face_rows
from stages.pages.page import interval_text, render
from stages.pages.plots import curves_figure, error_figure, smoothness_figure
from stages.pages.provenance import Provenance
from stages.project.counts import subset_folders
from stages.project.json_file import is_number, read_json
from stages.project.params import DataParams
from stages.project.paths import DATA_COUNTS, DATA_METRICS, SUBSET_STAGES, UV_PICTURE
from stages.project.results import Results
from stages.project.shard_stage import REJECTED

REASONS_SHOWN = 12
YAW_ERRORS = ("nme68_2d", "nme68_2d_reannotated", "thesis_mesh")
YAW_TEXTS = {
    "yaw_00_30": "up to 30",
    "yaw_30_60": "over 30, up to 60",
    "yaw_60_90": "over 60",
    BINS: "mean of the three",
}


def report_page(
    root: Path, provenance: Provenance, data: DataParams, results: Results, samples: Sequence[tuple[bytes, str]]
) -> str:
    """Make the page.

    Parameters
    ----------
    root : Path
        The project's root, for what `data_report` wrote, the reject lists and the picture of the UV embedding.
    provenance : Provenance
    data : DataParams
    results : Results
        Of the main variant.
    samples : sequence of (bytes, str)
        Pictures of test samples, each with its caption.

    Returns
    -------
    str
        HTML.
    """
    smoothness, history = results.smoothness, results.history
    losses = {name: (history["passes"], history[name]) for name in history.columns if name.endswith("loss")}
    return render(
        "report.html",
        variant=results.variant,
        provenance=provenance,
        images=results.metrics["images"],
        failed=results.metrics["failed"],
        annotated=int((results.per_image["truth"] == "pt3d_68").sum()),
        share_under=f"{results.protocols['share_under'].max():g}",
        protocols=protocol_rows(results),
        sources=source_rows(results),
        definitions=[(name, *text) for name, text in PROTOCOLS.items() if results.described(name)],
        mean_map=results.mean("mean_map_68_2d"),
        mean_map_ratio=results.metrics["mean_map_ratio"],
        yaw_bins=yaw_rows(results),
        face_scores=face_rows(results),
        failures=results.failed[["sample", "stage", "reason"]].to_numpy().tolist(),
        tile_names=TILE_NAMES,
        samples=samples,
        error_curves=error_figure({name: results.per_image[name] for name in CED_COLUMNS}),
        smooth_prediction=results.mean("smooth_prediction"),
        smooth_truth=results.mean("smooth_truth"),
        smoothness_curves=smoothness_figure(
            {name: smoothness[name] for name in ("truth", "prediction")}, smoothness["cosine"]
        ),
        loss_curves=curves_figure(losses, "passes of a sample", "loss", log=True),
        subsets=number_rows(root / DATA_COUNTS, "subsets", ("in", "out", "rejected")),
        outside=number_rows(root / DATA_METRICS, "outside", ("x", "y", "z")),
        reasons=count_reasons(reject_lists(root, data)).most_common(REASONS_SHOWN),
        uv_embedding=(root / UV_PICTURE).read_bytes(),
    )


def protocol_rows(results: Results) -> list[tuple]:
    """One row a protocol: mean with its interval, median, 90th percentile, share of the images under an error."""
    found = [(name, results.described(name)) for name in PROTOCOLS]
    return [
        (name, row["mean"], interval_text(row["low"], row["high"]), row["median"], row["p90"], row["share"])
        for name, row in found
        if row
    ]


def source_rows(results: Results) -> list[tuple]:
    """One row for the run's maps, for the fitted ones and for each source of crops, with the origin of its crops."""
    table = results.sources.copy()
    table.insert(6, "interval", list(map(interval_text, table["nme68_2d_low"], table["nme68_2d_high"])))
    return [tuple(row) for row in table.drop(columns=["nme68_2d_low", "nme68_2d_high"]).to_numpy().tolist()]


def yaw_rows(results: Results) -> list[tuple]:
    """Errors of each yaw bin that holds an image, and the mean of the bins, which protocol 3ddfa gives."""
    rows: list[tuple] = []
    for error in YAW_ERRORS:
        for group, text in YAW_TEXTS.items():
            row = results.described(error, group)
            if row:
                median = "" if group == BINS else row["median"]
                interval = interval_text(row["low"], row["high"])
                rows.append((error, text, int(row["images"]), row["mean"], interval, median))
    return rows


def number_rows(path: Path, part: str, columns: Sequence[str]) -> list[tuple]:
    """Rows of a part of a file of metrics: a name, and its numbers of some columns.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it lacks one of the numbers.
    """
    rows = read_json(path, [part])[part]
    whole = isinstance(rows, dict) and all(
        isinstance(row, dict) and all(is_number(row.get(name)) for name in columns) for row in rows.values()
    )
    check(whole, f"{path} has no numbers {', '.join(columns)} in a row of {part}: run the stage that makes it.")
    return [(name, *(row[column] for column in columns)) for name, row in rows.items()]


def reject_lists(root: Path, data: DataParams) -> list[Path]:
    """Reject lists of the stages that every subset passes."""
    folders = (folder for stage in SUBSET_STAGES for _, folder in subset_folders(root, data, stage))
    return [folder / REJECTED for folder in folders]


def count_reasons(paths: Sequence[Path]) -> Counter[str]:
    """Count the reasons of reject lists without the names and numbers in them, so that equal reasons add up."""
    return Counter(
        re.sub(r"\S*\d\S*(?<![.,;:])", "…", row["reason"]) for path in paths for row in read_table(path, ["reason"])
    )
