"""Print what a run came to: the metrics of the main model, and where the report is. A command, not a stage."""

from collections.abc import Iterator

import click

from model.backend import check_backend
from stages.project.json_file import is_number, read_json
from stages.project.paths import EVALUATION, MAIN_PAGE, MAIN_RUN, SETTINGS, THESIS_METRICS, THESIS_PAGE
from stages.project.sentences import sentences
from stages.project.strict import check
from stages.project.variants import settings_of

METRICS = (EVALUATION, THESIS_METRICS)
REPORTS = (MAIN_PAGE, THESIS_PAGE)


@click.command()
def main() -> None:
    """Print the metrics as a table, and the path of each report that there is."""
    with sentences():
        # Where nothing is stale no stage looks at the environment.
        if SETTINGS.is_dir():
            check_backend(settings_of(MAIN_RUN).train.backend)
        for path in METRICS:
            if path.is_file():
                rows = list(flatten(read_json(path)))
                wrong = [name for name, value in rows if not is_number(value)]
                check(not wrong, f"{path} has no finite number as {', '.join(wrong)}: run the stage that makes it.")
                width = max((len(name) for name, _ in rows), default=0)
                click.echo(f"\n{path}")
                for name, value in rows:
                    click.echo(f"  {name:<{width}}  {value:>10g}")
    for path in REPORTS:
        if path.is_file():
            click.echo(f"\nreport: {path.resolve()}")


def flatten(values: dict, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Names of nested metrics joined by dots, with their numbers."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    main()
