"""Print a file of overrides as arguments of ``dvc exp run``. A command, not a stage."""

from pathlib import Path

import click

from pipeline.store.sentences import sentences
from stages.print_trainings import count_trainings
from stages.project.overrides import arguments, override, read_overrides
from stages.project.params_file import read_params


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def main(path: Path) -> None:
    """Print an ``-S`` for each parameter that PATH sets, and on stderr how much training that is."""
    with sentences():
        params, lines = read_params(), read_overrides(path)
        options = [word for argument in arguments(params, lines) for word in ("-S", argument)]
        _, trainings, passes = count_trainings(override(params, lines))
    click.echo(f"{path}: up to {trainings} trainings, {passes:,} passes of a sample in all.", err=True)
    click.echo("\n".join(options))


if __name__ == "__main__":
    main()
