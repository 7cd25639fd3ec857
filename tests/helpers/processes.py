"""Call a function in a process of its own: for what may crash it, or what it can only choose when it starts."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock


def run_alone(function: Callable, *arguments: object, **environment: str) -> Any:
    """Call a function of a module in a new Python process, and give back what it returns.

    Raises
    ------
    AssertionError
        If the process ended by an exception, which it prints, or by a signal: a crash ends it alone.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    with mock.patch.dict(os.environ, environment):
        process = spawn.Process(target=_send_answer, args=(sender, function, arguments))
        process.start()
    sender.close()
    answer = None
    # A process that ends before it answers says how by its exit code.
    with receiver, contextlib.suppress(EOFError):
        answer = receiver.recv()
    process.join()
    assert process.exitcode == 0, f"{function.__name__} ended with {process.exitcode}."
    return answer


def _send_answer(sender: Connection, function: Callable, arguments: tuple) -> None:
    sender.send(function(*arguments))
