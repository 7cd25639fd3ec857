"""A graph of stages in layers from left to right, each behind all that it depends on, as SVG whose text is text."""

from itertools import combinations, pairwise
from pathlib import Path as FilePath

import matplotlib as mpl
import networkx
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

# A place of a layer: a stage, or an arrow, by its ends, that passes the layer on its way to a later one.
Place = str | tuple[str, str]
SWEEPS = 40
# Points: of a letter, of a line, between layers, and beside a name in its box.
LETTER, LINE, GAP, PAD = 5.3, 21.0, 18.0, 3.5


def draw_graph(path: FilePath, edges: list[tuple[str, str]]) -> None:
    """Draw the stages and arrows; those of ``ablation:`` are yellow."""
    layers = place_in_layers(edges)
    centres: dict[tuple[int, Place], tuple[float, float]] = {}
    halves, left = [], 0.0
    for number, layer in enumerate(layers):
        width = max(_width(name) for name in layer if isinstance(name, str))
        halves.append(width / 2)
        for row, place in enumerate(layer):
            centres[number, place] = (left + width / 2, LINE * (row - (len(layer) - 1) / 2))
        left += width + GAP
    stages = {place: number for number, place in centres if isinstance(place, str)}
    size = (left - GAP + 4, LINE * max(map(len, layers)) + 4)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dag", "font.family": "sans-serif"}):
        figure = plt.figure(figsize=(size[0] / 72, size[1] / 72))
        panel = figure.add_axes((0, 0, 1, 1))
        panel.set(xlim=(-2, size[0] - 2), ylim=(size[1] / 2, -size[1] / 2))
        panel.axis("off")
        for start, end in edges:
            points = [np.add(centres[stages[start], start], (_width(start) / 2, 0))]
            for number in range(stages[start] + 1, stages[end]):
                points += [np.add(centres[number, (start, end)], (side * halves[number], 0)) for side in (-1, 1)]
            points.append(np.subtract(centres[stages[end], end], (_width(end) / 2, 0)))
            style = {"arrowstyle": "->", "mutation_scale": 7, "color": "#8899aa", "linewidth": 0.9}
            panel.add_patch(FancyArrowPatch(path=_curve(points), **style))
        for name, number in stages.items():
            (x, y), width = centres[number, name], _width(name)
            colour = "#fff3d6" if ":" in name else "#e3eefc"
            corner = (x - width / 2, y - LINE / 3)
            line = {"facecolor": colour, "edgecolor": "#556677", "linewidth": 0.8, "zorder": 4}
            panel.add_patch(FancyBboxPatch(corner, width, LINE / 1.5, "round,pad=0,rounding_size=3", **line))
            panel.text(x, y, _shown(name), ha="center", va="center_baseline", fontsize=9, zorder=5)
        figure.savefig(path, metadata={"Date": None, "Creator": None}, facecolor="white")
    plt.close(figure)


def place_in_layers(edges: list[tuple[str, str]]) -> list[list[Place]]:
    """Put stages in layers, and order each so that few arrows cross: by the mean place of what is beside it."""
    graph = networkx.DiGraph(edges)
    layers: list[list[Place]] = [sorted(layer) for layer in networkx.topological_generations(graph)]
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    beside = networkx.Graph()
    for start, end in edges:
        passed = range(depth[start] + 1, depth[end])
        for number in passed:
            layers[number].append((start, end))
        stops = [(depth[start], start), *((number, (start, end)) for number in passed), (depth[end], end)]
        beside.add_edges_from(pairwise(stops))
    best = [*layers]
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for number in range(1, len(layers)) if step == 1 else range(len(layers) - 2, -1, -1):
            rows = {place: row - len(layers[number - step]) / 2 for row, place in enumerate(layers[number - step])}
            wanted = {}
            for row, place in enumerate(layers[number]):
                found = [rows[near] for layer, near in beside[number, place] if layer == number - step]
                wanted[place] = np.mean(found) if found else row - len(layers[number]) / 2
            layers[number] = sorted(layers[number], key=wanted.__getitem__)
        if _crossings(layers, beside) < _crossings(best, beside):
            best = [*layers]
    return best


def _crossings(layers: list[list[Place]], beside: networkx.Graph) -> int:
    count = 0
    for number, layer in enumerate(layers[1:]):
        rows = {place: row for row, place in enumerate(layers[number])}
        ends = [
            (rows[near], row)
            for row, place in enumerate(layer)
            for layer, near in beside[number + 1, place]
            if layer == number
        ]
        count += sum((a < c) != (b < d) and a != c and b != d for (a, b), (c, d) in combinations(ends, 2))
    return count


def _shown(name: str) -> str:
    """A stage of the ablation is made for each variant."""
    group, _, stage = name.rpartition(":")
    return f"{stage}@variant" if group and stage in ("train", "predict", "evaluate") else stage


def _width(name: str) -> float:
    return LETTER * len(_shown(name)) + 2 * PAD


def _curve(points: list[np.ndarray]) -> Path:
    """A line through points that leaves and meets each one level."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for first, second in pairwise(points):
        middle = (first[0] + second[0]) / 2
        vertices += [(middle, first[1]), (middle, second[1]), second]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
