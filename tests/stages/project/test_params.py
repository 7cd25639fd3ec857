import dataclasses

import pytest

from stages.project.params import DataParams, build, read, read_params


@dataclasses.dataclass(frozen=True)
class Inner:
    width: int


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
        ({"span": [1]}, r"s\.span is \[1\]"),
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
    ],
)
def test_a_data_parameter_out_of_range_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        build("data", read_params()["data"] | change, DataParams)
