"""Print how much training params.yaml asks for, before it begins. A command, not a stage."""

from typing import Any

import click

from stages.project.params import read_params, sentences
from stages.project.variants import resolve_variant


@click.command()
def main() -> None:
    """Print how many trainings the main run and all variants of the thesis are, and of how many passes."""
    with sentences():
        trainings, passes = count_trainings(read_params())
    click.echo(
        f"Up to {trainings} trainings, {passes:,} passes of a sample in all. What is unchanged is not trained again, "
        "and a training says when it ends how many passes a second it made."
    )


def count_trainings(params: dict[str, Any]) -> tuple[int, int]:
    """Count the networks that are trained, one a seed of the main run and of each variant, and their passes.

    Parameters
    ----------
    params : dict
        All of params.yaml.

    Returns
    -------
    trainings, passes : int
        Passes at most: patience may end a training sooner.
    """
    runs = [resolve_variant(params, None).train]
    runs += [resolve_variant(params, name).train for name in params["thesis"]["variants"]]
    trained = [run for run in runs if run.budget]
    return sum(len(run.seeds) for run in trained), sum(len(run.seeds) * run.budget for run in trained)


if __name__ == "__main__":
    main()
