"""Shape from shading: what the light in a photo tells of a face beyond its fitted mesh.

Light and albedo are estimated from the fitted surface's normals, then a displacement along these is found whose shading
is that of the photo. All is on a grid of texels over the face, see `pipeline.photo.detail`; colours are linear light.
One photo tells of a slope only what is along the light's gradient; the rest follows from all slopes being of one
surface, and from the prior, which is that of a screened Poisson equation.

References
----------
Ramamoorthi and Hanrahan, 2001. An efficient representation for irradiance environment maps.
Basri and Jacobs, 2003. Lambertian reflectance and linear subspaces.
Kemelmacher-Shlizerman and Basri, 2011. 3D face reconstruction from a single image using a single reference face shape.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..store.arrays import Array
from .photometric_stereo import solve_symmetric

# Rounds of Gauss and Newton, of the robust estimate of the light, and of that of the albedo.
ROUNDS, LIGHT_ROUNDS, ALBEDO_ROUNDS = 4, 8, 3
# Least and most standard deviation of what is seen from the shading, see `deviation_of`, that of a grey photo, and the
# residual from which on a texel is something else: a shadow, a highlight, hair. All in shares of the shading.
LEAST_SIGMA, MOST_SIGMA, GREY_SIGMA, OUTLIER = 0.025, 0.2, 0.1, 0.3
# Standard deviations of the displacement: of its slope, of its bend from texel to texel, and of itself in sides of the
# face.
SLOPE_SIGMA, BEND_SIGMA, REACH = 0.3, 0.3, 0.01
# Over so many sides of the face the albedo of skin changes, and a hue that is so far from its neighbour's is no longer
# the same skin's.
ALBEDO_REACH, HUE_SIGMA, ALBEDO_OUTLIER = 0.12, 0.1, 0.35
# A texel whose hue is so many times as far from the face's as is usual, or at least so far, is no skin.
HUE_LIMIT, HUE_LEAST, HUE_USUAL = 6.0, 0.3, 0.2
# Fewer texels tell no nine numbers of a light.
LEAST_TEXELS = 100
# What counts as nothing still holds the system together.
LEAST = 1e-3
# Of a cell's corners (upper left and right, lower left and right) to its slopes to the right and down.
RIGHT, DOWN = np.array([-1, 1, -1, 1]) / 2, np.array([-1, -1, 1, 1]) / 2


class Grid(NamedTuple):
    """Texels over a face: places (S, S, 3) in px of the photo, outward unit normals, and how much each counts.

    `weight` (S, S) is 0 where the photo does not show the face; nothing is displaced there, nor at the rim of the rest.
    """

    places: Array
    normals: Array
    weight: Array


@dataclasses.dataclass(frozen=True)
class Shading:
    """What a photo says of a face.

    Attributes
    ----------
    displacement : (S, S) float64
        Along the normals, in px; 0 where the face is not seen.
    light : (9,) float64
        Of `harmonics`; the mean of the shading over the face is 1.
    albedo : (S, S) float64
        Linear light; 1 where the face is not seen.
    """

    displacement: Array
    light: Array
    albedo: Array


def harmonics(normals: NDArray) -> Array:
    """Real spherical harmonics up to the second order, without their factors, of unit normals (..., 3): (..., 9)."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float64), -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], axis=-1)


