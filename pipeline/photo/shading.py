"""Shape from shading: what the light in a photo tells of a face beyond its fitted mesh.

Light and albedo are estimated from the fitted surface's normals, then a displacement along these is found whose shading
is that of the photo. All is on a grid of texels over the face, whose positions are known, see
`pipeline.photo.detail`. Colours are linear light.

References
----------
Ramamoorthi and Hanrahan, 2001. An efficient representation for irradiance environment maps.
Basri and Jacobs, 2003. Lambertian reflectance and linear subspaces.
Kemelmacher-Shlizerman and Basri, 2011. 3D face reconstruction from a single image using a single reference face shape.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from ..store.arrays import Array

# Rounds of Gauss and Newton, and of the robust estimate of the light.
ROUNDS, LIGHT_ROUNDS = 4, 8
# Residual of the shading, whose mean is 1, above which a texel is taken for something else: a shadow, a highlight, hair.
SHADING_SIGMA, OUTLIER = 0.03, 0.12
# Slopes that are expected of the displacement, how far it reaches, in sides of the face, and how much it bends.
SLOPE_SIGMA, REACH, BEND_SIGMA = 0.3, 0.02, 0.08
# Over so many sides of the face the albedo of skin of one colour may change, and how much hue tells another colour.
ALBEDO_REACH, HUE_SIGMA = 0.05, 0.02


HUE_LIMIT = 6.0


class Grid(NamedTuple):
    """Texels (S, S) over a face: places (S, S, 3) in px of the photo, outward unit normals, and how much each counts.

    `weight` (S, S) is 0 where the photo does not show the face, and falls to that at the rim of what it shows.
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
        Linear light.
    """

    displacement: Array
    light: Array
    albedo: Array


def harmonics(normals: NDArray) -> Array:
    """Real spherical harmonics up to the second order, without their factors, of unit normals (..., 3): (..., 9)."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float64), -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], axis=-1)


def harmonics_gradient(normals: NDArray, light: NDArray) -> Array:
    """Derivative (..., 3) of ``harmonics(normals) @ light`` by the normal's components."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float64), -1, 0)
    one, zero = np.ones_like(x), np.zeros_like(x)
    columns = [
        np.stack([zero, one, zero, zero, y, z, zero, 2 * x, zero], axis=-1),
        np.stack([zero, zero, one, zero, x, zero, z, -2 * y, zero], axis=-1),
        np.stack([zero, zero, zero, one, zero, x, y, zero, 6 * z], axis=-1),
    ]
    return np.stack([column @ light for column in columns], axis=-1)


def estimate_light(brightness: NDArray, normals: NDArray, weight: NDArray) -> Array:
    """Light (9,) under which a surface of one albedo is as bright as was seen, by robust least squares.

    Parameters
    ----------
    brightness : (N,) float
    normals : (N, 3) float
    weight : (N,) float
    """
    basis, robust = harmonics(normals), weight
    scale = float(np.average(brightness, weights=weight))
    # What few directions show of the light is not known: higher orders are small unless they are seen.
    ridge = 1e-3 * weight.sum() * np.array([0, 1, 1, 1, 3, 3, 3, 3, 3])
    light = np.zeros(9)
    for _ in range(LIGHT_ROUNDS):
        light = np.linalg.solve(
            basis.T @ (robust[:, None] * basis) + np.diag(ridge), basis.T @ (robust * brightness / scale)
        )
        shading = basis @ light
        residual = (brightness / scale - shading) / np.maximum(shading, 0.1)
        spread = 1.4826 * np.median(np.abs(residual[weight > 0]))
        robust = weight * _trust(residual, 3 * max(spread, 0.02))
    return scale * light


def _trust(residual: NDArray, limit: float) -> Array:
    """Tukey's weights: 1 for no residual, 0 from a limit on."""
    return np.clip(1 - (residual / limit) ** 2, 0, 1) ** 2


