import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.store.sentences import sentences
from stages.project.params import DataParams, SplitParams, Subset
from stages.project.params_file import read, read_params
from stages.project.strict import build
from tests.helpers.places import ROOT


@dataclasses.dataclass(frozen=True)
class Inner:
    width: int

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"width is {self.width}; expected 1 or more.")


@dataclasses.dataclass(frozen=True)
class Section:
    lr: float
    epochs: int
    name: str
    on: bool
    span: tuple[float, float]
    parts: list[str]
    nets: dict[str, Inner]
    limit: int | None


GOOD = {
    "lr": 1,
    "epochs": 3.0,
    "name": "a",
    "on": True,
    "span": [0, 1],
    "parts": ["x"],
    "nets": {"a": {"width": 2}},
    "limit": None,
}


def test_a_section_becomes_its_dataclass_with_numbers_coerced():
    section = build("s", GOOD, Section)
    assert section == Section(1.0, 3, "a", True, (0.0, 1.0), ["x"], {"a": Inner(2)}, None)
    assert isinstance(section.lr, float)
    assert isinstance(section.epochs, int)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"more": 1}, "Unknown key more in s"),
        ({"epochs": 2.5}, r"s\.epochs is 2\.5; expected a whole number"),
        ({"lr": "1e-3"}, r"s\.lr is '1e-3'; expected float"),
        ({"on": 1}, r"s\.on is 1; expected bool"),
        ({"name": True}, r"s\.name is True; expected str"),
        ({"span": [1]}, r"s\.span is \[1\]; expected a list of 2"),
        ({"span": [1, 2, 3]}, r"s\.span is \[1, 2, 3\]; expected a list of 2"),
        ({"span": "wide"}, r"s\.span is 'wide'; expected a list of 2"),
        ({"epochs": True}, r"s\.epochs is True; expected int"),
        ({"lr": float("inf")}, r"s\.lr is inf; expected a finite number"),
        ({"parts": "x"}, r"s\.parts is 'x'; expected a list"),
        ({"parts": ["x", 2]}, r"s\.parts\[1\] is 2; expected str"),
        ({"nets": 3}, r"s\.nets is 3; expected a mapping"),
        ({"nets": {"a": 3}}, r"s\.nets\.a is 3; expected a mapping"),
        ({"nets": {"a": {"width": 0}}}, r"s\.nets\.a: width is 0; expected 1 or more"),
        ({"epoch": 1}, r"Unknown key epoch in s; did you mean epochs\? It has lr, epochs, name, on, span"),
        ({"learning_rate": 1}, r"Unknown key learning_rate in s; did you mean lr\? It has"),
        ({"nets": {"a": {"wide": 1}}}, r"Unknown key wide in s\.nets\.a"),
        ({"limit": "x"}, r"s\.limit is 'x'; expected int"),
    ],
)
def test_what_is_wrong_with_a_section_is_said_in_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        build("s", GOOD | change, Section)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="Missing key lr in s"):
        build("s", {k: v for k, v in GOOD.items() if k != "lr"}, Section)


