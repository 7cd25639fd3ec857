"""Stage `train`: a run's network, from its augmented samples.

``python -m stages.train`` trains the main run, ``python -m stages.train NAME`` another variant of params.yaml.
"""

import time

import click

from model.feed import Feed, OnlineFeed
from pipeline.store.resume import end, open_work
from pipeline.store.sentences import sentences
from pipeline.uv.position_map import load_uv
from stages.project.beginning import WORK, begin_stage
from stages.project.paths import LAYOUT, MAIN_RUN, RUNS, weights_of
from stages.project.runs import choose_regression, find_samples
from stages.project.training import checkpoint_key, train_seeds
from stages.project.training_page import training_page
from stages.project.variants import settings_of


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Train the main run, or VARIANT."""
    start = time.perf_counter()
    run = variant or MAIN_RUN
    with sentences():
        outputs = [RUNS / run / name for name in ("history.csv", "seeds.csv", "seeds")]
        begin_stage(f"train@{run}", weights_of(run), *outputs)
        settings, layout = settings_of(run), load_uv(LAYOUT)
        samples = find_samples(settings.train)
        task = choose_regression(settings, layout, samples["train"])
        validation = Feed(samples["validation"], settings.train.batch_size, task.to_label)
        training: Feed | OnlineFeed = Feed(samples["train"], settings.train.batch_size, task.to_label)
        if settings.augmentation:
            training = OnlineFeed(
                samples["train"], settings.train.batch_size, settings.augmentation, layout.size, task.to_online_label
            )
        (RUNS / run).mkdir(parents=True, exist_ok=True)
        # Beside the work of the data stages, the last of which ends its own when training begins.
        work = WORK / f"train@{run}"
        open_work(work)
        checkpoint = work / checkpoint_key(settings, layout.size, [*samples["train"], *samples["validation"]])
        config = settings.train
        with training_page(run, settings.variant, config.seeds, len(config.seeds) * config.budget) as show:
            trained = train_seeds(run, settings, layout, task, training, validation, checkpoint, show)
        end(work)
    seconds = time.perf_counter() - start
    seen = trained.history[-1]["passes"] if trained.history else 0
    click.echo(
        f"train: {settings.variant}, {len(samples['train'])} samples in, {len(samples['validation'])} to validate on; "
        f"validation loss {trained.best_loss:.3g} after {seen} passes of a sample, {seen / seconds:.0f} a second with "
        "start and validation"
    )


if __name__ == "__main__":
    main()
