"""Follow a published number back to the files it was made from. A command, not a stage.

``python -m stages.trace SAMPLE`` shows what the main run says of a test sample and where each step of it lies, down to
the raw photo and annotation, whose hash is computed anew and compared with what every shard recorded.
"""

from pathlib import Path

import click

from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import scores_of
from stages.project.tracing import trace
from stages.project.variants import read_variant


@click.command()
@click.argument("sample")
@click.argument("variant", required=False)
def main(sample: str, variant: str | None) -> None:
    """Show where every step of the test sample SAMPLE lies, for the main run or the ablation VARIANT."""
    with sentences():
        settings = read_variant(variant)
        check(
            settings.network.regresses != "volume",
            f"{settings.variant} predicts volumes, whose only error is in {scores_of(settings.variant)}: name a run "
            "that predicts position maps.",
        )
        data = read("data", DataParams)
        rows = trace(Path(), data, settings.variant, variant is None, settings.train.level, sample)
    width = max(len(place) for place, _ in rows)
    for place, text in rows:
        click.echo(f"{place:<{width}}  {text}")


if __name__ == "__main__":
    main()
