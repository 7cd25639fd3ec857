"""How much training is told before it begins, of made-up parameters."""

import pytest
from click.testing import CliRunner

from stages import print_trainings
from stages.print_trainings import count_trainings
from tests.helpers.made_params import PARAMS


def with_train(seeds, **variants):
    """Parameters with these seeds, and variants that override keys of train."""
    overrides = {name: {"train": keys} for name, keys in variants.items()}
    return PARAMS | {"train": PARAMS["train"] | {"seeds": seeds}, "variants": PARAMS["variants"] | overrides}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        # The main run, prn and coarse, each of 30 passes.
        (PARAMS, (3, 3, 90)),
        (with_train([4, 5, 6]), (3, 9, 270)),
        # Three seeds of prn alone, of 100 passes each.
        (with_train([1], prn={"seeds": [1, 2, 3], "budget": 100}), (3, 5, 360)),
        # What is applied as it is is not trained.
        (with_train([1, 2, 3], coarse={"budget": 0}), (3, 6, 180)),
    ],
)
def test_each_seed_of_each_run_is_a_training(params, expected):
    assert count_trainings(params) == expected


def test_the_time_is_told_for_the_seeds_of_params_and_for_three_of_each(monkeypatch):
    monkeypatch.setattr(print_trainings, "read_params", lambda: with_train([1], prn={"budget": 30000}))
    # 30,060 passes at 60 a second, three runs of 25 s and 600 s of the rest: 1,176 s; 90,180 passes: 2,178 s.
    told = CliRunner().invoke(print_trainings.main).output
    assert told.startswith(
        "make thesis: up to 3 trainings, 30,060 passes of a sample, some 20 minutes; make thesis-seeds, three "
        "seeds of every run: up to 9 trainings, 90,180 passes of a sample, some 36 minutes. The time is the "
        "processor's, of two cores at 64 px and width 8."
    )


def test_parameters_without_variants_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="has no section 'thesis'"):
        count_trainings({name: section for name, section in PARAMS.items() if name != "thesis"})
