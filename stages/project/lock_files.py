"""DVC's record of what it has run: kept while it is whole, and mended where DVC was killed as it wrote it.

DVC rewrites dvc.lock after every stage, and not at once: a kill in between leaves the first part of it, or nothing.
What the kept one lacks is in DVC's run cache, which it writes before, so that no result is made again.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.store.files import write_bytes

LOCKS = (Path("dvc.lock"), Path("ablation/dvc.lock"))
TEMPORARY = Path(".dvc/tmp")
KEPT = TEMPORARY / "last_good"
READERS = TEMPORARY / "rwlock"
CONFLICT = b"<<<<<<< "


def keep_locks() -> None:
    """Keep a copy of each of DVC's lock files that is whole."""
    for path in LOCKS:
        kept = KEPT / path
        if path.is_file() and TEMPORARY.is_dir() and not _is_cut(path):
            content = path.read_bytes()
            if not kept.is_file() or kept.read_bytes() != content:
                write_bytes(kept, content)


def mend_locks(alone: Callable[[], Any]) -> Iterator[str]:
    """Put the kept copies in the place of lock files that were cut off; yields a sentence for each.

    Parameters
    ----------
    alone : callable
        Gives a context in which no DVC writes; entered only where there is something to mend.

    Raises
    ------
    ValueError
        If git has left a conflict in one.
    """
    if not (any(map(_is_cut, LOCKS)) or _is_broken(READERS)):
        return
    with alone():
        # Looked at again: it may have been DVC that wrote just then.
        for path in filter(_is_cut, LOCKS):
            yield _mend(path)
        if _is_broken(READERS):
            READERS.unlink()
            yield f"{READERS} was cut off when DVC was killed; it is removed, DVC writes it anew."


def _mend(path: Path) -> str:
    content, kept = path.read_bytes(), KEPT / path
    if CONFLICT in content:
        raise ValueError(f"{path} has a conflict that git left in it: take a side of it (git checkout --ours {path}).")
    cut = kept.with_name(f"{path.name}.cut")
    write_bytes(cut, content)
    said = f"{path} was cut off when DVC was killed (what was left of it: {cut}); "
    if kept.is_file() and is_whole(kept.read_bytes()):
        write_bytes(path, kept.read_bytes())
        return f"{said}the last whole one is in its place, and what is newer comes from DVC's cache."
    path.unlink()
    return f"{said}it is removed, and what was made comes from DVC's cache."


def _is_cut(path: Path) -> bool:
    if not path.is_file():
        return False
    content, kept = path.read_bytes(), KEPT / path
    if not is_whole(content):
        return True
    # The first part of a file may be whole by itself.
    return kept.is_file() and kept.stat().st_size > len(content) and kept.read_bytes().startswith(content)


def _is_broken(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return True
    return False


def is_whole(content: bytes) -> bool:
    """Whether the bytes of a lock file are all that DVC wrote, as far as can be told from them alone."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not content.endswith(b"\n"):
        return False
    try:
        lock = YAML(typ="safe").load(content.decode())
    except (YAMLError, UnicodeDecodeError):
        return False
    stages = lock.get("stages") if isinstance(lock, dict) else None
    return isinstance(stages, dict) and bool(stages) and all(map(_is_record, stages.values()))


def _is_record(stage: Any) -> bool:
    """Whether a stage's entry has its command and, last of all, its outputs, each file with its hash."""
    if not (isinstance(stage, dict) and isinstance(stage.get("cmd"), str) and stage.get("outs")):
        return False
    files = [*(stage.get("deps") or []), *stage["outs"]]
    return all(isinstance(file, dict) and file.get("path") and file.get("md5") for file in files)
