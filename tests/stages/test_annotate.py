"""From own photos to pairs that the stages read, with a made-up fit whose faces one knows, and one real photo."""

import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from click.testing import CliRunner

from pipeline.commands import batches
from pipeline.commands.reconstructor import Reconstructor, open_by_fit
from pipeline.crops.face_mesh import open_files
from pipeline.demo.dataset import write_face_model
from pipeline.demo.face import make_face
from pipeline.face.camera import project
from pipeline.face.face_model import FaceModel, deform, load_model
from pipeline.photo.labels import check_coefficients, label_arrays, label_bytes, photo_bytes, placed
from pipeline.photo.photo_files import open_photo
from pipeline.photo.reconstruction import Reconstruction
from pipeline.raw.annotations import list_pairs, read_annotation
from pipeline.raw.photos import read_photo
from pipeline.store.shards import count_samples, list_shards, read_shard
from stages import aligned, annotate, face_model, index, meshes, position_maps, uv_embedding
from stages.photo import annotating
from tests.helpers.data_project import must, write_params
from tests.helpers.made_faces import find_squares

DOUBT = "Likely wrong: it is on the left."


def draw_squares(*squares):
    photo = np.full((150, 200, 3), 60, np.uint8)
    for x, y in squares:
        # Brighter on one side: a crop without any contrast is no face.
        photo[y : y + 40, x : x + 40] = 215
        photo[y : y + 40, x + 20 : x + 40] = 255
    return photo


@pytest.fixture(scope="module")
def made_up(embedded):
    """A reconstructor that puts the embedded face over each bright square, and doubts what is on the left."""

    def reconstruct(photo, face):
        width = float(np.ptp(embedded.landmarks.mean[:, 0]))
        x, y = face.box[:2] + face.box[2:] / 2
        pose = np.array([0.1, 0.3, -0.2, x + 1, len(photo) - y, -3, 40 / width])
        coefficients = np.linspace(-0.3, 0.4, len(embedded.prior.mean)) * embedded.prior.sigma
        landmarks = placed(embedded.landmarks, coefficients, pose, len(photo)) + np.array([2, 0, 0])
        vertices = embedded.spread @ placed(embedded.model, coefficients, pose, len(photo))
        doubt = DOUBT if x < 70 else ""
        return Reconstruction(np.eye(3), lambda: None, vertices, landmarks, pose, coefficients, None, doubt)

    mean = embedded.spread @ embedded.model.mean
    return Reconstructor(
        find_squares, reconstruct, embedded.surface, embedded.operator, mean, "made up", bundle=embedded
    )


@pytest.fixture
def work(tmp_path, made_up, monkeypatch):
    """Photos: one with a face, one with two and a name that is no plain ASCII, one without, and one that is none."""
    monkeypatch.setattr(batches, "open_reconstructor", lambda *_: made_up)
    batches.open_once.cache_clear()
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.jpg"), draw_squares((90, 40)))
    (folder / "zwei ä é.png").write_bytes(cv2.imencode(".png", draw_squares((20, 20), (130, 80)))[1].tobytes())
    cv2.imwrite(str(folder / "none.jpg"), draw_squares())
    (folder / "broken.jpg").write_bytes(b"no photo")
    yield tmp_path
    batches.open_once.cache_clear()


def call(*arguments):
    return CliRunner().invoke(annotate.main, [str(argument) for argument in arguments])


def annotated(*arguments):
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


ONE, TWO, SECOND = "one", "zwei ä é", "zwei ä é_face2"


