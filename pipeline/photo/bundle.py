"""A bundle: one file with all that makes 3D faces of photos, and needs no project, no params and no TensorFlow.

It is a zip file of arrays (.npy), networks and `bundle.json`, which has the version, the SHA-256 of every member, and
what is known of where it all comes from. Nothing in it is executed when it is read, and nothing is compressed, so that
it opens in half the time. A network that regresses position maps may be in it, and a learnt map of landmarks; the face
model is in every one.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from ..face.fit import Prior
from ..store.files import replacing
from ..store.sparse import SparseMatrix
from ..uv.surface import Surface
from .map_network import MapNetwork, NetworkFacts

VERSION = 2
SUFFIX = ".face3d"
MANIFEST, NETWORK, WEIGHTS = "bundle.json", "network.onnx", "network.weights.h5"
# Members have no times of their own, so that the same bundle has the same bytes.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """What faces in photos are found and reconstructed by.

    Attributes
    ----------
    model : FaceModel
        Of C vertices.
    points, landmarks : FaceModel
        At the 468 points of Face Mesh, and at the 68 landmarks.
    prior : Prior
        Of the coefficients.
    correction : (C, 468) float32
        See `pipeline.face.correction`.
    spread : (V, C) sparse float32
        From the model's vertices to those of the mesh that is shown, which may be finer.
    surface : Surface
        The mesh that is shown; its `vertices` are the model's nearest ones.
    operator : (S * S, C) sparse float32
        Position map of the face's texels = operator @ vertices of the model.
    files : dict of str to bytes
        The networks of `pipeline.crops.face_mesh.FILES`.
    about : dict
        What is known of the bundle: its name, licences.
    network : MapNetwork or None
        A network of this project, with a UV layout of its own.
    landmark_map : (1418, 204) float64 or None
        See `pipeline.crops.landmark_map`; where there is none, landmarks are read off by the table.
    """

    model: FaceModel
    points: FaceModel
    landmarks: FaceModel
    prior: Prior
    correction: NDArray[np.float32]
    spread: SparseMatrix
    surface: Surface
    operator: SparseMatrix
    files: dict[str, bytes]
    about: dict[str, Any]
    network: MapNetwork | None = None
    landmark_map: NDArray[np.float64] | None = None


MODELS = ("model", "points", "landmarks")
MODEL_ARRAYS = ("mean", "shape_basis", "expression_basis", "triangles", "landmarks")
MATRICES, MATRIX_ARRAYS = ("spread", "operator"), ("data", "indices", "indptr")


def save_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle; the same bundle has the same bytes.

    Raises
    ------
    OSError
        If it can't be written; nothing is left of it then.
    """
    arrays = dict(_arrays(bundle))
    members = {f"{name}.npy": _npy(values) for name, values in arrays.items()} | bundle.files
    if bundle.network is not None:
        members[NETWORK] = bundle.network.onnx
        members |= {WEIGHTS: bundle.network.weights} if bundle.network.weights else {}
    manifest = {
        "version": VERSION,
        "about": bundle.about,
        "expression_names": list(bundle.model.expression_names),
        "network": None if bundle.network is None else dataclasses.asdict(bundle.network.facts),
        "sha256": {name: _digest(content) for name, content in members.items()},
    }
    with replacing(path) as part, zipfile.ZipFile(part, "w") as file:
        for name, content in {MANIFEST: json.dumps(manifest, indent=1).encode(), **members}.items():
            file.writestr(zipfile.ZipInfo(name, LONG_AGO), content)


def load_bundle(path: Path) -> Bundle:
    """Read what `save_bundle` wrote.

    Raises
    ------
    ValueError
        If it is no bundle, of another version, or damaged.
    OSError
        If it is missing or cannot be read.
    """
    with _opening(path) as file:
        manifest = _read_manifest(file)
        missing = sorted(set(manifest["sha256"]) - set(file.namelist()))
        _refuse(missing, f"{', '.join(missing)} is missing in it. Copy or export it anew.")
        members = {name: file.read(name) for name in manifest["sha256"]}
        damaged = [name for name, content in members.items() if _digest(content) != manifest["sha256"][name]]
        _refuse(damaged, f"{', '.join(damaged)} is not what was written. Copy or export it anew.")
        return _read(members, manifest)


def read_facts(path: Path) -> NetworkFacts | None:
    """Read what a bundle says of its network, None if it has none, and nothing else of it.

    Raises
    ------
    ValueError
        If it is no bundle, of another version, or damaged.
    OSError
        If it is missing or cannot be read.
    """
    with _opening(path) as file:
        return _facts(_read_manifest(file))


class _RefusedError(Exception):
    """What is wrong with a bundle, after its name."""


