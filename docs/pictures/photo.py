"""The picture at the top of the README: what ``reconstruct`` writes of ``skimage.data.astronaut``, a photo by NASA."""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import trimesh
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from pipeline.face.camera import rotation_matrix
from pipeline.face.rendering import interpolate, rasterize
from pipeline.store.arrays import Image

# The part of the photo that is shown: left, top and side, px.
LEFT, TOP, SIDE = 128, 8, 200
TURN_DEG = -28
DRAWN = 360


def draw_photo(path: Path) -> None:
    """Draw the photo, the mesh over it, the mesh turned, its position map and its depth."""
    photo = skimage.data.astronaut()
    with tempfile.TemporaryDirectory() as folder:
        made = _reconstruct(photo, Path(folder))
        overlay = cv2.imread(str(made / "face1_overlay.jpg"))[..., ::-1]
        position_map = np.load(made / "face1_map.npy")
        covered = cv2.imread(str(made / "face1_map.png")).any(axis=-1)
        depth = np.load(made / "face1_depth.npy")
        mesh = trimesh.load(made / "face1.ply", process=False)
    part = np.s_[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    figure, panels = plt.subplots(1, 5, figsize=(12, 2.75), layout="constrained")
    _show(panels[0], photo[part], "photo")
    _show(panels[1], overlay[part], "mesh and 68 landmarks over it")
    _show(panels[2], _turned(mesh), "the mesh, turned")
    _show(panels[3], _bright(position_map, covered), "its position map: x, y, z as RGB")
    _show(panels[4], depth, "its depth")
    top, left, side = _square(np.isfinite(depth))
    panels[4].set(xlim=(left, left + side), ylim=(top + side, top))
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 88, "optimize": True})
    plt.close(figure)


def _reconstruct(photo: Image, folder: Path) -> Path:
    """The folder in which the command writes the face's files."""
    cv2.imwrite(str(folder / "photo.png"), photo[..., ::-1])
    command = [sys.executable, "-m", "stages.reconstruct", str(folder / "photo.png"), "--out", str(folder / "faces")]
    subprocess.run([*command, "--write", "overlay,ply,map,depth"], check=True)
    return folder / "faces/photo"


def _show(panel: plt.Axes, picture: NDArray, title: str) -> None:
    panel.imshow(picture, cmap="viridis")
    panel.set_title(title, fontsize=9)
    panel.axis("off")


def _turned(mesh: trimesh.Trimesh) -> Image:
    """The mesh in the photo's colours, from aside, on white. Its file has y up, in px of the photo."""
    points = mesh.vertices @ rotation_matrix(0, np.deg2rad(TURN_DEG), 0).T * [1, -1, 1]
    points *= 0.9 * DRAWN / np.ptp(points[:, 1])
    points += DRAWN / 2 - (points.min(axis=0) + points.max(axis=0)) / 2
    ids, weights = rasterize(points, mesh.faces, DRAWN, DRAWN)
    drawn = interpolate(mesh.visual.vertex_colors[:, :3].astype(float), mesh.faces, ids, weights)
    return np.where(ids[..., None] >= 0, drawn, 255).astype(np.uint8)


def _square(covered: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Top, left and side of a square around what is covered."""
    rows, columns = np.nonzero(covered)
    side = 1.1 * np.ptp(rows)
    return (rows.min() + rows.max() - side) / 2, (columns.min() + columns.max() - side) / 2, side


def _bright(position_map: NDArray, covered: NDArray[np.bool_]) -> NDArray:
    """Each coordinate from its least to its greatest on the face; white where no face is."""
    least, greatest = position_map[covered].min(axis=0), position_map[covered].max(axis=0)
    return np.where(covered[..., None], np.clip((position_map - least) / (greatest - least), 0, 1), 1)
