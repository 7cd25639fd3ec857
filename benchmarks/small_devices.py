"""Time `best` and `mobile` at the sides of small devices, on 1, 2 and 4 threads, and the fit (`make bench-mobile`).

The networks have random weights, since what a multiplication takes does not depend on its numbers. Beside them run
BlazeFace and Face Mesh, which are for telephones. The fit of the face model needs FACE_DATA: it is timed on one thread,
on the labels of its photos, each texel of which gets an error of its own. OpenVINO has rows where it is installed.
Prints a table, then one line of JSON.
"""

import functools
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks import openvino_networks
from benchmarks.model import answer
from model.backend import prepare_keras
from model.export import FORMATS, export, open_network
from model.settings import NetworkConfig
from pipeline.crops.alignment import align
from pipeline.crops.face_mesh import open_networks
from pipeline.face.camera import project
from pipeline.face.face_model import at_vertices, deform, select_coefficients
from pipeline.face.fit import prior_of
from pipeline.face.similarity import apply_similarity
from pipeline.raw.annotations import Annotation, list_pairs, read_annotation
from pipeline.raw.bfm import load_bfm
from pipeline.uv.embedding import embed
from pipeline.uv.map_fit import choose_texels, fit_texels
from pipeline.uv.masks import face_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map
from pipeline.uv.scaling import Scaling

# Side of photo and map, and convolutions; width and halvings are those of `make real`.
NETWORKS = {"best": (64, "full"), "mobile": (64, "separable"), "mobile_128": (128, "separable")}
WIDTH, LEVELS = 16, 4
THREADS = (1, 2, 4)
FILES = ("onnx", "onnx_int8", "litert", "litert_int8")
# How often each has its turn, and runs in it. It is opened anew for each: threads that wait disturb what others run.
TURNS, RUNS = 3, 20
# Photos whose labels are fitted to, what they are cropped by, and the error of a texel in px of a map of 256 px.
FACES, MARGIN, NOISE_PX = 60, 1.5, 2.0
# What opens a network, as something that runs it.
Open = Callable[[], Callable[[], Any]]


def write_networks(connection: Connection, folder: Path) -> None:
    """Write the exported files of each network, with random weights, and batch statistics of what it computes."""
    prepare_keras()
    import keras

    from model.inference import inference_form
    from model.networks import build_network

    for name, (size, convolution) in NETWORKS.items():
        keras.utils.set_random_seed(0)
        config = NetworkConfig("position_map", WIDTH, LEVELS, 0.0, lean=True, convolution=convolution)
        model = build_network(size, config, Scaling("linear", size))
        photos = np.random.default_rng(1).random((2, size, size, 3), np.float32)
        model(photos, training=True)
        export(inference_form(model), folder / name, photos)
    connection.send("written")


def list_networks(folder: Path) -> dict[tuple[str, str, int], Open]:
    """Say how each network is opened on each runtime and number of threads."""
    listed: dict[tuple[str, str, int], Open] = {}
    for name, runtime, threads in itertools.product(NETWORKS, (*FILES, *openvino_networks.RUNTIMES), THREADS):
        listed[name, runtime, threads] = functools.partial(_open, folder / name, runtime, threads, NETWORKS[name][0])
    for threads in THREADS:
        listed["BlazeFace + Face Mesh", "litert", threads] = functools.partial(_open_face_mesh, threads)
    return listed


def _open(folder: Path, runtime: str, threads: int, size: int) -> Callable[[], Any]:
    photo = np.random.default_rng(2).random((1, size, size, 3), np.float32)
    if runtime in openvino_networks.RUNTIMES:
        return functools.partial(openvino_networks.open_runtime(runtime, folder, threads), photo)
    return functools.partial(open_network(folder / FORMATS[runtime], threads), photo)


def _open_face_mesh(threads: int) -> Callable[[], Any]:
    networks = open_networks(threads)
    seen = {name: np.zeros((1, networks[name].size, networks[name].size, 3), np.float32) for name in ("near", "mesh")}
    return lambda: [networks[name].run(photo) for name, photo in seen.items()]


