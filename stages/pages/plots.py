"""Curves and points as pictures, drawn by matplotlib without a window."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from model.scores.curve_gap import CurveGap
from model.scores.smoothness import SMOOTH_ANGLE_DEG

COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7d5ba6", "#b08900", "#4a4e69")
ERROR_LABEL, SHARE_LABEL = "NME (%)", "test images with at most this NME (%)"
# Percent of a method's errors that the wide part of a figure of cumulative errors has.
BULK_PERCENT = 95
# Of a figure, in inches; and letters of names that stand side by side above it.
SIZE, NAMES_LETTERS = (5.4, 3.5), 56
# Curves by name, each as (x, y).
Curves = Mapping[str, tuple[ArrayLike, ArrayLike]]


def encode_figure(figure: Figure) -> bytes:
    """Encode a figure as PNG, without the name and version of what drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def name_curves(figure: Figure, axes: Axes) -> None:
    """Name the curves above the axes, where nothing is behind the names."""
    handles, names = axes.get_legend_handles_labels()
    columns = max(1, NAMES_LETTERS // (6 + max(map(len, names), default=0)))
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False, fontsize="small")


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def scatter_figure(errors_68: pd.Series, errors_mesh: pd.Series) -> bytes:
    """Error of the mesh against that of the 68 landmarks, an image a point."""
    figure, axes = _axes()
    axes.scatter(errors_68, errors_mesh, s=12, color=COLOURS[0], alpha=0.6)
    axes.set_xlabel("NME of the 68 landmarks (%)")
    axes.set_ylabel("NME of the mesh (%)")
    return encode_figure(figure)


def cost_figure(groups: Sequence[Mapping[str, tuple[float, float]]], x_label: str, y_label: str) -> bytes:
    """Draw errors against costs, both logarithmic, points in groups of a colour each.

    Those have their names that no other of their group is better than in one and as good as in the other.
    """
    figure, axes = _axes()
    for points, colour in zip(groups, COLOURS, strict=False):
        if points:
            x, y = np.transpose(list(points.values()))
            axes.scatter(x, y, s=22, color=colour)
        for name, point in points.items():
            if not any(other != point and np.less_equal(other, point).all() for other in points.values()):
                axes.annotate(name, point, xytext=(4, -9), textcoords="offset points", fontsize=7, color=colour)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.15)  # for the last name
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return encode_figure(figure)


def curves_figure(
    curves: Curves,
    x_label: str,
    y_label: str,
    log: bool = False,
    marks: Mapping[str, float] | None = None,
) -> bytes:
    """Draw named curves, each as (x, y), with a legend; y is logarithmic on request, `marks` are named values of x."""
    figure, axes = _axes()
    _draw_curves(axes, curves)
    for name, x in (marks or {}).items():
        axes.axvline(x, color="#888888", linestyle=":", label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if log:
        axes.set_yscale("log")
    name_curves(figure, axes)
    return encode_figure(figure)


def error_figure(errors: Mapping[str, ArrayLike]) -> bytes:
    """Cumulative error distribution: percent of the test images with at most each error, up to the largest of all.

    A second, narrow part with axes of its own has the errors above `BULK_PERCENT` of those of the methods' median one:
    they may be many times as large, and would squeeze all others.
    """
    values = {name: np.sort(np.asarray(each, np.float64)) for name, each in errors.items()}
    end = max(float(each[-1]) for each in values.values())
    bulk = math.ceil(np.median([np.percentile(each, BULK_PERCENT) for each in values.values()]))
    curves = {name: _steps(each, end) for name, each in values.items()}
    if bulk >= end:
        return curves_figure(curves, ERROR_LABEL, SHARE_LABEL)
    figure = Figure(figsize=SIZE, layout="constrained")
    most, rest = figure.subplots(1, 2, width_ratios=(4, 1))
    lowest = min(100 * np.mean(each <= bulk) for each in values.values())
    # A line at the edge of a part is drawn in its whole width.
    far = end + 0.03 * (end - bulk)
    for axes, limits, first in ((most, (0.0, bulk), 0.0), (rest, (bulk, far), lowest)):
        axes.grid(alpha=0.3)
        _draw_curves(axes, curves)
        margin = 0.02 * (100 - first)
        axes.set(xlim=limits, ylim=(first - margin, 100 + margin))
    rest.yaxis.tick_right()
    rest.set_title("the rest", fontsize="medium")
    most.set(xlabel=ERROR_LABEL, ylabel=SHARE_LABEL)
    name_curves(figure, most)
    return encode_figure(figure)


def _draw_curves(axes: Axes, curves: Curves) -> None:
    for index, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(
            x, y, label=name, color=COLOURS[index % len(COLOURS)], linestyle="-" if index < len(COLOURS) else "--"
        )


def _steps(values: NDArray[np.float64], end: float) -> tuple[ArrayLike, ArrayLike]:
    """Percent of sorted values up to each x, which jumps at each of them, from 0 to the end."""
    shares = np.linspace(0, 100, len(values) + 1)
    return np.concatenate([[0.0], np.repeat(values, 2), [end]]), np.repeat(shares, 2)


def gap_figure(gaps: Mapping[str, CurveGap]) -> bytes:
    """Gap between two cumulative error curves along the errors, with its band, a curve for each kind of error."""
    figure, axes = _axes()
    for (name, gap), colour in zip(gaps.items(), COLOURS, strict=False):
        axes.step(gap.errors, gap.gap, where="post", label=name, color=colour)
        band = gap.gap - gap.half, gap.gap + gap.half
        axes.fill_between(gap.errors, *band, step="post", color=colour, alpha=0.15, linewidth=0)
        axes.plot(gap.at, gap.largest.mean, "o", color=colour)
    axes.axhline(0.0, color="#888888", linestyle=":")
    axes.set_xlabel(ERROR_LABEL)
    axes.set_ylabel(f"more {SHARE_LABEL}")
    name_curves(figure, axes)
    return encode_figure(figure)


def smoothness_figure(shares: dict[str, pd.Series], cosines: pd.Series) -> bytes:
    """Figure 4.7: share of adjacent triangles against the cosine of their angle, from 30 degrees to flat."""
    near = cosines >= np.cos(np.deg2rad(30.0)) - 1e-6
    return curves_figure(
        {name: (cosines[near], share[near]) for name, share in shares.items()},
        "cosine of the angle between adjacent triangles",
        "adjacent triangles at a smaller angle (%)",
        marks={"15 degrees": float(np.cos(np.deg2rad(SMOOTH_ANGLE_DEG)))},
    )
