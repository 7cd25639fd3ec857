"""The data card and its Croissant file say what the prepared set of a small project holds, counted by hand."""

import dataclasses
import json
import re
import shutil

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.store.shards import write_shard
from stages import data_card as stage
from stages.index import FILE_COLUMNS, POSE_COLUMNS
from stages.pages.croissant import COLUMNS, DATASETS, describe_croissant
from stages.pages.data_card import data_card
from stages.project import data_facts
from stages.project.data_sources import OWN, PROCEDURAL, PUBLISHED, list_sources, source_of
from stages.project.params import DataParams, Subset
from stages.project.paths import CROISSANT, DATA_CARD, DATA_PAGE
from tests.helpers.places import ROOT
from tests.helpers.small_project import NO_FACE, PHOTO, SIZE, SUBSETS, YAW_DEG, write_csv

DATA = DataParams("raw", SUBSETS, SIZE, ["on"], 4, 0.5)


@pytest.fixture(scope="module")
def root(project, tmp_path_factory):
    """The made-up project, whose split knows, as a real one does, samples alone that an index has."""
    root = shutil.copytree(project, tmp_path_factory.mktemp("card") / "project", symlinks=True)
    people = dict.fromkeys(YAW_DEG, "test/one") | {"g": "test/two"}
    rows = [(f"test/{name}", people[name]) for name in YAW_DEG]
    write_csv(root / "data/split/test.csv", [("sample_id", "identity"), *rows])
    return root


@pytest.fixture(scope="module")
def facts(root):
    return stage.read_facts(root, DATA, 1.5)


class TestFacts:
    def test_samples_and_identities_are_counted_by_set_and_part(self, facts):
        assert facts.members["test"] == data_facts.Members({"train": 0, "validation": 0, "test": 7}, 2)
        assert facts.members["train"].parts == {"train": 3, "validation": 0, "test": 0}
        assert (facts.parts["test"].samples, facts.parts["test"].identities) == (7, 2)
        assert "validation" not in facts.parts

    def test_poses_are_wrapped_and_binned(self, facts):
        """0, 12, -351, 45, -60, 75 and -88 degrees: three, two and two, with a median of 9 once they are wrapped."""
        test = facts.parts["test"]
        assert dict(test.by_yaw) == {"yaw_00_30": 3, "yaw_30_60": 2, "yaw_60_90": 2}
        assert test.beyond == 0
        assert test.angles["yaw"][1] == pytest.approx(9)
        assert test.angles["yaw"][0] == pytest.approx(np.percentile([0, 12, 9, 45, -60, 75, -88], 5))
        assert test.sides == (PHOTO, PHOTO)

    def test_reasons_that_differ_in_names_alone_are_one(self, facts):
        assert facts.reasons == [
            ("index", 2, "train/train1.jpg", "Pose_Para is missing in train1.mat."),
            ("aligned", 1, "test/noface", NO_FACE),
        ]

    def test_a_reason_s_numbers_tell_no_reasons_apart_but_names_of_fields_do(self):
        texts = ["The scale is -0.5; expected 1.", "The scale is 2; expected 1.", "pt3d_68 is missing.", "pt2d is."]
        kinds = [data_facts.NUMBER.sub("#", text) for text in texts]
        assert kinds == ["The scale is #; expected #.", "The scale is #; expected #.", *texts[2:]]

    def test_what_two_levels_say_of_one_sample_counts_once(self, root, tmp_path):
        copy = shutil.copytree(root / "data", tmp_path / "data")
        for name in ("aligned", "position_maps"):
            for use in ("learn/train", "test/test"):
                shutil.copytree(copy / name / use / "on", copy / name / use / "off")
        reasons = data_facts.read_reasons(tmp_path, dataclasses.replace(DATA, levels=["on", "off"]))
        assert ("aligned", 1, "test/noface", NO_FACE) in reasons

    def test_closed_eyes_and_mouths_go_by_the_annotated_landmarks_where_there_are_some(self, tmp_path):
        """Outer eye corners 100 px apart; lids 6 and lips 3 px by the mesh, lids 4 and lips 5 by the annotation."""
        mesh, annotated = (np.zeros((68, 3)) for _ in range(2))
        for points, lids, lips in ((mesh, 6, 3), (annotated, 4, 5)):
            points[45, 0] = 100
            points[[37, 38, 43, 44], 1] = lids
            points[[61, 62, 63], 1] = lips
        ids = np.array(["train/a", "train/b"], object)
        here = tmp_path / "data/position_maps/learn/train/on/00000.h5"
        write_shard(here, {"sample_id": ids, "landmarks": np.stack([mesh, mesh]).astype(np.float32)}, {})
        truths = np.stack([annotated, np.full((68, 3), np.nan)]).astype(np.float32)
        write_shard(tmp_path / "data/index/learn/train/00000.h5", {"sample_id": ids, "true_landmarks": truths}, {})
        only = dataclasses.replace(DATA, subsets={"train": SUBSETS["train"]})
        assert dict(data_facts._closed(tmp_path, only)) == {
            "train/a": {"eyes": True, "mouth": False},
            "train/b": {"eyes": False, "mouth": True},
        }

    def test_datasets_are_as_the_shards_have_them(self, facts, root):
        with h5py.File(root / "data/position_maps/test/test/on/00000.h5") as file:
            assert set(facts.layout) == set(file)
            assert facts.layout["image"] == (file["image"].shape[1:], "uint8")
        assert facts.layout["sample_id"] == ((), "str")
        assert facts.layout["position_map"] == ((SIZE, SIZE, 3), "uint16")

    def test_a_split_of_another_index_is_told(self, root, tmp_path):
        shutil.copytree(root / "data", tmp_path / "data")
        write_csv(tmp_path / "data/split/validation.csv", [("sample_id", "identity"), ("train/t9", "train/t9")])
        with pytest.raises(ValueError, match=r"validation.csv has the sample train/t9, which no index accepted"):
            data_facts.read_part_facts(tmp_path, DATA)


