"""Scores of meshes against scans, from files as the benchmarks lay them out."""

import json

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from model.scores.scans import m3dfb
from stages import score
from tests.helpers.scanned_face import SEVEN, cut_regions, face_mesh, keypoints, on_face
from tests.helpers.small_project import read_json, read_rows

PICKED = "<!DOCTYPE PickedPoints>\n<PickedPoints>\n{}</PickedPoints>\n"


def write_mesh(path, vertices, triangles):
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh = trimesh.Trimesh(vertices, triangles, process=False)
    mesh.export(path, **({"digits": 9} if path.suffix == ".obj" else {}))


def run(folder, *options):
    """Run the command in a folder; its exit code, what it says, and where its results are."""
    arguments = ["--predictions", str(folder / "predicted"), "--out", str(folder / "out/theirs.json"), *options]
    result = CliRunner().invoke(score.main, arguments)
    return result.exit_code, result.output, folder / "out/theirs.json"


@pytest.fixture(scope="module")
def now_folder(tmp_path_factory):
    """NoW's layout: two subjects, four images in two challenges, of which two can't be scored."""
    folder = tmp_path_factory.mktemp("now")
    vertices, triangles = face_mesh(41)
    images = ["A/neutral/1.jpg", "A/selfie/2.jpg", "B/neutral/3.jpg", "B/selfie/4.jpg"]
    (folder / "now").mkdir()
    (folder / "now/imagepathsvalidation.txt").write_text("".join(f"iphone_pictures/{image}\n" for image in images))
    picked = "".join(f'<point x="{x}" y="{y}" z="{z}" active="1" name="0"/>\n' for x, y, z in on_face(SEVEN))
    for subject in "AB":
        write_mesh(folder / f"now/scans/{subject}/scan.obj", vertices, triangles)
        (folder / f"now/scans_lmks_onlypp/{subject}").mkdir(parents=True)
        (folder / f"now/scans_lmks_onlypp/{subject}/scan_picked_points.pp").write_text(PICKED.format(picked))
    # Exact, in metres; and with a second face beside it, whose landmarks are missing.
    for name, suffix in (("A/neutral/1", ".obj"), ("B/neutral/3", ".ply"), ("B/selfie/4", ".obj")):
        write_mesh(folder / f"predicted/{name}{suffix}", vertices / 1000 + 5, triangles)
    np.save(folder / "predicted/A/neutral/1.npy", on_face(SEVEN) / 1000 + 5)
    np.savetxt(folder / "predicted/B/neutral/3.txt", on_face(SEVEN) / 1000 + 5)
    return folder


def test_now_is_scored_by_its_list_and_what_is_missing_is_told(now_folder):
    code, output, out = run(now_folder, "--scan", str(now_folder / "now"), "--protocol", "now")
    assert code == 0, output
    assert "score: 2 faces, 2 failed; now: median 0.0 mm" in output
    metrics = read_json(out)
    assert (metrics["protocol"], metrics["images"], metrics["failed"]) == ("now", 2, 2)
    assert max(metrics[name] for name in ("median_mm", "mean_mm", "std_mm")) < 2e-3
    assert [row["sample_id"] for row in read_rows(out.with_name("theirs_per_image.csv"))] == [
        "A/neutral/1",
        "B/neutral/3",
    ]
    reasons = {row["sample"]: row["reason"] for row in read_rows(out.with_name("theirs_failed.csv"))}
    assert reasons["A/selfie/2"].endswith("A/selfie/2 has no predicted mesh (.obj, .ply).")
    assert reasons["B/selfie/4"].endswith("B/selfie/4 has no landmarks of the prediction (.npy, .txt).")
    groups = [(row["group"], row["faces"]) for row in read_rows(out.with_name("theirs_protocols.csv"))]
    assert groups == [("all", "2"), ("neutral", "2")]


