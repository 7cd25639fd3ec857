"""Stage `thesis`: the thesis's tables and figures beside ours, as metrics/thesis.json and reports/index.html."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from model.layer_table import Row, layer_tables
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from pipeline.uv.scaling import Scaling
from stages.pages.by_crop import compare_crops
from stages.pages.comparison import Comparison, compare_variants
from stages.pages.costs import Cost, measure_methods, measure_networks
from stages.pages.methods import describe_survey, read_foreign, read_run, read_survey
from stages.pages.occlusion import read_occlusion
from stages.pages.provenance import read_provenance
from stages.pages.thesis_page import Findings, thesis_page
from stages.pages.thesis_reference import read_reference
from stages.pages.thesis_samples import draw_graded, draw_pictures, has_tables, read_examples, write_meshes
from stages.photo.applications import draw_applications
from stages.photo.landmark_finders import open_finder
from stages.project.beginning import begin_stage
from stages.project.json_file import write_json
from stages.project.occlusion import BY_SHARE
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import (
    FOREIGN,
    LANDMARK_MAP,
    LAYOUT,
    MAIN_RUN,
    MODEL,
    PARTS,
    SETTINGS,
    SPLIT,
    THESIS_MESHES,
    THESIS_METRICS,
    THESIS_PAGE,
    occlusion_of,
    predictions_of,
    scores_of,
)
from stages.project.result_params import EvaluateParams, OcclusionParams
from stages.project.results import METRICS, read_results, result_files
from stages.project.survey_params import ANNOTATED, SurveyParams
from stages.project.variants import ThesisParams, VariantSettings, settings_of
from stages.survey import open_landmarks

# The variant that is the thesis's own model.
THESIS_MODEL = "final"
# What section 4.2 of the thesis names, by our names.
TRAINING = ("batch_size", "lr", "halve_every", "patience")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What the page is about: the main run's variant, all variants, and the data.

    `settings` and `layers` are of the thesis's model, or of the main run where that model is not among them. `starts`
    has the folder in runs/ whose weights each variant starts from, the main run's first. `costs` are those of variants
    and of the survey's methods, where they were measured. `volumes` has the variants that regress volumes, which stand
    beside the survey's methods and in nothing else, each with how many seeds it was trained from; `occluded` the runs
    that have seen covered faces.
    """

    main: str
    settings: VariantSettings
    layers: dict[str, list[Row]]
    starts: dict[str, str]
    data: DataParams
    margin: float
    survey: SurveyParams = dataclasses.field(default_factory=lambda: SurveyParams({}))
    costs: Mapping[str, Cost] = dataclasses.field(default_factory=dict)
    volumes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    occluded: Sequence[str] = ()


def thesis(root: Path, setup: Setup, params: EvaluateParams) -> Comparison:
    """Compare the variants with each other and with the thesis, for the project at `root`.

    Writes metrics/thesis.json in percent, the page reports/index.html, and to reports/meshes/ one mesh of each variant
    that the page shows to be turned.
    """
    settings, data = setup.settings, setup.data
    results = {name: read_results(root, name, main=name == setup.main) for name in setup.starts}
    reference = read_reference()
    comparison = compare_variants(results, settings.variant, reference.claims, reference.gains, params, setup.starts)
    by_crop = compare_crops(results, reference.claims, params)
    write_json(root / THESIS_METRICS, comparison.as_metrics() | by_crop.as_metrics())
    find = open_finder("facemesh", root / LANDMARK_MAP)
    examples = read_examples(root, settings, setup.main, data, results, find)
    write_meshes(root / THESIS_MESHES, examples)
    passes = results[settings.variant].passes
    foreign, left_out = read_foreign(root / FOREIGN, results[setup.main].per_image)
    survey, not_run = read_survey(root, setup.survey)
    left_out = not_run + left_out
    for reason in left_out:
        click.echo(f"thesis: left out: {reason}")
    findings = Findings(
        provenance=read_provenance(root, data.root, data.size, settings.network.width, passes),
        variant=settings.variant,
        results=results,
        comparison=comparison,
        by_crop=by_crop,
        reference=reference,
        layers=setup.layers,
        pictures=draw_pictures(examples, settings, data.size, setup.margin)
        | draw_applications(examples, settings.variant),
        graded=draw_graded(examples, settings.variant),
        choice=examples.choice,
        volumes={name: (read_run(root, name), seeds) for name, seeds in setup.volumes.items()},
        survey=survey,
        survey_texts=describe_survey(setup.survey),
        survey_bounds={name for name, each in setup.survey.methods.items() if each.landmarks == ANNOTATED},
        foreign=foreign,
        left_out=[f"{system}: {reason}" for system, reason in setup.survey.absent.items()] + left_out,
        costs=setup.costs,
        training={name: getattr(settings.train, name) for name in TRAINING},
        occlusion=read_occlusion(root, setup.occluded, setup.main),
    )
    (root / THESIS_PAGE).write_text(thesis_page(findings), encoding="utf-8")
    return comparison


