"""Print what a run came to: a line of errors for each variant, and where the reports are. A command, not a stage."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from model.backend import check_backend
from pipeline.store.sentences import sentences
from stages.project.json_file import read_metrics
from stages.project.params_file import read_params
from stages.project.paths import (
    MAIN_PAGE,
    MAIN_RUN,
    RUNS,
    SETTINGS,
    SURVEY,
    THESIS_PAGE,
    scores_of,
)
from stages.project.variants import settings_of

REPORTS = (MAIN_PAGE, THESIS_PAGE)
HEADER = ("", "68-2D % (95 % interval)", "dense 3D %", "surface %", "smooth %", "photos")
SHOWN = ("nme68_2d", "nme68_2d_low", "nme68_2d_high", "dense_3d", "surface", "smooth_15deg")
COUNTS = ("images", "failed")
DAMAGED = "run the stage that makes it"


@click.command()
@click.option("--all", "whole", is_flag=True, help="Of the other variants and of the survey, too.")
def main(whole: bool) -> None:
    """Print a line of errors of the main run, and where the reports are."""
    with sentences():
        rows = [_row(name, read_metrics(path, COUNTS, (*SHOWN, *COUNTS), DAMAGED)) for name, path in _scored(whole)]
        if rows:
            widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
            for name, *cells in (HEADER, *rows):
                numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
                click.echo("  ".join((name.ljust(widths[0]), *numbers)))
            click.echo("Of the test photos in annotated boxes; what each column means is in docs/evaluation.md.")
    for path in REPORTS:
        if path.is_file():
            click.echo(f"report: {path.resolve()}")


def _scored(whole: bool) -> Iterator[tuple[str, Path]]:
    """Names of what was scored, and the files with their metrics."""
    name, own = MAIN_RUN, ""
    # Where nothing is stale no stage looks at the environment.
    if SETTINGS.is_dir():
        settings = settings_of(MAIN_RUN)
        check_backend(settings.train.backend)
        own = settings.variant
        name = f"{own} ({MAIN_RUN})"
    yield from _metrics_of(MAIN_RUN, name)
    if whole:
        for other in read_params()["variants"]:
            if other != own:
                yield from _metrics_of(other, other)
        for folder in sorted(SURVEY.glob("*")):
            yield from _metrics_of(run := folder.relative_to(RUNS).as_posix(), run)


def _metrics_of(run: str, name: str) -> Iterator[tuple[str, Path]]:
    path = scores_of(run) / "metrics.json"
    if path.is_file():
        yield name, path


def _row(name: str, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """One line; what a run is not scored by is a dash, as are maps that a volume has not."""

    def number(key: str, places: int = 2) -> str:
        return f"{metrics[key]:.{places}f}" if key in metrics else "-"

    error = number("nme68_2d")
    if "nme68_2d_low" in metrics:
        error += f" ({number('nme68_2d_low')} to {number('nme68_2d_high')})"
    photos = f"{metrics['images']:.0f}"
    if metrics["failed"]:
        photos += f" ({metrics['failed']:.0f} failed)"
    return name, error, number("dense_3d"), number("surface"), number("smooth_15deg", 1), photos


if __name__ == "__main__":
    main()
