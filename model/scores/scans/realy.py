"""Errors of a predicted mesh against the regions of a scan as the REALY benchmark has them.

The mesh is laid over the whole face by seven keypoints, then over each region by ICP. The region is bent onto the mesh,
which says what point of the mesh each of its vertices is; how far these points are from the region as it was is the
error.

References
----------
Chai, Z. et al., 2022. REALY: Rethinking the Evaluation of 3D Face Reconstruction. ECCV, section 4. Where the paper
leaves a number open, it is that of the published evaluation, czh-98/REALY.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from model.scores.scans.bending import Anchors, bend
from pipeline.face.similarity import SimilarityFit, fit_similarity, move, move_back
from pipeline.face.surface_search import SurfaceSearch, nearest_on_surface, prepare_search
from pipeline.store.arrays import Array

# iBUG's 68, and 17 more.
KEYPOINTS = 85
SEVEN = (36, 39, 42, 45, 33, 48, 54)
_EYES, _MOUTH = range(36, 48), (*range(48, 61), 64)
# What a region is aligned by, besides its surface.
ALIGNED_BY = {
    "nose": (*range(27, 36), 70, 71),
    "mouth": _MOUTH,
    "forehead": (*_EYES, *range(17, 27)),
    "cheek": (*_MOUTH, 76, 77, 36, 41, 40, 39, 42, 47, 46, 45, 7, 8, 9),
}
REGIONS = tuple(ALIGNED_BY)
# What holds the region while it is bent: of the nose without its last two points, of the cheeks nothing.
BENT_BY = {"nose": tuple(range(27, 36)), "mouth": _MOUTH, "forehead": ALIGNED_BY["forehead"], "cheek": ()}
# The keypoints together weigh as much as the region's vertices; of the cheeks a quarter of that.
CHEEK_SHARE = 4
# ICP ends after so many steps, or when the mean square distance changes by less, in REALY's unit.
STEPS, LEAST_CHANGE = 100, 1e-6


class Region(NamedTuple):
    """A part of a scan: vertices (V, 3) float and triangles (F, 3) int."""

    vertices: NDArray
    triangles: NDArray[np.integer]


def errors(
    vertices: NDArray,
    triangles: NDArray[np.integer],
    keypoints: NDArray,
    regions: Mapping[str, Region],
    scan_keypoints: NDArray,
) -> dict[str, float]:
    """Mean distance in each region between the scan and what corresponds to it on a mesh.

    Parameters
    ----------
    vertices : (V, 3) float
        Predicted, in any unit and turn, right-handed as the scan.
    triangles : (F, 3) int
    keypoints : (85, 3) float
        Of the prediction.
    regions : dict of str to Region
        By the names of `REGIONS`, in REALY's unit: 1 is about 9 mm, each scan has a factor to millimetres.
    scan_keypoints : (85, 3) float

    Returns
    -------
    dict of str to float
        By region, in the regions' unit. The benchmark calls it normalised mean square error, and measures distances.

    Raises
    ------
    ValueError
        If the keypoints all lie in one place, or the mesh or a region has no triangles.
    """
    scan_keypoints = np.asarray(scan_keypoints, np.float64)
    over = align_globally(np.asarray(keypoints, np.float64), scan_keypoints)
    keypoints, search = move(over, keypoints), prepare_search(move(over, vertices), triangles)
    found = {}
    for name in REGIONS:
        region = Region(np.asarray(regions[name].vertices, np.float64), regions[name].triangles)
        by, share = list(ALIGNED_BY[name]), CHEEK_SHARE if name == "cheek" else 1
        fit = align_region(region.vertices, search, keypoints[by], scan_keypoints[by], share)
        held = list(BENT_BY[name])
        found[name] = region_error(region, search, fit, move(fit, keypoints[held]), scan_keypoints[held])
    return found


def align_globally(keypoints: Array, scan_keypoints: Array) -> SimilarityFit:
    """Fit a similarity by seven of 85 keypoints, with the scale that REALY takes: the ratio of absolute coordinates."""
    source, target = keypoints[list(SEVEN)], scan_keypoints[list(SEVEN)]
    rotation = fit_similarity(source, target).rotation
    middles = source.mean(axis=0), target.mean(axis=0)
    scale = np.abs(target - middles[1]).sum() / np.abs((source - middles[0]) @ rotation.T).sum()
    return SimilarityFit(scale, rotation, middles[1] - scale * rotation @ middles[0])


def align_region(
    region: Array, search: SurfaceSearch, keypoints: Array, scan_keypoints: Array, share: int
) -> SimilarityFit:
    """Lay a surface rigidly over a region by ICP: nearest points, and keypoints.

    Parameters
    ----------
    region : (N, 3) float64
    search : SurfaceSearch
        Of the mesh over the scan.
    keypoints, scan_keypoints : (K, 3) float64
    share : int
        The vertices weigh so many times what the keypoints do.

    Returns
    -------
    SimilarityFit
        Of scale 1.
    """
    times = len(region) // len(keypoints) // share
    fit = SimilarityFit(np.array(1.0), np.eye(3), np.zeros(3))
    target = np.vstack([region, np.tile(scan_keypoints, (times, 1))])
    before = 0.0
    for _ in range(STEPS):
        nearest = nearest_on_surface(search, move_back(fit, region)).points
        source = np.vstack([nearest, np.tile(keypoints, (times, 1))])
        new = fit_similarity(source, target, scaled=False)
        now = float(((move(new, source) - target) ** 2).sum(axis=1).mean())
        if abs(now - before) < LEAST_CHANGE:
            break
        fit, before = new, now
    return fit


def region_error(
    region: Region, search: SurfaceSearch, fit: SimilarityFit, keypoints: Array, scan_keypoints: Array
) -> float:
    """Mean distance of a region's vertices to what corresponds to them on a surface.

    Parameters
    ----------
    region : Region
    search : SurfaceSearch
    fit : SimilarityFit
        Lays the surface over the region.
    keypoints : (K, 3) float64
        Of the surface over the region; none where the region is bent without.
    scan_keypoints : (K, 3) float64

    Returns
    -------
    float
    """

    def on_surface(points: Array) -> Array:
        return move(fit, nearest_on_surface(search, move_back(fit, points)).points)

    anchors = None
    if len(keypoints):
        anchors = Anchors(np.asarray(scipy.spatial.cKDTree(region.vertices).query(scan_keypoints)[1]), keypoints)
    bent = bend(region.vertices, region.triangles, on_surface(region.vertices), anchors)
    return float(np.linalg.norm(on_surface(bent) - region.vertices, axis=1).mean())
