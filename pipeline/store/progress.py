"""Bars that tell how far long work has come: of one look, on a terminal alone, gone when the work is done."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

import click

Item = TypeVar("Item")


# Steps that are unlike tell neither a rate nor when the last one ends.
STEPS = "{desc} |{bar}| {n_fmt} of {total_fmt} steps [{elapsed}]"


def open_bar(title: str, unit: str, total: int | None, done: int = 0, form: str | None = None) -> Any:
    """Show a bar on stderr, where that is a terminal.

    Parameters
    ----------
    title : str
        Stands before it: the stage or the command, and what of it.
    unit : str
        What is counted, in the singular.
    total : int or None
        How many there are; None where nobody knows, and then no share is shown.
    done : int
        How many were there before.
    form : str, optional
        tqdm's ``bar_format``, where a rate and the time that is left would tell nothing.

    Returns
    -------
    tqdm
        A context, moved by its ``update(count)``.
    """
    from tqdm import tqdm  # a single photo is done sooner than it is imported

    look: dict[str, Any] = {"disable": None, "leave": False, "dynamic_ncols": True, "bar_format": form}
    return tqdm(total=total, initial=done, desc=title, unit=unit, **look)


def show_progress(items: Iterable[Item], title: str, unit: str, total: int | None = None) -> Iterable[Item]:
    """Give the items on, and show by `open_bar` how many were asked for; `total` where they have no length."""
    if not is_shown():
        return items
    total = len(items) if total is None and isinstance(items, Sized) else total
    return _count(items, title, unit, total)


def _count(items: Iterable[Item], title: str, unit: str, total: int | None) -> Iterator[Item]:
    with open_bar(title, unit, total) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def show_steps(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show how many of some unlike steps are done; the function that it gives is called with what begins."""
    if not is_shown():
        yield lambda _: None
        return
    with open_bar(title, "step", total, form=STEPS) as bar:
        begun = 0

        def begin(step: str) -> None:
            nonlocal begun
            bar.set_description_str(f"{title}: {step}", refresh=False)
            bar.update(min(begun, 1))
            bar.refresh()
            begun += 1

        yield begin


def is_shown() -> bool:
    """Whether bars are shown: stderr is a terminal."""
    return sys.stderr.isatty()


def tell_beside(text: str) -> None:
    """Print a line on stderr, above the bar if one is there."""
    if "tqdm" not in sys.modules:
        click.echo(text, err=True)
        return
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(text, err=True)