def test_a_folder_tells_whose_the_photos_are():
    subsets = {
        "AFW_Flip": Subset("300W_LP/AFW_Flip", "learn", "meshes"),
        "AFLW2000": Subset("AFLW2000", "test", "meshes"),
        "AFLW2000_Profiled": Subset("../profiled/AFLW2000", "learn", "meshes"),
        "own": Subset("faces", "learn", "meshes"),
    }
    data = dataclasses.replace(DATA, subsets=subsets)
    assert [source_of(data, name).name for name in subsets] == [
        "300W-LP",
        "AFLW2000-3D",
        "AFLW2000-3D",
        "a set of your own",
    ]
    listed = list_sources(data)
    assert [names for _, names in listed] == [["AFW_Flip"], ["AFLW2000", "AFLW2000_Profiled"], ["own"]]
    assert list_sources(dataclasses.replace(data, root="data/demo")) == [(PROCEDURAL, list(subsets))]


class TestCard:
    def test_it_tells_what_is_in_it_and_what_not(self, facts):
        card = data_card(facts)
        for text in (
            "12 pairs came in, 10 samples came out at every level, 2 set aside on the way.",
            "these are 5 identities",
            "| train | learn | meshes | 4 | 1 | 3 | 3 | 3 | 0 | 0 |",
            "| test | test | meshes | 8 | 1 | 7 | 2 | 0 | 0 | 7 |",
            "| test | 3 (42.9 %) | 2 (28.6 %) | 2 (28.6 %) | 0 (0.0 %) |",
            f"| image | N x {SIZE} x {SIZE} x 3 | uint8 |",
            "| index | 2 | train/train1.jpg | Pose_Para is missing in train1.mat. |",
            "There is no label of age, sex, skin colour",
            "These are photos of people who were not asked for this.",
            "delete its pairs from the folder of raw data",
        ):
            assert text in card, text
        assert "procedural" not in card

    def test_procedural_faces_say_so(self, facts):
        card = data_card(dataclasses.replace(facts, demo=True, sources=[(PROCEDURAL, ["train"])]))
        assert "The faces are procedural, and no person is shown." in card
        assert "not asked for this" not in card
        assert "sha256sum" not in card

    def test_what_is_known_to_be_wrong_with_a_published_set_is_told(self, facts):
        for source in PUBLISHED.values():
            card = data_card(dataclasses.replace(facts, sources=[(source, ["test"])]))
            assert source.licence in card
            assert card.count(f"* {source.name}: ") == len(source.errors) + 1

    def test_every_table_has_as_many_cells_in_every_row(self, facts):
        tables = re.findall(r"(?:^\|.*\n)+", data_card(facts), re.MULTILINE)
        assert len(tables) == 8
        for table in tables:
            assert len({line.count("|") for line in table.splitlines()}) == 1, table

    def test_hostile_names_become_part_of_no_table_and_no_html(self, facts):
        name = "<script>x</script>|[y](javascript:z)\n# head"
        card = data_card(dataclasses.replace(facts, reasons=[("index", 1, name, name)], sources=[(OWN, [name])]))
        assert "<script" not in card
        assert "\n# head" not in card

    def test_rare_reasons_are_counted(self, facts):
        reasons = [("index", 20 - number, f"a/{number}", f"Reason {number}.") for number in range(15)]
        card = data_card(dataclasses.replace(facts, reasons=reasons))
        assert "3 rarer reasons are left out here." in card


