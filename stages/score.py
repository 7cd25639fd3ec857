"""Score another method's predictions by the protocols that ours are scored by. A command, not a stage.

``python -m stages.score --predictions DIR --truth DIR --out metrics/foreign/NAME.json``; the page of the thesis shows
what lies in metrics/foreign/ as rows beside ours.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd

from model.scores.summary import describe, summarise
from pipeline.store.files import naming
from stages.photo.options import FILE
from stages.project.foreign import FACE_MODEL, read_mesh, read_vertices_of, score_folder
from stages.project.frames import OFFSETS
from stages.project.json_file import write_json
from stages.project.params_file import read
from stages.project.published import read_benchmark
from stages.project.result_params import EvaluateParams
from stages.project.results import write_csv
from stages.project.sentences import sentences
from stages.project.strict import check


@click.command()
@click.option("--predictions", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--truth", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--indices", type=FILE, help="For meshes of other vertices: a line for each of ours, its number there.")
def main(predictions: Path, truth: Path, out: Path, indices: Path | None) -> None:
    """Score landmarks or meshes in the folder PREDICTIONS against the annotations in TRUTH.

    Writes the metrics to OUT (.json), and beside it the errors of each image, the table of protocols and what failed.
    """
    with sentences():
        check(out.suffix == ".json", f"--out is {out}; expected a name that ends in .json.")
        # What an earlier run left would stand beside ours if this one fails.
        tables = {name: out.with_name(f"{out.stem}_{name}.csv") for name in ("per_image", "protocols", "failed")}
        with naming(out):
            for path in (out, *tables.values()):
                path.unlink(missing_ok=True)
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
        with naming(out):
            write_json(out, metrics)
            for path, table in zip(tables.values(), (scores, described, failed), strict=True):
                write_csv(table, path, "%.4f")
    for row in _reasons(failed):
        click.echo(row)
    for hint in hints:
        click.echo(f"hint: {hint}")
    click.echo(
        f"score: {metrics['images']} images, {metrics['failed']} failed; 68 landmarks in 2D {metrics['nme68_2d']} %, "
        f"mean offset x {offsets[OFFSETS[0]]:+}, y {offsets[OFFSETS[1]]:+} px"
    )


def _reasons(failed: pd.DataFrame, shown: int = 5) -> Iterator[str]:
    """First sentences of what failed."""
    yield from (f"failed: {row.sample}: {row.reason}" for row in failed.head(shown).itertuples())
    if len(failed) > shown:
        yield f"failed: {len(failed) - shown} more, see the table beside the metrics."


if __name__ == "__main__":
    main()
