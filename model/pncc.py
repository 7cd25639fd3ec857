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

from model.scaling import Scaling, to_pixels

Tensor = Any
# Pixels each way that a triangle of the texels' grid is looked for in. Most are a pixel wide, as a head fills half of a
# crop and all of a map. What is stretched further, over an open mouth and at the rim of an ear, is left out in part.
WINDOW = 3
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
    count, size = ops.shape(maps)[0], maps.shape[1]
    triangles, points = grid_triangles(size), ops.reshape(maps, (-1, size * size, 3))
    corners = [ops.take(points, triangles[:, k], axis=1) for k in range(3)]
    x, y, z = ([corner[..., axis] for corner in corners] for axis in range(3))
    left, top = (ops.ceil(ops.minimum(ops.minimum(*values[:2]), values[2])) for values in (x, y))
    steps = np.mgrid[:WINDOW, :WINDOW].reshape(2, 1, 1, -1).astype(np.float32)
    column, row = ops.expand_dims(left, -1) + steps[0], ops.expand_dims(top, -1) + steps[1]
    # Twice the signed areas that a pixel (n, T, W) spans with each edge, over their sum.
    areas = []
    for k in range(3):
        start_x, start_y, end_x, end_y = (
            ops.expand_dims(value, -1) for value in (x[k - 2], y[k - 2], x[k - 1], y[k - 1])
        )
        areas.append((end_x - start_x) * (row - start_y) - (end_y - start_y) * (column - start_x))
    total = areas[0] + areas[1] + areas[2]
    shares = [area / ops.where(total == 0, 1.0, total) for area in areas]
    inside = (ops.minimum(ops.minimum(shares[0], shares[1]), shares[2]) >= INSIDE) & (total != 0)
    inside = inside & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    depth = sum(share * ops.expand_dims(value, -1) for share, value in zip(shares, z, strict=True))
    # Each picture has a pixel more, for what is in none.
    pixels, candidates = size * size + 1, triangles.shape[0] * WINDOW**2
    pixel = ops.cast(ops.where(inside, row * size + column, float(size * size)), "int32")
    pixel = ops.reshape(pixel + ops.reshape(ops.arange(count, dtype="int32"), (-1, 1, 1)) * pixels, (-1,))
    depth = ops.reshape(depth, (-1,))
    nearest = ops.segment_max(depth, pixel, count * pixels)
    number = ops.arange(count * candidates, dtype="int32")
    seen = ops.segment_max(ops.where(depth >= ops.take(nearest, pixel), number, -1), pixel, count * pixels)
    seen = ops.reshape(ops.reshape(seen, (-1, pixels))[:, :-1], (-1,))
    drawn, seen = ops.expand_dims(ops.cast(seen >= 0, "float32"), -1), ops.maximum(seen, 0)
    corners = ops.take(triangles, seen % candidates // WINDOW**2, axis=0)
    codes = 0.0
    for k, share in enumerate(shares):
        share = ops.expand_dims(ops.take(ops.reshape(share, (-1,)), seen), -1)
        codes = codes + share * ops.take(colours, corners[:, k], axis=0)
    return ops.stop_gradient(ops.reshape(codes * drawn, (-1, size, size, 3)))


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
