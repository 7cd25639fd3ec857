"""A file of a network's weights that says what they are of, so that it can be read elsewhere."""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.store.files import digest_file

from .settings import NetworkConfig

if TYPE_CHECKING:
    import keras

# Attributes of Keras's file.
FACTS, SEED, SEEDS = "facts", "seed", "seeds"


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


def keep_best(path: Path, files: Mapping[int, Path], kept: int) -> None:
    """Copy the weights of the best of some seeds, and note in the copy which files it was the best of.

    The copy has their hashes, so that what depends on it alone, as a run that starts from it does, depends on all.

    Parameters
    ----------
    path : Path
    files : dict of int to Path
        Weights of each seed.
    kept : int
        The seed that was best.
    """
    shutil.copyfile(files[kept], path)
    with h5py.File(path, "r+") as file:
        file.attrs[SEED] = kept
        file.attrs[SEEDS] = json.dumps({seed: digest_file(each) for seed, each in files.items()})


def read_seeds(path: Path) -> tuple[int, list[int]]:
    """Read which seed the weights of `keep_best` are of, and which other seeds there are.

    Raises
    ------
    ValueError
        If it is no file of `keep_best`.
    """
    try:
        with h5py.File(path) as file:
            kept, digests = int(file.attrs[SEED]), json.loads(file.attrs[SEEDS])
        return kept, [seed for seed in map(int, digests) if seed != kept]
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{path} does not say which seed it is of ({reason}): train it again.") from error


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
