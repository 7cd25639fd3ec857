"""The page of a photo: what it shows of each face."""

from pathlib import Path

from ..pages.faces_page import FaceViews, Picture, faces_page
from ..photo.photo_files import encode_image
from .face_in_photo import TEXTURE_SIZE, FaceInPhoto


def write_page(path: Path, name: str, faces: list[FaceInPhoto], numbers: list[dict]) -> None:
    """Write the page of the faces of the photo `name`, whose `numbers` are as faces.json has them."""
    views = [page_views(*each) for each in zip(faces, numbers, strict=True)]
    # A file's name may be no text.
    path.write_text(faces_page(name.encode(errors="replace").decode(), views), encoding="utf-8")


def page_views(face: FaceInPhoto, numbers: dict) -> FaceViews:
    """Views of one face for the page: the pictures round it, its mesh, and its `numbers` as faces.json has them."""
    surface, drawn = face.reconstructor.surface, face.close_up
    hidden = "what the photo hides is filled by symmetry" if face.fill else "hatched where the photo hides it"
    shown = "The face in its photo." if face.covered is None else "The face, painted over where its mask covers it."
    pictures = [
        Picture("Photo", drawn.photo, shown),
        Picture("Overlay", drawn.overlay, "Mesh and 68 landmarks over the photo."),
        Picture("Pose", drawn.pose, "Box of the head; the side of the face is green."),
        Picture("Depth", drawn.depth, f"Depth: {drawn.reach:.0f} px from violet, the farthest, to yellow."),
    ]
    return FaceViews(
        pictures=pictures,
        texture=Picture("Texture", encode_image(face.texture, ".jpg"), f"Texture in UV; {hidden}."),
        thumbnail=drawn.thumbnail,
        vertices=face.found.vertices,
        triangles=surface.triangles,
        uv=(surface.vertex_uv * (TEXTURE_SIZE - 1) + 0.5) / TEXTURE_SIZE,
        numbers=page_numbers(numbers),
        files=numbers["files"],
        warning=numbers["doubt"],
        method=face.reconstructor.made_by,
    )


def page_numbers(numbers: dict) -> list[tuple[str, str]]:
    """Show the numbers of a face, as faces.json has them, with their units; the scale only where it is of mm."""
    pose, (x, y, width, height) = numbers["pose"], numbers["box"]
    scale = [("Scale", f"{numbers['mm_per_px']:.2g} mm per px")] if "mm_per_px" in numbers else []
    return [
        *((name.capitalize(), f"{pose[name]:.1f}\N{DEGREE SIGN}") for name in ("yaw", "pitch", "roll")),
        ("Box", f"{width:.0f} \N{MULTIPLICATION SIGN} {height:.0f} px at ({x:.0f}, {y:.0f})"),
        ("Confidence", f"{numbers['confidence']:.3f}"),
        ("Seen in the photo", f"{100 * numbers['visible_share']:.0f} % of the face"),
        *scale,
    ]
