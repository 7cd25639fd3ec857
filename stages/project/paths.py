"""Where everything lies, from the project's root: one name for each place that a stage writes and another reads."""

from pathlib import Path

from pipeline.store.checkout import BUNDLE

# Texts that other stages depend on instead of on code and params.yaml: see `stages.code` and `stages.settings`.
CODE = Path("data/code")
SETTINGS = Path("data/settings")
# What of the thesis's scale does not hold for params.yaml, a line each, see `stages.project.overrides`.
OTHER_SCALE = SETTINGS / "other_scale.txt"

DEMO = Path("data/demo")
MODEL = Path("data/face_model/model.h5")
LAYOUT = Path("data/uv_embedding/uv.h5")
LANDMARK_MAP = Path("data/landmark_map/map.h5")
PRIOR = Path("data/coefficient_prior/prior.h5")
# Identity times expression; what is linear of it, as a face model; what both leave out.
MULTILINEAR = Path("data/multilinear_model/model.h5")
LINEAR = MULTILINEAR.with_name("linear.h5")
MULTILINEAR_METRICS = MULTILINEAR.with_name("metrics.json")
SPLIT = Path("data/split")
FOUND = Path("data/found")
# Pairs, as published, of turned copies: a folder for each subset that they are copies of.
PROFILED = Path("data/profiled")
AUGMENTED = Path("data/augmented")
# What the prepared set is; Croissant names files from where it lies, so that both lie above all shards.
DATA_CARD, CROISSANT = Path("data/data_card.md"), Path("data/croissant.json")
VALIDATION = Path("data/validation")
RUNS = Path("runs")
# The systems that the thesis surveys, a folder each as a run has one.
SURVEY = RUNS / "survey"

EVALUATION = Path("metrics/evaluation.json")
SOURCES_METRICS = Path("metrics/sources.json")
EXPORT_METRICS = Path("metrics/export.json")
DATA_METRICS = Path("metrics/data.json")
DATA_COUNTS = Path("reports/data.json")
LANDMARK_MAP_METRICS = Path("metrics/landmark_map.json")
UV_METRICS = Path("metrics/uv_embedding.json")
UV_PICTURE = Path("reports/uv_embedding.png")
THESIS_METRICS = Path("metrics/thesis.json")
# Metrics of other methods, as `python -m stages.score` writes them.
FOREIGN = Path("metrics/foreign")
MAIN_PAGE, THESIS_PAGE = Path("reports/main.html"), Path("reports/index.html")
DATA_PAGE, MODEL_PAGE = Path("reports/data.html"), Path("reports/model.html")
CONTACT_SHEET, THESIS_MESHES = Path("reports/contact_sheet.png"), Path("reports/meshes")

# The stages that every subset passes, in their order; the last two make a folder for each level.
SUBSET_STAGES = ("index", "meshes", "aligned", "position_maps")
LEVELLED_STAGES = ("aligned", "position_maps")
# What a subset is for. The folders are apart so that a subset to test on makes nothing stale that is learnt from.
LEARN, TEST = "learn", "test"
PARTS = ("train", "validation", "test")

# Folder in runs/ of what the root's dvc.yaml trains, whichever variant that is: so `dvc metrics diff` and `dvc plots
# diff` compare two experiments by the same files, and no other variant shares an output with it.
MAIN_RUN = "main"

# What `export` writes of the main run, a bundle among it, and the page that says what that is.
EXPORTED = BUNDLE.parent
MODEL_CARD = RUNS / MAIN_RUN / "model_card.md"


def subset_folder(stage: str, use: str, subset: str, level: str | None = None) -> Path:
    """Folder of a subset's shards, as one of `SUBSET_STAGES` makes them; of one level where the stage has levels."""
    folder = Path("data") / stage / use / subset
    return folder / level if level else folder


def weights_of(run: str) -> Path:
    """Weights of a run, by its folder's name."""
    return RUNS / run / "model.weights.h5"


def seed_weights_of(run: str, seed: int) -> Path:
    """Weights that a run has from one of its seeds; those of the best are the run's."""
    return RUNS / run / "seeds" / f"{seed}.weights.h5"


def predictions_of(run: str) -> Path:
    """Predicted maps of a run's test part."""
    return RUNS / run / "predictions.h5"


def found_predictions_of(run: str, source: str) -> Path:
    """Predicted maps of a run's test part, cropped by landmarks that a source found."""
    return RUNS / run / "found" / f"{source}.h5"


def scores_of(run: str) -> Path:
    """Folder of the tables that `evaluate` writes of a run."""
    return RUNS / run / "scores"


def survey_scores_of(method: str) -> Path:
    """Folder of the tables that `survey` writes of a method."""
    return SURVEY / method / "scores"


def occlusion_of(run: str) -> Path:
    """Folder of a run's errors on photos with something before the face."""
    return RUNS / run / "occlusion"
