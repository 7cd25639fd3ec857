"""Stage `split`: train, validation and test by identity, from the indexes alone."""

import click

from pipeline.raw.splitting import assign_parts
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from pipeline.store.tables import read_table, write_table
from stages.project.beginning import begin_stage
from stages.project.params import DataParams, SplitParams
from stages.project.params_file import read
from stages.project.paths import PARTS, SPLIT


@click.command()
def main() -> None:
    """Divide the accepted samples; a file a part, so that what is only tested makes nothing stale that is learnt."""
    with sentences():
        begin_stage("split", SPLIT)
        data, split = read("data", DataParams), read("split", SplitParams)
        samples: dict[str, list[str]] = {}
        photos: dict[str, str] = {}
        for subset in data.subsets:
            read_rows = read_table(data.shards("index", subset) / "accepted.csv", ["sample_id", "photo_sha256"])
            known = {row["sample_id"]: row["photo_sha256"] for row in read_rows}
            samples[subset] = list(known)
            photos |= known
        tested = split.test_subsets(data)
        fractions = (split.validation_fraction, split.test_fraction, split.test_every)
        assigned = assign_parts(samples, data.learned, tested, *fractions, photos)
        counts = {part: sum(row[2] == part for row in assigned) for part in PARTS}
        for part, count in counts.items():
            check(count > 0, f"The split leaves no sample for {part}; enlarge the subsets or the fractions.")
        for part in PARTS:
            table = [row[:2] for row in assigned if row[2] == part]
            write_table(SPLIT / f"{part}.csv", ("sample_id", "identity"), table)
        write_table(SPLIT / "subsets.csv", ("subset", "use"), [(name, one.use) for name, one in data.subsets.items()])
    click.echo("split: " + ", ".join(f"{count} {part}" for part, count in counts.items()))


if __name__ == "__main__":
    main()
