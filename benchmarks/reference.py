"""Raw pair to training sample in the usual way, one sample at a time: what the data stages are measured against.

The steps are those of the scripts that PRNet's training data were made with: read, one matrix-vector product each for
identity and expression, rasterise the position map through every triangle, warp, save the image and a float32 map.
"""

import dataclasses
import time
from pathlib import Path

import numba
import numpy as np
import scipy.io
import skimage.io
import skimage.transform
from numpy.typing import NDArray

from pipeline.crops.alignment import align
from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel
from pipeline.face.similarity import apply_similarity


@dataclasses.dataclass
class Seconds:
    """Time spent in each step, summed over samples."""

    read: float = 0.0
    product: float = 0.0
    rasterise: float = 0.0
    warp: float = 0.0
    save_image: float = 0.0
    save_map: float = 0.0

    @property
    def total(self) -> float:
        """Sum of the steps."""
        return sum(dataclasses.astuple(self))


def make_sample(
    photo: Path,
    annotation: Path,
    model: FaceModel,
    uv: NDArray,
    size: int,
    margin: float,
    output: Path,
    seconds: Seconds,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make one training sample and save it.

    Parameters
    ----------
    photo, annotation : Path
        Raw pair.
    model : FaceModel
    uv : (V, 2) float64
        Place of each vertex in the unit square.
    size : int
        Side of the aligned image and of the map in px.
    margin : float
        Side of the crop in sides of the landmarks' box.
    output : Path
        Without suffix; ``.png`` and ``.npy`` are written.
    seconds : Seconds
        What each step took is added to it.

    Returns
    -------
    image : (size, size, 3) uint8
    position_map : (size, size, 3) float32
        Aligned pixels.
    """
    clock = [time.perf_counter()]
    image = skimage.io.imread(photo)
    content = scipy.io.loadmat(annotation)
    clock.append(time.perf_counter())
    shape = content["Shape_Para"].ravel()[: model.shape_basis.shape[2]].astype(np.float32)
    expression = content["Exp_Para"].ravel()[: model.expression_basis.shape[2]].astype(np.float32)
    vertices = model.mean + model.shape_basis @ shape + model.expression_basis @ expression
    vertices = project(vertices, content["Pose_Para"].ravel(), len(image))
    similarity = align(vertices[model.landmarks], margin, True, size)
    vertices = apply_similarity(similarity, vertices).astype(np.float32)
    clock.append(time.perf_counter())
    position_map = rasterise(uv * (size - 1), model.triangles, vertices, size)
    clock.append(time.perf_counter())
    inverse = skimage.transform.SimilarityTransform(np.linalg.inv(similarity))
    warped = skimage.transform.warp(image, inverse, output_shape=(size, size), preserve_range=True)
    warped = np.rint(warped).astype(np.uint8)
    clock.append(time.perf_counter())
    skimage.io.imsave(output.with_suffix(".png"), warped, check_contrast=False)
    clock.append(time.perf_counter())
    np.save(output.with_suffix(".npy"), position_map)
    clock.append(time.perf_counter())
    for field, step in zip(dataclasses.fields(seconds), np.diff(clock), strict=True):
        setattr(seconds, field.name, getattr(seconds, field.name) + float(step))
    return warped, position_map


@numba.njit(cache=False)
def rasterise(points: NDArray, triangles: NDArray, values: NDArray, size: int) -> NDArray:
    """Fill an image of vertex values, triangle by triangle, the nearest surface in front.

    Parameters
    ----------
    points : (V, 2) float64
        Column and row of each vertex.
    triangles : (F, 3) int32
    values : (V, 3) float32
    size : int
        Side of the image in px.

    Returns
    -------
    (size, size, 3) float32
        Zero where there is no triangle.
    """
    image = np.zeros((size, size, 3), np.float32)
    depth = np.full((size, size), -np.inf)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        left, right = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), size - 1)
        top, bottom = max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), size - 1)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if right < left or bottom < top or area == 0:
            continue
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                v = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
                w = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
                u = 1 - v - w
                # A hair outside still counts, for texels on an edge.
                if u < -1e-9 or v < -1e-9 or w < -1e-9:
                    continue
                # Its uv surface is flat, so that the first triangle wins; the comparison is part of the usual work.
                if depth[y, x] < 0:
                    depth[y, x] = 0
                    for k in range(3):
                        image[y, x, k] = u * values[a, k] + v * values[b, k] + w * values[c, k]
    return image
