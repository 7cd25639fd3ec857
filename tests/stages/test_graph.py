"""The real dvc.yaml files under DVC: what an edit, another test set, another policy or another parameter re-runs.

Each test works on a copy of one small finished project, whose path has a space, and counts the stages that ran.
"""

import importlib.util
import json
import os
import re
import shutil
from modulefinder import ModuleFinder
from pathlib import Path
from unittest import mock

import pytest
from ruamel.yaml import YAML

from tests.helpers.lookups import watch
from tests.helpers.recipes import params_of, runs_again
from tests.helpers.whole_project import change, copy_project, ran, run

pytestmark = pytest.mark.slow

TESTED = {
    "predict",
    "evaluate",
    "occlusion",
    "export",
    "model_card",
    "report",
    "data_report",
    "data_card",
    "ablation:predict",
    "ablation:evaluate",
    "ablation:occlusion",
    "ablation:survey",
}


def groups(stages: set[str]) -> set[str]:
    return {stage.partition("@")[0] for stage in stages}


def as_listed(stages: set[str]) -> set[str]:
    """Name stages as docs/extending.md lists them: by one name for all subsets and runs, without the two that check."""
    return {re.sub(r"^.*:|@.*", "", stage) for stage in stages} - {"code", "settings"}


def stale(project: Path) -> set[str]:
    return set(json.loads(run(project, "dvc", "status", "--json")))


def lay_over(params, lines) -> None:
    """Lay lines of params.yaml over it, as they stand there."""
    for key, value in lines.items():
        if isinstance(value, dict) and key in params:
            lay_over(params[key], value)
        else:
            params[key] = value


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return watch(tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, watched):
    """A small project in which everything has been made while one watched, and its baseline committed."""
    folder = tmp_path_factory.mktemp("a project") / "with spaces"
    copy_project(folder)
    shutil.copy(folder / "ablation/stages.yaml", folder / "ablation/dvc.yaml")
    for command in (
        "git init -q",
        "git config user.email somebody@example.org",
        "git config user.name somebody",
        "git add -A",
        "git commit -qm code",
        "dvc repro -P",
        "git add -A",
        "git commit -qm baseline",
    ):
        with mock.patch.dict(os.environ, watched.environment):
            run(folder, *command.split())
    return folder


def test_no_stage_and_not_dvc_asks_for_a_host(finished, watched):
    assert watched.asked() == set()
    kept = {path.name for path in watched.log.with_name("home").rglob("*") if path.is_file()}
    assert not {name for name in kept if "onnxruntime" in name or "deviceid" in name or "analytics" in name}


@pytest.fixture
def project(finished, tmp_path):
    folder = tmp_path / "a copy"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def test_after_a_run_nothing_is_stale_and_git_is_clean(finished):
    assert ran(run(finished, "dvc", "repro", "-P")) == set()
    assert run(finished, "git", "status", "--porcelain") == ""


def test_an_edit_re_runs_exactly_the_stages_that_import_the_module(project):
    edited = ["pipeline/face/camera.py", "pipeline/uv/masks.py", "model/losses.py", "stages/project/samples.py"]
    unused = "stages/unused.py"
    (project / unused).write_text("from pipeline.face import camera\n")
    stages = {path.stem for path in (project / "stages").glob("*.py")}
    needs = {stage: modules_by_finder(project, stage) for stage in stages}
    for file in [*edited, unused]:
        with (project / file).open("a") as module:
            module.write("# a comment\n")
        run(project, "dvc", "repro", "code")
        names = as_listed(stale(project))
        known = set(YAML(typ="safe").load(project / "dvc.yaml")["stages"])
        known |= set(YAML(typ="safe").load(project / "ablation/stages.yaml")["stages"])
        assert names == {stage for stage in known if file in needs[stage]} - {"detected", "profiled"}, file
        run(project, "git", "checkout", "-q", ".")
        run(project, "dvc", "checkout", "-q")


