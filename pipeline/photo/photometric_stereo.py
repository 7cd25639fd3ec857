"""Photometric stereo: normals and albedo of what is seen under several lights in one pose, and the depth of normals.

Frames are the pixel frame's: x right, y down, z towards the viewer; a light is the direction to it, as long as it is
strong. Brightness is linear light of a matte surface: albedo times the cosine between normal and light.

References
----------
Woodham, 1980. Photometric method for determining surface orientation from multiple images.
Agrawal, Raskar and Chellappa, 2006. What is the range of surface reconstructions from a gradient field?
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from ..store.arrays import Array

LEAST_PHOTOS = 3
# A pixel is in shadow where it has less than this share of what it has in its second brightest photo, and cut off
# above this.
SHADOW, SATURATED = 0.12, 0.98
# Residual, in shares of the albedo, from which on a brightness counts half: it is in a shadow, or shines.
RESIDUAL, ROUNDS = 0.03, 10
# Rounds of the estimate of lights by turns with that of the albedo.
LIGHT_ROUNDS = 8
# What holds the mean depth at 0.
ANCHOR = 1e-8


class Stereo(NamedTuple):
    """Unit normals (N, 3) and albedo (N,) of N pixels, and how much each of K photos counted in them (K, N)."""

    normals: Array
    albedo: Array
    trust: Array


def solve_normals(brightness: NDArray, lights: NDArray) -> Stereo:
    """Normals and albedo of pixels by their brightness under known lights, by least squares that outliers do not sway.

    Parameters
    ----------
    brightness : (K, N) float
        Linear light of N pixels in K photos, 0..1.
    lights : (K, 3) float

    Returns
    -------
    Stereo
        With three photos the solution is exact, and a pixel that is in shadow in one of them is wrong; with more,
        shadows and highlights count less.

    Raises
    ------
    ValueError
        If there are fewer than three photos, other numbers of photos and lights, or the lights lie in a plane.
    """
    values, lights = np.asarray(brightness, np.float64), np.asarray(lights, np.float64)
    if len(values) < LEAST_PHOTOS:
        raise ValueError(f"There are {len(values)} photos; normals need {LEAST_PHOTOS} or more, under other lights.")
    if lights.shape != (len(values), 3):
        raise ValueError(f"The lights have the shape {lights.shape}; expected a row of three for each photo.")
    check_lights(lights)
    order = np.sort(values, axis=0)
    # Of what is in shadow almost everywhere the three brightest are taken all the same.
    usable = ((values > SHADOW * order[-2]) & (values < SATURATED)) | (values >= order[-LEAST_PHOTOS])
    trust = usable.astype(np.float64)
    products = lights[:, :, None] * lights[:, None, :]
    normals = np.zeros((values.shape[1], 3))
    for _ in range(ROUNDS if len(values) > LEAST_PHOTOS else 1):
        system = np.tensordot(trust, products, axes=(0, 0)) + 1e-9 * np.eye(3)
        normals = np.linalg.solve(system, ((trust * values).T @ lights)[..., None])[..., 0]
        scale = RESIDUAL * np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
        residual = (values - np.maximum(lights @ normals.T, 0)) / scale
        trust = usable / (1 + residual**2)
    albedo = np.linalg.norm(normals, axis=1)
    return Stereo(normals / np.maximum(albedo, 1e-12)[:, None], albedo, trust)


def brightness_of(colours: NDArray) -> Array:
    """Brightness (K, N) of linear light (K, N, 3): the colours' mean, and 1 where one of them is cut off."""
    colours = np.asarray(colours, np.float64)
    return np.where((colours > SATURATED).any(axis=-1), 1.0, colours.mean(axis=-1))


