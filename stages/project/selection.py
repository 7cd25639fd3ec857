"""The samples that are learnt from and validated on: their rows in the shards of position maps, by the split."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.store.shards import list_shards, read_shard
from pipeline.store.tables import read_table
from stages.project.paths import LEARN, SPLIT, subset_folder


def rows_of_part(part: str, level: str) -> Iterator[tuple[str, Path, tuple[int, ...]]]:
    """Subset, shard of position maps, and rows in it, of the samples of a part of the split, in its order of subsets.

    Parameters
    ----------
    part : {'train', 'validation'}
    level : {'on', 'off'}
    """
    wanted = {row["sample_id"]: None for row in read_table(SPLIT / f"{part}.csv", ["sample_id"])}
    for subset in dict.fromkeys(sample_id.rpartition("/")[0] for sample_id in wanted):
        for path in list_shards(subset_folder("position_maps", LEARN, subset, level)):
            names = read_shard(path, ["sample_id"])["sample_id"]
            rows = tuple(row for row, name in enumerate(names) if name in wanted)
            if rows:
                yield subset, path, rows
