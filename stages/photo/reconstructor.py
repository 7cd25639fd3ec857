"""Everything that turns a found face into a mesh, opened once for many photos."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.crops.alignment import align
from pipeline.crops.blaze_face import Network, Region, halvings, open_network
from pipeline.crops.face_finding import Face, first_crop, points_roll
from pipeline.crops.face_mesh import FILES, REGION, MeshFace, find_faces, follow, open_networks
from pipeline.crops.iris import find_irises
from pipeline.crops.mesh_landmarks import read_landmarks
from pipeline.face.face_model import name_expressions
from pipeline.photo.bundle import SUFFIX, Bundle, load_bundle, save_bundle
from pipeline.photo.fitting import fit_mesh
from pipeline.photo.photo_files import open_photo
from pipeline.photo.reconstruction import Predict, Reconstruction, find_landmarks, reconstruct
from pipeline.store.arrays import Array, Image
from pipeline.store.files import digest_modules
from pipeline.store.sparse import SparseMatrix, from_scipy, take_columns
from pipeline.uv.surface import Surface
from stages.photo.options import ReconstructorOptions
from stages.project.paths import CODE_ROOT, EMBEDDED, EXPORTED
from stages.project.strict import check, check_all

# From a photo and a face in it to the 68 landmarks (68, >=2) in pixels of the photo.
Landmarker = Callable[[Image, Face], NDArray[np.float64]]
Finder = Callable[[Image], list[Face]]


@dataclasses.dataclass(frozen=True)
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
    """

    find_faces: Finder
    reconstruct: Callable[[Image, Face], Reconstruction]
    surface: Surface
    operator: SparseMatrix
    mean: NDArray
    made_by: str
    expressions: tuple[Sequence[str], NDArray] | None = None
    find_irises: Callable[[Image, NDArray], Array] | None = None


@dataclasses.dataclass(frozen=True)
class PhotoNetwork:
    """A network that regresses position maps of levelled crops, and what its maps are read by.

    Attributes
    ----------
    predict : callable
    surface : Surface
    operator : (size * size, V) sparse
    mean : (V, 3) float
        See `Reconstructor`.
    margin : float
        Side of the crop in sides of the landmarks' box.
    size : int
        Of the crop in px.
    """

    predict: Predict
    surface: Surface
    operator: SparseMatrix
    mean: NDArray
    margin: float
    size: int

    def mesh(self, photo: Image, landmarks: NDArray) -> Reconstruction:
        """Reconstruct the face that has some landmarks (68, >=2), see `pipeline.photo.reconstruction.reconstruct`."""
        return reconstruct(photo, landmarks, self.predict, self.surface, self.mean, self.margin, self.size)


def open_reconstructor(options: ReconstructorOptions, threads: int) -> Reconstructor:
    """Read what faces are found and reconstructed by.

    Parameters
    ----------
    options : ReconstructorOptions
    threads : int
        That the networks may use.

    Returns
    -------
    Reconstructor

    Raises
    ------
    ValueError
        If options contradict each other, or a file is missing or does not fit params.yaml.
    """
    # The products of a fit are small: on busy cores two threads take five to ten times as long as one.
    threadpool_limits(1, user_api="blas")
    named = bool(options.model or options.weights)
    by_network = named or options.method == "network"
    check_all(
        (not (by_network and options.bundle), "Give --bundle, or --model, --weights or --method network, not both."),
        (not (named and options.method == "fit"), "--method fit needs no --model and no --weights."),
        (
            by_network or options.landmarks == "facemesh",
            f"--landmarks {options.landmarks} levels a network's crop, and a fit has none: add --method network.",
        ),
    )
    if by_network:
        return open_by_network(options, threads)
    bundle = load_bundle(options.bundle) if options.bundle else embedded_bundle()
    return open_by_fit(
        options, bundle, {name: open_network(bundle.files[file], threads) for name, file in FILES.items()}
    )


def open_by_fit(options: ReconstructorOptions, bundle: Bundle, networks: dict[str, Network]) -> Reconstructor:
    """Reconstruct by the face model of a bundle, fitted to the points of Face Mesh: see `pipeline.photo.fitting`."""

    def fit(photo: Image, face: Face) -> Reconstruction:
        return fit_mesh(with_mesh(photo, face, networks), bundle, len(photo))

    made_by = f"fit of the face model {bundle.about['name']!r} to the points of Face Mesh"
    # Texels are made of the model's vertices, each of which is one of those that are shown, or next to one.
    own, first = np.unique(bundle.surface.vertices, return_index=True)
    shown = np.full(bundle.operator.shape[1], -1)
    shown[own] = first
    mean = bundle.spread @ bundle.model.mean
    return Reconstructor(
        open_finder(options, networks),
        fit,
        bundle.surface,
        take_columns(bundle.operator, shown, len(bundle.surface.vertices)),
        mean,
        made_by,
        _expressions_of(bundle),
        lambda photo, mesh: find_irises(halvings(photo), mesh, networks["iris"]),
    )


def _expressions_of(bundle: Bundle) -> tuple[Sequence[str], NDArray]:
    basis = bundle.model.expression_basis
    moves = (bundle.spread @ basis.reshape(len(basis), -1)).reshape(-1, *basis.shape[1:]).transpose(2, 0, 1)
    return name_expressions(bundle.model), moves


