"""From a face's place in a photo to its mesh: landmarks by a first pass, and the map of the crop that they place."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..crops.alignment import resample
from ..face.head_pose import estimate_pose
from ..uv.surface import Surface, read_points

# From a crop (S, S, 3) uint8 to its position map (S, S, 3) float32 in px of the crop.
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """One face of a photo in 3D.

    Attributes
    ----------
    similarity : (3, 3) float64
        Photo pixels to those of the position map.
    make_map : callable
        Makes the position map, which a fit takes as long for as for itself, and which few files need.
    vertices : (V, 3) float64
        The face's mesh (`Surface.triangles`) in photo pixels.
    landmarks : (68, 3) float64
        Photo pixels.
    pose : (7,) float64
        As `pipeline.face.head_pose.estimate_pose` gives it.
    coefficients : (S + E,) float64, optional
        Of the face model, where it was fitted.
    mesh : (468, 3) float64, optional
        Points of Face Mesh in photo pixels, where it looked.
    doubt : str
        Why it is likely wrong; empty if it is not.
    """

    similarity: NDArray[np.float64]
    make_map: Callable[[], NDArray[np.float32]]
    vertices: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    pose: NDArray[np.float64]
    coefficients: NDArray[np.float64] | None = None
    mesh: NDArray[np.float64] | None = None
    doubt: str = ""

    @functools.cached_property
    def position_map(self) -> NDArray[np.float32]:
        """Position map (S, S, 3) in pixels of the levelled crop, or of the photo."""
        return self.make_map()


def find_landmarks(
    photo: NDArray[np.uint8], first: NDArray, predict: Predict, surface: Surface, size: int
) -> NDArray[np.float64]:
    """Landmarks by a first pass of the network, for which a face's place need not be known well.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        RGB.
    first : (3, 3) float64
        Photo pixels to a first crop of `size` px.
    predict : callable
    surface : Surface
    size : int

    Returns
    -------
    (68, 3) float64
        Photo pixels.
    """
    return read_points(predict(resample(photo, first, size)), first, surface).landmarks


def read_face(
    position_map: NDArray[np.float32], similarity: NDArray, surface: Surface, mean: NDArray, height: int
) -> Reconstruction:
    """Read a face from its position map.

    Parameters
    ----------
    position_map : (S, S, 3) float32
        Pixels of the crop.
    similarity : (3, 3) float64
        Photo pixels to those of the crop.
    surface : Surface
    mean : (V, 3) float
        Mean face at the vertices of the surface, model frame.
    height : int
        Of the photo in px.

    Returns
    -------
    Reconstruction

    Raises
    ------
    ValueError
        If the mesh has no extent.
    """
    points = read_points(position_map, similarity, surface)
    pose = estimate_pose(points.vertices, mean, height)
    return Reconstruction(similarity, lambda: position_map, points.vertices, points.landmarks, pose)
