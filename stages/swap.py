"""Put the face of one photo onto that of another (thesis, section 1.3.4). A command, not a stage.

``python -m stages.swap SOURCE TARGET --out FILE`` gives the target's largest face the looks of the source's.
"""

import os
from pathlib import Path

import click

from pipeline.photo.editing import swap_face
from pipeline.photo.photo_files import encode_image, open_photo
from stages.photo.reconstructor import network_options, only_face, open_pipeline
from stages.project.params import sentences
from stages.project.strict import check

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option("--out", type=FILE, required=True, help="The picture, .jpg or .png.")
@network_options
def main(
    source: Path,
    target: Path,
    out: Path,
    model: Path | None,
    weights: Path | None,
    landmarks: str,
    detector: str,
    dlib_model: Path | None,
) -> None:
    """Put the largest face in the photo SOURCE onto the largest in TARGET."""
    with sentences():
        check(out.suffix in (".jpg", ".png"), f"--out is {out}; expected a name that ends in .jpg or .png.")
        pipeline = open_pipeline(model, weights, landmarks, detector, dlib_model, os.cpu_count() or 1)
        photos = [open_photo(path)[0] for path in (source, target)]
        faces = [only_face(photo, path, pipeline) for photo, path in zip(photos, (source, target), strict=True)]
        ours, theirs = (pipeline.reconstruct(photo, face) for photo, face in zip(photos, faces, strict=True))
        swapped = swap_face(photos[0], ours.vertices, photos[1], theirs.vertices, pipeline.surface.triangles)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(encode_image(swapped, out.suffix))
    click.echo(f"swap: {out}")


if __name__ == "__main__":
    main()
