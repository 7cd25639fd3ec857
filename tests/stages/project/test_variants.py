"""Variants: overrides in params.yaml, merged strictly."""

import dataclasses
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from model.settings import LossConfig, LossTerms
from stages.project.params_file import read_params
from stages.project.variants import merge, read_settings, read_variant, resolve_variant
from tests.helpers.made_params import PARAMS, TERMS


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
    assert (coarse.train.scaling, coarse.loss.norm) == ("sigmoid", "l2")
    assert (coarse.network, coarse.train.budget, coarse.variant) == (final.network, 30, "coarse")
    assert (final.train.scaling, final.loss.norm, final.variant) == ("tanh", "l1", "final")


def test_the_main_variant_starts_from_train_init_and_another_from_what_the_thesis_section_names(tmp_path: Path):
    path = write(tmp_path, {"train": PARAMS["train"] | {"init": "elsewhere"}})
    assert [read_variant(name, path).train.init for name in (None, "prn", "coarse", "final")] == [
        "elsewhere",
        "random",
        "prn",
        "random",
    ]


def test_weights_that_are_applied_as_they_are_need_no_budget(tmp_path: Path):
    path = write(tmp_path, {"variants": {"final": {}, "coarse": {"train": {"budget": 0}}}})
    assert read_variant("coarse", path).train.budget == 0


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
        (
            {"train": {"lr": 0.01}},
            "variants.prn must not override train.lr, which is the highest rate of every recipe.",
        ),
        ({"train": {"recipe": "cycles"}}, r"no recipe 'cycles' in recipes; it has plain, cycle. Did you mean cycle\?"),
        ({"train": {"init": "prn"}}, "must not override train.init; thesis.variants.prn says what it starts from"),
        (
            {"train": {"policy": "none"}},
            "must not override train.policy; thesis.variants.prn says which samples it lea",
        ),
        ({"train": {"level": "off"}}, "must not override train.level; thesis.variants.prn says which samples it lea"),
        ({"train": {"pace": 1}}, r"variants.prn.train.pace overrides nothing; .*\. Did you mean patience\?"),
        ({"train": {"learning_rate": 1}}, r"train.learning_rate overrides nothing; .*\. Did you mean lr\?"),
        ({"network": {"residual_blocks": 0}}, "network.residual_blocks is 0; expected 1 or more"),
        ({"train": {"strategy": "slow"}}, "train.strategy is 'slow'; expected one of joint, frozen, staged"),
        ({"train": {"seeds": [2, 2]}}, r"train.seeds is \[2, 2\]; expected one or more different numbers"),
        (
            {"train": {"budget": 0}},
            "train.budget is 0; expected 1 sample or more, or 0 to apply the weights of train.init as they are",
        ),
        ({"train": {"devices": 3}}, "train.batch_size is 4; expected a multiple of the 3 train.devices"),
        (
            {"train": {"devices": 2}},
            "train.devices is 2, but Keras shares batches between devices only on JAX",
        ),
        ({"train": {"backend": "torch"}}, "train.backend is 'torch'; expected one of tensorflow, jax"),
        ({"train": {"precision": "half"}}, "train.precision is 'half'; expected one of float32, mixed_bfloat16"),
        (
            {"network": {"regresses": "depth"}},
            "network.regresses is 'depth'; expected one of position_map, canonical_map",
        ),
        ({"network": {"regresses": "coefficients", "passes": 0}}, "network.passes is 0; expected 1 or more."),
        ({"network": {"residual_join": "sum"}}, "network.residual_join is 'sum'; expected one of logits, thesis"),
        ({"network": {"width": 0}}, "network.width is 0; expected 1 or more"),
        (
            {"network": {"batch_norm_momentum": 1.0}},
            "network.batch_norm_momentum is 1.0; expected at least 0 and below 1",
        ),
        ({"loss": {"norm": "wing"}}, "loss.norm is 'wing'; expected one of l1, euclidean, l2"),
        ({"loss": {"final": {"position": 0}}}, "loss.*.position is 0.0; expected a factor above 0"),
        ({"loss": {"weights": {"face": -1}}}, r"loss.weights are \(1.0, 0.4, -1.0\); expected none below 0, one above"),
        (
            {"loss": {"weights": {"mouth": 1}}},
            "variants.prn.loss.weights.mouth overrides nothing; expected one of landmar",
        ),
        ({"loss": {"brief": {"smoothness": -1}}}, "loss.*.smoothness is -1.0; expected a factor of 0 or more"),
        ({"train": {"budget": 2.5}}, "train.budget is 2.5; expected a whole number"),
        ({"train": {"warm_up": 1.0}}, "train.warm_up, average, growth and euclidean_from are shares of 0 to 1"),
    ],
)
def test_a_wrong_override_is_named_with_what_would_be_right(tmp_path: Path, overrides: dict, sentence: str):
    path = write(tmp_path, {"variants": {"final": {}, "prn": overrides}})
    with pytest.raises(ValueError, match=sentence):
        read_variant("prn", path)


