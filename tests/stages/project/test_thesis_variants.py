"""The thesis's variants in params.yaml: what is compared differs in what the comparison names, and in nothing else."""

import dataclasses

import pytest

from stages.pages.thesis_reference import read_reference
from stages.pages.thesis_tables import TABLE_4_1
from stages.print_trainings import count_trainings
from stages.project.params_file import read_params
from stages.project.variants import resolve_variant
from tests.helpers.places import ROOT

PARAMS = read_params(ROOT / "params.yaml")
SOURCES = PARAMS["thesis"]["variants"]
SETTINGS = {name: resolve_variant(PARAMS, name) for name in SOURCES}
CLAIMS = [claim for claim in read_reference().claims if {claim.variant, claim.against} <= set(SOURCES)]
# Those that carry the thesis's main claims.
THREE_SEEDS = {"final", "prn", "prn_plain", "prn_sigmoid", "3ddfa", "frozen", "joint"}


def flat(values, place=""):
    """Settings by dotted names."""
    found = {}
    for name, value in values.items():
        found |= flat(value, f"{place}{name}.") if isinstance(value, dict) else {f"{place}{name}": value}
    return found


def differences(variant, against):
    """What two variants differ in beside their names and numbers of seeds, by dotted names."""
    ours, other = (flat(dataclasses.asdict(SETTINGS[name])) for name in (variant, against))
    names = {name for name in ours if ours[name] != other[name]} - {"train.variant", "train.seeds"}
    return {name: (ours[name], other[name]) for name in names}


def passes(name):
    """Passes of a variant and of all that it starts from."""
    start = SOURCES[name]["init"]
    return SETTINGS[name].train.budget + (passes(start) if start in SOURCES else 0)


def test_what_is_compared_has_learnt_from_as_many_passes_whatever_it_starts_from():
    assert len(CLAIMS) >= 35
    assert {claim.name: (passes(claim.variant), passes(claim.against)) for claim in CLAIMS} == {
        claim.name: (1152, 1152) for claim in CLAIMS
    }
    assert {passes(name) for name in SOURCES} == {1152}


def test_the_claim_carrying_variants_have_three_seeds_and_their_claims_verdicts():
    assert {name: settings.train.seeds for name, settings in SETTINGS.items()} == {
        name: [1, 2, 3] if name in THREE_SEEDS else [1] for name in SOURCES
    }
    assert {claim.name for claim in CLAIMS if {claim.variant, claim.against} <= THREE_SEEDS} == {
        *("augmentation_68", "augmentation_mesh", "tanh_68", "tanh_mesh", "frozen_68", "frozen_mesh"),
        *("joint_68", "joint_mesh", "smoother", "final_68", "final_mesh", "final_3ddfa"),
    }


def test_three_seeds_of_all_are_one_parameter():
    params = PARAMS | {"train": PARAMS["train"] | {"seeds": [1, 2, 3]}}
    assert count_trainings(params) == (1 + len(SOURCES), 3 * (1 + len(SOURCES)), 3 * (20000 + len(SOURCES) * 1152))


@pytest.mark.parametrize(("row", "outputs"), [("PRN", ["final"]), ("PRN + ResNet", ["brief", "final"])])
def test_a_column_of_table_4_1_differs_from_l1_in_the_one_thing_that_it_names(row, outputs):
    l1, *others = TABLE_4_1[row]
    for output in outputs:
        terms = dataclasses.asdict(getattr(SETTINGS[l1].loss, output))
        assert terms == {"regions": False, "position": 1.0, "symmetry": 0.0, "smoothness": 0.0}
    assert SETTINGS[l1].loss.norm == "l1"
    named = [
        {"symmetry": (0.1, 0.0)},
        {"smoothness": (0.1, 0.0)},
        {"symmetry": (0.1, 0.0), "smoothness": (0.1, 0.0)},
        {"regions": (True, False)},
    ]
    brief_unused = {f"loss.brief.{name}" for name in ("regions", "symmetry", "smoothness")} if row == "PRN" else set()
    for variant, expected in zip(others, named, strict=True):
        found = differences(variant, l1)
        assert {name: found[name] for name in found.keys() - brief_unused} == {
            f"loss.{output}.{term}": values for output in outputs for term, values in expected.items()
        }, variant


@pytest.mark.parametrize(
    ("variant", "against", "expected"),
    [
        # Table 4.1's mask alone, and the final model.
        ("final_mask", "final", {"loss.brief.symmetry": (0.0, 0.1), "loss.brief.smoothness": (0.0, 0.1)}),
        ("final_mask", "prn", {"network.residual": (True, False)}),
        ("prn_l2", "prn", {"loss.norm": ("l2", "l1")}),
        ("final_l2", "final", {"loss.norm": ("l2", "l1")}),
        ("final_join_thesis", "final", {"network.residual_join": ("thesis", "logits")}),
        ("final_loops", "final", {"network.residual_stages": (3, 1)}),
        ("final_full", "final_unlevelled", {"train.level": ("on", "off")}),
        ("final", "final_unlevelled", {"train.level": ("on", "off"), "train.policy": ("mild", "full")}),
        ("joint_unlevelled", "prn_unlevelled", {"network.residual": (True, False)}),
        ("3ddfa_unlevelled", "3ddfa", {"train.level": ("off", "on"), "train.policy": ("full", "mild")}),
        ("prn_unlevelled", "prn", {"train.level": ("off", "on"), "train.policy": ("full", "mild")}),
        ("joint_unlevelled", "joint", {"train.level": ("off", "on"), "train.policy": ("full", "mild")}),
        (
            "nonlinear",
            "prn",
            {"network.regresses": ("canonical_map", "position_map"), "network.residual": (True, False)},
        ),
        ("3ddfa_cascade", "3ddfa", {"network.passes": (2, 1)}),
        (
            "mobile",
            "prn",
            {
                "network.lean": (True, False),
                "network.convolution": ("separable", "full"),
                "train.scaling": ("linear", "tanh"),
            },
        ),
        ("prn_plain", "prn", {"train.policy": ("none", "mild"), "train.halve_every": (3, 1)}),
        ("prn_sigmoid", "prn", {"train.scaling": ("sigmoid", "tanh")}),
        ("frozen", "joint", {"train.strategy": ("frozen", "joint")}),
        ("final", "joint", {"train.strategy": ("staged", "joint")}),
    ],
)
def test_a_variant_differs_from_another_in_what_it_is_named_after(variant, against, expected):
    found = differences(variant, against)
    # Without a refinement there is no strategy, and no loss of a brief output.
    if not (SETTINGS[variant].network.refined and SETTINGS[against].network.refined):
        found = {name: found[name] for name in found if not name.startswith(("train.strategy", "loss.brief"))}
    assert found == expected


def test_with_and_without_augmentation_the_rate_is_halved_after_as_many_samples():
    policies = PARAMS["augmented"]["policies"]
    samples = {
        name: SETTINGS[name].train.halve_every * (1 + policies[SETTINGS[name].train.policy]["copies"])
        for name in ("prn", "prn_plain")
    }
    assert samples == {"prn": 3, "prn_plain": 3}


def test_unlevelled_networks_learn_from_faces_turned_as_far_as_the_thesis_turns_them():
    unlevelled = {name for name, source in SOURCES.items() if source["level"] == "off"}
    assert unlevelled == {f"{name}_unlevelled" for name in ("final", "prn", "joint", "3ddfa")}
    turns = {PARAMS["augmented"]["policies"][SOURCES[name]["policy"]]["rotation_deg"] for name in unlevelled}
    assert turns == {45}
