"""Errors and claims by where a crop's box and levelling come from, by hand."""

import pandas as pd
import pytest

from stages.pages.by_crop import CropScore, claim_rows, compare_crops, score_rows
from stages.pages.thesis_reference import Claim
from stages.project.result_params import EvaluateParams
from stages.project.results import Results

PARAMS = EvaluateParams(bootstrap=100, seed=1, share_under=5.0, benchmark="none")
LEVELLING = Claim("levelling", "4.8", "final", "prn", "thesis_mesh", "better")
OTHER = Claim("other", "4.5", "final", "joint", "thesis_mesh", "better")
ABSENT = Claim("absent", "4.9", "final", "3ddfa", "thesis_mesh", "better")


def errors(images, mesh, by=(0.0,)):
    """The errors of each seed: of the mesh as given, of the landmarks half of that, each seed adds a number."""
    table = pd.DataFrame({"sample_id": images, "thesis_mesh": mesh}, dtype=object).astype({"thesis_mesh": float})
    seeds = pd.concat(table.assign(seed=seed, thesis_mesh=table["thesis_mesh"] + more) for seed, more in enumerate(by))
    return seeds.assign(thesis_68=seeds["thesis_mesh"] / 2)


def results_of(variant, annotated, levelling="annotation", **found):
    rows = [("predicted", "annotation", levelling, 0), ("fitted", "annotation", levelling, 0)]
    rows += [(source, source, source, 4 - table["sample_id"].nunique()) for source, table in found.items()]
    sources = pd.DataFrame(rows, columns=["map", "box", "levelling", "failed"])
    none = pd.DataFrame()
    return Results(variant, {}, none, none, none, none, none, sources, none, none, annotated, found)


@pytest.fixture
def by_crop():
    final = results_of(
        "final", errors(list("abcd"), [3, 4, 5, 4]), facemesh=errors(list("abc"), [4, 6, 5]), asm=errors(["d"], [9])
    )
    prn = results_of("prn", errors(list("abcd"), [5, 5, 5, 5]), "none", facemesh=errors(list("bcd"), [7, 7, 7]))
    main = results_of("best", errors(list("abcd"), [1, 1, 1, 1]), facemesh=errors(list("dcba"), [2, 2, 1, 1]))
    joint = results_of("joint", errors(list("abcd"), [1, 1, 1, 1]))
    results = {"best": main, "final": final, "joint": joint, "prn": prn}
    return compare_crops(results, [LEVELLING, OTHER, ABSENT], PARAMS)


def test_the_main_run_and_the_variants_of_the_sections_have_a_row_for_each_source(by_crop):
    assert {name: list(scores) for name, scores in by_crop.scores.items()} == {
        "best": ["predicted", "facemesh"],
        "final": ["predicted", "facemesh", "asm"],
        "prn": ["predicted", "facemesh"],
    }
    rows = score_rows(by_crop)
    assert [row[:5] for row in rows] == [
        ("best", "annotation", 1, 4, 0),
        ("best", "facemesh", 1, 4, 0),
        ("final", "annotation", 1, 4, 0),
        ("final", "facemesh", 1, 3, 1),
        ("final", "asm", 1, 1, 3),
        ("prn", "annotation, none", 1, 4, 0),
        ("prn", "facemesh", 1, 3, 1),
    ]
    # Landmarks and mesh; and the mesh beside that of the annotated crops: of the same images, in whatever order.
    assert [tuple(cell.partition("\u00a0")[0] for cell in row[5:]) for row in rows] == [
        ("0.500", "1.000", ""),
        ("0.750", "1.500", "0.500"),
        ("2.000", "4.000", ""),
        ("2.500", "5.000", "1.000"),
        ("4.500", "9.000", "5.000"),
        ("2.500", "5.000", ""),
        ("3.500", "7.000", "2.000"),
    ]
    assert rows[4][6:] == (
        "9.000 (9.000 to 9.000)".replace(" ", "\u00a0"),
        "5.000 (5.000 to 5.000)".replace(" ", "\u00a0"),
    )


def test_a_claim_is_tested_on_the_images_that_both_variants_have_and_where_both_have_the_source(by_crop):
    assert list(by_crop.claims) == ["levelling"]
    rows = claim_rows([LEVELLING, OTHER, ABSENT], by_crop)
    # On all four images 4 against 5; on b and c 5.5 against 7.
    assert [row[:6] for row in rows] == [
        ("4.8", "final against prn", "mesh", "better", "annotation", 4),
        ("4.8", "final against prn", "mesh", "better", "facemesh", 2),
    ]
    assert {row[7:] for row in rows} == {("no verdict", "")}
    assert rows[0][6].startswith("-1.000\u00a0(")
    assert rows[1][6] == "-1.500\u00a0(-2.000\u00a0to\u00a0-1.000), over images alone"


def test_three_seeds_give_a_verdict_on_found_crops_and_means_over_all_of_them():
    seeds = (-0.1, 0.0, 0.4)
    annotated = errors(list("abc"), [3, 4, 5], (0, 0, 0))
    final = results_of("final", annotated, facemesh=errors(list("abc"), [3, 4, 5], seeds))
    prn = results_of("prn", annotated, facemesh=errors(list("abc"), [5, 6, 7], seeds))
    by_crop = compare_crops({"final": final, "prn": prn}, [LEVELLING], PARAMS)
    found = by_crop.claims["levelling"]["facemesh"].found
    assert (found.difference, found.seeds, found.verdict) == (-2, 3, "better")
    assert claim_rows([LEVELLING], by_crop)[1][7:] == ("better", "holds")
    score = by_crop.scores["final"]["facemesh"]
    assert isinstance(score, CropScore)
    assert (score.seeds, score.errors["thesis_mesh"].mean, score.more.mean) == (3, 4.1, 0.1)
    # All images are off by the same: the interval over the images is none.
    assert score.more == pytest.approx((0.1, 0.1, 0.1))


def test_found_crops_are_compared_with_annotated_ones_by_the_networks_that_saw_both():
    annotated = errors(list("abc"), [3, 4, 5], (0, 6, 9))
    # Seed 1 alone saw the found crops, on which its errors are greater by 1 than on annotated ones.
    found = errors(list("abc"), [10, 11, 12]).assign(seed=1)
    score = compare_crops({"final": results_of("final", annotated, facemesh=found)}, [], PARAMS).scores["final"]
    assert [each.seeds for each in score.values()] == [3, 1]
    assert [each.errors["thesis_mesh"].mean for each in score.values()] == [9, 11]
    assert score["facemesh"].more == (1, 1, 1)


def test_the_metrics_file_has_all_numbers_under_the_names_of_variant_claim_and_source(by_crop):
    metrics = by_crop.as_metrics()
    assert metrics["by_crop"]["final"]["asm"] == {
        "seeds": 1,
        "images": 1,
        "failed": 3,
        **{f"thesis_68{end}": 4.5 for end in ("", "_low", "_high")},
        **{f"thesis_mesh{end}": 9 for end in ("", "_low", "_high")},
        **{f"more{end}": 5 for end in ("", "_low", "_high")},
    }
    assert "more" not in metrics["by_crop"]["final"]["predicted"]
    assert metrics["claims_by_crop"]["levelling"]["facemesh"] == {
        "images": 2,
        "difference": -1.5,
        "low": -2,
        "high": -1,
        "lower_by": round(100 * 1.5 / 7, 3),
        "lower_by_low": round(100 * 1 / 7, 3),
        "lower_by_high": round(100 * 2 / 7, 3),
        "seeds": 1,
        "against_seeds": 1,
    }
