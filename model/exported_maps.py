"""Exported networks, of whatever format, as what puts out position maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.export import Photos, Run, open_network
from model.weights import digest_uv
from pipeline.photo.export_facts import read_facts
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling, to_pixels


def open_maps(path: Path, threads: int, layout: UVLayout | None = None) -> Run:
    """Open an exported file as what puts out position maps in px, as the file itself says.

    Parameters
    ----------
    path : Path
        Ends in .onnx or .tflite.
    threads : int
        That it may use.
    layout : UVLayout, optional
        By which the maps are to be read.

    Returns
    -------
    callable
        From one crop (1, S, S, 3) float32, RGB in [0, 1], to its map (1, S, S, 3) float32, px of the crop.

    Raises
    ------
    ValueError
        If the file does not say what it is, or is of another size or UV layout.
    """
    facts, run = read_facts(path), open_network(path, threads)
    if layout is not None and (facts.size, facts.uv_sha256) != (layout.size, digest_uv(layout.uv)):
        raise ValueError(
            f"{path} puts out maps of {facts.size} px, of UV layout {facts.uv_sha256[:12]}, and they are to be read as "
            f"maps of {layout.size} px, of {digest_uv(layout.uv)[:12]}: they mean other points of a face."
        )
    scaling, shape = Scaling(facts.scaling, facts.size), (1, facts.size, facts.size, 3)

    def to_maps(photo: Photos) -> NDArray[np.float32]:
        values = run(photo)
        if values.shape != shape:
            raise ValueError(f"{path} puts out {values.shape}; it says that its maps are {shape}. Export it anew.")
        return np.asarray(to_pixels(values, scaling), np.float32)

    return to_maps
