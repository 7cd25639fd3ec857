"""What `make estimate` makes of a few pairs' costs, by hand."""

from benchmarks.estimate import Cost, Work, extrapolate, table
from stages.project.params import DataParams, Subset


def test_what_a_sample_takes_is_multiplied_by_the_samples_of_each_stage():
    """Two levels, 1,000 pairs to learn from and 200 to test on; two rounds, of which the second is slower."""
    subsets = {"A": Subset("a", "learn", "meshes"), "B": Subset("b", "test", "meshes")}
    data = DataParams("raw", subsets, 64, ["on", "off"], 8, 0.5)
    first = {stage: Cost(0.01, 1000.0, 2.0, 100.0) for stage in ("index", "aligned", "augmented")}
    second = {stage: Cost(0.02, 900.0, 3.0, 90.0) for stage in first}
    work = extrapolate([first, second], data, {"A": 1000, "B": 200}, workers=2)
    assert work["index"] == Work(1200, 2 + 6, 3 + 12, 1.2e6, 100.0)
    assert work["aligned"] == Work(2400, 2 + 12, 3 + 24, 2.4e6, 100.0)
    assert work["augmented"] == Work(2000, 2 + 10, 3 + 20, 2e6, 100.0)
    lines = list(table(work, 2))
    assert lines[1].split() == ["index", "1,200", "8.0", "to", "15.0", "s", "0.00", "100"]
    assert lines[-1].startswith("In all 34.0 to 65.0 s on 2 processes")
    assert "0.01 GB" in lines[-1]
