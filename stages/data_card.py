"""Stage `data_card`: what the prepared set is, for people as a card and for machines as Croissant metadata."""

from pathlib import Path

import click

from pipeline.face.face_model import load_model
from pipeline.store.sentences import sentences
from stages.pages.croissant import describe_croissant
from stages.pages.data_card import DataFacts, data_card
from stages.project.beginning import begin_stage
from stages.project.data_facts import read_layout, read_members, read_part_facts, read_reasons
from stages.project.data_sources import list_sources
from stages.project.json_file import read_json, write_json
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import CROISSANT, DATA_CARD, DATA_COUNTS, DATA_METRICS, DEMO, MODEL
from stages.project.samples import count_parts


def read_facts(root: Path, data: DataParams, margin: float) -> DataFacts:
    """Gather what the stages of the project at `root` made; `margin` is `crop.margin`."""
    model = load_model(root / MODEL)
    return DataFacts(
        Path(data.root) == DEMO,
        data,
        margin,
        list_sources(data),
        read_members(root, data),
        read_part_facts(root, data),
        read_reasons(root, data),
        read_json(root / DATA_METRICS, ("in", "out", "rejected", "outside")),
        read_json(root / DATA_COUNTS, ("subsets",))["subsets"],
        read_layout(root, data),
        (len(model.mean), model.shape_basis.shape[2], model.expression_basis.shape[2]),
    )


@click.command()
def main() -> None:
    """Write both."""
    with sentences():
        begin_stage("data_card", DATA_CARD, CROISSANT)
        data = read("data", DataParams)
        facts = read_facts(Path(), data, read("crop", CropParams).margin)
        sources = [source for source, _ in facts.sources]
        described = describe_croissant(sources, facts.layout, data.levels, count_parts(Path()), DATA_CARD.name)
        DATA_CARD.write_text(data_card(facts), encoding="utf-8")
        write_json(CROISSANT, described)
    click.echo(f"data_card: {', '.join(source.name for source in sources)}; {DATA_CARD}, {CROISSANT}")


if __name__ == "__main__":
    main()
