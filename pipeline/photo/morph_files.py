"""GLB with morph targets: a face whose expressions other programs move, by themselves or as a video has them.

trimesh writes the mesh, as it does every other GLB here; what it knows nothing of, morph targets and animations, is
added to its tree before that is written, by the hooks that it has for this.

References
----------
Khronos, "glTF 2.0 Specification", 2021, sections 3.7.2.2 (morph targets) and 3.11 (animations).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from trimesh.exchange.gltf import export_glb

# glTF's numbers for a kind of value, and for what a view of the buffer is used as.
FLOAT = 5126
VERTEX_DATA, INDICES = 34962, 34963
SIDES = {"_L": "Left", "_R": "Right"}


@dataclasses.dataclass(frozen=True, eq=False)
class Animation:
    """A face's movement: at T times its M weights, and the place ``scale * rotation @ vertex + translation``.

    Attributes
    ----------
    times : (T,) float
        Seconds, from 0 on, each later than the one before.
    weights : (T, M) float
        Of the morph targets.
    rotations : (T, 3, 3) float
        In the mesh's frame, with determinant 1.
    translations : (T, 3) float
        In the mesh's unit.
    scales : (T,) float
    """

    times: NDArray
    weights: NDArray
    rotations: NDArray
    translations: NDArray
    scales: NDArray


def arkit_name(name: str) -> str:
    """Name that ARKit gives an expression of ICT-FaceKit: ``eyeBlink_L`` is ``eyeBlinkLeft``; others stay.

    Where ARKit has one shape, ICT-FaceKit may have its halves: ``browInnerUp_L`` becomes ``browInnerUpLeft``.
    """
    return name[:-2] + SIDES[name[-2:]] if name[-2:] in SIDES else name


def morph_glb(
    mesh: trimesh.Trimesh,
    displacements: NDArray,
    names: Sequence[str],
    weights: NDArray | None = None,
    animation: Animation | None = None,
) -> bytes:
    """Make a GLB of a mesh with morph targets and no skin; the same input has the same bytes.

    Parameters
    ----------
    mesh : trimesh.Trimesh
        With V vertices and all weights 0, as `mesh_files.to_trimesh`, `textured` or `coloured` make it. With an
        `animation` its vertices may be in the model frame, which has y up too: then the annotations' poses are places.
    displacements : (M, V, 3) float
        What each target adds to the vertices at weight 1, in the mesh's frame: of a displacement in pixels the sign of
        y turns.
    names : sequence of M str
        Of the targets; they go into ``extras.targetNames``, where Blender and three.js look, by `arkit_name`.
    weights : (M,) float, optional
        That the mesh is shown with; 0 by default.
    animation : Animation, optional

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If numbers of vertices, targets, names, weights or times differ, names are the same, times do not grow from 0
        on, or values are not finite.
    """
    displacements = np.asarray(displacements, np.float32)
    names = [arkit_name(name) for name in names]
    weights = np.zeros(len(names)) if weights is None else np.asarray(weights, np.float64)
    _check("displacements", displacements, (len(names), len(mesh.vertices), 3))
    _check("weights", weights, (len(names),))
    if not names or len(set(names)) != len(names):
        raise ValueError(f"Morph targets need names, each its own: {', '.join(names) or 'there is none'}.")
    if animation is not None:
        _check_animation(animation, len(names))

    def add(views: dict, tree: dict) -> None:
        targets = [{"POSITION": _append(views, tree, "VEC3", target)} for target in displacements]
        (shape,) = tree["meshes"]
        shape["primitives"][0]["targets"] = targets
        shape["weights"] = weights.tolist()
        shape["extras"] = {"targetNames": names}
        if animation is not None:
            tree["animations"] = [_animation(views, tree, animation)]

    return export_glb(mesh.scene(), include_normals=True, buffer_postprocessor=add, tree_postprocessor=_say_uses)


def _check(what: str, values: NDArray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f"The {what} have the shape {values.shape}; expected {shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"The {what} are not finite.")


def _check_animation(animation: Animation, targets: int) -> None:
    count = len(animation.times)
    for field, shape in (
        ("times", ()),
        ("weights", (targets,)),
        ("rotations", (3, 3)),
        ("translations", (3,)),
        ("scales", ()),
    ):
        _check(f"{field} of the animation", np.asarray(getattr(animation, field)), (count, *shape))
    times = np.asarray(animation.times, np.float32)
    if not count or times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError("The times of the animation must grow from 0 on.")


def _append(views: dict, tree: dict, kind: str, values: NDArray) -> int:
    """Store floats as a view of their own; returns the accessor, which says their number and range."""
    values = np.ascontiguousarray(values, "<f4")
    rows = values.reshape(len(values), -1)
    number = len(tree["accessors"])
    views["morph", number] = values.tobytes()
    tree["accessors"]["morph", number] = {
        "bufferView": len(views) - 1,
        "byteOffset": 0,
        "componentType": FLOAT,
        "type": kind,
        "count": len(values),
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
    }
    return number


def _say_uses(tree: dict) -> None:
    """Mark the views that go to the graphics card, as the validator of glTF wishes."""
    (primitive,) = tree["meshes"][0]["primitives"]
    attributes = [primitive["attributes"], *primitive["targets"]]
    uses = {primitive["indices"]: INDICES} | {number: VERTEX_DATA for each in attributes for number in each.values()}
    for number, use in uses.items():
        tree["bufferViews"][tree["accessors"][number]["bufferView"]]["target"] = use


def _animation(views: dict, tree: dict, animation: Animation) -> dict:
    """Weights and place of the node that has the mesh, by linear interpolation between the times."""
    (node,) = (number for number, node in enumerate(tree["nodes"]) if "mesh" in node)
    # A node that is moved has no matrix of its own.
    tree["nodes"][node].pop("matrix", None)
    time = _append(views, tree, "SCALAR", animation.times)
    scales = np.repeat(np.asarray(animation.scales)[:, None], 3, axis=1)
    paths = {
        "weights": _append(views, tree, "SCALAR", np.asarray(animation.weights).ravel()),
        "rotation": _append(views, tree, "VEC4", _quaternions(animation.rotations)),
        "translation": _append(views, tree, "VEC3", animation.translations),
        "scale": _append(views, tree, "VEC3", scales),
    }
    return {
        "name": "video",
        "samplers": [{"input": time, "output": output, "interpolation": "LINEAR"} for output in paths.values()],
        "channels": [{"sampler": number, "target": {"node": node, "path": path}} for number, path in enumerate(paths)],
    }


def _quaternions(rotations: NDArray) -> NDArray[np.float64]:
    """Unit quaternions (T, 4) as x, y, z, w, of the two signs the one that is nearer to the one before."""
    quaternions = Rotation.from_matrix(rotations).as_quat()
    agreement = (quaternions[1:] * quaternions[:-1]).sum(axis=1)
    return quaternions * np.cumprod(np.concatenate([[1.0], np.where(agreement < 0, -1.0, 1.0)]))[:, None]
