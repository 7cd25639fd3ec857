"""A folder of photos that are labelled by the fit, each face a pair as in 300W-LP, and what a person says of each.

A record (review/<photo>.json) has what is known of a photo and its faces; a pair lies in ``refused/`` if the record
says that it is refused, else in ``faces/``, which the stages read. Records are written after the pairs and before these
are moved, so that a run that was ended in between is put right by the next.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.commands.batches import NO_FACE, name_photos, open_once
from pipeline.commands.folders import utf8_name
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.pictures import around, draw_face, shrink_to
from pipeline.commands.processes import KILLED, tell_failure
from pipeline.crops.face_finding import Face
from pipeline.demo.dataset import write_face_model
from pipeline.demo.face import make_face
from pipeline.face.camera import wrap_degrees
from pipeline.face.face_model import at_landmarks
from pipeline.face.rendering import rasterize
from pipeline.photo.bundle import Bundle
from pipeline.photo.labels import label_arrays, label_bytes, photo_bytes, placed
from pipeline.photo.photo_files import encode_image, open_photo
from pipeline.photo.reconstruction import Reconstruction
from pipeline.raw.bfm import load_bfm
from pipeline.store.arrays import Image
from pipeline.store.checks import check
from pipeline.store.files import digest_file, write_bytes
from pipeline.store.tables import read_table, write_table
from stages.pages.review_page import ACCEPT, REFUSE, starts_refused

FACES, REFUSED, REVIEW, FACE_MODEL = "faces", "refused", "review", "bfm"
TABLE, PAGE, VERDICTS = "faces.csv", "review.html", "review.csv"
COLUMNS = ("photo", "face", "state", "yaw_deg", "pitch_deg", "roll_deg", "reason")
# Procedural face models, which this software can write itself.
OWN_MODELS = ("embedded", "demo")
# Of the pictures of the page: how much they show beyond the face, in its sides, and their side in px.
MARGIN, SIDE = 0.25, 360
NO_FIT = "Labels are coefficients of a face model, which --no-fit leaves out: leave that out."
Record = dict[str, Any]


def read_records(out: Path) -> dict[str, Record]:
    """Read what is known of each photo of a folder, by the photo's name, in the order of the names.

    Raises
    ------
    ValueError
        If a record is damaged.
    """
    records = {}
    for path in sorted((out / REVIEW).glob("*.json")):
        try:
            records[path.name.removesuffix(".json")] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is damaged; delete it, and annotate its photo again.") from error
    return records


def write_record(out: Path, name: str, record: Record) -> None:
    """Write what is known of a photo."""
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_bytes(out / REVIEW / f"{name}.json", text.encode())


def choose_photos(out: Path, paths: list[Path], maker: str) -> Iterator[tuple[str, Path, str]]:
    """Choose the photos that have no labels yet, or changed since; what is known of the latter is deleted.

    Parameters
    ----------
    out : Path
    paths : list of Path
    maker : str
        What makes the labels: all those of a folder are by one.

    Yields
    ------
    (name, path, SHA-256 of the photo)

    Raises
    ------
    ValueError
        If a name can't be that of a pair, or the folder has labels of another photo of that name, or by another maker.
    """
    records = read_records(out)
    others = {record["maker"] for record in records.values()} - {maker}
    check(not others, f"{out} has labels by another maker ({'; '.join(sorted(others))}): choose another folder.")
    names = [photo.name for photo in name_photos(paths)]
    _check_names(names, {*names, *records})
    for name, path in zip(names, paths, strict=True):
        digest, known = _digest(path), records.get(name)
        if known is not None:
            same = known["sha256"] == digest
            check(
                same or known["photo"] == _place(path),
                f"{out} has labels of another photo named {name}, {known['photo']}: rename one, or choose another "
                "folder.",
            )
            if same and all(place_of(out, face["name"]) for face in known["faces"]):
                continue
            _forget(out, name, known)
        yield name, path, digest


def _check_names(names: list[str], all_names: set[str]) -> None:
    for name in names:
        check(name.isprintable(), f"The name of the photo {name!r} has signs that can't be written: rename it.")
        stem = re.sub(r"_face\d+$", "", name)
        check(
            stem == name or stem not in all_names, f"{name} is named as a further face of the photo {stem}: rename it."
        )


def _place(path: Path) -> str:
    return utf8_name(str(path.resolve()))


def _digest(path: Path) -> str:
    """SHA-256 of a photo; empty if it can't be read, which is told when it is opened."""
    try:
        return digest_file(path)
    except OSError:
        return ""


