"""Heads of real photos turned in depth: landmarks are seen where the turned mesh has them, and nothing else is lost."""

import dataclasses

import numpy as np
import pytest

from pipeline.face.camera import project
from pipeline.face.face_model import at_vertices, deform, select_coefficients
from pipeline.face.rendering import vertex_normals
from pipeline.photo.profiling import head_yaw, turn_photo, turn_pose
from pipeline.raw.annotations import read_annotation
from pipeline.raw.photos import read_photo
from pipeline.uv.masks import face_mask
from pipeline.uv.operator import make_operator
from pipeline.uv.position_map import render_map
from pipeline.uv.surface import make_surface

INNER = slice(17, 68)


@pytest.fixture(scope="module")
def surface(bfm, bfm_embedding):
    uv = bfm_embedding.uv[: len(bfm.mean)]
    mask = face_mask(render_map(make_operator(bfm_embedding, 128), bfm.mean[None])[0], uv[bfm.landmarks])
    return make_surface(uv, bfm.triangles, bfm.landmarks, mask)


def test_colours_of_the_inner_face_go_where_its_mesh_goes(bfm, surface, aflw_pairs):
    """By a photo whose colours say where each pixel was."""
    face = dataclasses.replace(at_vertices(bfm, lambda v: v[surface.vertices]), triangles=surface.triangles)
    errors = []
    for photo_path, path in aflw_pairs[:60:10]:
        annotation, photo = read_annotation(path), read_photo(photo_path)
        height, width = photo.shape[:2]
        turn = np.deg2rad(30) * (np.sign(head_yaw(annotation.pose)) or 1)
        if abs(head_yaw(annotation.pose)) > np.deg2rad(50):
            continue
        coefficients = select_coefficients(bfm, annotation.shape[None], annotation.expression[None])
        whole, part = deform(bfm, coefficients)[0], deform(face, coefficients)[0]
        pose = turn_pose(annotation.pose, turn)
        before, after = project(part, annotation.pose, height), project(part, pose, height)
        same = turn_photo(photo, before, before.copy(), surface.triangles)
        assert np.abs(same.astype(int) - photo).max() <= 1
        x, y = np.meshgrid(np.arange(width) / 2, np.arange(height) / 2)
        places = np.stack([x, y, np.zeros_like(x)], axis=-1)
        made = turn_photo(np.rint(places).astype(np.uint8), before, after, surface.triangles)
        points, moved = (project(whole, each, height) for each in (annotation.pose, pose))
        seen = (vertex_normals(points, bfm.triangles)[:, 2] > 0.6) & (vertex_normals(moved, bfm.triangles)[:, 2] > 0.6)
        chosen = [i for i in bfm.landmarks[INNER] if seen[i]]
        assert len(chosen) > 15
        ends = moved[chosen, :2]
        column, row = np.rint(ends).astype(int).T
        was = 2.0 * made[row.clip(0, height - 1), column.clip(0, width - 1), :2]
        inside = (column > 0) & (column < width - 1) & (row > 0) & (row < height - 1)
        errors += list(np.linalg.norm(was - points[chosen, :2], axis=1)[inside])
    assert len(errors) > 60
    assert np.median(errors) < 1.5