def _refuse(wrong: Any, sentence: str) -> None:
    if wrong:
        raise _RefusedError(f"is damaged: {sentence}")


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a bundle; whatever is wrong with it becomes a sentence with its name."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing or no file; expected a bundle ({SUFFIX}).")
    try:
        with zipfile.ZipFile(path) as file:
            yield file
    except OSError:
        raise
    except _RefusedError as refused:
        raise ValueError(f"{path} {refused}") from None
    except Exception as error:  # of many kinds, BadZipFile, KeyError and zlib.error among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged or no bundle: {reason}.") from error


def _read_manifest(file: zipfile.ZipFile) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(file.read(MANIFEST))
    version = manifest["version"]
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise _RefusedError(
            f"is a bundle of version {version}, this software reads {VERSION}: "
            + ("get a newer version of it." if newer else "export it anew.")
        )
    return manifest


def _facts(manifest: dict[str, Any]) -> NetworkFacts | None:
    return None if manifest["network"] is None else NetworkFacts(**manifest["network"])


def _arrays(bundle: Bundle) -> Iterator[tuple[str, NDArray]]:
    """All arrays of a bundle by their names; `_read` is its inverse."""
    for name in MODELS:
        yield from _model_arrays(name, getattr(bundle, name))
    for name in MATRICES:
        yield from _matrix_arrays(name, getattr(bundle, name))
    # Half precision: a thousandth of what is missing at a point.
    yield "correction", bundle.correction.astype(np.float16)
    yield "prior/mean", bundle.prior.mean
    yield "prior/sigma", bundle.prior.sigma
    yield from _surface_arrays("surface", bundle.surface)
    if bundle.landmark_map is not None:
        yield "landmark_map", bundle.landmark_map
    network = bundle.network
    if network is not None:
        yield from _surface_arrays("network/surface", network.surface)
        yield from _matrix_arrays("network/operator", network.operator)
        yield from _model_arrays("network/points", network.points)
        yield "network/mean", network.mean
        yield "network/texels", network.texels


def _model_arrays(name: str, model: FaceModel) -> Iterator[tuple[str, NDArray]]:
    return ((f"{name}/{part}", getattr(model, part)) for part in MODEL_ARRAYS)


def _matrix_arrays(name: str, matrix: SparseMatrix) -> Iterator[tuple[str, NDArray]]:
    yield from ((f"{name}/{part}", getattr(matrix, part)) for part in MATRIX_ARRAYS)
    yield f"{name}/shape", np.array(matrix.shape)


def _surface_arrays(name: str, surface: Surface) -> Iterator[tuple[str, NDArray]]:
    return ((f"{name}/{field.name}", getattr(surface, field.name)) for field in dataclasses.fields(Surface))


def _read(members: Mapping[str, bytes], manifest: dict[str, Any]) -> Bundle:
    arrays = {name[:-4]: _array(content) for name, content in members.items() if name.endswith(".npy")}
    names, facts = tuple(manifest["expression_names"]), _facts(manifest)

    def model(name: str) -> FaceModel:
        return FaceModel(**{part: arrays[f"{name}/{part}"] for part in MODEL_ARRAYS}, expression_names=names)

    def matrix(name: str) -> SparseMatrix:
        rows, columns = arrays[f"{name}/shape"].tolist()
        return SparseMatrix(**{part: arrays[f"{name}/{part}"] for part in MATRIX_ARRAYS}, shape=(rows, columns))

    def surface(name: str) -> Surface:
        return Surface(**{field.name: arrays[f"{name}/{field.name}"] for field in dataclasses.fields(Surface)})

    network = None
    if facts is not None:
        network = MapNetwork(
            onnx=members[NETWORK],
            facts=facts,
            surface=surface("network/surface"),
            operator=matrix("network/operator"),
            mean=arrays["network/mean"],
            texels=arrays["network/texels"],
            points=model("network/points"),
            weights=members.get(WEIGHTS, b""),
        )
    return Bundle(
        model=model("model"),
        points=model("points"),
        landmarks=model("landmarks"),
        spread=matrix("spread"),
        operator=matrix("operator"),
        prior=Prior(arrays["prior/mean"], arrays["prior/sigma"]),
        correction=arrays["correction"].astype(np.float32),
        surface=surface("surface"),
        files={
            name: content
            for name, content in members.items()
            if not name.endswith(".npy") and name not in (NETWORK, WEIGHTS)
        },
        about=manifest["about"],
        network=network,
        landmark_map=arrays.get("landmark_map"),
    )


def _array(content: bytes) -> NDArray:
    """Read the array of an .npy file in place, where `numpy.load` would copy it; it can't be written to."""
    stream = io.BytesIO(content)
    _refuse(np.lib.format.read_magic(stream) != (1, 0), "an array in it is of another version. Export it anew.")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(stream)
    _refuse(kind.hasobject, "an array in it has objects, which would have to be unpickled. Export it anew.")
    values = np.frombuffer(content, kind, offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _npy(values: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
