"""From photos to files, with a made-up network and detector whose faces one knows."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from pipeline.commands import batches
from pipeline.commands import reconstruct as command
from pipeline.commands.files import KINDS
from pipeline.crops.alignment import align
from pipeline.crops.face_mesh import MeshFace
from pipeline.face.camera import project, wrap_angle
from pipeline.face.head_pose import estimate_pose
from pipeline.face.similarity import apply_similarity, make_similarity
from pipeline.photo.reconstruction import find_landmarks, read_face
from tests.helpers.made_faces import MARGIN, landmarks_at, make_model, make_reconstructor, predict, whole_surface
from tests.helpers.small_project import GRID, SIZE, face_map, grid_triangles, grid_uv


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def surface(model):
    return whole_surface(model)


def reconstruct(photo, landmarks, model, surface):
    """What `predict` finds in the crop that landmarks place."""
    similarity = align(landmarks, MARGIN, True, SIZE)
    return read_face(predict(photo), similarity, surface, model.mean[surface.vertices], len(photo))


class TestReconstruct:
    photo = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)

    def test_a_face_comes_back_to_the_photo_by_the_crop_that_it_was_seen_in(self, model, surface):
        place = make_similarity(0.5, 0.4, (80, 60), (15.5, 15.5))
        landmarks = landmarks_at(place, surface)
        found = reconstruct(self.photo, landmarks, model, surface)
        assert np.array_equal(found.similarity, align(landmarks, MARGIN, True, SIZE))
        # The crop is that of the training data: levelled, so the face lies in it as `predict` says.
        expected = landmarks_at(found.similarity, surface)
        assert np.abs(found.landmarks[:, :2] - expected[:, :2]).max() < 0.1
        corner = apply_similarity(np.linalg.inv(found.similarity), face_map(grid_uv(GRID)).reshape(-1, 3)[[0, -1]])
        assert np.abs(found.vertices[[0, -1], :2] - corner[:, :2]).max() < 0.1

    def test_the_pose_is_the_turn_of_the_crop(self, model, surface):
        upright = reconstruct(self.photo, landmarks_at(np.eye(3), surface), model, surface)
        for degrees in (0, 30, 120, 180):
            place = make_similarity(0.5, np.deg2rad(-degrees), (80, 60), (15.5, 15.5))
            first = find_landmarks(self.photo, place, predict, surface, SIZE)
            assert np.abs(first[:, :2] - landmarks_at(place, surface)[:, :2]).max() < 0.1
            found = reconstruct(self.photo, first, model, surface)
            turn = found.pose[2] - upright.pose[2] - np.deg2rad(degrees)
            assert wrap_angle(turn) == pytest.approx(0, abs=1e-3)
            placed = project(model.mean, found.pose, len(self.photo))
            assert np.abs(placed[surface.vertices][:, :2] - found.vertices[:, :2]).max() < 0.1
        assert np.allclose(estimate_pose(found.vertices, model.mean[surface.vertices], 120), found.pose)


@pytest.fixture(scope="module")
def reconstructor(model, surface):
    return make_reconstructor(model, surface)


def write_photo(path, *squares):
    photo = np.full((150, 200, 3), 60, np.uint8)
    for x, y in squares:
        photo[y : y + 40, x : x + 40] = 255
    cv2.imwrite(str(path), photo)


class TestCommand:
    @pytest.fixture
    def photos(self, tmp_path, reconstructor, monkeypatch):
        monkeypatch.setattr(batches, "open_once", lambda *_: reconstructor)
        folder = tmp_path / "photos"
        folder.mkdir()
        write_photo(folder / "a.png", (30, 40))
        (folder / "b.jpg").write_bytes(b"no photo")
        write_photo(folder / "c.png")
        write_photo(folder / "d.png", (20, 20), (120, 80))
        return folder

    def call(self, *arguments):
        return CliRunner().invoke(command.main, [str(argument) for argument in arguments])

    def test_bad_photos_are_told_in_a_line_each_and_the_others_go_on(self, photos, tmp_path):
        out = tmp_path / "out"
        result = self.call(photos, "--out", out)
        assert result.exit_code == 1
        results = json.loads((out / "faces.json").read_text())
        assert [(row["photo"], len(row["faces"])) for row in results] == [("a", 1), ("b", 0), ("c", 0), ("d", 2)]
        lines = result.stderr.splitlines()
        assert len([line for line in lines if line.startswith(("b: ", "c: "))]) == 2
        assert "damaged, or no picture" in results[1]["error"]
        assert results[2]["error"] == "No face was found in it."
        assert "4 photos, 3 faces, 1 photo without a face, 1 photo that failed;" in result.stdout
        assert sorted(path.name for path in out.iterdir()) == ["a", "d", "faces.json"]

    def test_success_needs_a_face_in_every_photo_or_leave_to_miss_some(self, photos, tmp_path):
        assert self.call(photos, "--out", tmp_path / "x", "--allow-missing", "--write", "ply").exit_code == 0
        assert self.call(photos / "a.png", photos / "d.png", "--out", tmp_path / "y", "--write", "ply").exit_code == 0

    def test_every_file_that_is_told_is_there_and_opens(self, photos, tmp_path):
        out = tmp_path / "out"
        kinds = [word for kind in KINDS for word in ("--write", kind)]
        assert self.call(photos / "d.png", "--out", out, *kinds, "--fill").exit_code == 0
        faces = json.loads((out / "faces.json").read_text())[0]["faces"]
        told = {name for face in faces for name in face["files"]}
        assert told | {"index.html"} == {path.name for path in (out / "d").iterdir()}
        for number, face in enumerate(faces, start=1):
            for ending in ("obj", "ply", "glb"):
                mesh = trimesh.load(out / f"d/face{number}.{ending}", force="mesh", process=False)
                assert len(mesh.faces) == len(grid_triangles())
                assert mesh.vertex_normals[mesh.vertices[:, 2].argmax()][2] > 0.9
            depth = cv2.imread(str(out / f"d/face{number}_depth.png"), cv2.IMREAD_UNCHANGED)
            z = np.load(out / f"d/face{number}_depth.npy")
            assert depth.dtype == np.uint16
            assert depth.shape == z.shape == (150, 200)
            inside = depth > 0
            assert np.allclose((depth[inside] - 1.0) * face["depth_px_per_step"], z[inside], atol=1e-3)
            visible = np.load(out / f"d/face{number}_visible.npy")
            assert len(visible) == GRID**2
            assert visible.mean() == pytest.approx(face["visible_share"], abs=1e-3)
            position_map = np.load(out / f"d/face{number}_map.npy")
            middle = np.array(face["box"])[:2] + np.array(face["box"])[2:] / 2
            assert position_map[..., :2].mean(axis=(0, 1)) == pytest.approx(middle, abs=4)
            assert len(face["landmarks"]) == 68
            assert set(face["pose"]) == {"yaw", "pitch", "roll", "tx", "ty", "tz", "scale"}

    def test_with_detail_all_files_are_of_a_finer_mesh(self, photos, tmp_path):
        out = tmp_path / "out"
        assert self.call(photos / "a.png", "--out", out, "--detail", "--write", ",".join(KINDS)).exit_code == 0
        face = json.loads((out / "faces.json").read_text())[0]["faces"][0]
        assert face["made_by"] == "made up, with the detail of its shading"
        assert set(face["files"]) | {"index.html"} == {path.name for path in (out / "a").iterdir()}
        for ending in ("obj", "ply", "glb"):
            mesh = trimesh.load(out / f"a/face1.{ending}", force="mesh", process=False)
            assert len(mesh.faces) == 16 * len(grid_triangles())
        assert len(np.load(out / "a/face1_visible.npy")) == (4 * GRID - 3) ** 2

    def test_only_what_is_asked_for_is_written(self, photos, tmp_path):
        self.call(photos / "a.png", "--out", tmp_path / "out", "--write", "depth")
        names = sorted(path.name for path in (tmp_path / "out/a").iterdir())
        assert names == ["face1_depth.npy", "face1_depth.png", "face1_visible.npy"]

    def test_the_results_do_not_depend_on_the_order_of_the_work(self, photos, tmp_path):
        for name in ("x", "y"):
            self.call(photos, "--out", tmp_path / name, "--write", "glb", "--write", "page")
        for path in (tmp_path / "x").rglob("*.*"):
            assert path.read_bytes() == (tmp_path / "y" / path.relative_to(tmp_path / "x")).read_bytes()

    def test_a_video_gives_its_frames(self, photos, tmp_path):
        path = tmp_path / "film.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (200, 150))
        for x in (10, 40, 70, 100, 130):
            frame = np.full((150, 200, 3), 60, np.uint8)
            frame[50:90, x : x + 40] = 255
            writer.write(frame)
        writer.release()
        assert self.call("--video", path, "--every", 2, "--out", tmp_path / "out", "--write", "ply").exit_code == 0
        results = json.loads((tmp_path / "out/faces.json").read_text())
        assert [row["photo"] for row in results] == ["film_000000", "film_000002", "film_000004"]
        assert [row["faces"][0]["box"][0] for row in results] == pytest.approx([10, 70, 130], abs=2)

    def test_what_a_mask_covers_is_painted_over_and_not_seen(self, photos, tmp_path):
        plain = np.full((150, 200), 0, np.uint8)
        covered = cv2.rectangle(plain.copy(), (5, 5), (49, 140), 255, -1)  # left of its middle
        cv2.imwrite(str(tmp_path / "mask.png"), covered)
        kinds = ("--write", "texture", "--write", "depth", "--write", "page")
        hidden = cv2.imread(str(photos / "a.png"))
        hidden[covered > 0] = (0, 255, 0)
        cv2.imwrite(str(photos / "a.png"), hidden)
        assert (
            self.call(photos / "a.png", "--out", tmp_path / "out", "--mask", tmp_path / "mask.png", *kinds).exit_code
            == 0
        )
        face = json.loads((tmp_path / "out/faces.json").read_text())[0]["faces"][0]
        assert 0.2 < face["visible_share"] < 0.8, "without a mask it is 0.9 or more"
        texture = cv2.imread(str(tmp_path / "out/a/face1_texture.png")).astype(int)
        assert not ((texture[..., 1] > texture[..., 0] + 60) & (texture[..., 1] > texture[..., 2] + 60)).any()
        assert "painted over where its mask covers it" in (tmp_path / "out/a/index.html").read_text()

    def test_a_mask_of_another_size_is_told_of_its_photo(self, photos, tmp_path):
        cv2.imwrite(str(tmp_path / "mask.png"), np.eye(50, dtype=np.uint8) * 255)
        result = self.call(photos / "a.png", "--out", tmp_path / "out", "--mask", tmp_path / "mask.png")
        assert result.exit_code == 1
        assert "mask.png is a picture of 50 x 50 px, its photo one of 200 x 150" in result.stderr

    def test_a_folder_of_masks_has_the_photos_names(self, tmp_path, capsys):
        for name in ("a.png", "b.jpg", "notes.txt"):
            (tmp_path / name).touch()
        photos = [Path("x/a.jpg"), Path("x/b.jpg"), Path("x/c.jpg")]
        assert batches.find_masks(photos, tmp_path) == [tmp_path / "a.png", tmp_path / "b.jpg", None]
        assert capsys.readouterr().out == ""
        assert batches.find_masks(photos[1:], tmp_path) == [tmp_path / "b.jpg", None]
        assert capsys.readouterr().out == (
            f"reconstruct: passed over in {tmp_path}: 1 mask without a photo of that name\n"
        )
        assert batches.find_masks(photos[:1], tmp_path / "b.jpg") == [tmp_path / "b.jpg"]
        for those, mask, sentence in (
            (photos, "b.jpg", "--mask is one file, and there are 3 photos: name a folder of masks"),
            (photos, "gone.png", "no mask, and no folder of masks"),
            (photos[2:], ".", "No mask in .* has the name of a photo"),
        ):
            with pytest.raises(ValueError, match=sentence):
                batches.find_masks(those, tmp_path / mask)

    def test_a_face_that_is_covered_wholly_is_told(self, photos, tmp_path, monkeypatch):
        cv2.imwrite(str(tmp_path / "mask.png"), np.pad(np.full((148, 198), 255, np.uint8), 1))
        mesh = np.full((468, 3), 60.0)
        whole = MeshFace(np.array([40, 40, 40, 40.0]), mesh[:5, :2], 1.0, 0, mesh, 0.9)
        made = dataclasses.replace(batches.open_once(), find_faces=lambda _: [whole])
        monkeypatch.setattr(batches, "open_once", lambda *_: made)
        result = self.call(photos / "a.png", "--out", tmp_path / "out", "--mask", tmp_path / "mask.png")
        assert result.exit_code == 1
        assert "a: Its mask covers the face wholly." in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--video", "0", "--mask", "m.png"), "--mask is for photos: it can't be given with --video."),
            ((), "Name photos, or a video by --video."),
            (
                ("a.png", "--write", "obj", "glb"),
                "glb: no such photo; --write takes kinds with commas between them: --write obj,glb.",
            ),
            (("nowhere.jpg",), "There is no photo or folder 'nowhere.jpg'"),
            (("a.png", "--video", "0"), "Name photos, or a video by --video."),
        ],
    )
    def test_wrong_arguments_are_answered_in_a_sentence(self, photos, tmp_path, arguments, sentence):
        result = self.call(*arguments, "--out", tmp_path / "out")
        assert result.exit_code == 1
        assert sentence in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--out", ""), "'--out': the name is empty; expected a folder, such as `faces`."),
            (("--out", "faces", "--every", "0"), "0 is not in the range x>=1"),
        ],
    )
    def test_an_empty_folder_and_no_step_are_refused(self, photos, tmp_path, monkeypatch, arguments, sentence):
        monkeypatch.chdir(tmp_path)
        result = self.call(photos / "a.png", *arguments)
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["photos"]

    def test_write_takes_kinds_with_commas_between_them(self, photos, tmp_path):
        for number, words in enumerate((("ply,points",), ("ply, points", "ply"), ("ply", "points"))):
            kinds = [word for kind in words for word in ("--write", kind)]
            assert self.call(photos / "a.png", "--out", tmp_path / f"{number}", *kinds).exit_code == 0
            names = sorted(path.name for path in (tmp_path / f"{number}/a").iterdir())
            assert names == ["face1.ply", "face1_landmarks.csv"]
        result = self.call(photos / "a.png", "--out", tmp_path / "x", "--write", "obj,stl")
        assert result.exit_code == 2
        assert "'stl' is not one of 'obj', 'glb', 'ply'" in result.stderr

    def test_photos_of_one_name_get_folders_of_their_own(self):
        named = batches.name_photos([Path("x/a.jpg"), Path("x/a.png"), Path("x/b.jpg")])
        assert [photo.name for photo in named] == ["a.jpg", "a.png", "b"]
        with pytest.raises(ValueError, match=r"Two of the photos have the same name, a\.jpg: reconstruct them into"):
            batches.name_photos([Path("x/a.jpg"), Path("y/a.jpg")])

    @pytest.mark.parametrize(
        ("files", "names"),
        [
            # By Python a name's first dot makes no ending: the stem of "...jpg" is "..".
            (("...jpg", "..jpg", ".jpg", ".x.jpg", "....jpg"), ["_..", "_.", "_.jpg", "_.x", "_..."]),
            (("faces.json.jpg", "Faces.JSON.png"), ["faces.json.jpg", "Faces.JSON.png"]),
            (("faces.json.jpg", "_faces.json.jpg"), ["faces.json.jpg", "_faces.json.jpg"]),
            (("faces.json", "faces.jpg"), ["_faces.json", "faces.jpg"]),
            (("a.jpg", "a.png", "a.jpg.png"), ["a.jpg", "a.png", "a.jpg.png"]),
            # One folder on macOS and Windows.
            (
                ("A.jpg", "a.png", "caf\u00e9.jpg", "cafe\u0301.png"),
                ["A.jpg", "a.png", "caf\u00e9.jpg", "cafe\u0301.png"],
            ),
        ],
    )
    def test_no_name_leads_out_of_the_folder_or_is_taken(self, files, names):
        assert [photo.name for photo in batches.name_photos(map(Path, files))] == names

    def test_ten_thousand_photos_are_named_at_once(self):
        paths = [Path(f"{number // 2}.{'jpg' if number % 2 else 'png'}") for number in range(10_000)]
        assert [photo.name for photo in batches.name_photos(paths)] == [path.name for path in paths]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--pupil-distance", "63"), "--pupil-distance is for --unit mm: give that too."),
        (("--pupil-distance", "-5", "--unit", "mm"), "--pupil-distance is -5.0; expected millimetres, 54 to 74"),
    ],
)
def test_a_pupil_distance_is_millimetres_and_for_them(tmp_path, options, sentence):
    result = CliRunner().invoke(command.main, ("photo.png", "--out", str(tmp_path / "out"), *options))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {sentence}")
    assert not (tmp_path / "out").exists()