class TestPairs:
    def test_every_face_is_a_pair_and_every_photo_is_told(self, work):
        result = annotated("photos", "--out", "out")
        expected = sorted(f"{name}.{ending}" for name in (ONE, TWO, SECOND) for ending in ("jpg", "mat"))
        assert files(work / "out/faces") == expected
        rows = {(row["photo"], row["face"]): row for row in table(work / "out/faces.csv")}
        assert list(rows) == [("broken", ""), ("none", ""), (ONE, ONE), (TWO, TWO), (TWO, SECOND)]
        assert rows["none", ""]["reason"] == "No face was found in it."
        assert "damaged, or no picture" in rows["broken", ""]["reason"]
        assert rows[TWO, TWO]["reason"] == DOUBT
        assert [row["state"] for row in rows.values()] == ["no label"] * 2 + ["not reviewed"] * 3
        # 0.3 rad.
        assert float(rows[ONE, ONE]["yaw_deg"]) == 17.2
        assert "4 photos, 3 faces, 2 photos without one; 1 face likely wrong, 0 refused" in result.stdout
        assert "none.jpg: No face was found in it." in result.stderr

    def test_the_stages_read_the_mesh_that_was_fitted(self, work, made_up):
        annotated("photos", "--out", "out")
        write_params(work, root="out", subsets={"own": {"folder": "faces", "use": "learn", "boxes": "meshes"}})
        for stage, *arguments in ((face_model,), (uv_embedding,), *((s, "own") for s in (index, meshes, aligned))):
            must(stage, *arguments)
        must(position_maps, "own")
        maps = list_shards(work / "data/position_maps/learn/own/on")
        assert sum(map(count_samples, maps)) == 3
        model = load_model(work / "data/face_model/model.h5")
        shards = [read_shard(path) for path in list_shards(work / "data/meshes/learn/own")]
        rows = {
            name.split("/")[1]: (coefficients, pose, landmarks)
            for shard in shards
            for name, coefficients, pose, landmarks in zip(
                *(shard[key] for key in ("sample_id", "coefficients", "pose", "landmarks")), strict=True
            )
        }
        assert set(rows) == {ONE, TWO, SECOND}
        photo, _ = open_photo(work / "photos/one.jpg")
        found = made_up.reconstruct(photo, made_up.find_faces(photo)[0])
        coefficients, pose, landmarks = rows[ONE]
        bundle = made_up.bundle
        mesh = project(deform(model, coefficients[None])[0], pose, 150)
        own = placed(bundle.model, found.coefficients, found.pose, 150)
        # The bundle's face model is a part of the whole one.
        distances = np.linalg.norm(own[:, None] - mesh[None], axis=2).min(axis=1)
        assert distances.max() < 0.01
        assert np.abs(landmarks - (found.landmarks - [2, 0, 0])).max() < 0.01
        # The middle of the square.
        assert landmarks[:, 0].mean() == pytest.approx(109.5, abs=8)

    def test_what_a_label_has_is_one_based_with_y_down_and_zeros_beyond_the_face_model(self, work, made_up):
        annotated("photos/one.jpg", "--out", "out")
        bundle = made_up.bundle
        path = work / "out/faces/one.mat"
        annotation = read_annotation(path)
        identities = bundle.model.shape_basis.shape[2]
        assert np.count_nonzero(annotation.shape[identities:]) == 0
        assert np.count_nonzero(annotation.expression[6:]) == 0
        own = placed(
            bundle.landmarks, np.r_[annotation.shape[:identities], annotation.expression[:6]], annotation.pose, 150
        )
        assert np.abs(annotation.true_landmarks - own).max() < 1e-3
        arrays = label_arrays(
            bundle.landmarks, np.zeros(len(bundle.prior.mean)), np.array([0, 0, 0, 51, 30, 0, 1e-9]), own, (150, 200)
        )
        # A face without size, at the 0-based pixel (50, 120).
        assert np.allclose(arrays["pt3d_68"][:2].T, (51, 121), atol=1e-3)
        assert np.allclose(arrays["pt2d"], own[:, :2].T + 1)
        assert arrays["roi"].tolist() == [[1, 1, 200, 150]]
        assert {name: value.shape for name, value in arrays.items() if name.endswith("Para")} == {
            "Shape_Para": (199, 1),
            "Exp_Para": (29, 1),
            "Pose_Para": (1, 7),
        }
        assert label_bytes(arrays).startswith(b"MATLAB 5.0 MAT-file, face fitted to a photo")

    def test_a_jpeg_keeps_its_bytes_and_others_are_encoded(self, work):
        annotated("photos", "--out", "out")
        assert (work / "out/faces/one.jpg").read_bytes() == (work / "photos/one.jpg").read_bytes()
        pair = read_photo(work / f"out/faces/{TWO}.jpg")
        assert np.abs(pair.astype(int) - open_photo(work / f"photos/{TWO}.png")[0]).mean() < 2

    def test_a_jpeg_that_exif_turns_is_stored_as_it_is_seen(self, tmp_path):
        path, exif = tmp_path / "turned.jpg", PIL.Image.Exif()
        exif[0x0112] = 6
        PIL.Image.fromarray(draw_squares((20, 20))).save(path, exif=exif)
        photo, _ = open_photo(path)
        assert photo.shape == (200, 150, 3)
        (tmp_path / "pair.jpg").write_bytes(photo_bytes(path, photo))
        assert np.abs(read_photo(tmp_path / "pair.jpg").astype(int) - photo).mean() < 2

    def test_the_pair_of_a_real_photo_has_the_face_where_one_sees_it(self, embedded, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        cv2.imwrite("astronaut.png", skimage.data.astronaut()[..., ::-1])
        monkeypatch.setattr(batches, "open_reconstructor", _by_fit(embedded))
        batches.open_once.cache_clear()
        annotated("astronaut.png", "--out", "out")
        batches.open_once.cache_clear()
        annotation = read_annotation(tmp_path / "out/faces/astronaut.mat")
        low, high = annotation.true_landmarks[:, :2].min(axis=0), annotation.true_landmarks[:, :2].max(axis=0)
        assert (low + high) / 2 == pytest.approx((222, 123), abs=15)
        # Eyes above the mouth, the subject's right eye on the left.
        eye, other, mouth = annotation.true_landmarks[[36, 45, 57]]
        assert max(eye[1], other[1]) < mouth[1]
        assert eye[0] < other[0]


def _by_fit(bundle):
    return lambda options, threads: open_by_fit(options, bundle, open_files(bundle.files, threads))


class TestAgain:
    def test_what_is_labelled_is_not_labelled_again_unless_its_photo_changed(self, work):
        annotated("photos", "--out", "out")
        paths = {path: path.stat().st_mtime_ns for path in (work / "out/faces").iterdir()}
        annotated("photos", "--out", "out")
        assert {path: path.stat().st_mtime_ns for path in (work / "out/faces").iterdir()} == paths
        cv2.imwrite("photos/one.jpg", draw_squares((100, 50)))
        shutil.move(f"photos/{TWO}.png", "photos/x.png")
        cv2.imwrite("photos/x.png", draw_squares((130, 80)))
        shutil.move("photos/x.png", f"photos/{TWO}.png")
        result = annotated("photos", "--out", "out")
        assert "4 photos, 2 faces" in result.stdout
        assert files(work / "out/faces") == [f"{name}.{ending}" for name in (ONE, TWO) for ending in ("jpg", "mat")]
        assert (work / "out/faces/one.jpg").read_bytes() == (work / "photos/one.jpg").read_bytes()
        assert not (work / f"out/review/{SECOND}.jpg").exists()

    def test_a_pair_that_is_not_whole_is_made_again(self, work):
        annotated("photos", "--out", "out")
        (work / "out/faces/one.mat").unlink()
        annotated("photos/none.jpg", "--out", "out")
        state = {row["face"]: row["state"] for row in table(work / "out/faces.csv")}
        assert (state[ONE], state[TWO]) == ("deleted by hand", "not reviewed")
        annotated("photos", "--out", "out")
        assert (work / "out/faces/one.mat").is_file()

    def test_a_name_that_is_no_utf_8_is_written_as_in_an_address(self, work):
        (work / "photos/one.jpg").rename(work / "photos" / os.fsdecode(b"\xff.jpg"))
        (work / "photos/none.jpg").rename(work / "photos" / os.fsdecode(b"\xfe.jpg"))
        result = annotated("photos", "--out", "out")
        assert "photos/%FE.jpg: No face was found in it." in result.stderr
        assert files(work / "out/faces") == sorted(
            f"{name}.{ending}" for name in ("%FF", TWO, SECOND) for ending in ("jpg", "mat")
        )
        assert {row["photo"] for row in table(work / "out/faces.csv")} == {"%FF", "%FE", TWO, "broken"}
        annotated("photos", "--out", "out")

    def test_pairs_are_no_photos_to_label(self, work):
        annotated("photos", "--out", "out")
        before = {path: path.read_bytes() for path in (work / "out").rglob("*") if path.is_file()}
        result = call(work / "out/faces/one.jpg", "--out", work / "out")
        assert result.exit_code == 1
        assert "faces/one.jpg lies where results of a photo go: choose another folder by --out." in result.stderr
        assert {path: path.read_bytes() for path in before} == before

    def test_photos_that_all_show_no_face_are_a_failure(self, work):
        result = call("photos/none.jpg", "photos/broken.jpg", "--out", "out")
        assert "annotate: 2 photos, 0 faces, 2 photos without one" in result.stdout
        assert result.exit_code == 1
        # With labels of other photos in the folder there is something to judge.
        annotated("photos/one.jpg", "photos/none.jpg", "--out", "out")

    def test_an_error_of_a_library_costs_one_photo(self, work, monkeypatch):
        def fail(*_):
            raise RuntimeError("not today")

        annotated("photos", "--out", "out")
        shutil.copy(work / "photos/one.jpg", work / "photos/three.jpg")
        reconstructor = annotating.open_once(None, 1)
        with monkeypatch.context() as patch:
            patch.setattr(annotating, "open_once", lambda *_: dataclasses.replace(reconstructor, find_faces=fail))
            result = call(work / "photos", "--out", work / "out")
        assert (
            "three.jpg: It made this software fail, which is a mistake in it (RuntimeError: not today)."
            in result.stderr
        )
        assert call(work / "photos", "--out", work / "out").exit_code == 0
        assert (work / "out/faces/three.jpg").is_file()

    def test_the_same_labels_have_the_same_bytes(self, work):
        for out in ("a", "b"):
            annotated("photos", "--out", out)
        names = [path.relative_to(work / "a") for path in (work / "a").rglob("*.*")]
        assert len(names) > 15
        for name in names:
            assert (work / "a" / name).read_bytes() == (work / "b" / name).read_bytes(), name

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda: _copy_of_another(), "out has labels of another photo named one, "),
            (lambda: shutil.copy("photos/one.jpg", "photos/one_face2.jpg"), "one_face2 is named as a further face of"),
            (lambda: _other_maker(), "out has labels by another maker (another): choose another folder."),
            (lambda: Path("out/review/one.json").write_text("{"), "one.json is damaged; delete it, and annotate"),
            (lambda: _larger_face_model("out/bfm"), "out/bfm is not the face model of the bundle, 'embedded'"),
        ],
    )
    def test_labels_that_do_not_belong_together_are_refused(self, work, change, sentence):
        annotated("photos", "--out", "out")
        change()
        result = call("others" if Path("others").is_dir() else "photos", "--out", "out")
        assert result.exit_code == 1
        assert sentence in result.stderr


