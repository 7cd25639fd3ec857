"""Normals, albedo and depth of a face by photos of one pose under several lights. A command, not a stage.

``python -m stages.photometric_stereo PHOTO PHOTO PHOTO... --out DIR`` estimates the lights by the face model that is
fitted; ``--lights FILE`` names them.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import click

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from pipeline.commands.files import npy
from pipeline.commands.options import FILE, ReconstructorOptions, expecting, folder, reconstructor_options
from pipeline.commands.pictures import shrink_to
from pipeline.commands.reconstructor import Reconstructor, open_reconstructor
from pipeline.face.rendering import facing_viewer, interpolate, rasterize, vertex_normals
from pipeline.photo.linear_light import to_light, to_photo
from pipeline.photo.mesh_files import TO_PIXELS, coloured, to_mesh, write_mesh
from pipeline.photo.photo_files import encode_grey, encode_image, open_photo
from pipeline.photo.photometric_stereo import (
    LEAST_PHOTOS,
    brightness_of,
    check_lights,
    depth_mesh,
    estimate_lights,
    integrate,
    solve_albedo,
    solve_normals,
)
from pipeline.photo.reconstruction import Reconstruction
from pipeline.photo.texture import encode_depth
from pipeline.store.arrays import Array, Image
from pipeline.store.checks import check
from pipeline.store.files import naming, write_bytes
from pipeline.store.sentences import sentences

# A surface that is seen more from the side has too few pixels.
LEAST_FACING = 0.15
# Longer side in px of the photos, at most: larger ones are halved until it fits.
LONGEST = 1024
LIGHT = "{:.5f} {:.5f} {:.5f}\n"
# Mean distance of the landmarks in sizes of the face, at most: of procedural faces another light moved what is found by
# 2 to 12 %. Other people in the same place are not told apart by it.
MOST_OFF = 0.15


def read_lights(path: Path, count: int) -> Array:
    """Read the lights (count, 3) of a file, and turn them into the pixel frame.

    Raises
    ------
    ValueError
        If it has another number of rows, or no numbers, or the lights can't tell a surface.
    """
    with expecting(path, "a line for each photo with three numbers: x to the right, y up, z to the viewer"):
        rows = np.array([line.replace(",", " ").split() for line in path.read_text().splitlines() if line.strip()])
        lights = rows.astype(np.float64).reshape(-1, 3) * TO_PIXELS
    check(len(lights) == count, f"{path} has {len(lights)} lights, and there are {count} photos: a line for each.")
    check_lights(lights)
    return lights


def read_photos(paths: tuple[Path, ...]) -> list[Image]:
    """Open photos of one size.

    Raises
    ------
    ValueError
        If one is no photo, or of another size.
    """
    photos = [open_photo(path)[0] for path in paths]
    sizes = {photo.shape[:2] for photo in photos}
    check(len(sizes) == 1, "The photos are of several sizes: photometric stereo needs one pose, and one camera.")
    halvings = max(0, int(np.ceil(np.log2(max(photos[0].shape) / LONGEST))))
    return [shrink_to(photo, max(photo.shape) / 2**halvings)[0] for photo in photos]


def find_face(photo: Image, reconstructor: Reconstructor) -> Reconstruction:
    """Fit the face model to the largest face of the mean of the photos.

    Raises
    ------
    ValueError
        If no face is found.
    """
    faces = reconstructor.find_faces(photo)
    check(bool(faces), "No face was found in the mean of the photos.")
    found = reconstructor.reconstruct(photo, faces[0])
    if found.doubt:
        click.echo(found.doubt, err=True)
    return found


def check_one_pose(
    paths: Sequence[Path], photos: Sequence[Image], found: Reconstruction, reconstructor: Reconstructor
) -> None:
    """Refuse photos whose largest face lies elsewhere than that of their mean; where light hides it, nothing is known.

    Raises
    ------
    ValueError
        If one does.
    """
    size = float(np.sqrt(np.ptp(found.landmarks[:, :2], axis=0).prod()))
    for path, photo in zip(paths, photos, strict=True):
        faces = reconstructor.find_faces(photo)
        if faces:
            apart = reconstructor.reconstruct(photo, faces[0]).landmarks[:, :2] - found.landmarks[:, :2]
            off = float(np.linalg.norm(apart, axis=1).mean()) / size
            check(
                off < MOST_OFF,
                f"{path}: its face lies {100 * off:.0f} % of its size from that of the photos' mean. Photometric "
                "stereo needs one face in one pose, and a camera that stands still.",
            )


def fitted_normals(
    found: Reconstruction, reconstructor: Reconstructor, photo: Image
) -> tuple[Array, NDArray[np.bool_]]:
    """Normals (H, W, 3) of the face model as it was fitted in a photo, and where they are seen."""
    triangles = reconstructor.surface.triangles
    shown = triangles[facing_viewer(found.vertices, triangles)]
    ids, weights = rasterize(found.vertices, shown, *photo.shape[:2])
    normals = interpolate(vertex_normals(found.vertices, triangles), shown, ids, weights).astype(np.float64)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    return normals, (ids >= 0) & (normals[..., 2] > LEAST_FACING)


def write_results(out: Path, colours: Array, lights: Array, mask: NDArray[np.bool_]) -> None:
    """Solve for normals, albedo and depth of the pixels of a mask, whose colours (K, N, 3) are given, and write them.

    Raises
    ------
    ValueError
        If the lights can't tell a surface.
    OSError
        If the folder can't be written.
    """
    stereo = solve_normals(brightness_of(colours), lights)
    normals = np.full((*mask.shape, 3), np.nan)
    normals[mask] = stereo.normals
    depth = integrate(normals, mask)
    albedo = np.zeros_like(normals)
    albedo[mask] = solve_albedo(colours, lights, stereo)
    albedo /= max(float(np.percentile(albedo[mask], 99)), 1e-9)
    picture = np.where(mask[..., None], 127.5 + 127.5 * normals * TO_PIXELS, 0)
    depth -= np.nanmin(depth)
    vertices, triangles = depth_mesh(depth)
    with naming(out):
        out.mkdir(parents=True, exist_ok=True)
        write_bytes(out / "lights.txt", "".join(LIGHT.format(*light) for light in lights * TO_PIXELS).encode())
        write_bytes(out / "normals.png", encode_image(np.rint(picture).astype(np.uint8), ".png"))
        write_bytes(out / "normals.npy", npy((normals * TO_PIXELS).astype(np.float32)))
        write_bytes(out / "albedo.png", encode_image(to_photo(albedo), ".png"))
        write_bytes(out / "depth.npy", npy(depth.astype(np.float32)))
        write_bytes(out / "depth.png", encode_grey(encode_depth(depth.astype(np.float32))[0]))
        write_mesh(out / "mesh.ply", coloured(to_mesh(vertices, triangles), to_photo(albedo[mask])))


@click.command()
@click.argument("photos", nargs=-1, type=FILE)
@click.option("--lights", type=FILE, help="A line a photo: x to the right, y up, z to the viewer; its length counts.")
@click.option("--out", type=folder, required=True, help="Folder of the results.")
@reconstructor_options
def main(photos: tuple[Path, ...], lights: Path | None, out: Path, options: ReconstructorOptions) -> None:
    """Find normals, albedo and depth of the largest face in PHOTOS, which show it in one pose under several lights."""
    with sentences():
        check(
            len(photos) >= LEAST_PHOTOS,
            f"{len(photos)} photos are named; photometric stereo needs {LEAST_PHOTOS} or more of one pose, each under "
            "another light.",
        )
        known = None if lights is None else read_lights(lights, len(photos))
        opened = read_photos(photos)
        light = [to_light(photo) for photo in opened]
        reconstructor = open_reconstructor(options, os.cpu_count() or 1)
        mean = to_photo(np.mean(light, axis=0))
        found = find_face(mean, reconstructor)
        check_one_pose(photos, opened, found, reconstructor)
        normals, mask = fitted_normals(found, reconstructor, mean)
        colours = np.stack([photo[mask] for photo in light])
        if known is None:
            known = estimate_lights(brightness_of(colours), normals[mask])
        write_results(out, colours, known, mask)
    click.echo(f"photometric_stereo: {len(photos)} photos, {int(mask.sum())} pixels; {out}")


if __name__ == "__main__":
    main()
