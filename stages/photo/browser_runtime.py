"""ONNX Runtime for browsers, a package of npm that is fetched once, checked and kept."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from pipeline.store.checks import check
from pipeline.store.files import replacing

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# What npm calls `integrity`: SHA-512 of the package's file, in base64.
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILE = f"{PACKAGE}-{VERSION}.tgz"
LICENCE = f"ONNX Runtime Web {VERSION}, Copyright Microsoft Corporation (MIT)"
KEPT = Path("work/browser")
SECONDS = 300


class Runtime(NamedTuple):
    """The runtime's parts: the script for pages, the loader of its WebAssembly, a module, and that itself."""

    script: str
    loader: bytes
    binary: bytes


def find_runtime(named: Path | None) -> Runtime:
    """Read the runtime, from the file that is named, or where it is kept, or else by npm, which then keeps it.

    Raises
    ------
    ValueError
        If a file is not the package that was pinned, or npm is missing or can't fetch it.
    """
    if named is not None:
        check(named.is_file(), f"{named} is missing or no file; expected npm's {FILE}.")
        return read_runtime(named)
    for folder in kept_folders():
        if (folder / FILE).is_file():
            return read_runtime(folder / FILE)
    with tempfile.TemporaryDirectory() as name:
        fetched = _fetch(Path(name))
        runtime = read_runtime(fetched)
        _keep(fetched)
    return runtime


def read_runtime(path: Path) -> Runtime:
    """Read npm's file of the runtime.

    Raises
    ------
    ValueError
        If it is another file than the one that was pinned.
    """
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    check(
        f"sha512-{digest}" == INTEGRITY,
        f"{path} is not npm's {FILE}: its SHA-512 is another. Delete it, and fetch it anew: "
        f"npm pack {PACKAGE}@{VERSION}.",
    )
    with tarfile.open(path) as package:

        def read(name: str) -> bytes:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None
            return member.read()

        script = read("ort.wasm.min.js").decode()
        wasm = "ort-wasm-simd-threaded"
        # The map for debuggers would be looked for beside the page.
        script = "".join(line for line in script.splitlines(keepends=True) if "sourceMappingURL" not in line)
        return Runtime(script, read(f"{wasm}.mjs"), read(f"{wasm}.wasm"))


def kept_folders() -> Iterator[Path]:
    """Where the package is kept, by preference: in a checkout of the project, else in the user's cache."""
    if Path("dvc.yaml").is_file():
        yield KEPT
    import platformdirs

    yield platformdirs.user_cache_path("face-reconstruction-pipeline", appauthor=False) / "browser"


def _fetch(folder: Path) -> Path:
    by_hand = f"Fetch it elsewhere by `npm pack {PACKAGE}@{VERSION}`, and name the file by --runtime {FILE}."
    npm = shutil.which("npm")
    check(npm is not None, f"The page needs {PACKAGE} of npm, and npm is missing: install Node.js. Or: {by_hand}")
    click.echo(f"Fetching {PACKAGE} {VERSION} (33 MB) by npm, once.", err=True)
    command = [
        str(npm),
        "pack",
        f"{PACKAGE}@{VERSION}",
        "--silent",
        "--ignore-scripts",
        "--pack-destination",
        str(folder),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise ValueError(f"npm did not fetch {PACKAGE} within {SECONDS} s: is there a network? {by_hand}") from None
    reason = next((line.strip() for line in result.stderr.splitlines() if line.strip()), "no reason given")
    check((folder / FILE).is_file(), f"npm can't fetch {PACKAGE} ({reason.rstrip('.')}): is there a network? {by_hand}")
    return folder / FILE


def _keep(fetched: Path) -> None:
    for folder in kept_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / FILE) as part:
                shutil.copyfile(fetched, part)
        except OSError:
            continue
        click.echo(f"It is kept in {folder}.", err=True)
        return
