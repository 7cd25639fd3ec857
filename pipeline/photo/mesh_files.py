"""Meshes as other programs have them: y up and right-handed, where the pixel frame has y down and is left-handed."""

from pathlib import Path

import numpy as np
import PIL.Image
import trimesh
from numpy.typing import NDArray
from trimesh.exchange.obj import export_obj
from trimesh.viewer.notebook import scene_to_html
from trimesh.visual.material import PBRMaterial

# trimesh's viewer has strong lights: a lighter grey would lose the face's form.
VIEWER_GREY = (100, 100, 103, 255)
# ... and the colours of a photo, which has its own light.
VIEWER_SHADE = (185, 185, 185, 255)
MESH_SUFFIXES = (".obj", ".ply", ".glb")


def to_trimesh(vertices: NDArray, triangles: NDArray[np.integer]) -> trimesh.Trimesh:
    """Turn a mesh in pixels over into a right-handed frame.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame: x right, y down, z towards the viewer.
    triangles : (F, 3) int
        Counter-clockwise seen from outside in the y-up model frame; they are so again in the result.

    Returns
    -------
    trimesh.Trimesh
        Vertices in the same order, in pixels: x right, y up, z towards the viewer, the mean at the origin.
    """
    vertices = np.asarray(vertices, np.float64) * [1, -1, 1]
    return trimesh.Trimesh(vertices - vertices.mean(axis=0), triangles, process=False)


def textured(mesh: trimesh.Trimesh, uv: NDArray, texture: NDArray[np.uint8]) -> trimesh.Trimesh:
    """Lay a texture over a mesh.

    Parameters
    ----------
    mesh : trimesh.Trimesh
    uv : (V, 2) float
        Place of each vertex in the unit square: column right, row down, 0 and 1 at the centres of the outer texels.
    texture : (S, S, 3) uint8
        RGB.

    Returns
    -------
    trimesh.Trimesh
        A copy.
    """
    size = len(texture)
    # OBJ and GLB have 0 and 1 at the outer edges of the outer texels; trimesh has v upwards, as OBJ has it.
    column, row = ((np.asarray(uv, np.float64) * (size - 1) + 0.5) / size).T
    material = PBRMaterial(baseColorTexture=PIL.Image.fromarray(texture), metallicFactor=0.0, roughnessFactor=1.0)
    visual = trimesh.visual.TextureVisuals(uv=np.column_stack([column, 1 - row]), material=material)
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.vertex_normals, visual=visual, process=False)


def coloured(mesh: trimesh.Trimesh, colours: NDArray[np.uint8]) -> trimesh.Trimesh:
    """Give each vertex of a mesh a colour (V, 3) uint8, on a copy."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colours, process=False)


def scaled(mesh: trimesh.Trimesh, factor: float) -> trimesh.Trimesh:
    """Scale a mesh, on a copy; its normals stay: of triangles as small as a face has in metres trimesh tells none."""
    normals = mesh.vertex_normals
    return trimesh.Trimesh(
        factor * mesh.vertices, mesh.faces, vertex_normals=normals, visual=mesh.visual, process=False
    )


def write_mesh(path: Path, mesh: trimesh.Trimesh) -> list[Path]:
    """Write a mesh for other programs; the same mesh has the same bytes.

    Parameters
    ----------
    path : Path
        Its ending says the format: ``.obj``, beside which the material (``.mtl``) and the texture (``.png``) go;
        ``.ply``; or ``.glb``, which has the texture in it.
    mesh : trimesh.Trimesh
        As `to_trimesh`, `textured` or `coloured` make it.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ValueError
        If the ending is another.
    """
    if path.suffix not in MESH_SUFFIXES:
        raise ValueError(f"{path} is no mesh file that can be written; expected one of {', '.join(MESH_SUFFIXES)}.")
    if path.suffix != ".obj":
        content = mesh.export(file_type=path.suffix[1:])
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        return [path]
    visual = mesh.visual
    if isinstance(visual, trimesh.visual.TextureVisuals) and isinstance(visual.material, PBRMaterial):
        material = visual.material.to_simple()
        material.name = path.stem
        visual = trimesh.visual.TextureVisuals(uv=visual.uv, material=material)
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.vertex_normals, visual=visual, process=False)
    text, beside = export_obj(mesh, include_normals=True, return_texture=True, mtl_name=f"{path.stem}.mtl", header=None)
    path.write_text(text, encoding="utf-8")
    for name, content in beside.items():
        path.with_name(name).write_bytes(content)
    return [path, *(path.with_name(name) for name in beside)]


def viewer_page(mesh: trimesh.Trimesh) -> str:
    """HTML page that shows a mesh to be turned with the mouse, by trimesh's viewer; it loads nothing from a network."""
    material, uv = PBRMaterial(baseColorFactor=VIEWER_GREY, metallicFactor=0.0, roughnessFactor=0.9), None
    if isinstance(mesh.visual, trimesh.visual.TextureVisuals) and isinstance(mesh.visual.material, PBRMaterial):
        material, uv = mesh.visual.material.copy(), mesh.visual.uv
        material.baseColorFactor = VIEWER_SHADE
    mesh = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.vertex_normals,
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        process=False,
    )
    # A camera without a name gets a random one, and the page would differ from run to run.
    camera = trimesh.scene.Camera(name="camera", fov=(60.0, 45.0))
    scene = trimesh.Scene(mesh, camera=camera)
    scene.set_camera()
    return scene_to_html(scene)
