"""The files of each face: meshes, pose, depth, texture, pictures, and a page to look at."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.head_pose import head_box
from model.reconstruction import Reconstruction
from pipeline.camera import apply_similarity, wrap_angle
from pipeline.face_finding import Face
from pipeline.mesh_files import coloured, textured, to_trimesh, viewer_page, write_mesh
from pipeline.texture import depth_image, encode_depth, enlarge, fill_by_symmetry, texture_map, visible_vertices
from stages import report_parts as parts
from stages.face_pictures import around, draw_face, draw_head_box, map_picture, mark_hidden
from stages.face_pipeline import FacePipeline

Image = NDArray[np.uint8]
KINDS = ("obj", "ply", "glb", "overlay", "pose", "depth", "map", "texture", "page")
DEFAULT_KINDS = ("obj", "glb", "overlay", "pose", "depth", "page")
TEXTURE_SIZE = 512


def write_faces(
    folder: Path, photo: Image, faces: list[Face], pipeline: FacePipeline, kinds: tuple[str, ...], fill: bool
) -> list[dict]:
    """Reconstruct the faces of a photo and write what is asked for.

    Parameters
    ----------
    folder : Path
        Of the photo; it is made. Its files begin with ``face1``, ``face2`` and so on.
    photo : (H, W, 3) uint8
    faces : list of Face
    pipeline : FacePipeline
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
        found = pipeline.reconstruct(photo, face)
        files, shown = write_face(folder / f"face{number}", photo, found, pipeline, kinds, fill)
        numbers.append(describe(face, found) | files)
        sections += [parts.heading(f"Face {number}"), parts.paragraph(pose_text(numbers[-1]["pose"])), *shown]
    if "page" in kinds:
        page = parts.page(f"Faces in {folder.name}", sections)
        (folder / "index.html").write_text(page, encoding="utf-8")
    return numbers


def write_face(
    stem: Path, photo: Image, found: Reconstruction, pipeline: FacePipeline, kinds: tuple[str, ...], fill: bool
) -> tuple[dict, list[str]]:
    """Write the files of one face, whose names begin with `stem`.

    Returns
    -------
    files : dict
        Names of the files, and what is needed to read the depth picture.
    sections : list of str
        Parts of the page.
    """
    surface, triangles = pipeline.surface, pipeline.surface.triangles
    written: list[Path] = []
    more: dict = {}

    def save(ending: str, content: bytes) -> None:
        path = stem.with_name(stem.name + ending)
        path.write_bytes(content)
        written.append(path)

    mesh = to_trimesh(found.vertices, triangles)
    visible = visible_vertices(found.vertices, triangles)
    texture = make_texture(photo, found, visible, pipeline, fill)
    skin = textured(mesh, surface.vertex_uv, texture)
    for kind in ("obj", "glb"):
        if kind in kinds:
            written += write_mesh(stem.with_suffix(f".{kind}"), skin)
    if "ply" in kinds:
        column, row = np.rint(found.vertices[:, :2]).astype(int).T
        colours = photo[row.clip(0, len(photo) - 1), column.clip(0, photo.shape[1] - 1)]
        written += write_mesh(stem.with_suffix(".ply"), coloured(mesh, colours))
    over = draw_face(photo, found.vertices, triangles, found.landmarks)
    box = draw_head_box(photo, head_box(pipeline.model.mean[surface.vertices], found.pose, len(photo)))
    if "overlay" in kinds:
        save("_overlay.jpg", parts.encode_image(over, ".jpg"))
    if "pose" in kinds:
        save("_pose.jpg", parts.encode_image(box, ".jpg"))
    if "texture" in kinds:
        save("_texture.png", parts.encode_image(texture, ".png"))
    if "map" in kinds:
        save("_map.png", parts.encode_image(map_picture(found.position_map, surface.face_mask), ".png"))
        np.save(stem.with_name(f"{stem.name}_map.npy"), photo_map(found))
        written.append(stem.with_name(f"{stem.name}_map.npy"))
    if "depth" in kinds:
        z = depth_image(found.vertices, triangles, *photo.shape[:2])
        picture, step = encode_depth(z)
        save("_depth.png", parts.encode_grey(picture))
        for name, values in (("depth", z), ("visible", visible)):
            path = stem.with_name(f"{stem.name}_{name}.npy")
            np.save(path, values)
            written.append(path)
        more["depth_px_per_step"] = step
    sections = []
    if "page" in kinds:
        sections = [
            parts.picture(parts.encode_image(picture[around(found.vertices, photo)], ".jpg"), text)
            for picture, text in (
                (over, "mesh and landmarks over the photo"),
                (box, "pose: the side of the face is green"),
            )
        ] + [
            parts.embedded_frame(viewer_page(skin), "the mesh, to be turned"),
        ]
    return more | {"visible_share": round(float(visible.mean()), 3), "files": [path.name for path in written]}, sections


def make_texture(
    photo: Image, found: Reconstruction, visible: NDArray[np.bool_], pipeline: FacePipeline, fill: bool
) -> Image:
    """Texture (TEXTURE_SIZE, TEXTURE_SIZE, 3) of a face; what the photo hides is filled by symmetry or marked."""
    surface, size = pipeline.surface, TEXTURE_SIZE
    colours = texture_map(photo, photo_map(found), size)
    shown = np.zeros(len(pipeline.model.mean), np.float32)
    shown[surface.vertices] = visible
    texels = (pipeline.operator @ shown).reshape(surface.face_mask.shape)
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
