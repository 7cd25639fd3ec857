"""Section `survey` of params.yaml: which of the systems that the thesis's chapter 1 surveys are run, and on what."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from pipeline.store.checks import check_all
from stages.project.paths import SURVEY

# The systems by the kind of a method, as the report calls them.
KINDS = {
    "fit": "3DMM fitted to the landmarks, each a vertex",
    "contour": "3DMM fitted to the landmarks, the jaw line's hidden ones on the silhouette",
    "shading": "3DMM fitted as contour does, then moved along its normals by the photo's shading",
    "candide": "CANDIDE-3 fitted to the 37 of the 68 landmarks that it has",
    "multilinear": "Multilinear face model fitted to the landmarks",
}
# Kinds that have no vertex of their own for some of the 68 landmarks.
FEWER_LANDMARKS = ("candide",)
# What has to be there for a method of a kind that no run has unasked, and how it is asked for.
ABSENT = {
    "candide": (
        "its wireframe, candide3.wfm, is not shipped. Who has the file adds the row by -S "
        "'+survey.methods.candide={kind:candide,landmarks:annotated,needs:FILE}'"
    ),
}
# Whose landmarks a method sees; what all but the annotation have learnt is an output of a stage that always runs.
ANNOTATED = "annotated"
LANDMARKS = (ANNOTATED, "facemesh", "asm")
NOTHING = "data/none"


@dataclasses.dataclass(frozen=True)
class SurveyMethod:
    """An entry of `survey.methods`: a row of the survey.

    Attributes
    ----------
    kind : str
        Of `KINDS`.
    landmarks : {'annotated', 'facemesh', 'asm'}
        What finds the 68 landmarks that the method sees beside the photo, in x and y.
    needs : str
        File or folder that it needs beside the face model, the UV layout and the prior: what DVC must know. data/none
        for nothing.
    """

    kind: str
    landmarks: str
    needs: str

    def __post_init__(self) -> None:
        check_all(
            (self.kind in KINDS, f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}."),
            (
                self.landmarks in LANDMARKS,
                f"landmarks is {self.landmarks!r}; expected one of {', '.join(LANDMARKS)}.",
            ),
        )


@dataclasses.dataclass(frozen=True)
class SurveyParams:
    """Section `survey`: the methods by the names of their rows."""

    methods: dict[str, SurveyMethod]

    @property
    def absent(self) -> dict[str, str]:
        """Why kinds are not run, of those of `ABSENT` that no method is of, by what the report calls them."""
        kinds = {method.kind for method in self.methods.values()}
        return {KINDS[kind]: reason for kind, reason in ABSENT.items() if kind not in kinds}

    def problems(self) -> Iterator[str]:
        """Files that methods need and that no stage makes, where they are missing."""
        for name, method in self.methods.items():
            path = Path(method.needs)
            if path.parts[:1] not in (("data",), (SURVEY.parts[0],)) and not path.exists():
                yield f"survey.methods.{name}.needs is {path}, which is missing: name the file, or {NOTHING} for none."
