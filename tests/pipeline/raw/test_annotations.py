import shutil

import cv2
import numpy as np
import pytest
import scipy.io

from pipeline.raw.annotations import hash_pair, list_pairs, read_annotation
from pipeline.raw.photos import decode_photo
from pipeline.raw.splitting import assign_parts, identity
from stages.index import read_pairs


def annotation(**changes):
    arrays = {
        "Shape_Para": np.arange(199.0)[:, None],
        "Exp_Para": np.arange(29.0)[:, None],
        "Pose_Para": np.array([[0.1, 0.2, 0.3, 4, 5, 6, 7]], np.float32),
        "pt3d_68": np.ones((3, 68), np.float32),
    }
    arrays |= changes
    return {name: value for name, value in arrays.items() if value is not None}


def test_an_annotation_is_read_with_its_landmarks_in_0_based_pixels(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", annotation())
    read = read_annotation(tmp_path / "a.mat")
    assert read.shape.tolist() == list(range(199))
    assert read.expression.tolist() == list(range(29))
    assert read.pose == pytest.approx([0.1, 0.2, 0.3, 4, 5, 6, 7])
    assert read.true_landmarks.tolist() == [[0, 0, 1]] * 68


def test_an_annotation_of_300w_lp_has_no_true_landmarks(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", annotation(pt3d_68=None))
    assert np.isnan(read_annotation(tmp_path / "a.mat").true_landmarks).all()


def test_the_first_40_and_10_coefficients_are_labels_for_a_face_model_of_as_many_vectors(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    few = annotation(Shape_Para=np.arange(40.0)[:, None], Exp_Para=np.arange(10.0)[:, None], pt3d_68=None)
    scipy.io.savemat(raw / "a.mat", few)
    cv2.imwrite(str(raw / "a.jpg"), np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8))
    scipy.io.savemat(raw / "b.mat", annotation())
    shutil.copy(raw / "a.jpg", raw / "b.jpg")
    shard = read_pairs("SET", raw, [("a.jpg", "a.mat"), ("b.jpg", "b.mat")], ())
    assert not shard.rejected
    first, second = shard.datasets["shape"]
    assert first[:40].tolist() == second[:40].tolist() == list(range(40))
    assert np.isnan(first[40:]).all()
    assert not np.isnan(second).any()
    assert np.isnan(shard.datasets["expression"][0, 10:]).all()
    scipy.io.savemat(raw / "a.mat", few | {"Exp_Para": np.arange(29.0)[:, None]})
    with pytest.raises(ValueError, match=r"Shape_Para in .* shape \(40, 1\); expected 199 values"):
        read_annotation(raw / "a.mat")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Pose_Para": None}, "lacks Pose_Para"),
        ({"Pose_Para": np.ones((1, 6))}, "expected 7 values"),
        ({"Pose_Para": np.array([[0, 0, 0, 0, 0, 0, -1.0]])}, "scale .* is -1"),
        ({"Pose_Para": np.full((1, 7), np.nan)}, "not finite"),
        ({"Shape_Para": np.ones((40, 1))}, "expected 199 values"),
        ({"Shape_Para": np.array([["a"]], object)}, "no numeric array"),
        ({"pt3d_68": np.ones((3, 21))}, r"expected \(3, 68\)"),
    ],
)
def test_an_unusable_annotation_is_refused_with_its_reason(tmp_path, change, reason):
    scipy.io.savemat(tmp_path / "a.mat", annotation(**change))
    with pytest.raises(ValueError, match=reason):
        read_annotation(tmp_path / "a.mat")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"MATLAB 5.0 MAT-file" + b"\0" * 40])
def test_a_file_that_is_no_matlab_file_is_refused(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match="damaged or no Matlab file"):
        read_annotation(tmp_path / "a.mat")


def test_a_photo_is_decoded_to_rgb(tmp_path):
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    photo = decode_photo(cv2.imencode(".png", red)[1].tobytes(), tmp_path)
    assert photo.shape == (4, 5, 3)
    assert photo[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff\xe0"])
def test_a_damaged_photo_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="damaged or no picture"):
        decode_photo(content, tmp_path / "a.jpg")


def test_pairs_are_sorted_and_what_is_alone_is_named(tmp_path):
    for name in ("b.jpg", "b.mat", "a.jpg", "a.mat", "only.jpg", "only_too.mat", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    pairs, alone, _ = list_pairs(tmp_path)
    assert pairs == [("a.jpg", "a.mat"), ("b.jpg", "b.mat")]
    assert {name for name, _ in alone} == {"only.jpg", "only_too.mat", "a.png"}


def test_missing_and_empty_folders_get_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data\.root and data\.subsets"):
        list_pairs(tmp_path / "AFW")
    with pytest.raises(FileNotFoundError, match="holds no photos"):
        list_pairs(tmp_path)


def test_the_hash_of_a_pair_depends_on_both_files_and_their_border():
    assert len({hash_pair(b"ab", b"c"), hash_pair(b"a", b"bc"), hash_pair(b"ab", b"d"), hash_pair(b"ac", b"c")}) == 4


@pytest.mark.parametrize(
    ("sample_id", "expected"),
    [
        ("AFW/AFW_134212_1_0", "AFW/AFW_134212"),
        ("AFW/AFW_134212_2_15", "AFW/AFW_134212"),
        ("AFW_Flip/AFW_134212_1_3", "AFW/AFW_134212"),
        ("HELEN/HELEN_232194_1_0", "HELEN/HELEN_232194"),
        ("IBUG_Flip/IBUG_image_008_1_0", "IBUG/IBUG_image_008"),
        ("LFPW/LFPW_image_train_0001_12", "LFPW/LFPW_image_train_0001"),
        ("LFPW/LFPW_image_test_0001_2", "LFPW/LFPW_image_test_0001"),
        ("AFLW2000/image00002", "AFLW2000/image00002"),
        ("mine/holiday_1_2", "mine/holiday_1_2"),
    ],
)
def test_copies_of_a_photo_have_one_identity(sample_id, expected):
    assert identity(sample_id) == expected


def reposed(subset, people):
    return [f"{subset}/AFW_{person:06d}_1_{copy}" for person in people for copy in range(3)]


def test_an_identity_is_on_one_side_of_the_split_only():
    samples = {
        "AFW": reposed("AFW", range(40)),
        "AFW_Flip": reposed("AFW_Flip", range(5, 45)),
        "AFLW2000": [f"AFLW2000/image{i:05d}" for i in range(50)],
    }
    rows = assign_parts(samples, ["AFW", "AFW_Flip"], ["AFLW2000"], 0.1, 0.2)
    assert sorted(sample for sample, *_ in rows) == sorted(sample for ids in samples.values() for sample in ids)
    sides = {}
    for _, name, part in rows:
        sides.setdefault(name, set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert {part for sample, _, part in rows if sample.startswith("AFLW2000")} == {"test"}
    assert {part for sample, _, part in rows if sample.startswith("AFW")} == {"train", "validation"}


def test_a_subset_for_training_and_testing_is_cut_in_blocks_by_name():
    samples = {"AFLW2000": [f"AFLW2000/image{i:05d}" for i in range(100)]}
    parts = [part for *_, part in assign_parts(samples, ["AFLW2000"], ["AFLW2000"], 0.1, 0.2)]
    assert parts == ["train"] * 72 + ["validation"] * 8 + ["test"] * 20
