"""Variants of the main model: a line of overrides in params.yaml each, merged onto the sections that they vary.

Free of Keras, so that stages that only need a variant's settings start at once.
"""

import dataclasses
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from model.settings import RANDOM, RESIDUAL, UNUSED, LossConfig, NetworkConfig, TrainConfig
from pipeline.crops.policy import AugmentationPolicy
from pipeline.store.checks import check, check_all
from stages.project.json_file import read_json
from stages.project.params import LEVELS, AugmentedParams
from stages.project.params_file import PARAMS_FILE, read_params
from stages.project.paths import MAIN_RUN, SETTINGS
from stages.project.strict import build, nearest

SECTIONS = {"train": TrainConfig, "network": NetworkConfig, "loss": LossConfig}


@dataclasses.dataclass(frozen=True)
class TrainingSource:
    """An entry of `thesis.variants`: what DVC must know of a variant, since other stages make it.

    Attributes
    ----------
    init : str
        Folder in runs/ whose weights it starts from, or 'random'.
    policy : str
        Entry of `augmented.policies` whose samples it learns from.
    level : {'on', 'off'}
        Whether they are levelled.
    """

    init: str
    policy: str
    level: str

    def __post_init__(self) -> None:
        check(self.level in LEVELS, f"level is {self.level!r}; expected one of {', '.join(LEVELS)}.")


@dataclasses.dataclass(frozen=True)
class ThesisParams:
    """Section `thesis`: the variants that stand beside the main one."""

    variants: dict[str, TrainingSource]


@dataclasses.dataclass(frozen=True)
class VariantSettings:
    """Everything that a variant is trained with, beside the data."""

    network: NetworkConfig
    loss: LossConfig
    train: TrainConfig
    # What the training step does to samples, where the policy is online: stored copies show theirs themselves.
    augmentation: AugmentationPolicy | None = None

    @property
    def variant(self) -> str:
        """Its name."""
        return self.train.variant

    def used(self) -> dict[str, Any]:
        """Settings that matter, as `read_settings` reads them.

        Without those that are as their class has them by default, and those that this network does not use: so a new
        key that is neutral by default changes nothing here, nor does a key of what the variant has not.
        """
        network, loss, train = (_not_default(part) for part in (self.network, self.loss, self.train))
        unused = set(UNUSED[self.network.regresses])
        if not self.network.lean or "lean" in unused:
            unused.add("convolution")
        train.pop("recipe", None)
        if not self.network.refined:
            unused |= {*RESIDUAL, "residual_join"}
            loss.pop("brief", None)
            train.pop("strategy", None)
        if not any(loss.get(output, {}).get("regions") for output in ("brief", "final")):
            loss.pop("weights", None)
        if self.network.regresses == "volume":
            loss.clear()
        augmentation = {} if self.augmentation is None else {"augmentation": _not_default(self.augmentation)}
        return augmentation | {
            "network": {name: value for name, value in network.items() if name not in unused},
            "loss": loss,
            "train": train,
        }


