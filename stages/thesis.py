"""Stage `thesis`: every table and figure of the thesis beside ours, as metrics/thesis.json and reports/index.html."""

import dataclasses
import json
from pathlib import Path

import click
import numpy as np
import pandas as pd
import scipy.stats
from ruamel.yaml import YAML

from model.layer_table import Row, layer_tables
from model.scaling import Scaling
from model.scores import statistics
from pipeline.photo.mesh_files import to_trimesh, viewer_page
from stages.pages import html as parts
from stages.pages import thesis_sections as thesis_page
from stages.pages.thesis_samples import draw_pictures, example_meshes, read_examples
from stages.project.params import CropParams, DataParams, check, read, sentences
from stages.project.result_params import EvaluateParams
from stages.project.results import Results, count_parts, read_results
from stages.project.variants import ThesisParams, VariantSettings, read_variant

REFERENCE = Path(__file__).parent / "pages/thesis_reference.yaml"
FOREIGN = Path("metrics/foreign")
ROUNDED = 3
# A rise of the validation loss above its best so far that counts as one of section 4.7's abrupt changes, in percent.
JUMP_PERCENT = 10.0


@dataclasses.dataclass(frozen=True)
class Setup:
    """What the page is about: the main variant's settings, its network's layers, the other variants, the data."""

    settings: VariantSettings
    layers: dict[str, list[Row]]
    others: list[str]
    data: DataParams
    margin: float


def thesis(root: Path, setup: Setup, params: EvaluateParams) -> dict:
    """Compare the main variant with the others and all of them with the thesis, for the project at `root`.

    Parameters
    ----------
    root : Path
        The project's root.
    setup : Setup
    params : EvaluateParams

    Returns
    -------
    dict
        What metrics/thesis.json holds, in percent. The page is reports/index.html, and reports/meshes/ has one mesh of
        each variant that it shows to be turned.
    """
    main, reference = setup.settings.variant, read_reference()
    names = [main, *(name for name in setup.others if name != main)]
    results = {name: read_results(root, name, main=name == main) for name in names}
    metrics: dict = {name: summarise(result) for name, result in results.items()}
    metrics["rank_correlation"] = rank_correlation(results[main].per_image, params)
    metrics["claims"] = {
        claim["name"]: compare(results[claim["variant"]], results[claim["against"]], claim["metric"], params)
        for claim in reference["claims"]
        if {claim["variant"], claim["against"]} <= set(results)
    }
    write_json(root / "metrics/thesis.json", metrics)
    folder = root / "reports/meshes"
    folder.mkdir(parents=True, exist_ok=True)
    examples = read_examples(root, setup.settings, setup.data, results)
    for name, vertices in example_meshes(examples).items():
        mesh = to_trimesh(vertices, examples.surface.triangles)
        (folder / f"{name}.html").write_text(viewer_page(mesh), encoding="utf-8")
    pictures = draw_pictures(examples, setup.settings, setup.data.size, setup.margin)
    epochs = len(results[main].history)
    notice = parts.provenance(setup.data.root, setup.data.size, setup.settings.network.width, count_parts(root), epochs)
    label = parts.scale_label(setup.data.root, setup.data.size, setup.settings.network.width)
    foreign = read_foreign(root / FOREIGN)
    content = thesis_page.Content(label, results, metrics, reference, setup.layers, pictures, foreign, training(setup))
    page = parts.page("The thesis and ours", [notice, *thesis_page.sections(content)])
    (root / "reports/index.html").write_text(page, encoding="utf-8")
    return metrics


def read_reference(path: Path = REFERENCE) -> dict:
    """Read the thesis's numbers, claims, contradictions and tables."""
    return YAML(typ="safe").load(path)


def training(setup: Setup) -> dict[str, float]:
    """Our hyperparameters of section 4.2, by the names that the reference has."""
    train = setup.settings.train
    return {name: getattr(train, name) for name in ("batch_size", "lr", "halve_every", "patience")}


def summarise(result: Results) -> dict[str, float]:
    """The errors that the thesis has of a variant, and how abruptly its loss rose.

    `jumps` counts epochs of all seeds whose validation loss is more than `JUMP_PERCENT` above the best before it in the
    same run, and `worst_rise` is the largest such rise in percent, 0 where the loss only fell.
    """
    rises = np.concatenate([loss_rises(run) for _, run in result.seeds.groupby("seed")] or [np.zeros(0)])
    row = {"thesis_68": result.mean("thesis_68"), "thesis_mesh": result.mean("thesis_mesh")}
    row |= {"smooth_15deg": result.mean("smooth_prediction"), "worst_rise": float(rises.max(initial=0.0))}
    return {"jumps": int((rises > JUMP_PERCENT).sum())} | {name: round(value, ROUNDED) for name, value in row.items()}


