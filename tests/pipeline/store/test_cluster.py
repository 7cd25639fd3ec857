"""A Dask cluster: the bytes of one process, whoever of it dies, and nobody gets in without the certificate."""

import contextlib
import http.client
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import time

import psutil
import pytest

from tests.helpers.dask_cluster import await_line, documented, free_port, start_dask
from tests.helpers.small_disk import assert_nothing_half, small_disk
from tests.helpers.stage_runs import (
    STAGES,
    assert_one_sentence,
    copy_code,
    digests,
    kill_group,
    make_data,
    stage_run,
    write_params,
)

pytestmark = pytest.mark.slow

# What Dask's web servers show by default, among others.
PAGES = ("/", "/health", "/metrics", "/json/identity.json", "/status")
# In a worker each file gets its name half a second after the worker believes so: others see it late, as by NFS.
LATE = """
import pathlib, threading

replace = pathlib.Path.replace

def late(self, target):
    threading.Timer(0.5, replace, (self, target)).start()

def dask_setup(worker):
    pathlib.Path.replace = late
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Folder of Dask's settings, with the certificate that the documentation makes and names."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(shlex.split(documented("")), cwd=folder, check=True, capture_output=True)
    (folder / "tls.yaml").write_text(documented("yaml").replace("/shared", str(folder)))
    return folder


@pytest.fixture
def cluster(code, keys, monkeypatch):
    """Start a scheduler and two workers of one thread for a project: address, and the processes."""
    started = []
    monkeypatch.setenv("DASK_CONFIG", str(keys))

    def start(project, address="", machines=((), (), ()), worker_code=code, options=()):
        address = address or f"tls://127.0.0.1:{free_port()}"
        where, *others = machines
        own = [start_dask(project, code, keys, "scheduler", "scheduler", "--host", address, machine=where)]
        for name, machine in zip(("first", "second"), others, strict=True):
            arguments = ("worker", address, "--nthreads", "1", *options)
            own.append(start_dask(project, worker_code, keys, name, *arguments, machine=machine))
        started.extend(own)
        for name in ("first", "second"):
            await_line(project / f"{name}.txt", "Registered to", own)
        return address, own

    yield start
    for process in started:
        kill_group(process)


def prepared(inline, code, folder, cluster, stage="position_maps", **options):
    """A stage that is to run on a cluster: how it is run, the bytes to expect, the cluster's processes."""
    run = stage_run(inline, folder / "project", code, stage)
    address, processes = cluster(run.project, **options)
    write_params(run.project, scheduler=address)
    return run, digests(inline / "data" / stage / STAGES[stage]), address, processes


def start_a_third(run, expected):
    """Start a stage, and wait until a third of its shards are made."""
    count = sum(name.endswith(".h5") for name in expected)
    process = run.start_work()
    while (made := len(list(run.work.glob("*.json")))) < count / 3:
        assert process.poll() is None, run.log.read_text()
        time.sleep(0.001)
    assert made < count
    return process


@pytest.mark.parametrize("stage", ["position_maps", "augmented"])
def test_a_worker_may_die_half_way(inline, code, tmp_path, cluster, stage):
    run, expected, _, (_, first, _) = prepared(inline, code, tmp_path, cluster, stage)
    process = start_a_third(run, expected)
    kill_group(first)
    assert process.wait(120) == 0, run.log.read_text()
    assert digests(run.output) == expected


def test_a_scheduler_that_dies_half_way_is_told_and_the_next_run_goes_on(inline, code, tmp_path, cluster):
    run, expected, address, (scheduler, *workers) = prepared(inline, code, tmp_path, cluster)
    process = start_a_third(run, expected)
    kill_group(scheduler)
    assert_one_sentence(run, process, f"Error: The Dask scheduler at {address} answers no more. ", "`dvc repro`")
    for worker in workers:
        assert worker.wait(60) == 0  # it ends with its scheduler
    assert_nothing_half(run, expected)
    before = run.whole()
    assert 0 < len(before) < sum(name.endswith(".h5") for name in expected)
    cluster(run.project, address)
    run.finish()
    assert digests(run.output) == expected
    after = run.whole()
    assert all(after[name] == made for name, made in before.items())


