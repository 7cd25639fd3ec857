"""The procedural faces keep what real data promises: topology, symmetry, layouts, photos that fit annotations."""

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner

from pipeline.demo import dataset as synthetic
from pipeline.demo.face import ProceduralFace, make_face
from pipeline.demo.photos import draw_photo
from pipeline.face import face_model
from pipeline.face.camera import euler_angles, project, rotation_matrix
from pipeline.face.rendering import depth
from pipeline.raw import annotations, photos
from pipeline.raw.bfm import load_bfm
from pipeline.raw.splitting import identity
from stages import demo_data

SIZE = 128
# iBUG's mirror pairs, written out by hand.
PAIRS = (
    [(i, 16 - i) for i in range(9)]
    + [(17, 26), (18, 25), (19, 24), (20, 23), (21, 22), (27, 27), (28, 28), (29, 29), (30, 30)]
    + [(31, 35), (32, 34), (33, 33), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    + [(48, 54), (49, 53), (50, 52), (51, 51), (55, 59), (56, 58), (57, 57)]
    + [(60, 64), (61, 63), (62, 62), (65, 67), (66, 66)]
)
SWAP = np.full(68, -1)
for _a, _b in PAIRS:
    SWAP[_a], SWAP[_b] = _b, _a


@pytest.fixture(scope="module")
def face() -> ProceduralFace:
    return make_face()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    synthetic.write_dataset(folder, seed=3, photos_per_subset=3, test_photos=9, photo_size=SIZE)
    return folder


@pytest.fixture(scope="module")
def model(root: Path) -> face_model.FaceModel:
    return load_bfm(root / "bfm")


def read_fit(model: face_model.FaceModel, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in 0-based pixels and the pose, through the readers of real data."""
    annotation = annotations.read_annotation(path)
    coefficients = face_model.select_coefficients(model, annotation.shape[None], annotation.expression[None])
    return project(face_model.deform(model, coefficients)[0], annotation.pose, SIZE), annotation.pose


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- the mesh ---


def edges_of(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def boundary_loops(triangles: np.ndarray) -> list[list[int]]:
    directed = {tuple(edge) for edge in edges_of(triangles).tolist()}
    following = {a: b for a, b in directed if (b, a) not in directed}
    loops = []
    while following:
        start, vertex = following.popitem()
        loop = [start]
        while vertex != start:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(loop)
    return sorted(loops, key=len)


def test_the_mesh_is_one_consistently_wound_manifold_with_a_mouth_and_a_rim(face):
    assert 4000 <= len(face.mean) <= 6000
    assert np.unique(face.triangles).size == len(face.mean)
    directed = edges_of(face.triangles)
    assert len(np.unique(directed, axis=0)) == len(directed)  # no edge twice in one direction
    edges = len(np.unique(np.sort(directed, axis=1), axis=0))
    assert len(face.mean) - edges + len(face.triangles) == 0  # a disk with one hole
    mouth, rim = boundary_loops(face.triangles)
    assert sorted(mouth) == sorted({*face.mouth_upper.tolist(), *face.mouth_lower.tolist()})
    assert set(face.landmarks[60:68].tolist()) <= set(mouth)
    assert not set(face.landmarks.tolist()) & set(rim)
    assert not np.isin(face.triangles, [*mouth, *rim]).all(1).any()  # such a triangle has no area in an embedding
    low, high = face.mean[rim].min(0), face.mean[rim].max(0)
    assert high[1] > 85_000  # over the forehead
    assert low[1] < -115_000  # under the chin
    assert min(high[0], -low[0]) > 70_000  # behind the cheeks


def test_no_triangle_is_degenerate_and_the_face_shows_its_outside(face):
    corners = face.mean[face.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.linalg.norm(normals, axis=1).min() / 2 > 1e4  # 0.01 mm2
    front = (np.abs(corners[..., 0]).max(1) < 40_000) & (corners[..., 1].min(1) > 30_000)
    assert (normals[front, 2] > 0).all()


def test_the_mean_and_the_triangulation_are_mirror_symmetric_bit_for_bit(face):
    np.testing.assert_array_equal(face.mean[face.mirror], face.mean * np.float32([-1, 1, 1]))
    np.testing.assert_array_equal(face.mirror[face.mirror], np.arange(len(face.mean)))
    assert (face.mirror == np.arange(len(face.mean))).sum() == (face.mean[:, 0] == 0).sum() > 70
    original = {tuple(np.roll(t, -int(np.argmin(t)))) for t in face.triangles.tolist()}
    mirrored = face.mirror[face.triangles][:, ::-1]
    assert {tuple(np.roll(t, -int(np.argmin(t)))) for t in mirrored.tolist()} == original


def test_every_vector_is_symmetric_or_antisymmetric_bit_for_bit(face):
    flip = np.float32([-1, 1, 1])[:, None]
    for basis, parity in ((face.shape_basis, face.shape_parity), (face.expression_basis, face.expression_parity)):
        assert set(parity) == {1, -1}
        np.testing.assert_array_equal(basis[face.mirror], basis * flip * parity.astype(np.float32))


def test_landmarks_are_distinct_mirror_paired_and_in_order(face):
    assert np.unique(face.landmarks).size == 68
    np.testing.assert_array_equal(face.mirror[face.landmarks], face.landmarks[SWAP])
    x, y, z = face.mean[face.landmarks].T
    assert (np.diff(x[0:17]) > 0).all()  # the subject's right is on the negative side
    assert (np.diff(x[17:27]) > 0).all()
    assert (np.diff(y[27:31]) < 0).all()
    assert (np.diff(x[31:36]) > 0).all()
    assert np.argmax(z) == 30
    assert y[8] == y[:17].min()
    assert x[36] < x[37] < x[38] < x[39] < x[42] < x[43] < x[44] < x[45]
    assert (y[[37, 38, 43, 44]] > y[[41, 40, 47, 46]] + 5000).all()
    assert (np.diff(x[48:55]) > 0).all()
    assert y[51] > y[62] > y[66] > y[57]
    assert (y[17:27] > y[36:48].max()).all()


def test_magnitudes_are_those_of_bfm(face):
    np.testing.assert_allclose(np.linalg.norm(face.shape_basis, axis=(0, 1)), 1, rtol=1e-5)
    assert face.shape_sigma.min() > 1e4
    assert 1e5 < face.shape_sigma.max() < 1e6
    assert np.ptp(face.mean[face.landmarks, 0]) == pytest.approx(146_000, rel=0.03)
    assert face.mean[:, 2].max() == pytest.approx(132_000, rel=0.03)


# --- the files ---


def test_the_tree_is_the_real_data_s(root):
    folders = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())
    sets = [f"300W_LP/{name}{flip}" for name in ("AFW", "HELEN", "IBUG", "LFPW") for flip in ("", "_Flip")]
    assert folders == sorted(["300W_LP", "AFLW2000", "bfm", *sets])
    for subset in sets:
        pairs, alone, _ = annotations.list_pairs(root / subset)
        assert len(pairs) == 3
        assert not alone
        identities = {identity(f"{subset.split('/')[1]}/{Path(photo).stem}") for photo, _ in pairs}
        assert len(identities) == 1
    assert [path.name for path in sorted(root.glob("AFLW2000/*.jpg"))][:2] == ["image00002.jpg", "image00004.jpg"]


def test_annotations_have_the_real_shapes_and_types(root):
    expected = {
        "Pose_Para": ((1, 7), np.float32),
        "Shape_Para": ((199, 1), np.float64),
        "Exp_Para": ((29, 1), np.float64),
        "Tex_Para": ((199, 1), np.float64),
        "Illum_Para": ((1, 10), np.float64),
        "Color_Para": ((1, 7), np.float32),
        "roi": ((1, 4), np.int16),
    }
    test = scipy.io.loadmat(next(root.glob("AFLW2000/*.mat")))
    training = scipy.io.loadmat(next(root.glob("300W_LP/AFW/*.mat")))
    for content, points in ((test, 21), (training, 68)):
        for name, (shape, kind) in (expected | {"pt2d": ((2, points), np.float64)}).items():
            assert (content[name].shape, content[name].dtype) == (shape, kind), name
    assert (test["pt3d_68"].shape, test["pt3d_68"].dtype) == ((3, 68), np.float32)
    assert "pt3d_68" not in training


def test_the_face_model_is_stored_as_3ddfa_publishes_bfm(root, face):
    shape = scipy.io.loadmat(root / "bfm" / "Model_Shape.mat")
    expression = scipy.io.loadmat(root / "bfm" / "Model_Exp.mat")
    count = len(face.mean)
    assert shape["mu_shape"].shape == expression["mu_exp"].shape == (3 * count, 1)
    assert shape["tri"].dtype == np.uint16
    assert shape["tri"].min() == 1
    assert shape["tri"].max() == count
    np.testing.assert_array_equal(shape["keypoints"][0] - 1, face.landmarks)
    assert np.abs(expression["mu_exp"]).max() > 1000
    mean = (shape["mu_shape"] + expression["mu_exp"]).reshape(-1, 3)
    np.testing.assert_allclose(mean, face.mean, atol=0.02)
    a, b, c = mean[shape["tri"].astype(int) - 1].astype(np.float64)
    tip = (shape["tri"] == face.landmarks[28] + 1).any(0)
    assert (np.cross(b - a, c - a)[tip, 2] < 0).all()  # wound inwards, as BFM


def test_the_reader_of_bfm_gives_back_the_face(model, face):
    np.testing.assert_allclose(model.mean, face.mean, atol=0.02)
    np.testing.assert_array_equal(model.shape_basis, face.shape_basis)
    np.testing.assert_array_equal(model.landmarks, face.landmarks)
    assert {frozenset(t) for t in model.triangles.tolist()} == {frozenset(t) for t in face.triangles.tolist()}


def test_a_second_run_writes_the_same_bytes_and_more_photos_change_none(root, tmp_path):
    synthetic.write_dataset(tmp_path, seed=3, photos_per_subset=4, test_photos=3, photo_size=SIZE)
    first, second = digests(root), digests(tmp_path)
    common = first.keys() & second.keys()
    assert len(common) == 2 + 2 * (8 * 3 + 3)
    assert {name: first[name] for name in common} == {name: second[name] for name in common}


def test_another_seed_makes_other_photos(root, tmp_path):
    synthetic.write_dataset(tmp_path, seed=4, photos_per_subset=1, test_photos=3, photo_size=SIZE)
    first, second = digests(root), digests(tmp_path)
    photos = [name for name in second if not name.startswith("bfm")]
    assert photos
    assert not [name for name in photos if first[name] == second[name]]


# --- annotation against annotation ---


def test_projecting_the_mesh_by_the_annotation_gives_pt3d_68(root, model):
    for path in sorted(root.glob("AFLW2000/*.mat")):
        pixels, _ = read_fit(model, path)
        truth = scipy.io.loadmat(path)["pt3d_68"].T - [1, 1, 0]
        np.testing.assert_allclose(pixels[model.landmarks], truth, atol=0.01)


def test_a_flipped_photo_and_its_annotation_are_the_mirrored_originals(root, model):
    for path in sorted(root.glob("300W_LP/*/*.mat")):
        if path.parent.name.endswith("_Flip"):
            continue
        twin = path.parent.with_name(f"{path.parent.name}_Flip") / path.name
        original, _ = read_fit(model, path)
        mirrored, _ = read_fit(model, twin)
        expected = original[model.landmarks][SWAP]
        expected[:, 0] = SIZE - 1 - expected[:, 0]
        np.testing.assert_allclose(mirrored[model.landmarks], expected, atol=0.01)
        photo = photos.read_photo(path.with_suffix(".jpg")).astype(int)
        assert np.abs(photo[:, ::-1] - photos.read_photo(twin.with_suffix(".jpg"))).mean() < 2  # but for JPEG


def test_the_test_photos_cover_the_three_yaw_bins_equally(root):
    poses = [annotations.read_annotation(path).pose for path in sorted(root.glob("AFLW2000/*.mat"))]
    yaw = np.abs(np.rad2deg([pose[1] for pose in poses]))
    assert np.histogram(yaw, [0, 30, 60, 90.001])[0].tolist() == [3, 3, 3]


def test_in_plane_turns_mostly_stay_small_and_sometimes_reach_far():
    generator = np.random.default_rng(0)
    rolls = np.array([synthetic._draw_roll_deg(generator) for _ in range(4000)])
    assert 0.8 < (np.abs(rolls) <= 20).mean() < 0.9
    assert (np.abs(rolls) > 90).mean() < 0.03
    assert (np.abs(rolls) > 150).any()
    assert ((np.abs(rolls) > 60) & (np.abs(rolls) < 90)).any()


def test_faces_lie_within_the_photo_and_are_large_enough_to_crop(root, model):
    for path in sorted(root.rglob("*_0.mat")) + sorted(root.glob("AFLW2000/*.mat")):
        landmarks = read_fit(model, path)[0][model.landmarks, :2]
        side = np.ptp(landmarks, axis=0).mean()
        assert 0.3 * SIZE < side < 0.65 * SIZE
        assert np.abs((landmarks.min(0) + landmarks.max(0)) / 2 - (SIZE - 1) / 2).max() < 0.15 * SIZE


# --- photo against annotation ---


@pytest.fixture(scope="module")
def frontal(face: ProceduralFace) -> list[tuple[np.ndarray, np.ndarray]]:
    """Near-frontal photos of 224 px with open eyes, and their landmarks in 0-based pixels, for six people."""
    photos = []
    for number in range(6):
        person = synthetic.draw_person(face, f"frontal {number}", 0, 224)
        person.expression[:] = 0
        photo, fit = synthetic.photograph(face, person, f"frontal {number}", 0, (0, 8), 1.0)
        photos.append((photo, synthetic.true_landmarks(face, fit, 224)[:2].T - 1))
    return photos


def pixel(photo: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Mean colour of 3x3 pixels around a place."""
    x, y = np.rint(place).astype(int)
    return photo[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0)


def test_the_darkest_place_near_an_annotated_eye_is_its_middle(frontal):
    for photo, landmarks in frontal:
        grey = cv2.GaussianBlur(photo.mean(2), (0, 0), 1.5)
        for eye in (slice(36, 42), slice(42, 48)):
            middle = landmarks[eye].mean(0)
            width = np.linalg.norm(landmarks[eye][3] - landmarks[eye][0])
            x, y = np.meshgrid(np.arange(224), np.arange(224))
            near = (np.abs(x - middle[0]) < 0.4 * width) & (np.abs(y - middle[1]) < 0.25 * width)
            darkest = np.argmin(np.where(near, grey, np.inf))
            assert np.hypot(x.flat[darkest] - middle[0], y.flat[darkest] - middle[1]) < 0.35 * width
            assert grey.flat[darkest] < 0.8 * pixel(photo, landmarks[30]).mean()


def test_lips_are_redder_than_the_chin_and_brows_darker_than_the_forehead(frontal):
    for photo, landmarks in frontal:
        lip = pixel(photo, (landmarks[57] + landmarks[66]) / 2)
        chin = pixel(photo, 0.45 * landmarks[57] + 0.55 * landmarks[8])
        if np.ptp(photo.astype(int), axis=2).max() > 20:  # a photo in colour
            assert lip[0] / lip.sum() > chin[0] / chin.sum()
        brow = np.mean([pixel(photo, landmarks[i]).mean() for i in (19, 24)])
        forehead = pixel(photo, landmarks[27] + 0.45 * (landmarks[27] - landmarks[33]))
        assert brow < forehead.mean()


@pytest.mark.parametrize("roll_deg", [0, 90, 180, -90])
@pytest.mark.parametrize("yaw_deg", [85, -85])
def test_the_profile_in_the_photo_lies_where_the_annotation_puts_it_to_a_tenth_of_a_pixel(face, yaw_deg, roll_deg):
    """Photos before black and before a bright wall tell how much of each pixel the head covers."""
    person = synthetic.draw_person(face, "someone", 0, SIZE)
    vertices = synthetic.deform(face, person.shape, 0 * person.expression)
    head = rotation_matrix(0, 0, np.deg2rad(roll_deg)) @ rotation_matrix(0, np.deg2rad(yaw_deg), 0)
    pose = synthetic.place(face, vertices, euler_angles(head), np.random.default_rng(0), SIZE)
    light = []
    bright = (180 / 255) ** 2  # stored as exactly 180
    for shade in (0.0, bright):
        backdrop = np.full((SIZE, SIZE, 3), shade, np.float32)
        setting = dataclasses.replace(person.setting, background=backdrop, noise=0.0, gain=1.0, grey=False, blur=0.2)
        photo = draw_photo(face, vertices, pose, person.look, setting, np.eye(3), np.random.default_rng(0))
        light.append((photo.mean(2) / 255) ** 2)
    in_photo = 1 - (light[1] - light[0]) / bright

    pixels = project(vertices, pose, SIZE)
    fine = np.isfinite(depth((pixels + 0.5) * 8 - 0.5, face.triangles, 8 * SIZE, 8 * SIZE)).astype(float)
    in_mesh = fine.reshape(SIZE, 8, SIZE, 8).mean((1, 3))
    # row by row along the profile, from the nose's root to the chin, measure how far the face reaches
    root, chin, tip = pixels[face.landmarks[[27, 8, 30]], :2]
    across = 0 if roll_deg in (0, 180) else 1
    ahead = np.sign(tip[across] - (root[across] + chin[across]) / 2)
    low, high = sorted((root[1 - across], chin[1 - across]))
    rows = slice(int(low) + 2, int(high) - 2)
    limit = round(min(ahead * root[across], ahead * chin[across]) - 0.06 * SIZE) * ahead
    place = ahead * np.arange(SIZE) > ahead * limit
    counts = [(image.T if across else image)[rows][:, place].sum(1) for image in (in_photo, in_mesh)]
    assert counts[1].max() - counts[1].min() > 5
    assert abs(np.mean(counts[0] - counts[1])) < 0.1
    assert np.mean(np.abs(counts[0] - counts[1])) < 0.3


# --- the stage ---


def run_stage(folder: Path, monkeypatch: pytest.MonkeyPatch, root: str, photos: int = 1):
    monkeypatch.chdir(folder)
    data = f"data: {{root: {root}, subsets: {{AFW: {{folder: 300W_LP/AFW, use: learn, boxes: meshes}}}}, size: 64, "
    data += "levels: ['on'], samples_per_shard: 8, "
    demo = f"demo_data: {{seed: 1, photos_per_subset: {photos}, test_photos: 3, photo_size: 96}}"
    Path("params.yaml").write_text(f"{data}max_reject_fraction: 0.02}}\n{demo}\n")
    return CliRunner().invoke(demo_data.main)


def test_the_stage_writes_the_demo_and_says_so_in_one_line(tmp_path, monkeypatch):
    result = run_stage(tmp_path, monkeypatch, "data/demo")
    assert result.exit_code == 0
    assert result.output.count("\n") == 1
    assert "11 photos in 9 folders" in result.output
    assert len(list(tmp_path.glob("data/demo/*/**/*.jpg"))) == 11


def test_the_stage_makes_nothing_for_real_data(tmp_path, monkeypatch):
    result = run_stage(tmp_path, monkeypatch, "/somewhere/else")
    assert result.exit_code == 0
    files = list((tmp_path / "data" / "demo").rglob("*"))
    assert len(files) == 1
    assert files[0].read_text().count("\n") == 1


def test_the_stage_refuses_a_number_out_of_range_with_a_sentence(tmp_path, monkeypatch):
    result = run_stage(tmp_path, monkeypatch, "data/demo", photos=0)
    assert result.exit_code == 1
    assert "photos_per_subset is 0" in result.output
    assert "Traceback" not in result.output