def harmonics_gradient(normals: NDArray, light: NDArray) -> Array:
    """Derivative (..., 3) of ``harmonics(normals) @ light`` by the components of the normals (..., 3)."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float64), -1, 0)
    _, a, b, c, xy, xz, yz, squares, zz = light
    return np.stack(
        [
            a + xy * y + xz * z + 2 * squares * x,
            b + xy * x + yz * z - 2 * squares * y,
            c + xz * x + yz * y + 6 * zz * z,
        ],
        axis=-1,
    )


def shape_from_shading(photo: NDArray, grid: Grid, size: float) -> Shading:
    """Find the displacement of a face whose shading is that of its photo.

    Parameters
    ----------
    photo : (H, W, 3) float
        Linear light, RGB.
    grid : Grid
    size : float
        Side of the face in px.

    Returns
    -------
    Shading
        No displacement where less than `LEAST_TEXELS` texels count: they tell no light.
    """
    colours = sample(photo, grid.places)
    seen = grid.weight > 0
    if seen.sum() < LEAST_TEXELS or not colours[seen].any():
        return Shading(np.zeros(seen.shape), np.eye(9)[0], np.ones(seen.shape))
    apart, usual = hue_distance(colours, grid.weight)
    # Brows, lips and hair are of another hue, mostly.
    skin = np.maximum(_trust(apart, max(HUE_LIMIT * usual, HUE_LEAST)), LEAST)
    grid = grid._replace(weight=grid.weight * skin)
    light = estimate_light(colours.mean(axis=2)[seen], grid.normals[seen], grid.weight[seen])
    shading = harmonics(grid.normals) @ light
    mean = np.average(shading[seen], weights=grid.weight[seen])
    texel = float(np.sqrt(np.median(_cells_of(grid).area)))
    albedo = estimate_albedo(colours, shading / mean, grid.weight, ALBEDO_REACH * size / texel)
    grey = photo.mean(axis=2)
    moved = find_displacement(
        lambda places: sample(grey, places) / albedo, grid, light / mean, size, deviation_of(usual)
    )
    return Shading(moved, light / mean, albedo)


def sample(photo: NDArray, places: NDArray) -> Array:
    """Read a photo (H, W) or (H, W, 3) bilinearly at places (..., >=2) in px, (S, S) of them; float64."""
    x, y = (np.ascontiguousarray(places[..., axis], np.float32) for axis in (0, 1))
    read = cv2.remap(np.asarray(photo, np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float64)


def hue_distance(colours: NDArray, weight: NDArray) -> tuple[Array, float]:
    """How far the hue of each texel (S, S) is from that of most of the face, as a logarithm, and how far is usual.

    The latter is infinite in a grey photo, whose hue tells nothing.
    """
    hue = _hue(colours)
    sure = weight > 0.5 * weight.max()
    apart = np.asarray(np.abs(hue - np.median(hue[sure], axis=0)).max(axis=2), np.float64)
    grey = np.abs(hue[sure]).max() < LEAST
    return apart, float("inf") if grey else float(np.median(apart[sure]))


def deviation_of(usual: float) -> float:
    """How far brightness may be from shading: what has several hues, as made-up skin, has several albedos.

    Of the demo's faces in one tone the usual distance of hues is 0.015 to 0.03, of painted ones 0.06 to 0.08, of photos
    of AFLW2000-3D 0.1 to 0.7.
    """
    return GREY_SIGMA if usual == np.inf else min(max((usual / HUE_USUAL) ** 2, LEAST_SIGMA), MOST_SIGMA)


def _hue(colours: NDArray) -> Array:
    return np.asarray(np.log((colours + LEAST) / (colours.mean(axis=2, keepdims=True) + LEAST)), np.float64)


def _trust(residual: NDArray, limit: float) -> Array:
    """Tukey's weights: 1 for no residual, 0 from a limit on."""
    return np.asarray(np.clip(1 - (residual / limit) ** 2, 0, 1) ** 2, np.float64)


def estimate_light(brightness: NDArray, normals: NDArray, weight: NDArray) -> Array:
    """Light under which a surface of one albedo is as bright as was seen, by least squares that outliers do not sway.

    Parameters
    ----------
    brightness : (N,) float
        Linear light.
    normals : (N, 3) float
        Unit normals.
    weight : (N,) float

    Returns
    -------
    (9,) float64
        Of `harmonics`. Of what the normals do not show of a light, least.
    """
    basis, robust = harmonics(normals), np.asarray(weight, np.float64)
    scale = float(np.average(brightness, weights=weight))
    ridge = np.diag(LEAST * robust.sum() * np.array([0, 1, 1, 1, 3, 3, 3, 3, 3]))
    light = np.zeros(9)
    for _ in range(LIGHT_ROUNDS):
        light = np.linalg.solve(basis.T @ (robust[:, None] * basis) + ridge, basis.T @ (robust * brightness / scale))
        shading = basis @ light
        residual = (brightness / scale - shading) / np.maximum(shading, 0.1)
        spread = 1.4826 * float(np.median(np.abs(residual)))
        robust = weight * _trust(residual, 3 * max(spread, 0.02))
    return np.asarray(scale * light, np.float64)


