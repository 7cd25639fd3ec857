"""The network of a bundle, applied to crops of photos by ONNX Runtime."""

import numpy as np
from numpy.typing import NDArray

from model.export import open_onnx
from model.feed import to_photo
from model.scaling import Scaling, to_pixels
from pipeline.photo.map_network import MapNetwork
from pipeline.photo.reconstruction import Predict
from stages.project.strict import check


def open_regressor(network: MapNetwork, threads: int) -> Predict:
    """Open a network that regresses position maps.

    Parameters
    ----------
    network : MapNetwork
    threads : int
        That it may use.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If it takes no crops of its size, or puts out no maps of them.
    """
    size = network.facts.size
    scaling = Scaling(network.facts.scaling, size)
    try:
        run = open_onnx(network.onnx, threads)
        found = run(np.zeros((1, size, size, 3), np.float32)).shape
    except Exception as error:  # of the runtime, which has kinds of its own
        reason = " ".join(str(error).split())
        raise ValueError(f"The network in the bundle takes no photo of {size} px: {reason}") from error
    check(found == (1, size, size, 3), f"The network in the bundle puts out {found}; expected a position map.")

    def predict(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(to_pixels(run(to_photo(crop[None]))[0], scaling), np.float32)

    return predict
