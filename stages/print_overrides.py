"""Print the thesis's scale as arguments of ``dvc exp run``. A command, not a stage."""

import click

from stages.print_trainings import count_trainings
from stages.project.overrides import arguments, override, read_overrides
from stages.project.params import read_params, sentences


@click.command()
def main() -> None:
    """Print an ``-S`` for each parameter that the thesis's scale sets, and on stderr how much training that is."""
    with sentences():
        params, lines = read_params(), read_overrides()
        options = [word for argument in arguments(params, lines) for word in ("-S", argument)]
        _, trainings, passes = count_trainings(override(params, lines))
    click.echo(f"The thesis's scale: up to {trainings} trainings, {passes:,} passes of a sample in all.", err=True)
    click.echo("\n".join(options))


if __name__ == "__main__":
    main()
