"""A bundle: one file with all that makes 3D faces of photos, and needs no project, no params and no TensorFlow.

It is a zip file of arrays (.npy), networks and `bundle.json`, which has the version, the SHA-256 of every member, and
what is known of where it all comes from. Nothing in it is executed when it is read.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..face.face_model import FaceModel
from ..face.fit import Prior
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
    spread : (V + X, C) sparse float32
        From the model's vertices to the V of the mesh that is shown, and X more that texels of the face are made of.
    surface : Surface
        The mesh that is shown.
    operator : (S * S, V + X) sparse float32
        Position map of the face's texels = operator @ vertices.
    files : dict of str to bytes
        The networks: those of `pipeline.crops.face_mesh.FILES`, and ``network.onnx`` if one was trained.
    about : dict
        What is known of the bundle: name, what it was made from, licences; for a network its scaling, size of the crop,
        margin, and whether its training set was real.
    """

    model: FaceModel
    points: FaceModel
    landmarks: FaceModel
    prior: Prior
    correction: NDArray[np.float32]
    spread: scipy.sparse.csr_array
    surface: Surface
    operator: scipy.sparse.csr_array
    files: dict[str, bytes]
    about: dict[str, Any]

    def __hash__(self) -> int:
        return id(self)


MODELS = ("model", "points", "landmarks")
MODEL_ARRAYS = ("mean", "shape_basis", "expression_basis", "triangles", "landmarks")
MATRICES = ("spread", "operator")


def save_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle; the same bundle has the same bytes."""
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
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: json.dumps(manifest, indent=1).encode(), **members}.items():
            file.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED, 1)
    beside.replace(path)


def load_bundle(path: Path) -> Bundle:
    """Read what `save_bundle` wrote.

    Raises
    ------
    ValueError
        If it is no bundle, of another version, or damaged.
    OSError
        If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            manifest = json.loads(file.read(MANIFEST))
            members = {name: file.read(name) for name in manifest["sha256"]}
        version, digests = manifest["version"], manifest["sha256"]
        whole = all(hashlib.sha256(members[name]).hexdigest() == digest for name, digest in digests.items())
        bundle = _read(members, manifest) if whole and version == VERSION else None
    except OSError:
        raise
    except Exception as error:  # of many kinds, BadZipFile, KeyError and zlib.error among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged or no bundle: {reason}.") from error
    if bundle is None:
        raise ValueError(
            f"{path} is a bundle of version {version}, this software reads {VERSION}: export it anew."
            if whole
            else f"{path} is damaged: what it holds is not what was written. Copy or export it anew."
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
        name: scipy.sparse.csr_array(
            tuple(arrays[f"{name}/{part}"] for part in ("data", "indices", "indptr")), shape=arrays[f"{name}/shape"]
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


def _npy(values: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
