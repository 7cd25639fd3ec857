"""Everything that is wrong with params.yaml: in its sections, between them, and with the folders that they name."""

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from model.backend import check_backend
from model.settings import RANDOM, UNUSED, LossConfig, NetworkConfig, TrainConfig
from stages.project.multilinear_params import MultilinearParams
from stages.project.params import (
    AsmParams,
    AugmentedParams,
    ComputeParams,
    CropParams,
    DataParams,
    DemoDataParams,
    EmbeddingParams,
    SplitParams,
)
from stages.project.paths import DEMO, MAIN_RUN, PROFILED, SURVEY, weights_of
from stages.project.profiled_params import ProfiledParams
from stages.project.result_params import EvaluateParams, ExportParams, OcclusionParams, ReportParams
from stages.project.strict import build
from stages.project.survey_params import SurveyParams
from stages.project.variants import (
    SECTIONS,
    ThesisParams,
    TrainingSource,
    VariantSettings,
    merge,
    resolve_variant,
)

# What `pipeline.demo.dataset` makes; to import that takes a second.
LP_FOLDERS = [f"300W_LP/{name}{flip}" for name in ("AFW", "HELEN", "IBUG", "LFPW") for flip in ("", "_Flip")]
DEMO_FOLDERS = (*LP_FOLDERS, "AFLW2000")
# A name is a folder's, a part of a stage's name in DVC, and a key of params.
NAME = re.compile(r"\w[\w-]*")
T = typing.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Params:
    """All sections of params.yaml."""

    data: DataParams
    demo_data: DemoDataParams
    uv_embedding: EmbeddingParams
    crop: CropParams
    profiled: ProfiledParams
    split: SplitParams
    asm: AsmParams
    augmented: AugmentedParams
    network: NetworkConfig
    loss: LossConfig
    recipes: dict[str, Any]
    train: TrainConfig
    variants: dict[str, Any]
    evaluate: EvaluateParams
    occlusion: OcclusionParams
    export: ExportParams
    report: ReportParams
    thesis: ThesisParams
    multilinear_model: MultilinearParams
    survey: SurveyParams
    compute: ComputeParams


def find_problems(params: dict[str, Any]) -> list[str]:
    """Check all of params.yaml, from the project's root.

    Parameters
    ----------
    params : dict
        As `params_file.read_params` reads it.

    Returns
    -------
    list of str
        A sentence for each mistake; none where all is well.
    """
    found: list[str] = []
    _attempt(found, build, "", params, Params)
    # What is wrong within a section has been said: the others are compared all the same.
    hints = typing.get_type_hints(Params)
    sections = {
        name: section
        for name, cls in hints.items()
        if dataclasses.is_dataclass(cls) and (section := _attempt([], build, name, params.get(name), cls))
    }
    data, thesis = sections.get("data"), sections.get("thesis")
    variants = params["variants"] if isinstance(params.get("variants"), dict) else {}
    found += _bad_names("variants", variants)
    skeleton = {section: _skeleton(cls) for section, cls in SECTIONS.items()}
    for name, overrides in variants.items():
        if isinstance(overrides, dict):
            _attempt(found, merge, skeleton, overrides, f"variants.{name}")
    settings: dict[str, VariantSettings] = {}
    if thesis and variants and isinstance(params.get("recipes"), dict) and sections.keys() >= SECTIONS.keys():
        settings = _resolve_all(found, params, thesis)
        trained = settings.keys() & {MAIN_RUN, *thesis.variants}
        for backend in sorted({settings[run].train.backend for run in trained}):
            _attempt(found, check_backend, backend)
    if thesis:
        policies = sections["augmented"].policies if "augmented" in sections else None
        found += _source_problems(_sources(sections.get("train"), thesis), policies, data)
        for run in sections["occlusion"].runs if "occlusion" in sections else ():
            if run not in thesis.variants:
                found.append(f"occlusion.runs has {run!r}, which is no entry of thesis.variants.")
    if data:
        found += _bad_names("data.subsets", data.subsets)
        found += _size_problems(data, settings)
        found += _missing_folders(data)
        if "split" in sections:
            _attempt(found, sections["split"].test_subsets, data)
        if "crop" in sections:
            _attempt(found, sections["crop"].check_detected, data)
        if "profiled" in sections:
            _attempt(found, sections["profiled"].check_subsets, data)
    if data and "augmented" in sections:
        found += _without_maps(data, sections["augmented"])
    if "augmented" in sections:
        found += _bad_names("augmented.policies", sections["augmented"].policies)
    if "multilinear_model" in sections:
        found += sections["multilinear_model"].problems()
    if "survey" in sections:
        found += _bad_names("survey.methods", sections["survey"].methods)
        found += sections["survey"].problems()
    if "evaluate" in sections and not Path(sections["evaluate"].benchmark).is_dir():
        folder = sections["evaluate"].benchmark
        found.append(f"evaluate.benchmark is {folder}, which is no folder: name one, or data/none for none.")
    return list(dict.fromkeys(found))


def _attempt(found: list[str], function: Callable[..., T], *arguments: Any) -> T | None:
    """Call a function; if it refuses, note its sentences and give None."""
    try:
        return function(*arguments)
    except (ValueError, OSError) as error:
        found += str(error).splitlines()
        return None


def _skeleton(cls: Any) -> dict[str, Any]:
    """Names of a dataclass's fields, and of those in it: what a variant may override."""
    hints = typing.get_type_hints(cls)
    return {name: _skeleton(hint) if dataclasses.is_dataclass(hint) else None for name, hint in hints.items()}