def test_all_that_is_wrong_is_said_at_once_a_sentence_a_line():
    values = {name: GOOD[name] for name in ("lr", "on", "span", "parts")}
    with pytest.raises(ValueError, match="Unknown key nmae in s") as error:
        build("s", values | {"epochs": 2.5, "nmae": "a", "nets": {"a": {}}}, Section)
    assert str(error.value).splitlines() == [
        "Unknown key nmae in s; did you mean name? It has lr, epochs, name, on, span, parts, nets, limit.",
        "s.epochs is 2.5; expected a whole number.",
        "Missing key width in s.nets.a.",
        "Missing key limit in s.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a:\n  b: 1\n  b: 2\n", "line 3 .*duplicate key"),
        ("a:\n- 1\n b: 2\n", "line 3 is no valid YAML: .*"),
        ("a: [1, 2\n", "line 2 is no valid YAML: .*"),
        ("variants:\n  3: {}\n", r"has 3 where a name belongs; put it in quotes\."),
        ("a: [{b: 1, 2.5: 1}]\n2: 1\n", r"has 2, 2\.5 where a name belongs; put it in quotes\."),
        ("a: &whole [*whole]\n", "holds itself, by an anchor; write out what is meant."),
        ("", "no sections"),
        ("- 1\n", "no sections"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_said_with_file_and_line(tmp_path, text, sentence):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"params\.yaml.*{sentence}") as error:
        read_params(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_reading_params_needs_no_numpy_and_importing_it_no_pydantic():
    code = "import sys; from stages.project.params import *; from stages.project.params_file import read\n"
    code += "print('pydantic' in sys.modules)\n"
    code += "read('data', DataParams); read('augmented', AugmentedParams); print('numpy' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["False", "False"]


def test_small_numbers_as_dvc_writes_them_are_numbers(tmp_path):
    (tmp_path / "params.yaml").write_text("train:\n  lr: 1e-05\n  level: on\n")
    assert read_params(tmp_path / "params.yaml")["train"] == {"lr": 1e-05, "level": "on"}


def test_a_missing_file_or_section_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="project's root"):
        read_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: 1\n")
    with pytest.raises(ValueError, match="no section 'data'"):
        read("data", DataParams, tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"levels": ["maybe"]}, "expected some of on, off"),
        ({"max_reject_fraction": 2}, "between 0 and 1"),
        ({"samples_per_shard": 0}, "expected 1 or more"),
        ({"subsets": {}}, "at least one folder"),
        (
            {"subsets": {"A": {"folder": "a", "use": "lern", "boxes": "meshes"}}},
            r"data\.subsets\.A: use is 'lern'; expected learn or test",
        ),
    ],
)
def test_a_data_parameter_out_of_range_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        build("data", read_params()["data"] | change, DataParams)


def subsets_tested(uses, tested):
    data = DataParams("raw", {name: Subset(name, use, "meshes") for name, use in uses.items()}, 64, ["on"], 1, 0.0)
    return data.learned, SplitParams(0.1, 0.2, 0, tested).test_subsets(data)


def test_a_subset_is_learned_from_or_tested_on_or_cut_in_two_in_the_order_of_the_data():
    uses = {"z": "test", "b": "learn", "a": "learn", "c": "test"}
    assert subsets_tested(uses, []) == (["b", "a"], ["z", "c"])
    assert subsets_tested(uses, ["a"]) == (["b", "a"], ["z", "a", "c"])
    assert subsets_tested({"b": "learn"}, ["b"]) == (["b"], ["b"])


@pytest.mark.parametrize(
    ("uses", "tested", "sentence"),
    [
        ({"a": "learn", "b": "test"}, ["b"], "split.tested names 'b', which is no subset to learn from; those are a"),
        ({"a": "learn", "b": "test"}, ["x"], "split.tested names 'x'"),
        ({"a": "learn"}, [], "No subset is tested on: set use to test for one in data.subsets, or name one in split"),
        ({"a": "test"}, [], "No subset in data.subsets is to learn from: set use to learn for one"),
    ],
)
def test_a_split_without_a_side_is_refused(uses, tested, sentence):
    with pytest.raises(ValueError, match=sentence):
        subsets_tested(uses, tested)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"), "tensorflow is not installed. "),
        (ModuleNotFoundError("No module named 'keras.src'", name="keras.src"), "keras is not installed. "),
        (ImportError("libx.so: cannot open shared object file", name="h5py._errors"), "h5py can't be loaded: libx.so"),
        (ImportError("Failed to load the native runtime."), "A package can't be loaded: Failed to load the native"),
    ],
)
def test_a_package_that_is_missing_is_told_in_a_sentence_with_what_to_do(error, sentence):
    with pytest.raises(click.ClickException) as told, sentences():
        raise error
    assert told.value.message.startswith(sentence)
    assert "`make install`" in told.value.message


def test_a_module_of_the_project_that_is_missing_is_no_fault_of_the_environment():
    with pytest.raises(ModuleNotFoundError), sentences():
        import stages.no_such_module  # noqa: F401


@pytest.mark.slow
def test_keras_without_tensorflow_is_told_in_a_sentence():
    script = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "import click\n"
        "from model.backend import prepare_keras\n"
        "from pipeline.store.sentences import sentences\n"
        "@click.command()\n"
        "def main():\n"
        "    with sentences(): prepare_keras()\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: tensorflow is not installed.")
