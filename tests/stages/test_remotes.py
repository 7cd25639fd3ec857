"""Results shared by the remotes that people have, from real servers on this machine: who pulls them trains nothing."""

import getpass
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.helpers.dask_cluster import free_port
from tests.helpers.places import ROOT
from tests.helpers.stage_runs import digests
from tests.stages.test_graph import change, ran, run, shrink

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
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in listed:
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    change(folder, shrink)
    change(folder, lambda params: params["occlusion"].update(runs=["prn"], photos=2))
    run(folder, "git", "init", "-q")
    for name, value in (("user.email", "somebody@example.org"), ("user.name", "somebody")):
        run(folder, "git", "config", name, value)
    for message, last in (("code", ["dvc", "repro"]), ("baseline", ["git", "status"])):
        run(folder, "git", "add", "-A")
        run(folder, "git", "commit", "-qm", message)
        run(folder, *last)
    return folder


def await_port(process, port, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                return
        except (OSError, ValueError):  # who speaks ssh answers in no HTTP
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def serve(folder, *command):
    """Start a server, and wait until it listens: process."""
    log = folder / "server.txt"
    with log.open("w") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=folder), log


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
    process, log = serve(folder, SSHD, "-D", "-e", "-f", folder / "config", "-p", str(port))
    await_port(process, port, log)
    yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/storage", {"keyfile": folder / "user_key"}
    process.terminate()
    process.wait(30)


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """What `dvc remote` is told of a bucket of a server that answers as S3 does."""
    needs("dvc_s3")
    needs("moto")
    port = free_port()
    process, log = serve(tmp_path, sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    await_port(process, port, log)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/results", method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    for name, value in (("ACCESS_KEY_ID", "made"), ("SECRET_ACCESS_KEY", "up"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    yield "s3://results/faces", {"endpointurl": f"http://127.0.0.1:{port}"}
    process.terminate()
    process.wait(30)


@pytest.fixture(params=["ssh", "s3"])
def clone(request, finished, tmp_path):
    """A clone of a project that has pushed its results to a remote."""
    url, settings = request.getfixturevalue(request.param)
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(finished, first, symlinks=True)
    run(first, "dvc", "remote", "add", "-d", "results", url)
    for name, value in settings.items():
        run(first, "dvc", "remote", "modify", "results", name, str(value))
    run(first, "git", "commit", "-qam", "Remote")
    run(first, "dvc", "push")
    run(tmp_path, "git", "clone", "-q", str(first), str(second))
    shutil.rmtree(first)
    return second


def test_a_clone_pulls_the_report_makes_it_with_other_samples_and_trains_nothing(finished, clone):
    report = ("make", "--no-print-directory", "-o", ".venv/.ready", "report")
    assert ran(run(clone, *report)) == set()
    assert digests(clone / "reports").items() <= digests(finished / "reports").items()
    assert (clone / "reports/main.html").read_bytes() == (finished / "reports/main.html").read_bytes()
    change(clone, lambda params: params["report"].update(samples=1))
    assert ran(run(clone, *report)) == {"settings", "report"}
    assert (clone / "reports/main.html").read_bytes() != (finished / "reports/main.html").read_bytes()
    assert not (clone / "runs/main/model.weights.h5").exists()
    run(clone, "git", "checkout", "params.yaml")
    run(clone, "dvc", "pull")
    assert all(digests(clone / name) == digests(finished / name) for name in MADE)
    assert ran(run(clone, "dvc", "repro")) == set()
    assert run(clone, "git", "status", "--porcelain") == ""
