"""Find and read samples of a part of the split, one at a time, with what was annotated in the raw photo."""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.face.camera import wrap_degrees
from pipeline.face.similarity import apply_similarity
from pipeline.raw.photos import read_photo
from pipeline.store import samples as stored
from pipeline.store.arrays import Image
from pipeline.store.checks import check
from pipeline.store.samples import Sample
from pipeline.store.shards import list_shards, read_dataset, read_shard, reading
from pipeline.store.tables import read_table
from stages.project.maps import read_maps
from stages.project.params import DataParams
from stages.project.paths import FOUND, LEVELLED_STAGES, PARTS, SPLIT, SUBSET_STAGES, subset_folder

# Enough maps for their mean to stand still; the whole training part would be read for nothing.
MEAN_MAP_SAMPLES = 2000
# What is read of the tables of stages: columns of text, and of numbers.
REJECTED_COLUMNS = ("sample", "reason")
ACCEPTED_COLUMNS = ("sample_id", "photo", "annotation", "photo_sha256"), ("yaw", "roll")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Truth:
    """One sample and its truth.

    Attributes
    ----------
    sample_id : str
    image : (S, S, 3) uint8
        Levelled crop, RGB.
    position_map : (S, S, 3) float32
        Aligned pixels.
    similarity : (3, 3) float64
        Raw photo pixels to aligned pixels.
    landmarks : (68, 3) float64
        Raw photo pixels: ``pt3d_68`` where it is annotated, else the model's 68 vertices taken back.
    annotated : bool
        Whether `landmarks` are ``pt3d_68``.
    pose : (7,) float64
        ``Pose_Para`` of the raw photo; its angles are not wrapped.
    coefficients : (S + E,) float32
        Identity, then expression.
    """

    sample_id: str
    image: NDArray[np.uint8]
    position_map: NDArray[np.float32]
    similarity: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    annotated: bool
    pose: NDArray[np.float64]
    coefficients: NDArray[np.float32]


def subset_of(sample_id: str) -> str:
    """Subset of a sample ``<subset>/<stem>``."""
    return sample_id.rpartition("/")[0]


def read_part(root: Path, part: str) -> list[str]:
    """Sample ids of one of `PARTS`, in the order of data/split/<part>.csv."""
    return [row["sample_id"] for row in read_table(root / SPLIT / f"{part}.csv", ["sample_id"])]


def count_parts(root: Path) -> dict[str, int]:
    """Samples of each part of the split."""
    return {part: len(read_part(root, part)) for part in PARTS}


def shards_of(root: Path, stage: str, subset: str, level: str | None = None) -> Path:
    """Folder of a subset's shards, see `subset_folder`; data/split/subsets.csv says what the subset is for.

    Raises
    ------
    ValueError
        If the split knows no such subset.
    """
    uses = {row["subset"]: row["use"] for row in read_table(root / SPLIT / "subsets.csv", ["subset", "use"])}
    check(subset in uses, f"{root / SPLIT} knows no subset {subset!r}: run dvc repro split.")
    return root / subset_folder(stage, uses[subset], subset, level)


def locate(root: Path, level: str, sample_ids: Iterable[str]) -> list[Sample]:
    """Find samples in ``data/position_maps``; those that are not there are left out.

    Returns
    -------
    list of Sample
        In the order of subsets and shards.
    """
    wanted = set(sample_ids)
    folders = [shards_of(root, "position_maps", name, level) for name in sorted({subset_of(each) for each in wanted})]
    return stored.locate([shard for folder in folders for shard in list_shards(folder)], wanted)


def list_failures(
    root: Path, level: str | None, test_ids: Iterable[str], places: Iterable[Sample]
) -> list[tuple[str, ...]]:
    """Test samples that nothing can be scored of, and why.

    Parameters
    ----------
    root : Path
    level : {'on', 'off'} or None
        Of the crops; None where none is needed.
    test_ids : iterable of str
        The test part.
    places : iterable of Sample
        Those of them that have a position map; without crops, those that have a mesh.

    Returns
    -------
    list of (sample, stage, reason)
        The samples that a stage rejected, and the files of a test subset that the index refused: no part of the split
        has these.
    """
    test_ids, found = list(test_ids), {place.sample_id for place in places}
    failures: list[tuple[str, ...]] = []
    for subset in sorted({subset_of(sample_id) for sample_id in test_ids}):
        missing = {name for name in test_ids if subset_of(name) == subset} - found
        for stage in SUBSET_STAGES:
            if level is None and stage in LEVELLED_STAGES:
                continue
            folder = shards_of(root, stage, subset, level if stage in LEVELLED_STAGES else None)
            for row in read_table(folder / "rejected.csv", REJECTED_COLUMNS):
                if stage == "index" or row["sample"] in missing:
                    name = f"{subset}/{row['sample']}" if stage == "index" else row["sample"]
                    failures.append((name, stage, row["reason"]))
                    missing.discard(row["sample"])
        failures += [(name, "unknown", "No stage has rejected it: run the pipeline again.") for name in sorted(missing)]
    return failures


