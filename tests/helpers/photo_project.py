"""A folder with photos, and a bundle whose network is known."""

import dataclasses

import cv2
import numpy as np
import skimage.data

from pipeline.face import camera
from pipeline.photo.bundle import save_bundle
from pipeline.photo.bundling import make_layout
from pipeline.photo.embedded import embedded_model
from pipeline.photo.map_network import make_network
from pipeline.uv.position_map import render_map
from pipeline.uv.scaling import Scaling, to_network
from tests.helpers.made_networks import REAL, write_onnx


def make_photo_project(root, embedded):
    """Photos, and a bundle whose network sees the mean face in every crop, darker where it is dark."""
    model, _ = embedded_model()
    layout = make_layout(model, REAL.size)
    pose = np.array([0, 0, 0, REAL.size / 2, REAL.size / 2, 0, 42 / np.ptp(model.mean[model.landmarks, 1])])
    position_map = render_map(layout.operator, camera.project(model.mean, pose, REAL.size)[None])[0]
    onnx = write_onnx(to_network(position_map, Scaling(REAL.scaling, REAL.size), layout.face_mask), gain=0.01)
    network = make_network(onnx, REAL, model, layout)
    save_bundle(root / "b.face3d", dataclasses.replace(embedded, network=network))
    photo = skimage.data.astronaut()
    cv2.imwrite(str(root / "photo.png"), photo[..., ::-1])
    cv2.imwrite(str(root / "head_down.png"), photo[::-1, ::-1, ::-1])
    cv2.imwrite(str(root / "wall.png"), np.full((120, 120, 3), 200, np.uint8))
