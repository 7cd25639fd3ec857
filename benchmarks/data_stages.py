"""The data stages of a project: what each is run for, where its shards go, and how many samples it sees.

For the estimate, which runs them on a few pairs, and the rehearsal, which runs them on many.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.data import LEVELLED, SAMPLE_STAGES
from stages.landmark_map import MOST_FACES
from stages.project.params import SOURCES, AsmParams, AugmentedParams, CropParams, DataParams, SplitParams
from stages.project.paths import AUGMENTED, FOUND, VALIDATION
from stages.project.strict import build

# What is the same for all samples comes first: it takes the same whatever there is of these.
ONCE = ("face_model", "uv_embedding")
ALL = "all"


class Stage(NamedTuple):
    """A row of what a project's data stages take.

    Attributes
    ----------
    runs : list of list of str
        What `python -m stages.` is called with: once, or for each subset.
    folders : list of Path
        Its shards; empty where it makes none, and works alone.
    parts : tuple of str
        The samples that it sees: `ALL`, or parts of the split.
    times : int
        How often it makes each of them: once for each level, and with its copies.
    most : int or None
        It sees no more than these of a part, where it has such a limit.
    """

    runs: list[list[str]]
    folders: list[Path]
    parts: tuple[str, ...]
    times: int = 1
    most: int | None = None


def list_stages(params: Mapping[str, Any]) -> dict[str, Stage]:
    """All of them, in an order in which they can run, by what DVC calls them, but for the subsets.

    Left out are `detected` and `profiled`, which no subset asks for in params.yaml as it is, and `found` by a file from
    elsewhere.
    """
    data, crop = build("data", params["data"], DataParams), build("crop", params["crop"], CropParams)
    policies = build("augmented", params["augmented"], AugmentedParams).policies
    faces = build("asm", params["asm"], AsmParams).faces
    count = len(data.levels)

    def levels_of(folder: Path) -> list[Path]:
        return [folder / level for level in data.levels]

    stages = {}
    for name in SAMPLE_STAGES:
        levelled = name in LEVELLED
        folders = [
            folder
            for subset in data.subsets
            for folder in (levels_of(data.shards(name, subset)) if levelled else [data.shards(name, subset)])
        ]
        stages[name] = Stage([[name, subset] for subset in data.subsets], folders, (ALL,), count if levelled else 1)
    stages["split"] = Stage([["split"]], [], (ALL,))
    stages["coefficient_prior"] = Stage([["coefficient_prior"]], [], ("train",))
    stages["asm"] = Stage([["asm"]], [], ("train",), most=faces)
    stages["landmark_map"] = Stage([["landmark_map"]], [], ("train", "validation"), most=MOST_FACES)
    for source, learnt in crop.found.items():
        if SOURCES[source] == learnt:
            stages[f"found@{source}"] = Stage([["found", source]], levels_of(FOUND / source), ("test",), count)
    for name, policy in policies.items():
        copies = 0 if policy.online else policy.copies
        folders = levels_of(AUGMENTED / name)
        stages[f"augmented@{name}"] = Stage([["augmented", name]], folders, ("train",), count * (1 + copies))
    stages["validation"] = Stage([["validation"]], levels_of(VALIDATION), ("validation",), count)
    stages["data_report"] = Stage([["data_report"]], [], (ALL,))
    stages["data_card"] = Stage([["data_card"]], [], (ALL,))
    return stages


def expect_parts(counts: Mapping[str, int], data: DataParams, split: SplitParams) -> dict[str, float]:
    """How many samples each part will have, by the pairs of each subset, as if each was an identity of its own."""
    share = 1 / split.test_every if split.test_every else split.test_fraction
    learned = sum(counts[name] for name in data.learned)
    tested = share * sum(counts[name] for name in data.learned if name in split.tested)
    validation = split.validation_fraction * (learned - tested)
    return {
        ALL: sum(counts.values()),
        "train": learned - tested - validation,
        "validation": validation,
        "test": sum(counts.values()) - learned + tested,
    }


def samples_of(stage: Stage, parts: Mapping[str, float]) -> int:
    """Samples that a stage makes, or sees where it makes none."""
    seen = (round(parts[part]) for part in stage.parts)
    return stage.times * sum(count if stage.most is None else min(count, stage.most) for count in seen)
