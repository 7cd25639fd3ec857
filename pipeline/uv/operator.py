"""The sparse operator of position maps, made once from the embedding and kept in the UV layout."""

import numpy as np
import scipy.sparse

from .embedding import Embedding
from .texels import barycentric, find_triangles


def make_operator(embedding: Embedding, size: int) -> scipy.sparse.csr_array:
    """Build the sparse operator that turns vertices into a position map.

    Parameters
    ----------
    embedding : Embedding
        Where triangles overlap, as in a published table, a texel takes one of them, see `texels.find_triangles`.
    size : int
        Side of the map in texels.

    Returns
    -------
    (size * size, V) sparse float32
        Three barycentric weights a texel. Texels inside a closed hole use its rim, since the hole's virtual centre is
        the mean of the rim. Each row sums to 1.
    """
    uv, triangles = embedding.uv, embedding.triangles
    texels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) / (size - 1)
    corners = triangles[find_triangles(uv, triangles, size)]
    # Against rounding, and for texels outside of all triangles.
    weights = np.clip(barycentric(texels, uv[corners]), 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(texels)), 3)
    to_closed = scipy.sparse.csr_array((weights.ravel(), (rows, corners.ravel())), shape=(len(texels), len(uv)))
    operator = (to_closed @ _hole_centres(embedding)).astype(np.float32).tocsr()
    operator.eliminate_zeros()
    operator.sort_indices()
    return operator


def _hole_centres(embedding: Embedding) -> scipy.sparse.csr_array:
    """Express the closed mesh's vertices in the real ones: (V + H, V), the centre of a hole as the mean of its rim."""
    closed, count = len(embedding.uv), len(embedding.uv) - len(embedding.holes)
    rows = np.concatenate([np.arange(count), *(np.full(len(h), count + i) for i, h in enumerate(embedding.holes))])
    columns = np.concatenate([np.arange(count), *embedding.holes])
    values = np.concatenate([np.ones(count), *(np.full(len(hole), 1 / len(hole)) for hole in embedding.holes)])
    return scipy.sparse.csr_array((values, (rows, columns)), shape=(closed, count))
