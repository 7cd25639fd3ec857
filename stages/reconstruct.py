"""Photos to 3D faces: meshes, poses, depth, textures and pages to look at. A command, not a stage.

``python -m stages.reconstruct PHOTO... --out DIR`` finds every face of every photo and writes a folder for each photo,
and all numbers to DIR/faces.json.
"""

import json
from collections.abc import Iterable, Iterator
from operator import length_hint
from pathlib import Path

import click

from pipeline.photo.photo_files import list_photos
from stages.photo.batches import name_frames, name_photos, reconstruct_photos
from stages.photo.files import DEFAULT_KINDS, KINDS, UNITS, WriteOptions
from stages.photo.options import ReconstructorOptions, reconstructor_options
from stages.project.params import sentences
from stages.project.strict import check


def _with_bar(results: Iterator[dict], photos: int) -> Iterable[dict]:
    """Show how many of the photos are done; a single one is, before the bar's library is imported."""
    if photos == 1:
        return results
    from tqdm import tqdm

    return tqdm(results, total=photos or None, unit="photo", disable=None)


@click.command()
@click.argument("photos", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the results.")
@click.option("--video", help="A video file, or the number of a webcam, instead of photos.")
@click.option("--every", default=25, show_default=True, help="Take each so many-th frame of a video; of a webcam one.")
@reconstructor_options
@click.option("--write", "kinds", type=click.Choice(KINDS), multiple=True, default=DEFAULT_KINDS, show_default=True)
@click.option("--mask", type=click.Path(path_type=Path), help="Picture of what covers the face, in white; or a folder.")
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
    kinds: tuple[str, ...],
    mask: Path | None,
    fill: bool,
    unit: str,
    pupil_distance: float | None,
    allow_missing: bool,
) -> None:
    """Reconstruct every face of PHOTOS: files, folders or patterns."""
    with sentences():
        check(bool(photos) != bool(video), "Name photos, or a video by --video.")
        strays = [word for word in photos if word in KINDS and not Path(word).exists()]
        check(
            not strays,
            f"{', '.join(strays)}: no such photo; --write takes one kind and is repeated: "
            + " ".join(f"--write {kind}" for kind in (*kinds, *strays))
            + ".",
        )
        check(not (mask and video), "--mask is for photos: it can't be given with --video.")
        check(pupil_distance is None or unit == "mm", "--pupil-distance is for --unit mm: give that too.")
        check(
            pupil_distance is None or 0 < pupil_distance < 1000,
            f"--pupil-distance is {pupil_distance}; expected millimetres, 54 to 74 for most adults.",
        )
        named = name_frames(video, every) if video else name_photos(list_photos(photos), mask)
        done = reconstruct_photos(named, options, out, WriteOptions(kinds, fill, unit, pupil_distance))
        results = []
        for result in _with_bar(done, length_hint(named)):
            results.append(result)
            if result["error"]:
                click.echo(f"{result['photo']}: {result['error']}", err=True)
        out.mkdir(parents=True, exist_ok=True)
        (out / "faces.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    missing = sum(bool(result["error"]) for result in results)
    doubted = sum(bool(face["doubt"]) for result in results for face in result["faces"])
    click.echo(
        f"reconstruct: {len(results)} photos, {sum(len(result['faces']) for result in results)} faces, "
        f"{missing} photos without a face, {doubted} faces that are likely wrong; {out / 'faces.json'}"
    )
    if missing and not allow_missing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
