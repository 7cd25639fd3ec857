"""What counts as a sample: a photo with its annotation beside it. The one rule, whoever lists a folder."""

import contextlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..store.sentences import counted

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp")
ANNOTATION_SUFFIX = ".mat"
FOLDERS = "folders"
NO_PHOTO = "The photo of this annotation is missing."


class Pair(NamedTuple):
    """Names of a photo and its annotation in their folder."""

    photo: str
    annotation: str


class Listing(NamedTuple):
    """What a folder holds.

    Attributes
    ----------
    pairs : list of Pair
        In the order of the photos' names.
    rejected : list of (name, reason)
        Photos without annotation, annotations without photo, and names and files that can't be used.
    passed_over : dict of str to int
        How many were not looked at, by what they are: hidden files, folders, files of other kinds.
    """

    pairs: list[Pair]
    rejected: list[tuple[str, str]]
    passed_over: dict[str, int]


def list_folder(folder: Path) -> Listing:
    """Pair the photos of a folder with their annotations.

    Parameters
    ----------
    folder : Path
        Links in it are followed: data sets are often put together from them.

    Returns
    -------
    Listing

    Notes
    -----
    A photo is a file that ends in one of `PHOTO_SUFFIXES`, an annotation one that ends in ``.mat``, in upper or lower
    case. They belong together if what stands before the ending is the same, whether an accent is stored with its letter
    (NFC) or after it (NFD, as on a Mac). What begins with a dot is hidden: a Mac leaves ``._<name>`` beside each file.
    """
    files, others, passed = _scan(folder)
    photos = [name for name in files if _suffix(name) != ANNOTATION_SUFFIX]
    annotations = {_stem(name): name for name in files if _suffix(name) == ANNOTATION_SUFFIX}
    pairs, seen = [], set[str]()
    rejected: list[tuple[str, str]] = []
    for photo in photos:
        stem = _stem(photo)
        annotation = annotations.get(stem, "")
        if stem in seen:
            rejected.append((_as_text(photo), "Another photo has the same name with another ending."))
        elif fault := _fault_of_name(photo) or _fault_of_name(annotation):
            rejected.append((_as_text(photo), f"The name {fault}; rename the photo and its annotation."))
        elif not annotation:
            rejected.append((photo, "The annotation (.mat) of this photo is missing."))
        elif not (files[photo] and files[annotation]):
            rejected.append((photo, "The photo or its annotation is a folder, or a link to nothing or to itself."))
        else:
            pairs.append(Pair(photo, annotation))
        seen.add(stem)
    for name in files:
        stem = _stem(name)
        if _suffix(name) != ANNOTATION_SUFFIX:
            continue
        if stem not in seen:
            kind = f" {_as_text(others[stem])} ends in none of {', '.join(PHOTO_SUFFIXES)}." if stem in others else ""
            rejected.append((_as_text(name), NO_PHOTO + kind))
        elif annotations[stem] != name:
            rejected.append((_as_text(name), "Another annotation has the same name with another ending."))
    return Listing(pairs, rejected, passed)


def _scan(folder: Path) -> tuple[dict[str, bool], dict[str, str], dict[str, int]]:
    """What ends as photos and annotations do, and whether it is a file; other names by their stem; what else is there.

    The first two are in the order of their names.
    """
    files: dict[str, bool] = {}
    others: dict[str, str] = {}
    passed = Counter[str]()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                passed["hidden"] += 1
            elif _suffix(entry.name) in (ANNOTATION_SUFFIX, *PHOTO_SUFFIXES):
                files[entry.name] = _holds(entry.is_file)
            elif _holds(entry.is_dir):
                passed[FOLDERS] += 1
            else:
                others.setdefault(_stem(entry.name), entry.name)
                passed["of other kinds"] += 1
    return files, others, dict(sorted(passed.items()))


def list_annotations(root: Path) -> tuple[list[Path], dict[str, int]]:
    """List the annotations in a folder and all below it, for those who need no photo of each.

    Parameters
    ----------
    root : Path
        Hidden folders and links to folders in it are left out.

    Returns
    -------
    annotations : list of Path
        In the order of their names. Where a folder has a pair, no ``.mat`` of a folder without one is an annotation:
        published sets have code and face models beside them.
    passed_over : dict of str to int
        These, hidden files and files of other kinds.
    """
    paired: list[Path] = []
    alone: list[Path] = []
    passed = Counter[str]()
    for name, below, _ in os.walk(root):
        below[:] = [other for other in below if not other.startswith(".")]
        folder = Path(name)
        files, _, others = _scan(folder)
        found = [folder / file for file, whole in files.items() if whole and _suffix(file) == ANNOTATION_SUFFIX]
        (paired if list_folder(folder).pairs else alone).extend(found)
        passed.update({what: count for what, count in others.items() if what != FOLDERS})
    if paired and alone:
        passed[".mat in folders without a pair"] = len(alone)
    return sorted(paired or alone), dict(sorted(passed.items()))


def photo_of(annotation: Path) -> Path | None:
    """The photo beside an annotation, by `list_folder`'s rule; None if there is none."""
    for form in ("NFC", "NFD"):
        stem = unicodedata.normalize(form, annotation.stem)
        for suffix in PHOTO_SUFFIXES:
            for ending in (suffix, suffix.upper()):
                if (photo := annotation.with_name(stem + ending)).is_file():
                    return photo
    return None


def describe_passed_over(passed: dict[str, int]) -> str:
    """Say what was passed over, as in ``3 hidden, 2 of other kinds``; empty where nothing was."""
    return ", ".join(
        counted(count, "folder") if what == FOLDERS else f"{count} {what}" for what, count in passed.items()
    )


def _holds(question: Callable[[], bool]) -> bool:
    """Whether it is so; not, where the system can't say, as of a link to itself."""
    with contextlib.suppress(OSError):
        return question()
    return False


def _suffix(name: str) -> str:
    return _split(name)[1].lower()


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", _split(name)[0])


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix of a file's name, in a tenth of the time that a Path takes."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem else (name, "")


def _as_text(name: str) -> str:
    """A file's name as tables can hold it: bytes that are no UTF-8, and control characters, as backslash and code."""
    if name.isascii() and name.isprintable():  # as nearly all are: there are 122,450 in 300W-LP
        return name
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(f"\\x{ord(sign):02x}" if unicodedata.category(sign) == "Cc" else sign for sign in text)


def _fault_of_name(name: str) -> str:
    """Why tables can't hold a name as it is; empty if they can."""
    if _as_text(name) == name:
        return ""
    control = any(unicodedata.category(sign) == "Cc" for sign in name)
    return "has a control character" if control else "is no valid UTF-8"
