"""The test samples that the thesis's pictures are drawn from here, with what each variant predicts of them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.settings import NetworkConfig
from pipeline.face.camera import wrap_angle
from pipeline.pages.mesh_page import mesh_page
from pipeline.photo.photo_files import encode_image
from pipeline.store.arrays import Image
from pipeline.store.shards import read_shard
from pipeline.uv.surface import Surface, load_surface, read_points
from stages.pages import thesis_figures as figures
from stages.project.params import DataParams
from stages.project.paths import LAYOUT, MAIN_RUN, MODEL, predictions_of
from stages.project.predictions import Predictions
from stages.project.results import Results
from stages.project.samples import Truth, locate, read_accepted, read_raw_photo, read_truths, spread
from stages.project.variants import VariantSettings

SPREAD = 4
FRONTAL_DEG = 30.0
# Where among the test photos, ordered by their error, those stand that Figure 4.9 shows: the best, the worst, between.
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
# What samples are chosen by.
ERROR = "thesis_mesh"
Finder = Callable[[Image, NDArray], NDArray[np.float64] | None]


@dataclasses.dataclass(frozen=True)
class Choice:
    """Names of samples that stand for the test part, see `choose`."""

    front: str
    rolled: str
    spread: list[str]
    graded: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Samples that stand for the test part.

    Attributes
    ----------
    surface : Surface
    mean : (V, 3) float64
        Vertices of the face model's mean face, model frame.
    choice : Choice
    truths : dict of str to Truth
        Of all of these.
    photos : dict of str to (H, W, 3) uint8
        Raw photos of all of these.
    found : dict of str to (68, 2) float64 or None
        Landmarks that were found in the photos `front` and `rolled`, raw photo pixels; None where no face was.
    predicted : dict of str to dict of str to (V, 3) float64
        Vertices in raw photo pixels, by variant and sample.
    table : DataFrame
        per_image.csv of the variant that chose them, by the samples' names.
    """

    surface: Surface
    mean: NDArray[np.float64]
    choice: Choice
    truths: dict[str, Truth]
    photos: dict[str, Image]
    found: dict[str, NDArray[np.float64] | None]
    predicted: dict[str, dict[str, NDArray[np.float64]]]
    table: pd.DataFrame

    @property
    def front(self) -> Truth:
        """The sample that most figures show."""
        return self.truths[self.choice.front]


def has_tables(network: NetworkConfig) -> bool:
    """Whether a network is that of Tables 3.1 to 3.3."""
    return network.regresses == "position_map" and not network.lean


def read_examples(
    root: Path, settings: VariantSettings, main: str, data: DataParams, results: dict[str, Results], find: Finder
) -> Examples:
    """Choose the samples by the errors of the variant of `settings`, and read what the pictures need of them.

    `find` takes a photo and its annotated landmarks, which say whose face it is, to the landmarks (68, 2) found in it.
    """
    surface = load_surface(root / MODEL, root / LAYOUT)
    table = results[settings.variant].per_image
    rows = {row["sample_id"]: row for row in read_accepted(root, table["sample_id"])}
    choice = choose(table, {name: float(row["roll"]) for name, row in rows.items()})
    places = locate(root, settings.train.level, [choice.front, choice.rolled, *choice.spread, *choice.graded])
    truths = {sample.sample_id: sample for sample in read_truths(root, places)}
    photos = {name: read_raw_photo(root, data, rows[name]) for name in truths}
    found = {name: find(photos[name], truths[name].landmarks) for name in {choice.front, choice.rolled}}
    predicted = {}
    for variant in results:
        run = MAIN_RUN if variant == main else variant
        with Predictions(root / predictions_of(run)) as predictions:
            predicted[variant] = {name: read_points(*predictions.read(name), surface).vertices for name in truths}
    mean = read_shard(root / MODEL, ["mean"])["mean"][surface.vertices].astype(np.float64)
    return Examples(surface, mean, choice, truths, photos, found, predicted, table.set_index("sample_id"))


