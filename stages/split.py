"""Stage `split`: train, validation and test by identity, from the indexes alone."""

from collections import Counter
from pathlib import Path

import click

from pipeline.raw.splitting import assign_parts
from pipeline.store.tables import read_table, write_table
from stages.project.params import DataParams, SplitParams, check, read, sentences

INDEX = Path("data/index")
OUTPUT = Path("data/split.csv")


@click.command()
def main() -> None:
    """Divide the accepted samples."""
    with sentences():
        data, split = read("data", DataParams), read("split", SplitParams)
        tested = split.test_subsets(data)
        samples = {
            subset: [row["sample_id"] for row in read_table(INDEX / subset / "accepted.csv")]
            for subset in dict.fromkeys((*data.learned, *tested))
        }
        rows = assign_parts(samples, data.learned, tested, split.validation_fraction, split.test_fraction)
        parts = Counter(part for *_, part in rows)
        for part in ("train", "validation", "test"):
            check(parts[part] > 0, f"The split leaves no sample for {part}; enlarge the subsets or the fractions.")
        write_table(OUTPUT, ("sample_id", "identity", "part"), rows)
    click.echo("split: " + ", ".join(f"{parts[part]} {part}" for part in ("train", "validation", "test")))


if __name__ == "__main__":
    main()
