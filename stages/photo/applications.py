"""What section 1.3 of the thesis does with predicted meshes of test photos: pose, depth, and faces swapped."""

import contextlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.commands.pictures import colour_depth, draw_head_box
from pipeline.face.head_pose import estimate_pose, head_box
from pipeline.face.rendering import rasterize
from pipeline.photo.editing import swap_face
from pipeline.photo.photo_files import encode_image
from pipeline.photo.texture import depth_image
from pipeline.store.arrays import Image
from pipeline.uv.surface import Surface
from stages.pages import contact_sheet
from stages.pages.thesis_samples import Examples
from stages.project.samples import Truth


def draw_applications(examples: Examples, variant: str) -> dict[str, bytes]:
    """Draw what section 1.3 does with a predicted mesh, by sections and its figure, as JPEG, where it can be done."""
    predicted, photos = examples.predicted[variant], examples.photos
    surface, front, rolled = examples.surface, examples.front, examples.truths[examples.choice.rolled]
    photo, mesh = photos[front.sample_id], predicted[front.sample_id]
    other, onto = photos[rolled.sample_id], predicted[rolled.sample_id]
    drawers: dict[str, Callable[[], Image]] = {
        "1.3.2": lambda: head_pose(photo, mesh, front, examples.mean),
        "1.3.3": lambda: depth_tile(photo, mesh, surface, front),
        "1.5": lambda: swapped(photo, mesh, front, other, onto, rolled, surface),
    }
    images = {}
    for number, draw in drawers.items():
        # A mesh in one place has no pose, and two faces may show no part in common.
        with contextlib.suppress(ValueError):
            images[number] = encode_image(draw(), ".jpg")
    return images


def head_pose(photo: Image, vertices: NDArray, sample: Truth, mean: NDArray) -> Image:
    """Section 1.3.2: the box of the pose in which the same vertices of the mean face (V, 3) are closest to a mesh."""
    corners = head_box(mean, estimate_pose(vertices, mean, len(photo)), len(photo))
    return contact_sheet.photo_window(draw_head_box(photo, corners), contact_sheet.crop_outline(sample))


def depth_tile(photo: Image, vertices: NDArray, surface: Surface, sample: Truth) -> Image:
    """Section 1.3.3: the depth of a mesh at each pixel of its photo."""
    seen = rasterize(np.asarray(vertices, np.float64), surface.triangles, *photo.shape[:2])
    coloured = colour_depth(depth_image(vertices, surface.triangles, *seen))
    return contact_sheet.photo_window(coloured, contact_sheet.crop_outline(sample))


def swapped(
    photo: Image, mesh: NDArray, sample: Truth, target: Image, onto: NDArray, place: Truth, surface: Surface
) -> Image:
    """Figure 1.5: a face, the photo of another, and the one put onto the other by their meshes.

    Raises
    ------
    ValueError
        If no part of the face is seen in both photos.
    """
    swap = swap_face(photo, mesh, target, onto, surface.triangles)
    pictures = ((photo, sample), (target, place), (swap, place))
    return np.concatenate(
        [contact_sheet.photo_window(picture, contact_sheet.crop_outline(each)) for picture, each in pictures], axis=1
    )
