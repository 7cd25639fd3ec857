"""Meshes as other programs have them: y up and right-handed, where the pixel frame has y down and is left-handed.

The formats are written here, a few lines each, from the arrays as they are: trimesh takes longer to import than a photo
to reconstruct. The tests read every file again by trimesh.

References
----------
Khronos, "glTF 2.0 Specification", 2021, sections 3.6 (accessors and views) and 4.4 (GLB).
"""

import dataclasses
import json
import struct
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..face.rendering import vertex_normals
from ..store.arrays import Array
from ..store.files import write_bytes
from .photo_files import encode_image

MESH_SUFFIXES = (".obj", ".ply", ".glb")
TO_PIXELS = np.array([1, -1, 1])
MATERIAL = "newmtl {name}\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nmap_Kd {picture}\n"
# glTF's numbers for kinds of values, and for what a view of the buffer is used as.
COMPONENTS = {"<f4": 5126, "<u4": 5125, "|u1": 5121}
VERTEX_DATA, INDICES = 34962, 34963


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh with y up, as files have it.

    Attributes
    ----------
    vertices : (V, 3) float64
    triangles : (F, 3) int
        Counter-clockwise seen from outside.
    uv : (V, 2) float64, optional
        Place of each vertex in the texture: column right, row down, 0 and 1 at the outer edges of the outer texels.
    texture : bytes, optional
        A PNG file.
    colours : (V, 3) uint8, optional
        RGB.
    """

    vertices: Array
    triangles: NDArray[np.integer]
    uv: Array | None = None
    texture: bytes | None = None
    colours: NDArray[np.uint8] | None = None

    @cached_property
    def normals(self) -> Array:
        """Outward unit normals (V, 3); towards the viewer at a vertex that is in no triangle."""
        normals = np.asarray(vertex_normals(self.vertices * TO_PIXELS, self.triangles) * TO_PIXELS, np.float64)
        normals[~normals.any(axis=1)] = [0, 0, 1]
        return normals


def to_mesh(vertices: NDArray, triangles: NDArray[np.integer]) -> Mesh:
    """Turn a mesh in pixels over into a right-handed frame.

    Parameters
    ----------
    vertices : (V, 3) float
        Pixel frame: x right, y down, z towards the viewer.
    triangles : (F, 3) int
        Counter-clockwise seen from outside in the y-up model frame; they are so again in the result.

    Returns
    -------
    Mesh
        Vertices in the same order, in pixels: x right, y up, z towards the viewer, the mean at the origin.
    """
    vertices = np.asarray(vertices, np.float64) * TO_PIXELS
    return Mesh(vertices - vertices.mean(axis=0), triangles)


def textured(mesh: Mesh, uv: NDArray, texture: NDArray[np.uint8]) -> Mesh:
    """Lay a texture over a mesh.

    Parameters
    ----------
    mesh : Mesh
    uv : (V, 2) float
        Place of each vertex in the unit square: column right, row down, 0 and 1 at the centres of the outer texels.
    texture : (S, S, 3) uint8
        RGB.

    Returns
    -------
    Mesh
        A copy.
    """
    size = len(texture)
    places = (np.asarray(uv, np.float64) * (size - 1) + 0.5) / size
    return dataclasses.replace(mesh, uv=places, texture=encode_image(texture, ".png"))


def coloured(mesh: Mesh, colours: NDArray[np.uint8]) -> Mesh:
    """Give each vertex of a mesh a colour (V, 3) uint8, on a copy."""
    return dataclasses.replace(mesh, colours=colours)


def scaled(mesh: Mesh, factor: float) -> Mesh:
    """Scale a mesh, on a copy."""
    return dataclasses.replace(mesh, vertices=factor * mesh.vertices)


def write_mesh(path: Path, mesh: Mesh) -> list[Path]:
    """Write a mesh for other programs; the same mesh has the same bytes.

    Parameters
    ----------
    path : Path
        Its ending says the format: ``.obj``, beside which the material (``.mtl``) and the texture (``.png``) go;
        ``.ply``; or ``.glb``, which has the texture in it.
    mesh : Mesh

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
    if path.suffix == ".glb":
        write_bytes(path, pack_glb(*start_glb(mesh)))
    elif path.suffix == ".ply":
        write_bytes(path, _ply(mesh))
    else:
        write_bytes(path, _obj(mesh, path.stem).encode())
        if mesh.texture is not None:
            material, picture = path.with_suffix(".mtl"), path.with_suffix(".png")
            write_bytes(material, MATERIAL.format(name=path.stem, picture=picture.name).encode())
            write_bytes(picture, mesh.texture)
            return [path, material, picture]
    return [path]


