"""Sparse products, by hand and as scipy makes them."""

import numpy as np
import pytest
import scipy.sparse

from pipeline.store.sparse import SparseMatrix, from_scipy, take_columns

# Rows (0, 2, 0), (0, 0, 0) and (3, 0, 5).
MATRIX = SparseMatrix(np.array([2.0, 3, 5]), np.array([1, 0, 2]), np.array([0, 1, 1, 3]), (3, 3))


def test_a_product_is_the_sum_along_each_row():
    assert (MATRIX @ np.array([1, 10, 100])).tolist() == [20, 0, 503]
    assert (MATRIX @ np.array([[1, 2], [10, 20], [100, 200]])).tolist() == [[20, 40], [0, 0], [503, 1006]]
    assert (MATRIX @ np.ones((3, 2, 4))).shape == (3, 2, 4)


def test_it_is_scipys_to_the_last_bit():
    rng = np.random.default_rng(2)
    matrix = scipy.sparse.random_array((300, 70), density=0.05, rng=rng, dtype=np.float32, format="csr")
    values = rng.normal(size=(70, 3))
    assert np.array_equal(from_scipy(matrix) @ values, matrix @ values)


def test_columns_are_moved_and_dropped():
    taken = take_columns(MATRIX, np.array([-1, 3, 0]), 4)
    assert taken.shape == (3, 4)
    assert (taken @ np.array([1, 10, 100, 1000])).tolist() == [2000, 0, 5]


def test_values_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"A matrix \(3, 3\) cannot multiply values of shape \(2, 5\)"):
        MATRIX @ np.ones((2, 5))
