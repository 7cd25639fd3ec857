"""The page of a photo: what it shows of each face."""

from pathlib import Path

import numpy as np

from pipeline.face.rendering import rasterize
from pipeline.photo.photo_files import encode_image
from pipeline.photo.texture import depth_image
from stages.pages.faces_page import FaceViews, Picture, faces_page
from stages.photo.face_in_photo import TEXTURE_SIZE, FaceInPhoto
from stages.photo.pictures import around, colour_depth, draw_face, draw_head_box, shrink_to

# Of the pictures: how much they show beyond the face, in its sides, and their longer sides in px.
MARGIN, SIDE, THUMBNAIL_SIDE = 0.6, 960, 96


def write_page(path: Path, name: str, faces: list[FaceInPhoto], numbers: list[dict]) -> None:
    """Write the page of the faces of the photo `name`, whose `numbers` are as faces.json has them."""
    views = [page_views(*each) for each in zip(faces, numbers, strict=True)]
    # A file's name may be no text.
    path.write_text(faces_page(name.encode(errors="replace").decode(), views), encoding="utf-8")


def page_views(face: FaceInPhoto, numbers: dict) -> FaceViews:
    """Views of one face for the page: the pictures round it, its mesh, and its `numbers` as faces.json has them."""
    surface, found = face.reconstructor.surface, face.found
    rows, columns = around(found.vertices, face.photo, MARGIN)
    # All is drawn in the size that the page has it in: a large photo costs no more than a small one.
    photo, factor = shrink_to(face.photo[rows, columns], SIDE)
    centre = np.array([0.5, 0.5, 0])
    vertices, landmarks, box = (
        (points - [columns.start, rows.start, 0] + centre) * factor - centre
        for points in (found.vertices, found.landmarks, face.head_box)
    )
    seen = rasterize(vertices, surface.triangles, *photo.shape[:2])
    depth = depth_image(vertices, surface.triangles, *seen)
    overlay = draw_face(photo, vertices, surface.triangles, seen, landmarks)
    reach = float(np.nanmax(depth, initial=0.0)) / factor
    hidden = "what the photo hides is filled by symmetry" if face.fill else "hatched where the photo hides it"
    shown = "The face in its photo." if face.covered is None else "The face, painted over where its mask covers it."
    pictures = (
        ("Photo", photo, shown),
        ("Overlay", overlay, "Mesh and 68 landmarks over the photo."),
        ("Pose", draw_head_box(photo, box), "Box of the head; the side of the face is green."),
        ("Depth", colour_depth(depth), f"Depth: {reach:.0f} px from violet, the farthest, to yellow."),
    )
    thumbnail, _ = shrink_to(face.photo[around(found.vertices, face.photo, 0.1)], THUMBNAIL_SIDE)
    return FaceViews(
        pictures=[Picture(tab, encode_image(picture, ".jpg"), caption) for tab, picture, caption in pictures],
        texture=Picture("Texture", encode_image(face.texture, ".jpg"), f"Texture in UV; {hidden}."),
        thumbnail=encode_image(thumbnail, ".jpg"),
        vertices=found.vertices,
        triangles=surface.triangles,
        uv=(surface.vertex_uv * (TEXTURE_SIZE - 1) + 0.5) / TEXTURE_SIZE,
        numbers=page_numbers(numbers),
        files=numbers["files"],
        warning=numbers["doubt"],
        method=face.reconstructor.made_by,
    )


def page_numbers(numbers: dict) -> list[tuple[str, str]]:
    """Show the numbers of a face, as faces.json has them, with their units."""
    pose, (x, y, width, height) = numbers["pose"], numbers["box"]
    return [
        *((name.capitalize(), f"{pose[name]:.1f}\N{DEGREE SIGN}") for name in ("yaw", "pitch", "roll")),
        ("Scale", f"{pose['scale']:.4g} px per unit of the model"),
        ("Box", f"{width:.0f} \N{MULTIPLICATION SIGN} {height:.0f} px at ({x:.0f}, {y:.0f})"),
        ("Confidence", f"{numbers['confidence']:.3f}"),
        ("Seen in the photo", f"{100 * numbers['visible_share']:.0f} % of the face"),
    ]
