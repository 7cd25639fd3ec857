"""The network that commands apply to photos: an exported file, or weights."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.export import Run, open_network
from model.feed import to_photo
from model.scaling import Scaling, to_pixels
from pipeline.photo.reconstruction import Predict
from stages.project.paths import EXPORTED
from stages.project.strict import check
from stages.project.variants import VariantSettings


def open_regressor(
    settings: VariantSettings, size: int, threads: int, file: Path | None, weights: Path | None
) -> Predict:
    """Open a network that regresses position maps.

    Parameters
    ----------
    settings : VariantSettings
        Of the network: params.yaml says how its output is scaled, and for weights what it is built of.
    size : int
        Side of crops and maps in px.
    threads : int
        That an exported file may use.
    file : Path or None
        An exported ``.onnx`` or ``.tflite``; by default, where no weights are named either, that of the main run.
    weights : Path or None
        A ``.weights.h5``, which needs TensorFlow and its 10 s of start.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If the network regresses coefficients, or the file is no such network.
    """
    check(file is None or weights is None, "Give --model or --weights, not both.")
    check(
        settings.network.regresses == "position_map",
        f"The variant {settings.variant!r} regresses {settings.network.regresses}; choose one of position maps.",
    )
    run = _open_weights(settings, size, weights) if weights else _open_file(file or EXPORTED, threads)
    scaling = Scaling(settings.train.scaling, size)

    def predict(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(to_pixels(run(to_photo(crop[None]))[0], scaling), np.float32)

    try:
        found = predict(np.zeros((size, size, 3), np.uint8)).shape
    except Exception as error:  # of the runtimes, which have kinds of their own
        raise ValueError(
            f"{file or weights or EXPORTED} takes no photo of {size} px, which is data.size in params.yaml: {error}"
        ) from error
    check(found == (size, size, 3), f"{file or weights or EXPORTED} puts out {found}; expected a position map.")
    return predict


def _open_file(path: Path, threads: int) -> Run:
    check(path.is_file(), f"{path} is missing: run `dvc repro export`, or name a network by --model or --weights.")
    try:
        return open_network(path, threads)
    except Exception as error:  # of the runtimes, which have kinds of their own
        raise ValueError(f"{path} is no exported network: {error}") from error


def _open_weights(settings: VariantSettings, size: int, path: Path) -> Run:
    check(path.is_file(), f"{path} is missing.")
    from model.backend import prepare_keras

    prepare_keras()
    from model.inference import inference_form
    from model.networks import build_network

    network = build_network(size, settings.network, Scaling(settings.train.scaling, size))
    try:
        network.load_weights(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} does not fit the network of params.yaml: {error}") from error
    network = inference_form(network)
    return lambda photo: np.asarray(network.predict_on_batch(photo))
