"""Section `profiled` of params.yaml: which photos are turned in depth, and how far."""

import dataclasses
import os

from pipeline.raw.splitting import PROFILED_SUFFIX
from pipeline.store.checks import check_all
from stages.project.params import DataParams
from stages.project.paths import PROFILED


@dataclasses.dataclass(frozen=True)
class ProfiledParams:
    """Section `profiled`: turned copies of photos, of which `_Profiled` subsets are made.

    Attributes
    ----------
    subsets : list of str
        Subsets to learn from that copies are made of: what DVC must know, since it runs a stage for each.
    seed : int
    copies : int
        Copies of a photo, where the limit leaves room for them.
    turn_deg : (float, float)
        Least and largest turn of the head.
    limit_deg : float
        Largest absolute yaw after it.
    """

    subsets: list[str]
    seed: int
    copies: int
    turn_deg: tuple[float, float]
    limit_deg: float

    def __post_init__(self) -> None:
        (least, largest), limit = self.turn_deg, self.limit_deg
        check_all(
            (self.seed >= 0, f"profiled.seed is {self.seed}; expected 0 or more."),
            (self.copies >= 1, f"profiled.copies is {self.copies}; expected 1 or more."),
            (
                0 < least <= largest <= limit <= 90,
                f"profiled.turn_deg is {least:g} to {largest:g}, limit_deg {limit:g}; expected these three to grow, "
                "from above 0 to at most 90.",
            ),
        )

    def check_subsets(self, data: DataParams) -> None:
        """Check that `data.subsets` has an entry for the copies of each of the subsets, and no other of such copies.

        Raises
        ------
        ValueError
            If it has not, or one of the subsets is not to learn from.
        """
        photos = [name for name in data.learned if name not in data.profiled]
        made = {f"{name}{PROFILED_SUFFIX}": PROFILED / name for name in self.subsets}
        there = {name: data.folder(name) for name in data.subsets}
        check_all(
            *(
                (
                    name in photos,
                    f"profiled.subsets has {name!r}; the photos to learn from are {', '.join(photos)}.",
                )
                for name in self.subsets
            ),
            *(
                (
                    there.get(name) == folder,
                    f"data.subsets needs the entry {name}: {{folder: {os.path.relpath(folder, data.root)}, use: learn, "
                    f"boxes: meshes}}, since profiled.subsets names {name.removesuffix(PROFILED_SUFFIX)}.",
                )
                for name, folder in made.items()
            ),
            *(
                (
                    name in made,
                    f"data.subsets.{name} is made of photos whose subset profiled.subsets must name.",
                )
                for name, folder in there.items()
                if folder.parent == PROFILED
            ),
        )