def _resolve_all(found: list[str], params: dict[str, Any], thesis: ThesisParams) -> dict[str, VariantSettings]:
    """Settings of each run that there is or may be, by its name."""
    # What thesis.variants does not name may start from anything, also from weights that it applies as they are.
    anything = {name: {"init": MAIN_RUN, "policy": "", "level": "on"} for name in params["variants"]}
    known = {name: dataclasses.asdict(source) for name, source in thesis.variants.items()}
    listed = params | {"thesis": {"variants": anything | known}}
    runs = {MAIN_RUN: _attempt(found, resolve_variant, params, None)}
    runs |= {name: _attempt(found, resolve_variant, listed, name) for name in anything | known}
    return {name: settings for name, settings in runs.items() if settings}


def _sources(train: TrainConfig | None, thesis: ThesisParams) -> dict[str, TrainingSource]:
    """What the main run and each variant start and learn from, by its place in params.yaml."""
    main = {"train": TrainingSource(train.init, train.policy, train.level)} if train else {}
    return main | {f"thesis.variants.{name}": source for name, source in thesis.variants.items()}


def _source_problems(
    sources: dict[str, TrainingSource], policies: Mapping[str, Any] | None, data: DataParams | None
) -> Iterator[str]:
    """Samples and weights that no stage makes, and weights that would have to be there before themselves."""
    for place, source in sources.items():
        if policies is not None and source.policy not in policies:
            yield f"{place}.policy is {source.policy!r}, but augmented.policies has {', '.join(policies)}."
        if data and source.level not in data.levels:
            yield f"{place}.level is {source.level!r}, but data.levels has {', '.join(data.levels)}."
        weights = weights_of(source.init)
        if not (source.init in (RANDOM, MAIN_RUN) or _place_of(source.init) in sources or weights.is_file()):
            yield (
                f"{place}.init is {source.init!r}, which is neither random nor an entry of thesis.variants, and "
                f"{weights} is missing: name one of these, or import weights to there."
            )
    chains = [_chain(place, sources) for place in sources]
    circles = {frozenset(chain): chain for chain in chains if chain[0] in chain[1:]}
    yield from (f"The weights start from each other: {' <- '.join(chain)}." for chain in circles.values())


def _place_of(run: str) -> str:
    return "train" if run == MAIN_RUN else f"thesis.variants.{run}"


def _chain(place: str, sources: dict[str, TrainingSource]) -> list[str]:
    """Places from which a run starts one after the other, until there is none or one comes again."""
    chain = [place]
    while (place := _place_of(sources[place].init)) in sources:
        chain.append(place)
        if place in chain[:-1]:
            break
    return chain


def _size_problems(data: DataParams, settings: dict[str, VariantSettings]) -> Iterator[str]:
    """Networks that cannot halve, or gather, pixels of this size."""
    networks = {name: each.network for name, each in settings.items() if "levels" not in UNUSED[each.network.regresses]}
    halved = {name: 2**network.levels for name, network in networks.items()}
    gathered = {name: network.residual_shrink for name, network in networks.items() if network.refined}
    for key, steps in (("levels", halved), ("residual_shrink", gathered)):
        for step in sorted(set(steps.values())):
            names = [name for name in steps if steps[name] == step]
            if data.size % step:
                yield f"data.size is {data.size}; network.{key} of {', '.join(names)} needs a multiple of {step} px."


def _without_maps(data: DataParams, augmented: AugmentedParams) -> Iterator[str]:
    """Policies that store what is not there."""
    stored = [name for name, policy in augmented.policies.items() if not policy.online]
    if stored and not data.stored_maps:
        yield (
            f"data.stored_maps is false, and augmented.policies has {', '.join(stored)}, which store maps: take them "
            "out, with the entries of thesis.variants that learn from them, or set data.stored_maps to true."
        )


def _missing_folders(data: DataParams) -> Iterator[str]:
    """Folders of real data that are not there."""
    root = Path(data.root)
    if root == DEMO:  # which the stage `demo_data` makes
        for name, subset in data.subsets.items():
            if subset.folder not in DEMO_FOLDERS and data.folder(name).parent != PROFILED:
                yield f"data.subsets.{name}.folder is {subset.folder!r}; the demo has {', '.join(DEMO_FOLDERS)}."
        return
    if not root.is_dir():
        yield f"data.root is {root}, which is no folder: link or move the data there, or set it to {DEMO.as_posix()}."
        return
    if not (root / "bfm").is_dir():
        yield f"{root / 'bfm'} is missing: put the face model there, see docs/data.md."
    for name in data.subsets:
        if not (data.folder(name).is_dir() or data.folder(name).parent == PROFILED):
            yield f"{data.folder(name)} is missing: put the photos there, or leave data.subsets.{name} out."


def _bad_names(place: str, names: Mapping[Any, Any]) -> Iterator[str]:
    """Names that are no names of folders or for DVC."""
    for name in names:
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            yield f"{place} has {name!r}; expected a name of letters, digits, _ and -, in quotes where it is a number."
        elif place == "variants" and name == RANDOM:
            yield f"No variant may be called {RANDOM!r}: it stands for weights that are drawn."
        elif place == "variants" and name == SURVEY.name:
            yield f"No variant may be called {SURVEY.name!r}: {SURVEY} holds the methods of the survey."
