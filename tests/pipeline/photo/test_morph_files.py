"""GLB with morph targets: read byte by byte, by the rules of glTF 2.0, and opened again by trimesh."""

import dataclasses
import json
import struct

import numpy as np
import pytest
import trimesh

from pipeline.face.camera import project, rotation_matrix
from pipeline.photo.mesh_files import Mesh, textured, to_mesh, write_mesh
from pipeline.photo.morph_files import Animation, arkit_name, morph_glb

# A square of five vertices round a raised middle, seen from the front, in pixels with y down.
VERTICES = np.array([[0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0], [2, 2, 3]], np.float64)
TRIANGLES = np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]])
UV = VERTICES[:, :2] / 4
NAMES = ("jawOpen", "eyeBlink_L", "browInnerUp_R")
# In the mesh's frame: the lower corners go down; the middle goes out; nothing moves.
DISPLACEMENTS = np.zeros((3, 5, 3))
DISPLACEMENTS[0, 2:4, 1] = -1.5
DISPLACEMENTS[1, 4] = 0.1, 0.2, 0.7
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
KINDS = {5126: "<f4", 5125: "<u4"}


TEXTURE = np.random.default_rng(0).integers(0, 256, (5, 5, 3)).astype(np.uint8)


@pytest.fixture
def mesh():
    return textured(to_mesh(VERTICES, TRIANGLES), UV, TEXTURE)


@pytest.fixture
def movement():
    """Three quarter turns about y in three steps, each pose as the annotations have it."""
    return Animation(
        times=np.array([0.0, 0.5, 1.0, 1.5]),
        weights=np.arange(12.0).reshape(4, 3) / 10,
        rotations=np.stack([rotation_matrix(0.1, yaw, 0.2) for yaw in np.radians([0, 90, 180, 270])]),
        translations=np.arange(12.0).reshape(4, 3),
        scales=np.array([1.0, 2.0, 3.0, 4.0]),
    )


def read_glb(content):
    """The tree and the buffer of a GLB, by section 4.4 of the specification."""
    assert struct.unpack_from("<4sII", content) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    text = content[20 : 20 + size]
    assert text.rstrip(b" ").endswith(b"}")
    length, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert kind == b"BIN\0"
    assert length % 4 == 0
    buffer = content[28 + size :]
    assert len(buffer) == length
    tree = json.loads(text)
    (told,) = tree["buffers"]
    assert told == {"byteLength": length}
    return tree, buffer


def values_of(tree, buffer, number):
    """Values of an accessor, (count, components)."""
    accessor = tree["accessors"][number]
    view = tree["bufferViews"][accessor["bufferView"]]
    shape = (accessor["count"], COMPONENTS[accessor["type"]])
    start = view["byteOffset"] + accessor.get("byteOffset", 0)
    kind = np.dtype(KINDS[accessor["componentType"]])
    return np.frombuffer(buffer, kind, shape[0] * shape[1], start).reshape(shape)


def targets_of(tree, buffer):
    return [values_of(tree, buffer, each["POSITION"]) for each in tree["meshes"][0]["primitives"][0]["targets"]]


@pytest.mark.parametrize("moving", [False, True])
def test_the_file_obeys_the_rules_of_gltf(mesh, movement, moving):
    tree, buffer = read_glb(morph_glb(mesh, DISPLACEMENTS, NAMES, animation=movement if moving else None))
    assert tree["asset"]["version"] == "2.0"
    assert len(tree["meshes"]) == 1
    assert "skins" not in tree
    assert ("animations" in tree) == moving
    # The views tile the buffer, each on a multiple of four bytes, and no accessor reads beyond its own.
    end = 0
    for view in tree["bufferViews"]:
        assert (view["buffer"], view["byteOffset"], view["byteOffset"] % 4) == (0, end, 0)
        end += view["byteLength"]
    assert end == len(buffer)
    for number, accessor in enumerate(tree["accessors"]):
        values = values_of(tree, buffer, number)
        view = tree["bufferViews"][accessor["bufferView"]]
        assert accessor.get("byteOffset", 0) + values.nbytes <= view["byteLength"]
        if accessor["componentType"] == 5126:
            assert np.isfinite(values).all()
        assert accessor["min"] == values.min(axis=0).tolist()
        assert accessor["max"] == values.max(axis=0).tolist()
    (shape,) = tree["meshes"]
    (primitive,) = shape["primitives"]
    assert primitive["mode"] == 4
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    vertex_data = [*primitive["attributes"].values(), *(target["POSITION"] for target in primitive["targets"])]
    assert all(set(target) == {"POSITION"} for target in primitive["targets"])
    assert {tree["accessors"][number]["count"] for number in vertex_data} == {len(VERTICES)}
    assert len(primitive["targets"]) == len(shape["weights"]) == len(shape["extras"]["targetNames"]) == len(NAMES)
    indices = values_of(tree, buffer, primitive["indices"]).ravel()
    assert indices.reshape(-1, 3).tolist() == TRIANGLES.tolist()
    normals = values_of(tree, buffer, primitive["attributes"]["NORMAL"])
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    # Of each view that the graphics card gets the file says as what; of no other.
    uses = {tree["accessors"][number]["bufferView"]: 34962 for number in vertex_data}
    uses[tree["accessors"][primitive["indices"]]["bufferView"]] = 34963
    assert {number: v["target"] for number, v in enumerate(tree["bufferViews"]) if "target" in v} == uses