def _obj(mesh: Mesh, name: str) -> str:
    """Text of an OBJ, whose indices are from 1; `name` is that of its material and of the file that has it."""
    corner, parts = (
        "{0}//{0}",
        [_lines("v %.5f %.5f %.5f\n", mesh.vertices), _lines("vn %.4f %.4f %.4f\n", mesh.normals)],
    )
    if mesh.uv is not None:
        corner = "{0}/{0}/{0}"
        parts = [f"mtllib {name}.mtl\nusemtl {name}\n", *parts, _lines("vt %.6f %.6f\n", mesh.uv * [1, -1] + [0, 1])]
    corners = np.array([corner.format(index) for index in range(1, len(mesh.vertices) + 1)], object)
    return "".join([*parts, _lines("f %s %s %s\n", corners[mesh.triangles])])


def _lines(line: str, values: NDArray) -> str:
    return line * len(values) % tuple(values.ravel().tolist())


def _ply(mesh: Mesh) -> bytes:
    """Make a binary PLY, with the vertices' colours where the mesh has some."""
    count = len(mesh.vertices)
    fields = {"x": "float", "y": "float", "z": "float"}
    vertices = [mesh.vertices.astype("<f4").view(np.uint8).reshape(count, -1)]
    if mesh.colours is not None:
        fields |= {"red": "uchar", "green": "uchar", "blue": "uchar"}
        vertices.append(mesh.colours)
    corners = np.ascontiguousarray(mesh.triangles, "<i4").view(np.uint8).reshape(len(mesh.triangles), -1)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {count}",
        *(f"property {kind} {field}" for field, kind in fields.items()),
        f"element face {len(corners)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    faces = np.hstack([np.full((len(corners), 1), 3, np.uint8), corners])
    return "\n".join(header).encode() + np.hstack(vertices).tobytes() + faces.tobytes()


def start_glb(mesh: Mesh) -> tuple[dict[str, Any], list[bytes]]:
    """Begin a GLB: the tree of a mesh, and the parts of its buffer, to be packed, or to be added to before."""
    tree: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "face", "mesh": 0}],
        "accessors": [],
        "bufferViews": [],
    }
    parts: list[bytes] = []
    attributes = {
        "POSITION": append(tree, parts, mesh.vertices, VERTEX_DATA),
        "NORMAL": append(tree, parts, mesh.normals, VERTEX_DATA),
    }
    primitive: dict[str, Any] = {"mode": 4, "attributes": attributes}
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = append(tree, parts, mesh.uv, VERTEX_DATA)
    if mesh.colours is not None:
        opaque = np.column_stack([mesh.colours, np.full(len(mesh.colours), 255, np.uint8)])
        attributes["COLOR_0"] = append(tree, parts, opaque, VERTEX_DATA, "|u1")
        tree["accessors"][-1]["normalized"] = True
    primitive["indices"] = append(tree, parts, mesh.triangles.reshape(-1, 1), INDICES, "<u4")
    if mesh.texture is not None:
        tree["images"] = [{"bufferView": _append_part(tree, parts, mesh.texture), "mimeType": "image/png"}]
        tree["textures"] = [{"source": 0}]
        surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
        tree["materials"] = [{"pbrMetallicRoughness": surface}]
        primitive["material"] = 0
    tree["meshes"] = [{"name": "face", "primitives": [primitive]}]
    return tree, parts


def append(tree: dict[str, Any], parts: list[bytes], values: NDArray, use: int | None = None, kind: str = "<f4") -> int:
    """Store values (N, components) as a view of their own; returns the accessor, which says their number and range."""
    values = np.ascontiguousarray(values, kind)
    width = values.shape[1]
    columns = np.ascontiguousarray(values.T)  # whose extremes are found in a tenth of the time of those of rows
    accessor = {
        "bufferView": _append_part(tree, parts, values.tobytes()),
        "componentType": COMPONENTS[kind],
        "type": "SCALAR" if width == 1 else f"VEC{width}",
        "count": len(values),
        "min": columns.min(axis=1).tolist(),
        "max": columns.max(axis=1).tolist(),
    }
    if use is not None:
        tree["bufferViews"][-1]["target"] = use
    tree["accessors"].append(accessor)
    return len(tree["accessors"]) - 1


def _append_part(tree: dict[str, Any], parts: list[bytes], content: bytes) -> int:
    """Add bytes to the buffer, filled up to a multiple of four; returns their view."""
    content += bytes(-len(content) % 4)
    start = sum(map(len, parts))
    tree["bufferViews"].append({"buffer": 0, "byteOffset": start, "byteLength": len(content)})
    parts.append(content)
    return len(parts) - 1


def pack_glb(tree: dict[str, Any], parts: list[bytes]) -> bytes:
    """Put a tree and the parts of its buffer into one file."""
    buffer = b"".join(parts)
    text = json.dumps(tree | {"buffers": [{"byteLength": len(buffer)}]}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(buffer), len(text), b"JSON")
    return b"".join([head, text, struct.pack("<I4s", len(buffer), b"BIN\0"), buffer])
