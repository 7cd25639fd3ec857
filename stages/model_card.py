"""Stage `model_card`: what the main run's network is, as a card beside its bundle, and as a page."""

from collections import Counter
from pathlib import Path

import click
import h5py

from pipeline.photo.bundle import load_bundle
from pipeline.store.checkout import BUNDLE
from pipeline.store.files import digest_file
from pipeline.store.sentences import sentences
from stages.pages.card_page import card_page
from stages.pages.model_card import CardData, CardFiles, model_card
from stages.project.beginning import begin_stage
from stages.project.occlusion import read_shares
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.paths import DATA_CARD, DATA_PAGE, DEMO, MAIN_RUN, MODEL_CARD, MODEL_PAGE, weights_of
from stages.project.results import read_results
from stages.project.samples import count_parts, read_part, subset_of
from stages.project.variants import settings_of

FOOTER = f"Written by the stage model_card, as {MODEL_CARD}."
# Where the card's links lead from its page.
LINKS = {f"../../{DATA_CARD}": DATA_PAGE.name}


def count_numbers(path: Path) -> int:
    """Count the numbers in a file of weights."""
    sizes: list[int] = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)


def describe_files(weights: Path, path: Path) -> CardFiles:
    """Describe the file of the weights and the bundle of a run."""
    bundle = load_bundle(path)
    facts = bundle.network.facts if bundle.network else None
    return CardFiles(count_numbers(weights), digest_file(weights), digest_file(path), facts, bundle.about["licences"])


@click.command()
def main() -> None:
    """Write the card of the main run."""
    with sentences():
        begin_stage("model_card", MODEL_CARD, MODEL_PAGE)
        settings, data = settings_of(MAIN_RUN), read("data", DataParams)
        learnt = Counter(map(subset_of, read_part(Path(), "train")))
        subsets = [(name, subset.use, learnt[name]) for name, subset in data.subsets.items()]
        faces = CardData(
            Path(data.root) == DEMO, data.size, read("crop", CropParams).margin, subsets, count_parts(Path())
        )
        results = read_results(Path(), settings.variant, main=True)
        files = describe_files(weights_of(MAIN_RUN), BUNDLE)
        card = model_card(settings, faces, results, files, read_shares(Path(), MAIN_RUN))
        MODEL_CARD.write_text(card, encoding="utf-8")
        MODEL_PAGE.parent.mkdir(exist_ok=True)
        MODEL_PAGE.write_text(card_page(card, MODEL_PAGE.name, FOOTER, LINKS), encoding="utf-8")
    click.echo(f"model_card: {settings.variant}, {results.metrics['images']} test images; {MODEL_CARD}, {MODEL_PAGE}")


if __name__ == "__main__":
    main()
