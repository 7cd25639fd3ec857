"""A bundle: one file with all that makes 3D faces of photos, and needs no project, no params and no TensorFlow.

It is a zip file of arrays (.npy), networks and `bundle.json`, which has the version, the SHA-256 of every member, and
what is known of where it all comes from. Nothing in it is executed when it is read, and nothing is compressed, so that
it opens in half the time.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from ..face.fit import Prior
from ..store.files import replacing
from ..store.sparse import SparseMatrix
from ..uv.surface import Surface

VERSION = 1
SUFFIX = ".face3d"
MANIFEST = "bundle.json"
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
        What is known of the bundle: its name, what it was made from, licences.
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


MODELS = ("model", "points", "landmarks")
MODEL_ARRAYS = ("mean", "shape_basis", "expression_basis", "triangles", "landmarks")
MATRICES = ("spread", "operator")


def save_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle; the same bundle has the same bytes.

    Raises
    ------
    OSError
        If it can't be written; nothing is left of it then.
    """
    arrays: dict[str, NDArray] = {
        f"{name}/{part}": getattr(getattr(bundle, name), part) for name in MODELS for part in MODEL_ARRAYS
    }
    for name in MATRICES:
        matrix = getattr(bundle, name)
        arrays |= {f"{name}/{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        arrays[f"{name}/shape"] = np.array(matrix.shape)
    # Half precision: a thousandth of what is missing at a point.
    arrays["correction"] = bundle.correction.astype(np.float16)
    arrays |= {"prior/mean": bundle.prior.mean, "prior/sigma": bundle.prior.sigma}
    arrays |= {f"surface/{field.name}": getattr(bundle.surface, field.name) for field in dataclasses.fields(Surface)}
    members = {f"{name}.npy": _npy(values) for name, values in arrays.items()} | bundle.files
    manifest = {
        "version": VERSION,
        "about": bundle.about,
        "expression_names": list(bundle.model.expression_names),
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
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing or no file; expected a bundle ({SUFFIX}).")
    try:
        with zipfile.ZipFile(path) as file:
            manifest = json.loads(file.read(MANIFEST))
            version = manifest["version"]
            members = {name: file.read(name) for name in manifest["sha256"]} if version == VERSION else {}
        damaged = [name for name, content in members.items() if _digest(content) != manifest["sha256"][name]]
        bundle = None if damaged or version != VERSION else _read(members, manifest)
    except OSError:
        raise
    except Exception as error:  # of many kinds, BadZipFile, KeyError and zlib.error among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged or no bundle: {reason}.") from error
    if bundle is None:
        raise ValueError(
            f"{path} is damaged: {', '.join(damaged)} is not what was written. Copy or export it anew."
            if damaged
            else f"{path} is a bundle of version {version}, this software reads {VERSION}: export it anew."
        )
    return bundle


def _read(members: dict[str, bytes], manifest: dict[str, Any]) -> Bundle:
    arrays = {
        name[:-4]: np.load(io.BytesIO(c), allow_pickle=False) for name, c in members.items() if name.endswith(".npy")
    }
    models = {
        name: FaceModel(
            **{part: arrays[f"{name}/{part}"] for part in MODEL_ARRAYS},
            expression_names=tuple(manifest["expression_names"]),
        )
        for name in MODELS
    }
    matrices = {
        name: SparseMatrix(
            data=arrays[f"{name}/data"],
            indices=arrays[f"{name}/indices"],
            indptr=arrays[f"{name}/indptr"],
            shape=tuple(arrays[f"{name}/shape"].tolist()),
        )
        for name in MATRICES
    }
    return Bundle(
        model=models["model"],
        points=models["points"],
        landmarks=models["landmarks"],
        spread=matrices["spread"],
        operator=matrices["operator"],
        prior=Prior(arrays["prior/mean"], arrays["prior/sigma"]),
        correction=arrays["correction"].astype(np.float32),
        surface=Surface(**{field.name: arrays[f"surface/{field.name}"] for field in dataclasses.fields(Surface)}),
        files={name: content for name, content in members.items() if not name.endswith(".npy")},
        about=manifest["about"],
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _npy(values: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
