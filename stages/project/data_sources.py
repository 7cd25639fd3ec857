"""Whose the photos and labels are: the published sets that the folders of `data.subsets` may hold."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.raw.splitting import PROFILED_SUFFIX
from stages.project.params import DataParams
from stages.project.paths import DEMO


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where a set comes from.

    Attributes
    ----------
    name : str
    made : str
        What it is, and how it was made, in a sentence.
    licence : str
        Under which it may be used.
    licence_url : str
        Where that is written, for machines; empty where there is no such place.
    citation : str
    ask : str
        Who can take a photo out of it.
    errors : tuple of str
        What is known to be wrong or missing in its labels, sentences.
    """

    name: str
    made: str
    licence: str
    licence_url: str = ""
    citation: str = ""
    ask: str = ""
    errors: tuple[str, ...] = ()


_ZHU = "X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li: Face Alignment Across Large Poses: A 3D Solution. CVPR 2016"
PROCEDURAL = DataSource(
    "procedural faces",
    "Faces, photos and labels are drawn by the stage demo_data of this software; no person is shown.",
    "MIT",
    "https://spdx.org/licenses/MIT.html",
    "Y. Zhou: Research on 3D Reconstruction Based on 2D Face Images. May 2021",
    "nobody, since no person is shown",
    ("Labels are exact: photo, mesh and landmarks are drawn from the same numbers.",),
)
PUBLISHED = {
    "300W_LP": DataSource(
        "300W-LP",
        "Photos of AFW, HELEN, IBUG and LFPW, which were gathered from the web and marked by hand (300-W); a face "
        "model was fitted to the marks, and further copies were made by turning the head in depth.",
        "research only, not commercial; the photos are other people's",
        citation=f"{_ZHU}; C. Sagonas, G. Tzimiropoulos, S. Zafeiriou, M. Pantic: 300 Faces in-the-Wild Challenge. "
        "ICCV Workshops 2013",
        ask="the authors of 300W-LP (the 3DDFA project page) and of 300-W (the i-bug group)",
        errors=(
            "Large poses are made, not photographed: what is around a turned head is stretched, and the half of a face "
            "that no photo shows is drawn from the other pixels.",
            "Labels are a fit of the Basel Face Model to 68 marked points: what its vectors cannot say is missing.",
        ),
    ),
    "AFLW2000": DataSource(
        "AFLW2000-3D",
        "The first 2,000 photos of AFLW, which were gathered from Flickr; a face model was fitted to their marks.",
        "research only, not commercial; the photos are other people's",
        citation=f"{_ZHU}; M. Koestinger, P. Wohlhart, P. M. Roth, H. Bischof: Annotated Facial Landmarks in the Wild. "
        "ICCV Workshops 2011",
        ask="the authors of AFLW2000-3D (the 3DDFA project page) and of AFLW (TU Graz), and where a photo is still "
        "shown, Flickr",
        errors=(
            "The 68 landmarks of a second annotation, published with 3DDFA_V2, are 3.4 % of the face's size from these "
            "in the mean of the yaw bins: an error below that is no more than two annotations differ by.",
            "Of the 2,000 photos 31 have an angle beyond 99 degrees, which methods leave out of errors of the pose.",
            "Lids of the fitted face model never meet: of 1,499 faces the most closed eyes are open by 2.8 % of the "
            "distance of the outer eye corners.",
        ),
    ),
}
OWN = DataSource(
    "a set of your own",
    "Who made it has to say what it is, whose the photos are, and how they were labelled.",
    "its owner's: say which",
    ask="its owner",
    errors=("Nobody has said how good its labels are; docs/data.md of the software says what `annotate` makes.",),
)


def source_of(data: DataParams, subset: str) -> DataSource:
    """Find out where a subset comes from, by its folder.

    Parameters
    ----------
    data : DataParams
    subset : str
        A subset of turned copies is of the same source as what it was copied from, where that is a subset, too.
    """
    if Path(data.root) == DEMO:
        return PROCEDURAL
    copied = subset.removesuffix(PROFILED_SUFFIX)
    folder = data.subsets[copied if copied in data.subsets else subset].folder
    return PUBLISHED.get(PurePosixPath(folder).parts[0], OWN)


def list_sources(data: DataParams) -> list[tuple[DataSource, Sequence[str]]]:
    """List the sources of all subsets, each with the names of its subsets."""
    subsets: dict[DataSource, list[str]] = {}
    for subset in data.subsets:
        subsets.setdefault(source_of(data, subset), []).append(subset)
    return list(subsets.items())