def estimate_albedo(colours: NDArray, shading: NDArray, weight: NDArray, reach: float) -> Array:
    """Albedo (S, S) that is smooth over a reach, in texels, where the hue is one, and follows where that changes.

    Parameters
    ----------
    colours : (S, S, 3) float
    shading : (S, S) float
    weight : (S, S) float
    reach : float
    """
    active = weight > 0
    grey = colours.mean(axis=2)
    ratio = np.log(np.maximum(grey, 1e-4) / np.maximum(shading, 0.05))
    hue = np.log((colours + 1e-3) / (grey + 1e-3)[..., None])
    middle = np.average(ratio[active], weights=weight[active])
    rows, columns, values = [], [], []
    number = _numbers(active)
    for first, second in _neighbours(active):
        apart = np.abs(hue[first] - hue[second]).sum(axis=1)
        same = 1 / (1 + (apart / HUE_SIGMA) ** 2)
        rows.append(np.stack([number[first], number[second]], axis=1))
        values.append(reach**2 * same)
    edges, joined = np.concatenate(rows), np.concatenate(values)
    count = int(active.sum())
    difference = scipy.sparse.coo_array(
        (np.tile([1.0, -1.0], len(edges)), (np.repeat(np.arange(len(edges)), 2), edges.ravel())),
        shape=(len(edges), count),
    ).tocsr()
    values = ratio[active]
    trust = weight[active]
    smooth = difference.T @ scipy.sparse.diags_array(joined) @ difference
    for _ in range(3):
        system = smooth + scipy.sparse.diags_array(trust + 1e-6)
        found = _solve(system, trust * values + 1e-6 * middle, np.full(count, middle))
        trust = weight[active] * _trust(values - found, 0.35)
    albedo = np.ones(active.shape)
    albedo[active] = np.exp(found)
    return albedo


def _numbers(active: NDArray[np.bool_]) -> NDArray[np.int64]:
    number = np.full(active.shape, -1)
    number[active] = np.arange(active.sum())
    return number


def _neighbours(active: NDArray[np.bool_]):
    for axis in (0, 1):
        low = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
        high = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
        row, column = np.nonzero(active[low] & active[high])
        yield (row, column), (row + (axis == 0), column + (axis == 1))


