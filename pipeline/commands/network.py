"""The network of a bundle, applied to crops of photos by ONNX Runtime."""

import numpy as np
from numpy.typing import NDArray

from ..photo.export_facts import check_same, facts_in
from ..photo.map_network import MapNetwork
from ..photo.onnx_session import open_session
from ..photo.reconstruction import Predict
from ..store.checks import check
from ..uv.scaling import Scaling, to_photo, to_pixels


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
        If it takes no crops of its size, puts out no maps of them, or says of itself something else than the bundle.
    """
    size = network.facts.size
    scaling = Scaling(network.facts.scaling, size)
    try:
        session = open_session(network.onnx, threads)
        told = facts_in(session)
        found = session.run(None, {"photo": np.zeros((1, size, size, 3), np.float32)})[0]
    except Exception as error:  # of the runtime, which has kinds of its own
        reason = " ".join(str(error).split())
        raise ValueError(f"The network in the bundle takes no photo of {size} px: {reason}") from error
    shape = found.shape
    check(shape == (1, size, size, 3), f"The network in the bundle puts out {shape}; expected a position map.")
    check(
        bool(np.isfinite(found).all()), "The network in the bundle puts out numbers that are not finite: train again."
    )
    if told is not None:
        check_same(told, network.facts, "the bundle that it lies in")

    def predict(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(to_pixels(session.run(None, {"photo": to_photo(crop[None])})[0][0], scaling), np.float32)

    return predict
