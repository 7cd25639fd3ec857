"""Print a project's results as tables in Markdown. A command, not a stage."""

from pathlib import Path

import click

from pipeline.store.sentences import sentences
from stages.pages.results_text import results_text
from stages.pages.thesis_reference import read_reference


@click.command()
@click.argument("root", type=click.Path(path_type=Path), default=".")
def main(root: Path) -> None:
    """Print the tables of variants and of the thesis's claims of the project in ROOT, after `make thesis` there."""
    with sentences():
        click.echo(results_text(root, read_reference().claims), nl=False)


if __name__ == "__main__":
    main()
