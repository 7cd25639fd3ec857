"""Projected normalised coordinate code (PNCC): a picture of where on a face each pixel lies, in keras.ops.

Every point of the mean face has a colour, its own coordinates, each scaled to 0..1; a placed face is drawn in them by a
z-buffer. A network that sees it beside the photo sees how a pose and a shape fit the photo. A picture is input: what it
shows has no gradient, and needs none.

References
----------
X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li, "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016, section 3.2.
"""

from typing import Any

import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from pipeline.uv.scaling import Scaling, to_pixels

Tensor = Any
# Pixels each way that a triangle of the texels' grid is looked for in. Most are a pixel wide, as a head fills half of a
# crop and all of a map. What is stretched further, over an open mouth or a cheek seen from the side, has holes.
WINDOW = 4
# Where no face is.
BEHIND = -1e30
# A pixel centre on an edge is inside, whatever the rounding.
INSIDE = -1e-4


def normalised_coordinates(mean: NDArray) -> NDArray[np.float32]:
    """Colours (K, 3) of a mean face (K, 3): each coordinate from its least, 0, to its largest, 1."""
    low, high = np.min(mean, axis=0), np.max(mean, axis=0)
    return ((mean - low) / (high - low)).astype(np.float32)


def grid_triangles(size: int) -> NDArray[np.int32]:
    """Triangles (2 (size - 1)^2, 3) between the texels of a map, as row-major indices."""
    texels = np.arange(size * size, dtype=np.int32).reshape(size, size)
    corner, right, below, across = texels[:-1, :-1], texels[:-1, 1:], texels[1:, :-1], texels[1:, 1:]
    halves = [np.stack(half, axis=-1).reshape(-1, 3) for half in ((corner, below, right), (right, below, across))]
    return np.concatenate(halves)


def draw_codes(maps: Tensor, colours: Tensor) -> Tensor:
    """Draw placed faces by a z-buffer.

    Parameters
    ----------
    maps : (n, S, S, 3) float32
        Position maps in px of the picture, y down, z to the viewer.
    colours : (S * S, 3) float32
        Of each texel.

    Returns
    -------
    (n, S, S, 3) float32
        Black where no face is. As `rendering.rasterize` and `interpolate` draw the triangles between texels, but for
        those that are wider than `WINDOW`.
    """
    size, triangles = maps.shape[1], grid_triangles(maps.shape[1])
    shares, depth, pixel = _candidates(maps, triangles)
    seen, is_drawn = _nearest(depth, pixel, size * size)
    corners = ops.take(triangles, seen // WINDOW**2, axis=0)
    # Candidates of each picture follow those of the one before.
    first = ops.expand_dims(ops.arange(ops.shape(maps)[0], dtype="int32"), -1) * depth.shape[1]
    codes = 0.0
    for k, share in enumerate(shares):
        share = ops.expand_dims(ops.take(ops.reshape(share, (-1,)), seen + first), -1)
        codes = codes + share * ops.take(colours, corners[..., k], axis=0)
    codes = ops.where(ops.expand_dims(is_drawn, -1), codes, 0.0)
    return ops.stop_gradient(ops.reshape(codes, (-1, size, size, 3)))


def _candidates(maps: Tensor, triangles: NDArray[np.int32]) -> tuple[list[Tensor], Tensor, Tensor]:
    """List the pixels that each triangle may cover.

    Returns
    -------
    shares : list of 3 (n, C) float32
        What of each of the triangle's corners is at the pixel; C is `WINDOW` squared for each triangle.
    depth : (n, C) float32
        z there; `BEHIND` where the triangle does not cover the pixel, or that is not in the picture.
    pixel : (n, C) int32
        Row-major. What covers none is spread over all of them: ONNX lays the candidates of each pixel side by side.
    """
    size, count = maps.shape[1], len(triangles) * WINDOW**2
    points = ops.reshape(maps, (-1, size * size, 3))
    corners = [ops.take(points, triangles[:, k], axis=1) for k in range(3)]
    x, y, z = ([ops.expand_dims(corner[..., axis], -1) for corner in corners] for axis in range(3))
    left, top = (ops.ceil(ops.minimum(ops.minimum(*values[:2]), values[2])) for values in (x, y))
    steps = np.mgrid[:WINDOW, :WINDOW].reshape(2, 1, 1, -1).astype(np.float32)
    column, row = left + steps[0], top + steps[1]
    # Twice the signed areas (n, T, W) that a pixel spans with each edge, over their sum.
    areas = [(x[k - 1] - x[k - 2]) * (row - y[k - 2]) - (y[k - 1] - y[k - 2]) * (column - x[k - 2]) for k in range(3)]
    total = areas[0] + areas[1] + areas[2]
    shares = [area / ops.where(total == 0, 1.0, total) for area in areas]
    inside = (ops.minimum(ops.minimum(shares[0], shares[1]), shares[2]) >= INSIDE) & (total != 0)
    inside = inside & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    depth = ops.where(inside, sum(share * value for share, value in zip(shares, z, strict=True)), BEHIND)
    elsewhere = np.arange(count, dtype=np.float32).reshape(1, -1, WINDOW**2) % (size * size)
    pixel = ops.cast(ops.where(inside, row * size + column, elsewhere), "int32")
    return [ops.reshape(share, (-1, count)) for share in shares], *(
        ops.reshape(value, (-1, count)) for value in (depth, pixel)
    )


def _nearest(depth: Tensor, pixel: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Candidate (n, pixels) int32 that each pixel sees, the last of those as near, and whether there is one."""
    first = ops.expand_dims(ops.arange(ops.shape(depth)[0], dtype="int32"), -1) * pixels
    place, places = ops.reshape(pixel + first, (-1,)), ops.shape(depth)[0] * pixels
    highest = ops.segment_max(ops.reshape(depth, (-1,)), place, places)
    is_front = (depth > BEHIND) & (depth >= ops.take(highest, pixel + first))
    # As floats, which hold whole numbers up to 2^24: of 512 px there are fewer candidates.
    number = ops.where(is_front, np.arange(depth.shape[1], dtype=np.float32)[None], -1.0)
    seen = ops.reshape(ops.segment_max(ops.reshape(number, (-1,)), place, places), (-1, pixels))
    return ops.cast(ops.maximum(seen, 0.0), "int32"), seen >= 0


class CodePicture(layers.Layer):
    """From position maps (n, S, S, 3) in a network's range to their PNCC (n, S, S, 3), see `draw_codes`.

    It has no weights to learn: the colours of the texels, which the weights' file then holds.
    """

    def __init__(self, size: int, scaling: str, **options: Any) -> None:
        super().__init__(**options)
        self.size, self.scaling = size, Scaling(scaling, size)
        self.colours = self.add_weight(shape=(size * size, 3), initializer="zeros", trainable=False, name="colours")

    def call(self, maps: Tensor) -> Tensor:
        """Draw the faces."""
        return draw_codes(to_pixels(maps, self.scaling), self.colours)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Of a picture for each map."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """What the layer is made with."""
        return {**super().get_config(), "size": self.size, "scaling": self.scaling.name}
