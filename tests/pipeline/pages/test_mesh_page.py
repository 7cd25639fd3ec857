"""The page of one mesh: what is in it, and that it asks for nothing."""

import base64
import re

import numpy as np

from pipeline.pages.mesh_page import mesh_page

# Sides of 4, 2 and 2 px: x has the whole unit cube, y and z the middle half of it.
VERTICES = np.array([[0.0, 0, 1], [4, 0, 1], [0, 2, 3]])
TRIANGLES = np.array([[0, 2, 1]])
HOSTILE = "<script>alert(1)"


def read(page, name):
    return np.frombuffer(base64.b64decode(re.search(f'data-{name}="(.*?)"', page)[1]), "<u2").tolist()


def test_it_has_the_mesh_its_name_and_a_way_back():
    page = mesh_page("A face", VERTICES, TRIANGLES, "../index.html#photos")
    assert read(page, "vertices") == [0, 49151, 16384, 65535, 49151, 16384, 0, 16384, 49151]
    assert read(page, "triangles") == [0, 2, 1]
    assert "<title>A face</title>" in page
    assert re.search('<canvas .*aria-label="A face: arrow keys turn it', page)
    assert '<a href="../index.html#photos">' in page
    assert "All meshes" not in mesh_page("A face", VERTICES, TRIANGLES)


def test_it_asks_for_nothing_and_has_the_same_bytes_each_time():
    page = mesh_page("A face", VERTICES, TRIANGLES)
    assert "default-src 'none'" in page
    assert "://" not in page
    assert page == mesh_page("A face", VERTICES, TRIANGLES)


def test_its_name_is_text():
    assert HOSTILE not in mesh_page(HOSTILE, VERTICES, TRIANGLES, HOSTILE)