def time_all(listed: dict[tuple[str, str, int], Open]) -> dict[tuple[str, str, int], float]:
    """Median milliseconds of each, in turn; the first runs of a turn are not counted."""
    times: dict[tuple[str, str, int], list[float]] = {name: [] for name in listed}
    for _, (name, open_it) in itertools.product(range(TURNS), listed.items()):
        run = open_it()
        times[name] += [_milliseconds(run) for _ in range(2 + RUNS)][2:]
        del run
    return {name: statistics.median(values) for name, values in times.items()}


def _milliseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def time_fit(data: Path, size: int) -> float:
    """Median milliseconds of the face model's fit to a map."""
    model = load_bfm(data / "bfm")
    embedding = embed(model.mean, model.triangles)
    operator, uv = make_operator(embedding, size), embedding.uv[: len(model.mean)]
    mask = face_mask(render_map(operator, model.mean[None])[0], uv[model.landmarks])
    chosen = choose_texels(mask)
    points = at_vertices(model, lambda array: _at_texels(operator, array)[chosen])
    annotated = _read_annotations(data / "AFLW2000")
    shape, expression = (np.stack([getattr(one, name) for one in annotated]) for name in ("shape", "expression"))
    coefficients = select_coefficients(model, shape, expression)
    prior, rng = prior_of(coefficients), np.random.default_rng(3)
    times = []
    for one, own in zip(annotated, coefficients, strict=True):
        # How high the photo is moves the face and its landmarks alike.
        vertices = project(deform(model, own[None])[0], one.pose, size)
        placed = apply_similarity(align(vertices[model.landmarks], MARGIN, False, size), vertices)
        label = render_map(operator, placed[None].astype(np.float32))[0]
        noisy = label + rng.normal(0, NOISE_PX * size / 256, label.shape)
        times.append(_milliseconds(lambda noisy=noisy: fit_texels(noisy, points, chosen, prior)))  # type: ignore[misc]
    return statistics.median(times[1:])


def _at_texels(operator: Any, array: NDArray) -> NDArray[np.float32]:
    return (operator @ array.reshape(len(array), -1)).reshape(-1, *array.shape[1:]).astype(np.float32)


def _read_annotations(folder: Path) -> list[Annotation]:
    paths = [folder / annotation for _, annotation in list_pairs(folder)[0]]
    return [read_annotation(path) for path in paths[:: len(paths) // FACES][:FACES]]


@click.command()
def main() -> None:
    """Measure milliseconds a photo of small networks, and of the fit."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    data = Path(os.environ.get("FACE_DATA", "../shared/data"))
    fits = {size: time_fit(data, size) for size in (64, 128)} if (data / "bfm").is_dir() else {}
    with tempfile.TemporaryDirectory() as name:
        answer(write_networks, Path(name))
        times = time_all(list_networks(Path(name)))
        kept = itertools.product(NETWORKS, FILES)
        sizes = {each: (Path(name) / each[0] / FORMATS[each[1]]).stat().st_size for each in kept}
    counts = " | ".join(f"{count} threads" for count in THREADS)
    click.echo(f"ms a photo on {os.cpu_count()} processors | MB | {counts}")
    for network, runtime in dict.fromkeys(key[:2] for key in times):
        stored = sizes.get((network, openvino_networks.RUNTIMES.get(runtime, runtime)))
        megabytes = f"{stored / 1e6:.2f}" if stored else "-"
        row = " | ".join(f"{times[network, runtime, threads]:.2f}" for threads in THREADS)
        click.echo(f"{network}, {runtime} | {megabytes} | {row}")
    for size, fit in fits.items():
        click.echo(f"fit of the face model to a map of {size} px | - | {fit:.2f}")
    told = {f"{network} {runtime} {threads}": round(value, 3) for (network, runtime, threads), value in times.items()}
    click.echo(json.dumps(told | {f"fit {size}": round(value, 3) for size, value in fits.items()}))


if __name__ == "__main__":
    main()
