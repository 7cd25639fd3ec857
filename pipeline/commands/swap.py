"""Put the face of one photo onto that of another (thesis, section 1.3.4).

``uvface swap SOURCE TARGET --out FILE`` gives the target's largest face the looks of the source's.
"""

import os
from pathlib import Path

import click

from ..photo.editing import swap_face
from ..photo.photo_files import encode_image
from ..store.files import write_bytes
from ..store.progress import show_steps
from ..store.sentences import sentences
from .options import FILE, ReconstructorOptions, check_not_input, picture_option, reconstructor_options
from .reconstructor import open_largest, open_reconstructor


@click.command()
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@picture_option("The picture, .jpg or .png.")
@reconstructor_options
def main(source: Path, target: Path, out: Path, options: ReconstructorOptions) -> None:
    """Put the largest face in the photo SOURCE onto the largest in TARGET."""
    with sentences():
        check_not_input(out, source, target)
        with show_steps("swap", 4) as begin:
            begin("networks")
            reconstructor = open_reconstructor(options, os.cpu_count() or 1)
            begin("source")
            photo, ours = open_largest(source, reconstructor)
            begin("target")
            other, theirs = open_largest(target, reconstructor)
            begin("picture")
            swapped = swap_face(photo, ours.vertices, other, theirs.vertices, reconstructor.surface.triangles)
            write_bytes(out, encode_image(swapped, out.suffix))
    click.echo(f"swap: {out}")
