"""The UV table that PRNet's weights need, as `uv_embedding.source: file` reads it."""

import numpy as np
import pytest
import scipy.io

from pipeline.uv.embedding import count_flipped, from_table
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import nearest_texels, render_map, sample_map
from stages.uv_embedding import read_table

SIZE = 256


@pytest.fixture(scope="module")
def table(face_data, bfm):
    return read_table(face_data / "bfm/BFM_UV.mat", len(bfm.mean))


def test_landmarks_lie_where_face3d_has_them(face_data, bfm, table):
    # face3d: u and v times 255, then v from below; its landmark indices are those rounded, (column, row).
    uv = scipy.io.loadmat(face_data / "bfm/BFM_UV.mat")["UV"].astype(np.float64)
    columns, rows = uv[:, 0] * 255, 255 - uv[:, 1] * 255
    expected = np.round(np.stack([rows, columns], axis=1)[bfm.landmarks])
    embedding = from_table(table, bfm.triangles)
    np.testing.assert_array_equal(nearest_texels(embedding.uv[bfm.landmarks], SIZE), expected)


def test_flips_are_counted_and_the_round_trip_is_the_tables(bfm, table):
    embedding = from_table(table, bfm.triangles)
    # Published counts of the table's own are 9 and 11, by the patch that was applied; the mouth's middle adds 2.
    count = len(bfm.triangles)
    own = type(embedding)(embedding.uv, embedding.triangles[:count], [])
    assert count_flipped(own) == 11
    assert count_flipped(embedding) == 13
    back = sample_map(render_map(make_operator(embedding, SIZE), bfm.mean[None])[0], embedding.uv[: len(bfm.mean)])
    error = 100 * np.linalg.norm(back - bfm.mean, axis=1) / np.ptp(bfm.mean[:, 1])
    assert error.mean() < 0.015
    assert error.max() < 5


def test_a_missing_table_or_one_of_another_mesh_is_named(face_data, tmp_path):
    with pytest.raises(ValueError, match=r"BFM_UV\.mat is missing: put the table there"):
        read_table(tmp_path / "BFM_UV.mat", 53215)
    with pytest.raises(ValueError, match=r"has shape \(53215, 2\); the face model needs \(100, 2\)"):
        read_table(face_data / "bfm/BFM_UV.mat", 100)