def list_not_found(root: Path, source: str, level: str, sample_ids: Collection[str]) -> list[tuple[str, ...]]:
    """Those of some test samples that a source found no face of, as `list_failures` has them."""
    rows = read_table(root / FOUND / source / level / "rejected.csv", REJECTED_COLUMNS)
    return [(row["sample"], f"found@{source}", row["reason"]) for row in rows if row["sample"] in sample_ids]


def spread(items: Sequence[T], limit: int) -> Sequence[T]:
    """At most `limit` items, evenly spaced."""
    if len(items) <= limit:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def read_truths(root: Path, places: Sequence[Sample]) -> Iterator[Truth]:
    """Read samples with their annotated landmarks, one at a time."""
    for shard, group in itertools.groupby(places, lambda place: place.shard):
        # A shard of position maps has the samples of the index's shard of that number, less the rejected ones.
        index = shards_of(root, "index", shard.parent.parent.name) / shard.name
        annotated = read_shard(index, ["sample_id", "true_landmarks", "pose"])
        rows = {name: its for name, *its in zip(*annotated.values(), strict=True)}
        with reading(shard) as file:
            for place in group:
                yield _read_truth(file, place, *rows[place.sample_id])


def _read_truth(file: h5py.File, place: Sample, annotated: NDArray, pose: NDArray) -> Truth:
    names = ("image", "position_map", "similarity", "landmarks", "coefficients")
    row = {name: read_dataset(file[name], place.row) for name in names}
    known = bool(np.isfinite(annotated).all())
    own = apply_similarity(np.linalg.inv(row["similarity"]), row["landmarks"].astype(np.float64))
    return Truth(
        place.sample_id,
        row["image"],
        row["position_map"],
        row["similarity"],
        annotated.astype(np.float64) if known else own,
        known,
        pose,
        row["coefficients"],
    )


def mean_training_map(root: Path, level: str, face_mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean position map of the training part, the prediction of who has seen no photo.

    Returns
    -------
    (S, S, 3) float64
        Aligned pixels, each map's mean z over the face removed before.

    Raises
    ------
    ValueError
        If the training part has no position maps.
    """
    places = spread(locate(root, level, read_part(root, "train")), MEAN_MAP_SAMPLES)
    check(bool(places), "The training part has no position maps: there is no mean map to compare with.")
    total = np.zeros((*face_mask.shape, 3))
    for position_map in read_maps(root, places, len(face_mask)):
        total += position_map
        total[..., 2] -= position_map[face_mask, 2].mean(dtype=np.float64)
    return total / len(places)


def annotated_yaw(root: Path, sample_ids: Iterable[str]) -> NDArray[np.float64]:
    """Annotated yaw of each sample in degrees, wrapped to [-180, 180)."""
    rows = read_accepted(root, sample_ids)
    return wrap_degrees(np.rad2deg([float(row["yaw"]) for row in rows]).round(4))


def read_accepted(root: Path, sample_ids: Iterable[str]) -> list[dict[str, str]]:
    """Rows of ``data/index/<subset>/accepted.csv`` for some samples, in their order.

    Raises
    ------
    FileNotFoundError
        If a table is missing.
    ValueError
        If one is damaged, or lacks a sample.
    """
    sample_ids = list(sample_ids)
    wanted, rows = set(sample_ids), dict[str, dict[str, str]]()
    for subset in sorted({subset_of(sample_id) for sample_id in wanted}):
        path = shards_of(root, "index", subset) / "accepted.csv"
        table = read_table(path, *ACCEPTED_COLUMNS)
        rows |= {row["sample_id"]: row for row in table if row["sample_id"] in wanted}
        missing = [name for name in sample_ids if subset_of(name) == subset and name not in rows]
        check(not missing, f"{path} lacks the sample {', '.join(missing[:1])}; make it anew.")
    return [rows[sample_id] for sample_id in sample_ids]


def read_raw_photo(root: Path, data: DataParams, accepted: Mapping[str, str]) -> Image:
    """Read the raw photo (H, W, 3) of a row of `read_accepted`.

    Raises
    ------
    ValueError
        If it is not the one any more that the index read, or damaged.
    OSError
        If it can't be read.
    """
    folder = root / data.folder(subset_of(accepted["sample_id"]))
    return read_photo(folder / accepted["photo"], accepted["photo_sha256"])
