"""The files of each face: meshes, pose, depth, texture, pictures, and a page to look at."""

import dataclasses
import importlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..crops.face_finding import Face
from ..face.camera import wrap_angle
from ..photo.mesh_files import coloured, to_mesh, write_mesh
from ..photo.metric_scale import mm_per_px
from ..photo.photo_files import encode_grey, encode_image
from ..photo.reconstruction import Reconstruction
from ..photo.texture import vertex_colours
from ..store.arrays import Image
from .face_in_photo import CloseUp, FaceInPhoto, shrink
from .folders import PAGE, filling
from .pictures import map_picture
from .reconstructor import Reconstructor

UNITS = ("px", "mm")
DEFAULT_KINDS = ("obj", "glb", "overlay", "pose", "depth", "page")


@dataclasses.dataclass(frozen=True)
class WriteOptions:
    """What is written of faces.

    Attributes
    ----------
    kinds : tuple of str
        Some of `KINDS`.
    fill : bool
        Whether hidden parts of the texture are filled by symmetry; they are marked otherwise.
    unit : {'px', 'mm'}
        Of the meshes.
    pupil_distance : float or None
        The face's own in mm, where it is known; otherwise its irises tell how large it is.
    detail : bool
        Whether the mesh gets the detail that shading tells.
    """

    kinds: tuple[str, ...]
    fill: bool = False
    unit: str = "px"
    pupil_distance: float | None = None
    detail: bool = False


def write_faces(
    folder: Path,
    photo: Image,
    faces: Sequence[Face],
    reconstructor: Reconstructor,
    options: WriteOptions,
    covered: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> list[dict]:
    """Reconstruct the faces of a photo and write what is asked for.

    Parameters
    ----------
    folder : Path
        Of the photo; it is made, see `filling`. Its files begin with ``face1``, ``face2`` and so on.
    photo : (H, W, 3) uint8
    faces : sequence of Face
    reconstructor : Reconstructor
    options : WriteOptions
    covered : (H, W) bool, optional
        Where the photo was painted over, see `pipeline.photo.masks`.
    threads : int
        That it may use: with more than one, what the page shows is drawn while the other files are written.

    Returns
    -------
    list of dict
        The numbers of each face, as faces.json has them.

    Raises
    ------
    ValueError
        If a face can't be measured.
    OSError
        If the folder can't be written.
    """
    numbers, shown = [], []
    picture, reduced = shrink(photo)
    paged = "page" in options.kinds
    with filling(folder) as part, ThreadPoolExecutor(1) as beside:
        for number, face in enumerate(faces, start=1):
            found, by = reconstructor.reconstruct(photo, face), reconstructor
            if options.detail:
                from .detailing import with_detail  # scipy's sparse matrices take some time to import

                found, by = with_detail(photo, found, reconstructor, covered)
            size = measure(photo, found, reconstructor, options)
            scale = size.get("mm_per_px", 1.0)
            placed = FaceInPhoto(photo, picture, reduced, found, by, options.fill, scale, covered, options.unit == "mm")
            if paged and threads > 1:
                beside.submit(_begin_page, placed)
            described = describe(face, found) | {"made_by": by.made_by} | size
            numbers.append(described | write_face(part / f"face{number}", placed, options.kinds))
            if paged:
                shown.append(placed)
        if shown:
            from .photo_page import write_page  # what fills in its template takes some time to import

            write_page(part / PAGE, folder.name, shown, numbers)
    return numbers


def _begin_page(face: FaceInPhoto) -> CloseUp:
    """Make what takes longest of a page: its pictures, and the import of what fills in its template."""
    importlib.import_module("pipeline.commands.photo_page")
    return face.close_up


def measure(photo: Image, found: Reconstruction, reconstructor: Reconstructor, options: WriteOptions) -> dict:
    """Millimetres of a pixel at a face, and what they are from; nothing where the unit is px.

    Raises
    ------
    ValueError
        If neither the pupil distance is given nor the irises can be found.
    """
    if options.unit == "px":
        return {}
    irises = None
    if options.pupil_distance is None and found.mesh is not None and reconstructor.find_irises is not None:
        irises = reconstructor.find_irises(photo, found.mesh)
    factor, source = mm_per_px(found.landmarks, irises, options.pupil_distance)
    return {"mm_per_px": float(f"{factor:.6g}"), "mm_from": source}


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


def _write_textured(suffix: str, stem: Path, face: FaceInPhoto) -> list[Path]:
    return write_mesh(stem.with_suffix(suffix), face.mesh)


def _write_coloured(stem: Path, face: FaceInPhoto) -> list[Path]:
    mesh = to_mesh(face.found.vertices * face.scale, face.reconstructor.surface.triangles)
    return write_mesh(stem.with_suffix(".ply"), coloured(mesh, vertex_colours(face.photo, face.found.vertices)))


def _write_glb(stem: Path, face: FaceInPhoto) -> list[Path]:
    path = stem.with_suffix(".glb")
    path.write_bytes(face.glb)
    return [path]


def _write_points(stem: Path, face: FaceInPhoto) -> list[Path]:
    """The 68 landmarks, and the 468 points of Face Mesh where it looked."""
    from ..photo.point_files import write_points

    tables = {"landmarks.csv": face.found.landmarks, "facemesh.csv": face.found.mesh}
    paths = []
    for ending, points in tables.items():
        if points is not None:
            paths.append(stem.with_name(f"{stem.name}_{ending}"))
            write_points(paths[-1], points)
    return paths


def _write_expression(stem: Path, face: FaceInPhoto) -> list[Path]:
    """The coefficients of the face model's expressions, where it was fitted."""
    from ..photo.point_files import write_coefficients

    if face.expression is None:
        return []
    path = stem.with_name(f"{stem.name}_expression.csv")
    write_coefficients(path, *face.expression)
    return [path]


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
        _write(stem, "map.npy", npy(face.position_map)),
    ]


def _write_depth(stem: Path, face: FaceInPhoto) -> list[Path]:
    return [
        _write(stem, "depth.png", encode_grey(face.depth_picture[0])),
        _write(stem, "depth.npy", npy(face.depth)),
        _write(stem, "visible.npy", npy(face.visible)),
    ]


def _write(stem: Path, ending: str, content: bytes) -> Path:
    path = stem.with_name(f"{stem.name}_{ending}")
    path.write_bytes(content)
    return path


def npy(values: NDArray) -> bytes:
    """Bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


# What can be written of a face, in the order that faces.json lists it in: a function of where its names begin and the
# face, which returns the files.
WRITERS: dict[str, Callable[[Path, FaceInPhoto], list[Path]]] = {
    "obj": partial(_write_textured, ".obj"),
    "glb": _write_glb,
    "ply": _write_coloured,
    "overlay": _write_overlay,
    "pose": _write_pose,
    "texture": _write_texture,
    "map": _write_map,
    "depth": _write_depth,
    "points": _write_points,
    "expression": _write_expression,
}
# The page is one for all faces of a photo.
KINDS = (*WRITERS, "page")


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
