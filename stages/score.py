"""Score another method's predictions by the protocols that ours are scored by. A command, not a stage.

``python -m stages.score --predictions DIR --truth DIR --out metrics/foreign/NAME.json``; the page of the thesis shows
what lies in metrics/foreign/ as rows beside ours. ``--scan DIR --protocol NAME`` in place of ``--truth DIR`` measures
meshes on scans, for metrics/scans/.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd

from model.scores.summary import describe, summarise
from pipeline.commands.options import FILE
from pipeline.store.checks import check
from pipeline.store.files import naming
from pipeline.store.sentences import sentences
from stages.project.foreign import FACE_MODEL, read_mesh, read_vertices_of, score_folder
from stages.project.frames import OFFSETS
from stages.project.json_file import write_json
from stages.project.params_file import read
from stages.project.paths import FOREIGN
from stages.project.published import read_benchmark
from stages.project.result_params import EvaluateParams
from stages.project.results import write_csv
from stages.project.scan_benchmarks import BENCHMARKS
from stages.project.scan_units import UNITS
from stages.project.scans import score_scans

DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
# Metrics, and the tables of images, of protocols and of what failed.
Score = tuple[Mapping[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame]


@click.command()
@click.option("--predictions", type=DIRECTORY, required=True)
@click.option("--truth", type=DIRECTORY, help="Annotations of photos.")
@click.option("--scan", type=DIRECTORY, help="Scans instead, with --protocol, see docs/evaluation.md.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--indices", type=FILE, help="For meshes of other vertices: a line for each of ours, its number there.")
@click.option("--protocol", type=click.Choice(sorted(BENCHMARKS)), help="What meshes are compared with scans by.")
@click.option("--template", type=FILE, help="What the protocol needs to know of the predictions' mesh.")
@click.option("--unit", type=click.Choice(list(UNITS)), default="mm", show_default=True, help="Of the scans.")
def main(
    predictions: Path,
    truth: Path | None,
    scan: Path | None,
    out: Path,
    indices: Path | None,
    protocol: str | None,
    template: Path | None,
    unit: str,
) -> None:
    """Score landmarks or meshes in the folder PREDICTIONS against annotations, or meshes against scans.

    Writes the metrics to OUT (.json), and beside it the errors of each image, the table of protocols and what failed.
    """
    with sentences():
        check(out.suffix == ".json", f"--out is {out}; expected a name that ends in .json.")
        check((truth is None) != (scan is None), "Give either --truth, annotations of photos, or --scan, scans.")
        check((scan is None) == (protocol is None), "--scan and --protocol belong together: give both or neither.")
        check(
            scan is None or out.resolve().parent != FOREIGN.resolve(),
            f"{FOREIGN} is for scores in percent against annotations: give --out metrics/scans/{out.name}.",
        )
        check(scan is None or indices is None, "--indices is for --truth: meshes on scans are measured as they are.")
        # What an earlier run left would stand beside ours if this one fails.
        with naming(out):
            for path in (out, *_tables_of(out)):
                path.unlink(missing_ok=True)
        if truth is not None:
            score, lines = _score_annotations(predictions, truth, indices)
        elif scan is not None and protocol is not None:
            score, lines = _score_scans(predictions, scan, protocol, template, unit)
        metrics, *tables = score
        with naming(out):
            write_json(out, metrics)
            for path, table in zip(_tables_of(out), tables, strict=True):
                write_csv(table, path, "%.4f")
    for line in (*_reasons(tables[-1]), *lines):
        click.echo(line)


def _tables_of(out: Path) -> list[Path]:
    return [out.with_name(f"{out.stem}_{name}.csv") for name in ("per_image", "protocols", "failed")]


def _score_annotations(predictions: Path, truth: Path, indices: Path | None) -> tuple[Score, list[str]]:
    params, mesh = read("evaluate", EvaluateParams), read_mesh()
    vertices_of = None
    if indices is not None:
        if mesh is None:
            raise ValueError(f"--indices needs {FACE_MODEL}.")
        vertices_of = read_vertices_of(indices, mesh)
    benchmark = read_benchmark(Path(params.benchmark))
    scores, failed, hints = score_folder(predictions, truth, mesh, benchmark, vertices_of)
    offsets = {name: round(float(scores[name].mean()), 3) for name in OFFSETS}
    described = describe(scores, params.share_under, params.bootstrap, params.seed)
    metrics = summarise(scores, described, len(failed)) | offsets
    line = (
        f"score: {metrics['images']} images, {metrics['failed']} failed; 68 landmarks in 2D {metrics['nme68_2d']} %, "
        f"mean offset x {offsets[OFFSETS[0]]:+}, y {offsets[OFFSETS[1]]:+} px"
    )
    return (metrics, scores, described, failed), [*(f"hint: {hint}" for hint in hints), line]


def _score_scans(
    predictions: Path, scan: Path, protocol: str, template: Path | None, unit: str
) -> tuple[Score, list[str]]:
    scores, described, failed, numbers = score_scans(protocol, scan, predictions, template, unit)
    metrics = {"protocol": protocol, "images": len(scores), "failed": len(failed)} | numbers
    text = ", ".join(f"{name.removesuffix('_mm')} {value} mm" for name, value in numbers.items())
    return (metrics, scores, described, failed), [
        f"score: {len(scores)} faces, {len(failed)} failed; {protocol}: {text}"
    ]


def _reasons(failed: pd.DataFrame, shown: int = 5) -> Iterator[str]:
    """First sentences of what failed."""
    yield from (f"failed: {row.sample}: {row.reason}" for row in failed.head(shown).itertuples())
    if len(failed) > shown:
        yield f"failed: {len(failed) - shown} more, see the table beside the metrics."


if __name__ == "__main__":
    main()
