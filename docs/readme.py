"""Print the two tables of numbers of the README, from the metrics that are kept: ``python -m docs.readme``."""

import json
from collections.abc import Mapping
from pathlib import Path

import click
from dvc.compare import show_diff
from dvc.utils.diff import diff

RESULTS = Path(__file__).parent / "results"
# What is shown of each: what made it, its command, and its metrics.
ROWS = (
    ("embedded set, procedural faces", "`make repro`", "demo/evaluation.json"),
    ("real faces, `best` at 128 px, on a GPU", "`make real-gpu`", "noted/real_gpu.json"),
    ("real faces, `best` at 64 px, on two cores", "`make real`", "noted/real.json"),
    ("real faces, the thesis's `final` at 64 px", "`make real-thesis`", "real/runs/final/scores/metrics.json"),
    ("real faces, PRNet's kind (`prn`) at 64 px", "`make real-thesis`", "real/runs/prn/scores/metrics.json"),
    ("real faces, whole photos, nothing trained", "`make bench-faces`", "noted/photos.json"),
    (
        "real faces, whole photos, `best` at 256 px, on a GPU",
        "[a bundle](docs/photos_measured.md#landmarks)",
        "noted/photos_network.json",
    ),
)
HEADER = ("on", "command", "photos", "68 landmarks, xy (95 % interval)", "dense mesh, xyz")
EVALUATION = "metrics/evaluation.json"


@click.command()
def main() -> None:
    """Print both."""
    click.echo(results_table())
    print_difference()


def read(name: str) -> dict[str, float]:
    """Metrics of a file below docs/results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def results_table() -> str:
    """Table of results in Markdown."""
    rows = [(shown, command, *_errors(read(name))) for shown, command, name in ROWS]
    header, *lines = (f"| {' | '.join(row)} |\n" for row in (HEADER, *rows))
    return f"{header}{'|---' * len(HEADER)}|\n{''.join(lines)}"


def _errors(metrics: Mapping[str, float]) -> tuple[str, str, str]:
    error, low, high = (f"{metrics[f'nme68_2d{end}']:.2f}" for end in ("", "_low", "_high"))
    dense = f"{metrics['dense_3d']:.2f}" if "dense_3d" in metrics else ""
    return f"{metrics['images']:.0f}", f"{error} ({low} to {high})", dense


def print_difference() -> None:
    """What `dvc metrics diff` prints of the experiment that the README shows, in DVC's own form."""
    found = diff(*({EVALUATION: {"data": read(f"demo/{name}.json")}} for name in ("evaluation", "lower_rate")))
    show_diff(found, title="Metric", markdown=True, round_digits=True, precision=5)


if __name__ == "__main__":
    main()
