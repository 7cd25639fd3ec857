"""Meshes in correspondence from scans: a face model's mean is bent until it lies on each. A command, not a stage.

``python -m stages.register SCAN... --out DIR`` writes SCAN's name with .ply for each, with the face model's vertices.
Scans named ``<identity>__<expression>`` make a set for the stage `multilinear_model`.
"""

import functools
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from pipeline.commands.options import FILE, FOLDER, expecting
from pipeline.crops.face_mesh import open_networks
from pipeline.face.face_model import FaceModel, load_model
from pipeline.face.landmarks import JAW, LANDMARKS
from pipeline.face.nicp import Registration, register_scan
from pipeline.face.similarity import is_mirrored
from pipeline.photo.mesh_files import Mesh, write_mesh
from pipeline.photo.photo_files import encode_image
from pipeline.photo.point_files import read_point_file
from pipeline.photo.registration import draw_scan, find_points
from pipeline.photo.scan_files import ScanFile, read_scan
from pipeline.store.arrays import Array
from pipeline.store.checks import check
from pipeline.store.files import write_bytes
from pipeline.store.progress import show_progress
from pipeline.store.sentences import sentences
from pipeline.store.tables import write_table
from stages.project.paths import MODEL
from stages.project.scan_units import landmark_extent, likely_unit

# The jaw is left out: its landmarks lie where a photo's silhouette was, which on a scan is no place of its own.
USED = slice(JAW.stop, LANDMARKS)
COUNT = LANDMARKS - JAW.stop
POINT_SUFFIXES = (".txt", ".npy", ".mat")
COLUMNS = ("scan", "landmarks", "matched_percent", "median", "p95", "unit", "reason")


@click.command()
@click.argument("scans", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FOLDER, required=True, help="Folder for the meshes, their pictures and registered.csv.")
@click.option(
    "--landmarks",
    type=FOLDER,
    help="Folder with NAME.txt, .npy or .mat for each scan: the 68 landmarks, or 51 without the jaw, in its frame. "
    "Without it Face Mesh looks for its own points on scan and template; the scan has to look along +z, y up.",
)
@click.option("--model", type=FILE, default=MODEL, show_default=True, help="Face model whose mean is the template.")
def main(scans: tuple[Path, ...], out: Path, landmarks: Path | None, model: Path) -> None:
    """Register SCANS (.ply, .obj, .stl, .off or .glb), each a face as a mesh or as points."""
    with sentences():
        with expecting(model, f"a face model, {MODEL} of `dvc repro face_model`"):
            template = load_model(model)
        stems = [scan.stem for scan in scans]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        check(not twice, f"Two scans are called {', '.join(twice)}: the meshes would have one name.")
        own = [scan for scan in scans if (out / f"{scan.stem}.ply").resolve() == scan.resolve()]
        check(not own, f"A mesh in {out} would replace the scan {own[0] if own else ''}: name another folder.")
        rows = []
        for path in show_progress(scans, "register", "scan"):
            try:
                rows.append(register(path, out, landmarks, template))
            except (ValueError, OSError) as error:
                rows.append({"scan": path.stem, "reason": str(error)})
        write_table(
            out / "registered.csv", COLUMNS, [tuple(str(row.get(name, "")) for name in COLUMNS) for row in rows]
        )
        failed = [row for row in rows if "reason" in row]
        for row in failed:
            click.echo(f"failed: {row['scan']}: {row['reason']}")
        check(len(failed) < len(rows), f"None of {len(rows)} scans could be registered.")
    click.echo(f"register: {len(rows) - len(failed)} of {len(rows)} scans; {out / 'registered.csv'}")


def register(path: Path, out: Path, landmarks: Path | None, template: FaceModel) -> dict[str, Any]:
    """Register one scan and write its mesh and picture; a row of the table.

    Raises
    ------
    ValueError
        If scan or landmarks can't be read or used.
    OSError
        If something can't be written.
    """
    scan = read_scan(path)
    if landmarks is None:
        places = find_places(scan)
        marked: NDArray[np.integer] = find_seen(template)
    else:
        marked, places = template.landmarks[USED], read_places(landmarks, path.stem)
    check(
        not is_mirrored(template.mean[marked], places),
        f"{path} and its landmarks are mirrored: they fit a face much better with left and right exchanged. Negate x "
        "of both and turn the triangles round, or number the landmarks from the subject's right.",
    )
    result = register_scan(template.mean, template.triangles, scan.vertices, scan.triangles, marked, places)
    check(bool(result.matched.any()), f"{path} was not found near its landmarks: check their unit and order.")
    write_mesh(out / f"{path.stem}.ply", Mesh(result.vertices, template.triangles))
    picture = draw_scan(scan.vertices, scan.triangles, result.vertices, template.triangles)
    write_bytes(out / f"{path.stem}.png", encode_image(picture, ".png"))
    unit = likely_unit(landmark_extent(places)) or ""
    known = {"scan": path.stem, "landmarks": "found" if landmarks is None else "given", "unit": unit}
    return known | describe(result)


def describe(result: Registration) -> dict[str, str]:
    """Share of the template that was found on the scan, and the distances there, in the scan's unit."""
    median, most = np.nanpercentile(result.distances, [50, 95])
    return {"matched_percent": f"{100 * result.matched.mean():.1f}", "median": f"{median:.4g}", "p95": f"{most:.4g}"}


@functools.lru_cache(maxsize=1)
def find_seen(template: FaceModel) -> NDArray[np.integer]:
    """Vertices (468,) of the template that lie where Face Mesh sees its points on it."""
    points = find_points(template.mean, template.triangles, open_networks())
    return np.asarray(scipy.spatial.cKDTree(template.mean).query(points)[1])


def find_places(scan: ScanFile) -> Array:
    """Where Face Mesh sees its points (468, 3) on a scan: what it mistakes, it mistakes on the template as well."""
    if scan.triangles is None:
        raise ValueError("A scan of points alone shows no face to find landmarks on: give them by --landmarks.")
    try:
        return find_points(scan.vertices, scan.triangles, open_networks())
    except ValueError as error:
        raise ValueError(f"{error} Turn the scan to look along +z with y up, or give --landmarks.") from error


def read_places(folder: Path, name: str) -> Array:
    """Read the landmarks that are used, (51, 3), of a scan's file."""
    found = [path for path in (folder / f"{name}{suffix}" for suffix in POINT_SUFFIXES) if path.is_file()]
    check(len(found) == 1, f"{folder} has {len(found)} files for {name} ({', '.join(POINT_SUFFIXES)}); expected one.")
    points = read_point_file(found[0])
    check(
        len(points) in (LANDMARKS, COUNT) and points.shape[1] == 3,
        f"{found[0]} has {points.shape} points; expected (68, 3), or (51, 3) without the jaw.",
    )
    return points[-COUNT:]


if __name__ == "__main__":
    main()
