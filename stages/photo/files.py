"""The files of each face: meshes, pose, depth, texture, pictures, and a page to look at."""

import io
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from model.head_pose import head_box
from model.reconstruction import Reconstruction
from pipeline.crops.face_finding import Face
from pipeline.face.camera import apply_similarity, wrap_angle
from pipeline.photo.mesh_files import coloured, textured, to_trimesh, viewer_page, write_mesh
from pipeline.photo.photo_files import encode_grey, encode_image
from pipeline.photo.texture import depth_image, encode_depth, enlarge, fill_by_symmetry, texture_map, visible_vertices
from stages.pages import html as parts
from stages.photo.pictures import around, draw_face, draw_head_box, map_picture, mark_hidden
from stages.photo.reconstructor import Reconstructor

Image = NDArray[np.uint8]
KINDS = ("obj", "ply", "glb", "overlay", "pose", "depth", "map", "texture", "page")
DEFAULT_KINDS = ("obj", "glb", "overlay", "pose", "depth", "page")
TEXTURE_SIZE = 512


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
    numbers, sections = [], []
    for number, face in enumerate(faces, start=1):
        found = reconstructor.reconstruct(photo, face)
        files, shown = write_face(folder / f"face{number}", photo, found, reconstructor, kinds, fill)
        numbers.append(describe(face, found) | files)
        sections += [parts.heading(f"Face {number}"), parts.paragraph(pose_text(numbers[-1]["pose"])), *shown]
    if "page" in kinds:
        page = parts.page(f"Faces in {folder.name}", sections)
        (folder / "index.html").write_text(page, encoding="utf-8")
    return numbers


def write_face(
    stem: Path, photo: Image, found: Reconstruction, reconstructor: Reconstructor, kinds: tuple[str, ...], fill: bool
) -> tuple[dict, list[str]]:
    """Write the files of one face, whose names begin with `stem`.

    Returns
    -------
    files : dict
        Names of the files, and what is needed to read them.
    sections : list of str
        Parts of the page.
    """
    surface = reconstructor.surface
    visible = visible_vertices(found.vertices, surface.triangles)
    texture = make_texture(photo, found, visible, reconstructor, fill)
    mesh = to_trimesh(found.vertices, surface.triangles)
    skin = textured(mesh, surface.vertex_uv, texture)
    pictures = draw_pictures(photo, found, reconstructor) if {"overlay", "pose", "page"} & set(kinds) else {}
    written: list[Path] = []
    for kind in ("obj", "glb"):
        if kind in kinds:
            written += write_mesh(stem.with_suffix(f".{kind}"), skin)
    if "ply" in kinds:
        written += write_mesh(stem.with_suffix(".ply"), coloured(mesh, vertex_colours(photo, found.vertices)))
    for kind, picture in pictures.items():
        if kind in kinds:
            written.append(_write(stem, f"{kind}.jpg", encode_image(picture, ".jpg")))
    if "texture" in kinds:
        written.append(_write(stem, "texture.png", encode_image(texture, ".png")))
    if "map" in kinds:
        picture = map_picture(found.position_map, surface.face_mask)
        written.append(_write(stem, "map.png", encode_image(picture, ".png")))
        written.append(_write(stem, "map.npy", _npy(photo_map(found))))
    numbers: dict = {"visible_share": round(float(visible.mean()), 3)}
    if "depth" in kinds:
        z = depth_image(found.vertices, surface.triangles, *photo.shape[:2])
        depth, numbers["depth_px_per_step"] = encode_depth(z)
        written.append(_write(stem, "depth.png", encode_grey(depth)))
        written += [_write(stem, f"{name}.npy", _npy(values)) for name, values in (("depth", z), ("visible", visible))]
    sections = page_sections(photo, found, pictures, skin) if "page" in kinds else []
    return numbers | {"files": [path.name for path in written]}, sections


def draw_pictures(photo: Image, found: Reconstruction, reconstructor: Reconstructor) -> dict[str, Image]:
    """Draw a face over its photo: `overlay` has mesh and landmarks, `pose` the box of its head."""
    surface = reconstructor.surface
    box = head_box(reconstructor.model.mean[surface.vertices], found.pose, len(photo))
    overlay = draw_face(photo, found.vertices, surface.triangles, found.landmarks)
    return {"overlay": overlay, "pose": draw_head_box(photo, box)}


def page_sections(photo: Image, found: Reconstruction, pictures: dict[str, Image], skin: trimesh.Trimesh) -> list[str]:
    """Parts of the page that show one face: the pictures round it, and the textured mesh to be turned."""
    texts = {"overlay": "mesh and landmarks over the photo", "pose": "pose: the side of the face is green"}
    window = around(found.vertices, photo)
    shown = [parts.picture(encode_image(pictures[name][window], ".jpg"), text) for name, text in texts.items()]
    return [*shown, parts.embedded_frame(viewer_page(skin), "the mesh, to be turned")]


def vertex_colours(photo: Image, vertices: NDArray) -> NDArray[np.uint8]:
    """Colour (V, 3) of the pixel that is nearest to each vertex; beyond the photo, that of its border."""
    column, row = np.rint(vertices[:, :2]).astype(int).T
    return photo[row.clip(0, len(photo) - 1), column.clip(0, photo.shape[1] - 1)]


def _write(stem: Path, ending: str, content: bytes) -> Path:
    path = stem.with_name(f"{stem.name}_{ending}")
    path.write_bytes(content)
    return path


def _npy(values: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def make_texture(
    photo: Image, found: Reconstruction, visible: NDArray[np.bool_], reconstructor: Reconstructor, fill: bool
) -> Image:
    """Texture (TEXTURE_SIZE, TEXTURE_SIZE, 3) of a face; what the photo hides is filled by symmetry or marked."""
    surface, size = reconstructor.surface, TEXTURE_SIZE
    colours = texture_map(photo, photo_map(found), size)
    shown = np.zeros(len(reconstructor.model.mean), np.float32)
    shown[surface.vertices] = visible
    texels = (reconstructor.operator @ shown).reshape(surface.face_mask.shape)
    mask = enlarge(surface.face_mask, size) > 0.5
    seen = (enlarge(texels, size) > 0.5) & mask
    return fill_by_symmetry(colours, seen, mask) if fill else mark_hidden(colours, seen, mask)


def photo_map(found: Reconstruction) -> NDArray[np.float32]:
    """Position map (S, S, 3) of a face in pixels of its photo."""
    return apply_similarity(np.linalg.inv(found.similarity), found.position_map.astype(np.float64)).astype(np.float32)


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
    }


def pose_text(pose: dict[str, float]) -> str:
    """The pose as a sentence."""
    return f"Yaw {pose['yaw']:.0f}, pitch {pose['pitch']:.0f}, roll {pose['roll']:.0f} degrees."