def test_the_numbers_of_the_landmarks_vertices_do_in_place_of_landmarks(now_folder):
    vertices, _ = face_mesh(41)
    nearest = np.linalg.norm(vertices[None] - on_face(SEVEN)[:, None], axis=2).argmin(axis=1)
    (now_folder / "seven.txt").write_text("".join(f"{number}\n" for number in nearest))
    options = ("--scan", str(now_folder / "now"), "--protocol", "now", "--template", str(now_folder / "seven.txt"))
    code, output, out = run(now_folder, *options)
    assert code == 0, output
    assert "score: 3 faces, 1 failed" in output
    # The vertices lie up to 3 mm from the landmarks; the surface makes that good.
    assert read_json(out)["mean_mm"] < 0.01


def test_statistics_of_now_are_of_all_points_of_all_faces(tmp_path):
    """A scan alone, with 961 points beside one with 121: of one the plane lies 2 mm off as much before as behind."""
    rng = np.random.default_rng(0)
    landmarks = np.column_stack([SEVEN, np.zeros(7)])
    plane = np.array([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]], float)
    for name, count, off in (("large", 31, 2.0), ("small", 11, 0.0)):
        x, y = (side.ravel() for side in np.meshgrid(np.linspace(-60, 60, count), np.linspace(-60, 60, count)))
        signs = np.where((np.arange(count**2) % 2) == 0, off, -off)
        points = np.column_stack([x, y, signs])
        write_mesh(tmp_path / f"scans/set/{name}.ply", points, [[0, 1, count]])
        np.save(tmp_path / f"scans/set/{name}.npy", landmarks)
        write_mesh(tmp_path / f"predicted/set/{name}.obj", plane, [[0, 1, 2], [0, 2, 3]])
        np.savetxt(tmp_path / f"predicted/set/{name}.txt", landmarks + rng.normal(0, 1e-6, (7, 3)))
    code, output, out = run(tmp_path, "--scan", str(tmp_path / "scans"), "--protocol", "now")
    assert code == 0, output
    metrics = read_json(out)
    share = 961 / (961 + 121)
    assert metrics["median_mm"] == pytest.approx(2, abs=5e-3)
    assert metrics["mean_mm"] == pytest.approx(2 * share, abs=5e-3)
    assert metrics["std_mm"] == pytest.approx(2 * np.sqrt(share * (1 - share)), abs=5e-3)


@pytest.fixture(scope="module")
def m3dfb_folder(tmp_path_factory):
    """M3DFB's layout, in micrometres; of three faces one is right, one is missing and one has other vertices."""
    folder = tmp_path_factory.mktemp("m3dfb")
    vertices, _ = face_mesh(21)
    numbers = np.random.default_rng(0).choice(len(vertices), 51, replace=False)
    about = {"lmk_indices": numbers.tolist(), "mean_face_shape": vertices.tolist()}
    (folder / "mesh.json").write_text(json.dumps(about))
    for place in ("scans", "predicted"):
        (folder / place).mkdir()
    for name in ("id0000", "id0001", "id0002"):
        np.savetxt(folder / f"scans/{name}.txt", 1000 * vertices)
        np.savetxt(folder / f"scans/{name}.lmks", 1000 * vertices[numbers])
    # Turned upside down, in another unit; 1 mm before and behind by turns, but for the landmarks.
    signs = np.where(np.arange(len(vertices)) % 2, 1.0, -1.0)
    signs[numbers] = 0
    moved = vertices + signs[:, None] * [0, 0, 1]
    np.savetxt(folder / "predicted/id0000.txt", 0.02 * moved * [1, -1, -1])
    np.save(folder / "predicted/id0002.npy", vertices[:7])
    return folder, float(np.abs(signs).mean())


def test_m3dfb_is_scored_by_its_estimators(m3dfb_folder):
    folder, off = m3dfb_folder
    options = ("--scan", str(folder / "scans"), "--protocol", "m3dfb", "--template", str(folder / "mesh.json"))
    code, output, out = run(folder, *options, "--unit", "um")
    assert code == 0, output
    metrics = read_json(out)
    assert metrics["true_mm"] == pytest.approx(off, abs=1e-4)
    # Vertices are further apart than that, so that the nearest is the same one.
    assert metrics["e1_mm"] == pytest.approx(off, abs=0.02)
    assert metrics["e12_mm"] > off
    reasons = {row["sample"]: row["reason"] for row in read_rows(out.with_name("theirs_failed.csv"))}
    assert reasons["id0001"].endswith("id0001 has no prediction (.txt, .npy, .obj).")
    assert reasons["id0002"].endswith("id0002 has points of shape (7, 3); expected (441, 3).")


