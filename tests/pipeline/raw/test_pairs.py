"""What counts as a sample, in folders as people have them."""

import os
import time
import unicodedata

import pytest

from pipeline.raw import annotations
from pipeline.raw.annotations import list_pairs
from pipeline.raw.pairs import describe_passed_over, list_annotations, list_folder, photo_of


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(os.fsencode(name))


def test_hidden_files_are_passed_over_and_told(tmp_path):
    touch(tmp_path, "a.jpg", "a.mat", "._a.jpg", "._a.mat", ".DS_Store", "notes.txt", "read.me")
    (tmp_path / "Code").mkdir()
    listing = list_folder(tmp_path)
    assert listing.pairs == [("a.jpg", "a.mat")]
    assert listing.rejected == []
    assert describe_passed_over(listing.passed_over) == "1 folder, 3 hidden, 2 of other kinds"


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".jpe", ".jfif", ".JFIF", ".png", ".bmp", ".BMP"])
@pytest.mark.parametrize("annotation", [".mat", ".MAT", ".Mat"])
def test_endings_in_any_case_belong_together(tmp_path, suffix, annotation):
    touch(tmp_path, f"a{suffix}", f"a{annotation}")
    assert list_folder(tmp_path).pairs == [(f"a{suffix}", f"a{annotation}")]


@pytest.mark.parametrize(("photo", "annotation"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_is_the_same_however_it_is_stored(tmp_path, photo, annotation):
    names = unicodedata.normalize(photo, "Åsé.jpg"), unicodedata.normalize(annotation, "Åsé.mat")
    touch(tmp_path, *names)
    assert list_folder(tmp_path).pairs == [names]
    assert photo_of(tmp_path / names[1]) == tmp_path / names[0]


def test_a_photo_of_another_kind_beside_an_annotation_is_named(tmp_path):
    touch(tmp_path, "a.mat", "a.webp", "b.mat", "c.jpg", "c.mat")
    reasons = dict(list_folder(tmp_path).rejected)
    assert "a.webp ends in none of .jpg, " in reasons["a.mat"]
    assert reasons["b.mat"] == "The photo of this annotation is missing."


def test_links_to_themselves_and_to_nothing_are_set_aside(tmp_path):
    touch(tmp_path, "good.jpg", "good.mat", "loop.mat", "gone.mat")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    pairs, rejected, _ = list_pairs(tmp_path)
    assert pairs == [("good.jpg", "good.mat")]
    assert {name for name, reason in rejected if "a link to nothing or to itself" in reason} == {"loop.jpg", "gone.jpg"}


@pytest.mark.parametrize("sign", ["\r", "\n", "\t", "\x1b", "\x7f", "\x85"])
def test_a_control_character_in_a_name_is_refused_in_one_line(tmp_path, sign):
    touch(tmp_path, f"a{sign}b.jpg", f"a{sign}b.mat", "c.jpg", "c.mat")
    pairs, rejected, _ = list_pairs(tmp_path)
    assert pairs == [("c.jpg", "c.mat")]
    assert rejected == [
        (f"a\\x{ord(sign):02x}b.jpg", "The name has a control character; rename the photo and its annotation.")
    ]


def test_many_photos_that_share_an_annotation_cost_no_more_than_others(tmp_path):
    def seconds(count):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:05d}.jpg").write_bytes(b"%09d" % number)
            (folder / f"{number:05d}.mat").write_bytes(b"one for all")
        start = time.process_time()
        assert len(list_pairs(folder)[0]) == count
        return time.process_time() - start

    seconds(10)
    assert seconds(1600) < 20 * seconds(200)  # 8 times as many; all against all would be 64 times


def test_second_copies_are_named_and_annotations_without_another_of_their_size_not_read(tmp_path, monkeypatch):
    pairs = {"a": ("1", "x"), "b": ("2", "y"), "c": ("2", "y"), "d": ("1", "x"), "e": ("22", "x"), "f": ("3", "x")}
    for stem, (photo, annotation) in pairs.items():
        (tmp_path / f"{stem}.jpg").write_text(photo)
        (tmp_path / f"{stem}.mat").write_text(annotation)
    read, digest = [], annotations._digest
    monkeypatch.setattr(annotations, "_digest", lambda path: read.append(path.name) or digest(path))
    kept, rejected, _ = list_pairs(tmp_path)
    assert [pair.photo for pair in kept] == ["a.jpg", "b.jpg", "e.jpg", "f.jpg"]
    copy = "The pair is a copy of {} and its annotation."
    assert rejected == [("d.jpg", copy.format("a.jpg")), ("c.jpg", copy.format("b.jpg"))]
    assert "a.mat" in read
    assert "e.mat" not in read  # its photo has two bytes, all others one


def test_annotations_of_folders_without_a_pair_are_passed_over(tmp_path):
    touch(tmp_path / "AFLW2000", "b.jpg", "b.mat", "a.JPG", "a.MAT", "._a.MAT", "lone.mat")
    touch(tmp_path / "AFLW2000/Code", "Model_Shape.mat", "Model_Exp.mat", "run.m")
    touch(tmp_path / "__MACOSX/AFLW2000", "._b.mat", "._b.jpg")
    touch(tmp_path / ".git", "x.mat")
    found, passed = list_annotations(tmp_path)
    assert [path.name for path in found] == ["a.MAT", "b.mat", "lone.mat"]
    assert passed == {"hidden": 4, "of other kinds": 1, ".mat in folders without a pair": 2}


def test_a_folder_of_annotations_alone_is_one_of_annotations(tmp_path):
    touch(tmp_path / "deeper", "b.mat", "a.MAT", "._a.MAT")
    assert [path.name for path in list_annotations(tmp_path)[0]] == ["a.MAT", "b.mat"]


def test_a_folder_of_nothing_usable_says_what_it_holds(tmp_path):
    touch(tmp_path, "a.mat", "b.tif", "._c.jpg")
    with pytest.raises(FileNotFoundError, match=r"holds no photos \(.*\)\. It holds 1 hidden, 1 of other kinds\."):
        list_pairs(tmp_path)
