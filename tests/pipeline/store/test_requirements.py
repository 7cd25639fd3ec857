"""What the installed package says of packages that are missing."""

import importlib.metadata

import pytest

from pipeline.store import requirements

ASKED = [
    "numpy>=2.3",
    "scipy>=1.16",
    "trimesh>=4.6",
    "opencv-python-headless>=4.12",
    'mtcnn>=1.0; extra == "detect"',
    'tensorflow>=2.21; extra == "detect"',
    "onnxruntime>=1.22; extra == 'network'",
]


@pytest.fixture
def missing(monkeypatch):
    """Set of the packages that are not installed; all others are."""
    names = set()
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ASKED)
    monkeypatch.setattr(requirements, "is_installed", lambda name: name not in names)
    return names


@pytest.mark.parametrize(
    ("names", "module", "said"),
    [
        (
            ["scipy", "trimesh", "mtcnn", "onnxruntime"],
            "trimesh",
            "scipy and trimesh are not installed: `pip install .` in the project's folder, "
            "or `pip install 'scipy>=1.16' 'trimesh>=4.6'` anywhere.",
        ),
        (
            ["mtcnn", "tensorflow", "scipy"],
            "tensorflow",
            "scipy, mtcnn and tensorflow are not installed: `pip install '.[detect]'` in the project's folder, "
            "or `pip install 'scipy>=1.16' 'mtcnn>=1.0' 'tensorflow>=2.21'` anywhere.",
        ),
        (
            ["onnxruntime"],
            "onnxruntime",
            "onnxruntime is not installed: `pip install '.[network]'` in the project's folder, "
            "or `pip install 'onnxruntime>=1.22'` anywhere.",
        ),
        (
            ["opencv-python-headless"],
            "cv2",
            "opencv-python-headless is not installed: `pip install .` in the project's folder, "
            "or `pip install 'opencv-python-headless>=4.12'` anywhere.",
        ),
        (["pandas"], "pandas", "pandas is not installed: `pip install pandas`."),
    ],
)
def test_all_that_is_missing_is_told_at_once(missing, names, module, said):
    missing.update(names)
    assert requirements.tell_missing(module, "uvface") == said


def test_a_package_without_metadata_names_the_one_that_is_missing(monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert requirements.tell_missing("scipy", "uvface") == "scipy is not installed: `pip install scipy`."


def test_what_is_installed_is_known():
    assert requirements.is_installed("numpy")
    assert not requirements.is_installed("no-package-has-this-name")
