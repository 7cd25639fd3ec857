"""The diagram of what depends on what."""

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
