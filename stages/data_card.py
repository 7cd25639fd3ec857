"""Stage `data_card`: what the prepared set is, for people as a card and its page, for machines as Croissant."""

from pathlib import Path

import click

from pipeline.face.face_model import load_model
from pipeline.store.sentences import sentences
from stages.pages.card_page import card_page
from stages.pages.croissant import describe_croissant
from stages.pages.data_card import DataFacts, data_card
from stages.project.beginning import begin_stage
from stages.project.data_facts import read_layout, read_members, read_part_facts, read_reasons
from stages.project.data_sources import list_sources
from stages.project.json_file import read_json, write_json
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import CROISSANT, DATA_CARD, DATA_COUNTS, DATA_METRICS, DATA_PAGE, DEMO, MODEL
from stages.project.samples import count_parts

FOOTER = "Written by the stage data_card, as data/data_card.md; for machines, data/croissant.json says the same."


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
        begin_stage("data_card", DATA_CARD, CROISSANT, DATA_PAGE)
        data = read("data", DataParams)
        facts = read_facts(Path(), data, read("crop", CropParams).margin)
        sources = [source for source, _ in facts.sources]
        described = describe_croissant(sources, facts.layout, data.levels, count_parts(Path()), DATA_CARD.name)
        card = data_card(facts)
        DATA_CARD.write_text(card, encoding="utf-8")
        DATA_PAGE.parent.mkdir(exist_ok=True)
        DATA_PAGE.write_text(card_page(card, DATA_PAGE.name, FOOTER, {}), encoding="utf-8")
        write_json(CROISSANT, described)
    click.echo(f"data_card: {', '.join(source.name for source in sources)}; {DATA_CARD}, {CROISSANT}, {DATA_PAGE}")


if __name__ == "__main__":
    main()
