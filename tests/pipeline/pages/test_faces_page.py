"""The page of a photo's faces: what is in it, how often, and how much of it."""

import base64
import dataclasses
import re

import numpy as np
import pytest

from pipeline.pages.faces_page import FaceViews, Picture, faces_page

JPEG = b"\xff\xd8\xff"
FACE = FaceViews(
    pictures=[Picture("Photo", JPEG + b"photo", "The photo."), Picture("Pose", JPEG + b"pose", "The pose.")],
    texture=Picture("Texture", JPEG + b"texture", "The texture."),
    thumbnail=JPEG + b"thumbnail",
    vertices=np.array([[10.0, 20, 3], [14, 20, 3], [10, 22, 5]]),
    triangles=np.array([[0, 2, 1]]),
    uv=np.array([[0.0, 0], [1, 0], [0, 0.2]]),
    numbers=[("Yaw", "-3.0\N{DEGREE SIGN}"), ("Box", "3 \N{MULTIPLICATION SIGN} 4 px")],
    files=["face1.obj", "face1 a&b.glb"],
)
OTHER = dataclasses.replace(FACE, vertices=FACE.vertices * 2)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror='f(\"&amp;\")'>"


def read(page, name, kind="<u2"):
    """Numbers of each attribute `name` of a page."""
    return [np.frombuffer(base64.b64decode(text), kind) for text in re.findall(rf'data-{name}="([^"]*)"', page)]


def test_each_face_has_its_pictures_by_tabs_its_numbers_and_its_files():
    page = faces_page("photo", [FACE])
    assert page.startswith("<!DOCTYPE html>\n")
    assert re.findall(r'role="tab" id="(.*?)" aria-controls="(.*?)">(.*?)<', page) == [
        ("face1-tab1", "face1-panel1", "Photo"),
        ("face1-tab2", "face1-panel2", "Pose"),
        ("face1-tab3", "face1-panel3", "Texture"),
    ]
    assert re.findall(r'<img.* alt="(.*?)"', page) == ["The photo.", "The pose.", "The texture."]
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page) == FACE.numbers
    assert re.findall(r'<a href="([^#].*?)">(.*?)</a>', page) == [
        ("face1.obj", "face1.obj"),
        ("face1%20a%26b.glb", "face1 a&amp;b.glb"),
    ]
    assert "<nav" not in page


def test_one_chooses_among_several_faces_by_their_thumbnails():
    page = faces_page("photo", [FACE, dataclasses.replace(OTHER, warning="Its eyes are closed.")])
    assert re.findall(r'<a href="#(face.)".*? alt="(.*?)"', page) == [
        ("face1", "face 1"),
        ("face2", "face 2, likely wrong"),
    ]
    assert page.index("<h2>Face 1</h2>") < page.index("<h2>Face 2</h2>")
    ids = re.findall(r' id="(.*?)"', page)
    assert len(ids) == len(set(ids))


def test_a_likely_wrong_face_is_marked_and_what_made_a_face_is_told():
    plain = faces_page("photo", [FACE])
    assert 'role="note"' not in plain
    assert "Made by" not in plain
    told = faces_page("photo", [dataclasses.replace(FACE, warning="It is half hidden.", method="fit of a model")])
    assert '<p class="warning" role="note">It is half hidden.</p>' in told
    assert "<dt>Made by</dt><dd>fit of a model</dd>" in told


def test_the_viewer_and_what_the_faces_share_are_in_the_page_once():
    page = faces_page("photo", [FACE, OTHER, FACE])
    assert page.count("<script") == page.count("<canvas") == page.count("const makeViewer = ") == 1
    assert [values.tolist() for values in read(page, "triangles")] == [[0, 2, 1]]
    assert [values.tolist() for values in read(page, "uv")] == [[0, 0, 65535, 0, 0, 13107]]
    assert page.count('data-surface="surface0"') == 3
    other = dataclasses.replace(FACE, triangles=np.array([[0, 1, 2]]))
    assert re.findall(r'data-surface="(.*?)"', faces_page("photo", [FACE, other])) == ["surface0", "surface1"]


def test_vertices_lie_about_the_middle_of_the_unit_cube_with_y_up():
    # The sides are 4, 2 and 2 px: x has the whole cube, y and z the middle half of it.
    quarter, half, three_quarters = 16384, 32768, 49151
    vertices, others = read(faces_page("photo", [FACE, OTHER]), "vertices")
    assert vertices.tolist() == [0, three_quarters, quarter, 65535, three_quarters, quarter, 0, quarter, three_quarters]
    assert np.array_equal(vertices, others)
    point = dataclasses.replace(FACE, vertices=np.ones((3, 3)))
    assert read(faces_page("photo", [point]), "vertices")[0].tolist() == [half] * 9


@pytest.mark.parametrize(("count", "kind"), [(65_535, "<u2"), (65_536, "<u4")])
def test_indices_have_two_bytes_where_that_is_enough(count, kind):
    face = dataclasses.replace(FACE, vertices=np.zeros((count, 3)), triangles=np.array([[0, 1, count - 1]]))
    assert read(faces_page("photo", [face]), "triangles", kind)[0].tolist() == [0, 1, count - 1]


def test_the_page_asks_for_nothing_and_is_the_same_each_time():
    page = faces_page("photo", [FACE, OTHER])
    assert "://" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-inline'\"" in page
    assert page == faces_page("photo", [FACE, OTHER])


def test_no_text_of_a_face_becomes_part_of_the_page():
    face = dataclasses.replace(
        FACE,
        pictures=[Picture(HOSTILE, JPEG, HOSTILE)],
        texture=Picture(HOSTILE, JPEG, HOSTILE),
        numbers=[(HOSTILE, HOSTILE)],
        files=[HOSTILE],
        warning=HOSTILE,
        method=HOSTILE,
    )
    page = faces_page(HOSTILE, [face, face])
    assert page.count("<script") == page.count("</script") == 1
    assert "onerror='" not in page
    assert len(re.findall("<img", page)) == 6
