"""Stage `report`: one page on the main variant that a person can judge it by, and its contact sheet."""

import dataclasses
from pathlib import Path

import click

from pipeline.photo.photo_files import encode_image
from pipeline.store.progress import show_progress
from pipeline.store.sentences import sentences
from stages.pages.contact_sheet import contact_sheet
from stages.pages.provenance import read_provenance
from stages.pages.report_page import report_page
from stages.pages.report_samples import choose_samples, draw_samples
from stages.project.beginning import begin_stage
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import CONTACT_SHEET, MAIN_PAGE, MAIN_RUN
from stages.project.result_params import ReportParams
from stages.project.results import read_results
from stages.project.variants import settings_of


@dataclasses.dataclass(frozen=True)
class Run:
    """The variant that is reported on: its name, the level of its crops, the width of its network."""

    variant: str
    level: str
    width: int


def report(root: Path, run: Run, data: DataParams, params: ReportParams) -> Path:
    """Write reports/main.html and reports/contact_sheet.png of the project at `root`; returns the page's path."""
    results = read_results(root, run.variant, main=True)
    chosen = choose_samples(results.per_image, params.samples)
    strips = list(show_progress(draw_samples(root, run.level, data, chosen), "report", "photo", len(chosen)))
    path = root / MAIN_PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / CONTACT_SHEET).write_bytes(encode_image(contact_sheet(strips), ".png"))
    provenance = read_provenance(root, data.root, data.size, run.width, results.passes)
    pictures = [(encode_image(strip, ".jpg"), text) for text, strip in strips]
    path.write_text(report_page(root, provenance, data, results, pictures), encoding="utf-8")
    return path


@click.command()
def main() -> None:
    """Write the report on the main variant."""
    with sentences():
        begin_stage("report", MAIN_PAGE, CONTACT_SHEET)
        settings, data = settings_of(MAIN_RUN), read("data", DataParams)
        run = Run(settings.variant, settings.train.level, settings.network.width)
        path = report(Path(), run, data, read("report", ReportParams))
    click.echo(f"report: {path}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