def test_an_unknown_variant_is_named_with_those_that_exist(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no variant 'prm' in .*; it has final, prn, coarse"):
        read_variant("prm", write(tmp_path, {}))


def test_a_variant_learns_from_what_the_thesis_section_names(tmp_path: Path):
    path = write(tmp_path, {})
    sources = {name: read_variant(name, path).train for name in ("coarse", "prn", "final")}
    assert {name: (train.policy, train.level) for name, train in sources.items()} == {
        "coarse": ("none", "off"),
        "prn": ("full", "on"),
        "final": ("full", "on"),
    }


@pytest.mark.parametrize(
    ("train", "sentences"),
    [
        ({"init": "prn", "policy": "none", "level": "off"}, []),
        (
            {"init": "prn", "policy": "full", "level": "off"},
            [
                "train.variant is coarse, which learns from policy none; train.policy is full: add -S "
                "train.policy=none, or name a variant of your own in variants."
            ],
        ),
        (
            {"init": "random", "policy": "none", "level": "on"},
            [
                "train.variant is coarse, which starts from init prn; train.init is random: add -S train.init=prn, or "
                "name a variant of your own in variants.",
                "train.variant is coarse, which learns from level off; train.level is on: add -S train.level=off, or "
                "name a variant of your own in variants.",
            ],
        ),
    ],
)
def test_the_main_run_of_a_variant_is_the_experiment_that_the_thesis_section_says(train: dict, sentences: list):
    params = PARAMS | {"train": PARAMS["train"] | {"variant": "coarse"} | train}
    if not sentences:
        assert resolve_variant(params, None) == resolve_variant(params, "coarse")
    else:
        with pytest.raises(ValueError, match="is coarse, which") as error:
            resolve_variant(params, None)
        assert str(error.value).splitlines() == sentences


def used(params: dict, name: str | None = None) -> dict:
    return resolve_variant(params, name).used()


def test_a_recipe_s_keys_are_laid_over_those_of_train_and_a_variant_s_own_over_them():
    variants = {"long": {"train": {"recipe": "cycle", "patience": 20}}}
    params = PARAMS | {"variants": PARAMS["variants"] | variants}
    assert used(params)["train"] == used(PARAMS, "final")["train"]
    coarse, long = (resolve_variant(params, name).train for name in ("coarse", "long"))
    assert (coarse.optimizer, coarse.weight_decay, coarse.schedule, coarse.patience) == ("adamw", 0.01, "cosine", 9)
    assert (long.optimizer, long.schedule, long.patience, long.lr) == ("adamw", "cosine", 20, 0.001)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({"lr": 0.01}, "recipes.plain must not override lr: train.lr is the highest rate of every recipe."),
        ({"warmup": 0.1}, r"recipes.plain.warmup overrides nothing; expected one of .*\. Did you mean warm_up\?"),
        ({"recipe": "cycle"}, "recipes.plain.recipe overrides nothing; expected one of scaling, "),
        ({"policy": "none"}, "recipes.plain.policy overrides nothing; expected one of "),
        ({"optimizer": "sgd"}, "train.optimizer is 'sgd'; expected one of adam, adamw"),
        (3, "recipes.plain is 3; expected a mapping of keys of train"),
    ],
)
def test_a_wrong_recipe_is_named_with_what_would_be_right(recipe: object, sentence: str):
    params = PARAMS | {"recipes": PARAMS["recipes"] | {"plain": recipe}}
    with pytest.raises(ValueError, match=sentence):
        resolve_variant(params, None)


