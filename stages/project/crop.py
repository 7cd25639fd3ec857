"""Section `crop` of params.yaml, which `detected` and `aligned` share."""

import dataclasses

from stages.project.params import check


@dataclasses.dataclass(frozen=True)
class CropParams:
    """How a face is cut out: whose box, and how many of its sides the crop is wide."""

    box: str
    margin: float

    def __post_init__(self) -> None:
        check(self.box in ("landmarks", "detector"), f"crop.box is {self.box!r}; expected landmarks or detector.")
        check(1 <= self.margin <= 5, f"crop.margin is {self.margin}; expected 1 to 5 sides of the box.")