def estimate_albedo(colours: NDArray, shading: NDArray, weight: NDArray, reach: float) -> Array:
    """Albedo of a face, smooth where the hue is one: what changes within a reach is the shape's.

    Parameters
    ----------
    colours : (S, S, 3) float
        Linear light.
    shading : (S, S) float
    weight : (S, S) float
    reach : float
        In texels.

    Returns
    -------
    (S, S) float64
        1 where the weight is 0.
    """
    active = weight > 0
    ratio = np.log(np.maximum(colours.mean(axis=2), 1e-4) / np.maximum(shading, 0.05))[active]
    smooth = _smoothness(active, _hue(colours), reach)
    trust = known = weight[active]
    found = np.zeros(len(ratio))
    for _ in range(ALBEDO_ROUNDS):
        found = solve_symmetric(smooth + scipy.sparse.diags_array(trust + 1e-6), trust * ratio)
        trust = known * _trust(ratio - found, ALBEDO_OUTLIER)
    albedo = np.ones(active.shape)
    albedo[active] = np.exp(found)
    return albedo


def _smoothness(active: NDArray[np.bool_], hue: NDArray, reach: float) -> scipy.sparse.csr_array:
    """Squared differences (N, N) of neighbours among N active texels, those of another hue counting less."""
    number = _numbers(active).ravel()
    every = np.arange(active.size).reshape(active.shape)
    total = scipy.sparse.csr_array((int(active.sum()), int(active.sum())))
    for low, high in ((every[:, :-1], every[:, 1:]), (every[:-1], every[1:])):
        both = (number[low] >= 0) & (number[high] >= 0)
        pairs = np.stack([low[both], high[both]])
        apart = np.abs(np.diff(hue.reshape(-1, 3)[pairs], axis=0)[0]).sum(axis=1)
        weight = reach / np.sqrt(1 + (apart / HUE_SIGMA) ** 2)
        rows = np.tile(np.arange(pairs.shape[1]), 2)
        difference = scipy.sparse.coo_array(
            (np.concatenate([-weight, weight]), (rows, number[pairs].ravel())), shape=(pairs.shape[1], total.shape[0])
        ).tocsr()
        total = total + difference.T @ difference
    return scipy.sparse.csr_array(total)


