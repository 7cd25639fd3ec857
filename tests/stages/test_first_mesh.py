"""The first mesh that the stage `meshes` saves for a look at it."""

from types import SimpleNamespace

import numpy as np
from threadpoolctl import threadpool_info

from stages import meshes

CORNERS = np.array([[[0, 0, 0], [4, 0, 0], [0, 3, 2]]], np.float32)


def test_it_is_the_first_face_upright_and_computed_with_one_thread(tmp_path, monkeypatch):
    threads = []

    def read_vertices(path, model, rows):
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        assert (path.name, rows) == ("1.h5", slice(0, 1))
        return CORNERS

    model = SimpleNamespace(triangles=np.array([[0, 1, 2]], np.int32))
    monkeypatch.setattr(meshes, "load_model", lambda _: model)
    monkeypatch.setattr(meshes, "list_shards", lambda folder: [folder / "0.h5", folder / "1.h5"])
    monkeypatch.setattr(meshes, "count_samples", lambda path: 0 if path.name == "0.h5" else 5)
    monkeypatch.setattr(meshes, "read_vertices", read_vertices)
    meshes._save_first(tmp_path)
    # With two threads the products of BFM are rounded otherwise, and the file would depend on the number of cores.
    assert set(threads) == {1}
    content = (tmp_path / "first.ply").read_bytes()
    header, body = content.split(b"end_header\n")
    assert b"element vertex 3\n" in header
    assert np.frombuffer(body[:36], "<f4").reshape(3, 3).tolist() == [[0, 0, 0], [4, 0, 0], [0, -3, 2]]