def open_by_network(options: ReconstructorOptions, threads: int) -> Reconstructor:
    """Reconstruct by a network of this project."""
    for file in (options.model, options.weights):
        check(file is None or file.is_file(), f"There is no network {file}; check the name.")
    network = open_photo_network(options, threads)
    networks = open_networks(threads) if "facemesh" in (options.detector, options.landmarks) else {}
    landmarks = open_landmarker(options, network, networks)

    def regress(photo: Image, face: Face) -> Reconstruction:
        return network.mesh(photo, landmarks(photo, face))

    made_by = f"network {options.model or options.weights or EXPORTED}"
    find = open_finder(options, networks)
    return Reconstructor(find, regress, network.surface, network.operator, network.mean, made_by)


def embedded_bundle() -> Bundle:
    """The embedded bundle, which is made once for each state of the code, in some seconds, and kept where it can be."""
    name = f"{digest_modules(CODE_ROOT, ('pipeline',))[:16]}{SUFFIX}"
    folders = embedded_folders()
    for folder in folders:
        if (folder / name).is_file():
            return load_bundle(folder / name)
    from pipeline.photo.embedded import make_embedded

    click.echo("Making the embedded face model, once; it takes some seconds.", err=True)
    bundle = make_embedded()
    for folder in folders:
        try:
            save_bundle(folder / name, bundle)
        except OSError:
            continue
        click.echo(f"It is kept in {folder}.", err=True)
        return load_bundle(folder / name)
    click.echo(f"It can't be kept, since {folders[-1]} can't be written: it will be made each time.", err=True)
    return bundle


def embedded_folders() -> list[Path]:
    """Where the embedded bundle is kept, by preference: in a checkout of the project, else in the user's cache."""
    import platformdirs

    cache = platformdirs.user_cache_path("face-reconstruction-pipeline", appauthor=False) / "embedded"
    return [EMBEDDED, cache] if Path("dvc.yaml").is_file() else [cache]


def with_mesh(photo: Image, face: Face, networks: dict[str, Network]) -> MeshFace:
    """A face with the points of Face Mesh, wherever it was found."""
    if isinstance(face, MeshFace):
        return face
    region = Region(face.box[:2] + face.box[2:] / 2, REGION * float(face.box[2:].max()), points_roll(face.points))
    return follow(halvings(photo), region, networks, face.confidence)


def open_photo_network(options: ReconstructorOptions, threads: int) -> PhotoNetwork:
    """Read a network of this project, and the face model and its layout.

    Raises
    ------
    ValueError
        If a file is missing or does not fit params.yaml.
    """
    # What a bundle needs none of, and what takes long to import.
    from pipeline.face.face_model import load_model
    from pipeline.uv.position_map import load_uv
    from pipeline.uv.surface import load_surface
    from stages.photo.network import open_regressor
    from stages.project.params import CropParams, DataParams, read
    from stages.project.paths import LAYOUT, MODEL
    from stages.project.variants import read_variant

    data, margin = read("data", DataParams), read("crop", CropParams).margin
    predict = open_regressor(read_variant(), data.size, threads, options.model, options.weights)
    for path in (MODEL, LAYOUT):
        check(path.is_file(), f"{path} is missing: run `dvc repro uv_embedding`.")
    surface = load_surface(MODEL, LAYOUT)
    operator = from_scipy(load_uv(LAYOUT).operator.tocsc()[:, surface.vertices].tocsr())
    return PhotoNetwork(predict, surface, operator, load_model(MODEL).mean[surface.vertices], margin, data.size)


def open_finder(options: ReconstructorOptions, networks: dict[str, Network]) -> Finder:
    """Choose what finds the faces."""
    if options.detector == "mtcnn":
        from pipeline.crops.face_finding import find_faces as find_by_mtcnn

        return find_by_mtcnn
    if options.detector == "dlib":
        from pipeline.crops import dlib_faces

        return functools.partial(dlib_faces.find_faces, _open_dlib(options.dlib_model))
    return lambda photo: list(find_faces(photo, networks))


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
        click.echo(f"{path}: {found.doubt}", err=True)
    return photo, found


def open_landmarker(options: ReconstructorOptions, network: PhotoNetwork, networks: dict[str, Network]) -> Landmarker:
    """Choose what finds the points that a network's crop is levelled by."""
    if options.landmarks == "network":
        predict, surface, size = network.predict, network.surface, network.size
        return lambda photo, face: find_landmarks(
            photo, place_first(face, network.margin, size), predict, surface, size
        )
    if options.landmarks == "asm":
        return _open_asm()
    if options.landmarks == "dlib":
        return _open_dlib_landmarks(_open_dlib(options.dlib_model), network.margin)
    return lambda photo, face: read_landmarks(with_mesh(photo, face, networks).mesh)


def place_first(face: Face, margin: float, size: int) -> Array:
    """Similarity of a face's crop without landmarks: by Face Mesh's points, or by the detector's box and points."""
    if isinstance(face, MeshFace):
        return align(read_landmarks(face.mesh), margin, True, size)
    return first_crop(face, margin, size)


def _open_asm() -> Landmarker:
    from pipeline.crops import active_shape
    from stages.project.paths import SHAPES

    check(SHAPES.is_file(), f"{SHAPES} is missing: run `dvc repro asm`, or choose --landmarks facemesh.")
    shapes = active_shape.load_model(SHAPES)
    return lambda photo, face: active_shape.fit(shapes, photo, face.points)


def _open_dlib(path: Path | None) -> Any:
    from pipeline.crops import dlib_faces

    if path is None:
        raise ValueError("dlib needs --dlib-model, the file of its shape predictor of 68 points.")
    return dlib_faces.open_predictor(path)


def _open_dlib_landmarks(predictor: Any, margin: float) -> Landmarker:
    from pipeline.crops import dlib_faces

    size = dlib_faces.SIZE
    return lambda photo, face: dlib_faces.find_landmarks(predictor, photo, place_first(face, margin, size))
