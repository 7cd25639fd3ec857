"""Make each shard once: whole ones wait in a work folder, named by what they are made from, and outlive a kill.

DVC empties the outputs of a stage before it runs the stage, so what is to be found again lies outside of them.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from numpy.typing import NDArray

from .files import digest_file, digest_modules, naming, replacing, while_unchanged
from .shards import StoredImages, shard_path, write_shard

LIBRARIES = ("numpy", "scipy", "h5py", "hdf5plugin", "opencv-python-headless", "pillow", "albumentations")
ENDED = "ended"


@dataclasses.dataclass(frozen=True)
class ShardContent:
    """A shard's samples, how many were taken to make them, and which were set aside: (sample or file, reason)."""

    datasets: Mapping[str, NDArray | StoredImages]
    taken: int
    rejected: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What is known of a whole shard without opening it."""

    path: Path
    taken: int
    made: int
    sha256: str

    def files(self) -> tuple[Path, Path]:
        """The shard, and the note that says that it is whole."""
        return self.path, _note_path(self.path)

    def rejected(self) -> list[tuple[str, str]]:
        """(sample or file, reason) of each that was set aside."""
        return [tuple(row) for row in json.loads(_note_path(self.path).read_text(encoding="utf-8"))["rejected"]]


def make_once(
    work: Path, code: str, stage: str, make: Callable[..., ShardContent], inputs: Sequence[Path], arguments: tuple
) -> Receipt:
    """Make a shard in the work folder, unless it is there already and whole.

    Parameters
    ----------
    work : Path
        Folder of the stage's shards.
    code : str
        `digest_code` of what makes it.
    stage : str
        Name of the stage, kept in the shard with the hash of `inputs`.
    make : callable
        ``make(*arguments)`` gives the shard.
    inputs : sequence of Path
        Files that it reads.
    arguments : tuple
        Small values that print what they are.

    Returns
    -------
    Receipt

    Raises
    ------
    ValueError
        If samples were lost: not as many made and rejected as were taken.
    OSError
        If the shard can't be written.
    """
    made_from = hashlib.sha256("".join(digest_unchanged(path) for path in inputs).encode()).hexdigest()
    key = hashlib.sha256("\n".join((code, stage, made_from, repr(arguments))).encode()).hexdigest()
    path = work / f"{key[:32]}.h5"
    note = _note_path(path)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["sha256"] == digest_file(path):
            return Receipt(path, known["taken"], known["made"], known["sha256"])
    made = make(*arguments)
    count = len(made.datasets["sample_id"])
    if count + len(made.rejected) != made.taken:
        lost = made.taken - count - len(made.rejected)
        raise ValueError(f"{stage} lost {lost} samples of {made.taken}; this is a mistake in the stage.")
    digest = write_shard(path, made.datasets, {"stage": stage, "made_from": made_from})
    content = {"taken": made.taken, "made": count, "sha256": digest, "rejected": made.rejected}
    with replacing(note) as part:
        part.write_text(json.dumps(content), encoding="utf-8")
    return Receipt(path, made.taken, count, digest)


@contextlib.contextmanager
def sole_writer(work: Path, wait: Callable[[str], None]) -> Iterator[None]:
    """Be the only process of a stage, waiting for another that is at work; one that is killed is at work no more.

    Parameters
    ----------
    work : Path
        ``<all work>/<stage>``, which need not be there; the lock is a file beside it.
    wait : callable
        Is told in a sentence when there is something to wait for.
    """
    place = work.with_name(f"{work.name}.lock")
    with naming(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    with place.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            wait(
                f"Process {lock.read().strip()} is at work on {work.name}; waiting for it to end, or for you to end it."
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        with naming(place):
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        yield


def open_work(work: Path) -> None:
    """Make the work folder of a stage whose `sole_writer` this process is, or open it again.

    Folders beside it whose stage has ended are removed: DVC runs one stage after another, so it has recorded what they
    were for.
    """
    with naming(work):
        work.mkdir(exist_ok=True)
        # From an earlier run: while this one is at work, a stage that begins elsewhere must not remove the folder.
        (work / ENDED).unlink(missing_ok=True)
    for marker in work.parent.glob(f"*/{ENDED}"):
        if marker.parent != work:
            shutil.rmtree(marker.parent, ignore_errors=True)


def publish(work: Path, shards: Mapping[Path, Sequence[Receipt]]) -> None:
    """Put finished shards in their folders, numbered, and drop what else the work folder holds.

    They are links to the same bytes where the file system has them: a kill before DVC records them costs nothing.
    """
    for output, receipts in shards.items():
        shutil.rmtree(output, ignore_errors=True)
        with naming(output):
            output.mkdir(parents=True)
        for number, receipt in enumerate(receipts):
            target = shard_path(output, number)
            try:
                os.link(receipt.path, target)
            except OSError:
                with replacing(target) as part:
                    shutil.copyfile(receipt.path, part)
    kept = {path for receipts in shards.values() for receipt in receipts for path in receipt.files()}
    for path in set(work.iterdir()) - kept:
        path.unlink(missing_ok=True)


def end(work: Path) -> None:
    """Say that the stage has ended well; the next stage removes its work folder."""
    with naming(work / ENDED):
        (work / ENDED).touch()


def digest_code(root: Path, folders: Sequence[str]) -> str:
    """SHA-256 of all modules of some folders below `root`, see `digest_modules`, and of the libraries' versions.

    More than a stage uses: an edit between a kill and the next run only costs that shards are made again.
    """
    digest = hashlib.sha256(digest_modules(root, folders).encode())
    for library in LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    return digest.hexdigest()


digest_unchanged = while_unchanged(digest_file)


def _note_path(shard: Path) -> Path:
    return shard.with_suffix(".json")
