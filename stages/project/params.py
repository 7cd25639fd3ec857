"""The sections of params.yaml that the data stages read: a frozen dataclass for each.

What the data stages do not read is elsewhere, so that an edit there does not make them run again: `network`, `loss` and
`train` in `model.settings`, `thesis` in `variants`, `profiled` in `profiled_params`, and in `result_params` `evaluate`,
`export` and `report`.
"""

import dataclasses
import os
from pathlib import Path

from pipeline.crops.policy import AugmentationPolicy
from pipeline.raw.splitting import PROFILED_SUFFIX
from pipeline.store.checks import check, check_all
from stages.project.paths import LEARN, TEST, subset_folder
from stages.project.strict import check_at_least_one

LEVELS = ("on", "off")
# What finds landmarks without annotation, and what it has learnt: the output of a stage, or a file from elsewhere.
FILE = "FILE"
SOURCES = {"facemesh": "data/landmark_map", "asm": "data/asm", "dlib": FILE, "network": FILE}


@dataclasses.dataclass(frozen=True)
class Subset:
    """An entry of `data.subsets`.

    Attributes
    ----------
    folder : str
        Below data.root.
    use : {'learn', 'test'}
        Whether it is to learn from or to test on.
    boxes : {'meshes', 'detected'}
        The stage that says where a face is: by its annotated landmarks, or by the detector.
    """

    folder: str
    use: str
    boxes: str

    def __post_init__(self) -> None:
        check_all(
            (self.use in (LEARN, TEST), f"use is {self.use!r}; expected {LEARN} or {TEST}."),
            (self.boxes in ("meshes", "detected"), f"boxes is {self.boxes!r}; expected meshes or detected."),
        )


@dataclasses.dataclass(frozen=True)
class DataParams:
    """Section `data`: which photos there are, and the size of everything made from them."""

    root: str
    subsets: dict[str, Subset]
    size: int
    levels: list[str]
    samples_per_shard: int
    max_reject_fraction: float
    stored_maps: bool = True

    def __post_init__(self) -> None:
        fraction = self.max_reject_fraction
        check_all(
            (self.size >= 32 and self.size % 32 == 0, f"data.size is {self.size}; expected a multiple of 32 px."),
            (bool(self.subsets), "data.subsets is empty; name at least one folder of photos."),
            (
                bool(self.levels) and set(self.levels) <= set(LEVELS),
                f"data.levels is {self.levels}; expected some of {', '.join(LEVELS)}.",
            ),
            (self.samples_per_shard >= 1, f"data.samples_per_shard is {self.samples_per_shard}; expected 1 or more."),
            (0 <= fraction <= 1, f"data.max_reject_fraction is {fraction}; expected a fraction between 0 and 1."),
        )

    @property
    def profiled(self) -> list[str]:
        """Subsets of turned copies, by their names."""
        return [name for name in self.subsets if name.endswith(PROFILED_SUFFIX)]

    @property
    def learned(self) -> list[str]:
        """Subsets to learn from, in their order."""
        return [name for name, subset in self.subsets.items() if subset.use == "learn"]

    def folder(self, subset: str) -> Path:
        """Folder of a subset's raw photos and annotations.

        Raises
        ------
        ValueError
            If there is no such subset.
        """
        check(subset in self.subsets, f"{subset!r} is not in data.subsets, which has {', '.join(self.subsets)}.")
        # Made sets lie beside data.root, which may be a link: `..` is taken off the name, as DVC does.
        return Path(os.path.normpath(Path(self.root) / self.subsets[subset].folder))

    def shards(self, stage: str, subset: str, level: str | None = None) -> Path:
        """Folder of a subset's shards that a stage makes, see `paths.subset_folder`.

        Raises
        ------
        ValueError
            If there is no such subset.
        """
        check(subset in self.subsets, f"{subset!r} is not in data.subsets, which has {', '.join(self.subsets)}.")
        return subset_folder(stage, self.subsets[subset].use, subset, level)


@dataclasses.dataclass(frozen=True)
class DemoDataParams:
    """Section `demo_data`: how much of the procedural set to make."""

    seed: int
    photos_per_subset: int
    test_photos: int
    photo_size: int

    def __post_init__(self) -> None:
        photos, tested, size = self.photos_per_subset, self.test_photos, self.photo_size
        check_all(
            (self.seed >= 0, f"demo_data.seed is {self.seed}; expected 0 or more."),
            (photos >= 1, f"demo_data.photos_per_subset is {photos}; expected 1 or more."),
            (tested >= 3, f"demo_data.test_photos is {tested}; expected 3 or more, one a yaw bin."),
            (96 <= size <= 1024, f"demo_data.photo_size is {size}; expected 96 to 1024 px."),
        )


@dataclasses.dataclass(frozen=True)
class EmbeddingParams:
    """Section `uv_embedding`: whether the layout is computed, or read from a published table below data.root."""

    source: str
    file: str

    def __post_init__(self) -> None:
        known = self.source in ("tutte", "file")
        check(known, f"uv_embedding.source is {self.source!r}; expected one of tutte, file.")