def place_of(out: Path, name: str) -> Path | None:
    """Folder in which a pair lies whole; None if it lies in none."""
    for folder in (out / FACES, out / REFUSED):
        if all(path.is_file() for path in _pair(folder, name)):
            return folder
    return None


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.jpg", folder / f"{name}.mat"


def _forget(out: Path, name: str, record: Record) -> None:
    (out / REVIEW / f"{name}.json").unlink()
    for face in record["faces"]:
        for folder in (FACES, REFUSED):
            for path in _pair(out / folder, face["name"]):
                path.unlink(missing_ok=True)
        (out / REVIEW / f"{face['name']}.jpg").unlink(missing_ok=True)


def annotate_photo(
    name: str, path: Path, digest: str, maker: str, options: ReconstructorOptions, threads: int, out: Path
) -> Record:
    """Fit every face of a photo, and write its pairs, its pictures for the page, and its record.

    Returns
    -------
    dict
        The record; its `error` says why the photo has no label, and is empty where it has one.

    Raises
    ------
    OSError
        If something can't be written.
    """
    record: Record = {"photo": _place(path), "sha256": digest, "maker": maker, "error": "", "faces": []}
    reconstructor = open_once(options, threads)
    bundle = reconstructor.bundle
    if bundle is None:
        raise ValueError(NO_FIT)
    try:
        photo, _ = open_photo(path)
        faces = reconstructor.find_faces(photo)
        check(bool(faces), NO_FACE)
        fits = [reconstructor.reconstruct(photo, face) for face in faces]
    except Exception as error:
        failed = record | {"error": utf8_name(tell_failure(error))}
        if isinstance(error, ValueError):  # another may not come again
            write_record(out, name, failed)
        return failed
    content = photo_bytes(path, photo)
    for number, (face, found) in enumerate(zip(faces, fits, strict=True), start=1):
        stem = name if number == 1 else f"{name}_face{number}"
        record["faces"].append(_write_face(out, stem, content, photo, face, found, bundle))
    write_record(out, name, record)
    return record


def tell_killed(_name: str, path: Path, digest: str, maker: str, *_: object) -> Record:
    """Give the record of a photo that `annotate_photo` did not live to give; it is tried again in the next run."""
    return {"photo": _place(path), "sha256": digest, "maker": maker, "error": KILLED, "faces": []}


def _write_face(
    out: Path, name: str, content: bytes, photo: Image, face: Face, found: Reconstruction, bundle: Bundle
) -> dict[str, Any]:
    """Write one pair and its picture; returns what the record has of it."""
    coefficients = np.asarray(found.coefficients)
    arrays = label_arrays(bundle.landmarks, coefficients, found.pose, found.landmarks, photo.shape[:2])
    jpeg, mat = _pair(out / FACES, name)
    write_bytes(jpeg, content)
    write_bytes(mat, label_bytes(arrays))
    vertices = bundle.spread @ placed(bundle.model, coefficients, found.pose, len(photo))
    landmarks = arrays["pt3d_68"].T - [1, 1, 0]
    picture = draw_label(photo, vertices, bundle.surface.triangles, landmarks)
    write_bytes(out / REVIEW / f"{name}.jpg", encode_image(picture, ".jpg"))
    pitch, yaw, roll = np.round(wrap_degrees(np.rad2deg(found.pose[:3])), 1).tolist()
    numbers = {"yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": roll, "confidence": round(face.confidence, 4)}
    return {"name": name, **numbers, "doubt": found.doubt, "verdict": ""}


