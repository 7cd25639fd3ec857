"""Where shards are made: by this process while that is faster, and in the order of the tasks; no one else gets in."""

import os
import signal
import subprocess
import sys
import threading
import time

import distributed
import psutil
import pytest

from pipeline.store import parallel
from pipeline.store.parallel import map_shards
from tests.helpers.places import ROOT


def place(number):
    return number, os.getpid()


def fail(number):
    if number == 2:
        raise ValueError(f"Shard {number} can't be made.")
    return number


def die_once(marker, number):
    """A worker that is killed over one shard, as for want of memory, and not when the shard is made again."""
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def see(number, parent):
    """What is listened at by the parent and all its workers while a shard is made, and who makes it."""
    found = set()
    for process in [psutil.Process(parent), *psutil.Process(parent).children(recursive=True)]:
        found |= {one.laddr for one in process.net_connections("all") if one.laddr}
    return number, os.getpid(), found


def place_slowly_in(slow_process, number):
    if os.getpid() == slow_process:
        time.sleep(0.05)
    return place(number)


def test_short_work_is_done_by_this_process_in_the_order_of_the_tasks():
    assert list(map_shards(place, [(3,), (1,), (2,)], 0, "", "short")) == [(n, os.getpid()) for n in (3, 1, 2)]


def test_what_is_left_is_shared_where_it_is_much_and_keeps_its_order(monkeypatch):
    shared = []

    def in_processes(function, tasks, workers, *, helping):
        shared.append((list(tasks), workers, helping))
        return (("shared", *task) for task in tasks)

    # By the 0.7 s of the first shard the four that are left take less than 3 s, by the 1.1 s of the second three more.
    now = iter([0.0, 0.7, 0.7, 1.8])
    monkeypatch.setattr(parallel, "_map_in_processes", in_processes)
    monkeypatch.setattr(parallel.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    made = list(map_shards(place, [(1,), (2,), (3,), (4,), (5,)], 0, "", "long"))
    assert made == [(1, os.getpid()), (2, os.getpid()), ("shared", 3), ("shared", 4), ("shared", 5)]
    assert shared == [([(3,), (4,), (5,)], 2, True)]


def test_on_one_core_all_is_done_by_this_process(monkeypatch):
    monkeypatch.setattr(parallel, "SHARED_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "_cores", lambda: 1)
    assert list(map_shards(place, [(1,), (2,), (3,)], 0, "", "one")) == [(n, os.getpid()) for n in (1, 2, 3)]


def test_this_process_works_until_the_others_have_started_and_not_after_that(monkeypatch):
    monkeypatch.setattr(parallel, "SHARED_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    tasks = [(os.getpid(), number) for number in range(300)]
    made = list(map_shards(place_slowly_in, tasks, 0, "", "starting"))
    assert [number for number, _ in made] == list(range(300))
    own = [number for number, process in made if process == os.getpid()]
    assert own[:2] == [0, 5], "The four tasks after the first are for the two processes that start."
    assert own[-1] < 299
    assert {process for _, process in made[1:5]}.isdisjoint({os.getpid()})


def test_processes_that_are_asked_for_are_used_at_once(monkeypatch):
    monkeypatch.setattr(parallel, "_map_in_processes", lambda _, tasks, *where: iter([(len(tasks), *where)]))
    monkeypatch.setattr(parallel, "_map_on_cluster", lambda _, tasks, *where: iter([(len(tasks), *where)]))
    assert list(map_shards(place, [(1,), (2,)], 2, "", "asked")) == [(2, 2)]
    assert list(map_shards(place, [(1,)], 0, "tls://host:1", "cluster")) == [(1, "tls://host:1")]


def test_local_processes_keep_the_order_and_nobody_listens_on_a_port_or_a_socket():
    before = {one.laddr for one in psutil.Process().net_connections("all") if one.laddr}
    made = list(map_shards(see, [(number, os.getpid()) for number in range(9)], 2, "", "two"))
    assert [number for number, _, _ in made] == list(range(9))
    assert len({process for _, process, _ in made} - {os.getpid()}) == 2
    assert set().union(*(found for _, _, found in made)) <= before


def test_what_a_shard_raises_reaches_the_caller_and_the_processes_end():
    with pytest.raises(ValueError, match=r"Shard 2 can't be made\."):
        list(map_shards(fail, [(number,) for number in range(20)], 2, "", "fails"))
    names = [" ".join(child.cmdline()) for child in psutil.Process().children() if child.is_running()]
    assert not [name for name in names if "spawn_main" in name]


def test_a_process_that_is_killed_costs_no_shard(tmp_path):
    marker = tmp_path / "died"
    made = list(map_shards(die_once, [(marker, number) for number in range(8)], 2, "", "killed"))
    assert made == list(range(8))
    assert marker.exists()


def test_processes_that_keep_dying_are_told_in_a_sentence():
    with pytest.raises(OSError, match=r"^Processes kept dying over one shard: .* Set compute\.workers or"):
        list(map_shards(die, [(number,) for number in range(6)], 2, "", "dying"))


MEETING = threading.Barrier(6)


def meet(number):
    """The first three take a while; each other one waits until six of them are under way at once."""
    if number < 3:
        time.sleep(0.7)
    else:
        MEETING.wait(15)
    return number


def test_workers_that_come_to_a_cluster_later_get_work_too_and_that_none_is_there_is_said(capfd):
    where = {"n_workers": 0, "processes": False, "protocol": "inproc", "dashboard_address": None}
    with distributed.LocalCluster(**where) as cluster:
        address = cluster.scheduler_address
        threading.Timer(0.2, cluster.scale, (6,)).start()
        assert list(map_shards(meet, [(number,) for number in range(9)], 0, address, "late")) == list(range(9))
    assert f"No worker is at {address} yet; waiting for one." in capfd.readouterr().err


def test_local_processes_end_with_the_one_that_started_them():
    script = (
        "import sys, time\n"
        "from pipeline.store.parallel import map_shards\n"
        "if __name__ == '__main__':\n"
        "    for _ in map_shards(time.sleep, [(0.1,), (0.1,), (60,), (60,)], 2, '', 'killed'):\n"
        "        print('made', flush=True)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "made\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) >= 2
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
