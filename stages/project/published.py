"""Published tables beside the annotations of AFLW2000-3D: re-annotated landmarks and yaw, in the order of a list."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipeline.store.checks import check

NAMES = "AFLW2000-3D.list"
# The same, as peers' archives call it.
ARCHIVED_NAMES = "AFLW2000-3D_crop.list"
LANDMARKS = "AFLW2000-3D-Reannotated.pts68.npy"
YAW = "AFLW2000-3D.pose.npy"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What a folder of published tables has, by the photo's name without its ending; either may be empty.

    Attributes
    ----------
    landmarks : dict of str to (68, 2) float64
        Raw photo pixels, 0-based as published: over the photos they lie where ``pt3d_68`` less 1 does.
    yaw_deg : dict of str to float
        Degrees.
    """

    landmarks: dict[str, NDArray[np.float64]]
    yaw_deg: dict[str, float]

    def landmarks_of(self, sample_id: str) -> NDArray[np.float64] | None:
        """Re-annotated landmarks (68, 2) of a sample, or None."""
        return self.landmarks.get(_stem(sample_id))

    def replace_yaw(self, sample_ids: Iterable[str], annotated_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Published yaw of each sample, and the annotated one (N,) where none is published."""
        pairs = zip(sample_ids, annotated_deg, strict=True)
        return np.array([self.yaw_deg.get(_stem(sample_id), annotated) for sample_id, annotated in pairs])


def read_benchmark(folder: Path) -> Benchmark:
    """Read the tables that a folder has.

    Parameters
    ----------
    folder : Path
        With ``AFLW2000-3D_crop.list`` or ``AFLW2000-3D.list``, a photo's name a line, and beside it
        ``AFLW2000-3D-Reannotated.pts68.npy`` (N, 2, 68) or ``AFLW2000-3D.pose.npy`` (N,) or both; nothing of this is
        nothing published. A row with NaN is left out.

    Returns
    -------
    Benchmark

    Raises
    ------
    FileNotFoundError
        If the folder is missing.
    ValueError
        If a table has not a row for each name, or the list is missing beside a table.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}, the folder of evaluate.benchmark, is missing; data/none is an empty one.")
    tables = {name: folder / name for name in (LANDMARKS, YAW)}
    found = {name: np.load(path, allow_pickle=False) for name, path in tables.items() if path.is_file()}
    if not found:
        return Benchmark({}, {})
    names_path = next((folder / name for name in (ARCHIVED_NAMES, NAMES) if (folder / name).is_file()), None)
    if names_path is None:
        raise ValueError(f"{folder / ARCHIVED_NAMES} or {NAMES} is missing: it names the rows of {', '.join(found)}.")
    stems = [_stem(line) for line in names_path.read_text(encoding="utf-8").split()]
    expected = {LANDMARKS: (len(stems), 2, 68), YAW: (len(stems),)}
    for name, table in found.items():
        check(
            table.shape == expected[name],
            f"{tables[name]} has shape {table.shape}; expected {expected[name]} for the {len(stems)} names of "
            f"{names_path.name}.",
        )
    landmarks = found.get(LANDMARKS, np.zeros((0, 2, 68))).astype(np.float64)
    yaw = found.get(YAW, np.zeros(0)).astype(np.float64)
    return Benchmark(
        {stem: points.T for stem, points in zip(stems, landmarks, strict=False) if np.isfinite(points).all()},
        {stem: float(degrees) for stem, degrees in zip(stems, yaw, strict=False) if np.isfinite(degrees)},
    )


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