def test_recipes_that_are_missing_are_asked_for():
    with pytest.raises(ValueError, match=r"params.yaml has no section 'recipes'\."):
        resolve_variant({name: section for name, section in PARAMS.items() if name != "recipes"}, None)


# A network that regresses volumes is no main run.
@pytest.mark.parametrize("name", [name for name in read_params()["variants"] if name != "vrn"])
def test_the_literal_rate_of_section_train_reaches_the_main_run_whatever_its_variant_is(name: str):
    params = read_params()
    train = params["train"] | {"variant": name} | params["thesis"]["variants"].get(name, {})
    # An imported network is applied as it is, and needs weights to start from.
    train |= {"init": "prnet"} if name == "prn_author" else {}
    before = used(params | {"train": train})
    after = used(params | {"train": train | {"lr": 0.001}})
    assert before["train"]["lr"] == 0.003
    assert after == before | {"train": before["train"] | {"lr": 0.001}}


def test_a_policy_s_ranges_belong_to_the_settings_of_a_run_only_where_the_training_step_augments():
    params = read_params()
    params = params | {"train": params["train"] | {"variant": "best", "policy": "online", "level": "off"}}

    def with_rotation(policy: str) -> dict:
        policies = params["augmented"]["policies"]
        changed = policies | {policy: policies[policy] | {"rotation_deg": 7}}
        return params | {"augmented": params["augmented"] | {"policies": changed}}

    assert used(with_rotation("online"))["augmentation"]["rotation_deg"] == 7
    assert used(with_rotation("online")) != used(params)
    assert used(with_rotation("online"), "prn") == used(params, "prn")
    assert used(with_rotation("mild"), "prn") == used(params, "prn")
    assert "augmentation" not in used(params, "prn")


def test_what_is_neutral_may_be_left_out_and_a_variant_may_set_it_all_the_same():
    neutral = {"residual_join", "residual_stages", "residual_shrink", "lean", "convolution"}
    neutral |= {"backend", "xla", "precision", "devices", "init", "strategy"}
    params = PARAMS | {
        "network": {name: value for name, value in PARAMS["network"].items() if name not in neutral},
        "train": {
            k: v
            for k, v in PARAMS["train"].items()
            if k not in ("backend", "xla", "precision", "devices", "init", "strategy")
        },
        "loss": {"norm": "l1", "brief": {"regions": True}, "final": {"regions": True}},
    }
    assert resolve_variant(params, None) == resolve_variant(PARAMS, None)
    assert used(params) == used(PARAMS)
    params["variants"] = PARAMS["variants"] | {"fast": {"network": {"residual_shrink": 4}, "train": {"xla": True}}}
    assert resolve_variant(params, "fast").network.residual_shrink == 4
    assert used(params, "fast")["train"]["xla"] is True


def test_what_is_used_is_what_is_not_neutral():
    assert used(PARAMS, "prn") == {
        "network": {"regresses": "position_map", "width": 8, "levels": 5, "batch_norm_momentum": 0.9},
        "loss": {"final": {"regions": True}},
        "train": {
            "variant": "prn",
            "policy": "full",
            "level": "on",
            "scaling": "tanh",
            "lr": 0.001,
            "budget": 30,
            "batch_size": 4,
            "seeds": [1],
        },
    }


