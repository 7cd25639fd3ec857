"""Whom processes ask for on the network, by a library that is loaded before all others."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Watch(NamedTuple):
    """Environment of processes that are watched, and the file that names whom they ask for."""

    environment: dict[str, str]
    log: Path

    def asked(self) -> set[str]:
        """Lines of program and host; none is of this machine."""
        return set(self.log.read_text().splitlines()) if self.log.exists() else set()


def watch(folder: Path) -> Watch:
    """Compile the library; skips the test where none can be compiled or loaded.

    The processes get an empty home, in which one sees what is kept to be sent later.
    """
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("It takes a C compiler (cc), on Linux, to watch whom a process asks for.")
    library, log, home = folder / "lookups.so", folder / "lookups.txt", folder / "home"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    home.mkdir()
    return Watch({"LD_PRELOAD": str(library), "LOOKUPS": str(log), "HOME": str(home)}, log)


def without_network() -> list[str]:
    """Start of a command that has no network; nothing where this user may make no such namespace."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare"):
            tried = subprocess.run([*command, "true"], capture_output=True, check=False)
            if tried.returncode == 0:
                return command
    return []