def loss_rises(run: pd.DataFrame) -> np.ndarray:
    """Rise of the validation loss above its best so far, in percent, at each epoch of a seed's phases but the first.

    Other phases have other losses, so each starts anew.
    """
    rises = [
        100 * (losses[1:] / np.minimum.accumulate(losses)[:-1] - 1)
        for losses in (phase["val_loss"].to_numpy(np.float64) for _, phase in run.groupby("phase"))
    ]
    return np.concatenate(rises)


def rank_correlation(table: pd.DataFrame, params: EvaluateParams) -> dict[str, float]:
    """Spearman's rank correlation of the errors of the 68 landmarks and of the mesh, with its bootstrap interval.

    Empty for fewer than 3 images or equal errors, which have no ranks to compare.
    """
    errors = (table["thesis_68"].to_numpy(), table["thesis_mesh"].to_numpy())
    if len(table) < 3 or min(np.ptp(values) for values in errors) == 0:
        return {}
    rng = np.random.default_rng(params.seed)
    draws = rng.integers(len(table), size=(params.bootstrap, len(table)))
    ranks = [scipy.stats.rankdata(values[draws], axis=1) for values in errors]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    drawn = ((centred[0] * centred[1]).sum(axis=1)[size > 0]) / size[size > 0]
    low, high = np.percentile(drawn, [2.5, 97.5])
    mean = float(scipy.stats.spearmanr(*errors).statistic)
    return {name: round(float(value), ROUNDED) for name, value in (("rho", mean), ("low", low), ("high", high))}


def compare(ours: Results, other: Results, metric: str, params: EvaluateParams) -> dict[str, float]:
    """Difference ``ours - other`` of a mean error with its 95 % interval, and by how many percent ours is lower.

    The error of `smooth_15deg` is the share of adjacent triangles that are *not* at an angle under 15 degrees, so that
    less is better in every metric.
    """
    column = thesis_page.COLUMNS[metric][0]
    pairs = ours.per_image.merge(other.per_image, on="sample_id", suffixes=("", "_other"))
    check(
        len(pairs) == len(ours.per_image) == len(other.per_image),
        f"{ours.variant} and {other.variant} were not evaluated on the same images: evaluate both again.",
    )
    first, second = (pairs[name].to_numpy(np.float64) for name in (column, f"{column}_other"))
    if metric == "smooth_15deg":
        first, second = 100 - first, 100 - second
    interval = statistics.paired_interval(first, second, params.bootstrap, params.seed)
    # Of no error at all there is nothing to be lower by.
    lower_by = -100.0 * interval.mean / float(second.mean()) if second.any() else 0.0
    values = {"difference": interval.mean, "low": interval.low, "high": interval.high, "lower_by": lower_by}
    return {name: round(value, ROUNDED) for name, value in values.items()}


def read_foreign(folder: Path) -> dict[str, dict]:
    """Metrics of other methods, as `python -m stages.score` writes them, by the names of the files."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def write_json(path: Path, metrics: dict) -> None:
    """Write a metrics file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


@click.command()
def main() -> None:
    """Compare the variants with each other and with the thesis."""
    with sentences():
        settings, data = read_variant(None), read("data", DataParams)
        layers = network_layers(settings, data.size)
        others = list(read("thesis", ThesisParams).variants)
        setup = Setup(settings, layers, others, data, read("crop", CropParams).margin)
        metrics = thesis(Path(), setup, read("evaluate", EvaluateParams))
    compared = [name for name in (settings.variant, *others) if name in metrics]
    means = ", ".join(f"{name} {metrics[name]['thesis_mesh']} %" for name in dict.fromkeys(compared))
    click.echo(f"thesis: mesh error {means}; reports/index.html")


def network_layers(settings: VariantSettings, size: int) -> dict[str, list[Row]]:
    """Read Tables 3.1 to 3.3 from the main variant's network; empty where it does not regress position maps."""
    if settings.network.regresses != "position_map":
        return {}
    from model.backend import prepare_keras

    prepare_keras()
    return layer_tables(size, settings.network, Scaling(settings.train.scaling, size))


if __name__ == "__main__":
    main()
