"""Faces followed through a video: each frame's points say where the next frame is looked at; the detector when lost."""

from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..crops.blaze_face import CELLS, Network, Region, detect, halvings, line_roll
from ..crops.face_mesh import (
    MIN_PRESENCE,
    MIN_SIDE,
    POINTS,
    REGION,
    SURE_SCORE,
    MeshFace,
    find_faces,
    follow,
    mesh_region,
)
from ..face.fit import FaceFit
from ..store.arrays import Array, Image
from .bundle import Bundle
from .fitting import fit_points, turn_further
from .smoothing import Smoothed, smooth_face

# Every so many-th frame, and wherever a face was lost or none is known, the detector looks at the whole upright frame.
# While none is known, it looks every so many-th frame as at a photo: also for turned and small faces, which takes long.
LOOK, SEARCH = 10, 30
# Faces whose middles are nearer than this are one, and a lost one is found again within this; in sides of its box.
SAME, AGAIN = 0.5, 1.0
# Hidden points count as well, unlike in a photo: nothing may jump where a face turns away.
ALL_SEEN = np.ones(POINTS, bool)
# In seconds: who comes back later is a new face.
KEEP = 1.0


class Track(NamedTuple):
    """A face of a video.

    Attributes
    ----------
    number : int
        From 1, in the order of coming.
    time : float
        In seconds: when it was last seen.
    face : MeshFace
        As it was seen then.
    smoothed : Smoothed or None
        State of its filter; None before the first step.
    """

    number: int
    time: float
    face: MeshFace
    smoothed: Smoothed | None = None


class TrackedFace(NamedTuple):
    """A face in a frame of a video, smoothed.

    Attributes
    ----------
    number : int
        From 1, in the order of coming.
    presence : float
        Face Mesh's score.
    fit : FaceFit
        Of the face model.
    mesh : (468, 3) float64
        Points of Face Mesh, in pixels of the frame.
    """

    number: int
    presence: float
    fit: FaceFit
    mesh: Array


class Tracking(NamedTuple):
    """State between two frames: how many frames and faces there were, and the faces seen lately, oldest first."""

    frames: int = 0
    faces: int = 0
    tracks: tuple[Track, ...] = ()


def track_faces(
    frames: Iterable[tuple[float, Image]], bundle: Bundle, networks: dict[str, Network]
) -> Generator[tuple[float, Image, list[TrackedFace]]]:
    """Follow, fit and smooth the faces of a video.

    Parameters
    ----------
    frames : iterable of (time, frame)
        Seconds, which grow; (H, W, 3) uint8.
    bundle : Bundle
    networks : dict of str to Network
        See `pipeline.crops.face_mesh.open_networks`.

    Yields
    ------
    time : float
    frame : (H, W, 3) uint8
    faces : list of TrackedFace
        Those that are seen in the frame, oldest first.
    """
    tracking, sigma = Tracking(), bundle.prior.sigma
    for time, frame in frames:
        before = {track.number: track.time for track in tracking.tracks}
        tracking = follow_faces(tracking, frame, time, networks)
        tracks, faces = [], []
        for track in tracking.tracks:
            if track.time < time:
                tracks.append(track)
                continue
            mesh, seconds = track.face.mesh, time - before.get(track.number, time)
            fit = fit_points(mesh, ALL_SEEN, bundle, len(frame))
            fit = turn_further(fit, mesh, ALL_SEEN, bundle, len(frame))
            smoothed, fit, mesh = smooth_face(track.smoothed, fit, mesh, sigma, seconds, len(frame))
            tracks.append(track._replace(smoothed=smoothed))
            faces.append(TrackedFace(track.number, track.face.confidence, fit, mesh))
        tracking = tracking._replace(tracks=tuple(tracks))
        yield time, frame, faces


def follow_faces(tracking: Tracking, frame: Image, time: float, networks: dict[str, Network]) -> Tracking:
    """Find the faces of the next frame of a video; each keeps its number.

    Parameters
    ----------
    tracking : Tracking
        After the frame before.
    frame : (H, W, 3) uint8
    time : float
        In seconds, later than the frame before.
    networks : dict of str to Network

    Returns
    -------
    Tracking
        The tracks whose `time` is this one's are seen in the frame.
    """
    levels = halvings(frame)
    kept = [track for track in tracking.tracks if time - track.time <= KEEP]
    seen: list[Track] = []
    for track in kept:
        face = follow(levels, mesh_region(track.face.mesh), networks)
        if face.confidence >= MIN_PRESENCE and _is_new(face, seen):
            seen.append(track._replace(time=time, face=face))
    missing = [track for track in kept if track.number not in {each.number for each in seen}]
    count = tracking.faces
    if missing or not seen or tracking.frames % LOOK == 0:
        thorough = not kept and tracking.frames % SEARCH == 0
        for face in find_faces(frame, networks) if thorough else _look(levels, networks):
            if (face.confidence >= MIN_PRESENCE or face.score >= SURE_SCORE) and _is_new(face, seen):
                again = min(missing, key=lambda track: _distance(face, track.face), default=None)
                if again is not None and _distance(face, again.face) < AGAIN:
                    missing.remove(again)
                    seen.append(again._replace(time=time, face=face))
                else:
                    count += 1
                    seen.append(Track(count, time, face))
    tracks = sorted([*seen, *missing], key=lambda track: track.number)
    return Tracking(tracking.frames + 1, count, tuple(tracks))


def _look(levels: list[Image], networks: dict[str, Network]) -> Iterator[MeshFace]:
    """Upright faces in a frame, some of them twice."""
    height, width = levels[0].shape[:2]
    whole = Region(np.array([width - 1, height - 1]) / 2, max(height, width), 0.0)
    for kind in CELLS:
        for each in detect(levels, whole, kind, networks):
            region = Region(each.centre, REGION * each.side, line_roll(*each.keypoints[:2]))
            yield follow(levels, region, networks, each.score, each.keypoints)


def _is_new(face: MeshFace, seen: list[Track]) -> bool:
    """Whether a face is large enough and none of those seen already."""
    return bool(face.box[2:].max() >= MIN_SIDE) and all(_distance(face, track.face) >= SAME for track in seen)


def _distance(face: MeshFace, other: MeshFace) -> float:
    """Distance of two faces' middles in sides of the larger box."""
    between = face.box[:2] + face.box[2:] / 2 - other.box[:2] - other.box[2:] / 2
    return float(np.linalg.norm(between) / max(face.box[2:].max(), other.box[2:].max()))