def test_a_wrong_unit_and_a_mirrored_prediction_are_told(m3dfb_folder):
    folder, _ = m3dfb_folder
    options = ("--scan", str(folder / "scans"), "--protocol", "m3dfb", "--template", str(folder / "mesh.json"))
    code, output, _ = run(folder, *options)
    assert code == 1
    assert "id0000.lmks has landmarks over" in output
    assert "mm, and a face's are over some 100: --unit um makes a face of them." in output
    path = folder / "predicted/id0000.txt"
    kept = path.read_text()
    np.savetxt(path, np.loadtxt(path) * 1e200)
    code, output, _ = run(folder, *options, "--unit", "um")
    assert code == 1
    assert "no unit makes a face of them" in output
    path.write_text(kept)
    np.savetxt(path, np.loadtxt(path) * [-1, 1, 1])
    code, output, _ = run(folder, *options, "--unit", "um")
    path.write_text(kept)
    assert code == 1
    assert "id0000 is mirrored: its landmarks fit the scan's much better" in output


def test_a_solver_that_finds_no_end_is_a_failed_face(m3dfb_folder, monkeypatch):
    folder, _ = m3dfb_folder
    np.savetxt(folder / "predicted/id0001.txt", np.loadtxt(folder / "scans/id0001.txt"))
    endless = iter((True, False))

    def errors(*_):
        if next(endless):
            raise RuntimeError("Maximum number of iterations reached.")
        return {"e1": np.ones(3)}

    monkeypatch.setattr(m3dfb, "errors", errors)
    options = ("--scan", str(folder / "scans"), "--protocol", "m3dfb", "--template", str(folder / "mesh.json"))
    code, output, out = run(folder, *options, "--unit", "um")
    (folder / "predicted/id0001.txt").unlink()
    assert code == 0, output
    assert "failed: id0000: Maximum number of iterations reached." in output
    assert [row["sample_id"] for row in read_rows(out.with_name("theirs_per_image.csv"))] == ["id0001"]


@pytest.fixture(scope="module")
def realy_folder(tmp_path_factory):
    """REALY's layout, 9 mm a unit: scans 1 and 2, of which the second has no prediction."""
    folder = tmp_path_factory.mktemp("realy")
    vertices, triangles = face_mesh(25)
    places = vertices[np.linalg.norm(vertices[None, :, :2] - keypoints()[:, None], axis=2).argmin(axis=1), :2]
    for number in (1, 2):
        for name, region in cut_regions(vertices, triangles).items():
            write_mesh(folder / f"REALY_scan_region/{number}/{name}.obj", region.vertices / 9, region.triangles)
        lines = "".join(f"v {x:.9f} {y:.9f} {z:.9f}\n" for x, y, z in on_face(places) / 9)
        (folder / "REALY_HIFI3D_keypoints").mkdir(exist_ok=True)
        (folder / f"REALY_HIFI3D_keypoints/{number}.obj").write_text(lines)
    np.savetxt(folder / "metrical_scale.txt", [9.0, 9.0])
    numbers = np.linalg.norm(vertices[None, :, :2] - places[:, None], axis=2).argmin(axis=1)
    corner = [np.argwhere(triangles == number)[0] for number in numbers]
    rows = [[int(triangle), *np.eye(3)[place, :2].tolist()] for triangle, place in corner]
    (folder / "ours.txt").write_text(json.dumps(rows))
    write_mesh(folder / "ours.obj", vertices, triangles)
    for view in (0, 1):
        write_mesh(folder / f"predicted/1_{view}.obj", 0.3 * vertices + view, triangles)
    return folder


