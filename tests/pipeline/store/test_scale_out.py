"""More workers, machines and photos: the same bytes, in the same memory; and the work of one clone serves another."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time

import psutil
import pytest

from tests.helpers.dvc_project import dvc, git, make_dvc_project, targets
from tests.helpers.places import ROOT
from tests.helpers.stage_runs import (
    BIN,
    STAGES,
    SUBSETS,
    arguments_of,
    assert_one_sentence,
    copy_code,
    digests,
    draw_photos,
    environment_of,
    kill_group,
    make_data,
    stage_run,
    write_params,
)

pytestmark = pytest.mark.slow

# What Dask's web servers show by default, among others.
PAGES = ("/", "/health", "/metrics", "/json/identity.json", "/status")


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    copy_code(folder)
    return folder


@pytest.fixture(scope="module")
def inline(tmp_path_factory, code):
    """A project whose data stages ran in one process each; one photo a shard."""
    folder = tmp_path_factory.mktemp("inline")
    draw_photos(folder / "raw")
    write_params(folder)
    make_data(folder, code)
    return folder


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def documented(language):
    """The first block of a language in what docs/scale.md says of clusters."""
    section = (ROOT / "docs/scale.md").read_text().partition("## All cores, or a cluster")[2].partition("\n## ")[0]
    return re.search(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)[1]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Folder of Dask's settings, with the certificate that the documentation makes and names."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(shlex.split(documented("")), cwd=folder, check=True, capture_output=True)
    (folder / "tls.yaml").write_text(documented("yaml").replace("/shared", str(folder)))
    return folder


def start_dask(project, code, keys, name, *arguments):
    """Start a part of a Dask cluster in a process group of its own."""
    with (project / f"{name}.txt").open("w") as log:
        return subprocess.Popen(
            [BIN / "dask", *arguments, "--no-dashboard"],
            cwd=project,
            env=environment_of(code) | {"DASK_CONFIG": str(keys)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@pytest.fixture
def cluster(code, keys, monkeypatch):
    """Start a scheduler and two workers of one thread for a project: address, and the processes."""
    started = []
    monkeypatch.setenv("DASK_CONFIG", str(keys))

    def start(project):
        address = f"tls://127.0.0.1:{free_port()}"
        started.append(start_dask(project, code, keys, "scheduler", "scheduler", "--host", address))
        for name in ("first", "second"):
            started.append(start_dask(project, code, keys, name, "worker", address, "--nthreads", "1"))
        for name in ("first", "second"):
            await_line(project / f"{name}.txt", "Registered to", started)
        return address, started

    yield start
    for process in started:
        kill_group(process)


def await_line(log, text, processes):
    for _ in range(600):
        if text in log.read_text():
            return
        assert all(process.poll() is None for process in processes), log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{log} never said {text!r}: {log.read_text()}")


@pytest.mark.parametrize("stage", ["position_maps", "augmented"])
def test_a_worker_of_a_cluster_may_die_half_way(inline, code, tmp_path, cluster, stage):
    run = stage_run(inline, tmp_path / "project", code, stage)
    expected = digests(inline / "data" / stage / STAGES[stage])
    count = sum(name.endswith(".h5") for name in expected)
    address, (_, *workers) = cluster(run.project)
    write_params(run.project, scheduler=address)
    process = run.start_work()
    while (made := len(list(run.work.glob("*.json")))) < count / 3:
        assert process.poll() is None, run.log.read_text()
        time.sleep(0.001)
    kill_group(workers[0])
    assert made < count
    assert process.wait(120) == 0, run.log.read_text()
    assert digests(run.output) == expected


def test_a_cluster_runs_all_data_stages_to_the_bytes_of_one_process(inline, code, tmp_path, cluster, keys):
    (tmp_path / "raw").symlink_to(inline / "raw")
    address, started = cluster(tmp_path)
    write_params(tmp_path, scheduler=address)
    make_data(tmp_path, code)
    assert digests(tmp_path / "data") == digests(inline / "data")
    ports = set().union(*(listened(process.pid) for process in started))
    secured = {port for port in ports if shakes_hands(port, keys / "dask.crt", keys / "dask.key")}
    assert len(secured) >= 3
    assert [port for port in secured if shakes_hands(port)] == []  # without the certificate
    assert {answer(port, page) for port in ports - secured for page in PAGES} == {404}


def listened(pid):
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    every = [one for process in processes for one in process.net_connections("tcp")]
    return {one.laddr.port for one in every if one.status == psutil.CONN_LISTEN}


def answer(port, page):
    """What an unsecured port says to a web page's address."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", page)
        return connection.getresponse().status