def _solve(system, right, start):
    """Symmetric positive: the ordering that suits it takes a third of the time."""
    factor = scipy.sparse.linalg.splu(
        system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return factor.solve(right)


def sample(photo: NDArray, places: NDArray) -> Array:
    x, y = (np.ascontiguousarray(places[..., k], np.float32) for k in (0, 1))
    return cv2.remap(photo.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(float)


def skin_share(colours, weight):
    """How much each texel is of the hue that most of the face has."""
    hue = np.log((colours + 1e-3) / (colours.mean(axis=2) + 1e-3)[..., None])
    sure = weight > 0.5 * weight.max()
    apart = np.abs(hue - np.median(hue[sure], axis=0)).max(axis=2)
    return np.maximum(_trust(apart, max(HUE_LIMIT * float(np.median(apart[sure])), 0.05)), 1e-3)


def displace(photo: NDArray, grid: Grid, size: float) -> Shading:
    colours = sample(photo, grid.places)
    grid = grid._replace(weight=grid.weight * skin_share(colours, grid.weight))
    active = grid.weight > 0
    light = estimate_light(colours.mean(axis=2)[active], grid.normals[active], grid.weight[active])
    texel = np.sqrt(_cell_area(grid.places)[active[:-1, :-1]].mean())
    light /= np.average((harmonics(grid.normals) @ light)[active], weights=grid.weight[active])
    albedo = estimate_albedo(colours, harmonics(grid.normals) @ light, grid.weight, ALBEDO_REACH * size / texel)
    grey = photo.mean(axis=2)
    displacement = solve(lambda places: sample(grey, places) / albedo, grid, light, size)
    return Shading(displacement, light, albedo)


def _cell_area(places):
    u, v = _steps(places)
    return np.linalg.norm(np.cross(u, v), axis=2)


def _steps(values: NDArray) -> tuple[Array, Array]:
    """Differences (S - 1, S - 1, ...) to the right and down in the middle of each cell of four texels."""
    a, b, c, d = _corners(values)
    return (b - a + d - c) / 2, (c - a + d - b) / 2


def _corners(values):
    return values[:-1, :-1], values[:-1, 1:], values[1:, :-1], values[1:, 1:]


def _laplacian(inner, number, count):
    """Sum of differences to the four neighbours; beyond the rim is 0."""
    row, column = np.nonzero(inner)
    matrix = 4 * scipy.sparse.eye_array(count)
    for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        other = number[row + i, column + j]
        keep = other >= 0
        matrix = matrix - scipy.sparse.coo_array(
            (np.ones(keep.sum()), (np.flatnonzero(keep), other[keep])), shape=(count, count)
        )
    return matrix.tocsr()


def solve(brightness_at, grid: Grid, light: NDArray, size: float) -> Array:
    """brightness (S, S): photo / albedo."""
    active = grid.weight > 0
    cells = np.logical_and.reduce(_corners(active))
    # Texels of the rim stay where they are.
    inner = active.copy()
    inner[1:-1, 1:-1] &= active[:-2, 1:-1] & active[2:, 1:-1] & active[1:-1, :-2] & active[1:-1, 2:]
    inner[[0, -1]] = False
    inner[:, [0, -1]] = False
    number = _numbers(inner)
    count = int(inner.sum())
    row, column = np.nonzero(cells)
    corner = [(row + i, column + j) for i in (0, 1) for j in (0, 1)]
    ids = np.stack([number[at] for at in corner], axis=1)
    normal = sum(grid.normals[at] for at in corner)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    weight = sum(grid.weight[at] for at in corner) / 4
    signs = np.array([[-1, 1, -1, 1], [-1, -1, 1, 1]]) / 2
    places = np.stack([grid.places[at] for at in corner], axis=1)
    normals4 = np.stack([grid.normals[at] for at in corner], axis=1)
    u0, v0 = (np.einsum("k,nkc->nc", s, places) for s in signs)
    m0 = np.cross(u0, v0)
    area = np.linalg.norm(m0, axis=1)
    use = area > 1e-6
    facing = np.clip(normal[:, 2], 0, 1)

    def matrix(values):  # (n,4) coefficients -> sparse
        keep = ids >= 0
        r = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
        return scipy.sparse.coo_array((values[keep], (r[keep], ids[keep])), shape=(len(ids), count)).tocsr()

    # slopes along two orthonormal tangents
    uu, uv, vv = (u0 * u0).sum(1), (u0 * v0).sum(1), (v0 * v0).sum(1)
    lu = np.sqrt(np.maximum(uu, 1e-9))
    first = signs[0][None] / lu[:, None]
    rest = np.sqrt(np.maximum(vv - uv**2 / np.maximum(uu, 1e-9), 1e-9))
    second = (signs[1][None] - (uv / np.maximum(uu, 1e-9))[:, None] * signs[0][None]) / rest[:, None]
    root = np.sqrt(area)
    slopes = [matrix(part * root[:, None]) for part in (first, second)]
    prior = sum(part.T @ part for part in slopes) / SLOPE_SIGMA**2
    texel = np.median(area)
    prior = prior + scipy.sparse.eye_array(count) * (texel / (REACH * size) ** 2)
    lap = _laplacian(inner, number, count) / texel
    prior = prior + (lap.T @ lap) * (texel / BEND_SIGMA**2)
    d = np.zeros(count)
    full = np.zeros(active.shape)
    for k in range(ROUNDS):
        full[inner] = d
        here = np.stack([full[at] for at in corner], axis=1)
        u, v = (np.einsum("k,nkc->nc", s, places + here[..., None] * normals4) for s in signs)
        m = np.cross(u, v)
        turned = normal + (m - m0) / np.maximum(area, 1e-9)[:, None]
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        turned = turned / length
        shading = harmonics(turned) @ light
        brightness = brightness_at(grid.places + full[..., None] * grid.normals)
        seen = sum(brightness[at] for at in corner) / 4
        residual = seen - shading
        relative = residual / np.maximum(shading, 0.2)
        g = harmonics_gradient(turned, light)
        g -= (g * turned).sum(1, keepdims=True) * turned
        g /= length * np.maximum(area, 1e-9)[:, None]
        along_u, along_v = (g * np.cross(normal, v)).sum(1), (g * np.cross(u, normal)).sum(1)
        jac = along_u[:, None] * signs[0] + along_v[:, None] * signs[1]
        # an outlier is judged by what no plausible slope explains
        w = weight * use * area * facing * _trust(relative, OUTLIER * (3 if k == 0 else 2)) / SHADING_SIGMA**2
        J = matrix(jac * np.sqrt(w)[:, None])
        system = J.T @ J + prior
        d = _solve(system, J.T @ (np.sqrt(w) * residual + J @ d), d)
    full[inner] = d
    return full
