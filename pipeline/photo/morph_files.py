"""GLB with morph targets: a face whose expressions other programs move, by themselves or as a video has them.

They are added to the tree of a plain GLB before that is packed.

References
----------
Khronos, "glTF 2.0 Specification", 2021, sections 3.7.2.2 (morph targets) and 3.11 (animations).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .mesh_files import VERTEX_DATA, Mesh, append, pack_glb, start_glb

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
    mesh: Mesh,
    displacements: NDArray,
    names: Sequence[str],
    weights: NDArray | None = None,
    animation: Animation | None = None,
) -> bytes:
    """Make a GLB of a mesh with morph targets and no skin; the same input has the same bytes.

    Parameters
    ----------
    mesh : Mesh
        With V vertices and all weights 0. With an `animation` its vertices may be in the model frame, which has y up
        too: then the annotations' poses are places.
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

    tree, parts = start_glb(mesh)
    (shape,) = tree["meshes"]
    targets = [{"POSITION": append(tree, parts, target, VERTEX_DATA)} for target in displacements]
    shape["primitives"][0]["targets"] = targets
    shape |= {"weights": weights.tolist(), "extras": {"targetNames": names}}
    if animation is not None:
        tree["animations"] = [_animation(tree, parts, animation)]
    return pack_glb(tree, parts)


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


def _animation(tree: dict[str, Any], parts: list[bytes], animation: Animation) -> dict[str, Any]:
    """Weights and place of the node that has the mesh, by linear interpolation between the times."""
    time = append(tree, parts, animation.times[:, None])
    outputs = {
        "weights": animation.weights.reshape(-1, 1),
        "rotation": _quaternions(animation.rotations),
        "translation": animation.translations,
        "scale": np.repeat(animation.scales[:, None], 3, axis=1),
    }
    paths = {path: append(tree, parts, values) for path, values in outputs.items()}
    return {
        "name": "video",
        "samplers": [{"input": time, "output": output, "interpolation": "LINEAR"} for output in paths.values()],
        "channels": [{"sampler": number, "target": {"node": 0, "path": path}} for number, path in enumerate(paths)],
    }


def _quaternions(rotations: NDArray) -> NDArray[np.float64]:
    """Unit quaternions (T, 4) as x, y, z, w, of the two signs the one that is nearer to the one before."""
    from scipy.spatial.transform import Rotation  # videos alone have turns

    quaternions = Rotation.from_matrix(rotations).as_quat()
    agreement = (quaternions[1:] * quaternions[:-1]).sum(axis=1)
    return quaternions * np.cumprod(np.concatenate([[1.0], np.where(agreement < 0, -1.0, 1.0)]))[:, None]
