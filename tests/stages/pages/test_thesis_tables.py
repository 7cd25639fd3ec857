"""Rows of the thesis's tables beside ours, by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from model.scores.curve_gap import CurveGap
from model.scores.statistics import Interval
from stages.pages.comparison import Comparison, Difference, LargestGain, Summary
from stages.pages.thesis_reference import Claim, Gain, Layer, Number, Reference
from stages.pages.thesis_tables import (
    bias_rows,
    claim_text,
    claims_by_section,
    conclude,
    conclusion_rows,
    count_conclusions,
    gain_rows,
    layer_rows,
    loss_rows,
    machine_rows,
    number_rows,
    rise_rows,
)
from stages.project.results import Results

TO = "\u00a0to\u00a0"
PRN = Summary(2, 4032, 1, 3, 1.0, 2.0, 97.0, 27.4)
FINAL = Summary(3, 12096, 0, 0, 1.0, 2.0, 97.0, 0.0)
CLAIM = Claim("a", "4.3", "prn", "final", "thesis_68", "better", lower_by=30.0, follows=23.1, note="at most")
SUMMARIES = {
    "prn": Summary(3, 4032, 2, 0, 2.0, 3.0, 97.0, 0.0),
    "final": Summary(4, 12096, None, 0, 2.0, 3.0, 97.0, 0.0),
}


def results_of(variant, seeds=(), **means):
    """A variant whose errors have these means, an interval of 0.1 about them, and 90 % of the images up to twice."""
    described = pd.DataFrame(
        [
            {"error": error, "group": "all", "mean": mean, "low": mean - 0.1, "high": mean + 0.1, "p90": 2 * mean}
            for error, mean in means.items()
        ],
        columns=["error", "group", "mean", "low", "high", "p90"],
    )
    none, losses = pd.DataFrame(), pd.DataFrame({"seed": list(seeds)})
    return Results(variant, {}, described, none, none, none, none, none, none, losses, losses)


def over_seeds(**means):
    """Means over the seeds, each with an interval of 0.5 about it."""
    return {name: Interval(mean, mean - 0.5, mean + 0.5) for name, mean in means.items()}


def test_a_number_of_the_thesis_stands_beside_our_mean_over_seeds_or_the_kept_network_s_percentile():
    numbers = [
        Number("4.3", "prn", "thesis_68", 4.5),
        Number("4.3", "prn", "thesis_68_p90", 7.25, "at most"),
        Number("4.6", "prn", "smooth_15deg", 97.0),
        Number("4.9", "final", "thesis_mesh", 3.5),
        Number("4.9", "prn", "thesis_mesh", 5.5),
    ]
    results = {"prn": results_of("prn", thesis_68=3.0)}
    prn = dataclasses.replace(PRN, over_seeds=over_seeds(thesis_68=4.0, smooth_15deg=95.0, thesis_mesh=5.0))
    learnt, p90 = (2, 4032, "1 of 2"), "68 landmarks, 90 % of the images up to"
    assert number_rows(numbers, results, Comparison({"prn": prn}, None, {})) == [
        ("4.3", "prn", "68 landmarks", "4.5", *learnt, 4.0, f"3.500{TO}4.500"),
        ("4.3", "prn", p90, "7.25 (at most)", *learnt, 6.0, "of the kept network"),
        ("4.6", "prn", "adjacent triangles under 15 degrees", "97", *learnt, 95.0, f"94.500{TO}95.500"),
        ("4.9", "final", "mesh", "3.5", "", "", "", "not run here", ""),
        ("4.9", "prn", "mesh", "5.5", *learnt, 5.0, f"4.500{TO}5.500"),
    ]


def test_what_a_claim_says_stands_before_what_holds_here():
    claim = Claim("a", "4.6", "final", "prn", "thesis_mesh", "better", lower_by=37.0)
    found = Comparison({"final": FINAL, "prn": PRN}, None, {"a": Difference(-1.5, -2.0, -1.0, 30.0, 20.0, 40.0, 3, 3)})
    told = ("4.6", "final against prn", "mesh", "better by 37 %", "3 and 3", "12,096 and 4,032", "0 of 3 and 1 of 2")
    difference = f"-1.500\u00a0(-2.000{TO}-1.000)"
    assert conclusion_rows([claim], found) == [(*told, difference, 30.0, "better", "holds")]


def test_equal_passes_of_two_variants_are_said_once():
    found = {"a": Difference(-1.5, -2.0, -1.0, 30.0, 20.0, 40.0, 3, 3)}
    variants = {"final": FINAL, "prn": dataclasses.replace(PRN, passes=FINAL.passes)}
    claim = Claim("a", "4.6", "final", "prn", "thesis_mesh", "better")
    assert conclusion_rows([claim], Comparison(variants, None, found))[0][5] == "12,096"


CLAIMS = [
    Claim("a", "4.3", "prn", "prn_plain", "thesis_68", "better", lower_by=30.0, follows=23.1),
    Claim("b", "4.3", "prn", "prn_author", "thesis_68", "equal", follows=23.1),
    Claim("c", "4.5", "frozen", "prn", "thesis_mesh", "worse"),
    Claim("d", "4.9", "final", "prn", "thesis_mesh", "better", lower_by=37.0),
    Claim("e", "4.9", "final", "3ddfa", "thesis_mesh", "better", follows=67.0),
    Claim("g", "4.9", "final", "joint", "thesis_mesh", "equal", follows=0.0),
    Claim("h", "4.9", "joint", "prn", "thesis_mesh", "better"),
    Claim("f", "ours", "fast", "final", "thesis_mesh", "equal"),
]
FOUND = {
    "a": Difference(-1.0, -2.0, -0.5, 30.0, 15.0, 60.0, 3, 3),
    "b": Difference(0.0, -1.0, 1.0, 0.0, -5.0, 5.0, 3, 4),
    "c": Difference(-1.0, -2.0, -0.5, 12.34, 6.0, 24.0, 5, 3),
    "d": Difference(1.0, -0.5, 2.0, -12.34, -24.0, 6.0, 2, 3),
}


def test_claims_are_told_by_section_with_the_change_of_the_error_in_the_thesis_and_here():
    # Of final one seed was still falling, of prn_author nothing is told.
    variants = dict.fromkeys(("prn", "prn_plain", "frozen"), FINAL)
    variants |= {"final": PRN, "prn_author": Summary(3, 0, None, 0, 1.0, 2.0, 97.0, 0.0)}
    sections = claims_by_section(CLAIMS, Comparison(variants, None, FOUND))
    assert list(sections) == ["4.3", "4.5", "4.9"]
    all_said = [said for lines in sections.values() for said in lines]
    assert [said.falling for said in all_said] == [False, False, False, True, False, False, False]
    lines = [tuple(said)[:-1] for said in all_said]
    assert [tuple(text.replace("\u2212", "-") for text in line) for line in lines] == [
        (
            "prn better than prn_plain: 68 landmarks",
            "-30 % (its means: -23.1 %)",
            "-30.0 % (-60.0 to -15.0)",
            "holds",
            "good",
        ),
        (
            "prn as good as prn_author: 68 landmarks",
            "equal (its means: -23.1 %)",
            "0.0 % (-5.0 to +5.0)",
            "is not contradicted",
            "",
        ),
        ("frozen worse than prn: mesh", "higher", "-12.3 % (-24.0 to -6.0)", "does not hold", "bad"),
        ("final better than prn: mesh", "-37 %", "+12.3 % (-6.0 to +24.0)", "figures only", ""),
        ("final better than 3ddfa: mesh", "-67 %", "", "not run here", ""),
        ("final as good as joint: mesh", "equal (its means: 0 %)", "", "not run here", ""),
        ("joint better than prn: mesh", "lower", "", "not run here", ""),
    ]
    assert count_conclusions(sections) == [
        ("holds", 1),
        ("does not hold", 1),
        ("is not contradicted", 1),
        ("figures only", 1),
        ("not run here", 3),
    ]


@pytest.mark.parametrize(("seeds", "alone"), [(3, ""), (1, ", over images alone")])
def test_a_largest_gain_stands_beside_the_thesis_s(seeds, alone):
    gains = [Gain("4.5", "joint", "prn", "thesis_mesh", 19.0), Gain("4.5", "joint", "prn", "thesis_68", 7.0)]
    gap = CurveGap(np.array([1.0, 2.25, 3.0]), np.array([20.0, 40.0, 0.0]), 12.5)
    found = {("joint", "prn", "thesis_mesh"): LargestGain(gap, seeds, 3)}
    assert gain_rows(gains, Comparison({}, None, {}, found)) == [
        ("joint over prn", "mesh", "19", f"{seeds} and 3", 40.0, f"27.500{TO}52.500{alone}", 2.25),
        ("joint over prn", "68 landmarks", "7", "", "not run here", "", ""),
    ]


def test_the_thesis_s_machine_and_training_stand_before_ours():
    reference = Reference(
        [], [], [], [], {"processor": "theirs", "memory": "16 GB"}, {"lr": 1e-4, "batch_size": 16.0}, {}
    )
    ours = {"memory": "32 GB", "processor": "ours", "Python": "3"}
    assert machine_rows(reference, ours, {"batch_size": 8, "lr": 2e-4, "seed": 1}) == [
        ("processor", "theirs", "ours"),
        ("memory", "16 GB", "32 GB"),
        ("lr", "0.0001", "0.0002"),
        ("batch_size", "16", "8"),
    ]


def test_a_layer_stands_beside_ours_of_its_name():
    theirs = [Layer("conv", "4", "1", "256*256*16"), Layer("block", "3", "2", "128*128*32")]
    ours = [("block", "3*3", "2", "16*16*4"), ("other", "1", "1", "1*1*1")]
    assert layer_rows(theirs, ours) == [
        ("conv", "4", "1", "256*256*16", "none", "none", "none"),
        ("block", "3", "2", "128*128*32", "3*3", "2", "16*16*4"),
    ]


def test_the_signed_error_of_each_axis_is_that_of_both_scalings():
    results = {
        "prn_sigmoid": results_of("prn_sigmoid", seeds=[1, 2], bias_x=3.0, bias_y=-2.0, bias_z=1.0),
        "final": results_of("final", bias_x=9.0),
        "prn": results_of("prn", seeds=[5], bias_x=0.5, bias_z=-1.5),
    }
    assert bias_rows(results) == [
        ("prn", 1, "x (right)", 0.5, f"0.400{TO}0.600"),
        ("prn", 1, "z (to the viewer)", -1.5, f"-1.600{TO}-1.400"),
        ("prn_sigmoid", 2, "x (right)", 3.0, f"2.900{TO}3.100"),
        ("prn_sigmoid", 2, "y (down)", -2.0, f"-2.100{TO}-1.900"),
        ("prn_sigmoid", 2, "z (to the viewer)", 1.0, f"0.900{TO}1.100"),
    ]


def test_table_4_1_has_the_mesh_s_errors_in_the_order_of_its_head():
    """L1, L1 + LK (symmetry of keypoints), L1 + LS (smoothness), L1 + LK + LS, L1 * MASK."""
    order = ("l1", "l1_k", "l1_s", "l1_k_s")
    numbers = [
        Number("4.7", name, "thesis_mesh", value)
        for value, name in enumerate(
            [*(f"final_{loss}" for loss in order), "final_mask", *(f"prn_{loss}" for loss in order)]
        )
    ]
    others = [Number("4.9", "prn", "thesis_mesh", 99.0), Number("4.7", "prn", "thesis_mesh", 8.5)]
    variants = {
        "prn_l1_s": dataclasses.replace(PRN, over_seeds=over_seeds(thesis_mesh=4.0, thesis_68=7.0)),
        "final": dataclasses.replace(PRN, over_seeds=over_seeds(thesis_mesh=7.0)),
    }
    assert loss_rows([*numbers, *others], Comparison(variants, None, {}), "here") == [
        ("PRN, thesis", "5.000", "6.000", "7.000", "8.000", "8.500"),
        ("PRN, here", "not run here", "not run here", f"4.000\u00a0(3.500{TO}4.500)", "not run here", "not run here"),
        ("PRN + ResNet, thesis", "0.000", "1.000", "2.000", "3.000", "4.000"),
        ("PRN + ResNet, here", *["not run here"] * 5),
    ]


@pytest.mark.parametrize(("name", "rows"), [("prn_l1", [("prn_l1", 2, 4032, "1 of 2", 5, 3, 27.4)]), ("prn_plain", [])])
def test_rises_are_told_with_seeds_validations_jumps_and_the_worst_one(name, rows):
    comparison = Comparison({name: PRN}, None, {})
    assert rise_rows({name: results_of(name, seeds=[1, 1, 1, 2, 2])}, comparison) == rows


def test_a_claim_is_told_with_its_percentages_and_its_note():
    assert claim_text(CLAIM) == "better by 30 % (23.1 % from its means) at most"
    assert (
        claim_text(Claim("a", "4.3", "prn", "final", "thesis_68", "equal", follows=0.0)) == "equal (0 % from its means)"
    )


@pytest.mark.parametrize(
    ("expected", "verdict", "said"),
    [
        ("better", "better", "holds"),
        ("better", "worse", "does not hold"),
        ("equal", "better", "does not hold"),
        ("equal", "not told apart", "is not contradicted"),
        ("worse", "not told apart", "cannot be told"),
        ("equal", None, ""),
        ("better", None, ""),
    ],
)
def test_whether_a_conclusion_holds(expected, verdict, said):
    assert conclude(expected, verdict) == said


def test_a_claim_whose_variants_did_not_run_says_so_and_has_as_many_cells():
    found = {"a": Difference(-1.0, -2.0, -0.5, 30.0, 15.0, 60.0, 3, 4)}
    ran, absent = (conclusion_rows([CLAIM], Comparison(SUMMARIES, None, claims))[0] for claims in (found, {}))
    learnt = ("4,032 and 12,096", "2 of 3 and not told")
    assert ran[4:] == ("3 and 4", *learnt, f"-1.000\u00a0(-2.000{TO}-0.500)", 30.0, "better", "holds")
    assert absent[4:] == ("", "", "", "not run here", "", "", "")


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (5, 2)])
def test_with_fewer_than_three_seeds_of_either_there_are_figures_and_no_verdict(seeds):
    claim = Claim("a", "4.3", "prn", "final", "thesis_68", "equal")
    found = {"a": Difference(-1.0, -2.0, -0.5, 30.0, 15.0, 60.0, *seeds)}
    (row,) = conclusion_rows([claim], Comparison(SUMMARIES, None, found))
    figures = (f"-1.000\u00a0(-2.000{TO}-0.500), over images alone", 30.0)
    assert row[4] == f"{seeds[0]} and {seeds[1]}"
    assert row[7:] == (*figures, "no verdict", "")
    assert "better" not in str(row)
    assert "worse" not in str(row)
