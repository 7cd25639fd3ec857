"""A project whose data stages run in the test's own process, in the current folder."""

from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import aligned, augmented, detected, face_model, index, meshes, position_maps, split, uv_embedding
from tests.helpers.places import ROOT

SUBSETS = {"AFW": "300W_LP/AFW", "AFW_Flip": "300W_LP/AFW_Flip", "AFLW2000": "AFLW2000"}
SIZE = 64


def call(stage, *arguments):
    return CliRunner().invoke(stage.main, arguments)


def must(stage, *arguments):
    result = call(stage, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def write_params(folder, workers=1, **changes):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"root": "raw", "subsets": SUBSETS, "size": SIZE, "samples_per_shard": 2} | changes
    params["split"] |= {"train": ["AFW", "AFW_Flip"], "test": ["AFLW2000"], "validation_fraction": 0.5}
    params["compute"]["workers"] = workers
    yaml.dump(params, folder / "params.yaml")


def prepare():
    """Run all data stages in the current folder."""
    must(face_model)
    must(uv_embedding)
    for subset in SUBSETS:
        must(index, subset)
        must(detected, subset)
        must(meshes, subset)
        must(aligned, subset, "on")
        must(position_maps, subset, "on")
    must(split)
    must(augmented, "full", "on")
