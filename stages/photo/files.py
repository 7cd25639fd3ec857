"""The files of each face: meshes, pose, depth, texture, pictures, and a page to look at."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.crops.face_finding import Face
from pipeline.face.camera import wrap_angle
from pipeline.photo.photo_files import encode_grey, encode_image
from pipeline.photo.reconstruction import Reconstruction
from pipeline.photo.texture import vertex_colours
from pipeline.store.arrays import Image
from stages.pages.faces_page import FaceViews, faces_page
from stages.photo.face_in_photo import FaceInPhoto, shrink
from stages.photo.pictures import around, map_picture
from stages.photo.reconstructor import Reconstructor

DEFAULT_KINDS = ("obj", "glb", "overlay", "pose", "depth", "page")


def write_faces(
    folder: Path, photo: Image, faces: list[Face], reconstructor: Reconstructor, kinds: tuple[str, ...], fill: bool
) -> list[dict]:
    """Reconstruct the faces of a photo and write what is asked for.

    Parameters
    ----------
    folder : Path
        Of the photo; it is made. Its files begin with ``face1``, ``face2`` and so on.
    photo : (H, W, 3) uint8
    faces : list of Face
    reconstructor : Reconstructor
    kinds : tuple of str
        Some of `KINDS`.
    fill : bool
        Whether hidden parts of the texture are filled by symmetry; they are marked otherwise.

    Returns
    -------
    list of dict
        The numbers of each face, as faces.json has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers, shown = [], []
    picture, reduced = shrink(photo)
    for number, face in enumerate(faces, start=1):
        placed = FaceInPhoto(photo, picture, reduced, reconstructor.reconstruct(photo, face), reconstructor, fill)
        numbers.append(describe(face, placed.found) | write_face(folder / f"face{number}", placed, kinds))
        if "page" in kinds:
            shown.append((pose_text(numbers[-1]["pose"]), page_views(placed)))
    if "page" in kinds:
        (folder / "index.html").write_text(faces_page(folder.name, shown), encoding="utf-8")
    return numbers


def write_face(stem: Path, face: FaceInPhoto, kinds: tuple[str, ...]) -> dict:
    """Write the files of one face, whose names begin with `stem`.

    Returns
    -------
    dict
        Names of the files, and what is needed to read them.
    """
    files = [path.name for kind, write in WRITERS.items() if kind in kinds for path in write(stem, face)]
    depth = {"depth_px_per_step": face.depth_picture[1]} if "depth" in kinds else {}
    visible = round(float(face.visible.mean()), 3)
    return {"visible_share": visible, "pictures_reduced": face.reduced, **depth, "files": files}


# `mesh_files` is imported where a mesh is written: trimesh takes a CPU second.
def _write_textured(suffix: str, stem: Path, face: FaceInPhoto) -> list[Path]:
    from pipeline.photo.mesh_files import write_mesh

    return write_mesh(stem.with_suffix(suffix), face.mesh)


def _write_coloured(stem: Path, face: FaceInPhoto) -> list[Path]:
    from pipeline.photo.mesh_files import coloured, to_trimesh, write_mesh

    mesh = to_trimesh(face.found.vertices, face.reconstructor.surface.triangles)
    return write_mesh(stem.with_suffix(".ply"), coloured(mesh, vertex_colours(face.photo, face.found.vertices)))


def _write_overlay(stem: Path, face: FaceInPhoto) -> list[Path]:
    return [_write(stem, "overlay.jpg", encode_image(face.overlay, ".jpg"))]


def _write_pose(stem: Path, face: FaceInPhoto) -> list[Path]:
    return [_write(stem, "pose.jpg", encode_image(face.pose, ".jpg"))]


def _write_texture(stem: Path, face: FaceInPhoto) -> list[Path]:
    return [_write(stem, "texture.png", encode_image(face.texture, ".png"))]


def _write_map(stem: Path, face: FaceInPhoto) -> list[Path]:
    picture = map_picture(face.found.position_map, face.reconstructor.surface.face_mask)
    return [
        _write(stem, "map.png", encode_image(picture, ".png")),
        _write(stem, "map.npy", _npy(face.position_map)),
    ]


def _write_depth(stem: Path, face: FaceInPhoto) -> list[Path]:
    return [
        _write(stem, "depth.png", encode_grey(face.depth_picture[0])),
        _write(stem, "depth.npy", _npy(face.depth)),
        _write(stem, "visible.npy", _npy(face.visible)),
    ]


def _write(stem: Path, ending: str, content: bytes) -> Path:
    path = stem.with_name(f"{stem.name}_{ending}")
    path.write_bytes(content)
    return path


def _npy(values: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


# What can be written of a face, in the order that faces.json lists it in: a function of where its names begin and the
# face, which returns the files.
WRITERS: dict[str, Callable[[Path, FaceInPhoto], list[Path]]] = {
    "obj": partial(_write_textured, ".obj"),
    "glb": partial(_write_textured, ".glb"),
    "ply": _write_coloured,
    "overlay": _write_overlay,
    "pose": _write_pose,
    "texture": _write_texture,
    "map": _write_map,
    "depth": _write_depth,
}
# The page is one for all faces of a photo.
KINDS = (*WRITERS, "page")


def page_views(face: FaceInPhoto) -> FaceViews:
    """Views of one face for the page: the pictures round it, and the textured mesh to be turned."""
    from pipeline.photo.mesh_files import viewer_page

    pictures = {"mesh and landmarks over the photo": face.overlay, "pose: the side of the face is green": face.pose}
    window = around(face.in_picture(face.found.vertices), face.picture)
    shown = [(encode_image(picture[window], ".jpg"), text) for text, picture in pictures.items()]
    return FaceViews(shown, viewer_page(face.mesh))


def describe(face: Face, found: Reconstruction) -> dict:
    """Numbers of one face: pixels of the photo, 0-based, y down; angles in degrees, as in AFLW2000-3D."""
    pitch, yaw, roll = np.rad2deg(wrap_angle(found.pose[:3]))
    tx, ty, tz, scale = found.pose[3:]
    pose = {"yaw": yaw, "pitch": pitch, "roll": roll, "tx": tx, "ty": ty, "tz": tz}
    return {
        "box": np.round(face.box, 1).tolist(),
        "confidence": round(face.confidence, 4),
        "quarter_turns": face.quarter_turns,
        "pose": {name: round(float(value), 2) for name, value in pose.items()} | {"scale": float(f"{scale:.6g}")},
        "landmarks": np.round(found.landmarks, 2).tolist(),
        "doubt": found.doubt,
    }


def pose_text(pose: dict[str, float]) -> str:
    """The pose as a sentence."""
    return f"Yaw {pose['yaw']:.0f}, pitch {pose['pitch']:.0f}, roll {pose['roll']:.0f} degrees."
