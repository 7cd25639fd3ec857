"""Non-rigid registration of a scan: a template mesh is bent until it lies on the scan, so that scans correspond.

Optimal-step non-rigid ICP: each node of the template has an affine transform X_k (4, 3) of its own. For a stiffness
that falls from step to step, nearest points on the scan are looked for, and what minimises ::

    sum_v w_v |x_v X - u_v|^2  +  alpha^2 sum_edges |X_k - X_l|^2  +  beta sum_landmarks |x_l X - l|^2

is found at once, as a sparse linear system. In the paper each vertex is a node. A template of more than `NODES`
vertices has nodes that are spread over it, and a vertex follows those around it, by weights that are spread along the
mesh and not across the mouth. Last, all vertices move along the normals by themselves, each as its neighbours do.

References
----------
Amberg, Romdhani, Vetter, 2007. Optimal step nonrigid ICP algorithms for surface registration.
Sumner, Schmid, Pauly, 2007. Embedded deformation for shape manipulation. (Nodes that vertices follow.)
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.spatial
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from ..store.arrays import Array
from .rendering import vertex_normals
from .similarity import SimilarityFit, fit_similarity

# Nodes at most, and vertices that the scan is looked for from, about so many a node.
NODES, SAMPLES = 2000, 6
# Stiffness of the steps, lengths being in heights of the template, and the share of the landmarks in each: what both
# sums of the cost are of the average edge, vertex and landmark, so that they mean the same for any mesh.
STIFFNESS = (3.0, 1.5, 0.75, 0.4, 0.2, 0.1, 0.05, 0.025)
LANDMARKS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0)
# Rounds of nearest points a step, and the mean movement (heights) below which the next step begins.
ROUNDS, STILL = 4, 5e-4
# What is nearest counts up to this far in the first and the last step (heights), where the normals agree to 60 degrees.
FAR, NEAR, AGREEING = 0.1, 0.02, 0.5
# How far beside the foot of its perpendicular a nearest point may lie, in spacings of the scan: else there is a hole.
BESIDE = 2.0
# Spacing that triangles of a scan are sampled to, in heights of the template.
SPACING = 1 / 150
# Neighbours that the normal of a point without triangles is read off.
AROUND = 12
# Of the last movement: rounds, and what the difference of neighbours weighs beside a vertex's own distance.
LAST_ROUNDS, EVENNESS = 2, 4.0


class Scan(NamedTuple):
    """A scan as points: (M, 3), outward normals (M, 3), whether each lies on a rim (M,), and their usual spacing."""

    points: Array
    normals: Array
    rim: NDArray[np.bool_]
    spacing: float


class Registration(NamedTuple):
    """A template on a scan.

    Attributes
    ----------
    vertices : (V, 3) float64
        In the scan's frame.
    matched : (V,) bool
        Where the scan has been found; elsewhere vertices follow their neighbours.
    distances : (V,) float64
        Distance along the scan's normal that is left, in the scan's unit; NaN where not matched.
    """

    vertices: Array
    matched: NDArray[np.bool_]
    distances: Array


class _Template(NamedTuple):
    """Vertices (V, 3) in heights, edges (E, 2), and what they follow: weights (V, K) sparse, edges (L, 2) of nodes."""

    vertices: Array
    triangles: NDArray[np.integer]
    edges: NDArray[np.int64]
    weights: scipy.sparse.csr_array
    node_edges: NDArray[np.int64]


def register_scan(
    template: NDArray,
    triangles: NDArray[np.integer],
    scan: NDArray,
    scan_triangles: NDArray[np.integer] | None,
    landmarks: NDArray[np.integer],
    places: NDArray,
) -> Registration:
    """Lay a template mesh over a scan.

    Parameters
    ----------
    template : (V, 3) float
        In any unit.
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    scan : (M, 3) float
        In any other unit and pose.
    scan_triangles : (G, 3) int or None
        Likewise; without them the scan is points, whose rims and holes are told by the distance beside them alone.
    landmarks : (L,) int
        Vertices of the template, at least four, whose place is known.
    places : (L, 3) float
        On the scan.

    Returns
    -------
    Registration

    Raises
    ------
    ValueError
        If there are too few landmarks, something is not finite, or nothing of the scan is found from the template.
    """
    template, scan, places = (np.asarray(values, np.float64) for values in (template, scan, places))
    if len(landmarks) < 4 or places.shape != (len(landmarks), 3):
        raise ValueError(f"{len(landmarks)} landmarks and places {places.shape}; expected as many, and at least four.")
    if not all(np.isfinite(values).all() for values in (template, scan, places)):
        raise ValueError("Template, scan or landmarks have a coordinate that is not finite.")
    unit = float(np.ptp(template[:, 1])) or 1.0
    prepared = _prepare(template / unit, triangles)
    frame = fit_similarity(places, prepared.vertices[landmarks])
    target = sample_scan(_into(frame, scan), scan_triangles, SPACING)
    normals = _normals(prepared.vertices, triangles)
    if scan_triangles is None:
        near = scipy.spatial.cKDTree(prepared.vertices).query(target.points)[1]
        agree = np.einsum("md,md->m", target.normals, normals[near])
        target = target._replace(normals=np.where(agree[:, None] < 0, -target.normals, target.normals))
    vertices = _bend(prepared, target, landmarks, _into(frame, places))
    vertices, matched, distances = _settle(prepared, vertices, target)
    left = np.where(matched, distances / frame.scale, np.nan)
    return Registration((vertices - frame.translation) @ frame.rotation / frame.scale, matched, left)


def _into(frame: SimilarityFit, points: Array) -> Array:
    return frame.scale * points @ frame.rotation.T + frame.translation


def sample_scan(vertices: Array, triangles: NDArray[np.integer] | None, spacing: float) -> Scan:
    """Points on a scan, at most about a spacing apart where it has triangles; else its own."""
    if triangles is None:
        tree = scipy.spatial.cKDTree(vertices)
        distances, near = (np.asarray(each) for each in tree.query(vertices, k=min(AROUND, len(vertices))))
        offsets = vertices[near] - vertices[near].mean(axis=1, keepdims=True)
        normals = np.linalg.eigh(np.einsum("mki,mkj->mij", offsets, offsets))[1][..., 0]
        return Scan(vertices, normals, np.zeros(len(vertices), bool), float(np.median(distances[:, 1:4])))
    corner_normals = _normals(vertices, triangles)
    used = np.unique(triangles)
    rim_edge = _on_rim(triangles)
    on_rim = np.zeros(len(vertices), bool)
    for side in range(3):
        on_rim[triangles[rim_edge[:, side]][:, [side, (side + 1) % 3]]] = True
    parts = [(vertices[used], corner_normals[used], on_rim[used])]
    corners = vertices[triangles]
    longest = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2).max(axis=1)
    counts = np.ceil(longest / spacing).astype(int)
    for count in np.unique(counts[counts > 1]):
        chosen = triangles[counts == count]
        first, second = (values.ravel() for values in np.mgrid[: count + 1, : count + 1])
        shares = np.stack([first, second, count - first - second], axis=1)[first + second <= count] / count
        at_side = np.stack([shares[:, 2] == 0, shares[:, 0] == 0, shares[:, 1] == 0], axis=1)
        rim = (rim_edge[counts == count][:, None] & at_side).any(axis=2)
        points, normals = (np.einsum("sc,fcd->fsd", shares, each[chosen]) for each in (vertices, corner_normals))
        parts.append((points.reshape(-1, 3), normals.reshape(-1, 3), rim.ravel()))
    points, normals, rim = (np.concatenate(each) for each in zip(*parts, strict=True))
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return Scan(points, normals / np.where(lengths > 0, lengths, 1), rim, float(min(spacing, np.median(longest))))


def _normals(vertices: Array, triangles: NDArray[np.integer]) -> Array:
    """Outward unit normals (V, 3) where y is up."""
    return np.asarray(-vertex_normals(vertices, triangles), np.float64)


def _on_rim(triangles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether each side (F, 3) of the triangles is in no other one: sides 0-1, 1-2 and 2-0."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, of, uses = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    return (uses[of.ravel()] == 1).reshape(-1, 3)


def _prepare(vertices: Array, triangles: NDArray[np.integer]) -> _Template:
    """Spread nodes over a template: each stands for the vertices that it is nearest to along the mesh."""
    count = len(vertices)
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0).astype(np.int64)
    if count <= NODES:
        return _Template(vertices, triangles, edges, scipy.sparse.eye_array(count, format="csr"), edges)
    # The area of a face is about that of the box of its front.
    cell = np.sqrt(np.ptp(vertices[:, 0]) * np.ptp(vertices[:, 1]) / NODES)
    nodes = np.unique(np.floor(vertices / cell).astype(np.int64), axis=0, return_index=True)[1]
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    graph = scipy.sparse.coo_array((np.maximum(lengths, 1e-12), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, _, sources = scipy.sparse.csgraph.dijkstra(
        graph.tocsr(), directed=False, indices=nodes, min_only=True, return_predecessors=True
    )
    # A part of the mesh without a node follows the first.
    of = np.searchsorted(nodes, np.where(sources < 0, nodes.min(), sources), sorter=np.argsort(nodes))
    of = np.argsort(nodes)[of]
    weights = scipy.sparse.coo_array((np.ones(count), (np.arange(count), of)), shape=(count, len(nodes))).tocsr()
    joined = scipy.sparse.coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(count, count))
    average = scipy.sparse.csr_array(joined + joined.T + scipy.sparse.eye_array(count))
    average = scipy.sparse.diags_array(1 / np.asarray(average.sum(axis=1)).ravel()) @ average
    # As often as there are rings about a node, squared: so far does an average of averages reach.
    for _ in range(max(1, round(count / len(nodes) / 2))):
        weights = average @ weights
    pairs = np.sort(of[edges], axis=1)
    return _Template(vertices, triangles, edges, weights.tocsr(), np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0))


def _bend(template: _Template, target: Scan, landmarks: NDArray[np.integer], places: Array) -> Array:
    """Bend a template by affine transforms of its nodes, from stiff to soft."""
    nodes = template.weights.shape[1]
    follow = _followers(template.weights, template.vertices)
    step = max(1, len(template.vertices) // (SAMPLES * nodes))
    chosen = np.arange(0, len(template.vertices), step)
    sampled, marked = follow[chosen], follow[landmarks]
    pull = marked.T @ marked * (len(chosen) / len(landmarks))
    pulled = marked.T @ places * (len(chosen) / len(landmarks))
    even = _differences(template.node_edges, nodes) * (len(chosen) / len(template.node_edges))
    stiff = scipy.sparse.kron(even, scipy.sparse.eye_array(4), format="csc")
    tree = scipy.spatial.cKDTree(target.points)
    vertices = template.vertices
    limits = np.geomspace(FAR, NEAR, len(STIFFNESS))
    for alpha, beta, limit in zip(STIFFNESS, LANDMARKS, limits, strict=True):
        for _ in range(ROUNDS):
            normals = _normals(vertices, template.triangles)
            feet, found = _nearest(vertices[chosen], normals[chosen], target, tree, limit)
            seen = sampled[found]
            system = alpha**2 * stiff + seen.T @ seen + beta * pull
            transforms = _solve(system, seen.T @ feet[found] + beta * pulled)
            moved = follow @ transforms
            movement = np.linalg.norm(moved - vertices, axis=1).mean()
            vertices = moved
            if movement < STILL:
                break
    return vertices


def _settle(template: _Template, vertices: Array, target: Scan) -> tuple[Array, NDArray[np.bool_], Array]:
    """Move all vertices to the scan, each nearly as its neighbours; whether it is found there, and what is left."""
    tree = scipy.spatial.cKDTree(target.points)
    even = EVENNESS * _differences(template.edges, len(vertices))
    for _ in range(LAST_ROUNDS):
        feet, found = _nearest(vertices, _normals(vertices, template.triangles), target, tree, NEAR)
        own = scipy.sparse.diags_array(found + 1e-6)
        vertices = vertices + _solve(even + own, np.where(found[:, None], feet - vertices, 0))
    feet, found = _nearest(vertices, _normals(vertices, template.triangles), target, tree, NEAR)
    return vertices, found, np.linalg.norm(feet - vertices, axis=1)


def _followers(weights: scipy.sparse.csr_array, vertices: Array) -> scipy.sparse.csr_array:
    """Matrix (V, 4 K): times the transforms of the nodes, on top of each other, it gives the vertices that follow."""
    entries = weights.tocoo()
    rows, columns = entries.coords
    values = entries.data[:, None] * np.column_stack([vertices[rows], np.ones(len(rows))])
    places = (np.repeat(rows, 4), (4 * columns[:, None] + np.arange(4)).ravel())
    return scipy.sparse.coo_array((values.ravel(), places), shape=(len(vertices), 4 * weights.shape[1])).tocsr()


def _differences(edges: NDArray[np.int64], count: int) -> scipy.sparse.csr_array:
    """Matrix (K, K) of the sum of squared differences over edges (E, 2): the graph's Laplacian."""
    ends = np.concatenate([edges, edges[:, ::-1]])
    joined = scipy.sparse.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    return scipy.sparse.csr_array(scipy.sparse.diags_array(np.asarray(joined.sum(axis=1)).ravel()) - joined)


def _nearest(
    vertices: Array, normals: Array, target: Scan, tree: scipy.spatial.cKDTree, limit: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Feet (K, 3) of the perpendiculars from vertices to the scan, and where one is to be believed.

    It is not where the scan is too far off, looks another way, ends, or has a hole.
    """
    distances, near = tree.query(vertices, distance_upper_bound=limit)
    hit = np.isfinite(distances)
    near = np.where(hit, near, 0)
    outward, offsets = target.normals[near], vertices - target.points[near]
    along = np.einsum("kd,kd->k", offsets, outward)
    beside = np.linalg.norm(offsets - along[:, None] * outward, axis=1)
    agree = np.einsum("kd,kd->k", outward, normals) > AGREEING
    return vertices - along[:, None] * outward, hit & agree & ~target.rim[near] & (beside < BESIDE * target.spacing)


def _solve(system: scipy.sparse.sparray, right: Array) -> Array:
    """Solve a symmetric, positive definite system for several right sides."""
    try:
        factors = splu(
            scipy.sparse.csc_array(system),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise ValueError("The scan does not say where the template lies: check its landmarks and its unit.") from error
    return factors.solve(np.ascontiguousarray(right))
