"""The test samples that the page on the main variant shows: which ones, and a strip of pictures of each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.uv.surface import load_surface
from stages.pages.contact_sheet import Image, draw_strip
from stages.project.params import DataParams
from stages.project.paths import LAYOUT, MAIN_RUN, MODEL, predictions_of
from stages.project.predictions import Predictions
from stages.project.samples import locate, read_accepted, read_raw_photo, read_truths


def draw_samples(root: Path, level: str, data: DataParams, chosen: pd.DataFrame) -> Iterator[tuple[str, Image]]:
    """Draw test samples of the main variant.

    Parameters
    ----------
    root : Path
        The project's root.
    level : str
        Level of the variant's crops.
    data : DataParams
    chosen : DataFrame
        From `choose_samples`.

    Yields
    ------
    caption : str
    strip : (TILE, 6 * TILE, 3) uint8
        In the order of `chosen`.
    """
    surface = load_surface(root / MODEL, root / LAYOUT)
    ids = list(chosen["sample_id"])
    accepted = {row["sample_id"]: row for row in read_accepted(root, ids)}
    truths = {sample.sample_id: sample for sample in read_truths(root, locate(root, level, ids))}
    with Predictions(root / predictions_of(MAIN_RUN)) as predictions:
        for row in chosen.to_dict("records"):
            name = row["sample_id"]
            photo = read_raw_photo(root, data, accepted[name])
            text = (
                f"{row['why']}: {name}, yaw {row['yaw_deg']:.1f} degrees, 68 landmarks in 2D {row['nme68_2d']:.3f} %, "
                f"mesh {row['thesis_mesh']:.3f} %"
            )
            yield text, draw_strip(photo, truths[name], *predictions.read(name), surface)


def choose_samples(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Choose the best, the median and the worst images by the 68 landmarks in 2D, and a spread of yaw.

    Parameters
    ----------
    table : DataFrame
        As in per_image.csv.
    count : int
        How many rows to choose at most: about half by their error and half by their yaw.

    Returns
    -------
    DataFrame
        The rows, with a column `why`; no image twice.
    """
    by_error = table.sort_values(["nme68_2d", "sample_id"])
    each, middle = max(1, count // 6), len(table) // 2
    groups = [
        ("best", by_error.iloc[:each]),
        ("median", by_error.iloc[max(0, middle - each // 2) :][:each]),
        ("worst", by_error.iloc[::-1].iloc[:each]),
    ]
    chosen = pd.concat([rows.assign(why=why) for why, rows in groups]).drop_duplicates("sample_id").head(count)
    rest = table[~table["sample_id"].isin(chosen["sample_id"])].sort_values(["yaw_deg", "sample_id"])
    spread = np.unique(np.linspace(0, len(rest) - 1, min(len(rest), count - len(chosen))).round().astype(int))
    return pd.concat([chosen, rest.iloc[spread].assign(why="yaw")], ignore_index=True)
