"""One reconstructed face beside its photo, and what its files and its page show of it."""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.head_pose import head_box
from pipeline.face.similarity import apply_similarity
from pipeline.photo.reconstruction import Reconstruction
from pipeline.photo.texture import depth_image, encode_depth, enlarge, fill_by_symmetry, texture_map, visible_vertices
from pipeline.store.arrays import Image
from stages.photo.pictures import draw_face, draw_head_box, mark_hidden
from stages.photo.reconstructor import Reconstructor

if TYPE_CHECKING:  # a CPU second of imports, which only those pay who want a mesh
    import trimesh

TEXTURE_SIZE = 512
# Longer side in px of the pictures that are drawn of a face over its photo, at most.
PICTURE_SIDE = 1600


@dataclasses.dataclass(frozen=True)
class FaceInPhoto:
    """A face and what is made of it: each is made when it is first asked for, and once.

    Attributes
    ----------
    photo : (H, W, 3) uint8
    picture : (h, w, 3) uint8
        The photo as pictures show it, see `shrink`.
    reduced : int
        How many px of the photo a pixel of the picture is along each side.
    found : Reconstruction
    reconstructor : Reconstructor
        That it was found by.
    fill : bool
        Whether hidden parts of the texture are filled by symmetry; they are marked otherwise.
    """

    photo: Image
    picture: Image
    reduced: int
    found: Reconstruction
    reconstructor: Reconstructor
    fill: bool

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """Which vertices (V,) the photo shows."""
        return visible_vertices(self.found.vertices, self.reconstructor.surface.triangles)

    @cached_property
    def position_map(self) -> NDArray[np.float32]:
        """Position map (S, S, 3) in pixels of the photo."""
        inverse = np.linalg.inv(self.found.similarity)
        return apply_similarity(inverse, self.found.position_map.astype(np.float64)).astype(np.float32)

    @cached_property
    def texture(self) -> Image:
        """Texture (TEXTURE_SIZE, TEXTURE_SIZE, 3); what the photo hides is filled by symmetry or marked."""
        surface, size = self.reconstructor.surface, TEXTURE_SIZE
        colours = texture_map(self.photo, self.position_map, size)
        shown = np.zeros(len(self.reconstructor.mean), np.float32)
        shown[surface.vertices] = self.visible
        texels = (self.reconstructor.operator @ shown).reshape(surface.face_mask.shape)
        mask = enlarge(surface.face_mask, size) > 0.5
        seen = (enlarge(texels, size) > 0.5) & mask
        return fill_by_symmetry(colours, seen, mask) if self.fill else mark_hidden(colours, seen, mask)

    @cached_property
    def mesh(self) -> "trimesh.Trimesh":
        """The mesh with its texture."""
        from pipeline.photo.mesh_files import textured, to_trimesh

        surface = self.reconstructor.surface
        return textured(to_trimesh(self.found.vertices, surface.triangles), surface.vertex_uv, self.texture)

    def in_picture(self, points: NDArray) -> NDArray[np.float64]:
        """Bring points (..., 3) of the photo to the picture; z stays as it is."""
        x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        return np.stack([(x + 0.5) / self.reduced - 0.5, (y + 0.5) / self.reduced - 0.5, z], axis=-1)

    @cached_property
    def overlay(self) -> Image:
        """The picture with mesh and landmarks over it."""
        vertices = self.in_picture(self.found.vertices) / [1, 1, self.reduced]
        triangles, landmarks = self.reconstructor.surface.triangles, self.in_picture(self.found.landmarks)
        return draw_face(self.picture, vertices, triangles, landmarks)

    @cached_property
    def pose(self) -> Image:
        """The picture with the box of the head over it."""
        mean = self.reconstructor.mean[self.reconstructor.surface.vertices]
        return draw_head_box(self.picture, self.in_picture(head_box(mean, self.found.pose, len(self.photo))))

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Depth (h, w) in px of the photo at each pixel of the picture, see `pipeline.photo.texture.depth_image`."""
        triangles = self.reconstructor.surface.triangles
        return depth_image(self.in_picture(self.found.vertices), triangles, *self.picture.shape[:2])

    @cached_property
    def depth_picture(self) -> tuple[NDArray[np.uint16], float]:
        """Depth as a picture (h, w), and the px in a step of it."""
        return encode_depth(self.depth)


def shrink(photo: Image) -> tuple[Image, int]:
    """Bring a photo to at most `PICTURE_SIDE`: each pixel is the mean of a square of so many px, a rest is left out."""
    factor = -(-max(photo.shape[:2]) // PICTURE_SIDE)
    if factor == 1:
        return photo, factor
    height, width = (max(1, length // factor) for length in photo.shape[:2])
    even = photo[: height * factor, : width * factor]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8), factor