def nodes_of(value):
    """All mappings in a piece of JSON."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if isinstance(value, dict) else []) + [node for each in values for node in nodes_of(each)]


class TestCroissant:
    @pytest.fixture(scope="class")
    @staticmethod
    def described(facts):
        sources = [source for source, _ in facts.sources]
        return describe_croissant(sources, facts.layout, ["on"], facts.metrics["split"], "data_card.md")

    def test_every_node_that_is_referred_to_is_there_once(self, described):
        nodes = nodes_of(described["distribution"]) + nodes_of(described["recordSet"])
        made = [node["@id"] for node in nodes if "@type" in node]
        assert len(made) == len(set(made)) > 20
        assert {node["@id"] for node in nodes if node.keys() == {"@id"}} <= set(made)

    def test_patterns_find_the_files_from_where_it_lies(self, described, root):
        for files in described["distribution"]:
            found = [path for pattern in files["includes"] for path in (root / CROISSANT).parent.glob(pattern)]
            assert found, files["@id"]

    def test_fields_are_the_datasets_and_the_columns(self, described, facts, root):
        sets = {each["name"]: each["field"] for each in described["recordSet"]}
        assert [field["name"] for field in sets["samples-on"]] == sorted(facts.layout)
        image = next(field for field in sets["samples-on"] if field["name"] == "image")
        assert (image["dataType"], image["arrayShape"]) == ("cr:UInt8", f"{SIZE},{SIZE},3")
        header = (root / "data/split/test.csv").read_text().splitlines()[0].split(",")
        assert [field["name"] for field in sets["parts"] if "column" in field["source"]["extract"]] == header

    def test_the_columns_of_pairs_are_those_that_the_index_writes(self):
        assert tuple(COLUMNS) == (*FILE_COLUMNS, *POSE_COLUMNS)

    def test_every_dataset_of_the_contract_is_described(self):
        """docs/data.md, section 'Contracts'."""
        table = (ROOT / "docs/data.md").read_text(encoding="utf-8").partition("\n## Contracts\n")[2].partition("\n[")[0]
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(DATASETS)


def write_params(root):
    (root / "params.yaml").write_text(
        "data:\n  root: raw\n  subsets:\n    train: {folder: train, use: learn, boxes: meshes}\n"
        "    test: {folder: test, use: test, boxes: meshes}\n  size: 32\n  levels:\n  - on\n"
        "  samples_per_shard: 4\n  max_reject_fraction: 0.5\n"
        "crop:\n  detected: {}\n  found: {facemesh: data/landmark_map}\n  margin: 1.5\n"
    )


def test_the_stage_writes_the_same_bytes_twice_and_no_place_of_this_machine(root, tmp_path, monkeypatch):
    copy = shutil.copytree(root, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(copy)
    write_params(copy)
    written = []
    for _ in range(2):
        result = CliRunner().invoke(stage.main)
        assert result.exit_code == 0, result.output
        assert (
            result.output == "data_card: a set of your own; data/data_card.md, data/croissant.json, reports/data.html\n"
        )
        written.append((DATA_CARD.read_bytes(), CROISSANT.read_bytes(), DATA_PAGE.read_bytes()))
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in b"".join(written[0])
    assert json.loads(written[0][1])["url"] == "data_card.md"
    (copy / "metrics/data.json").unlink()
    result = CliRunner().invoke(stage.main)
    assert result.exit_code == 1
    assert "data.json is no file that can be read" in result.stderr
    assert not DATA_CARD.exists()
    assert not DATA_PAGE.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # mlcroissant's use of rdflib
def test_croissant_s_own_reader_finds_no_fault_and_reads_the_tables(root, tmp_path, monkeypatch):
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: requirements-dev.txt has it")
    copy = shutil.copytree(root, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(copy)
    write_params(copy)
    for path in copy.glob("data/index/*/*/accepted.csv"):  # the rest of a pose, which nothing else asks for
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([f"{header},tx,ty,tz,scale", *(f"{row},30,20,0,0.001" for row in rows), ""]))
    assert CliRunner().invoke(stage.main).exit_code == 0
    dataset = croissant.Dataset(jsonld=CROISSANT)
    assert not dataset.metadata.ctx.issues.errors
    rows = [(row["parts/part"], row["parts/sample_id"]) for row in dataset.records("parts")]
    assert [row["pairs/scale"] for row in dataset.records("pairs")] == [0.001] * 10
    assert sorted(rows) == sorted(
        [(b"train", f"train/t{number}".encode()) for number in (1, 2, 3)]
        + [(b"test", f"test/{name}".encode()) for name in YAW_DEG]
    )
    shapes = {field.name: field.array_shape_tuple for field in dataset.metadata.record_sets[0].fields}
    assert shapes["position_map"] == (SIZE, SIZE, 3)