def _larger_face_model(folder):
    face = make_face()
    write_face_model(Path(folder), dataclasses.replace(face, mean=1.1 * face.mean))


def _copy_of_another():
    shutil.copytree("photos", "others")
    cv2.imwrite("others/one.jpg", draw_squares((60, 60)))


def _other_maker():
    path = Path("out/review/one.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"maker": "another"}))


class TestReview:
    def test_what_is_likely_wrong_starts_refused_and_moves_once_it_is_reviewed(self, work):
        annotated("photos", "--out", "out")
        said = {row["face"]: row["verdict"] for row in table(work / "out/review.csv")}
        assert said == {ONE: "accepted", TWO: "refused", SECOND: "accepted"}
        result = annotated("--out", "out", "--review", "out/review.csv")
        assert "1 refused, 0 not reviewed" in result.stdout
        assert files(work / "out/refused") == [f"{TWO}.jpg", f"{TWO}.mat"]
        assert [pair[0] for pair in list_pairs(work / "out/faces")[0]] == [f"{ONE}.jpg", f"{SECOND}.jpg"]
        # It is not made again, and it can be taken back.
        annotated("photos", "--out", "out")
        assert files(work / "out/refused") == [f"{TWO}.jpg", f"{TWO}.mat"]
        (work / "back.csv").write_text(f"face,verdict\n{TWO},accepted\n{ONE},refused\n", encoding="utf-8")
        annotated("--out", "out", "--review", "back.csv")
        assert files(work / "out/refused") == ["one.jpg", "one.mat"]
        assert {row["face"]: row["verdict"] for row in table(work / "out/review.csv")} == {
            ONE: "refused",
            TWO: "accepted",
            SECOND: "accepted",
        }

    def test_a_run_that_ended_before_pairs_were_moved_is_put_right(self, work):
        annotated("photos", "--out", "out")
        annotating.review(work / "out", work / "out/review.csv")
        assert files(work / "out/refused") == []
        annotated("photos", "--out", "out")
        assert files(work / "out/refused") == [f"{TWO}.jpg", f"{TWO}.mat"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("face,verdict\nnobody,refused\n", "names faces that out does not have: nobody."),
            ("face,verdict\none,maybe\n", "has the verdict maybe; expected accepted or refused."),
            ("name\none\n", "is no table of verdicts; expected the columns face and verdict."),
            ("A line of prose.\n", "is no table of verdicts; expected the columns face and verdict."),
        ],
    )
    def test_a_wrong_table_is_answered_in_a_sentence_and_moves_nothing(self, work, text, sentence):
        annotated("photos", "--out", "out")
        (work / "said.csv").write_text(text)
        result = call("--out", "out", "--review", "said.csv")
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert files(work / "out/refused") == []

    @pytest.mark.parametrize(
        "make",
        [
            Path.touch,
            os.mkfifo,
            lambda path: path.symlink_to("/dev/zero"),
            lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" * 9),
            lambda path: path.write_text("face,verdict\none\n"),
            lambda path: path.write_text("face,verdict\none,accepted,gladly\n"),
        ],
    )
    def test_what_is_no_table_of_verdicts_is_told(self, work, make):
        annotated("photos", "--out", "out")
        make(work / "said.csv")
        result = call("--out", "out", "--review", "said.csv")
        assert result.stderr == "Error: said.csv is no table of verdicts; expected the columns face and verdict.\n"

    def test_wrong_arguments_are_answered_in_a_sentence(self, work):
        for arguments, sentence in (
            ((), "Name photos, or a table of verdicts by --review."),
            (("nowhere.jpg",), "There is no photo or folder 'nowhere.jpg'"),
        ):
            result = call(*arguments, "--out", "out")
            assert result.exit_code == 1
            assert sentence in result.stderr
        assert not (work / "out").exists()


def test_a_face_model_of_more_vectors_than_annotations_have_is_refused(embedded):
    model = embedded.model
    many = np.zeros((len(model.mean), 3, 53), np.float32)
    with pytest.raises(ValueError, match="53 of expression, annotations like 300W-LP's have up to 199 and 29"):
        check_coefficients(FaceModel(model.mean, model.shape_basis, many, model.triangles, model.landmarks))
