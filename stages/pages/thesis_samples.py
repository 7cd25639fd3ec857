"""The test samples that the thesis's pictures are drawn from here, with what each variant predicts of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.settings import NetworkConfig
from pipeline.face.camera import wrap_angle
from pipeline.photo.mesh_files import to_mesh
from pipeline.photo.mesh_viewer import viewer_page
from pipeline.photo.photo_files import encode_image
from pipeline.store.arrays import Image
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


@dataclasses.dataclass(frozen=True)
class Examples:
    """Samples that stand for the test part.

    Attributes
    ----------
    surface : Surface
    front : Truth
        Of the frontal faces the one with the median error, which most figures show.
    rolled : Truth
        The frontal face with the largest roll in the photo.
    spread : list of Truth
        Faces from the least to the largest yaw.
    photos : dict of str to (H, W, 3) uint8
        Raw photos of all of these.
    predicted : dict of str to dict of str to (V, 3) float64
        Vertices in raw photo pixels, by variant and sample.
    """

    surface: Surface
    front: Truth
    rolled: Truth
    spread: list[Truth]
    photos: dict[str, Image]
    predicted: dict[str, dict[str, NDArray[np.float64]]]


def has_tables(network: NetworkConfig) -> bool:
    """Whether a network is that of Tables 3.1 to 3.3."""
    return network.regresses == "position_map" and not network.lean


def read_examples(
    root: Path, settings: VariantSettings, main: str, data: DataParams, results: dict[str, Results]
) -> Examples:
    """Choose the samples by the errors of the variant of `settings`, and read what the pictures need of them."""
    surface = load_surface(root / MODEL, root / LAYOUT)
    table = results[settings.variant].per_image
    rows = {row["sample_id"]: row for row in read_accepted(root, table["sample_id"])}
    front, rolled, spread = choose(table, {name: float(row["roll"]) for name, row in rows.items()})
    places = locate(root, settings.train.level, [front, rolled, *spread])
    truths = {sample.sample_id: sample for sample in read_truths(root, places)}
    photos = {name: read_raw_photo(root, data, rows[name]) for name in truths}
    predicted = {}
    for variant in results:
        run = MAIN_RUN if variant == main else variant
        with Predictions(root / predictions_of(run)) as predictions:
            predicted[variant] = {name: read_points(*predictions.read(name), surface).vertices for name in truths}
    return Examples(surface, truths[front], truths[rolled], [truths[name] for name in spread], photos, predicted)


def choose(table: pd.DataFrame, roll_rad: dict[str, float]) -> tuple[str, str, list[str]]:
    """Choose samples by error, roll and yaw.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv.
    roll_rad : dict of str to float
        Annotated roll, not wrapped; near a profile it is not the roll that one sees, so frontal faces go first.

    Returns
    -------
    front, rolled : str
        The frontal face with the median error, and the one with the most roll (of all faces, where none is frontal).
    spread : list of str
        At most `SPREAD` faces, evenly from the least to the largest yaw.
    """
    frontal = table[table["yaw_deg"].abs() <= FRONTAL_DEG]
    by_error = (frontal if len(frontal) else table).sort_values(["nme68_2d", "sample_id"])
    rolls = pd.Series({name: roll_rad[name] for name in sorted(by_error["sample_id"])})
    wrapped = rolls.map(wrap_angle).abs()
    by_yaw = table.assign(size=table["yaw_deg"].abs()).sort_values(["size", "sample_id"])["sample_id"].tolist()
    return by_error["sample_id"].iloc[len(by_error) // 2], str(wrapped.idxmax()), list(spread(by_yaw, SPREAD))


def example_meshes(examples: Examples) -> dict[str, NDArray[np.float64]]:
    """Meshes of the frontal example in levelled pixels: the true one, and each variant's."""
    name = examples.front.sample_id
    raw = {"truth": true_vertices(examples.front, examples.surface)}
    raw |= {variant: vertices[name] for variant, vertices in examples.predicted.items()}
    return {variant: figures.level_mesh(vertices, examples.front) for variant, vertices in raw.items()}


def write_meshes(folder: Path, examples: Examples) -> None:
    """Write a page for each of `example_meshes`, that shows it to be turned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, vertices in example_meshes(examples).items():
        mesh = to_mesh(vertices, examples.surface.triangles)
        (folder / f"{name}.html").write_text(viewer_page(mesh), encoding="utf-8")


def true_vertices(sample: Truth, surface: Surface) -> NDArray[np.float64]:
    """Vertices of a sample's true map, in raw photo pixels."""
    return read_points(sample.position_map, sample.similarity, surface).vertices


def draw_pictures(examples: Examples, settings: VariantSettings, size: int, margin: float) -> dict[str, bytes]:
    """Draw the thesis's pictures, by the numbers of its figures, as PNG or JPEG."""
    surface, front, photos = examples.surface, examples.front, examples.photos
    meshes = example_meshes(examples)
    images = {
        "2.1": figures.position_mapping(front, surface),
        "3.1": figures.side_by_side(
            [figures.truth_pair(photos[sample.sample_id], sample, surface) for sample in examples.spread], 2
        ),
        "3.3": figures.detection(photos[front.sample_id], front),
        "3.4": figures.correction(photos[examples.rolled.sample_id], examples.rolled, margin),
        "3.6": figures.landmark_numbers(front),
        "4.9": figures.side_by_side(
            [
                figures.mesh_pair(
                    photos[sample.sample_id], examples.predicted[settings.variant][sample.sample_id], surface, sample
                )
                for sample in examples.spread
            ],
            2,
        ),
    }
    for number, variant in (("4.4", "truth"), ("4.5", "prn"), ("4.6", "final")):
        if variant in meshes:
            images[number] = figures.close_up(meshes[variant], surface, len(front.image))
    pictures = {number: encode_image(image, ".jpg") for number, image in images.items()}
    if has_tables(settings.network):
        pictures["3.5"] = figures.network_diagram(settings.network, size)
    return pictures
