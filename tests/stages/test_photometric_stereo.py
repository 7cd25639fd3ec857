"""The command: from photos of a sphere under several lights, in the place of a face, to its files."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from pipeline.photo.linear_light import to_photo
from pipeline.photo.photometric_stereo import depth_mesh
from stages import photometric_stereo as command

LIGHTS = np.array([[0.5, 0, 1], [-0.5, 0.1, 1], [0, 0.5, 1], [0.1, -0.5, 1], [0.4, 0.4, 1], [-0.3, -0.4, 1]])
LIGHTS /= np.linalg.norm(LIGHTS, axis=1, keepdims=True)
RADIUS = 50


def sphere():
    """Normals (pixel frame), depth with NaN outside."""
    y, x = np.mgrid[-60:61, -70:71].astype(float)
    z = np.sqrt(np.where(x**2 + y**2 < (0.85 * RADIUS) ** 2, RADIUS**2 - x**2 - y**2, np.nan))
    return np.dstack([x, y, z]) / RADIUS, z


@pytest.fixture
def photos(tmp_path, monkeypatch):
    normals, z = sphere()
    vertices, triangles = depth_mesh(z)
    landmarks = np.random.default_rng(0).uniform(20, 80, (68, 3))
    found = SimpleNamespace(vertices=vertices, doubt="", landmarks=landmarks)
    reconstructor = SimpleNamespace(
        find_faces=lambda photo: ["a face"] if photo.max() > 50 else [],
        reconstruct=lambda *_: found,
        surface=SimpleNamespace(triangles=triangles),
    )
    monkeypatch.setattr(command, "open_reconstructor", lambda *_: reconstructor)
    paths = []
    for number, light in enumerate(LIGHTS):
        shading = np.nan_to_num(np.maximum(normals @ (light * [1, -1, 1]), 0))  # the file's y is up
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), to_photo(shading[..., None] * [0.5, 0.6, 0.8]))
    (tmp_path / "lights.txt").write_text("".join("{} {} {}\n".format(*light) for light in LIGHTS))
    return paths


def call(*arguments):
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(("known", "degrees"), [(True, 0.5), (False, 1.5)])
def test_normals_depth_albedo_and_mesh_of_a_sphere(photos, tmp_path, known, degrees):
    out = tmp_path / "out"
    lights = ("--lights", tmp_path / "lights.txt") if known else ()
    result = call(*photos, *lights, "--out", out)
    assert result.exit_code == 0, result.output
    names = ["albedo.png", "depth.npy", "depth.png", "lights.txt", "mesh.ply", "normals.npy", "normals.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    truth, z = sphere()
    found = np.load(out / "normals.npy") * [1, -1, 1]
    there = np.isfinite(found).all(axis=2)
    assert there.sum() > 0.95 * np.isfinite(z).sum()
    cosine = np.clip((found * truth)[there].sum(axis=1), -1, 1)
    assert np.rad2deg(np.arccos(cosine)).mean() < degrees
    depth = np.load(out / "depth.npy")
    apart = (depth - z)[there]
    assert np.abs(apart - apart.mean()).mean() < (0.1 if known else 0.5)  # of a sphere 85 px wide
    used = np.loadtxt(out / "lights.txt")
    assert np.abs(used / np.linalg.norm(used, axis=1, keepdims=True) - LIGHTS).max() < 0.03
    mesh = trimesh.load(out / "mesh.ply", process=False)
    assert len(mesh.vertices) == there.sum()
    assert mesh.vertex_normals[mesh.vertices[:, 2].argmax()][2] > 0.9
    blue, green, red = cv2.imread(str(out / "albedo.png"))[60, 70].astype(float)
    assert red > green > blue


def test_what_cannot_be_is_told(photos, tmp_path):
    out = ("--out", tmp_path / "out")
    assert "2 photos are named; photometric stereo needs 3" in call(*photos[:2], *out).output
    lights = tmp_path / "lights.txt"
    assert "has 6 lights, and there are 4 photos" in call(*photos[:4], "--lights", lights, *out).output
    lights.write_text("1 2\n3 x\n")
    assert "can't be read; expected a line for each photo" in call(*photos[:3], "--lights", lights, *out).output
    lights.write_text("0 0 1\n0.5 0 1\n-0.5 0 1\n")
    assert "lie in one plane" in call(*photos[:3], "--lights", lights, *out).output
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((60, 60, 3), np.uint8))
    assert "several sizes" in call(*photos[:3], tmp_path / "small.png", *out).output
    cv2.imwrite(str(photos[0]), np.zeros((121, 141, 3), np.uint8))
    assert "No face was found" in call(photos[0], photos[0], photos[0], *out).output
    assert not (tmp_path / "out").exists()


def test_photos_of_another_pose_are_refused(photos, tmp_path, monkeypatch):
    reconstructor = command.open_reconstructor()
    moved = SimpleNamespace(**vars(reconstructor.reconstruct()))
    moved.landmarks = moved.landmarks + np.array([12.0, 0, 0])
    third = cv2.imread(str(photos[2]))[..., ::-1]
    own = SimpleNamespace(**vars(reconstructor))
    own.reconstruct = lambda photo, _: moved if np.array_equal(photo, third) else reconstructor.reconstruct()
    monkeypatch.setattr(command, "open_reconstructor", lambda *_: own)
    result = call(*photos, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"{photos[2]}: its face lies 20 % of its size from that of the photos' mean" in result.output
    assert not (tmp_path / "out").exists()