def test_realy_is_scored_by_region_for_each_view(realy_folder):
    options = ("--scan", str(realy_folder), "--protocol", "realy", "--template", str(realy_folder / "ours.txt"))
    code, output, out = run(realy_folder, *options)
    assert code == 0, output
    assert "score: 2 faces, 1 failed; realy: nose 0.0" in output
    metrics = read_json(out)
    regions = [metrics[f"{name}_mm"] for name in ("nose", "mouth", "forehead", "cheek")]
    assert max(regions) < 1e-3
    assert metrics["all_mm"] == pytest.approx(np.mean(regions), abs=1e-4)
    assert [row["sample_id"] for row in read_rows(out.with_name("theirs_per_image.csv"))] == ["1_0", "1_1"]
    assert read_rows(out.with_name("theirs_failed.csv"))[0]["sample"] == "2"


def test_a_mirrored_prediction_of_realy_is_told(realy_folder, tmp_path):
    vertices, triangles = face_mesh(25)
    write_mesh(tmp_path / "predicted/1.obj", vertices * [-1, 1, 1], triangles)
    options = ("--scan", str(realy_folder), "--protocol", "realy", "--template", str(realy_folder / "ours.txt"))
    code, output, _ = run(tmp_path, *options)
    assert code == 1
    assert "1 is mirrored: its landmarks fit the scan's much better with left and right exchanged" in output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Give either --truth, annotations of photos, or --scan"),
        (["--scan", ".", "--truth", "."], "Give either --truth, annotations of photos, or --scan"),
        (["--scan", "."], "--scan and --protocol belong together"),
        (["--truth", ".", "--protocol", "now"], "--scan and --protocol belong together"),
        (["--scan", ".", "--protocol", "now", "--indices", "a"], "--indices is for --truth"),
        (["--scan", ".", "--protocol", "m3dfb"], "--protocol m3dfb needs --template"),
        (["--scan", ".", "--protocol", "now"], "holds no scans as --protocol now has them"),
        (["--scan", ".", "--protocol", "now", "--template", "none"], "none is missing or no file"),
        (["--scan", ".", "--protocol", "now", "--template", "three"], "three has 3 numbers; expected 7"),
        (["--scan", ".", "--protocol", "now", "--template", "text"], "text is no list of whole numbers"),
        (["--scan", ".", "--protocol", "m3dfb", "--template", "text"], "text is no JSON that can be read"),
        (["--scan", ".", "--protocol", "m3dfb", "--template", "list"], "list is no file about a mesh as M3DFB has it"),
        (["--scan", ".", "--protocol", "realy", "--template", "m.txt"], "m.txt has no list of 85 keypoints"),
    ],
)
def test_options_that_do_not_fit_are_told_and_no_earlier_result_stays(tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "predicted").mkdir()
    (tmp_path / "three").write_text("1\n2\n3\n")
    (tmp_path / "text").write_text("some prose")
    (tmp_path / "list").write_text("[1, 2]")
    (tmp_path / "m.txt").write_text("[[1, 2, 3]]")
    (tmp_path / "m.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    if "realy" not in options and "--template" not in options:
        (tmp_path / "m.obj").unlink()
    code, output, out = run(tmp_path, *options)
    assert code == 1
    assert sentence in output
    assert not out.exists()


def test_scores_in_mm_are_kept_apart_from_those_in_percent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    arguments = ["--predictions", "a", "--scan", "a", "--protocol", "now", "--out", "metrics/foreign/x.json"]
    result = CliRunner().invoke(score.main, arguments)
    assert result.exit_code == 1
    assert (
        "metrics/foreign is for scores in percent against annotations: give --out metrics/scans/x.json" in result.output
    )


def test_a_run_that_fails_leaves_no_result_of_an_earlier_one(now_folder):
    out = now_folder / "out/old.json"
    out.parent.mkdir(exist_ok=True)
    names = ["old.json", "old_failed.csv", "old_per_image.csv", "old_protocols.csv"]
    for name in names:
        (out.parent / name).write_text("{}")
    (now_folder / "nothing").mkdir()
    arguments = ["--predictions", str(now_folder / "nothing"), "--scan", str(now_folder / "now"), "--protocol", "now"]
    result = CliRunner().invoke(score.main, [*arguments, "--out", str(out)])
    assert result.exit_code == 1
    assert "could be scored" in result.output
    assert [name for name in names if (out.parent / name).exists()] == []
