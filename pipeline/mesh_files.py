"""Meshes as other programs have them: y up and right-handed, where the pixel frame has y down and is left-handed."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.viewer.notebook import scene_to_html

# trimesh's viewer has strong lights: a lighter grey would lose the face's form.
VIEWER_GREY = (100, 100, 103, 255)


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


def viewer_page(mesh: trimesh.Trimesh) -> str:
    """HTML page that shows a mesh to be turned with the mouse, by trimesh's viewer; it loads nothing from a network."""
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=VIEWER_GREY, metallicFactor=0.0, roughnessFactor=0.9)
    shown = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.vertex_normals,
        visual=trimesh.visual.TextureVisuals(material=material),
        process=False,
    )
    # A camera without a name gets a random one, and the page would differ from run to run.
    camera = trimesh.scene.Camera(name="camera", fov=(60.0, 45.0))
    scene = trimesh.Scene(shown, camera=camera)
    scene.set_camera()
    return scene_to_html(scene)
