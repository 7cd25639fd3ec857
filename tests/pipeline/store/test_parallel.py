"""Where shards are made: by this process while that is faster, and in the order of the tasks."""

import os

from pipeline.store import parallel
from pipeline.store.parallel import map_shards


def place(number):
    return number, os.getpid()


def test_short_work_is_done_by_this_process_in_the_order_of_the_tasks():
    assert list(map_shards(place, [(3,), (1,), (2,)], 0, "", "short")) == [(n, os.getpid()) for n in (3, 1, 2)]


def test_what_is_left_after_a_while_is_shared_and_keeps_its_order(monkeypatch):
    shared = []

    def on_dask(function, tasks, workers, scheduler):
        shared.append((list(tasks), workers, scheduler))
        return (("shared", *task) for task in tasks)

    now = iter([0.0, 1.0, 4.9, 5.1])
    monkeypatch.setattr(parallel, "_map_on_dask", on_dask)
    monkeypatch.setattr(parallel.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)
    made = list(map_shards(place, [(1,), (2,), (3,), (4,), (5,)], 0, "", "long"))
    assert made == [(1, os.getpid()), (2, os.getpid()), ("shared", 3), ("shared", 4), ("shared", 5)]
    assert shared == [([(3,), (4,), (5,)], 2, "")]


def test_processes_that_are_asked_for_are_used_at_once(monkeypatch):
    monkeypatch.setattr(parallel, "_map_on_dask", lambda _, tasks, *where: iter([(len(tasks), *where)]))
    assert list(map_shards(place, [(1,), (2,)], 2, "", "asked")) == [(2, 2, "")]
    assert list(map_shards(place, [(1,)], 0, "tcp://host:1", "cluster")) == [(1, 1, "tcp://host:1")]
