"""Stage `train`: a run's network, from its augmented samples.

``python -m stages.train`` trains the main run, ``python -m stages.train NAME`` another variant of params.yaml.
"""

import time

import click

from model.feed import Feed
from pipeline.store.resume import end, sole_writer
from pipeline.uv.position_map import load_uv
from stages.project.params import sentences
from stages.project.paths import LAYOUT, MAIN_RUN, RUNS
from stages.project.runs import choose_regression, find_samples
from stages.project.training import WORK, checkpoint_key, train_seeds
from stages.project.variants import settings_of


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Train the main run, or VARIANT."""
    start = time.perf_counter()
    run = variant or MAIN_RUN
    with sentences():
        settings, layout = settings_of(run), load_uv(LAYOUT)
        samples = find_samples(settings.train)
        task = choose_regression(settings, layout, samples["train"])
        feeds = {
            part: Feed(found, settings.train.batch_size, task.datasets, task.to_label)
            for part, found in samples.items()
        }
        (RUNS / run).mkdir(parents=True, exist_ok=True)
        work = WORK / f"train@{run}"
        with sole_writer(work, click.echo):
            checkpoint = work / checkpoint_key(settings, layout.size, feeds)
            trained = train_seeds(run, settings, layout, task, feeds, checkpoint)
            end(work)
    seconds, seen = time.perf_counter() - start, len(trained.history) * len(samples["train"])
    click.echo(
        f"train: {settings.variant}, {len(samples['train'])} samples in, {len(samples['validation'])} to validate on; "
        f"validation loss {trained.best_loss:.3g} after {len(trained.history)} epochs; {seen / seconds:.0f} samples/s, "
        f"{100 * trained.waiting:.1f} % of the steps' time spent waiting for samples"
    )


if __name__ == "__main__":
    main()