def _listed(sources: dict[str, str]) -> str:
    return ", ".join(f"{name}: {learnt}" for name, learnt in sources.items())


@dataclasses.dataclass(frozen=True)
class CropParams:
    """Section `crop`: how a face is cut out.

    Attributes
    ----------
    detected : dict of str to str
        Subsets whose box the detector finds, each with its use: what DVC must know, since it runs a stage for each.
    found : dict of str to str
        What finds the landmarks that the test part is cropped and levelled by once more, each with the folder or file
        of what it has learnt: what DVC must know, too.
    margin : float
        Side of the crop in sides of the box.
    """

    detected: dict[str, str]
    found: dict[str, str]
    margin: float

    def __post_init__(self) -> None:
        known = bool(self.found) and all(SOURCES.get(name) in (learnt, FILE) for name, learnt in self.found.items())
        check_all(
            (1 <= self.margin <= 5, f"crop.margin is {self.margin}; expected 1 to 5 sides of the box."),
            (known, f"crop.found is {self.found}; expected one or more of {_listed(SOURCES)}."),
        )

    def check_detected(self, data: DataParams) -> None:
        """Check that the stage `detected` is told of the subsets whose `boxes` asks for it, and of no other.

        Raises
        ------
        ValueError
            If it is not.
        """
        asked = {name: subset.use for name, subset in data.subsets.items() if subset.boxes == "detected"}
        check(
            self.detected == asked,
            f"crop.detected is {self.detected}, but in data.subsets the subsets whose boxes is detected are {asked}: "
            "make them the same.",
        )


@dataclasses.dataclass(frozen=True)
class SplitParams:
    """Section `split`: which samples are held out.

    Attributes
    ----------
    validation_fraction : float
        Share of the identities to learn from that is held out.
    test_fraction : float
        Share of the identities that is tested, instead of learnt from, of each subset in `tested`.
    test_every : int
        Where it is not 0, the number of those identities of which one is tested, instead of a block of them.
    tested : list of str
        Subsets to learn from that are also tested on.
    """

    validation_fraction: float
    test_fraction: float
    test_every: int
    tested: list[str]

    def __post_init__(self) -> None:
        fractions = {name: getattr(self, name) for name in ("validation_fraction", "test_fraction")}
        check_all(
            *(
                (0 < value < 1, f"split.{name} is {value}; expected a fraction between 0 and 1.")
                for name, value in fractions.items()
            ),
            (
                self.test_every == 0 or self.test_every >= 2,
                f"split.test_every is {self.test_every}; expected 2 or more, or 0 for a block of test_fraction.",
            ),
        )

    def test_subsets(self, data: DataParams) -> list[str]:
        """Subsets to test on, in the order of data.subsets: those whose use is test, and those that are cut in two.

        Raises
        ------
        ValueError
            If `tested` names what is not learnt from, or nothing is learnt from or tested on.
        """
        learned = data.learned
        tested = [name for name in data.subsets if name not in learned or name in self.tested]
        check_all(
            *(
                (
                    name in learned,
                    f"split.tested names {name!r}, which is no subset to learn from; those are {', '.join(learned)}.",
                )
                for name in self.tested
            ),
            *(
                (
                    name not in tested,
                    f"{name} is tested on; profiled copies are to learn from: set use to learn.",
                )
                for name in data.profiled
            ),
            (bool(learned), "No subset in data.subsets is to learn from: set use to learn for one."),
            (
                bool(tested),
                "No subset is tested on: set use to test for one in data.subsets, or name one in split.tested.",
            ),
        )
        return tested


@dataclasses.dataclass(frozen=True)
class AsmParams:
    """Section `asm`.

    Attributes
    ----------
    faces : int
        Training faces, evenly spaced, that are learnt from; all if there are fewer.
    components : int
        Directions in which a shape may differ from the mean of its view.
    """

    faces: int
    components: int

    def __post_init__(self) -> None:
        check_at_least_one("asm", self)


@dataclasses.dataclass(frozen=True)
class AugmentedParams:
    """Section `augmented`."""

    seed: int
    policies: dict[str, AugmentationPolicy]


@dataclasses.dataclass(frozen=True)
class ComputeParams:
    """Section `compute`: where the work runs. It changes no byte, so no stage in dvc.yaml names it."""

    workers: int
    scheduler: str

    def __post_init__(self) -> None:
        check_all(
            (self.workers >= 0, f"compute.workers is {self.workers}; expected 0 (all cores) or a number of processes."),
            (
                not self.scheduler or self.scheduler.startswith("tls://"),
                f"compute.scheduler is {self.scheduler!r}; expected tls://host:port, or nothing for local processes: "
                "without TLS whoever reaches that port runs code as you. See docs/scale.md, All cores, or a cluster.",
            ),
        )
