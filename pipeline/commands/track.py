"""The faces of a video, followed from frame to frame: numbers, animated meshes, an overlay.

``uvface track VIDEO --out DIR`` follows every face, smooths it, and writes DIR/VIDEO.csv, for each face
DIR/VIDEO_face1.glb, DIR/VIDEO_overlay.mp4, and DIR/VIDEO_track.json, which says what video that was.
"""

import os
from contextlib import closing
from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from ..crops.face_mesh import open_files
from ..face.face_model import name_expressions
from ..photo.bundle import load_bundle
from ..photo.tracking import track_faces
from ..photo.video_files import count_frames, describe_missing, open_video
from ..store.checks import check
from ..store.files import holding
from ..store.progress import is_shown, show_progress
from ..store.sentences import counted, sentences
from .bundles import embedded_bundle
from .options import FILE, folder
from .video import (
    Portrait,
    Seen,
    best_portrait,
    check_record,
    keep,
    remove_earlier,
    table_header,
    write_faces_table,
    write_glb,
    write_overlay,
    write_record,
)


@click.command()
@click.argument("video")
@click.option("--out", type=folder, required=True, help="Folder of the results.")
@click.option("--overlay/--no-overlay", default=True, show_default=True, help="Write the video with its meshes.")
@click.option("--bundle", "bundle_file", type=FILE, help="Another face model, see docs/photos.md.")
def main(video: str, out: Path, overlay: bool, bundle_file: Path | None) -> None:
    """Follow the faces of VIDEO, a file or the number of a webcam, until it ends or Ctrl-C is pressed."""
    # Its matrices are small: threads would wait for each other longer than they compute.
    with sentences(), threadpool_limits(1):
        bundle = load_bundle(bundle_file) if bundle_file else embedded_bundle()
        networks = open_files(bundle.files, os.cpu_count() or 1)
        opened = open_video(video)
        table = out / f"{opened.name}.csv"
        same = table.exists() and Path(video).exists() and table.samefile(video)
        check(not same, f"{table} would be written over the file that is read: choose another folder by --out.")
        with holding(out):
            check_record(out, opened, video)
            write_record(out, opened, video, 0)
            remove_earlier(out, opened.name)
            tracked = track_faces(opened.frames, bundle, networks)
            if overlay:
                tracked = write_overlay(tracked, bundle, out / f"{opened.name}_overlay", opened.rate)
            seen: list[Seen] = []
            portraits: dict[int, Portrait] = {}
            frames, unwritten = 0, None
            try:
                with closing(tracked):
                    total = count_frames(video) if is_shown() else 0
                    for time, photo, faces in show_progress(tracked, "track", "frame", total or None):
                        for face in faces:
                            seen.append(keep(frames, time, face, bundle))
                            portraits[face.number] = best_portrait(portraits.get(face.number), photo, face)
                        frames += 1
                if missing := describe_missing(opened, frames):
                    click.echo(missing, err=True)
            except KeyboardInterrupt:
                click.echo("Stopped; what was seen is written.", err=True)
            except OSError as error:  # the overlay's at its end: the other files may be written all the same
                if not frames:
                    raise
                unwritten = error
            write_record(out, opened, video, frames)
            header = table_header(name_expressions(bundle.model), bundle.model.shape_basis.shape[2])
            write_faces_table(table, header, seen)
            for number, portrait in portraits.items():
                path = out / f"{opened.name}_face{number}.glb"
                write_glb(path, bundle, portrait, [each for each in seen if each.number == number])
            if unwritten:
                raise unwritten
            check(bool(seen), f"No face was found in {video}; {table} is empty.")
    click.echo(f"track: {counted(frames, 'frame')}, {counted(len(portraits), 'face')}; {table}")
