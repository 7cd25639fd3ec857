"""Variants: overrides in params.yaml, merged strictly."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.project.variants import merge, read_variant

TERMS = {"regions": True, "position": 1.0, "symmetry": 0.0, "smoothness": 0.0}
PARAMS = {
    "train": {
        "variant": "final",
        "policy": "full",
        "level": "on",
        "scaling": "tanh",
        "strategy": "joint",
        "init": "random",
        "lr": 0.001,
        "epochs": 3,
        "batch_size": 4,
        "seeds": [1],
        "halve_every": 5,
        "patience": 5,
        "xla": False,
        "precision": "float32",
        "devices": 1,
    },
    "network": {
        "regresses": "position_map",
        "width": 8,
        "levels": 5,
        "batch_norm_momentum": 0.9,
        "residual": True,
        "residual_blocks": 8,
        "residual_width": 16,
        "residual_head_width": 64,
        "residual_join": "logits",
        "residual_stages": 1,
        "residual_shrink": 1,
    },
    "loss": {"norm": "l1", "brief": TERMS, "final": TERMS},
    "variants": {
        "final": {},
        "prn": {"network": {"residual": False}},
        "coarse": {"train": {"scaling": "sigmoid", "lr": 1e-05}, "loss": {"norm": "l2"}},
    },
    "thesis": {
        "variants": {
            "prn": {"init": "random", "policy": "full", "level": "on"},
            "coarse": {"init": "prn", "policy": "none", "level": "off"},
        }
    },
}


def write(folder: Path, changes: dict) -> Path:
    path = folder / "params.yaml"
    YAML().dump(merge(PARAMS, {}, "") | changes, path)
    return path


def test_the_main_variant_is_the_one_that_train_names(tmp_path: Path):
    settings = read_variant(path=write(tmp_path, {"train": PARAMS["train"] | {"variant": "prn"}}))
    assert (settings.variant, settings.network.residual) == ("prn", False)


def test_a_variant_changes_what_it_names_in_any_section_and_nothing_else(tmp_path: Path):
    path = write(tmp_path, {})
    final, coarse = read_variant("final", path), read_variant("coarse", path)
    assert (coarse.train.scaling, coarse.train.lr, coarse.loss.norm) == ("sigmoid", 1e-5, "l2")
    assert (coarse.network, coarse.train.epochs, coarse.variant) == (final.network, 3, "coarse")
    assert (final.train.scaling, final.loss.norm, final.variant) == ("tanh", "l1", "final")


def test_the_main_variant_starts_from_train_init_and_another_from_what_the_thesis_section_names(tmp_path: Path):
    path = write(tmp_path, {"train": PARAMS["train"] | {"init": "elsewhere"}})
    assert [read_variant(name, path).train.init for name in (None, "prn", "coarse", "final")] == [
        "elsewhere",
        "random",
        "prn",
        "random",
    ]


def test_weights_that_are_applied_as_they_are_need_no_epochs(tmp_path: Path):
    path = write(tmp_path, {"variants": {"final": {}, "coarse": {"train": {"epochs": 0}}}})
    assert read_variant("coarse", path).train.epochs == 0


def test_merging_leaves_the_base_alone_and_reaches_into_nested_mappings():
    base = {"loss": {"brief": {"smooth": 0, "weighted": 1}}}
    assert merge(base, {"loss": {"brief": {"smooth": 2}}}, "v") == {"loss": {"brief": {"smooth": 2, "weighted": 1}}}
    assert base["loss"]["brief"]["smooth"] == 0


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"networks": {}}, "variants.prn.networks overrides nothing; expected one of train, network, loss"),
        ({"network": {"depth": 3}}, "variants.prn.network.depth overrides nothing; expected one of regresses, width"),
        ({"network": 3}, "variants.prn.network is 3; expected a mapping"),
        ({"network": {"width": {"a": 1}}}, r"variants.prn.network.width is \{'a': 1\}; expected a value"),
        ({"train": {"variant": "final"}}, "variants.prn must not override train.variant"),
        ({"train": {"lr": 0}}, "train.lr is 0.0; expected a rate above 0"),
        ({"train": {"init": "prn"}}, "must not override train.init; thesis.variants.prn says what it starts from"),
        ({"train": {"strategy": "slow"}}, "train.strategy is 'slow'; expected one of joint, frozen, staged"),
        ({"train": {"seeds": [2, 2]}}, r"train.seeds is \[2, 2\]; expected one or more different numbers"),
        ({"train": {"epochs": 0}}, "train.epochs is 0; expected 1 or more, or 0 to apply the weights of train.init"),
        ({"train": {"devices": 3}}, "train.batch_size is 4; expected a multiple of the 3 train.devices"),
        ({"train": {"precision": "half"}}, "train.precision is 'half'; expected one of float32, mixed_bfloat16"),
        ({"network": {"regresses": "depth"}}, "network.regresses is 'depth'; expected one of position_map, coeff"),
        ({"network": {"residual_join": "sum"}}, "network.residual_join is 'sum'; expected one of logits, thesis"),
        ({"network": {"width": 0}}, "network.width is 0; expected 1 or more"),
        (
            {"network": {"batch_norm_momentum": 1.0}},
            "network.batch_norm_momentum is 1.0; expected at least 0 and below 1",
        ),
        ({"loss": {"norm": "wing"}}, "loss.norm is 'wing'; expected one of l1, l2"),
        ({"loss": {"final": {"position": 0}}}, "loss.*.position is 0.0; expected a factor above 0"),
        ({"loss": {"brief": {"smoothness": -1}}}, "loss.*.smoothness is -1.0; expected a factor of 0 or more"),
        ({"train": {"epochs": 2.5}}, "train.epochs is 2.5; expected a whole number"),
    ],
)
def test_a_wrong_override_is_named_with_what_would_be_right(tmp_path: Path, overrides: dict, sentence: str):
    path = write(tmp_path, {"variants": {"final": {}, "prn": overrides}})
    with pytest.raises(ValueError, match=sentence):
        read_variant("prn", path)


def test_an_unknown_variant_is_named_with_those_that_exist(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no variant 'prm' in .*; it has final, prn, coarse"):
        read_variant("prm", write(tmp_path, {}))
