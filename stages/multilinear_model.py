"""Stage `multilinear_model`: a face model of identity times expression, by a higher-order SVD of a set of meshes.

The set is a folder of registered meshes, or each of some identities of the training part with each of some of its
expressions: on the demo by the formulas of its own faces, whose expressions go with the face's geometry, on other data
by the linear face model, which has nothing mixed.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from pipeline.demo.face import make_face
from pipeline.demo.meshes import make_meshes
from pipeline.face.face_model import FaceModel, deform, load_model, save_model
from pipeline.face.multilinear import (
    MultilinearModel,
    align_meshes,
    approximate,
    at_vertices,
    linear_about,
    make_multilinear,
    mixed_share,
    save_multilinear,
)
from pipeline.face.multilinear import deform as deform_multilinear
from pipeline.photo.scan_files import read_mesh_set
from pipeline.store.checks import check
from pipeline.store.samples import locate, read_labels
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards
from stages.project.beginning import begin_stage
from stages.project.json_file import write_json
from stages.project.multilinear_params import NONE, MultilinearParams
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import DEMO, LEARN, LINEAR, MODEL, MULTILINEAR, MULTILINEAR_METRICS, subset_folder
from stages.project.samples import read_part, spread, subset_of

# Of identities and of expressions every so many-th is left out, to be measured on, where there are as many.
HELD_OUT = 5
# Vertices, about, that a face is approximated by.
MEASURED = 5000


@click.command()
def main() -> None:
    """Make the model, its linear part as a face model of its own, and what both leave out."""
    with sentences():
        begin_stage("multilinear_model", MULTILINEAR.parent)
        params, data, face = read("multilinear_model", MultilinearParams), read("data", DataParams), load_model(MODEL)
        meshes, names = read_meshes(params, data, face)
        unseen, held_out = part(len(meshes)), part(len(names))
        ranks = (params.identity_rank, params.expression_rank)
        kept = [name for name, out in zip(names, held_out, strict=True) if not out]
        model = make_multilinear(meshes[~unseen][:, ~held_out], ranks, face.triangles, face.landmarks, kept)
        metrics = measure(model, meshes[unseen][:, held_out])
        save_multilinear(MULTILINEAR, model)
        directions = [model.identity_weights.shape[1], model.expression_weights.shape[1]]
        save_model(LINEAR, linear_about(model, *map(np.zeros, directions)))
        write_json(MULTILINEAR_METRICS, metrics)
    held = metrics["held_out_meshes"]
    errors = (
        f"; {held} held-out meshes within {metrics['error_mm']} mm, linear {metrics['linear_error_mm']}" if held else ""
    )
    click.echo(
        f"multilinear_model: {metrics['identities']} identities x {metrics['expressions']} expressions in, "
        f"{directions[0]} x {directions[1]} directions, {metrics['mixed_percent']} % of the variance mixed{errors}"
    )


def part(count: int) -> NDArray[np.bool_]:
    """Which of so many are held out."""
    return np.arange(count) % HELD_OUT == HELD_OUT - 1


def read_meshes(
    params: MultilinearParams, data: DataParams, face: FaceModel
) -> tuple[NDArray[np.float32], Sequence[str]]:
    """Read or make the set: meshes (N, M, V, 3), laid over the mean face, and the names of its expressions."""
    if params.meshes != NONE:
        found = read_mesh_set(Path(params.meshes), len(face.mean))
        return align_meshes(found.vertices, face.mean), found.expressions
    count = face.shape_basis.shape[2]
    coefficients = read_coefficients()
    shape = some(coefficients[:, :count], params.identities)
    expression = some(coefficients[:, count:], params.expressions)
    if Path(data.root) == DEMO:
        meshes = make_meshes(make_face(), shape, expression)
    else:
        meshes = np.zeros((len(shape), len(expression), *face.mean.shape), np.float32)
        for row, identity in zip(meshes, shape, strict=True):
            row[:] = deform(face, np.column_stack([np.tile(identity, (len(expression), 1)), expression]))
    return meshes, [f"expression{number:03d}" for number in range(len(expression))]


def read_coefficients() -> NDArray[np.float64]:
    """Coefficients (K, S + E) of the training part."""
    names = read_part(Path(), "train")
    folders = [subset_folder("meshes", LEARN, subset) for subset in sorted(set(map(subset_of, names)))]
    samples = locate((shard for folder in folders for shard in list_shards(folder)), names)
    check(bool(samples), "The training part has no meshes: no coefficients can be taken from it.")
    found = np.concatenate([labels["coefficients"] for labels in read_labels(samples, ["coefficients"])])
    return found.astype(np.float64)


def some(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """At most `count` different rows, evenly spaced: copies of a photo have the same identity."""
    first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    return rows[np.array(spread(list(first), count))]


def measure(model: MultilinearModel, held_out: NDArray[np.float32]) -> dict[str, int | float | list[float] | None]:
    """What the model keeps of its set, and how near it comes to meshes of other identities and expressions.

    Errors are mean distances of vertices in millimetres, of the nearest face by the same number of weights, with the
    mixed part and without it.
    """
    metrics: dict[str, int | float | list[float] | None] = {
        "identities": len(model.identity_weights),
        "expressions": len(model.expression_weights),
        "mixed_percent": round(100 * mixed_share(model), 3),
    }
    for mode, weights, variances in (
        ("identity", model.identity_weights, model.identity_variances),
        ("expression", model.expression_weights, model.expression_variances),
    ):
        shares = np.cumsum(variances) / max(variances.sum(), 1e-30)
        metrics[f"{mode}_explained_percent"] = [round(float(100 * each), 3) for each in shares[: weights.shape[1]]]
    step = max(1, len(model.core) // MEASURED)
    small = at_vertices(model, lambda values: values[::step])
    errors = np.array([errors_of(small, mesh[::step]) for row in held_out for mesh in row]).reshape(-1, 2)
    means = [round(float(mean), 4) for mean in errors.mean(axis=0)] if len(errors) else [None, None]
    return metrics | {"held_out_meshes": len(errors), "error_mm": means[0], "linear_error_mm": means[1]}


def errors_of(model: MultilinearModel, mesh: NDArray[np.float32]) -> list[float]:
    """Mean distances in mm of a mesh's vertices from the model's nearest face, and from that of its linear part."""
    count = model.core.shape[2] - 1
    weights, linear = approximate(model, mesh), approximate(model, mesh, 1)
    flat = linear_about(model, np.zeros(count), np.zeros(len(weights) - count))
    nearest = (deform_multilinear(model, weights[:count], weights[count:]), deform(flat, linear[None])[0])
    return [float(np.linalg.norm(found - mesh, axis=1).mean() / 1000) for found in nearest]


if __name__ == "__main__":
    main()
