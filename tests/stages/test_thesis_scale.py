"""The thesis's scale: every number of the thesis, typed from its text (T: a line of it), and what DVC makes of it."""

import dataclasses
import shutil

import pytest
from click.testing import CliRunner
from dvc.utils.hydra import apply_overrides

from pipeline.uv.scaling import Scaling
from stages import print_overrides
from stages.pages.provenance import Provenance
from stages.project.overrides import SCALE, arguments, override, read_overrides, unmet
from stages.project.params import AugmentedParams, DataParams
from stages.project.params_check import find_problems
from stages.project.params_file import read_params
from stages.project.strict import build
from stages.project.variants import resolve_variant
from tests.helpers.places import ROOT

# T352.
IMAGES = {"HELEN": 37676, "LFPW": 16556, "AFW": 5207, "IBUG": 1786}
# Side and channels of Tables 3.1 and 3.3 (T474 to T484, T505 to T524), and stride.
ENCODER = [
    (256, 16, 1),
    *((128, 32, 2), (128, 32, 1), (64, 64, 2), (64, 64, 1), (32, 128, 2), (32, 128, 1)),
    *((16, 256, 2), (16, 256, 1), (8, 512, 2), (8, 512, 1)),
]
DECODER = [
    (8, 512, 1),
    *((16, 256, 2), (16, 256, 1), (16, 256, 1), (32, 128, 2), (32, 128, 1), (32, 128, 1)),
    *((64, 64, 2), (64, 64, 1), (64, 64, 1), (128, 32, 2), (128, 32, 1), (256, 16, 2), (256, 16, 1)),
    *((256, 3, 1), (256, 3, 1), (256, 3, 1)),
]


@pytest.fixture(scope="module")
def params():
    """All of params.yaml with the thesis's scale laid over it."""
    return override(read_params(ROOT / "params.yaml"), read_overrides(ROOT / SCALE))


@pytest.fixture(scope="module")
def runs(params):
    """Settings of all of its runs."""
    names = {"main": None} | {name: name for name in params["thesis"]["variants"]}
    return {run: resolve_variant(params, name) for run, name in names.items()}


def test_the_images_are_those_of_300w_lp_without_mirror_images(params):
    data = build("data", params["data"], DataParams)
    assert sum(IMAGES.values()) == Provenance.thesis_learnt == 61225  # T352
    assert {name: data.subsets[name].folder for name in data.learned} == {name: f"300W_LP/{name}" for name in IMAGES}
    assert Provenance.thesis_tested == 2000  # T366
    assert [name for name, subset in data.subsets.items() if subset.use == "test"] == ["AFLW2000"]  # T366, T584


def test_sizes_and_range_are_the_thesis_s(params, runs):
    assert params["data"]["size"] == 256  # T394, T398, T428
    train = runs["main"].train
    assert train.scaling == "tanh"  # T629
    assert Scaling(train.scaling, 256).divisor == 128  # T527


def test_augmentation_is_the_thesis_s(params, runs):
    policy = build("augmented", params["augmented"], AugmentedParams).policies["full"]
    assert policy.rotation_deg == 45  # T408
    assert policy.zoom == (0.7, 1.3)  # T412
    assert policy.channel_gain == (0.5, 1.5)  # T416
    assert policy.noises == 3  # T420: one to three kinds
    assert policy.shift == 0.1  # T424
    assert not policy.online
    # T621: blue learns without.
    assert {run for run, settings in runs.items() if settings.train.policy != "full"} == {"prn_plain"}
    assert runs["prn_plain"].train.policy == "none"


def test_the_main_run_is_the_thesis_s_model(runs):
    main = runs["main"]
    assert (main.variant, main.train.level, main.train.strategy) == ("final", "on", "staged")  # T600
    assert "final" not in runs
    assert {"prn", "prn_plain", "prn_sigmoid", "3ddfa", "frozen", "joint", "prn_l1"} <= set(runs)