@pytest.mark.parametrize(
    ("section", "key", "value", "changed"),
    [
        ("network", "residual_blocks", 3, {"final", "coarse"}),
        ("network", "residual_shrink", 4, {"final", "coarse"}),
        ("network", "levels", 4, {"final", "coarse", "prn", "nonlinear"}),
        ("network", "lean", True, {"final", "coarse", "prn"}),
        ("network", "convolution", "separable", {"mobile"}),
        ("network", "passes", 2, {"3ddfa"}),
        ("network", "width", 4, {"final", "coarse", "prn", "3ddfa", "nonlinear"}),
        ("loss", "brief", TERMS | {"symmetry": 0.5}, {"final", "coarse"}),
        ("loss", "final", TERMS | {"symmetry": 0.5}, {"final", "coarse", "prn", "3ddfa", "nonlinear"}),
        (
            "loss",
            "weights",
            {"landmarks": 1, "features": 0.8, "face": 0.3},
            {"final", "coarse", "prn", "3ddfa", "nonlinear"},
        ),
        ("loss", "weights", {"landmarks": 1.0, "features": 0.4, "face": 0.3}, set()),
        ("train", "strategy", "frozen", {"final", "coarse"}),
        ("train", "budget", 40, {"final", "coarse", "prn", "3ddfa", "nonlinear"}),
        ("train", "level", "off", {"final", "3ddfa", "nonlinear"}),
        ("train", "backend", "jax", {"final", "coarse", "prn", "3ddfa", "nonlinear"}),
    ],
)
def test_a_key_changes_only_variants_that_use_it(section: str, key: str, value: object, changed: set):
    others = {"3ddfa": "coefficients", "nonlinear": "canonical_map"}
    others = {name: {"network": {"regresses": regressed}} for name, regressed in others.items()}
    base = PARAMS | {"variants": PARAMS["variants"] | others}
    if key == "convolution":  # what only a lean network looks at
        base["variants"] = base["variants"] | {"mobile": {"network": {"residual": False, "lean": True}}}
    other = base | {section: base[section] | {key: value}}
    assert {name for name in base["variants"] if used(base, name) != used(other, name)} == changed


@pytest.mark.parametrize("name", [None, *read_params()["thesis"]["variants"]])
def test_every_variant_of_the_project_comes_back_from_what_it_uses(tmp_path: Path, name: str | None):
    settings = resolve_variant(read_params(), name)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings.used()))
    back = read_settings(path)
    expected = settings
    if not settings.network.refined:
        # No network without a refinement is built, and no loss or phase chosen, by any of these.
        none = {"residual_blocks": 0, "residual_width": 0, "residual_head_width": 0}
        expected = dataclasses.replace(
            settings,
            network=dataclasses.replace(settings.network, **none, residual=False),
            loss=dataclasses.replace(settings.loss, brief=LossTerms()),
            train=dataclasses.replace(settings.train, strategy="joint"),
        )
    if settings.network.regresses == "coefficients":
        network = dataclasses.replace(expected.network, levels=0)
        expected = dataclasses.replace(expected, network=network)
    if settings.network.regresses == "volume":
        expected = dataclasses.replace(expected, loss=LossConfig())
    # Its keys are in the settings, under their own names.
    expected = dataclasses.replace(expected, train=dataclasses.replace(expected.train, recipe=""))
    assert back == expected
    assert back.used() == settings.used()


def test_a_volume_uses_neither_losses_nor_refinement_and_is_no_main_run():
    base = PARAMS | {"variants": PARAMS["variants"] | {"vrn": {"network": {"regresses": "volume"}}}}
    assert used(base, "vrn")["loss"] == {}
    assert used(base, "vrn")["network"] == {
        name: PARAMS["network"][name] for name in ("width", "levels", "batch_norm_momentum")
    } | {"regresses": "volume"}
    with pytest.raises(ValueError, match=r"^train.variant is vrn, which regresses volumes, but .*:evaluate@vrn\.$"):
        resolve_variant(base | {"train": PARAMS["train"] | {"variant": "vrn"}}, None)


def test_weights_of_regions_are_no_setting_of_a_loss_without_regions():
    plain = {"final": TERMS | {"regions": False}, "brief": TERMS | {"regions": False}}
    base = PARAMS | {"loss": PARAMS["loss"] | plain}
    other = base | {"loss": base["loss"] | {"weights": {"landmarks": 2, "features": 2, "face": 1}}}
    assert used(other, "prn") == used(base, "prn")
    brief = other | {"loss": other["loss"] | {"brief": TERMS}}
    assert used(brief, "final")["loss"]["weights"] == {"landmarks": 2, "features": 2, "face": 1}
    assert "weights" not in used(brief, "prn")["loss"]


def test_settings_that_are_not_there_or_no_settings_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"prn.json is missing: run `python -m stages.settings`"):
        read_settings(tmp_path / "prn.json")
    (tmp_path / "prn.json").write_text(json.dumps(used(PARAMS, "prn") | {"los": {}}))
    with pytest.raises(ValueError, match=r"Unknown key los in .*prn.json; did you mean loss\?"):
        read_settings(tmp_path / "prn.json")