def _numbers(active: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number each active texel (S, S) in the order of rows; the others are -1."""
    return np.where(active, np.cumsum(active).reshape(active.shape) - 1, -1)


class _Cells(NamedTuple):
    """Four texels each, all seen: which, their places and normals (N, 4, 3), and the cell's normal, cross and area."""

    texels: NDArray[np.int64]
    places: Array
    normals: Array
    normal: Array
    cross: Array
    area: Array


def _cells_of(grid: Grid) -> _Cells:
    seen, every = grid.weight > 0, np.arange(grid.weight.size).reshape(grid.weight.shape)
    corners = (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1], np.s_[1:, 1:])
    whole = np.logical_and.reduce([seen[corner] for corner in corners])
    texels = np.stack([every[corner][whole] for corner in corners], axis=1)
    places, normals = (values.reshape(-1, 3)[texels] for values in (grid.places, grid.normals))
    cross = np.cross(*_slopes(places))
    normal = normals.sum(axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return _Cells(texels, places, normals, normal, cross, np.maximum(np.linalg.norm(cross, axis=1), 1e-6))


def _slopes(corners: NDArray) -> tuple[Array, Array]:
    """Differences (N, 3) to the right and down of corners (N, 4, 3)."""
    return np.tensordot(corners, RIGHT, (1, 0)), np.tensordot(corners, DOWN, (1, 0))


def find_displacement(
    brightness_at: Callable[[NDArray], Array], grid: Grid, light: NDArray, size: float, sigma: float
) -> Array:
    """Displacement of a surface along its normals under which its shading is the brightness that is seen.

    Each round takes the photo where the surface has got to, and the shading as linear in the displacement's slopes.

    Parameters
    ----------
    brightness_at : callable
        What is seen over the albedo, (S, S), at places (S, S, 3) of the texels.
    grid : Grid
    light : (9,) float
    size : float
        Side of the face in px.
    sigma : float
        Standard deviation of what is seen from the shading.

    Returns
    -------
    (S, S) float64
        px.
    """
    cells, inner = _cells_of(grid), _inner(grid.weight > 0)
    unknown = _numbers(inner).ravel()
    columns, count = unknown[cells.texels], int(inner.sum())
    prior = _prior(cells, columns, inner, size)
    facing = np.clip(cells.normal[:, 2], 0, 1)
    weight = grid.weight.ravel()[cells.texels].mean(axis=1) * cells.area * facing / sigma**2
    moved = np.zeros(grid.weight.shape)
    for _ in range(ROUNDS if count else 0):
        right, down = _slopes(cells.places + moved.ravel()[cells.texels][..., None] * cells.normals)
        turned = cells.normal + (np.cross(right, down) - cells.cross) / cells.area[:, None]
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        turned = turned / length
        shading = harmonics(turned) @ light
        seen = brightness_at(grid.places + moved[..., None] * grid.normals).ravel()[cells.texels].mean(axis=1)
        robust = np.sqrt(weight * _trust((seen - shading) / np.maximum(shading, 0.2), OUTLIER))
        gradient = harmonics_gradient(turned, light)
        gradient -= (gradient * turned).sum(axis=1, keepdims=True) * turned
        gradient *= (robust / (length[:, 0] * cells.area))[:, None]
        by_right = (gradient * np.cross(cells.normal, down)).sum(axis=1)
        by_down = (gradient * np.cross(right, cells.normal)).sum(axis=1)
        jacobian = _rows(columns, by_right[:, None] * RIGHT + by_down[:, None] * DOWN, count)
        wanted = robust * (seen - shading) + jacobian @ moved[inner]
        moved[inner] = solve_symmetric(jacobian.T @ jacobian + prior, jacobian.T @ wanted)
    return moved


def _inner(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Texels whose four neighbours are seen, too: those of the rim stay where they are."""
    inner = np.zeros_like(seen)
    inner[1:-1, 1:-1] = seen[1:-1, 1:-1] & seen[:-2, 1:-1] & seen[2:, 1:-1] & seen[1:-1, :-2] & seen[1:-1, 2:]
    return inner


def _rows(columns: NDArray[np.int64], values: NDArray, count: int) -> scipy.sparse.csr_array:
    """Sparse rows (N, count) with values (N, 4) in columns (N, 4), of which those below 0 are no unknowns."""
    kept = columns >= 0
    number = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
    return scipy.sparse.coo_array((values[kept], (number[kept], columns[kept])), shape=(len(columns), count)).tocsr()


def _prior(cells: _Cells, columns: NDArray[np.int64], inner: NDArray[np.bool_], size: float) -> scipy.sparse.csr_array:
    """Precision (U, U) of the displacement of U texels: screening, and smoothness of the first and second order."""
    right, down = _slopes(cells.places)
    # Slopes along two tangents at right angles, the first of which is the way to the right.
    length = np.maximum(np.linalg.norm(right, axis=1), 1e-6)
    share = (right * down).sum(axis=1) / length**2
    rest = np.maximum(np.linalg.norm(down - share[:, None] * right, axis=1), 1e-6)
    root, count, texel = np.sqrt(cells.area), int(inner.sum()), float(np.median(cells.area)) if len(columns) else 1.0
    first = _rows(columns, (root / length)[:, None] * RIGHT, count)
    second = _rows(columns, (root / rest)[:, None] * (DOWN - share[:, None] * RIGHT), count)
    number = _numbers(inner)
    row, column = np.nonzero(inner)
    around = np.stack([number[row + i, column + j] for i, j in ((0, 0), (-1, 0), (1, 0), (0, -1))], axis=1)
    bend = _rows(around, np.tile([4.0, -1, -1, -1], (count, 1)), count)
    bend = bend + _rows(number[row, column + 1][:, None], np.full((count, 1), -1.0), count)
    precision = (first.T @ first + second.T @ second) / SLOPE_SIGMA**2 + (bend.T @ bend) / (texel * BEND_SIGMA**2)
    return scipy.sparse.csr_array(precision + scipy.sparse.eye_array(count) * (texel / (REACH * size) ** 2))
