"""Parts of the report pages: one HTML file each, with everything inside, that works offline."""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from model.scores.smoothness import SMOOTH_ANGLE_DEG

DEMO_ROOT = PurePosixPath("data/demo")
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7d5ba6", "#b08900", "#4a4e69")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 1180px; margin: 2em auto; padding: 0 1.5em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2.2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .25em .8em; border-bottom: 1px solid #ddd; }
th { text-align: left; background: #f4f4f2; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } figure { margin: 1em 0; } figcaption { color: #555; font-size: .9em; }
.notice { padding: .8em 1.2em; border-left: 6px solid #1b6ca8; background: #eef4f9; }
.notice { position: sticky; top: 0; } .caption { font-weight: bold; margin-bottom: 0; } table { font-size: .92em; }
iframe { width: 100%; height: 560px; border: 1px solid #ccc; } .links a { margin-right: .8em; }
.demo { border-color: #c8553d; background: #fbefec; font-weight: bold; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Put parts into one HTML page that loads nothing."""
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """Heading of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """Paragraph of plain text; `kind` is '', 'notice' or 'notice demo'."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Table of strings and numbers; a number with a fraction is shown with 3 digits, as in the metrics files."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _cell(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f'<td class="number">{value:.3f}</td>'
    if isinstance(value, (int, np.integer)):
        return f'<td class="number">{value}</td>'
    return f"<td>{html.escape(str(value))}</td>"


def picture(data: bytes, caption: str) -> str:
    """Embed a PNG or JPEG file's bytes with a caption."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    text = html.escape(caption, quote=True)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def frame(pages: Mapping[str, str], first: str) -> str:
    """Show one of several pages in a frame, with a link for each: no script is needed to change it."""
    links = " ".join(
        f'<a href="{html.escape(path, quote=True)}" target="pages">{html.escape(name)}</a>'
        for name, path in pages.items()
    )
    source = html.escape(pages[first], quote=True)
    return f'<p class="links">{links}</p>\n<iframe name="pages" src="{source}" title="{html.escape(first)}"></iframe>'


def embedded_frame(page: str, title: str) -> str:
    """Show a whole page in a frame within this one, so that one file has it all."""
    return f'<iframe srcdoc="{html.escape(page, quote=True)}" title="{html.escape(title, quote=True)}"></iframe>'


def encode_figure(figure: Figure) -> bytes:
    """Encode a figure as PNG, without the name and version of what drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def provenance(root: str, size: int, width: int, counts: dict[str, int], epochs: int) -> str:
    """Say in plain sight what data and scale the numbers of a page come from.

    Parameters
    ----------
    root : str
        ``data.root``.
    size, width : int
        Side of crops and maps in px, and width of the network: 256 and 16 in the thesis.
    counts : dict of str to int
        Samples of each part of the split.
    epochs : int
    """
    demo = PurePosixPath(root) == DEMO_ROOT
    what = (
        "Procedural demo faces, drawn by this project: these numbers show that the pipeline works. They say nothing "
        "about real faces and reproduce nothing of the thesis."
        if demo
        else f"Photos and annotations from {root}."
    )
    parts = ", ".join(f"{count} {part}" for part, count in counts.items())
    scale = (
        f"Scale: maps of {size} px and a network of width {width} (thesis: 256 px, width 16); samples: {parts}; "
        f"{epochs} epochs."
    )
    full = (size, width) == (256, 16)
    caveat = "" if full else " This is not the thesis's scale: its numbers are not comparable with those below."
    return paragraph(f"{what} {scale}{caveat}", "notice demo" if demo else "notice")


def scale_label(root: str, size: int, width: int) -> str:
    """Say data and scale in a few words, see `provenance`."""
    demo = PurePosixPath(root) == DEMO_ROOT
    return f"{'demo faces' if demo else root}, {size} px, width {width}"


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


def interval_text(low: float, high: float) -> str:
    """Interval in percent, kept on one line."""
    return f"{low:.3f}\u00a0to\u00a0{high:.3f}"
