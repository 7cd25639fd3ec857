"""One reconstructed face beside its photo, and what its files and its page show of it."""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

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


@dataclasses.dataclass(frozen=True)
class FaceInPhoto:
    """A face and what is made of it: each is made when it is first asked for, and once.

    Attributes
    ----------
    photo : (H, W, 3) uint8
    found : Reconstruction
    reconstructor : Reconstructor
        That it was found by.
    fill : bool
        Whether hidden parts of the texture are filled by symmetry; they are marked otherwise.
    """

    photo: Image
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
        shown = np.zeros(len(self.reconstructor.model.mean), np.float32)
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

    @cached_property
    def overlay(self) -> Image:
        """The photo with mesh and landmarks over it."""
        return draw_face(self.photo, self.found.vertices, self.reconstructor.surface.triangles, self.found.landmarks)

    @cached_property
    def head_box(self) -> NDArray[np.float64]:
        """Corners (8, 3) of the box of the head in pixels of the photo."""
        mean = self.reconstructor.model.mean[self.reconstructor.surface.vertices]
        return head_box(mean, self.found.pose, len(self.photo))

    @cached_property
    def pose(self) -> Image:
        """The photo with the box of the head over it."""
        return draw_head_box(self.photo, self.head_box)

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Depth (H, W) in px, see `pipeline.photo.texture.depth_image`."""
        return depth_image(self.found.vertices, self.reconstructor.surface.triangles, *self.photo.shape[:2])

    @cached_property
    def depth_picture(self) -> tuple[NDArray[np.uint16], float]:
        """Depth as a picture (H, W), and the px in a step of it."""
        return encode_depth(self.depth)
