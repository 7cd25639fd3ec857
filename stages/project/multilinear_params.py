"""Section `multilinear_model` of params.yaml: what meshes the multilinear face model is made of, and its size."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from pipeline.store.checks import check_all

NONE = "data/none"


@dataclasses.dataclass(frozen=True)
class MultilinearParams:
    """Section `multilinear_model`.

    Attributes
    ----------
    meshes : str
        Folder of registered meshes, see `stages.register`; data/none for those of the training part's coefficients.
    identities, expressions : int
        Of the training part, evenly spaced; all if there are fewer. A folder of meshes has its own.
    identity_rank, expression_rank : int
        Directions that are kept of each.
    """

    meshes: str
    identities: int
    expressions: int
    identity_rank: int
    expression_rank: int

    def __post_init__(self) -> None:
        section = "multilinear_model"
        check_all(
            (self.identities >= 2, f"{section}.identities is {self.identities}; expected 2 or more."),
            (self.expressions >= 1, f"{section}.expressions is {self.expressions}; expected 1 or more."),
            (self.identity_rank >= 1, f"{section}.identity_rank is {self.identity_rank}; expected 1 or more."),
            (self.expression_rank >= 0, f"{section}.expression_rank is {self.expression_rank}; expected 0 or more."),
        )

    def problems(self) -> Iterator[str]:
        """What is named and missing."""
        if not Path(self.meshes).is_dir():
            yield f"multilinear_model.meshes is {self.meshes}, which is no folder: name one, or {NONE} for none."