def choose(table: pd.DataFrame, roll_rad: dict[str, float]) -> Choice:
    """Choose samples by error, roll and yaw; templates/thesis.html says by what rule.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv.
    roll_rad : dict of str to float
        Annotated roll, not wrapped; near a profile it is not the roll that one sees, so frontal faces go first.

    Returns
    -------
    Choice
        The frontal face with the median error, and the one with the most roll (of all faces, where none is frontal);
        at most `SPREAD` faces, evenly from the least to the largest yaw; those at `QUANTILES` of the error, with the
        quantile, none of them twice.
    """
    ordered = table.sort_values([ERROR, "sample_id"])
    frontal = ordered[ordered["yaw_deg"].abs() <= FRONTAL_DEG]
    frontal = frontal if len(frontal) else ordered
    rolls = pd.Series({name: roll_rad[name] for name in sorted(frontal["sample_id"])})
    wrapped = rolls.map(wrap_angle).abs()
    by_yaw = table.assign(size=table["yaw_deg"].abs()).sort_values(["size", "sample_id"])["sample_id"].tolist()
    graded = {ordered["sample_id"].iloc[round(share * (len(ordered) - 1))]: share for share in QUANTILES}
    return Choice(
        frontal["sample_id"].iloc[len(frontal) // 2],
        str(wrapped.idxmax()),
        list(spread(by_yaw, SPREAD)),
        graded,
    )


def example_meshes(examples: Examples) -> dict[str, NDArray[np.float64]]:
    """Meshes of the frontal example in levelled pixels: the true one, and each variant's."""
    name = examples.choice.front
    raw = {"truth": true_vertices(examples.front, examples.surface)}
    raw |= {variant: vertices[name] for variant, vertices in examples.predicted.items()}
    return {variant: figures.level_mesh(vertices, examples.front) for variant, vertices in raw.items()}


def write_meshes(folder: Path, examples: Examples) -> None:
    """Write a page for each of `example_meshes`, that shows it to be turned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, vertices in example_meshes(examples).items():
        title = f"Mesh of {examples.choice.front}, {'annotated' if name == 'truth' else name}"
        page = mesh_page(title, vertices, examples.surface.triangles, "../index.html#photos")
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def true_vertices(sample: Truth, surface: Surface) -> NDArray[np.float64]:
    """Vertices of a sample's true map, in raw photo pixels."""
    return read_points(sample.position_map, sample.similarity, surface).vertices


def draw_pictures(examples: Examples, settings: VariantSettings, size: int, margin: float) -> dict[str, bytes]:
    """Draw the thesis's pictures, by the numbers of its figures, as PNG or JPEG."""
    surface, front, photos = examples.surface, examples.front, examples.photos
    images = {
        "2.1": figures.position_mapping(front, surface),
        "3.1": figures.side_by_side(
            [figures.truth_pair(photos[name], examples.truths[name], surface) for name in examples.choice.spread], 2
        ),
        "3.6": figures.landmark_numbers(front),
    }
    drawers = {"3.3": (examples.choice.front, figures.detection), "3.4": (examples.choice.rolled, figures.correction)}
    for number, (name, draw) in drawers.items():
        landmarks = examples.found[name]
        if landmarks is not None:
            images[number] = draw(photos[name], landmarks, margin)
    meshes = example_meshes(examples)
    for number, variant in (("4.4", "truth"), ("4.5", "prn"), ("4.6", "final")):
        if variant in meshes:
            images[number] = figures.close_up(meshes[variant], surface, len(front.image))
    pictures = {number: encode_image(image, ".jpg") for number, image in images.items()}
    if has_tables(settings.network):
        pictures["3.5"] = figures.network_diagram(settings.network, size)
    return pictures


def draw_graded(examples: Examples, variant: str) -> list[tuple[bytes, str]]:
    """Draw Figure 4.9's photos with their predicted meshes as JPEG, each with its caption."""
    drawn = []
    for name, share in examples.choice.graded.items():
        sample, row = examples.truths[name], examples.table.loc[name]
        image = figures.mesh_pair(examples.photos[name], examples.predicted[variant][name], examples.surface, sample)
        text = f"{100 * share:g} %: {name}, mesh error {row[ERROR]:.3f} %, yaw {row['yaw_deg']:.0f} degrees"
        drawn.append((encode_image(image, ".jpg"), text))
    return drawn
