"""Which data and which scale the numbers of a page come from."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from stages.project.paths import DEMO, OTHER_SCALE, PARTS
from stages.project.samples import count_parts

# Share of the thesis's images that is as good as all: a few may be set aside as damaged.
ENOUGH = 0.98


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Data and scale, which ``templates/provenance.html`` says in plain sight.

    Attributes
    ----------
    root : str
        ``data.root``.
    size, width : int
        Side of crops and maps in px, and width of the network.
    counts : dict of str to int
        Samples of each part of the split.
    passes : int
        Of a sample through the network while it learnt.
    other_scale : tuple of str
        Lines of ablation/thesis_scale.txt that do not hold here.
    thesis_learnt, thesis_tested : int
        Images that the thesis learns from and tests on (sections 3.1.1 and 3.1.4).
    """

    root: str
    size: int
    width: int
    counts: dict[str, int]
    passes: int
    other_scale: tuple[str, ...]
    thesis_learnt: ClassVar[int] = 61225
    thesis_tested: ClassVar[int] = 2000

    @property
    def is_demo(self) -> bool:
        """Whether the faces are drawn by this project."""
        return Path(self.root) == DEMO

    @property
    def fewer_images(self) -> bool:
        """Whether clearly fewer images are learnt from (or validate), or are tested on, than in the thesis."""
        train, validation, test = (self.counts[part] for part in PARTS)
        return train + validation < ENOUGH * self.thesis_learnt or test < ENOUGH * self.thesis_tested

    @property
    def has_the_thesis_s_scale(self) -> bool:
        """Whether the images are as many as the thesis's, and all parameters of its scale hold."""
        return not self.fewer_images and not self.other_scale

    @property
    def label(self) -> str:
        """Data and scale in a few words, for the head of each column that has our numbers."""
        return f"{'demo faces' if self.is_demo else self.root}, {self.size} px, width {self.width}"


def read_provenance(root: Path, data_root: str, size: int, width: int, passes: int) -> Provenance:
    """Say where the numbers of the project at `root` come from, by its split and what `settings` says of its scale.

    Raises
    ------
    FileNotFoundError
        If `settings` has not run.
    """
    path = root / OTHER_SCALE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m stages.settings`.")
    lines = tuple(path.read_text(encoding="utf-8").splitlines())
    return Provenance(data_root, size, width, count_parts(root), passes, lines)
