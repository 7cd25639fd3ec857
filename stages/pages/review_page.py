"""The page on which a person accepts or refuses the labels that `annotate` made, and downloads the verdicts."""

from typing import Any, NamedTuple

from stages.pages.page import render

# What may be said of a face.
ACCEPT, REFUSE = "accepted", "refused"


class Card(NamedTuple):
    """One face on the page: its pair's name, its photo's, its pose in words, why it is in doubt, how it starts."""

    name: str
    photo: str
    pose: str
    doubt: str
    refused: bool


def review_page(records: dict[str, dict[str, Any]]) -> str:
    """Make the page of all faces of some records, see `stages.photo.annotating`: those in doubt first, the surest last.

    Pictures are files beside it, ``review/<face>.jpg``.
    """
    faces = [(face, name) for name, record in records.items() for face in record["faces"]]
    faces.sort(key=lambda each: (not each[0]["doubt"], each[0]["confidence"], each[0]["name"]))
    missing = [(name, record["error"]) for name, record in records.items() if record["error"]]
    return render("review.html", cards=[_card(face, photo) for face, photo in faces], missing=missing)


def _card(face: dict[str, Any], photo: str) -> Card:
    turns = ", ".join(f"{name} {face[f'{name}_deg']:.0f}\N{DEGREE SIGN}" for name in ("yaw", "pitch", "roll"))
    return Card(face["name"], photo, turns, face["doubt"], starts_refused(face))


def starts_refused(face: dict[str, Any]) -> bool:
    """Whether a face is refused when the page opens: one that is likely wrong, until it is reviewed."""
    return face["verdict"] == REFUSE or bool(not face["verdict"] and face["doubt"])
