"""What a page needs of a bundle to make faces in a browser: arrays, numbers that the code here has, and networks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..crops import blaze_face, face_mesh, landmark_map, mesh_landmarks
from ..face import fit, landmarks
from ..face.face_model import FaceModel
from ..face.fit import Prior, prior_face
from ..uv.embedding import boundary_loops
from ..uv.map_fit import SIGMA_PX
from . import fitting, photo_files, smoothing
from .bundle import Bundle
from .litert_to_onnx import convert
from .map_network import MapNetwork

# Networks that are looked through, by their names in `face_mesh.FILES`.
LOOKING = ("near", "far", "mesh")
# Of the sphere that a face is shown in, for faces that are longer than the mean.
ROOM = 1.15
# By module: numbers that the page has from here, so that they stand in one place. Some are chosen on photos.
NUMBERS: Mapping[Any, tuple[str, ...]] = {
    blaze_face: ("CELLS", "MIN_SCORE", "SAME_FACE", "SMALLEST_LEVEL"),
    face_mesh: (
        "POINTS", "OUTER_CORNERS", "EYES", "NOSE_TIP", "MOUTH_CORNERS", "MIRRORED", "MIN_PRESENCE", "SURE_SCORE",
        "CERTAIN", "MIN_SIDE", "SMALL", "PARTS", "REGION", "PASSES", "UPRIGHT", "SHIFTS",
    ),
    landmark_map: ("FARTHEST", "KEYPOINTS"),
    landmarks: ("CHIN", "NOSE_ROOT"),
    fit: (
        "TRIAL_ROUNDS", "TRIAL_POINTS", "ROUNDS", "SMALL_GAIN", "FIRST_DAMPING", "DAMPING_STEP", "LONGEST_TURN",
    ),
    fitting: ("SIGMA", "DEPTH", "ASIDE", "FURTHER", "MOST_ASIDE", "FAR", "SURE_PRESENCE", "APART"),
    smoothing: ("MIN_CUTOFF", "D_CUTOFF", "BETA", "SIGMAS"),
    photo_files: ("MAX_PIXELS",),
}  # fmt: skip


def browser_numbers(bundle: Bundle) -> dict[str, Any]:
    """Numbers by their names in the modules here, what of them is an array as a list, and the size of the mean face.

    `middle` and `radius` are of the sphere that a face is shown in, model frame; `sizes` are the sides in px of what
    the networks see.
    """
    numbers = {name: _plain(getattr(module, name)) for module, names in NUMBERS.items() for name in names}
    face = bundle.spread @ bundle.model.mean.astype(np.float64)
    middle = (face.min(axis=0) + face.max(axis=0)) / 2
    return numbers | {
        "LANDMARK_PAIRS": {
            "first": _plain(mesh_landmarks.FIRST),
            "second": _plain(mesh_landmarks.SECOND),
            "weight": _plain(mesh_landmarks.WEIGHT),
        },
        "LANDMARK_EYES": list(range(landmarks.LANDMARKS))[landmarks.EYES],
        "SIGMA_PX": SIGMA_PX,
        "middle": _plain(middle),
        "radius": ROOM * float(np.linalg.norm(face - middle, axis=1).max()),
    }


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def browser_networks(bundle: Bundle, network: MapNetwork | None) -> dict[str, bytes]:
    """Networks as ONNX files by the page's names for them; `map` is the bundle's own, where it is to draw."""
    networks = {name: convert(bundle.files[face_mesh.FILES[name]]) for name in LOOKING}
    return networks | ({} if network is None else {"map": network.onnx})


def browser_arrays(bundle: Bundle, network: MapNetwork | None) -> dict[str, NDArray]:
    """Arrays of a bundle for the page, points in space by axes, coefficients in units of the prior's sigma.

    Returns
    -------
    dict
        Of a model of K vertices and P vectors `mean` (3, K) and `basis` (P, 3, K) float32, see
        `pipeline.face.fit.prior_face`; normals (K, 3) float32 in the model's frame; `correction` (C, 468) float16;
        `spread` as a sparse matrix by rows; `triangles` (F, 3) of the mesh that is shown and `own_triangles`; what
        there is of `landmark_map` and of the network's texels.
    """
    models = {"model": bundle.model, "points": bundle.points, "landmarks": bundle.landmarks}
    if network is not None:
        models["network"] = network.points
    arrays: dict[str, NDArray] = {
        f"{name}/{part}": values
        for name, model in models.items()
        for part, values in zip(("mean", "basis"), _by_axes(model, bundle.prior), strict=True)
    }
    points, corners = (normals.astype(np.float32) for normals in fitting.outward_normals(bundle))
    arrays |= {
        "point_normals": points,
        "landmark_normals": corners,
        "correction": bundle.correction.astype(np.float16),
        "spread/data": bundle.spread.data.astype(np.float32),
        "spread/indices": bundle.spread.indices.astype(np.int32),
        "spread/indptr": bundle.spread.indptr.astype(np.int32),
        "triangles": _indices(bundle.surface.triangles, bundle),
        "own_triangles": _indices(own_triangles(bundle), bundle),
    }
    if bundle.landmark_map is not None:
        arrays["landmark_map"] = bundle.landmark_map.astype(np.float32)
    if network is not None:
        arrays["network/texels"] = network.texels.astype(np.int32)
    return arrays


def own_triangles(bundle: Bundle) -> NDArray[np.int64]:
    """Triangles (G, 3) of the face model between vertices of the mesh that is shown, which may be finer.

    They are a quarter as many then, and a moving face is drawn by them where no graphics processor helps.
    """
    own, first = np.unique(bundle.surface.vertices, return_index=True)
    shown = np.full(len(bundle.model.mean), -1)
    shown[own] = first
    triangles = shown[bundle.model.triangles]
    triangles = triangles[(triangles >= 0).all(axis=1)]
    # Holes are closed as those of the mesh that is shown: by its vertex in the middle.
    face = bundle.spread @ bundle.model.mean
    fans = []
    for loop in boundary_loops(triangles.astype(np.int32))[1:]:
        middle = np.linalg.norm(face - face[loop].mean(axis=0), axis=1).argmin()
        fans.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), middle)], axis=1))
    return np.concatenate([triangles, *fans])


def _indices(triangles: NDArray[np.integer], bundle: Bundle) -> NDArray[np.unsignedinteger]:
    return triangles.astype(np.uint16 if len(bundle.surface.vertices) < 2**16 else np.uint32)


def _by_axes(model: FaceModel, prior: Prior) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean, basis = prior_face(model, prior)
    return mean.astype(np.float32), basis.astype(np.float32)