@click.command()
def main() -> None:
    """Compare the variants with each other and with the thesis."""
    with sentences():
        begin_stage("thesis", THESIS_METRICS, THESIS_PAGE, THESIS_MESHES)
        others, occluded = read("thesis", ThesisParams).variants, [MAIN_RUN, *read("occlusion", OcclusionParams).runs]
        check_inputs(list(others), occluded)
        settings, data = settings_of(MAIN_RUN), read("data", DataParams)
        main_variant = settings.variant
        starts = {main_variant: settings.train.init} | {name: source.init for name, source in others.items()}
        if THESIS_MODEL in others and main_variant != THESIS_MODEL:
            settings = settings_of(THESIS_MODEL)
        surveyed = read("survey", SurveyParams)
        # Before anything else computes: what was started on all cores stays there.
        runs = {name: settings_of(MAIN_RUN if name == main_variant else name) for name in starts}
        # Volumes have no points that could be compared with the others': their variants are rows of the survey alone.
        volumes = {name: len(run.train.seeds) for name, run in runs.items() if run.network.regresses == "volume"}
        starts = {name: start for name, start in starts.items() if name not in volumes}
        costs = measure_networks(Path(), runs) | measure_methods(Path(), surveyed.methods, open_landmarks, data)
        layers = network_layers(settings, data.size)
        margin = read("crop", CropParams).margin
        setup = Setup(main_variant, settings, layers, starts, data, margin, surveyed, costs, volumes, occluded)
        comparison = thesis(Path(), setup, read("evaluate", EvaluateParams))
    errors = {name: summary.over_seeds["thesis_mesh"].mean for name, summary in comparison.variants.items()}
    means = ", ".join(f"{name} {mean} %" for name, mean in errors.items())
    click.echo(f"thesis: mesh error {means}; reports/index.html")


def check_inputs(variants: Sequence[str], occluded: Sequence[str]) -> None:
    """Refuse a project that lacks what other stages make, and tell all of it at once.

    Parameters
    ----------
    variants : sequence of str
        Beside the main run.
    occluded : sequence of str
        Runs that have seen covered faces.

    Raises
    ------
    ValueError
        With all stages that have to run, each with the first file that it lacks.
    """
    needed: dict[str, list[Path]] = {
        "face_model": [MODEL],
        "uv_embedding": [LAYOUT],
        "landmark_map": [LANDMARK_MAP],
        "split": [SPLIT / f"{part}.csv" for part in PARTS],
    }
    files = {run: SETTINGS / f"{run}.json" for run in (MAIN_RUN, *variants)}
    known = {run: settings_of(run) for run, path in files.items() if path.is_file()}
    if MAIN_RUN in known:
        files.pop(known[MAIN_RUN].variant, None)  # the main run is that variant
    needed["settings"] = list(files.values())
    for run in files:
        at = "" if run == MAIN_RUN else f"@{run}"
        if run in known and known[run].network.regresses == "volume":
            # The scores of its surface are all that is shown.
            needed[f"evaluate{at}"] = [scores_of(run) / METRICS]
        else:
            needed[f"predict{at}"] = [predictions_of(run)]
            needed[f"evaluate{at}"] = result_files(Path(), run)
    needed |= {f"occlusion@{run}".removesuffix(f"@{MAIN_RUN}"): [occlusion_of(run) / BY_SHARE] for run in occluded}
    absent = {stage: [path for path in paths if not path.is_file()] for stage, paths in needed.items()}
    told = [
        f"{stage} ({paths[0]}{f' and {len(paths) - 1} more' if paths[1:] else ''})"
        for stage, paths in absent.items()
        if paths
    ]
    check(not told, f"Results of other stages are missing, `make thesis` makes all: {', '.join(told)}.")


def network_layers(settings: VariantSettings, size: int) -> dict[str, list[Row]]:
    """Read Tables 3.1 to 3.3 from a network; empty where it is not the tables'."""
    if not has_tables(settings.network):
        return {}
    from model.backend import prepare_keras

    prepare_keras()
    return layer_tables(size, settings.network, Scaling(settings.train.scaling, size))


if __name__ == "__main__":
    main()
