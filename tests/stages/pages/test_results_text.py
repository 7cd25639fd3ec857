"""Results in Markdown: what stands in the tables, and that the page which is kept has what its metrics say."""

import json

import pytest
from click.testing import CliRunner

from stages import print_results
from stages.pages.results_text import NOT_VARIANTS, markdown, mean_over_seeds, results_text
from stages.pages.thesis_reference import Claim, read_reference
from tests.helpers.places import ROOT

SUMMARY = {"jumps": 1, "thesis_68": 9.0, "thesis_mesh": 8.0, "smooth_15deg": 97.0, "worst_rise": 5.0}
SCORES = {"nme68_2d": 4.689, "nme68_2d_low": 4.421, "nme68_2d_high": 4.982, "nme68_2d_bins": 5.504}
SCORES |= {"dense_3d": 5.589, "thesis_mesh": 9.74, "smooth_15deg": 97.617}
OVER_SEEDS = {"thesis_mesh_over_seeds": 8.124, "thesis_mesh_over_seeds_low": 7.0, "thesis_mesh_over_seeds_high": 9.25}
DIFFERENCE = {"difference": -1.25, "low": -2.0, "high": -0.5, "lower_by": 12.5}
CLAIMS = [
    Claim("a", "4.3", "prn", "best", "thesis_mesh", "better", lower_by=30.0),
    Claim("b", "4.4", "prn", "best", "thesis_68", "worse"),
    Claim("c", "4.5", "prn", "elsewhere", "thesis_68", "worse"),
]


@pytest.fixture
def project(tmp_path):
    """The metrics of a main run and of a variant with three seeds."""
    bounds = {"lower_by_low": 5.0, "lower_by_high": 20.0}
    claims = {
        "a": DIFFERENCE | bounds | {"seeds": 3, "against_seeds": 3},
        "b": DIFFERENCE | bounds | {"seeds": 3, "against_seeds": 1},
    }
    thesis = {
        "best": SUMMARY | {"seeds": 1, "passes": 20000},
        "prn": SUMMARY | {"seeds": 3, "passes": 1152, "falling": 2} | OVER_SEEDS,
        "rank_correlation": {},
        "claims": claims,
        "largest_gains": {},
        "by_crop": {},
        "claims_by_crop": {},
    }
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/thesis.json").write_text(json.dumps(thesis))
    for run, failed in (("main", 3), ("prn", 2)):
        scores = tmp_path / f"runs/{run}/scores"
        scores.mkdir(parents=True)
        (scores / "metrics.json").write_text(json.dumps(SCORES | {"dense_3d": failed}))
        (scores / "sources.csv").write_text(
            "map,failed,nme68_2d\npredicted,0,4.689\nfitted,0,4.312\n" + f"facemesh,{failed},6.005\n" * (run == "prn")
        )
    return tmp_path


def test_each_variant_has_a_row_the_main_one_by_its_own_name_first(project):
    header, rule, main, prn = results_text(project, CLAIMS).split("\n\n")[0].splitlines()
    assert header.startswith(
        "| variant | seeds (still falling) | passes | mesh (`thesis_mesh`), mean over seeds | kept network: mesh | 68 "
    )
    # Of no variant the mean of the 68 landmarks over the seeds is known.
    assert rule == "|" + "---|" * 11
    errors = "9.74 | 4.69 (4.42 to 4.98) | 5.50"
    assert main == f"| `best` | 1 (not told) | 20,000 |  | {errors} | 3.00 | 97.6 | 4.31 |  |"
    assert prn == f"| `prn` | 3 (2) | 1,152 | 8.12 (7.00 to 9.25) | {errors} | 2.00 | 97.6 | 4.31 | 6.00 (2) |"


def test_a_mean_over_seeds_stands_alone_where_its_interval_is_not_known():
    told = {"nme68_2d_over_seeds": 4.5678, "thesis_mesh_over_seeds": 8.124, "thesis_mesh_over_seeds_low": 7.0}
    told["thesis_mesh_over_seeds_high"] = 9.25
    assert mean_over_seeds(told, "nme68_2d") == "4.57"
    assert mean_over_seeds(told, "thesis_mesh") == "8.12 (7.00 to 9.25)"
    assert mean_over_seeds(told, "thesis_68") == ""


def test_a_claim_has_a_verdict_with_three_seeds_of_both_and_figures_otherwise(project):
    _, _, *rows = results_text(project, CLAIMS).split("\n\n")[1].splitlines()
    pair, found = "`prn` against `best`", "-1.25 (-2.00 to -0.50)"
    assert rows == [
        f"| 4.3 | {pair} | mesh | better by 30 % | {found} | better | holds |",
        f"| 4.4 | {pair} | 68 landmarks | worse | {found}, 3 and 1 seeds: over the photos alone | none |  |",
    ]


def test_a_project_without_results_is_told(tmp_path):
    printed = CliRunner().invoke(print_results.main, [str(tmp_path)])
    assert (printed.exit_code, printed.stdout) == (1, "")
    assert printed.stderr.startswith(f"Error: {tmp_path}/metrics/thesis.json is no file that can be read")


def test_a_table_has_a_line_a_row():
    assert markdown(("a", "b"), [("1", "2"), ("3", "4")]) == "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"


def test_the_results_that_are_kept_are_what_their_metrics_say():
    printed = CliRunner().invoke(print_results.main, [str(ROOT / "docs/results/real")])
    assert printed.exit_code == 0, printed.output
    variants, claims = printed.stdout.split("\n\n")
    kept = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert variants.strip() in kept
    assert claims.strip() in kept


def test_the_means_over_seeds_that_are_kept_differ_by_the_claims_differences():
    metrics = json.loads((ROOT / "docs/results/real/metrics/thesis.json").read_text(encoding="utf-8"))
    means = {name: told["thesis_mesh_over_seeds"] for name, told in metrics.items() if name not in NOT_VARIANTS}
    found = metrics["claims"]
    claims = [claim for claim in read_reference().claims if claim.metric == "thesis_mesh" and claim.name in found]
    assert set(means) - {name for claim in claims for name in (claim.variant, claim.against)} == {"best"}
    for claim in claims:
        difference = found[claim.name]["difference"]
        assert means[claim.variant] - means[claim.against] == pytest.approx(difference, abs=0.0015), claim.name
    for name, mean in means.items():
        if metrics[name]["seeds"] == 1:
            assert mean == metrics[name]["thesis_mesh"]
        if name in metrics["by_crop"]:
            assert mean == metrics["by_crop"][name]["predicted"]["thesis_mesh"]