def test_the_targets_are_displacements_in_the_frame_of_the_vertices(mesh):
    tree, buffer = read_glb(morph_glb(mesh, DISPLACEMENTS, NAMES, weights=[0.25, 1, 0]))
    shape = tree["meshes"][0]
    assert shape["weights"] == [0.25, 1, 0]
    assert shape["extras"]["targetNames"] == ["jawOpen", "eyeBlinkLeft", "browInnerUpRight"]
    jaw, blink, brow = targets_of(tree, buffer)
    assert jaw.tolist() == [[0, 0, 0], [0, 0, 0], [0, -1.5, 0], [0, -1.5, 0], [0, 0, 0]]
    assert blink[4] == pytest.approx([0.1, 0.2, 0.7], abs=1e-7)
    assert not blink[:4].any()
    assert not brow.any()
    # y is up, the mean (2, 2, 0.6) at the origin: the upper left corner, and the lower right one with its jaw open.
    position = values_of(tree, buffer, shape["primitives"][0]["attributes"]["POSITION"])
    assert position[0] == pytest.approx([-2, 2, -0.6], abs=1e-6)
    assert (position + jaw)[2] == pytest.approx([2, -3.5, -0.6], abs=1e-6)


def test_weights_are_zero_unless_they_are_given(mesh):
    tree, _ = read_glb(morph_glb(mesh, DISPLACEMENTS, NAMES))
    assert tree["meshes"][0]["weights"] == [0, 0, 0]


def test_but_for_its_targets_it_is_the_mesh_of_a_plain_glb(mesh, tmp_path):
    (tmp_path / "morph.glb").write_bytes(morph_glb(mesh, DISPLACEMENTS, NAMES))
    write_mesh(tmp_path / "plain.glb", mesh)
    found, plain = (trimesh.load(tmp_path / f"{name}.glb", force="mesh", process=False) for name in ("morph", "plain"))
    assert np.array_equal(found.vertices, plain.vertices)
    assert np.array_equal(found.faces, TRIANGLES)
    assert np.array_equal(found.visual.uv, plain.visual.uv)
    for each in (found, plain):
        assert np.array_equal(np.asarray(each.visual.material.baseColorTexture), TEXTURE)


def test_the_animation_moves_weights_and_place_of_the_mesh(mesh, movement):
    tree, buffer = read_glb(morph_glb(mesh, DISPLACEMENTS, NAMES, animation=movement))
    (animation,) = tree["animations"]
    (node,) = (number for number, node in enumerate(tree["nodes"]) if "mesh" in node)
    assert "matrix" not in tree["nodes"][node]
    assert [channel["target"]["node"] for channel in animation["channels"]] == [node] * 4
    found = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        assert values_of(tree, buffer, sampler["input"]).ravel().tolist() == [0, 0.5, 1, 1.5]
        found[channel["target"]["path"]] = values_of(tree, buffer, sampler["output"])
    assert set(found) == {"weights", "rotation", "translation", "scale"}
    # One number a target and time, all of a time together.
    assert found["weights"].shape == (12, 1)
    assert found["weights"].ravel() == pytest.approx(np.arange(12) / 10, abs=1e-7)
    assert found["translation"].tolist() == np.arange(12).reshape(4, 3).tolist()
    assert found["scale"].tolist() == [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]]
    vector = np.array([0.3, -0.5, 0.8])
    for quaternion, rotation in zip(found["rotation"].astype(np.float64), movement.rotations, strict=True):
        assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-6)
        axis, w = quaternion[:3], quaternion[3]
        turned = vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)
        assert turned == pytest.approx(rotation @ vector, abs=1e-6)
    # Between two times the mesh takes the shorter way round.
    assert ((found["rotation"][1:] * found["rotation"][:-1]).sum(axis=1) > 0).all()