def test_networks_have_the_thesis_s_numbers(runs):
    network = runs["main"].network
    # T456: 10 residual blocks, two a halving; T474: 16 channels; T484: 8 x 8 are left.
    assert (network.width, 2 * network.levels, 256 // 2**network.levels) == (16, 10, 8)
    sides = [(256 // 2**level, network.width * 2**level) for level in (0, *(n for n in range(1, 6) for _ in "12"))]
    assert sides == [(side, channels) for side, channels, _ in ENCODER]
    # T456, T537: 8 residual blocks of 256*256*64, once, then 256*256*256.
    assert (network.residual, network.residual_blocks, network.residual_width) == (True, 8, 64)
    assert (network.residual_head_width, network.residual_stages, network.residual_shrink) == (256, 1, 1)
    assert not network.lean
    for run, settings in runs.items():
        assert settings.network.width == 16, run


@pytest.mark.slow
def test_its_network_has_the_layers_of_the_tables(runs, keras):
    from model.layer_table import layer_tables

    tables = layer_tables(256, runs["main"].network, Scaling("tanh", 256))
    for number, printed in (("3.1", ENCODER), ("3.3", DECODER)):
        rows = [(4, stride, f"{side}*{side}*{channels}") for side, channels, stride in printed]
        assert [tuple(row[1:]) for row in tables[number]] == rows, number


def test_every_run_learns_by_the_thesis_s_numbers(runs):
    for run, settings in runs.items():
        train = settings.train
        assert train.batch_size == 4, run  # T578, T611
        assert train.lr == 0.001, run  # T578, T611
        assert (train.optimizer, train.weight_decay, train.clip, train.average) == ("adam", 0, 0, 0), run  # T578, T611
        # T578, T611; without its three copies beside each image, an epoch is a quarter.
        assert (train.schedule, train.halve_every) == ("halvings", 20 if run == "prn_plain" else 5), run
        assert train.patience == 5, run  # T578


def test_a_phase_of_the_thesis_s_model_may_have_twenty_epochs_and_all_runs_as_many_passes(runs):
    # A tenth validates; three copies beside each image: 55,102.5 x 4 an epoch, 20 in each of three phases.
    whole = 3 * 20 * 220410
    assert {settings.train.budget for settings in runs.values()} == {13500000}
    # An epoch is at most 1 in 40 longer, if photos of larger identities are learnt from.
    assert whole * 1.02 < 13500000 < whole * 1.025


def test_the_whole_of_it_can_be_run(params, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert find_problems(params) == []
    # On the real data, which need not lie here.
    real = params | {"data": params["data"] | {"root": "no folder"}}
    assert find_problems(real) == [
        "data.root is no folder, which is no folder: link or move the data there, or set it to data/demo."
    ]


def test_dvc_makes_the_same_of_it(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablation").mkdir()
    for name in ("params.yaml", SCALE):
        shutil.copy(ROOT / name, tmp_path / name)
    printed = CliRunner().invoke(print_overrides.main, [str(SCALE)])
    assert printed.exit_code == 0
    words = printed.stdout.split()
    assert words == [word for line in arguments(read_params(), read_overrides()) for word in ("-S", line)]
    assert "-S" not in words[1::2]
    assert printed.stderr.startswith("ablation/thesis_scale.txt: up to ")
    apply_overrides("params.yaml", words[1::2])
    applied = read_params()
    assert applied == params
    assert unmet(applied, read_overrides()) == []


class TestDryRun:
    def test_steps_are_extrapolated_to_all_phases_and_seeds(self, runs):
        from benchmarks.thesis_scale import Measured, extrapolate, table_row

        settings = dataclasses.replace(runs["main"], train=dataclasses.replace(runs["main"].train, seeds=[1, 2, 3]))
        # 13.5 million passes in batches of 4, a third of the steps in each phase, of three seeds.
        whole = extrapolate(settings, (1.0, 3.0, 5.0))
        assert whole.steps == 3375000
        assert whole.core_hours == pytest.approx(3 * 1125000 * (1 + 3 + 5) / 3600)
        row = table_row("final", settings, Measured(14100000, 6 * 10**9, ("brief", "refinement", "all"), {}), whole)
        assert row == "| final | 3 | 14.1 M | 6.0 GB | 1.0, 3.0, 5.0 | 3,375,000 | 8,438 |"

    @pytest.mark.slow
    def test_a_run_makes_its_steps_in_a_process_of_its_own(self, runs, tmp_path):
        from benchmarks.model import answer, make_shards
        from benchmarks.thesis_scale import measure

        sizes = {"width": 1, "residual_blocks": 1, "residual_width": 2, "residual_head_width": 2}
        settings = dataclasses.replace(runs["main"], network=dataclasses.replace(runs["main"].network, **sizes))
        make_shards(tmp_path)
        measured = answer(measure, tmp_path, settings, 256, {"brief"})
        assert measured.phases == ("brief", "refinement", "all")
        assert set(measured.seconds) == {"refinement", "all"}
        assert 0 < min(measured.seconds.values()) <= max(measured.seconds.values()) < 60
        # A process with TensorFlow, not this one.
        assert 0.2e9 < measured.peak_bytes < 8e9
