"""The samples that are learnt from and validated on, chosen from the shards of position maps by the split."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.store.resume import ShardContent
from pipeline.store.shards import list_shards, read_shard, read_stored, reading
from pipeline.store.tables import read_table
from stages.project.paths import LEARN, SPLIT, subset_folder

IMAGES = ("image", "position_map")


def rows_of_part(part: str, level: str) -> Iterator[tuple[str, Path, tuple[int, ...]]]:
    """Subset, shard of position maps, and rows in it, of the samples of a part of the split, in its order of subsets.

    Parameters
    ----------
    part : {'train', 'validation'}
    level : {'on', 'off'}
    """
    wanted = {row["sample_id"]: None for row in read_table(SPLIT / f"{part}.csv")}
    for subset in dict.fromkeys(sample_id.rpartition("/")[0] for sample_id in wanted):
        for path in list_shards(subset_folder("position_maps", LEARN, subset, level)):
            names = read_shard(path, ["sample_id"])["sample_id"]
            rows = tuple(row for row, name in enumerate(names) if name in wanted)
            if rows:
                yield subset, path, rows


def select_rows(source: Path, rows: tuple[int, ...]) -> ShardContent:
    """Make one shard of some rows of another, whose images are copied as they are stored."""
    with reading(source) as file:
        others = [name for name in sorted(file) if name not in IMAGES]
    datasets = {name: values[list(rows)] for name, values in read_shard(source, others).items()}
    return ShardContent({**datasets, **{name: read_stored(source, name)[rows] for name in IMAGES}}, len(rows))
