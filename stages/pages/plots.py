"""Curves and points as pictures, drawn by matplotlib without a window."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from model.scores.smoothness import SMOOTH_ANGLE_DEG

COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7d5ba6", "#b08900", "#4a4e69")


def encode_figure(figure: Figure) -> bytes:
    """Encode a figure as PNG, without the name and version of what drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def scatter_figure(errors_68: pd.Series, errors_mesh: pd.Series) -> bytes:
    """Error of the mesh against that of the 68 landmarks, an image a point."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(errors_68, errors_mesh, s=12, color=COLOURS[0], alpha=0.6)
    axes.set_xlabel("NME of the 68 landmarks (%)")
    axes.set_ylabel("NME of the mesh (%)")
    axes.grid(alpha=0.3)
    return encode_figure(figure)


def curves_figure(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    x_label: str,
    y_label: str,
    log: bool = False,
    marks: Mapping[str, float] | None = None,
) -> bytes:
    """Draw named curves, each as (x, y), with a legend; y is logarithmic on request, `marks` are named values of x."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for index, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(
            x, y, label=name, color=COLOURS[index % len(COLOURS)], linestyle="-" if index < len(COLOURS) else "--"
        )
    for name, x in (marks or {}).items():
        axes.axvline(x, color="#888888", linestyle=":", label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if log:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    return encode_figure(figure)


def error_figure(ced: dict[str, pd.Series], thresholds: pd.Series) -> bytes:
    """Cumulative error distribution: percent of the test images with at most each error."""
    return curves_figure(
        {name: (thresholds, shares) for name, shares in ced.items()}, "NME (%)", "test images with at most this NME (%)"
    )


def smoothness_figure(shares: dict[str, pd.Series], cosines: pd.Series) -> bytes:
    """Figure 4.7: share of adjacent triangles against the cosine of their angle, from 30 degrees to flat."""
    near = cosines >= np.cos(np.deg2rad(30.0)) - 1e-6
    return curves_figure(
        {name: (cosines[near], share[near]) for name, share in shares.items()},
        "cosine of the angle between adjacent triangles",
        "adjacent triangles at a smaller angle (%)",
        marks={"15 degrees": float(np.cos(np.deg2rad(SMOOTH_ANGLE_DEG)))},
    )
