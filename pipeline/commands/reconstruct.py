"""Photos to 3D faces: meshes, poses, depth, textures and pages to look at.

``uvface reconstruct PHOTO... --out DIR`` finds every face of every photo and writes a folder for each photo,
and all numbers to DIR/faces.json.
"""

import importlib
from collections.abc import Sequence
from contextlib import closing
from operator import length_hint
from pathlib import Path
from typing import Any

import click

from ..store.checks import check
from ..store.files import holding
from ..store.progress import is_shown, show_progress, tell_beside
from ..store.sentences import counted, sentences
from .batches import FACELESS, Batch, count_taken, digest_maker, name_frames, name_photos, reconstruct_photos
from .files import DEFAULT_KINDS, KINDS, UNITS, WriteOptions
from .folders import list_named, remove_parts
from .options import ReconstructorOptions, folder, reconstructor_options
from .results import FACES_FILE, check_folder, keep_results, read_results

# Doubtful photos that are named at the end.
NAMED = 10


class Kinds(click.ParamType):
    """Kinds of files with commas between them."""

    name = f"[{'|'.join(KINDS)}],..."

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> list[str]:
        """Split a value, and refuse what is no kind."""
        if isinstance(value, list):
            return value
        one = click.Choice(KINDS)
        return [one.convert(kind.strip(), param, context) for kind in value.split(",")]


def _printable(name: str) -> str:
    """A name on one line, without what would steer a terminal."""
    return name if name.isprintable() else ascii(name)[1:-1]


def count_results(results: Sequence[dict]) -> str:
    """Say what became of the photos: those without a face apart from those that failed, and nothing of what is none."""
    faces = [face for result in results for face in result["faces"]]
    without = sum(result["error"] in FACELESS for result in results)
    failed = sum(bool(result["error"]) for result in results) - without
    doubted = sum(bool(face["doubt"]) for face in faces)
    told = [counted(len(results), "photo"), counted(len(faces), "face")]
    if without:
        told.append(f"{counted(without, 'photo')} without a face")
    if failed:
        told.append(f"{counted(failed, 'photo')} that failed")
    if doubted:
        told.append(f"{counted(doubted, 'face')} likely wrong")
    return ", ".join(told)


def name_doubted(photos: Sequence[str]) -> str:
    """Say which photos have faces that are likely wrong, and where the reasons are; a name for each such face."""
    names = list(dict.fromkeys(photos))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    told = ", ".join(map(_printable, names[:NAMED]))
    return f"Likely wrong, for the reason that {FACES_FILE} gives (doubt): {told}{more}."


@click.command()
@click.argument("photos", nargs=-1)
@click.option("--out", type=folder, required=True, help="Folder of the results.")
@click.option("--video", help="A video file, or the number of a webcam, instead of photos.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="Take each so many-th frame of a video; of a webcam one.",
)
@reconstructor_options
@click.option(
    "--write",
    type=Kinds(),
    multiple=True,
    default=[",".join(DEFAULT_KINDS)],
    show_default=True,
    help="Kinds of files, with commas between them.",
)
@click.option("--mask", type=click.Path(path_type=Path), help="Picture of what covers the face, in white; or a folder.")
@click.option("--detail", is_flag=True, help="Give the mesh the detail that the photo's shading tells.")
@click.option("--fill", is_flag=True, help="Fill hidden parts of textures by the face's symmetry.")
@click.option("--unit", type=click.Choice(UNITS), default="px", show_default=True, help="Of the meshes.")
@click.option("--pupil-distance", type=float, help="In mm, for --unit mm; by default the irises tell the size.")
@click.option("--allow-missing", is_flag=True, help="Succeed even if a photo gave no face.")
def main(
    photos: tuple[str, ...],
    out: Path,
    video: str | None,
    every: int,
    options: ReconstructorOptions,
    write: tuple[list[str], ...],
    mask: Path | None,
    detail: bool,
    fill: bool,
    unit: str,
    pupil_distance: float | None,
    allow_missing: bool,
) -> None:
    """Reconstruct every face of PHOTOS: files, folders or patterns."""
    with sentences():
        check(bool(photos) != bool(video), "Name photos, or a video by --video.")
        kinds = tuple(dict.fromkeys(kind for some in write for kind in some))
        strays = [word for word in photos if word in KINDS and not Path(word).exists()]
        check(
            not strays,
            f"{', '.join(strays)}: no such photo; --write takes kinds with commas between them: "
            f"--write {','.join((*kinds, *strays))}.",
        )
        check(not (mask and video), "--mask is for photos: it can't be given with --video.")
        check(pupil_distance is None or unit == "mm", "--pupil-distance is for --unit mm: give that too.")
        check(
            pupil_distance is None or 0 < pupil_distance < 1000,
            f"--pupil-distance is {pupil_distance}; expected millimetres, 54 to 74 for most adults.",
        )
        if detail:
            importlib.import_module("scipy.sparse")  # told here if it is not installed, not for each photo
        named = name_frames(video, every) if video else name_photos(list_named("reconstruct", photos), mask)
        if isinstance(named, list):
            check_folder(out, [photo.name for photo in named], [path for photo in named for path in photo.files])
        wanted = WriteOptions(kinds, fill, unit, pupil_distance, detail)
        batch = Batch(options, wanted, out, digest_maker(options, wanted))
        # One photo is done before the library of bars is imported.
        total = length_hint(named) or (count_taken(video, every) if video and is_shown() else 0) or None
        results = []
        with holding(out):
            remove_parts(out)
            known = read_results(out, batch.maker)
            with closing(keep_results(out, reconstruct_photos(named, batch, known), known)) as kept:
                for result in kept if total == 1 else show_progress(kept, "reconstruct", "photo", total):
                    results.append(result)
                    if result["error"]:
                        tell_beside(f"{_printable(result['photo'])}: {result['error']}")
            remove_parts(out)
    missing = sum(bool(result["error"]) for result in results)
    doubted = [result["photo"] for result in results for face in result["faces"] if face["doubt"]]
    click.echo(f"reconstruct: {count_results(results)}; {out / FACES_FILE}")
    if doubted:
        tell_beside(name_doubted(doubted))
    if missing and not allow_missing:
        raise SystemExit(1)
