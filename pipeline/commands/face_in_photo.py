"""One reconstructed face beside its photo, and what its files and its page show of it."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.camera import rotation_matrix
from ..face.head_pose import head_box
from ..face.rendering import rasterize
from ..face.similarity import apply_similarity
from ..photo.masks import are_covered
from ..photo.mesh_files import Mesh, pack_glb, scaled, start_glb, textured, to_mesh
from ..photo.morph_files import morph_glb
from ..photo.photo_files import encode_image
from ..photo.reconstruction import Reconstruction
from ..photo.texture import (
    depth_image,
    encode_depth,
    enlarge,
    fill_by_symmetry,
    inside_photo,
    texture_map,
    visible_vertices,
)
from ..store.arrays import Image
from .pictures import around, colour_depth, draw_face, draw_head_box, mark_hidden, shrink_to
from .reconstructor import Reconstructor

TEXTURE_SIZE = 512
# Longer side in px of the pictures that are drawn of a face over its photo, at most.
PICTURE_SIDE = 1600
# Of the pictures on the page: how much they show beyond the face, in its sides, and their longer sides in px.
MARGIN, SIDE, THUMBNAIL_SIDE = 0.6, 960, 96


class CloseUp(NamedTuple):
    """The depth of a face in px of the photo, and its pictures for the page, JPEG files' bytes."""

    reach: float
    photo: bytes
    overlay: bytes
    pose: bytes
    depth: bytes
    thumbnail: bytes


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
    scale : float
        Units of the mesh in a pixel.
    covered : (H, W) bool or None
        Where something lies before the face, and the photo was painted over.
    in_mm : bool
        Whether the unit of the mesh is a millimetre.
    """

    photo: Image
    picture: Image
    reduced: int
    found: Reconstruction
    reconstructor: Reconstructor
    fill: bool
    scale: float = 1.0
    covered: NDArray[np.bool_] | None = None
    in_mm: bool = False

    @cached_property
    def unhidden(self) -> NDArray[np.bool_]:
        """Which vertices (V,) no part of the face hides, be they in the photo or beyond its border."""
        return visible_vertices(self.found.vertices, self.reconstructor.surface.triangles)

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """Which vertices (V,) the photo shows."""
        return self.unhidden & self._is_shown(self.found.vertices)

    def _is_shown(self, points: NDArray) -> NDArray[np.bool_]:
        """Whether the photo has a place for points (..., >=2), and nothing but the face lies before them there."""
        shown = inside_photo(points, *self.photo.shape[:2])
        return shown if self.covered is None else shown & ~are_covered(self.covered, points)

    @cached_property
    def position_map(self) -> NDArray[np.float32]:
        """Position map (S, S, 3) in pixels of the photo."""
        if np.array_equal(self.found.similarity, np.eye(3)):
            return self.found.position_map
        inverse = np.linalg.inv(self.found.similarity)
        return apply_similarity(inverse, self.found.position_map.astype(np.float64)).astype(np.float32)

    @cached_property
    def texture(self) -> Image:
        """Texture (TEXTURE_SIZE, TEXTURE_SIZE, 3); what the photo hides is filled by symmetry or marked."""
        surface, size = self.reconstructor.surface, TEXTURE_SIZE
        colours = texture_map(self.photo, self.position_map, size)
        texels = (self.reconstructor.operator @ self.unhidden.astype(np.float32)).reshape(surface.face_mask.shape)
        mask = enlarge(surface.face_mask, size) > 0.5
        # The photo's border, and a thin thing, pass between the vertices.
        seen = (enlarge(texels, size) > 0.5) & mask & self._is_shown(enlarge(self.position_map, size))
        return fill_by_symmetry(colours, seen, mask) if self.fill else mark_hidden(colours, seen, mask)

    @cached_property
    def mesh(self) -> Mesh:
        """The mesh with its texture."""
        surface = self.reconstructor.surface
        mesh = to_mesh(self.found.vertices * self.scale, surface.triangles)
        return textured(mesh, surface.vertex_uv, self.texture)

    @cached_property
    def expression(self) -> tuple[Sequence[str], NDArray[np.float64]] | None:
        """Names and coefficients of the face model's expressions; None where it was not fitted."""
        basis = self.reconstructor.expressions
        if basis is None or self.found.coefficients is None:
            return None
        return basis[0], self.found.coefficients[-len(basis[0]) :]

    @cached_property
    def glb(self) -> bytes:
        """The mesh as GLB, with the face model's expressions to be moved where it was fitted."""
        unit = 0.001 if self.in_mm else 1.0  # glTF's is the metre
        if self.expression is None or self.reconstructor.expressions is None:
            return pack_glb(*start_glb(scaled(self.mesh, unit)))
        names, weights = self.expression
        pitch, yaw, roll = self.found.pose[:3]
        turn = self.scale * self.found.pose[6] * rotation_matrix(pitch, yaw, roll)
        moves = self.reconstructor.expressions[1] @ turn.T  # y up, as the mesh
        neutral = dataclasses.replace(self.mesh, vertices=self.mesh.vertices - np.tensordot(weights, moves, axes=1))
        return morph_glb(scaled(neutral, unit), unit * moves, names, weights)

    def in_picture(self, points: NDArray) -> NDArray[np.float64]:
        """Bring points (..., 3) of the photo to the picture; z stays as it is."""
        x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        return np.stack([(x + 0.5) / self.reduced - 0.5, (y + 0.5) / self.reduced - 0.5, z], axis=-1)

    @cached_property
    def seen(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What of the mesh each pixel of the picture shows, see `pipeline.face.rendering.rasterize`."""
        triangles = self.reconstructor.surface.triangles
        return rasterize(self.in_picture(self.found.vertices), triangles, *self.picture.shape[:2])

    @cached_property
    def overlay(self) -> Image:
        """The picture with mesh and landmarks over it."""
        vertices = self.in_picture(self.found.vertices) / [1, 1, self.reduced]
        triangles, landmarks = self.reconstructor.surface.triangles, self.in_picture(self.found.landmarks)
        return draw_face(self.picture, vertices, triangles, self.seen, landmarks)

    @cached_property
    def head_box(self) -> NDArray[np.float64]:
        """Corners (8, 3) of the box of the head in pixels of the photo."""
        return head_box(self.reconstructor.mean, self.found.pose, len(self.photo))

    @cached_property
    def pose(self) -> Image:
        """The picture with the box of the head over it."""
        return draw_head_box(self.picture, self.in_picture(self.head_box))

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Depth (h, w) in px of the photo at each pixel of the picture, see `pipeline.photo.texture.depth_image`."""
        return depth_image(self.found.vertices, self.reconstructor.surface.triangles, *self.seen)

    @cached_property
    def depth_picture(self) -> tuple[NDArray[np.uint16], float]:
        """Depth as a picture (h, w), and the px in a step of it."""
        return encode_depth(self.depth)

    @cached_property
    def close_up(self) -> CloseUp:
        """The pictures of the page, in the size that it has them in: a large photo costs no more than a small one."""
        vertices, triangles = self.found.vertices, self.reconstructor.surface.triangles
        rows, columns = around(vertices, self.photo, MARGIN)
        photo, factor = shrink_to(self.photo[rows, columns], SIDE)
        centre = np.array([0.5, 0.5, 0])
        vertices, landmarks, box = (
            (points - [columns.start, rows.start, 0] + centre) * factor - centre
            for points in (vertices, self.found.landmarks, self.head_box)
        )
        seen = rasterize(vertices, triangles, *photo.shape[:2])
        depth = depth_image(vertices, triangles, *seen)
        overlay = draw_face(photo, vertices, triangles, seen, landmarks)
        thumbnail, _ = shrink_to(self.photo[around(self.found.vertices, self.photo, 0.1)], THUMBNAIL_SIDE)
        pictures = (photo, overlay, draw_head_box(photo, box), colour_depth(depth), thumbnail)
        reach = float(np.nanmax(depth, initial=0.0)) / factor
        return CloseUp(reach, *(encode_image(picture, ".jpg") for picture in pictures))


def shrink(photo: Image) -> tuple[Image, int]:
    """Bring a photo to at most `PICTURE_SIDE`: each pixel is the mean of a square of so many px, a rest is left out."""
    factor = -(-max(photo.shape[:2]) // PICTURE_SIDE)
    if factor == 1:
        return photo, factor
    height, width = (max(1, length // factor) for length in photo.shape[:2])
    even = photo[: height * factor, : width * factor]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8), factor
