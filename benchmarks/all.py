"""Run the benchmarks one after the other, and put their figures in one table (`make bench-all`).

Each is a process of its own, as its own make target runs it; what it prints goes to the error stream. Beside a figure
that has a peer stands the peer's, measured in the same run. Prints a table in Markdown, then one line of JSON. An
hour on two cores, which should do nothing else.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).parents[1]
HEADER = ("benchmark", "figure", "ours", "peer", "peer's", "times better")


class Figure(NamedTuple):
    """One figure of a benchmark's JSON, and its peer's.

    Attributes
    ----------
    text : str
        What it is, with its unit.
    ours, peers : tuple of str or int
        Keys that lead to it; no peer where there are none.
    peer : str
        Who or what that is.
    more_is_better : bool
    """

    text: str
    ours: tuple[str | int, ...]
    peer: str = ""
    peers: tuple[str | int, ...] = ()
    more_is_better: bool = False


USUAL = "pair by pair: matrix product, rasterised, warped"
FACES = "300 photos, 68-2D (%)"
FACE_MESH = "BlazeFace + Face Mesh", ("BlazeFace + Face Mesh litert 1",)
PLAIN, DRAWN = ("ms", 0), ("ms_overlay", 0)


def network_figures(network: str) -> tuple[Figure, ...]:
    """What `benchmarks.model` tells of a network."""
    files = ("onnx", "onnx_int8", "litert", "litert_int8")
    return (
        *(
            Figure(f"{network}, {name}, ms a crop on 2 threads", (network, name), "TensorFlow", (network, "tensorflow"))
            for name in files
        ),
        Figure(f"{network}, training step, in steps of a batch in memory", (network, "against_memory")),
    )


BENCHMARKS: dict[str, tuple[Figure, ...]] = {
    "data": (
        Figure("raw pair to sample, ms on one core", ("ms_per_sample_one_core",), USUAL, ("reference_ms",)),
        Figure("gain of a second core, times", ("two_core_speedup",)),
        Figure("bytes a sample", ("bytes_per_sample",)),
    ),
    "feed": (
        Figure("compact samples from disk, a second", ("a_second",)),
        Figure("the same, of one core", ("a_core_second",)),
    ),
    "model": tuple(figure for name in ("best", "prn", "prn_refine_fast", "final") for figure in network_figures(name)),
    "small_devices": tuple(
        Figure(f"mobile, 64 px, {name}, ms a crop on one thread", (f"mobile {name} 1",), *FACE_MESH)
        for name in ("onnx", "onnx_int8", "litert", "litert_int8")
    ),
    "free_faces": (
        Figure(f"{FACES}, median", ("median",)),
        Figure(f"{FACES}, mean", ("mean",)),
        Figure("triangles under 15 degrees (%)", ("smooth (%)",)),
        Figure("found face to mesh, ms a photo", ("ms a photo",)),
    ),
    "head_pose": (
        Figure(
            "head pose, mean of three angles (degrees)",
            ("pose_mae, laid over, mean",),
            "the annotated landmarks, read likewise",
            ("pose_mae, laid over of the annotated landmarks, mean",),
        ),
    ),
    "masks": (
        Figure("covered photos with a mask, 68-2D (%)", ("mean with its mask",), "without one", ("mean covered",)),
    ),
    "occlusion": (
        Figure("half of the face covered, 68-2D (%)", ("all, 50 %, mean",), "nothing covered", ("all, 0 %, mean",)),
    ),
    "photo_start": (
        Figure("photo of 12 megapixels, s from the shell", ("one photo of 12 megapixels", "s")),
        Figure("a folder, default files, photos/s", ("200 photos, default files", "further photos/s")),
        Figure("a folder, GLB, photos/s", ("200 photos, GLB", "further photos/s")),
        Figure("a folder, points alone, photos/s", ("200 photos, landmarks and pose", "further photos/s")),
    ),
    "video": (
        Figure("jitter of a still face (px)", ("jitter_px", 1), "each frame alone", ("jitter_px", 0)),
        Figure("a frame, ms", PLAIN, "with its overlay", DRAWN),
    ),
    "browser": (
        Figure("page with all that it needs (MB)", ("mb",)),
        Figure("camera to drawn mesh in Chromium, frames/s", ("frames_per_s",)),
    ),
    "rehearsal": (
        *(
            Figure(f"{stage}, ms a sample of 20,000", ("20000", stage, "ms"), "of 5,000", ("5000", stage, "ms"))
            for stage in ("index", "meshes", "aligned", "position_maps", "augmented@full", "found@facemesh")
        ),
        *(
            Figure(
                f"20,000 samples through all data stages, {text}",
                ("20000", "all", key),
                "as told by make estimate",
                ("20000", "all", f"told_{key}"),
            )
            for key, text in (("s", "s on one core"), ("gb", "GB"), ("peak_mb", "MB of a process"))
        ),
    ),
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="This one; all by default.")
def main(only: tuple[str, ...]) -> None:
    """Run benchmarks and print their figures."""
    results: dict[str, Any] = {}
    failed = []
    for name in only or BENCHMARKS:
        start = time.perf_counter()
        try:
            found = run(name)
            list(markdown({name: found}))  # which fails where a figure is missing
            results[name] = found
        except (subprocess.CalledProcessError, ValueError) as error:
            failed.append(f"{name}: {error}")
        click.echo(f"{name}: {time.perf_counter() - start:.0f} s", err=True)
    for line in markdown(results):
        click.echo(line)
    click.echo(json.dumps(results))
    if failed:
        raise click.ClickException("; ".join(failed))


def run(name: str) -> Any:
    """What the last line of a benchmark says.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    ValueError
        If that line is no JSON.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for last in process.stdout:
            click.echo(last, err=True, nl=False)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(last)


def markdown(results: dict[str, Any]) -> Iterator[str]:
    """The table, line by line."""
    yield _line(HEADER)
    yield f"|{'---|' * len(HEADER)}"
    for name, values in results.items():
        for figure in BENCHMARKS[name]:
            yield _line((name, *cells(figure, values)))


def cells(figure: Figure, values: Any) -> tuple[str, ...]:
    """A figure's text, value, peer, its value, and how many times better ours is; empty without a peer."""
    ours = value_of(values, figure.ours)
    if not figure.peers:
        return figure.text, f"{ours:.4g}", "", "", ""
    theirs = value_of(values, figure.peers)
    ratio = ours / theirs if figure.more_is_better else theirs / ours
    return figure.text, f"{ours:.4g}", figure.peer, f"{theirs:.4g}", f"{ratio:.2f}"


def value_of(values: Any, keys: Sequence[str | int]) -> float:
    """The number that some keys lead to.

    Raises
    ------
    ValueError
        If they lead nowhere.
    """
    for key in keys:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError) as error:
            known = ", ".join(map(str, values)) if isinstance(values, dict) else values
            raise ValueError(f"there is no {key!r} of {'.'.join(map(str, keys))}; it has {known}") from error
    return values


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
