"""Rises and falls of a loss by hand."""

import numpy as np
import pandas as pd
import pytest

from stages.pages.losses import loss_rises, still_falling


def test_rises_of_the_loss_are_from_the_best_so_far_of_its_output_also_where_a_phase_begins():
    phases = ["brief", "brief", "refinement", "refinement", "all", "all"]
    run = pd.DataFrame({"phase": phases, "val_loss": [4.0, 5.0, 10.0, 8.0, 10.192, 9.0]})
    # The final output's from 10 to 8, and from the best, 8, to 10.192 at the change of phase and to 9; brief's, another
    # loss, from 4 to 5.
    assert loss_rises(run).tolist() == pytest.approx([-20, 27.4, 12.5, 25])


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # Ten validations of 100 passes: the last tenth is the last one.
        ([9, 8, 7, 6, 5, 4, 3, 2, 1.0, 0.98], True),
        # Lower by exactly 1 % is not more than 1 %.
        ([9, 8, 7, 6, 5, 4, 3, 2, 1.0, 0.99], False),
        # Falling again after a rise, but not below the best before.
        ([9, 8, 2, 6, 5, 4, 3.5, 3, 2.5, 2.0], False),
        ([2, 3], False),
        ([3, 2], True),
        ([3], None),
    ],
)
def test_a_loss_was_still_falling_if_its_last_tenth_has_a_best_over_1_percent_below_that_before(losses, expected):
    passes = 100 * np.arange(1, len(losses) + 1)
    assert still_falling(pd.DataFrame({"passes": passes, "phase": "all", "val_loss": losses})) is expected


def test_a_tenth_of_twenty_validations_has_two():
    losses = np.full(20, 5.0)
    losses[18] = 4.0
    run = pd.DataFrame({"passes": 50 * np.arange(1, 21), "phase": "all", "val_loss": losses})
    assert still_falling(run) is True
    assert still_falling(run.assign(val_loss=np.roll(losses, -1))) is False


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        # The brief output has another loss, 1 before the end: only the final one's are compared, 5 to 4.
        (["brief", "refinement", "all"], True),
        # The final output was validated once.
        (["brief", "brief", "refinement"], None),
    ],
)
def test_only_losses_of_the_last_output_tell_whether_they_were_falling(phases, expected):
    run = pd.DataFrame({"passes": [100, 200, 300], "phase": phases, "val_loss": [1.0, 5.0, 4.0]})
    assert still_falling(run) is expected
