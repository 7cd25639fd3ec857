"""Sparse matrices that are read and multiplied, without scipy: to import that takes longer than to find a face."""

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .arrays import Array

if TYPE_CHECKING:
    import scipy.sparse


@dataclasses.dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A matrix (R, C) in compressed rows, as scipy's `csr_array` has it, which multiplies what has C rows.

    Attributes
    ----------
    data, indices : (N,) float and int
        Its values, row by row, and their columns.
    indptr : (R + 1,) int
        Where each row begins, and the last one ends.
    shape : (int, int)
    """

    data: NDArray[np.floating]
    indices: NDArray[np.integer]
    indptr: NDArray[np.integer]
    shape: tuple[int, int]

    @functools.cached_property
    def rows(self) -> NDArray[np.int64]:
        """Row (N,) of each value."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def __matmul__(self, values: NDArray) -> Array:
        """Product (R, ...) float64 with values (C, ...).

        Raises
        ------
        ValueError
            If there are more or fewer values.
        """
        if len(values) != self.shape[1]:
            raise ValueError(f"A matrix {self.shape} cannot multiply values of shape {values.shape}.")
        columns = np.ascontiguousarray(values.reshape(len(values), -1).T)
        products = np.zeros((self.shape[0], len(columns)))
        for number, column in enumerate(columns):
            products[:, number] = np.bincount(self.rows, self.data * column[self.indices], self.shape[0])
        return products.reshape(-1, *values.shape[1:])


def from_scipy(matrix: "scipy.sparse.csr_array") -> SparseMatrix:
    """Take over the parts of a matrix of scipy's."""
    rows, columns = matrix.shape
    return SparseMatrix(matrix.data, matrix.indices, matrix.indptr, (rows, columns))


def take_columns(matrix: SparseMatrix, columns: NDArray[np.integer], count: int) -> SparseMatrix:
    """Matrix (R, count) that has each column of another at the place `columns` (C,) says, and those with -1 nowhere."""
    places = columns[matrix.indices]
    data = np.where(places < 0, 0, matrix.data)
    return SparseMatrix(data, np.maximum(places, 0), matrix.indptr, (matrix.shape[0], count))
