"""Sections of params.yaml that are read when a network is trained: `evaluate`, `occlusion`, `export` and `report`."""

import dataclasses

from pipeline.store.checks import check_all
from stages.project.strict import check_at_least_one

# What `pipeline.crops.occlusion` can put before a face, and the largest share of it that each of them reaches.
OCCLUDERS, MOST_COVERED = ("hand", "mask", "rectangle"), 0.6


@dataclasses.dataclass(frozen=True)
class EvaluateParams:
    """Section `evaluate`.

    Attributes
    ----------
    bootstrap, seed : int
        Resamples behind each interval, and the seed that draws them.
    share_under : float
        Percent: the table of protocols counts the images with at most this error.
    benchmark : str
        Folder with the published tables of AFLW2000-3D, see `stages.project.published`; data/none for none.
    """

    bootstrap: int
    seed: int
    share_under: float
    benchmark: str

    def __post_init__(self) -> None:
        check_all(
            (self.bootstrap >= 100, f"evaluate.bootstrap is {self.bootstrap}; expected 100 resamples or more."),
            (self.seed >= 0, f"evaluate.seed is {self.seed}; expected 0 or more."),
            (self.share_under > 0, f"evaluate.share_under is {self.share_under}; expected a percentage above 0."),
        )


@dataclasses.dataclass(frozen=True)
class OcclusionParams:
    """Section `occlusion`.

    Attributes
    ----------
    runs : list of str
        Variants whose networks see covered photos, beside the main run's.
    kinds : list of str
        What is put before a face, of `OCCLUDERS`.
    shares : list of float
        Parts of the face that are covered.
    photos : int
        Test photos, evenly spaced; all if there are fewer.
    seed : int
        Of forms, places and colours.
    """

    runs: list[str]
    kinds: list[str]
    shares: list[float]
    photos: int
    seed: int

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in OCCLUDERS]
        wrong = [share for share in self.shares if not 0 < share <= MOST_COVERED]
        check_all(
            (not unknown, f"occlusion.kinds has {', '.join(unknown)}; expected some of {', '.join(OCCLUDERS)}."),
            (bool(self.kinds and self.shares), "occlusion.kinds and occlusion.shares must not be empty."),
            (not wrong, f"occlusion.shares has {wrong}; expected parts of the face above 0, up to {MOST_COVERED:g}."),
            (self.photos >= 1, f"occlusion.photos is {self.photos}; expected 1 or more."),
            (self.seed >= 0, f"occlusion.seed is {self.seed}; expected 0 or more."),
        )


@dataclasses.dataclass(frozen=True)
class ExportParams:
    """Section `export`.

    Attributes
    ----------
    samples : int
        Test samples, evenly spaced, that each file is compared with Keras on; all if there are fewer.
    calibration : int
        Training samples, evenly spaced, that give int8 the range of each layer's values; all if there are fewer.
    """

    samples: int
    calibration: int

    def __post_init__(self) -> None:
        check_at_least_one("export", self)


@dataclasses.dataclass(frozen=True)
class ReportParams:
    """Section `report`: how many test samples are drawn."""

    samples: int

    def __post_init__(self) -> None:
        check_at_least_one("report", self)