def modules_by_finder(folder: Path, stage: str) -> set[str]:
    """Modules of the project that a stage imports, found by the standard library in the bytecode."""
    finder = ModuleFinder(path=[str(folder)])
    finder.run_script(str(folder / f"stages/{stage}.py"))
    files = [Path(module.__file__) for module in finder.modules.values() if module.__file__]
    return {str(file.relative_to(folder)) for file in files} - {""}


def test_another_test_set_costs_its_data_and_no_training(project):
    lines = params_of("A test set")
    (name,) = lines["data"]["subsets"]
    lines["data"]["subsets"][name]["folder"] = "300W_LP/HELEN"  # the embedded set has no other
    change(project, lambda params: lay_over(params, lines))
    again = ran(run(project, "dvc", "repro", "-P"))
    assert as_listed(again) == runs_again("A test set")
    data = {f"{stage}@{name}" for stage in ("index", "meshes", "aligned", "position_maps")} | {"settings", "split"}
    data |= {"found@facemesh"}
    assert {stage for stage in again if stage.partition("@")[0] not in {*TESTED, "ablation:thesis"}} == data
    assert groups(again) >= TESTED
    scores = (project / "runs/main/scores/protocols.csv").read_text().splitlines()
    assert {row.split(",")[1] for row in scores} >= {"all", "AFLW2000", name}


def test_another_training_set_costs_its_data_and_all_that_learns(project):
    lines = params_of("A training set")
    (name,) = lines["data"]["subsets"]
    lines["data"]["subsets"][name]["folder"] = "300W_LP/HELEN"  # the embedded set has no other
    change(project, lambda params: lay_over(params, lines))
    again = ran(run(project, "dvc", "repro", "-P"))
    assert as_listed(again) == runs_again("A training set")
    of_subsets = {stage for stage in again if stage.startswith(("index@", "meshes@", "aligned@", "position_maps@"))}
    assert of_subsets == {f"{stage}@{name}" for stage in ("index", "meshes", "aligned", "position_maps")}
    assert name in (project / "data/data_card.md").read_text()


def test_another_source_of_landmarks_costs_its_crops_and_no_training(project):
    """Also one that has learnt from the training part itself: nothing that learns looks at what is found."""
    change(project, lambda params: params["crop"]["found"].update(asm="data/asm"))
    again = ran(run(project, "dvc", "repro", "-P"))
    scored = {f"{stage}" for stage in groups(again) if "predict" in stage or "evaluate" in stage}
    assert scored == {"predict", "evaluate", "ablation:predict", "ablation:evaluate"}
    assert again >= {"settings", "found@asm"}
    assert not {stage for stage in again if "train" in stage or "augmented" in stage or "validation" in stage}
    listed = json.loads((project / "metrics/sources.json").read_text())
    assert {name: (row["box"], row["levelling"]) for name, row in listed.items()} == {
        "predicted": ("annotation", "annotation"),
        "fitted": ("annotation", "annotation"),
        "facemesh": ("facemesh", "facemesh"),
        "asm": ("asm", "asm"),
    }
    # DVC compares the numbers, and shows the texts beside them.
    shown = json.loads(run(project, "dvc", "metrics", "diff", "--json"))["metrics/sources.json"]
    assert {name.partition(".")[0] for name in shown} == {"asm"}
    assert shown["asm.box"] == {"old": None, "new": "asm"}
    assert shown["asm.nme68_2d"] == {"old": None, "new": listed["asm"]["nme68_2d"]}


def test_a_policy_of_one_variant_makes_no_other_stale(project):
    def add(params):
        params["augmented"]["policies"]["turned"] = params["augmented"]["policies"]["mild"] | {"rotation_deg": 30}
        params["thesis"]["variants"]["prn"]["policy"] = "turned"

    change(project, add)
    again = ran(run(project, "dvc", "repro", "-P"))
    assert {stage for stage in again if "train" in stage} == {"ablation:train@prn"}
    assert {stage for stage in again if "augmented" in stage} == {"augmented@turned"}
    assert as_listed(again) == runs_again("A policy")


