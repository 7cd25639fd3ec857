"""Own photos to labelled pairs as in 300W-LP, by the fit, and a page to judge them. A command, not a stage.

``python -m stages.annotate PHOTO... --out DIR`` writes pairs to DIR/faces and the page DIR/review.html, which gives a
table, review.csv; ``python -m stages.annotate --out DIR --review review.csv`` moves refused pairs to DIR/refused. DIR
is a `data.root` then.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.commands.batches import open_once
from pipeline.commands.folders import list_named
from pipeline.commands.options import FILE, ReconstructorOptions, folder, reconstructor_options
from pipeline.commands.processes import in_processes, share_cores
from pipeline.commands.results import check_folder
from pipeline.photo.labels import check_coefficients
from pipeline.store.checks import check
from pipeline.store.files import digest_file, holding, write_bytes
from pipeline.store.progress import show_progress, tell_beside
from pipeline.store.sentences import counted, sentences
from stages.pages.review_page import REFUSE, review_page
from stages.photo.annotating import (
    FACE_MODEL,
    FACES,
    NO_FIT,
    PAGE,
    REFUSED,
    REVIEW,
    TABLE,
    Record,
    annotate_photo,
    choose_photos,
    match_face_model,
    read_records,
    review,
    settle,
    tell_killed,
    write_tables,
)


def annotate(paths: list[Path], options: ReconstructorOptions, out: Path) -> Iterator[Record]:
    """Label the photos that have no labels yet, or changed since; yields the record of each, see `annotate_photo`.

    Raises
    ------
    ValueError
        If the labels can't be those of one folder and one face model.
    OSError
        If something can't be written.
    """
    check_folder(out, (FACES, REFUSED, REVIEW), paths)
    processes, threads = share_cores(len(paths))
    reconstructor = open_once(options, threads)
    bundle = reconstructor.bundle
    if bundle is None:
        raise ValueError(NO_FIT)
    check_coefficients(bundle.model)
    if not match_face_model(out, bundle):
        click.echo(
            f"Put the face model, {bundle.about['name']}, into {out / FACE_MODEL}, or a link to it, for the stages."
        )
    digest = f", bundle {digest_file(options.bundle)[:16]}" if options.bundle else ""
    maker = reconstructor.made_by + digest
    chosen = list(choose_photos(out, paths, maker))
    tasks = [(name, path, digest, maker, options, threads, out) for name, path, digest in chosen]
    if processes:
        yield from in_processes(annotate_photo, tasks, processes, tell_killed)
    else:
        yield from (annotate_photo(*task) for task in tasks)


@click.command()
@click.argument("photos", nargs=-1)
@click.option("--out", type=folder, required=True, help="Folder of the labels.")
@click.option("--review", "verdicts", type=FILE, help="A table of the page's: its refused pairs are moved aside.")
@reconstructor_options
def main(photos: tuple[str, ...], out: Path, verdicts: Path | None, options: ReconstructorOptions) -> None:
    """Label every face of PHOTOS: files, folders or patterns."""
    with sentences():
        check(bool(photos) or verdicts is not None, "Name photos, or a table of verdicts by --review.")
        check(bool(photos) or out.is_dir(), f"{out} has no labels: name photos.")
        with holding(out):
            if photos:
                paths = list_named("annotate", photos)
                for record in show_progress(annotate(paths, options, out), "annotate", "photo", len(paths)):
                    if record["error"]:
                        tell_beside(f"{record['photo']}: {record['error']}")
            if verdicts is not None:
                review(out, verdicts)
            settle(out)
            records = read_records(out)
            check(bool(records), f"{out} has no labels: name photos.")
            write_tables(out, records)
            write_bytes(out / PAGE, review_page(records).encode())
    faces = [face for record in records.values() for face in record["faces"]]
    refused = sum(face["verdict"] == REFUSE for face in faces)
    click.echo(
        f"annotate: {counted(len(records), 'photo')}, {counted(len(faces), 'face')}, "
        f"{counted(sum(not r['faces'] for r in records.values()), 'photo')} without one; "
        f"{counted(sum(bool(face['doubt']) for face in faces), 'face')} likely wrong, {refused} refused, "
        f"{sum(not face['verdict'] for face in faces)} not reviewed; {out / FACES}, {out / TABLE}, {out / PAGE}"
    )
    if not faces:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
