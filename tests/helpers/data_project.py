"""A project whose data stages run in the test's own process, in the current folder."""

from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import aligned, augmented, face_model, index, meshes, position_maps, split, uv_embedding, validation
from tests.helpers.places import ROOT

SUBSETS = {"AFW": "300W_LP/AFW", "AFW_Flip": "300W_LP/AFW_Flip", "AFLW2000": "AFLW2000"}
SIZE = 64


def call(stage, *arguments):
    return CliRunner().invoke(stage.main, arguments)


def must(stage, *arguments):
    result = call(stage, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def use_of(subset):
    """All are learnt from, but AFLW2000."""
    return "test" if subset == "AFLW2000" else "learn"


def describe(folders):
    """Entries of data.subsets."""
    return {name: {"folder": folder, "use": use_of(name), "boxes": "meshes"} for name, folder in folders.items()}


def write_params(folder, workers=1, **changes):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    data = {"root": "raw", "subsets": describe(SUBSETS), "size": SIZE, "levels": ["on"], "samples_per_shard": 2}
    params["data"] |= data | changes
    params["split"]["validation_fraction"] = 0.5
    params["compute"]["workers"] = workers
    yaml.dump(params, folder / "params.yaml")


def prepare():
    """Run all data stages in the current folder."""
    must(face_model)
    must(uv_embedding)
    for subset in SUBSETS:
        must(index, subset)
        must(meshes, subset)
        must(aligned, subset)
        must(position_maps, subset)
    must(split)
    must(augmented, "full")
    must(validation)
