"""The diagram of what depends on what."""

from docs.pictures.graph import place_in_layers
from stages.dag import collapse, mermaid


def test_groups_are_one_node_and_arrows_that_others_imply_are_left_out():
    edges = [
        ("index@A", "meshes@A"),
        ("index@B", "meshes@B"),
        ("index@A", "split"),
        ("meshes@A", "ablation/dvc.yaml:train@prn"),
        ("index@A", "ablation/dvc.yaml:train@prn"),
        ("ablation/dvc.yaml:train@prn", "ablation/dvc.yaml:train@frozen"),
    ]
    assert collapse(edges) == [("index", "meshes"), ("index", "split"), ("meshes", "ablation:train")]


def test_the_diagram_is_mermaid_in_markdown():
    assert mermaid([("index", "ablation:train")]).splitlines() == [
        "```mermaid",
        "flowchart LR",
        "  index[index] --> ablation_train[ablation:train]",
        "```",
    ]


def test_stages_stand_behind_what_they_depend_on_and_a_long_arrow_has_a_place_in_each_layer_between():
    edges = [("a", "x"), ("b", "y"), ("x", "end"), ("y", "end"), ("a", "end")]
    first, second, third = place_in_layers(edges)
    assert sorted(first) == ["a", "b"]
    assert set(second) == {"x", "y", ("a", "end")}
    assert third == ["end"]


def test_arrows_that_need_not_cross_do_not():
    layers = place_in_layers([("a", "z"), ("b", "y"), ("c", "x")])
    after = {"a": "z", "b": "y", "c": "x"}
    assert [after[name] for name in layers[0]] == layers[1]
