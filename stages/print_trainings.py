"""Print how much training params.yaml asks for, before it begins. A command, not a stage."""

from typing import Any, NamedTuple

import click

from pipeline.store.sentences import sentences
from stages.project.params_file import read_params
from stages.project.variants import resolve_variant

# At 64 px and width 8, as on the embedded set, two cores make about so many passes a second in the mean of all
# variants, and take so many seconds for a run's starts, predictions and scores: from the processor time of a few. What
# is no training, as the data, the survey, covered faces and the pages, is the rest of the 43 minutes of the whole.
PASSES_A_SECOND, SECONDS_A_RUN, SECONDS_OF_THE_REST = 60, 25, 600
SEEDS = [1, 2, 3]


class Work(NamedTuple):
    """What the main run and the variants of the thesis ask for.

    Attributes
    ----------
    runs : int
        The main one and all variants.
    trainings, passes : int
        See `count_trainings`.
    """

    runs: int
    trainings: int
    passes: int

    @property
    def text(self) -> str:
        """In words, with the time that it takes."""
        seconds = self.passes / PASSES_A_SECOND + self.runs * SECONDS_A_RUN + SECONDS_OF_THE_REST
        return f"up to {self.trainings} trainings, {self.passes:,} passes of a sample, some {seconds / 60:.0f} minutes"


@click.command()
def main() -> None:
    """Print how many trainings the main run and all variants of the thesis are, of how many passes, and how long."""
    with sentences():
        params = read_params()
        asked = count_trainings(params)
        every = count_trainings(params | {"train": params["train"] | {"seeds": SEEDS}})
    click.echo(
        f"make thesis: {asked.text}; make thesis-seeds, three seeds of every run: {every.text}. The time is the "
        "processor's, of two cores at 64 px and width 8. What is unchanged is not trained again, and a training says "
        "when it ends how many passes a second it made."
    )


def count_trainings(params: dict[str, Any]) -> Work:
    """Count the networks that are trained, one a seed of the main run and of each variant, and their passes.

    Parameters
    ----------
    params : dict
        All of params.yaml.

    Returns
    -------
    Work
        Passes at most: patience may end a training sooner.
    """
    runs = [resolve_variant(params, None).train]
    runs += [resolve_variant(params, name).train for name in params["thesis"]["variants"]]
    trained = [run for run in runs if run.budget]
    trainings, passes = sum(len(run.seeds) for run in trained), sum(len(run.seeds) * run.budget for run in trained)
    return Work(len(runs), trainings, passes)


if __name__ == "__main__":
    main()
