"""Draw the pictures of docs/ that are made from the project itself: ``python -m docs.pictures.draw``.

``frames.jpg`` shows every frame of docs/conventions.md on a face of the embedded set, by the functions that the stages
call; ``photo.jpg`` is the README's, see `docs.pictures.photo`; ``dag.svg`` is what ``dvc dag`` says, the stages of a
group as one, as reports/dag.md has it, and ``main_run.svg`` the README's part of it.
"""

import subprocess
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from docs.pictures.graph import draw_graph
from docs.pictures.photo import draw_photo
from pipeline.crops.alignment import align, resample
from pipeline.demo.dataset import deform, draw_person, photograph
from pipeline.demo.face import ProceduralFace, make_face
from pipeline.face.camera import project, rotation_matrix
from pipeline.face.rendering import depth, shade
from pipeline.face.similarity import apply_similarity, similarity_scale
from pipeline.photo.texture import texture_map
from pipeline.uv.embedding import embed
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import nearest_texels, render_map
from stages.dag import EDGE, collapse

FOLDER = Path(__file__).parent
# Stand before all others, as the README says beside its picture.
FIRST = ("code", "settings")
PHOTO, CROP, TEXELS = 300, 256, 128
NOSE = 30
PORTRAIT = 200
MARGIN = 1.5


@click.command()
def main() -> None:
    """Draw all."""
    draw_frames(FOLDER / "frames.jpg")
    draw_photo(FOLDER / "photo.jpg")
    drawn = subprocess.run(["dvc", "dag", "--full", "--dot"], capture_output=True, text=True, check=True).stdout
    edges = collapse(EDGE.findall(drawn))
    draw_graph(FOLDER / "dag.svg", edges)
    draw_graph(FOLDER / "main_run.svg", main_run(edges))
    click.echo(f"frames.jpg, photo.jpg, dag.svg and main_run.svg in {FOLDER}")


def main_run(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows between stages of the root's dvc.yaml, but for the two before all."""
    return [edge for edge in edges if not any(":" in name or name in FIRST for name in edge)]


def draw_frames(path: Path) -> None:
    """Draw nine panels: annotation, photo, crop; texels, model, depth; and the three angles."""
    face = make_face()
    name, seed = "image00002", 1
    photo, fit = photograph(face, draw_person(face, f"person of {name}", seed, PHOTO), name, seed, (15.0, 25.0), 1.0)
    model = deform(face, fit.shape, fit.expression)
    in_photo = project(model, fit.pose, PHOTO)
    landmarks = in_photo[face.landmarks]
    to_crop = align(landmarks, MARGIN, True, CROP)
    figure, panels = plt.subplots(3, 3, figsize=(12, 12.6), layout="constrained")
    _annotation(panels[0, 0], photo, model, face, fit.pose)
    _image(panels[0, 1], photo, landmarks, "pixel: photo, 0-based, y down", "px")
    crop_points = apply_similarity(to_crop, in_photo)
    _image(
        panels[0, 2],
        resample(photo, to_crop, CROP),
        crop_points[face.landmarks],
        "aligned: levelled crop, 0-based, y down",
        "px",
    )
    _texels(panels[1, 0], photo, in_photo, face)
    _model(panels[1, 1], face)
    _depth(panels[1, 2], crop_points, face, float(similarity_scale(to_crop)))
    for panel, angles, name in zip(panels[2], np.deg2rad(30) * np.eye(3), ("pitch", "yaw", "roll"), strict=True):
        _turned(panel, face, angles, f"{name} = +30 degrees")
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 85, "optimize": True})
    plt.close(figure)


def _annotation(panel: Any, photo: NDArray, model: NDArray, face: ProceduralFace, pose: NDArray) -> None:
    """The photo in Matlab's frame, and q = f R v + t in it, without any turn of the axes."""
    points = pose[6] * model[face.landmarks] @ rotation_matrix(*pose[:3]).T + pose[3:6]
    size = len(photo)
    # a picture's first pixel is (1, size) there, and pixel centres are at integers
    panel.imshow(photo, extent=(0.5, size + 0.5, 0.5, size + 0.5))
    _points(panel, points, "annotation: photo, 1-based, y up (Pose_Para)", "px")


