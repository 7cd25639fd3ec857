"""Stage `export`: the main model for other runtimes, and how far each file's predictions are from Keras's."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from model.backend import prepare_keras
from model.export import Run, export, open_network
from model.feed import to_photo
from model.scores.protocols import error_3ddfa
from pipeline.store.samples import read_samples
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import Surface, load_surface, read_points
from stages.project import samples as truth
from stages.project.params import DataParams, check, read, sentences
from stages.project.variants import MAIN_RUN, read_variant
from stages.train import MODEL, UV, choose_regression, find_samples, weights_of

METRICS = Path("metrics/export.json")


@dataclass(frozen=True)
class ExportParams:
    """Section `export`.

    Attributes
    ----------
    samples : int
        Test samples, evenly spaced, that each file is compared with Keras on; all if there are fewer.
    calibration : int
        Training samples, evenly spaced, that give int8 the range of each layer's values; all if there are fewer.
    """

    samples: int
    calibration: int

    def __post_init__(self) -> None:
        for name in ("samples", "calibration"):
            check(getattr(self, name) >= 1, f"export.{name} is {getattr(self, name)}; expected 1 or more.")


@click.command()
def main() -> None:
    """Export the main model."""
    with sentences():
        params, settings, data = read("export", ExportParams), read_variant(), read("data", DataParams)
        layout = load_uv(UV)
        training = find_samples(settings, data)["train"]
        task = choose_regression(settings, layout, training)
        tested = truth.locate(Path(), settings.train.level, truth.read_part(Path(), "test"))
        prepare_keras()
        from model.inference import inference_form

        model = task.build()
        weights = weights_of(MAIN_RUN)
        model.load_weights(weights)
        photos = to_photo(read_samples(truth.spread(training, params.calibration), ["image"])["image"])
        files = export(inference_form(model), weights.parent / "export", photos)
        compared = compare(
            truth.read_truths(Path(), truth.spread(tested, params.samples)),
            lambda photo: np.asarray(model.predict_on_batch(photo)["final"]),
            {name: open_network(path, threads=1) for name, path in files.items()},
            task.to_maps,
            load_surface(MODEL, UV),
        )
        metrics = {name: row | {"mb": round(files[name].stat().st_size / 1e6, 3)} for name, row in compared.items()}
        METRICS.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    count, int8 = min(params.samples, len(tested)), [name for name in metrics if name.endswith("int8")]
    click.echo(
        f"export: {settings.variant}, {len(files)} files out, compared on {count} test photos; float32 at most "
        f"{max(metrics['onnx']['max_px'], metrics['litert']['max_px'])} px from Keras; NME changes by "
        f"{' and '.join(format(metrics[name]['nme68_2d'], '+') for name in int8)} % in {' and '.join(int8)}"
    )
    if "litert_int8" not in files:
        click.echo("export: no int8 for LiteRT: its output would give parameters in several units one scale")


def compare(
    truths: Iterable[truth.Truth],
    keras: Run,
    others: Mapping[str, Run],
    to_maps: Callable[[NDArray], NDArray[np.float32]],
    surface: Surface,
) -> dict[str, dict[str, float]]:
    """Compare the predictions of other runtimes with Keras's.

    Parameters
    ----------
    truths : iterable of Truth
        One or more test samples.
    keras : callable
        From one photo (1, S, S, 3) to the network's output.
    others : dict of str to callable
        The same by other runtimes.
    to_maps : callable
        From outputs to position maps (n, S, S, 3), px of the aligned image.
    surface : Surface

    Returns
    -------
    dict of str to dict
        For each of `others`: `max_px`, the largest distance of any texel's position from Keras's, and `nme68_2d`, the
        mean error of the 68 landmarks by 3DDFA's protocol less Keras's, in percent points.
    """
    distance = dict.fromkeys(others, 0.0)
    errors: dict[str, list[float]] = {name: [] for name in ("keras", *others)}
    for sample in truths:
        photo = to_photo(sample.image[None])
        maps = {name: to_maps(run(photo))[0] for name, run in {"keras": keras, **others}.items()}
        for name, position_map in maps.items():
            points = read_points(position_map, sample.similarity, surface)
            errors[name].append(float(error_3ddfa(points.landmarks, sample.landmarks)))
        for name in others:
            gap = np.linalg.norm(maps[name] - maps["keras"], axis=-1).max()
            distance[name] = max(distance[name], float(gap))
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    return {
        name: {"max_px": round(distance[name], 3), "nme68_2d": round(means[name] - means["keras"], 3)}
        for name in others
    }


if __name__ == "__main__":
    main()