def shakes_hands(port, *certificate):
    """Whether a port takes one who shows this certificate, or none, to be one of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secret:
            return len(secret.recv(1)) == 1  # Dask speaks first
    except OSError:
        return False


def test_a_scheduler_that_does_not_answer_is_named_within_a_quarter_of_a_minute(
    inline, code, tmp_path, keys, monkeypatch
):
    run = stage_run(inline, tmp_path / "project", code, "meshes")
    address = f"tls://127.0.0.1:{free_port()}"
    monkeypatch.setenv("DASK_CONFIG", str(keys))
    write_params(run.project, scheduler=address)
    start = time.perf_counter()
    assert_one_sentence(run, run.start(), f"Error: No Dask scheduler answers at {address}: ", "compute.scheduler")
    assert time.perf_counter() - start < 15


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        (
            "tcp://127.0.0.1:8786",
            ("compute.scheduler is 'tcp://127.0.0.1:8786'; expected tls://host:port", "docs/scale.md"),
        ),
        ("tls://127.0.0.1:8786", ("Dask has no keys for tls://127.0.0.1:8786", "docs/scale.md")),
    ],
)
def test_a_cluster_without_keys_is_refused_before_anything_is_sent_to_it(
    inline, code, tmp_path, address, parts, monkeypatch
):
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "none"))
    run = stage_run(inline, tmp_path / "project", code, "meshes")
    write_params(run.project, scheduler=address)
    assert_one_sentence(run, run.start(), *parts)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_writes_the_same_bytes_from_scratch(inline, code, tmp_path, workers):
    (tmp_path / "raw").symlink_to(inline / "raw")
    write_params(tmp_path, workers=workers)
    make_data(tmp_path, code)
    made = digests(tmp_path / "data")
    assert made == digests(inline / "data")
    assert {name.split("/")[0] for name in made} >= set(STAGES)


def repeat_photos(source, target, copies):
    """Lay out each pair of AFW several times, as other photos: another name, another text in the header."""
    folder = target / SUBSETS["AFW"]
    folder.mkdir(parents=True)
    for name in ("bfm", SUBSETS["AFLW2000"]):
        (target / name).symlink_to(source / name)
    pairs = sorted((source / SUBSETS["AFW"]).glob("*.jpg"))
    for photo in pairs:
        content = photo.with_suffix(".mat").read_bytes()
        _, number, *rest = photo.stem.split("_")
        for copy in range(copies):
            stem = "_".join(["AFW", f"{int(number) + 1000 * copy:06d}", *rest])
            os.link(photo, folder / f"{stem}.jpg")
            (folder / f"{stem}.mat").write_bytes(f"MATLAB 5.0 copy {copy:03d}".ljust(116).encode() + content[116:])
    return copies * len(pairs)


def peak_memory(project, code, command):
    """Run a stage; the largest memory of its process in MB."""
    # By a small process in between: one that pytest starts inherits pytest's own peak.
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", script, sys.executable, "-m", f"stages.{command[0]}", *command[1:]],
        cwd=project,
        env=environment_of(code),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


def test_ten_times_the_photos_need_no_more_memory(inline, code, tmp_path, capsys):
    peaks = {}
    for copies in (1, 10):
        project = tmp_path / f"{copies}"
        photos = repeat_photos(inline / "raw", project / "raw", copies)
        write_params(project, samples_per_shard=16)
        for name in ("face_model", "uv_embedding", "index/test/AFLW2000"):
            shutil.copytree(inline / "data" / name, project / "data" / name)
        for stage in ("index AFW", "meshes AFW", "aligned AFW", "position_maps AFW", "split"):
            peaks.setdefault(stage, []).append(peak_memory(project, code, stage.split()))
        peaks.setdefault("augmented mild", []).append(peak_memory(project, code, arguments_of("augmented")))
        made = (project / "data/position_maps/learn/AFW/on/counts.json").read_text()
        assert f'"out": {photos}' in made
    with capsys.disabled():
        for stage, (one, ten) in peaks.items():
            print(f"\n{stage}: peak {one:.0f} MB, with ten times the photos {ten:.0f} MB", end="")  # noqa: T201
    for stage, (one, ten) in peaks.items():
        assert ten < 1.15 * one, stage


def test_a_clone_that_pulls_has_nothing_to_run(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    make_dvc_project(first)
    dvc(first, "remote", "add", "-d", "storage", tmp_path / "storage")
    git(first, "commit", "-q", "-a", "-m", "Storage")
    dvc(first, "push")
    git(tmp_path, "clone", "-q", first, second)
    dvc(second, "pull", *targets(), "--with-deps")
    made = digests(first / "data")
    assert digests(second / "data") == made
    said = dvc(second, "repro", *targets())
    assert "Running stage" not in said
    assert "up to date" in said
    assert digests(second / "data") == made
    status = subprocess.run(["git", "status", "--porcelain"], cwd=second, capture_output=True, text=True, check=True)
    assert status.stdout == ""
