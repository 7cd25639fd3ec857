"""Stages killed at random moments end with the bytes of those that were not."""

import random
import shutil

import pytest

from tests.helpers.kills import disturb, report
from tests.helpers.stage_runs import STAGES, digests, stage_run

pytestmark = pytest.mark.slow

KILLS, KILLS_OF_TWO_WORKERS = 20, 3


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_random_moments_ends_with_the_same_bytes_and_makes_no_shard_twice(
    undisturbed, code, tmp_path, stage, capsys
):
    run = stage_run(undisturbed, tmp_path / "project", code, stage)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    seconds = run.finish()
    assert digests(run.output) == expected
    shutil.rmtree(run.work)
    tally = disturb(run, expected, KILLS, seconds, random.Random(f"kill {stage}"))
    report(capsys, f"{run.name}, 1 worker", tally)
    assert tally.twice == 0
    assert tally.middle >= 8


@pytest.mark.parametrize("stage", ["aligned", "augmented"])
def test_a_stage_on_two_workers_outlives_kills_as_well(undisturbed, code, tmp_path, stage, capsys):
    run = stage_run(undisturbed, tmp_path / "project", code, stage, workers=2)
    expected = digests(undisturbed / "data" / stage / STAGES[stage])
    seconds = run.finish()
    shutil.rmtree(run.work)
    tally = disturb(run, expected, KILLS_OF_TWO_WORKERS, seconds, random.Random(f"kill two {stage}"))
    report(capsys, f"{run.name}, 2 workers", tally)
    assert tally.twice == 0
