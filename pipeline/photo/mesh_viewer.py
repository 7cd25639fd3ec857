"""A page that shows a mesh to be turned, by trimesh's viewer."""

import trimesh
from trimesh.viewer.notebook import scene_to_html
from trimesh.visual.material import PBRMaterial

from .mesh_files import Mesh

# The viewer has strong lights: a lighter grey would lose the face's form.
GREY = (100, 100, 103, 255)


def viewer_page(mesh: Mesh) -> str:
    """HTML page that shows a mesh in grey, to be turned with the mouse; it loads nothing from a network."""
    shown = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    material = PBRMaterial(baseColorFactor=GREY, metallicFactor=0.0, roughnessFactor=0.9)
    shown = trimesh.Trimesh(
        shown.vertices,
        shown.faces,
        vertex_normals=shown.vertex_normals,
        visual=trimesh.visual.TextureVisuals(material=material),
        process=False,
    )
    # A camera without a name gets a random one, and the page would differ from run to run.
    camera = trimesh.scene.Camera(name="camera", fov=(60.0, 45.0))
    scene = trimesh.Scene(shown, camera=camera)
    scene.set_camera()
    return scene_to_html(scene)