def test_a_mesh_in_the_model_frame_gets_to_its_place_in_the_photo_by_the_annotated_pose(movement):
    model = Mesh(VERTICES * [1, -1, 1], TRIANGLES)
    tree, buffer = read_glb(morph_glb(model, DISPLACEMENTS, NAMES, animation=movement))
    position = values_of(tree, buffer, tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    assert position.tolist() == (VERTICES * [1, -1, 1]).tolist()
    # At the second time, in a photo 50 px high.
    place = 2.0 * position @ movement.rotations[1].T + movement.translations[1]
    pose = np.array([0.1, np.radians(90), 0.2, *movement.translations[1], 2.0])
    assert place * [1, -1, 1] + [-1, 50, 0] == pytest.approx(project(VERTICES * [1, -1, 1], pose, 50), abs=1e-9)


@pytest.mark.parametrize("moving", [False, True])
def test_the_same_face_has_the_same_bytes(mesh, movement, moving):
    animation = movement if moving else None
    again = textured(to_mesh(VERTICES, TRIANGLES), UV, TEXTURE)
    assert morph_glb(mesh, DISPLACEMENTS, NAMES, animation=animation) == morph_glb(
        again, DISPLACEMENTS.copy(), list(NAMES), animation=animation
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"displacements": DISPLACEMENTS[:, :4]}, r"displacements have the shape \(3, 4, 3\); expected \(3, 5, 3\)"),
        ({"displacements": DISPLACEMENTS[:2]}, r"displacements have the shape \(2, 5, 3\); expected \(3, 5, 3\)"),
        ({"displacements": np.full((3, 5, 3), np.nan)}, "displacements are not finite"),
        ({"weights": [0, 1]}, r"weights have the shape \(2,\); expected \(3,\)"),
        ({"weights": [0, 1, np.inf]}, "weights are not finite"),
        ({"names": ("a", "b", "a")}, "each its own: a, b, a"),
        ({"names": ("a_L", "b", "aLeft")}, "each its own: aLeft, b, aLeft"),
        ({"names": (), "displacements": DISPLACEMENTS[:0]}, "there is none"),
    ],
)
def test_targets_that_do_not_fit_are_refused(mesh, change, reason):
    with pytest.raises(ValueError, match=reason):
        morph_glb(**{"mesh": mesh, "displacements": DISPLACEMENTS, "names": NAMES} | change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"times": np.array([0, 1, 1, 2.0])}, "must grow from 0 on"),
        ({"times": np.array([-1, 0, 1, 2.0])}, "must grow from 0 on"),
        ({"times": np.arange(5.0)}, r"weights of the animation have the shape \(4, 3\); expected \(5, 3\)"),
        ({"scales": np.ones((4, 3))}, r"scales of the animation have the shape \(4, 3\); expected \(4,\)"),
        ({"translations": np.full((4, 3), np.nan)}, "translations of the animation are not finite"),
    ],
)
def test_an_animation_that_does_not_fit_is_refused(mesh, movement, change, reason):
    with pytest.raises(ValueError, match=reason):
        morph_glb(mesh, DISPLACEMENTS, NAMES, animation=dataclasses.replace(movement, **change))


@pytest.mark.parametrize(
    ("name", "arkit"),
    [
        ("eyeBlink_L", "eyeBlinkLeft"),
        ("mouthUpperUp_R", "mouthUpperUpRight"),
        ("jawOpen", "jawOpen"),
        ("mouthLeft", "mouthLeft"),
        ("a_Lower", "a_Lower"),
    ],
)
def test_the_sides_are_named_as_arkit_names_them(name, arkit):
    assert arkit_name(name) == arkit
