"""Change a feature of a face, in its mesh and in its photo (thesis, section 1.3.4).

``uvface edit PHOTO --region nose --scale 1.2 --out FILE``
"""

import os
from pathlib import Path

import click
import numpy as np

from ..face.landmarks import REGIONS
from ..photo.editing import edit_region, warp_photo
from ..photo.mesh_files import to_mesh, write_mesh
from ..photo.photo_files import encode_image
from ..store.checks import check
from ..store.files import write_bytes
from ..store.progress import show_steps
from ..store.sentences import sentences
from .options import FILE, ReconstructorOptions, check_not_input, picture_option, reconstructor_options
from .reconstructor import open_largest, open_reconstructor

# A feature that is larger than this fills the picture.
MOST_SCALE = 3.0
# In distances of the outer eye corners, of which a face is about two high: further, no feature is on the face.
MOST_SHIFT = 1.0


@click.command()
@click.argument("photo", type=FILE)
@click.option("--region", type=click.Choice(tuple(REGIONS)), required=True, help="Left and right are the subject's.")
@click.option("--scale", default=1.0, show_default=True, help="About the middle of the region's landmarks.")
@click.option(
    "--shift",
    type=float,
    nargs=3,
    default=(0.0, 0.0, 0.0),
    show_default=True,
    help="To the subject's left, up, and out of the face, in distances of the outer eye corners.",
)
@picture_option("The picture, .jpg or .png; the mesh goes beside it as .obj.")
@reconstructor_options
def main(
    photo: Path,
    region: str,
    scale: float,
    shift: tuple[float, float, float],
    out: Path,
    options: ReconstructorOptions,
) -> None:
    """Scale or shift a feature of the largest face in PHOTO."""
    with sentences():
        check_not_input(out, photo)
        check_not_input(out.with_suffix(".obj"), photo)
        check(0 < scale <= MOST_SCALE, f"--scale is {scale:g}; expected a number above 0, up to {MOST_SCALE:g}.")
        check(
            bool((np.abs(shift) <= MOST_SHIFT).all()),
            f"--shift is {' '.join(f'{part:g}' for part in shift)}; expected three numbers from {-MOST_SHIFT:g} to "
            f"{MOST_SHIFT:g}, each in distances of the outer eye corners.",
        )
        with show_steps("edit", 4) as begin:
            begin("networks")
            reconstructor = open_reconstructor(options, os.cpu_count() or 1)
            begin("face")
            picture, found = open_largest(photo, reconstructor)
            begin("picture")
            triangles = reconstructor.surface.triangles
            edited = edit_region(found.vertices, found.landmarks, region, scale, shift)
            write_bytes(out, encode_image(warp_photo(picture, found.vertices, edited, triangles), out.suffix))
            begin("mesh")
            write_mesh(out.with_suffix(".obj"), to_mesh(edited, triangles))
    click.echo(f"edit: {out} and {out.with_suffix('.obj')}")