def _image(panel: Any, image: NDArray, points: NDArray, title: str, unit: str) -> None:
    panel.imshow(image)
    _points(panel, points, title, unit)


def _points(panel: Any, points: NDArray, title: str, unit: str) -> None:
    panel.plot(*points[:, :2].T, ".", color="#ffd400", markersize=3)
    x, y = points[NOSE, :2]
    panel.plot(x, y, "o", color="#e0245e", markersize=6)
    label = f"landmark 30: ({x:.1f}, {y:.1f})"
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2}
    panel.annotate(label, (x, y), (8, 8), textcoords="offset points", fontsize=9, bbox=box, zorder=5)
    panel.set(title=title, xlabel=f"x ({unit})", ylabel=f"y ({unit})")


def _texels(panel: Any, photo: NDArray, in_photo: NDArray, face: ProceduralFace) -> None:
    """The photo's colours at each texel, and the landmarks' places in the square."""
    embedding = embed(face.mean, face.triangles)
    position_map = render_map(make_operator(embedding, TEXELS), in_photo[None])[0]
    rows, columns = nearest_texels(embedding.uv[face.landmarks], TEXELS).T
    panel.imshow(texture_map(photo, position_map, TEXELS))
    _points(panel, np.column_stack([columns, rows]), "UV: forehead on top", "texel")
    panel.set(xlabel="column = u (size - 1)", ylabel="row = v (size - 1)")


def _portrait(face: ProceduralFace, angles: NDArray) -> tuple[NDArray, NDArray]:
    """The mean face at the given angles (pitch, yaw, roll), shaded, and the pose that it has."""
    scale = 0.8 * PORTRAIT / np.ptp(face.mean[:, 1])
    pose = np.array([*angles, 0, 0, 0, scale])
    centre = project(face.mean, pose, PORTRAIT).mean(axis=0)
    pose[3:5] = [PORTRAIT / 2 - centre[0], centre[1] - PORTRAIT / 2]
    image, _ = shade(project(face.mean, pose, PORTRAIT), face.triangles, PORTRAIT, PORTRAIT)
    return image, pose


def _axes(panel: Any, face: ProceduralFace, pose: NDArray) -> None:
    """Arrows from the tip of the nose along the model's axes, 70 mm long."""
    start = face.mean[face.landmarks[NOSE]]
    ends = project(np.array([start, *(start + 70_000 * np.eye(3))]), pose, PORTRAIT)[:, :2]
    for end, colour, axis in zip(ends[1:], ("#d62728", "#2ca02c", "#1f77b4"), "xyz", strict=True):
        if np.hypot(*(end - ends[0])) < 6:  # towards the viewer
            panel.plot(*ends[0], "o", color=colour, markersize=9, markerfacecolor="none")
            panel.plot(*ends[0], ".", color=colour)
        else:
            panel.annotate("", end, ends[0], arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
        panel.annotate(axis, end, (6, 6), textcoords="offset points", color=colour, fontsize=13, weight="bold")
    panel.axis("off")


def _model(panel: Any, face: ProceduralFace) -> None:
    image, pose = _portrait(face, np.zeros(3))
    panel.imshow(image)
    _axes(panel, face, pose)
    panel.set_title("model, at no turn: x to the subject's left,\ny up, z out of the face (micrometres)")


def _turned(panel: Any, face: ProceduralFace, angles: NDArray, title: str) -> None:
    image, pose = _portrait(face, angles)
    panel.imshow(image)
    _axes(panel, face, pose)
    panel.set_title(title)


def _depth(panel: Any, crop_points: NDArray, face: ProceduralFace, scale: float) -> None:
    z = depth(crop_points, face.triangles, CROP, CROP)
    shown = panel.imshow(z - np.nanmin(z), cmap="viridis")
    panel.figure.colorbar(shown, ax=panel, shrink=0.7, label="z above the farthest point (px)")
    panel.set(title=f"depth: z to the viewer, as the crop's px\n(photo's z times {scale:.2f})", xlabel="x (px)")


if __name__ == "__main__":
    main()
