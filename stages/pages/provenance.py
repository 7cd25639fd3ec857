"""Which data and which scale the numbers of a page come from."""

import dataclasses
from pathlib import Path

from stages.project.paths import DEMO

THESIS_SCALE = (256, 16)


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Data and scale, which ``templates/provenance.html`` says in plain sight.

    Attributes
    ----------
    root : str
        ``data.root``.
    size, width : int
        Side of crops and maps in px, and width of the network: 256 and 16 in the thesis.
    counts : dict of str to int
        Samples of each part of the split.
    passes : int
        Of a sample through the network while it learnt.
    """

    root: str
    size: int
    width: int
    counts: dict[str, int]
    passes: int

    @property
    def is_demo(self) -> bool:
        """Whether the faces are drawn by this project."""
        return Path(self.root) == DEMO

    @property
    def has_the_thesis_s_scale(self) -> bool:
        """Whether maps and network are as large as the thesis's."""
        return (self.size, self.width) == THESIS_SCALE

    @property
    def label(self) -> str:
        """Data and scale in a few words, for the head of each column that has our numbers."""
        return f"{'demo faces' if self.is_demo else self.root}, {self.size} px, width {self.width}"