def test_a_variant_costs_its_own_training_and_the_tables(project):
    lines = params_of("A variant")
    (name,) = lines["variants"]
    change(project, lambda params: lay_over(params, lines))
    again = ran(run(project, "dvc", "repro", "-P"))
    own = {f"ablation:{stage}@{name}" for stage in ("train", "predict", "evaluate")}
    assert again == {"settings", "ablation:thesis", *own}
    assert as_listed(again) == runs_again("A variant")
    assert name in (project / "reports/index.html").read_text()


# A term as docs/extending.md says what to touch for one: how far a map is from nought, in px.
TERM = {
    "model/settings.py": {
        "    smoothness: float = 0.0\n": "    smoothness: float = 0.0\n    size: float = 0.0\n",
        '("smoothness", self.smoothness))': '("smoothness", self.smoothness), ("size", self.size))',
    },
    "model/losses.py": {
        "\n    def loss(true: Tensor, predicted: Tensor) -> Tensor:\n        return sum(": "    if terms.size:\n"
        "        parts.append((terms.size, map_size(scaling)))\n"
        "\n    def loss(true: Tensor, predicted: Tensor) -> Tensor:\n        return sum(",
        "\ndef _length(": "\ndef map_size(scaling):\n    def loss(_true, predicted):\n"
        "        return ops.mean(ops.abs(predicted), axis=(1, 2, 3)) * np.float32(scaling.divisor)\n\n"
        "    return loss\n\n\ndef _length(",
    },
}


def test_a_loss_term_is_committed_without_a_training_and_then_costs_its_variant(project):
    for file, edits in TERM.items():
        text = (project / file).read_text()
        for old, new in edits.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        (project / file).write_text(text)
    change(project, lambda params: [params["loss"][output].update(size=0.0) for output in ("brief", "final")])
    assert ran(run(project, "dvc", "repro", "code", "settings")) == {"code", "settings"}
    assert as_listed(stale(project)) == runs_again("A loss term")
    run(project, "dvc", "commit", "-f", *sorted(stale(project)))
    assert ran(run(project, "dvc", "repro", "-P")) == set()

    def add(params):
        params["variants"]["prn_sized"] = {"network": {"residual": False}, "loss": {"final": {"size": 0.1}}}
        params["thesis"]["variants"]["prn_sized"] = {"init": "random", "policy": "mild", "level": "on"}

    change(project, add)
    again = ran(run(project, "dvc", "repro", "ablation/dvc.yaml:evaluate@prn_sized"))
    assert again == {"settings", *(f"ablation:{stage}@prn_sized" for stage in ("train", "predict", "evaluate"))}


def test_a_parameter_makes_only_the_variants_stale_that_use_it(project):
    change(project, lambda params: params["network"].pop("residual_join"))  # its default is neutral
    assert ran(run(project, "dvc", "repro", "-P")) == {"settings"}
    change(project, lambda params: params["network"].update(residual_blocks=1))
    again = ran(run(project, "dvc", "repro", "-P"))
    assert {stage for stage in again if "train" in stage} == {"train"}  # neither prn nor prn_plain has a refinement


