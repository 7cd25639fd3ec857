"""Variants of the main model: a line of overrides in params.yaml each, merged onto the sections that they vary.

Free of Keras, so that stages that only need a variant's settings start at once.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.settings import RANDOM, LossConfig, NetworkConfig, TrainConfig
from stages.project.params import PARAMS_FILE, build, check, read_params

SECTIONS = ("train", "network", "loss")

# Folder in runs/ of what the root's dvc.yaml trains, whichever variant that is: so `dvc metrics diff` and `dvc plots
# diff` compare two experiments by the same files, and no other variant shares an output with it.
MAIN_RUN = "main"


@dataclass(frozen=True)
class VariantSettings:
    """Everything that a variant is trained with, beside the data."""

    network: NetworkConfig
    loss: LossConfig
    train: TrainConfig

    @property
    def variant(self) -> str:
        """Its name."""
        return self.train.variant


def read_variant(name: str | None = None, path: Path = PARAMS_FILE) -> VariantSettings:
    """Read the settings of a variant.

    Parameters
    ----------
    name : str, optional
        An entry of section `variants`, which starts from the weights that ``thesis.variants`` names, at random if it
        does not name it; by default ``train.variant``, which starts from ``train.init``.
    path : Path
        The parameters.

    Returns
    -------
    VariantSettings

    Raises
    ------
    ValueError
        If there is no such variant, if it overrides what is not there, or if a value is out of range.
    """
    params = read_params(path)
    for section in (*SECTIONS, "variants", "thesis"):
        check(isinstance(params.get(section), dict), f"{path} has no section {section!r}.")
    chosen = name is not None
    name = name if chosen else params["train"].get("variant")
    variants = params["variants"]
    check(MAIN_RUN not in variants, f"No variant may be called {MAIN_RUN!r}: runs/{MAIN_RUN} is the main run's folder.")
    check(name in variants, f"There is no variant {name!r} in {path}; it has {', '.join(variants)}.")
    overrides = variants[name] or {}
    check(isinstance(overrides, dict), f"variants.{name} is {overrides!r}; expected a mapping of sections.")
    for key, instead in (("variant", ""), ("init", f"; thesis.variants.{name} says what it starts from")):
        check(key not in (overrides.get("train") or {}), f"variants.{name} must not override train.{key}{instead}.")
    merged = merge({section: params[section] for section in SECTIONS}, overrides, f"variants.{name}")
    merged["train"]["variant"] = name
    if chosen:
        merged["train"]["init"] = params["thesis"]["variants"].get(name, RANDOM)
    return VariantSettings(
        network=build("network", merged["network"], NetworkConfig),
        loss=build("loss", merged["loss"], LossConfig),
        train=build("train", merged["train"], TrainConfig),
    )


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
        check(key in base, f"{place} overrides nothing; expected one of {', '.join(map(str, base))}.")
        nested = isinstance(base[key], dict)
        check(
            nested == isinstance(value, dict), f"{place} is {value!r}; expected {'a mapping' if nested else 'a value'}."
        )
        merged[key] = merge(base[key], value, place) if nested else value
    return merged
