"""What modules import: a stage starts in the time that its imports take, so none may pull what its user does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = {"pandas", "dask", "distributed", "matplotlib", "tensorflow", "keras", "mtcnn", "dlib"}
CHILD = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


# What makes sparse matrices of a mesh or looks for nearest points, for bundles and sets that are made once, for the
# survey and for scores against scans; no photo command imports them.
SPARSE_NAMES = ("correction", "subdivision", "surface_search", "nicp", "nearest", "contour_fit")
SPARSE = {f"pipeline.face.{name}" for name in SPARSE_NAMES}


def modules(*rooms):
    paths = [path for room in rooms for path in (ROOT / "pipeline" / room).rglob("*.py")]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.stem != "__init__")


def pulled(names):
    """Every module that is loaded once the named ones are imported by a fresh process."""
    command = [sys.executable, "-c", CHILD, *names]
    return set(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))


def test_arrays_files_and_annotations_need_numpy_and_hdf5_alone():
    names = sorted(set(modules("store", "face", "raw")) - {"pipeline.raw.photos", *SPARSE})
    assert len(names) > 12
    assert not pulled(names) & (NEVER | {"cv2", "PIL", "scipy", "albumentations", "trimesh"})


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("pipeline.uv.surface", {"cv2", "scipy", "h5py"}),
        ("pipeline.crops.alignment", {"scipy", "albumentations", "h5py"}),
    ],
)
def test_a_module_does_not_pull_what_its_users_do_not_use(name, unused):
    assert not pulled([name]) & (NEVER | unused)


def test_no_room_of_the_pipeline_pulls_tables_clusters_plots_or_networks():
    assert not pulled(modules("")) & NEVER
