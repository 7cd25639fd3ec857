"""Results shared by the remotes that people have, from real servers on this machine: who pulls them trains nothing."""

import contextlib
import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.helpers.dask_cluster import free_port
from tests.helpers.stage_runs import digests
from tests.helpers.whole_project import change, copy_project, ran, run

pytestmark = pytest.mark.slow

MADE = ("data", "runs", "reports")
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
SSHD_CONFIG = """
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


def needs(package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install -r requirements-remotes.txt.")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small project, committed, whose main run was made."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    copy_project(folder)
    run(folder, "git", "init", "-q")
    for name, value in (("user.email", "somebody@example.org"), ("user.name", "somebody")):
        run(folder, "git", "config", name, value)
    for message, last in (("code", ["dvc", "repro"]), ("baseline", ["git", "status"])):
        run(folder, "git", "add", "-A")
        run(folder, "git", "commit", "-qm", message)
        run(folder, *last)
    return folder


@contextlib.contextmanager
def serving(folder, port, *command):
    """Run a server that listens on a port of this machine."""
    log = folder / "server.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 10):
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """What `dvc remote` is told of a folder that a server of ssh gives to who has the key."""
    needs("dvc_ssh")
    if SSHD is None:
        pytest.skip("There is no sshd: apt-get install openssh-server.")
    home, folder, port = tmp_path / "home", tmp_path / "ssh", free_port()
    (home / ".ssh").mkdir(parents=True)
    folder.mkdir()
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True)
    host = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {host}\n")
    (folder / "config").write_text(SSHD_CONFIG.format(folder=folder))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root wants it
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with serving(folder, port, SSHD, "-D", "-e", "-f", folder / "config", "-p", str(port)):
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/storage", {"keyfile": folder / "user_key"}


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """What `dvc remote` is told of a bucket of a server that answers as S3 does."""
    needs("dvc_s3")
    needs("moto")
    port = free_port()
    for name, value in (("ACCESS_KEY_ID", "made"), ("SECRET_ACCESS_KEY", "up"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    address = f"http://127.0.0.1:{port}"
    with serving(tmp_path, port, sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)):
        bucket = urllib.request.Request(f"{address}/results", method="PUT")
        urllib.request.urlopen(bucket, timeout=30).close()
        yield "s3://results/faces", {"endpointurl": address}


@pytest.fixture(params=["ssh", "s3"])
def clones(request, finished, tmp_path):
    """Two clones of a project that has pushed its results to a remote, and is gone."""
    url, settings = request.getfixturevalue(request.param)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    shutil.copytree(finished, first, symlinks=True)
    run(first, "dvc", "remote", "add", "-d", "results", url)
    for name, value in settings.items():
        run(first, "dvc", "remote", "modify", "results", name, str(value))
    run(first, "git", "commit", "-qam", "Remote")
    run(first, "dvc", "push")
    run(tmp_path, "git", "clone", "-q", str(first), str(second))
    run(tmp_path, "git", "clone", "-q", str(first), str(third))
    shutil.rmtree(first)
    return second, third


def test_a_clone_pulls_the_report_and_all_results_or_makes_another_report_and_trains_nothing(finished, clones):
    report = ("make", "--no-print-directory", "-o", ".venv/.ready", "report")
    for clone in clones:
        assert ran(run(clone, *report)) == set()
        assert (clone / "reports/main.html").read_bytes() == (finished / "reports/main.html").read_bytes()
        assert not (clone / "runs/main/model.weights.h5").exists()
    second, third = clones
    run(second, "dvc", "pull")
    assert all(digests(second / name) == digests(finished / name) for name in MADE)
    assert ran(run(second, "dvc", "repro")) == set()
    assert run(second, "git", "status", "--porcelain") == ""
    change(third, lambda params: params["report"].update(samples=1))
    assert ran(run(third, *report)) == {"settings", "report"}
    assert (third / "reports/main.html").read_bytes() != (finished / "reports/main.html").read_bytes()
