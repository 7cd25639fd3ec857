"""faces.json, the numbers of all photos: whole at any moment, and what the next run of a batch goes on from."""

import json
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from ..store.checks import check
from ..store.files import write_bytes

FACES_FILE = "faces.json"
# Writing the file takes no more than one in so many seconds.
LEAST_SHARE = 20


def read_results(out: Path, maker: str) -> dict[str, dict]:
    """Read what earlier runs left in a folder.

    Parameters
    ----------
    out : Path
    maker : str
        Of the results of the run that begins, see `Batch`.

    Returns
    -------
    dict of str to dict
        The result of each photo. Those of another maker have an empty `made_from`.

    Raises
    ------
    ValueError
        If the file there is of another kind, or damaged.
    """
    path = out / FACES_FILE
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        sound = isinstance(rows, list) and all(isinstance(row["photo"] + row.get("error"), str) for row in rows)
        sound &= all(isinstance(face["files"], list) for row in rows for face in row["faces"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        sound = False
    check(sound, f"{path} is damaged, or not of this command: delete it, or choose another folder by --out.")
    known = {}
    for row in rows:
        made_from = row.get("made_from", "")
        known[row["photo"]] = row | {"made_from": made_from if made_from.startswith(maker) else ""}
    return known


def keep_results(out: Path, results: Iterable[dict], known: dict[str, dict]) -> Generator[dict]:
    """Pass results on, and keep them in faces.json as they come: its bytes are whole at any moment.

    Parameters
    ----------
    out : Path
    results : iterable of dict
        See `pipeline.commands.batches.reconstruct_photo`.
    known : dict of str to dict
        Of `read_results`. Photos that have faces there, and are none of this run's, stay listed after those that are.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    done: list[str] = []
    others = {name: _text(row) for name, row in known.items() if row["faces"] and (out / name).is_dir()}
    if known:
        # From now on files of another maker may be replaced: a kill must not leave its results beside this one's files.
        _write(out, others.values())
    due, written = 0.0, 0
    try:
        for result in results:
            others.pop(result["photo"], None)
            done.append(_text(result))
            start = time.monotonic()
            if start >= due:
                _write(out, [*done, *others.values()])
                written = len(done)
                due = start + LEAST_SHARE * (time.monotonic() - start)
            yield result
    finally:
        if len(done) > written:
            _write(out, [*done, *others.values()])


def _write(out: Path, texts: Iterable[str]) -> None:
    rows = ",\n".join(texts)
    write_bytes(out / FACES_FILE, (f"[\n{rows}\n]\n" if rows else "[]\n").encode())


def _text(result: dict) -> str:
    # One line: what the module json indents it writes in Python, which took as long as Face Mesh.
    return json.dumps(result)


def check_folder(out: Path, names: Iterable[str], inputs: Iterable[Path]) -> None:
    """Refuse results that would lie among the photos or masks that they are made of.

    Raises
    ------
    ValueError
        If an input lies in the folder of a photo's results.
    """
    folders = {out.resolve() / name for name in names}
    inside = [path for path in inputs if path.resolve().parent in folders]
    check(
        not inside,
        f"{', '.join(map(str, inside[:3]))} lies where results of a photo go: choose another folder by --out.",
    )
