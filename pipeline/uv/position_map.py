"""Position maps: vertices to a map by one fixed sparse operator, and back by bilinear reading.

The texel of a vertex is ``uv * (size - 1)``, column 0 first; texel centres are at integers.
"""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..face.face_model import FaceModel, at_vertices
from ..store.arrays import Array
from ..store.files import while_unchanged

if TYPE_CHECKING:  # a sixth of a second, which photos do not pay
    import scipy.sparse


@dataclasses.dataclass(frozen=True, eq=False)
class UVLayout:
    """Everything that ties the mesh to its position map of one size.

    Attributes
    ----------
    uv : (V, 2) float64
        Place of each vertex in the unit square, column 0 to the right, column 1 down.
    operator : (size * size, V) sparse float32
        Position map = operator @ vertices, row-major texels.
    face_mask : (size, size) bool
        Texels of the face: no ears, no neck.
    weight_mask : (size, size) float32
        The thesis's weights of its four regions, see `masks.weight_mask`.
    landmark_texels : (68, 2) int32
        Row and column of the texel nearest to each landmark.
    """

    uv: Array
    operator: "scipy.sparse.csr_array"
    face_mask: NDArray[np.bool_]
    weight_mask: NDArray[np.float32]
    landmark_texels: NDArray[np.int32]

    @property
    def size(self) -> int:
        """Side of the map in texels."""
        return len(self.face_mask)


def render_map(operator: "scipy.sparse.csr_array", vertices: NDArray) -> NDArray[np.float32]:
    """Apply the operator to a batch of meshes.

    Parameters
    ----------
    operator : (size * size, V) sparse float32
    vertices : (N, V, 3) float

    Returns
    -------
    (N, size, size, 3) float32
        Row, column, then x, y, z in the frame of the vertices.
    """
    count, vertex_count, _ = vertices.shape
    size = int(np.sqrt(operator.shape[0]))
    columns = np.ascontiguousarray(vertices.transpose(1, 0, 2), dtype=np.float32).reshape(vertex_count, count * 3)
    texels = (operator @ columns).reshape(size, size, count, 3)
    return np.ascontiguousarray(texels.transpose(2, 0, 1, 3))


@functools.lru_cache(maxsize=1)
def texel_model(model: FaceModel, layout: UVLayout) -> FaceModel:
    """Face model whose vertices are the texels of the position map, see `face_model.at_vertices`.

    ``project(deform(texel_model, c), pose)`` is ``render_map(operator, project(deform(model, c), pose))``, since each
    row of the operator sums to 1. The last result is kept.

    Returns
    -------
    FaceModel
        Of size * size vertices in the order of texels, without triangles and landmarks.
    """

    def at_texels(values: NDArray) -> NDArray[np.float32]:
        flat = layout.operator @ values.reshape(len(values), -1)
        return np.ascontiguousarray(flat.reshape(-1, *values.shape[1:]), np.float32)

    return at_vertices(model, at_texels)


def sample_map(position_map: NDArray, uv: NDArray) -> NDArray:
    """Read a map bilinearly at points of the unit square.

    Parameters
    ----------
    position_map : (..., size, size, C) float
        Maps of positions, colours or anything else.
    uv : (K, 2) float
        Column 0 to the right, column 1 down, in [0, 1].

    Returns
    -------
    (..., K, C) float
        Of the map's dtype.
    """
    size = position_map.shape[-2]
    place = np.clip(uv, 0, 1) * (size - 1)
    low = np.minimum(place.astype(np.int64), size - 2)
    share = (place - low).astype(position_map.dtype)
    column, row = low.T
    right, down = share[:, :1], share[:, 1:]
    upper = position_map[..., row, column, :] * (1 - right) + position_map[..., row, column + 1, :] * right
    lower = position_map[..., row + 1, column, :] * (1 - right) + position_map[..., row + 1, column + 1, :] * right
    return upper * (1 - down) + lower * down


def nearest_texels(uv: NDArray, size: int) -> NDArray[np.int32]:
    """Row and column of the texel nearest to each point, (K, 2) int32."""
    return np.rint(uv[:, ::-1] * (size - 1)).astype(np.int32)


def save_uv(path: Path, layout: UVLayout) -> None:
    """Write the layout as one HDF5 file, the operator in its CSR parts."""
    from ..store.shards import writing  # nor HDF5

    with writing(path) as file:
        for name in ("uv", "face_mask", "weight_mask", "landmark_texels"):
            file[name] = getattr(layout, name)
        for name in ("data", "indices", "indptr"):
            file[f"operator/{name}"] = getattr(layout.operator, name)


@while_unchanged
def load_uv(path: Path) -> UVLayout:
    """Read what `save_uv` wrote."""
    import scipy.sparse

    from ..store.shards import reading

    with reading(path) as file:
        fields = {name: file[name][:] for name in ("uv", "face_mask", "weight_mask", "landmark_texels")}
        parts = tuple(file[f"operator/{name}"][:] for name in ("data", "indices", "indptr"))
    size, vertices = len(fields["face_mask"]), len(fields["uv"])
    return UVLayout(operator=scipy.sparse.csr_array(parts, shape=(size * size, vertices)), **fields)
