"""The thesis's variants on real faces: what its overrides make of params.yaml, and what DVC makes of them."""

import shutil

import pytest
from click.testing import CliRunner
from dvc.utils.hydra import apply_overrides

from stages import print_overrides
from stages.project.overrides import override, read_overrides
from stages.project.params_check import find_problems
from stages.project.params_file import read_params
from stages.project.variants import resolve_variant
from tests.helpers.places import ROOT

LINES = "ablation/real_thesis.txt"
PHASES = {"joint": 1, "frozen": 2, "staged": 3}
EPOCH = 1175


@pytest.fixture(scope="module")
def params():
    return override(read_params(ROOT / "params.yaml"), read_overrides(ROOT / LINES))


@pytest.fixture(scope="module")
def runs(params):
    return {name: resolve_variant(params, name) for name in params["thesis"]["variants"]}


def test_params_are_in_order(params):
    assert find_problems(params) == []


def test_every_network_learns_from_as_many_passes_and_its_rate_is_halved_as_often_in_a_phase(runs):
    assert {run.train.budget for run in runs.values()} == {100_000}
    assert {params["init"] for params in read_params(ROOT / "params.yaml")["thesis"]["variants"].values()} == {"random"}
    for name, run in runs.items():
        phases = PHASES[run.train.strategy] if run.network.refined else 1
        halvings = run.train.budget / phases / EPOCH / run.train.halve_every
        assert 5.5 < halvings < 6.1, name


def test_what_is_levelled_is_augmented_mildly_and_what_is_not_by_the_thesis_s_range(params, runs):
    for name, source in params["thesis"]["variants"].items():
        wide = name == "final_full" or source["level"] == "off"
        assert source["policy"] == ("online" if wide else "none" if name == "prn_plain" else "online_mild"), name
        policy = runs[name].augmentation
        assert (policy.rotation_deg, policy.online) == ((45 if wide else 0 if name == "prn_plain" else 10), True), name
        assert policy.far_share == 0


def test_claims_of_the_thesis_s_text_have_three_seeds(params, runs):
    single = {name for name, run in runs.items() if run.train.seeds == [1]}
    assert {name for name, run in runs.items() if run.train.seeds == [1, 2, 3]} == set(runs) - single
    assert single == {
        *("prn_l1_k", "prn_l1_s", "prn_l1_k_s", "prn_l2", "prn_refine_fast", "nonlinear", "vrn", "mobile"),
        *("final_l1_k", "final_l1_s", "final_l1_k_s", "final_l2", "final_join_thesis", "final_loops"),
    }
    assert resolve_variant(params, None).train.seeds == [1]


def test_dvc_makes_the_same_of_it(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablation").mkdir()
    for name in ("params.yaml", LINES):
        shutil.copy(ROOT / name, tmp_path / name)
    printed = CliRunner().invoke(print_overrides.main, [LINES])
    assert printed.exit_code == 0
    assert printed.stderr == f"{LINES}: up to 63 trainings, 6,300,000 passes of a sample in all.\n"
    apply_overrides("params.yaml", printed.stdout.split()[1::2])
    assert read_params() == params


def test_a_file_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    printed = CliRunner().invoke(print_overrides.main, ["ablation/nothing.txt"])
    assert (printed.exit_code, printed.stdout) == (1, "")
    assert printed.stderr == "Error: ablation/nothing.txt is missing; run this from the project's root.\n"