@pytest.mark.skipif(shutil.which("mount") is None, reason="There is no mount command.")
def test_a_full_disk_of_the_workers_is_named_and_the_next_run_goes_on(inline, code, tmp_path, cluster):
    run, expected, _, _ = prepared(inline, code, tmp_path, cluster)
    with small_disk(run.project / "work", 100):
        assert_one_sentence(run, run.start(), "Error: work/", "can't be written: No space left on device.")
        before = run.whole()
        assert before
        subprocess.run(["mount", "-o", "remount,size=32m", run.project / "work"], check=True)
        run.finish()
        assert digests(run.output) == expected
        after = run.whole()
        assert all(after[name] == made for name, made in before.items())


def test_files_that_a_shared_disk_shows_late_are_waited_for(inline, code, tmp_path, cluster):
    (tmp_path / "late.py").write_text(LATE)
    options = ("--preload", tmp_path / "late.py")
    run, expected, _, _ = prepared(inline, code, tmp_path, cluster, "aligned", options=options)
    run.finish()
    assert digests(run.output) == expected


def test_workers_with_other_code_are_refused(inline, code, tmp_path, cluster):
    other = tmp_path / "other"
    copy_code(other)
    with (other / "pipeline/face/camera.py").open("a") as module:
        module.write("# an edit\n")
    run, *_ = prepared(inline, code, tmp_path, cluster, worker_code=other)
    assert_one_sentence(run, run.start(), "Error: A Dask worker on ", "has other code", "start the workers anew")
    assert not run.whole()


@pytest.fixture
def machines():
    """What a command starts with to run on each of three machines: network namespaces, joined by a bridge in the first.

    They have the addresses 10.203.0.1 to 3, which are nobody else's there.
    """
    if shutil.which("ip") is None:
        pytest.skip("There is no `ip` command, which makes network namespaces.")
    names = [f"faces-{os.getpid()}-{number}" for number in (1, 2, 3)]

    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names[0], "link", "add", "bridge", "type", "bridge")
        ip("-n", names[0], "addr", "add", "10.203.0.1/24", "dev", "bridge")
        ip("-n", names[0], "link", "set", "bridge", "up")
        for number, name in enumerate(names[1:], start=2):
            ip("-n", names[0], "link", "add", f"to{number}", "type", "veth", "peer", "name", "net", "netns", name)
            ip("-n", names[0], "link", "set", f"to{number}", "master", "bridge", "up")
            ip("-n", name, "addr", "add", f"10.203.0.{number}/24", "dev", "net")
            ip("-n", name, "link", "set", "net", "up")
        yield [("ip", "netns", "exec", name) for name in names]
    except subprocess.CalledProcessError as error:
        pytest.skip(f"This user may not make network namespaces: {error.stderr.strip()}")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def test_machines_of_their_own_make_the_same_bytes_and_one_may_vanish(inline, code, tmp_path, cluster, machines):
    """Its cable is pulled half-way: nothing is heard of it any more, and what it was making is made by the other."""
    where = {"address": "tls://10.203.0.1:8786", "machines": machines}
    run, expected, *_ = prepared(inline, code, tmp_path, cluster, "augmented", **where)
    run.command = [*machines[0], *run.command]
    for name, address in (("first", "10.203.0.2"), ("second", "10.203.0.3")):
        assert f"tls://{address}:" in (run.project / f"{name}.txt").read_text()
    run.finish()
    assert digests(run.output) == expected
    shutil.rmtree(run.work)
    process = start_a_third(run, expected)
    subprocess.run(["ip", "-n", machines[1][-1], "link", "set", "net", "down"], check=True)
    start = time.perf_counter()
    assert process.wait(240) == 0, run.log.read_text()
    assert time.perf_counter() - start > 5  # it was missed
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
