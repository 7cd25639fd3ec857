"""A file of overrides: what it does to parameters, what of it would change something, and what DVC is told."""

import pytest

from stages.project.overrides import arguments, override, read_overrides, unmet

PARAMS = {
    "data": {"size": 64, "subsets": {"A": {"use": "learn"}, "A_Flip": {"use": "learn"}}},
    "train": {"lr": 0.003, "seeds": [1], "level": "on"},
    "variants": {"a": {"policy": "mild"}, "b": {"policy": "none"}, "c": {"policy": "mild"}},
}
LINES = [
    "~data.subsets.A_Flip",
    "data.size=256",
    "train.level=on",
    "~variants.c",
    "variants.*.policy=full",
    "variants.b.policy=none",
    "train.seeds=[1,2]",
]


def test_lines_are_laid_over_parameters_the_later_over_the_earlier():
    assert override(PARAMS, LINES) == {
        "data": {"size": 256, "subsets": {"A": {"use": "learn"}}},
        "train": {"lr": 0.003, "seeds": [1, 2], "level": "on"},
        "variants": {"a": {"policy": "full"}, "b": {"policy": "none"}},
    }
    assert PARAMS["data"]["size"] == 64
    assert PARAMS["variants"]["a"] == {"policy": "mild"}


def test_what_would_change_something_is_told_and_what_holds_already_is_not():
    assert unmet(PARAMS, LINES) == [
        "~data.subsets.A_Flip",
        "data.size=256",
        "~variants.c",
        "variants.*.policy=full",
        "train.seeds=[1,2]",
    ]
    assert unmet(override(PARAMS, LINES), LINES) == []
    # A number is the same however it is written, a key that is not there is not.
    assert unmet({"train": {"lr": 1}}, ["train.lr=1.0", "train.xla=false"]) == ["train.xla=false"]


def test_dvc_is_told_a_key_each_and_nothing_of_what_is_not_there():
    lines = [*LINES, "~data.subsets.B_Flip"]
    assert arguments(PARAMS, lines) == [
        "~data.subsets.A_Flip",
        "data.size=256",
        "train.level=on",
        "~variants.c",
        "variants.a.policy=full",
        "variants.b.policy=none",
        "train.seeds=[1,2]",
    ]
    with pytest.raises(ValueError, match=r"^data.sizes=256: params.yaml has no data.sizes.$"):
        arguments(PARAMS, ["data.sizes=256"])


def test_dvc_is_told_a_name_that_begins_with_a_digit_within_a_value():
    params = {"variants": {"3d": {"train": {"lr": 1}}, "d3": {"train": {"lr": 1}}}}
    told = ["variants={3d:{train:{lr:2}}}", "variants.d3.train.lr=2"]
    assert arguments(params, ["variants.*.train.lr=2"]) == told


def test_comments_are_left_out_and_what_is_no_override_is_refused(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("# All\n\ndata.size=256  # px\n~data.subsets.A_Flip\n")
    assert read_overrides(file) == ["data.size=256", "~data.subsets.A_Flip"]
    for line in ("data.size", "data.size = 256", "~data.size=3"):
        file.write_text(f"{line}\n")
        with pytest.raises(ValueError, match="expected key=value or ~key, without spaces"):
            read_overrides(file)
    with pytest.raises(FileNotFoundError, match=r"no.txt is missing"):
        read_overrides(tmp_path / "no.txt")
