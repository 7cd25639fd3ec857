"""A file of a network's weights that says what they are of, so that it can be read elsewhere."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from .settings import NetworkConfig

if TYPE_CHECKING:
    import keras

# Attribute of Keras's file.
FACTS = "facts"


@dataclass(frozen=True)
class WeightsFacts:
    """What weights are of.

    Attributes
    ----------
    network : NetworkConfig
    scaling : str
        How its output becomes px.
    layout : str
        Of its maps, as `digest_uv` gives it; empty if it is not known.
    """

    network: NetworkConfig
    scaling: str
    layout: str


def digest_uv(uv: NDArray[np.float64]) -> str:
    """Name the UV coordinates (V, 2) of a face model by their SHA-256."""
    return hashlib.sha256(np.ascontiguousarray(uv).tobytes()).hexdigest()


def save_weights(path: Path, model: "keras.Model", facts: WeightsFacts) -> None:
    """Write the weights of a network (`.weights.h5`) and what they are of; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.attrs[FACTS] = json.dumps(asdict(facts))


def read_facts(path: Path, content: bytes | None = None) -> WeightsFacts:
    """Read what weights are of, from a file or from the bytes that `path` is to have.

    Raises
    ------
    ValueError
        If it is no HDF5 file, or says nothing, or something else than `save_weights` does.
    """
    try:
        with h5py.File(path if content is None else io.BytesIO(content)) as file:
            facts = json.loads(file.attrs[FACTS])
        return WeightsFacts(NetworkConfig(**facts["network"]), facts["scaling"], facts["layout"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{path} holds no weights of this software ({reason}).") from error
