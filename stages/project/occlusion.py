"""Errors of a network on test photos with something before the face, by the share of the face that is covered."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.scores.expression import score_openings
from model.scores.head_pose import score_pose
from model.scores.scoring import score
from model.scores.statistics import bootstrap_interval
from pipeline.crops.occlusion import cover, draw_occluder
from pipeline.face.head_pose import estimate_pose
from pipeline.face.rendering import rasterize
from pipeline.face.similarity import apply_similarity
from pipeline.store.arrays import Image
from pipeline.store.checks import check
from pipeline.uv.position_map import sample_map
from pipeline.uv.surface import Surface, read_points
from stages.project.paths import occlusion_of
from stages.project.result_params import EvaluateParams, OcclusionParams
from stages.project.samples import Truth

# What is said of a photo as it is, and of the mean of all kinds.
NOTHING, ANYTHING = "none", "all"
# Errors that are described; percent, but for the pose, whose degrees are of the mean face over the predicted mesh.
ERRORS = ("nme68_2d", "nme68_3d", "dense_2d", "dense_3d", "reconstruction", "thesis_mesh", "pose_mae", "eyes", "mouth")
BY_SHARE = "by_share.csv"
# What is read of it.
COLUMNS = ("kind", "share", "error", "images", "mean", "low", "high")


class Case(NamedTuple):
    """A crop with a share of its face covered by a kind of thing."""

    kind: str
    share: float
    image: Image


def visible_face(position_map: NDArray, surface: Surface) -> NDArray[np.bool_]:
    """Pixels (S, S) of a crop that show the face whose map is given, as far as the face mask goes."""
    vertices = sample_map(np.asarray(position_map, np.float64), surface.vertex_uv)
    return rasterize(vertices, surface.triangles, *position_map.shape[:2])[0] >= 0


def cover_sample(sample: Truth, surface: Surface, params: OcclusionParams) -> Iterator[Case]:
    """Cover a sample's crop: first nothing of it, then each share by each kind, which depend on id and seed alone."""
    from pipeline.crops.augmentation import sample_rng  # albumentations takes a second to import

    yield Case(NOTHING, 0.0, sample.image)
    face = visible_face(sample.position_map, surface)
    landmarks = apply_similarity(sample.similarity, sample.landmarks)
    for kind in params.kinds:
        rng = sample_rng(f"{sample.sample_id}\n{kind}", 0, params.seed)
        occluder = draw_occluder(kind, sample.image, face, landmarks, rng)
        for share in params.shares:
            yield Case(kind, share, cover(sample.image, face, occluder, share)[0])


def score_case(
    sample: Truth, case: Case, position_map: NDArray, surface: Surface, reference: NDArray
) -> dict[str, object]:
    """Score the map that a network predicted of a case; a row of runs/<run>/occlusion/per_image.csv.

    Parameters
    ----------
    sample : Truth
    case : Case
    position_map : (S, S, 3) float
        Aligned px.
    surface : Surface
    reference : (V, 3) float
        The surface's vertices of the face model's mean face, model frame.
    """
    predicted, true = (read_points(each, sample.similarity, surface) for each in (position_map, sample.position_map))
    errors = dict[str, float | None](score(predicted, true, sample.landmarks, surface.triangles))
    errors |= score_openings(predicted.landmarks, sample.landmarks)
    # No angle depends on how high the photo is.
    errors |= score_pose(estimate_pose(predicted.vertices, reference, 0)[:3], sample.pose[:3])
    return {"sample_id": sample.sample_id, "kind": case.kind, "share": case.share} | {
        name: errors[name] for name in ERRORS
    }


def describe_occlusion(table: pd.DataFrame, params: EvaluateParams) -> pd.DataFrame:
    """Describe the errors by kind and share, and by share alone: the mean of all kinds of each photo.

    Parameters
    ----------
    table : DataFrame
        Rows of `score_case`.
    params : EvaluateParams
        The bootstrap's.

    Returns
    -------
    DataFrame
        A row for each kind, share and error: photos, and mean with its 95 % interval over them.
    """
    whole = table.groupby(["sample_id", "share"], as_index=False)[list(ERRORS)].mean().assign(kind=ANYTHING)
    rows = [
        {"kind": kind, "share": share, "error": error, "images": len(values), **interval._asdict()}
        for (kind, share), group in pd.concat([whole, table]).groupby(["kind", "share"])
        for error in ERRORS
        if len(values := group[error].dropna())
        for interval in [bootstrap_interval(values, params.bootstrap, params.seed)]
    ]
    return pd.DataFrame(rows)


def read_shares(root: Path, run: str) -> pd.DataFrame:
    """Read what the stage `occlusion` wrote of a run, a table of `describe_occlusion`.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged.
    """
    path = root / occlusion_of(run) / BY_SHARE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run the stage occlusion.")
    try:
        table = pd.read_csv(path)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is no table ({' '.join(str(error).split())}): run the stage occlusion.") from error
    missing = [name for name in COLUMNS if name not in table]
    check(not missing, f"{path} lacks the column {', '.join(missing)}: run the stage occlusion.")
    return table


def contact_sheet(cases: Sequence[Case]) -> Image:
    """Put the cases of a photo beside each other: a row a kind, from nothing to the largest share."""
    kinds = list(dict.fromkeys(case.kind for case in cases if case.kind != NOTHING))
    rows = [[case.image for case in cases if case.kind in (NOTHING, kind)] for kind in kinds]
    return np.vstack([np.hstack(row) for row in rows])
