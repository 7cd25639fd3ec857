"""What more cores gain on paper, by hand."""

import pytest

from benchmarks.scaling import Run, Work, gains_of, loss_of, medians, seconds_of


def test_what_one_is_alone_at_is_not_shared():
    work = Work(alone=2.0, shared=16.0)
    assert [seconds_of(work, cores) for cores in (1, 2, 4, 8)] == [18.0, 10.0, 6.0, 4.0]
    # 11 s on two cores: 9 s in shards instead of 8.
    assert loss_of(work, 2, 11.0) == pytest.approx(9 / 8)
    assert seconds_of(work, 4, 9 / 8) == pytest.approx(6.5)


def test_gains_of_two_stages_are_those_of_their_sum():
    ones = [Run(seconds=10.0, alone=1.0, processor=10.0, peak_mb=100.0), Run(8.0, 1.0, 7.0, 200.0)]
    # Two cores: 11 s by the clock, since others were at work; 18 s of the processor instead of 17.
    manys = [Run(6.0, float("nan"), 10.5, float("nan")), Run(5.0, float("nan"), 7.5, float("nan"))]
    gains = gains_of(ones, manys, 2)
    assert (gains.seconds, gains.alone, gains.measured) == (18.0, 2.0, pytest.approx(18 / 11))
    assert gains.processor == pytest.approx(17 / (2 + 16 / 2))
    assert list(gains.paper) == [2, 4, 8]
    assert gains.paper[2] == (pytest.approx(1.8), pytest.approx(18 / 11))
    assert gains.paper[8] == (pytest.approx(4.5), pytest.approx(18 / (2 + 2 * 9 / 8)))


def test_each_value_has_its_own_median():
    assert medians([(1.0, 9.0), (3.0, 2.0), (2.0, 4.0)]) == [2.0, 4.0]
