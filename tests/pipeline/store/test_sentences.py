"""What a user can mend, said in one line."""

import errno

import click
import pytest

from pipeline.store.sentences import counted, sentences


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("data.size is 0."), "data.size is 0."),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full. Free it, and run it again."),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded", "data/meshes/0.h5"),
            "data/meshes/0.h5 can't be written: the disk is full. Free it, and run it again.",
        ),
        (OSError(errno.EACCES, "Permission denied", "runs"), "[Errno 13] Permission denied: 'runs'"),
        (
            OSError("a.csv can't be written: no space. Free the disk."),
            "a.csv can't be written: no space. Free the disk.",
        ),
    ],
)
def test_errors_become_sentences(error, said):
    with pytest.raises(click.ClickException) as told, sentences():
        raise error
    assert told.value.message == said


def test_a_mistake_stays_one():
    with pytest.raises(KeyError), sentences():
        raise KeyError("width")


def test_one_thing_is_told_as_one():
    assert [counted(number, "photo") for number in (0, 1, 2, 1200)] == [
        "0 photos",
        "1 photo",
        "2 photos",
        "1,200 photos",
    ]
