"""Meshes to compute with by hand."""

import numpy as np


def grid_mesh(rows, columns, hole=None):
    """A patch of unit quads centred on x = 0, two triangles each, counter-clockwise; one quad may be left out."""
    x, y = np.meshgrid(np.arange(columns) - (columns - 1) / 2, (rows - 1) / 2 - np.arange(rows))
    vertices = np.stack([x, y, -0.05 * (x**2 + y**2)], axis=-1).reshape(-1, 3)
    triangles = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            if (row, column) != hole:
                a = row * columns + column
                triangles += [[a, a + columns, a + columns + 1], [a, a + columns + 1, a + 1]]
    return vertices, np.array(triangles, np.int32)
