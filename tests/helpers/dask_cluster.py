"""A Dask cluster of a scheduler and workers, with the keys that the documentation makes."""

import re
import socket
import subprocess
import time

from tests.helpers.places import ROOT
from tests.helpers.stage_runs import BIN, environment_of


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def documented(language):
    """The first block of a language in what docs/scale.md says of clusters."""
    section = (ROOT / "docs/scale.md").read_text().partition("## All cores, or a cluster")[2].partition("\n## ")[0]
    return re.search(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)[1]


def start_dask(project, code, keys, name, *arguments, machine=()):
    """Start a part of a Dask cluster in a process group of its own; `machine` stands before its command."""
    with (project / f"{name}.txt").open("w") as log:
        return subprocess.Popen(
            [*machine, BIN / "dask", *arguments, "--no-dashboard"],
            cwd=project,
            env=environment_of(code) | {"DASK_CONFIG": str(keys)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def await_line(log, text, processes):
    for _ in range(600):
        if text in log.read_text():
            return
        assert all(process.poll() is None for process in processes), log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{log} never said {text!r}: {log.read_text()}")