def test_an_experiment_re_runs_training_alone_and_the_old_value_restores_the_old_result(project):
    before = (project / "metrics/evaluation.json").read_text()
    weights = (project / "runs/main/model.weights.h5").read_bytes()
    again = ran(run(project, "dvc", "exp", "run", "-n", "faster", "-S", "train.lr=0.001"))
    tested = {"predict", "evaluate", "occlusion", "export", "model_card", "report"}
    assert again == {"settings", "train", *tested}
    assert (project / "runs/main/model.weights.h5").read_bytes() != weights
    assert "metrics/evaluation.json" in run(project, "dvc", "metrics", "diff")
    assert ran(run(project, "dvc", "exp", "run", "-S", "train.lr=0.003")) == set()
    assert (project / "metrics/evaluation.json").read_text() == before
    assert (project / "runs/main/model.weights.h5").read_bytes() == weights
    run(project, "dvc", "exp", "apply", "faster")
    assert (project / "runs/main/model.weights.h5").read_bytes() != weights
    assert "lr: 0.001" in (project / "params.yaml").read_text()
    run(project, "git", "checkout", ".")
    run(project, "dvc", "checkout")
    assert (project / "runs/main/model.weights.h5").read_bytes() == weights


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_the_whole_dag_runs_on_jax_by_a_parameter_and_no_environment_says_otherwise(project, monkeypatch):
    trained = {"train", "ablation:train@prn", "ablation:train@prn_plain"}
    told = run(project, "dvc", "exp", "run", "--all-pipelines", "-S", "train.backend=jax")
    assert ran(told) & {"settings", *trained, "export", "model_card"} == {"settings", *trained, "export", "model_card"}
    assert told.count("train: JAX on cpu, float32, the step compiled by XLA") == 3
    # Exported by TensorFlow, from weights that JAX has made.
    exported = json.loads((project / "metrics/export.json").read_text())
    assert max(exported["onnx"]["max_px"], exported["litert"]["max_px"]) < 0.01
    assert "Keras 3 on JAX" in (project / "runs/main/model_card.md").read_text()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert ran(run(project, "dvc", "repro", "-P")) == set()
    assert groups(ran(run(project, "dvc", "repro", "-f", "-s", "train", "predict", "export"))) >= {"train", "export"}
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    refused = "KERAS_BACKEND is tensorflow in the environment, but train.backend is jax"
    assert refused in run(project, "dvc", "repro", "-f", "-s", "train", fails=True)
    # Where nothing is stale no stage runs; what `make` runs after it says it all the same.
    assert refused in run(project, "python", "-m", "stages.print_metrics", fails=True)


def test_a_queued_experiment_runs_in_a_copy(project):
    run(project, "dvc", "exp", "run", "--queue", "-n", "queued", "-S", "train.lr=0.002")
    run(project, "dvc", "queue", "start", "-j", "1")
    run(project, "dvc", "queue", "logs", "-f", "queued")
    shown = json.loads(run(project, "dvc", "metrics", "diff", "--json", "queued"))
    assert "metrics/evaluation.json" in shown
    run(project, "dvc", "queue", "stop")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda params: params["train"].update(lr=-1), "train.lr is -1"),
        (lambda params: params["variants"]["prn"].update(network={"residul": False}), "Did you mean residual?"),
        (lambda params: params["thesis"]["variants"]["prn"].update(policy="strong"), "strong"),
        (lambda params: params["data"].update(root="data/raw"), "data/raw"),
    ],
    ids=["rate", "key", "policy", "root"],
)
def test_a_slip_is_told_before_anything_is_deleted(project, edit, sentence):
    change(project, edit)

    def made():
        return {path for name in ("data", "runs", "reports", "metrics") for path in (project / name).rglob("*")}

    before = {path for path in made() if "data/settings" not in str(path)}
    output = run(project, "dvc", "repro", fails=True)
    assert ran(output) == {"settings"}
    assert sentence in output
    assert made() >= before


def test_git_and_dvc_check_out_what_a_first_run_made_without_the_other_variants(finished, tmp_path):
    """As in a fresh clone before its baseline is committed: git does not know dvc.lock and the metrics."""
    folder = tmp_path / "clone"
    shutil.copytree(finished, folder, symlinks=True)
    run(folder, "git", "rm", "-q", "--cached", "dvc.lock", "metrics/evaluation.json")
    run(folder, "git", "rm", "-q", "ablation/dvc.lock", "ablation/dvc.yaml")
    run(folder, "git", "commit", "-qm", "no baseline")
    shutil.rmtree(folder / "runs/main")
    run(folder, "git", "checkout", ".")
    run(folder, "dvc", "checkout")
    assert (folder / "runs/main/model.weights.h5").read_bytes() == (
        finished / "runs/main/model.weights.h5"
    ).read_bytes()
