"""Errors by the share of the face that something covers: tables and figures of reports/index.html."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from stages.pages.plots import COLOURS, SIZE, encode_figure, name_curves
from stages.project.occlusion import ANYTHING, NOTHING, read_shares
from stages.project.paths import MAIN_RUN, occlusion_of

# What figures and tables show.
SHOWN = {"nme68_2d": "68 landmarks, xy", "dense_3d": "dense, xyz"}


@dataclasses.dataclass(frozen=True)
class Occlusion:
    """What networks make of covered faces: by the names of their variants, tables as by_share.csv; and a picture."""

    by_share: Mapping[str, pd.DataFrame]
    examples: bytes


def read_occlusion(root: Path, runs: Sequence[str], main: str) -> Occlusion | None:
    """Read what the stage `occlusion` wrote of each run; None where there are no runs.

    Parameters
    ----------
    root : Path
    runs : sequence of str
    main : str
        What the main run's variant is called.

    Raises
    ------
    FileNotFoundError
        If a run has none.
    ValueError
        If a table is damaged.
    """
    if not runs:
        return None
    tables = {main if run == MAIN_RUN else run: read_shares(root, run) for run in runs}
    return Occlusion(tables, (root / occlusion_of(runs[0]) / "examples.png").read_bytes())


def share_header(occlusion: Occlusion) -> tuple[str, ...]:
    """Head of the rows of `share_rows`."""
    first = next(iter(occlusion.by_share.values()))
    return ("variant", "before the face", "error (%)", *(f"{100 * share:g} %" for share in sorted(set(first["share"]))))


def share_rows(occlusion: Occlusion) -> list[tuple]:
    """A row for each variant, kind and error of `SHOWN`: its mean at each share."""
    rows: list[tuple] = []
    for variant, table in occlusion.by_share.items():
        for error, text in SHOWN.items():
            for kind in dict.fromkeys(table["kind"]):
                if kind != NOTHING:
                    found = _curve(table, kind, error)
                    rows.append((variant, "anything" if kind == ANYTHING else kind, text, *found["mean"]))
    return rows


def share_figures(occlusion: Occlusion) -> dict[str, bytes]:
    """Draw each error of `SHOWN` against the covered share, by variant, and by kind of the first variant."""
    first = next(iter(occlusion.by_share))
    table = occlusion.by_share[first]
    figures = {}
    for error, text in SHOWN.items():
        variants = {name: _curve(each, ANYTHING, error) for name, each in occlusion.by_share.items()}
        kinds = {kind: _curve(table, kind, error) for kind in table["kind"].unique() if kind not in (NOTHING, ANYTHING)}
        figures[f"{text}, mean of all kinds"] = band_figure(variants, text)
        figures[f"{text}, {first}, by kind"] = band_figure(kinds, text)
    return figures


def _curve(table: pd.DataFrame, kind: str, error: str) -> pd.DataFrame:
    """Rows of a kind and an error by share, with that of the photos as they are."""
    rows = table[table["kind"].isin([NOTHING, kind]) & (table["error"] == error)]
    return rows.drop_duplicates("share").sort_values("share")


def band_figure(curves: Mapping[str, pd.DataFrame], text: str) -> bytes:
    """Draw means against the covered share, each in the band of its 95 % interval."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    for index, (name, rows) in enumerate(curves.items()):
        colour, share = COLOURS[index % len(COLOURS)], 100 * rows["share"]
        axes.plot(share, rows["mean"], marker="o", label=name, color=colour)
        axes.fill_between(share, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the face that is covered (%)")
    axes.set_ylabel(f"{text} (%)")
    name_curves(figure, axes)
    return encode_figure(figure)
