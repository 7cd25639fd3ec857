"""One check of all of params.yaml, and the settings that it leaves for each run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import settings
from stages.project.overrides import SCALE, override, read_overrides
from stages.project.params_file import read_params
from stages.project.variants import read_settings, read_variant

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with its own params.yaml and nothing made."""
    for name in ("params.yaml", SCALE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data/none").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(folder: Path, *changes: tuple[str, object]) -> None:
    """Set keys ``a.b.c`` of params.yaml; `del` takes one out."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for place, value in changes:
        *above, last = place.split(".")
        section = params
        for key in above:
            section = section[key]
        if value is del_:
            del section[last]
        else:
            section[last] = value
    yaml.dump(params, folder / "params.yaml")


del_ = object()


def run(folder: Path) -> list[str]:
    """Sentences of the check; nothing may be written when there are some."""
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(settings.main)
    if result.exit_code == 0:
        runs = 1 + len(YAML(typ="safe").load(folder / "params.yaml")["thesis"]["variants"])
        assert result.output == f"settings: params.yaml is in order, {runs} runs\n"
        return []
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert sorted(folder.rglob("*")) == before
    first, *sentences = result.output.splitlines()
    assert first == f"Error: params.yaml cannot be run ({len(sentences)} found):"
    return sentences


def test_each_run_s_settings_are_written_as_it_uses_them(folder: Path):
    (folder / "data/settings").mkdir()
    (folder / "data/settings/removed.json").write_text("{}")
    assert run(folder) == []
    names = {"main", *read_params()["thesis"]["variants"]}
    files = {path.name: path.read_text() for path in (folder / "data/settings").iterdir()}
    assert files.keys() == {f"{name}.json" for name in names} | {"checked.txt", "other_scale.txt"}
    for name in names:
        used = read_variant(None if name == "main" else name).used()
        assert files[f"{name}.json"] == json.dumps(used, sort_keys=True, indent=2) + "\n"
        assert read_settings(folder / f"data/settings/{name}.json").used() == used


def test_what_does_not_hold_of_the_thesis_s_scale_is_written_until_all_of_it_does(folder: Path):
    def lines() -> list[str]:
        assert run(folder) == []
        return (folder / "data/settings/other_scale.txt").read_text().splitlines()

    before = lines()
    assert {"~data.subsets.AFW_Flip", "data.size=256", "network.width=16", "thesis.variants.*.policy=full"} <= set(
        before
    )
    assert not {"network.residual_stages=1", "augmented.policies.full.rotation_deg=45"} & set(before)
    change(folder, ("network.width", 16), ("augmented.policies.full.rotation_deg", 30))
    after = lines()
    assert [line for line in before if line not in after] == ["network.width=16"]
    assert [line for line in after if line not in before] == ["augmented.policies.full.rotation_deg=45"]
    YAML().dump(override(read_params(), read_overrides()), folder / "params.yaml")
    assert lines() == []


def test_a_change_of_training_leaves_the_sentence_and_other_variants_as_they_were(folder: Path):
    run(folder)
    before = {path.name: path.read_bytes() for path in (folder / "data/settings").iterdir()}
    change(folder, ("network.residual_blocks", 3), ("report.samples", 4))
    assert run(folder) == []
    changed = {path.name for path in (folder / "data/settings").iterdir() if path.read_bytes() != before[path.name]}
    encoder_decoders = {
        name for name in read_params()["thesis"]["variants"] if name.startswith(("prn", "3ddfa", "nonl", "vrn", "mob"))
    }
    refined = {*read_params()["thesis"]["variants"], "prn_refine_fast"} - (encoder_decoders - {"prn_refine_fast"})
    assert {"final", "frozen", "joint", "final_mask", "joint_unlevelled", "prn_refine_fast"} < refined
    assert changed == {f"{name}.json" for name in refined}


MISTAKES = [
    (("train.lr", -1), "train.lr is -1.0; expected a rate above 0."),
    (("train.budget", 2.5), "train.budget is 2.5; expected a whole number."),
    (("train.epochs", 4), "Unknown key epochs in train; "),
    (("recipes", del_), "Missing key recipes in params.yaml."),
    (("recipes.best.warmup", 0.1), "recipes.best.warmup overrides nothing; expected one of "),
    (("train.recipe", "bets"), "There is no recipe 'bets' in recipes; it has best, thesis. Did you mean best?"),
    (("recipes.best.lr", 0.01), "recipes.best must not override lr: train.lr is the highest rate of every recipe."),
    (("trian", {}), "Unknown key trian in params.yaml; did you mean train? It has data, demo_data, "),
    (("train.learning_rate", 1), "Unknown key learning_rate in train; did you mean lr? It has variant, policy, "),
    (("report", del_), "Missing key report in params.yaml."),
    (("crop.box", "dlib"), "Unknown key box in crop; it has detected, found, margin."),
    (("data.subsets.AFW.boxes", "dlib"), "data.subsets.AFW: boxes is 'dlib'; expected meshes or detected."),
    (
        ("data.subsets.AFW.boxes", "detected"),
        "crop.detected is {}, but in data.subsets the subsets whose boxes is detected are {'AFW': 'learn'}: make them",
    ),
    (("crop.detected", {"AFW": "learn"}), "crop.detected is {'AFW': 'learn'}, but in data.subsets the subsets whose "),
    (
        ("crop.found", {}),
        "crop.found is {}; expected one or more of facemesh: data/landmark_map, asm: data/asm, dlib: FILE, "
        "network: FILE.",
    ),
    (("crop.found", {"asm": "data/split"}), "crop.found is {'asm': 'data/split'}; expected one or more of facemesh: "),
    (("crop.found", {"mtcnn": "FILE"}), "crop.found is {'mtcnn': 'FILE'}; expected one or more of "),
    (("loss.final.position", 0), "loss.final: loss.*.position is 0.0; expected a factor above 0."),
    (("train.variant", "finall"), "There is no variant 'finall' in variants; it has best, final, prn, "),
    (("thesis.variants.prm", {"init": "random", "policy": "mild", "level": "on"}), "There is no variant 'prm' in "),
    (("variants.prn.network", {"residul": False}), "variants.prn.network.residul overrides nothing; expected one of "),
    (("variants.prn_author.train.lr", 0.1), "variants.prn_author must not override train.lr, which is the highest "),
    (("variants.joint.train.policy", "none"), "variants.joint must not override train.policy; thesis.variants.joint "),
    (
        ("train.policy", "wild"),
        "train.policy is 'wild', but augmented.policies has none, full, online, online_mild, mild.",
    ),
    (
        ("thesis.variants.prn.policy", "wild"),
        "thesis.variants.prn.policy is 'wild', but augmented.policies has none, full, online, online_mild, mild.",
    ),
    (("train.init", "prnet"), "train.init is 'prnet', which is neither random nor an entry of thesis.variants, and "),
    (("train.init", "main"), "The weights start from each other: train <- train."),
    (
        ("train.variant", "prn_plain"),
        "train.variant is prn_plain, which learns from policy none; train.policy is online_mild: ",
    ),
    (("data.size", 48), "data.size is 48; expected a multiple of 32 px."),
    (("variants.joint.network", {"levels": 7}), "data.size is 64; network.levels of joint needs a multiple of 128 px."),
    (
        ("variants.joint.network", {"residual_shrink": 3}),
        "data.size is 64; network.residual_shrink of joint needs a multiple of 3 px.",
    ),
    (
        ("split.tested", ["AFLW2000"]),
        "split.tested names 'AFLW2000', which is no subset to learn from; those are AFW, ",
    ),
    (
        ("data.subsets.AFW.folder", "300W_LP/A"),
        "data.subsets.AFW.folder is '300W_LP/A'; the demo has 300W_LP/AFW, ",
    ),
    (("data.subsets.AFLW2000.use", "learn"), "No subset is tested on: set use to test for one in data.subsets, or "),
    (
        ("survey.methods.fit_annotated.kind", "eos"),
        "survey.methods.fit_annotated: kind is 'eos'; expected one of fit, contour, ",
    ),
    (
        ("survey.methods.fit_annotated.landmarks", "dlib"),
        "survey.methods.fit_annotated: landmarks is 'dlib'; expected one of annotated, facemesh, asm.",
    ),
    (
        ("survey.methods.fit_annotated.needs", "../candide3.wfm"),
        "survey.methods.fit_annotated.needs is ../candide3.wfm, which is missing: name the file, or data/none ",
    ),
    (("variants.survey", {}), "No variant may be called 'survey': runs/survey holds the methods of the survey."),
    (("evaluate.benchmark", "data/tables"), "evaluate.benchmark is data/tables, which is no folder: name one, or "),
    (
        ("data.stored_maps", False),
        "data.stored_maps is false, and augmented.policies has none, full, mild, which store maps: take them out, ",
    ),
    (
        ("data.root", "data/raw"),
        "data.root is data/raw, which is no folder: link or move the data there, or set it to ",
    ),
    (
        ("data.subsets.A@B", {"folder": "AFLW2000", "use": "learn", "boxes": "meshes"}),
        "data.subsets has 'A@B'; expected a name of letters, ",
    ),
    (
        ("data.subsets.A B", {"folder": "AFLW2000", "use": "learn", "boxes": "meshes"}),
        "data.subsets has 'A B'; expected a name of letters, ",
    ),
    (("variants.a/b", {}), "variants has 'a/b'; expected a name of letters, "),
    (("variants.random", {}), "No variant may be called 'random'"),
    (("variants.main", {}), "No variant may be called 'main'"),
    (("variants.joint", 3), "variants.joint is 3; expected a mapping of sections."),
]


@pytest.mark.parametrize("where", ["train", "variants.prn.train", "recipes.thesis"])
def test_a_backend_that_the_environment_contradicts_or_that_is_missing_is_told_at_once(folder, monkeypatch, where):
    present = {"tensorflow", "jax"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in present or None)
    change(folder, ("train.backend", "jax"))
    assert run(folder) == []
    change(folder, ("train.backend", "tensorflow"), *([("variants.prn.train", {})] if "prn" in where else []))
    change(folder, (f"{where}.backend", "jax"))
    assert run(folder) == []
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert run(folder)[0].startswith("KERAS_BACKEND is tensorflow in the environment, but train.backend is jax: unset ")
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert run(folder) == []
    present.remove("jax")
    assert run(folder) == [
        "train.backend is jax, which is not installed here: `pip install jax`, or set it to tensorflow."
    ]


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES, ids=[mistake[0] for mistake, _ in MISTAKES])
def test_one_mistake_is_one_sentence_and_nothing_is_written(folder: Path, mistake: tuple, sentence: str):
    change(folder, mistake)
    (found,) = run(folder)
    assert found.startswith(sentence)


def test_a_level_that_is_not_made_is_named_wherever_it_is_asked_for(folder: Path):
    change(folder, ("data.levels", ["on"]))
    assert run(folder) == [
        f"thesis.variants.{name}_unlevelled.level is 'off', but data.levels has on."
        for name in ("final", "prn", "joint", "3ddfa")
    ]


def test_two_variants_that_start_from_each_other_are_named(folder: Path):
    change(folder, ("thesis.variants.prn.init", "frozen"), ("thesis.variants.frozen.init", "prn"))
    (found,) = run(folder)
    places = ("thesis.variants.frozen", "thesis.variants.prn", "thesis.variants.frozen")
    assert found == f"The weights start from each other: {' <- '.join(places)}."


def test_all_mistakes_are_said_at_once(folder: Path):
    change(
        folder,
        ("train.lr", -1),
        ("train.halve_every", 0),
        ("variants.prn.network", {"residul": False}),
        ("thesis.variants.joint.policy", "wild"),
        ("data.root", "data/raw"),
        ("crop.margin", 9),
    )
    starts = [
        "crop.margin is 9.0",
        "train.lr is -1.0",
        "train.halve_every is 0",
        "variants.prn.network.residul overrides nothing",
        "thesis.variants.joint.policy is 'wild'",
        "data.root is data/raw, which is no folder",
    ]
    found = run(folder)
    assert [next(start for start in starts if sentence.startswith(start)) for sentence in found] == starts


def test_folders_of_real_data_that_are_missing_are_named(folder: Path):
    for name in ("AFLW2000", "300W_LP/AFW"):
        (folder / "data/raw" / name).mkdir(parents=True)
    change(folder, ("data.root", "data/raw"))
    found = run(folder)
    assert found[0] == "data/raw/bfm is missing: put the face model there, see docs/data.md."
    assert found[1] == "data/raw/300W_LP/AFW_Flip is missing: put the photos there, or leave data.subsets.AFW_Flip out."
    assert len(found) == 8


def test_imported_weights_and_names_in_other_letters_are_welcome(folder: Path):
    (folder / "runs/prnet").mkdir(parents=True)
    (folder / "runs/prnet/model.weights.h5").touch()
    change(folder, ("train.init", "prnet"), ("variants.größer-2", {"network": {"width": 16}}))
    assert run(folder) == []


def test_the_authors_own_network_is_a_variant_where_its_weights_were_imported(folder: Path):
    change(folder, ("thesis.variants.prn_author", {"init": "prnet", "policy": "full", "level": "off"}))
    (refused,) = run(folder)
    assert refused.startswith("thesis.variants.prn_author.init is 'prnet', which is neither random nor an entry of ")
    (folder / "runs/prnet").mkdir(parents=True)
    (folder / "runs/prnet/model.weights.h5").touch()
    assert run(folder) == []
    train = read_settings(folder / "data/settings/prn_author.json").train
    assert (train.init, train.scaling, train.level, train.budget) == ("prnet", "prnet", "off", 0)


def test_an_experiment_on_real_data_changes_its_lines_alone_and_is_in_order(folder: Path):
    """As ``dvc exp run -S`` writes it: entries in braces and empty lists are in DVC's own form."""
    for name in ("AFLW2000", "bfm", "300W_LP/AFW"):
        (folder / "data/raw" / name).mkdir(parents=True)
    before = (folder / "params.yaml").read_text().splitlines()
    others = [name for name in read_params()["data"]["subsets"] if name not in ("AFW", "AFLW2000")]
    overrides = ["data.root=data/raw", "data.subsets.AFLW2000.use=learn", "split.tested=[AFLW2000]"]
    overrides += [f"~data.subsets.{name}" for name in others]
    code = f"from dvc.utils.hydra import apply_overrides; apply_overrides('params.yaml', {overrides})"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = (folder / "params.yaml").read_text().splitlines()
    assert [line for line in after if line not in before] == [
        "  root: data/raw",
        "    AFLW2000: {folder: AFLW2000, use: learn, boxes: meshes}",
        "  tested:",
        "  - AFLW2000",
    ]
    assert {line for line in before if line not in after} == {
        "  root: data/demo",
        "    AFLW2000: {folder: AFLW2000, use: test, boxes: meshes}",
        "  tested: []",
        *(line for line in before if line.startswith(tuple(f"    {name}: " for name in others))),
    }
    assert run(folder) == []
