"""Stage `split`: train, validation and test by identity, from the indexes alone."""

import dataclasses
from collections import Counter
from pathlib import Path

import click

from pipeline.raw.splitting import assign_parts
from pipeline.store.tables import read_table, write_table
from stages.project.params import DataParams, check, read, sentences

INDEX = Path("data/index")
OUTPUT = Path("data/split.csv")


@dataclasses.dataclass(frozen=True)
class SplitParams:
    """Section `split`."""

    train: list[str]
    test: list[str]
    validation_fraction: float
    test_fraction: float

    def __post_init__(self) -> None:
        check(bool(self.train) and bool(self.test), "split.train and split.test must each name at least one subset.")
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            check(0 < value < 1, f"split.{name} is {value}; expected a fraction between 0 and 1.")


@click.command()
def main() -> None:
    """Divide the accepted samples."""
    with sentences():
        data, split = read("data", DataParams), read("split", SplitParams)
        for subset in (*split.train, *split.test):
            check(subset in data.subsets, f"split names {subset!r}, which is not in data.subsets.")
        samples = {
            subset: [row["sample_id"] for row in read_table(INDEX / subset / "accepted.csv")]
            for subset in dict.fromkeys((*split.train, *split.test))
        }
        rows = assign_parts(samples, split.train, split.test, split.validation_fraction, split.test_fraction)
        parts = Counter(part for *_, part in rows)
        for part in ("train", "validation", "test"):
            check(parts[part] > 0, f"The split leaves no sample for {part}; enlarge the subsets or the fractions.")
        write_table(OUTPUT, ("sample_id", "identity", "part"), rows)
    click.echo("split: " + ", ".join(f"{parts[part]} {part}" for part in ("train", "validation", "test")))


if __name__ == "__main__":
    main()
