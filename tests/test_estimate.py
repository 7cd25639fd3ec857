"""What `make estimate` makes of a few pairs' costs, by hand."""

import pytest

from benchmarks.data_stages import Stage, expect_parts, list_stages, samples_of
from benchmarks.estimate import Cost, Taken, Work, cost_of, extrapolate, table
from stages.project.params import DataParams, SplitParams, Subset
from stages.project.params_file import read_params
from tests.helpers.places import ROOT

PARTS = {"all": 1200, "train": 900, "validation": 100, "test": 200}


def test_what_a_sample_takes_is_multiplied_by_the_samples_of_each_stage():
    """Of two subsets and two levels; two rounds, of which the second is slower."""
    stages = {
        "index": Stage([["index", "A"], ["index", "B"]], ["a", "b"], ("all",)),
        "aligned": Stage([["aligned", "A"], ["aligned", "B"]], ["a", "b"], ("all",), 2),
        # An original and two copies, at each level.
        "augmented@mild": Stage([["augmented", "mild"]], ["c"], ("train",), 6),
        # On one process, whatever the number of these.
        "landmark_map": Stage([["landmark_map"]], [], ("train", "validation"), most=500),
    }
    first = {stage: Cost(0.01, 1000.0, 2.0, 100.0, 200) for stage in stages}
    second = {stage: Cost(0.02, 900.0, 3.0, 90.0, 200) for stage in stages}
    work = extrapolate([first, second], stages, PARTS, workers=2)
    assert work["index"] == Work(1200, 4 + 6, 6 + 12, 1.2e6, 100.0)
    assert work["aligned"] == Work(2400, 4 + 12, 6 + 24, 2.4e6, 100.0)
    assert work["augmented@mild"] == Work(5400, 2 + 27, 3 + 54, 5.4e6, 100.0)
    # 75 kB of each of 400 further faces.
    assert work["landmark_map"] == Work(600, 2 + 6, 3 + 12, 6e5, 130.0)
    lines = list(table(work, 2))
    assert lines[1].split() == ["index", "1,200", "10.0", "to", "18.0", "s", "0.00", "100"]
    assert lines[-1].startswith("In all 63.0 to 120.0 s on 2 processes") or lines[-1].startswith(
        "In all 1.1 to 2.0 min"
    )
    assert "0.01 GB" in lines[-1]


def test_what_a_sample_takes_is_told_from_what_its_stage_takes_anyway():
    """By its seconds in shards, or, where it makes none, by the processor's seconds of few samples and of many."""
    few, many = Taken(20, 1.5, 1.25, 1.25, 2000, 90.0), Taken(120, 4.0, 2.25, 1.0, 12000, 100.0)
    assert cost_of(Stage([], ["shards"], ("all",)), few, many) == Cost(3 / 120, 100.0, 1.0, 100.0, 120)
    assert cost_of(Stage([], [], ("all",)), few, many) == Cost(1 / 100, 100.0, 4 - 1.2, 100.0, 120)
    # Others were at work during the few, or there are no more than these.
    assert cost_of(Stage([], [], ("all",)), many, many) == Cost(0.0, 100.0, 4.0, 100.0, 120)


@pytest.mark.parametrize(("every", "tested"), [(0, 250), (5, 200)])
def test_parts_follow_from_the_pairs_of_each_subset_and_the_fractions(every, tested):
    """1,000 pairs to learn from, of which a share is tested, 500 others, and 200 to test on; a tenth validates."""
    subsets = {name: Subset("a", use, "meshes") for name, use in (("A", "learn"), ("B", "learn"), ("C", "test"))}
    data = DataParams("raw", subsets, 64, ["on"], 8, 0.5)
    parts = expect_parts(
        {"A": 1000, "B": 500, "C": 200},
        data,
        SplitParams(validation_fraction=0.1, tested=["A"], test_fraction=0.25, test_every=every),
    )
    learned = 1500 - tested
    assert parts == {
        "all": 1700,
        "train": pytest.approx(0.9 * learned),
        "validation": pytest.approx(0.1 * learned),
        "test": 200 + tested,
    }


def test_the_stages_are_those_of_the_params():
    params = read_params(ROOT / "params.yaml")
    stages = list_stages(params)
    subsets, policies = len(params["data"]["subsets"]), params["augmented"]["policies"]
    assert len(stages["meshes"].runs) == len(stages["meshes"].folders) == subsets
    assert len(stages["aligned"].folders) == 2 * subsets
    assert [name for name in stages if name.startswith("augmented@")] == [f"augmented@{name}" for name in policies]
    # Three copies beside each, at both levels; policies that augment online store none.
    assert samples_of(stages["augmented@full"], PARTS) == 2 * 4 * 900
    assert samples_of(stages["augmented@online"], PARTS) == 2 * 900
    assert samples_of(stages["found@facemesh"], PARTS) == 2 * 200
    files = {"facemesh": "data/landmark_map", "dlib": "/some/file.dat"}
    stages = list_stages(params | {"crop": params["crop"] | {"found": files}})
    assert [name for name in stages if name.startswith("found@")] == ["found@facemesh"]
