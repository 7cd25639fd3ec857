"""Everything that turns a found face into a mesh, opened once for many photos."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..crops.alignment import resample
from ..crops.blaze_face import Network, halvings
from ..crops.face_finding import Face
from ..crops.face_mesh import MeshFace, open_files
from ..crops.iris import find_irises
from ..face.face_model import name_expressions
from ..photo.bundle import Bundle, load_bundle
from ..photo.fitting import doubt_of, fit_map_to_photo, fit_mesh, keypoint_distance
from ..photo.map_network import MapNetwork, place_crop
from ..photo.photo_files import open_photo
from ..photo.reconstruction import Reconstruction, read_face
from ..store.arrays import Array, Image
from ..store.checks import check, check_all
from ..store.memory import keep_memory
from ..store.progress import tell_beside
from ..store.sparse import SparseMatrix, take_columns
from ..uv.surface import Surface
from .bundles import choose_bundle, embedded_bundle
from .finding import Finder, open_finder, open_landmarker, with_mesh
from .options import ReconstructorOptions


@dataclasses.dataclass(frozen=True, eq=False)
class Reconstructor:
    """What every face of every photo is reconstructed by.

    Attributes
    ----------
    find_faces : callable
        The detector: from a photo to its faces, the largest first.
    reconstruct : callable
        From a photo and a face in it to its mesh.
    surface : Surface
        The mesh that is shown.
    operator : (size * size, V) sparse
        Of the UV layout: texels of what the shown vertices carry.
    mean : (V, 3) float
        Mean face at the shown vertices.
    made_by : str
        What makes the faces, for people.
    expressions : (names, (E, V, 3) float) or None
        Names of the face model's expressions, and what one unit of each adds to the shown vertices, model frame; None
        where the model is not fitted.
    find_irises : callable or None
        From a photo and the points of Face Mesh to the rims of the irises, see `pipeline.crops.iris`.
    bundle : Bundle or None
        Whose face model is fitted; None where none is.
    """

    find_faces: Finder
    reconstruct: Callable[[Image, Face], Reconstruction]
    surface: Surface
    operator: SparseMatrix
    mean: NDArray
    made_by: str
    expressions: tuple[Sequence[str], NDArray] | None = None
    find_irises: Callable[[Image, NDArray], Array] | None = None
    bundle: Bundle | None = None


def open_reconstructor(options: ReconstructorOptions, threads: int) -> Reconstructor:
    """Read what faces are found and reconstructed by.

    Parameters
    ----------
    options : ReconstructorOptions
    threads : int
        That the networks and OpenCV may use.

    Returns
    -------
    Reconstructor

    Raises
    ------
    ValueError
        If options contradict each other, or a file is missing or damaged.
    """
    keep_memory()
    cv2.setNumThreads(threads)
    # The products of a fit are small: on busy cores two threads take five to ten times as long as one.
    threadpool_limits(1, user_api="blas")
    path, by_network = choose_bundle(options)
    check_all(
        (
            by_network or options.landmarks == "facemesh",
            f"--landmarks {options.landmarks} places a network's crop, and a fit has none: add --method network.",
        ),
        (by_network or options.fit, "--no-fit leaves a network's map as it is, and here none draws: leave it out."),
    )
    bundle = load_bundle(path) if path else embedded_bundle()
    networks = open_files(bundle.files, threads)
    if by_network and bundle.network is not None:
        return open_by_network(options, bundle, bundle.network, networks, threads)
    return open_by_fit(options, bundle, networks)


def open_by_fit(options: ReconstructorOptions, bundle: Bundle, networks: dict[str, Network]) -> Reconstructor:
    """Reconstruct by the face model of a bundle, fitted to the points of Face Mesh: see `pipeline.photo.fitting`."""

    def fit(photo: Image, face: Face) -> Reconstruction:
        return fit_mesh(with_mesh(photo, face, bundle, networks), bundle, photo.shape[:2])

    made_by = f"fit of the face model {bundle.about['name']!r} to the points of Face Mesh"
    return _of_face_model(bundle, open_finder(options, networks), fit, made_by, networks)


def open_by_network(
    options: ReconstructorOptions,
    bundle: Bundle,
    network: MapNetwork,
    networks: dict[str, Network],
    threads: int,
) -> Reconstructor:
    """Reconstruct by the network of a bundle, and by the face model fitted to its map unless options say otherwise.

    Raises
    ------
    ValueError
        If the network takes no crops of its size, or what finds landmarks is missing.
    """
    from .network import open_regressor  # a fit needs none of it

    predict = open_regressor(network, threads)
    find_points = open_landmarker(options, bundle, network, predict, networks)
    facts = network.facts

    def draw(photo: Image, face: Face) -> Reconstruction:
        similarity = place_crop(find_points(photo, face), face.quarter_turns, facts)
        position_map = predict(resample(photo, similarity, facts.size))
        presence, apart, mesh = 1.0, 0.0, None
        if isinstance(face, MeshFace):
            presence, apart, mesh = face.confidence, keypoint_distance(face), face.mesh
        if options.fit:
            found, residual = fit_map_to_photo(position_map, similarity, network, bundle, len(photo))
        else:
            found, residual = read_face(position_map, similarity, network.surface, network.mean, len(photo)), 0.0
        return dataclasses.replace(found, mesh=mesh, doubt=doubt_of(presence, residual, apart))

    find = open_finder(options, networks)
    if options.fit:
        made_by = f"{facts}, fitted by the face model {bundle.about['name']!r}"
        return _of_face_model(bundle, find, draw, made_by, networks)
    return Reconstructor(
        find, draw, network.surface, network.operator, network.mean, str(facts), None, _iris_finder(networks)
    )


def _of_face_model(
    bundle: Bundle,
    find: Finder,
    reconstruct: Callable[[Image, Face], Reconstruction],
    made_by: str,
    networks: dict[str, Network],
) -> Reconstructor:
    """What makes faces that are the bundle's face model, finer than it is where that is coarse."""
    # Texels are made of the model's vertices, each of which is one of those that are shown, or next to one.
    own, first = np.unique(bundle.surface.vertices, return_index=True)
    shown = np.full(bundle.operator.shape[1], -1)
    shown[own] = first
    return Reconstructor(
        find,
        reconstruct,
        bundle.surface,
        take_columns(bundle.operator, shown, len(bundle.surface.vertices)),
        bundle.spread @ bundle.model.mean,
        made_by,
        _expressions_of(bundle),
        _iris_finder(networks),
        bundle,
    )


def _iris_finder(networks: dict[str, Network]) -> Callable[[Image, NDArray], Array]:
    return lambda photo, mesh: find_irises(halvings(photo), mesh, networks["iris"])


def _expressions_of(bundle: Bundle) -> tuple[Sequence[str], NDArray]:
    basis = bundle.model.expression_basis
    moves = (bundle.spread @ basis.reshape(len(basis), -1)).reshape(-1, *basis.shape[1:]).transpose(2, 0, 1)
    return name_expressions(bundle.model), moves


def open_largest(path: Path, reconstructor: Reconstructor) -> tuple[Image, Reconstruction]:
    """Open a photo, and reconstruct the largest face in it; if it is likely wrong, that is told.

    Returns
    -------
    photo : (H, W, 3) uint8
    face : Reconstruction

    Raises
    ------
    ValueError
        If it is no photo, or shows no face.
    """
    photo, _ = open_photo(path)
    faces = reconstructor.find_faces(photo)
    check(bool(faces), f"No face was found in {path}.")
    found = reconstructor.reconstruct(photo, faces[0])
    if found.doubt:
        tell_beside(f"{path}: {found.doubt}")
    return photo, found