def draw_label(photo: Image, vertices: np.ndarray, triangles: np.ndarray, landmarks: np.ndarray) -> Image:
    """A face in its photo, and beside it the same with the mesh (V, 3) and the landmarks (68, 3) of its label."""
    rows, columns = around(vertices, photo, MARGIN)
    plain, factor = shrink_to(photo[rows, columns], SIDE)
    centre = np.array([0.5, 0.5, 0])
    mesh, points = ((p - [columns.start, rows.start, 0] + centre) * factor - centre for p in (vertices, landmarks))
    drawn = draw_face(plain, mesh, triangles, rasterize(mesh, triangles, *plain.shape[:2]), points)
    return np.hstack([plain, drawn])


def match_face_model(out: Path, bundle: Bundle) -> bool:
    """See that the face model beside the pairs, which the stages read them with, is the bundle's.

    A procedural one is written there.

    Returns
    -------
    bool
        Whether there is one; that of others must be put there, or linked.

    Raises
    ------
    ValueError
        If another one lies there.
    """
    folder = out / FACE_MODEL
    if not folder.is_dir():
        if bundle.about["name"] not in OWN_MODELS:
            return False
        write_face_model(folder, make_face())
    beside, own = at_landmarks(load_bfm(folder)), bundle.landmarks
    parts = [(getattr(beside, name), getattr(own, name)) for name in ("mean", "shape_basis", "expression_basis")]
    same = all(a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max()) for a, b in parts)
    check(same, f"{folder} is not the face model of the bundle, {bundle.about['name']!r}: choose another folder.")
    return True


def review(out: Path, verdicts: Path) -> None:
    """Note what a person said of each face of a table, which the page or `write_tables` wrote.

    Raises
    ------
    ValueError
        If the table is no such table, or names a face that the folder does not have.
    """
    other = f"{verdicts} is no table of verdicts; expected the columns face and verdict."
    check(verdicts.is_file(), other)
    try:
        said = {row["face"]: row["verdict"] for row in read_table(verdicts, ["face", "verdict"])}
    except ValueError as error:
        raise ValueError(other) from error
    wrong = sorted(set(map(str, said.values())) - {ACCEPT, REFUSE})
    check(not wrong, f"{verdicts} has the verdict {', '.join(wrong)}; expected {ACCEPT} or {REFUSE}.")
    records = read_records(out)
    unknown = sorted(set(said) - {face["name"] for record in records.values() for face in record["faces"]})
    check(not unknown, f"{verdicts} names faces that {out} does not have: {', '.join(unknown)}.")
    for name, record in records.items():
        faces = [face | {"verdict": said.get(face["name"], face["verdict"])} for face in record["faces"]]
        if faces != record["faces"]:
            write_record(out, name, record | {"faces": faces})


def settle(out: Path) -> None:
    """Move each pair to where its record says that it lies."""
    for record in read_records(out).values():
        for face in record["faces"]:
            home, other = (FACES, REFUSED) if face["verdict"] != REFUSE else (REFUSED, FACES)
            for there, here in zip(_pair(out / other, face["name"]), _pair(out / home, face["name"]), strict=True):
                if there.is_file():
                    here.parent.mkdir(parents=True, exist_ok=True)
                    there.replace(here)


def write_tables(out: Path, records: dict[str, Record]) -> None:
    """Write the table of every photo and face, and that of the verdicts as the page starts with them."""
    faces = [face for record in records.values() for face in record["faces"]]
    write_table(out / TABLE, COLUMNS, (row for name in records for row in _rows(out, name, records[name])))
    write_table(
        out / VERDICTS, ("face", "verdict"), ((f["name"], REFUSE if starts_refused(f) else ACCEPT) for f in faces)
    )


def _rows(out: Path, name: str, record: Record) -> Iterator[tuple]:
    if record["error"]:
        yield name, "", "no label", "", "", "", record["error"]
    for face in record["faces"]:
        state = (face["verdict"] or "not reviewed") if place_of(out, face["name"]) else "deleted by hand"
        yield name, face["name"], state, face["yaw_deg"], face["pitch_deg"], face["roll_deg"], face["doubt"]