def read_settings(path: Path) -> VariantSettings:
    """Read what `VariantSettings.used` left, written as JSON; what was left out takes its default.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it does not hold the settings of a variant.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m stages.settings`.")
    return build(str(path), read_json(path, instead="run `python -m stages.settings`"), VariantSettings)


def read_variant(name: str | None = None, path: Path = PARAMS_FILE) -> VariantSettings:
    """Read the settings of a variant from a file of parameters, see `resolve_variant`."""
    return resolve_variant(read_params(path), name)


def settings_of(run: str) -> VariantSettings:
    """Read the settings of a run as the stage `settings` wrote them: all of params.yaml that DVC tracks for it."""
    return read_settings(SETTINGS / f"{run}.json")


def resolve_variant(params: dict[str, Any], name: str | None) -> VariantSettings:
    """Merge a variant's overrides onto the sections that they vary.

    Parameters
    ----------
    params : dict
        All of params.yaml.
    name : str, optional
        An entry of section `variants`, which starts from the weights, and learns from the samples, that
        ``thesis.variants`` names; if it does not name it, at random, from those that ``train`` names. None for the main
        run: ``train.variant``, which starts from ``train.init``.

    Returns
    -------
    VariantSettings

    Raises
    ------
    ValueError
        If there is no such variant, if it overrides what is not there, if a value is out of range, or if the main run
        is a variant of the thesis that starts or learns from something else there, or regresses volumes.
    """
    for section in (*SECTIONS, "recipes", "variants", "thesis"):
        check(isinstance(params.get(section), dict), f"{PARAMS_FILE} has no section {section!r}.")
    main: dict[str, Any] = {section: build(section, params[section], cls) for section, cls in SECTIONS.items()}
    train, variants = main["train"], params["variants"]
    sources = build("thesis", params["thesis"], ThesisParams).variants
    check(MAIN_RUN not in variants, f"No variant may be called {MAIN_RUN!r}: runs/{MAIN_RUN} is the main run's folder.")
    chosen = train.variant if name is None else name
    check(chosen in variants, f"There is no variant {chosen!r} in variants; it has {_listed(chosen, variants)}")
    overrides = variants[chosen] or {}
    _check_overrides(chosen, overrides)
    merged = {section: dataclasses.asdict(config) for section, config in main.items()}
    merged["train"] |= _recipe(params, _recipe_of(overrides, train.recipe))
    if name is None:
        _check_main(train, sources.get(chosen))
    else:
        source = sources.get(chosen, TrainingSource(RANDOM, train.policy, train.level))
        merged["train"] |= {"variant": chosen} | dataclasses.asdict(source)
    merged = merge(merged, overrides, f"variants.{chosen}")
    check(
        name is not None or merged["network"]["regresses"] != "volume",
        f"train.variant is {chosen}, which regresses volumes, but the main run's report, its exported network and its "
        f"bundle for photos are of position maps. Train it beside the main run: make thesis, or dvc repro "
        f"ablation/dvc.yaml:evaluate@{chosen}.",
    )
    policies = build("augmented", params.get("augmented"), AugmentedParams).policies
    policy = policies.get(merged["train"]["policy"])
    online = dataclasses.asdict(policy) if policy and policy.online else None
    return build(f"variants.{chosen}", merged | {"augmentation": online}, VariantSettings)


def _recipe_of(overrides: dict[str, Any], default: str) -> str:
    """Name of the recipe that a variant asks for; what is no section is refused when it is merged."""
    train = overrides.get("train")
    return str(train.get("recipe", default)) if isinstance(train, dict) else default


def _recipe(params: dict[str, Any], name: str) -> dict[str, Any]:
    """Keys of `train` that a recipe lays over it."""
    recipes = params["recipes"]
    check(name in recipes, f"There is no recipe {name!r} in recipes; it has {_listed(name, recipes)}")
    recipe = recipes[name]
    check(isinstance(recipe, dict), f"recipes.{name} is {recipe!r}; expected a mapping of keys of train.")
    check("lr" not in recipe, f"recipes.{name} must not override lr: train.lr is the highest rate of every recipe.")
    # What DVC must know stands in train and thesis.variants alone, and no recipe chooses another.
    elsewhere = {"recipe", *(field.name for field in dataclasses.fields(TrainingSource)), "variant"}
    known = [field.name for field in dataclasses.fields(TrainConfig) if field.name not in elsewhere]
    for key in recipe:
        check(key in known, f"recipes.{name}.{key} overrides nothing; expected one of {_listed(str(key), known)}")
    return recipe


def merge(base: dict[str, Any], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """Lay overrides over a nested mapping.

    Parameters
    ----------
    base : dict
        Left as it is.
    overrides : dict
        Keys of `base` only; a mapping is merged into a mapping, anything else replaces a value.
    where : str
        Names the overrides in errors.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If a key is not in `base`, or a section meets a value.
    """
    merged = deepcopy(base)
    for key, value in overrides.items():
        place = f"{where}.{key}"
        check(key in base, f"{place} overrides nothing; expected one of {_listed(str(key), base)}")
        nested = isinstance(base[key], dict)
        check(
            nested == isinstance(value, dict), f"{place} is {value!r}; expected {'a mapping' if nested else 'a value'}."
        )
        merged[key] = merge(base[key], value, place) if nested else value
    return merged


def _listed(word: str, known: Iterable[str]) -> str:
    """List what there is instead of a word, and ask for the nearest."""
    meant = nearest(word, known)
    return f"{', '.join(map(str, known))}." + (f" Did you mean {meant}?" if meant else "")


def _check_overrides(name: str, overrides: Any) -> None:
    """Check that a variant leaves alone what stands elsewhere: what DVC must know, and the rate of every run."""
    check(isinstance(overrides, dict), f"variants.{name} is {overrides!r}; expected a mapping of sections.")
    train = overrides.get("train")
    elsewhere = {
        "variant": "",
        "lr": ", which is the highest rate of every recipe",
        "init": f"; thesis.variants.{name} says what it starts from",
        "policy": f"; thesis.variants.{name} says which samples it learns from",
        "level": f"; thesis.variants.{name} says which samples it learns from",
    }
    check_all(
        *(
            (key not in train, f"variants.{name} must not override train.{key}{instead}.")
            for key, instead in elsewhere.items()
            if isinstance(train, dict)
        )
    )


def _check_main(train: TrainConfig, source: TrainingSource | None) -> None:
    """Check that the main run, where it is a variant of the thesis, is the same experiment there."""
    asked = {} if source is None else dataclasses.asdict(source)
    check_all(
        *(
            (
                getattr(train, key) == value,
                f"train.variant is {train.variant}, which {'starts' if key == 'init' else 'learns'} from {key} {value};"
                f" train.{key} is {getattr(train, key)}: add -S train.{key}={value}, or name a variant of your own in "
                "variants.",
            )
            for key, value in asked.items()
        )
    )


def _not_default(config: Any) -> dict[str, Any]:
    """Fields that are not as they are by default, at any depth."""
    changed = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            changed[field.name] = _not_default(value) if dataclasses.is_dataclass(value) else value
    return changed