def check_lights(lights: Array) -> None:
    """Refuse lights that lie in a plane with the surface, or nearly so: they leave a direction of it unseen.

    Raises
    ------
    ValueError
        If they do, or a number of one is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(lights).all(axis=1))
    if len(wrong):
        raise ValueError(f"Light {wrong[0] + 1} has a number that is not finite.")
    if np.linalg.cond(lights) > 100:
        raise ValueError(
            "The lights lie in one plane, or nearly so: move one of them out of it, since what is at right angles to "
            "the plane is not seen. Of the same photo several times, all lights are one."
        )


def solve_albedo(colours: NDArray, lights: NDArray, stereo: Stereo) -> Array:
    """Albedo (N, 3) in colours of pixels whose brightness (K, N, 3) has made `stereo`."""
    shading = np.maximum(np.asarray(lights, np.float64) @ stereo.normals.T, 0) * stereo.trust
    weight = np.maximum((shading * np.maximum(lights @ stereo.normals.T, 0)).sum(axis=0), 1e-9)
    return np.einsum("kn,knc->nc", shading, colours) / weight[:, None]


def estimate_lights(brightness: NDArray, normals: NDArray) -> Array:
    """Lights of photos of a surface that is roughly known: by turns they and the albedo are fitted to the brightness.

    Each light has three numbers and is fitted to all pixels: what the rough normals have wrong evens out.

    Parameters
    ----------
    brightness : (K, N) float
        Linear light.
    normals : (N, 3) float
        Unit normals, as of a fitted face model.

    Returns
    -------
    (K, 3) float64
        Their mean strength is 1.
    """
    values, albedo = np.asarray(brightness, np.float64), np.ones(len(normals))
    lights = np.zeros((len(values), 3))
    for turn in range(LIGHT_ROUNDS):
        lights = np.stack([_fit_light(row, albedo[:, None] * normals, lights[k]) for k, row in enumerate(values)])
        shading = np.maximum(lights @ normals.T, 0)
        if turn < LIGHT_ROUNDS - 1:
            # A light that grazes the surface says little of its albedo.
            albedo = (shading * values).sum(axis=0) / np.maximum((shading**2).sum(axis=0), 1e-6)
            albedo /= np.median(albedo)
    return lights / np.linalg.norm(lights, axis=1).mean()


def _fit_light(values: Array, surface: Array, start: Array) -> Array:
    """Light by the pixels that it reaches, those that fit badly counting less."""
    light: NDArray = start
    for _ in range(4):
        seen = surface @ light
        if light.any():
            scale = 0.1 * max(float(np.median(np.abs(values))), 1e-9)
            weight = (seen > 0) / (1 + ((values - seen) / scale) ** 2)
        else:
            weight = (values > np.median(values)).astype(np.float64)
        light = np.linalg.solve(
            surface.T @ (weight[:, None] * surface) + 1e-9 * np.eye(3), surface.T @ (weight * values)
        )
    return np.asarray(light, np.float64)


def integrate(normals: NDArray, mask: NDArray[np.bool_]) -> Array:
    """Depth whose slopes are those of normals, by sparse least squares inside a mask.

    Between neighbouring pixels ``n_z dz = -n_x dx`` and so in y, with the mean of both normals: steep places, whose
    slope is not known well, count less.

    Parameters
    ----------
    normals : (H, W, 3) float
        Unit normals.
    mask : (H, W) bool

    Returns
    -------
    (H, W) float64
        z in px, NaN outside of the mask; the mean of each part that hangs together is 0.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    count = int(mask.sum())
    if not count:
        raise ValueError("There is no pixel to integrate the normals of.")
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(count)
    system, right = scipy.sparse.csr_array((count, count)), np.zeros(count)
    for axis in (0, 1):
        low, high = np.moveaxis(number, axis, 0)[:-1].ravel(), np.moveaxis(number, axis, 0)[1:].ravel()
        pairs = np.stack([low, high])[:, (low >= 0) & (high >= 0)]
        mean = normals[mask][pairs].mean(axis=0)
        facing, slope = np.maximum(mean[:, 2], 0.05), -mean[:, 1 - axis]
        rows = np.tile(np.arange(pairs.shape[1]), 2)
        difference = scipy.sparse.coo_array(
            (np.concatenate([-facing, facing]), (rows, pairs.ravel())), shape=(pairs.shape[1], count)
        ).tocsr()
        system, right = system + difference.T @ difference, right + difference.T @ slope
    depth = np.full(mask.shape, np.nan)
    depth[mask] = solve_symmetric(scipy.sparse.csr_array(system + ANCHOR * scipy.sparse.eye_array(count)), right)
    return depth


def solve_symmetric(system: scipy.sparse.csr_array, right: NDArray) -> Array:
    """Solve a sparse positive system: the ordering that suits symmetry takes half the time of the usual one."""
    factors = scipy.sparse.linalg.splu(
        scipy.sparse.csc_array(system),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.asarray(factors.solve(right), np.float64)


def depth_mesh(depth: NDArray) -> tuple[Array, NDArray[np.int64]]:
    """Mesh of a depth picture.

    Parameters
    ----------
    depth : (H, W) float
        z in px, NaN where there is nothing.

    Returns
    -------
    vertices : (V, 3) float64
        Pixels in the order of rows, pixel frame.
    triangles : (F, 3) int64
        Two for each four pixels that are all there, counter-clockwise seen from outside with y up.
    """
    inside = np.isfinite(depth)
    number = np.cumsum(inside.ravel()).reshape(depth.shape) - 1
    row, column = np.nonzero(inside)
    vertices = np.stack([column, row, depth[inside]], axis=1).astype(np.float64)
    whole = inside[:-1, :-1] & inside[:-1, 1:] & inside[1:, :-1] & inside[1:, 1:]
    a, b, c, d = (part[whole] for part in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
    return vertices, np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]).astype(np.int64)
