"""A GLB that moves, computed by the rules of glTF: each frame is the face that its pose and coefficients make."""

import json
import struct

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.face.camera import camera_matrix, rotation_matrix
from pipeline.face.face_model import deform
from pipeline.face.fit import FaceFit, place
from pipeline.photo.animation import animated_glb
from pipeline.photo.tracking import TrackedFace

HEIGHT = 240
POSES = np.array([[0.1, 0.3, -0.2, 150, 130, 5, 1.2e-3], [-0.2, -0.5, 0.4, 120, 90, -3, 1.8e-3]])


def read_arrays(content):
    """The tree of a GLB, and the array of each of its accessors."""
    size = struct.unpack_from("<I", content, 12)[0]
    tree, buffer = json.loads(content[20 : 20 + size]), content[28 + size :]
    arrays = []
    for entry in tree["accessors"]:
        kind = {5126: "<f4", 5125: "<u4", 5121: "|u1"}[entry["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[entry["type"]]
        start = tree["bufferViews"][entry["bufferView"]]["byteOffset"]
        arrays.append(np.frombuffer(buffer, kind, width * entry["count"], start).reshape(-1, width))
    return tree, arrays


@pytest.mark.parametrize("shown", [0, 1])
def test_each_frame_is_the_face_of_its_pose_and_expression_and_of_the_identity_of_the_frame_that_shows_it(
    embedded, shown
):
    rng = np.random.default_rng(0)
    expressions = embedded.model.expression_basis.shape[2]
    sigma = embedded.prior.sigma
    coefficients = 0.5 * sigma * rng.normal(size=(2, len(sigma)))
    camera = camera_matrix(POSES[shown], HEIGHT)
    fit = FaceFit(POSES[shown], camera, coefficients[shown], lambda: None, 0.0)
    face = TrackedFace(1, 1.0, fit, place(embedded.points, fit))
    photo = np.full((HEIGHT, 320, 3), 90, np.uint8)
    weights = coefficients[:, -expressions:]
    tree, arrays = read_arrays(animated_glb(embedded, photo, face, [0.0, 0.5], POSES, weights))

    (primitive,) = tree["meshes"][0]["primitives"]
    rest = arrays[primitive["attributes"]["POSITION"]]
    targets = np.stack([arrays[target["POSITION"]] for target in primitive["targets"]])
    (animation,) = tree["animations"]
    outputs = {
        channel["target"]["path"]: arrays[animation["samplers"][channel["sampler"]]["output"]]
        for channel in animation["channels"]
    }
    assert arrays[animation["samplers"][0]["input"]].ravel().tolist() == [0, 0.5]
    moving = outputs["weights"].reshape(2, expressions)
    turns = Rotation.from_quat(outputs["rotation"]).as_matrix()
    for frame, pose in enumerate(POSES):
        morphed = rest + np.tensordot(moving[frame], targets, 1)
        found = (outputs["scale"][frame] * morphed) @ turns[frame].T + outputs["translation"][frame]
        own = np.concatenate([coefficients[shown, :-expressions], weights[frame]])
        vertices = embedded.spread @ deform(embedded.model, own[None])[0].astype(np.float64)
        # In the annotation's frame, y up.
        expected = pose[6] * vertices @ rotation_matrix(*pose[:3]).T + pose[3:6]
        assert found == pytest.approx(expected, abs=0.05)
    # In px of the photo that shows the face.
    assert outputs["scale"][shown] == pytest.approx([1, 1, 1])
