"""What is wrong with a record of the thesis is said in a sentence."""

import pytest

from stages.pages.thesis_reference import REFERENCE, Claim, Gain, Layer, Number, read_reference

NUMBER = "{section: '4.3', variant: prn, metric: thesis_68, value: 2}"
CLAIM = "{name: a, section: '4.3', variant: prn, against: final, metric: thesis_68, expected: better, lower_by: 30}"


def write(tmp_path, **changed):
    parts = {
        "numbers": f"[{NUMBER}]",
        "claims": f"[{CLAIM}]",
        "gains": "[{section: '4.5', variant: joint, against: prn, metric: thesis_mesh, value: 19}]",
        "contradictions": "[It says one thing and another.]",
        "machine": "{memory: 32 GB, Python: 3.6.13}",
        "training": "{batch_size: 4, lr: 0.001}",
        "layers": "{'3.2': [[Conv1, 4, L, 256*256*16]]}",
    } | changed
    path = tmp_path / "reference.yaml"
    path.write_text("".join(f"{name}: {text}\n" for name, text in parts.items() if text is not None))
    return path


def test_records_are_read_with_their_types(tmp_path):
    reference = read_reference(write(tmp_path))
    assert reference.numbers == [Number("4.3", "prn", "thesis_68", 2.0)]
    assert reference.claims == [Claim("a", "4.3", "prn", "final", "thesis_68", "better", lower_by=30.0)]
    assert reference.gains == [Gain("4.5", "joint", "prn", "thesis_mesh", 19.0)]
    assert reference.contradictions == ["It says one thing and another."]
    assert reference.machine == {"memory": "32 GB", "Python": "3.6.13"}
    assert reference.training == {"batch_size": 4.0, "lr": 0.001}
    assert reference.layers == {"3.2": [Layer("Conv1", "4", "L", "256*256*16")]}


def test_the_thesis_s_own_record_is_whole():
    reference = read_reference(REFERENCE)
    assert (len(reference.numbers), len(reference.claims), len(reference.contradictions)) == (21, 43, 11)
    assert {number: len(rows) for number, rows in reference.layers.items()} == {"3.1": 11, "3.2": 4, "3.3": 17}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"gains": "{}"}, r"^gains in .*reference.yaml is \{\}; expected a list"),
        ({"claims": None}, r"reference.yaml lacks claims\.$"),
        ({"more": "1"}, r"reference.yaml has an unknown more; expected numbers, claims, "),
        ({"numbers": "3"}, r"^numbers in .*reference.yaml is 3; expected a list"),
        ({"machine": "[]"}, r"^machine in .* is \[\]; expected a mapping"),
        ({"numbers": "[5]"}, r"^numbers\[0\] in .* is 5; expected a mapping of section, variant, metric, value, note"),
        ({"numbers": f"[{NUMBER}, {{section: '1'}}]"}, r"^numbers\[1\] in .* lacks variant, metric, value\.$"),
        ({"numbers": f"[{NUMBER[:-1]}, nota: x}}]"}, r"has an unknown nota; expected section, "),
        ({"numbers": f"[{NUMBER.replace('2}', 'two}')}]"}, r"^value of numbers\[0\] in .* is 'two'; expected a number"),
        ({"numbers": f"[{NUMBER.replace(chr(39), '')}]"}, r"^section of numbers\[0\] in .* is 4.3; expected a text"),
        ({"numbers": f"[{NUMBER.replace('thesis_68', 'nme')}]"}, r"has a metric 'nme'; expected one of thesis_68, "),
        ({"claims": f"[{CLAIM.replace('better', 'good')}]"}, r"^Claim a in .* expects 'good'; expected one of better"),
        ({"claims": f"[{CLAIM.replace('30', 'true')}]"}, r"^lower_by of claims\[0\] in .* is True; expected a number"),
        ({"gains": "[{section: '4.5'}]"}, r"^gains\[0\] in .* lacks variant, against, metric, value\.$"),
        ({"training": "{lr: small}"}, r"^training.lr in .* is 'small'; expected a number"),
        ({"layers": "{'3.2': 4}"}, r"^layers.3.2 in .* is 4; expected a list"),
        ({"layers": "{'3.2': [[Conv1, 4]]}"}, r"^layers.3.2\[0\] in .*; expected \[name, kernel, stride, output\]"),
    ],
)
def test_a_slip_is_named_with_its_place(tmp_path, changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_reference(write(tmp_path, **changed))


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    path = tmp_path / "reference.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ValueError, match=r"reference.yaml is no mapping of numbers, claims, "):
        read_reference(path)
