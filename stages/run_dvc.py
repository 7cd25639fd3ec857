"""Run DVC, and end a run that fails with what to do. A command, not a stage.

``python -m stages.run_dvc repro -P``, which make runs instead of ``dvc repro -P``: the same, but for how it fails.
"""

import logging
from collections.abc import Callable

import click

from stages.project.failures import STOPPED, Failure, explain, keep_traceback

NOT_MADE = "No file hash info found"


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(arguments: tuple[str, ...]) -> None:
    """Run DVC with ARGUMENTS."""
    from dvc.cli import DvcParserError, parse_args
    from dvc.repo.open_repo import clean_repos
    from dvc.ui import ui

    logging.getLogger("dvc.rwlock").addFilter(once("The run before was killed; the locks that it held are removed."))
    # Of an experiment in a new clone, for each output that no run has made yet.
    logging.getLogger("dvc_data.index.checkout").addFilter(lambda record: NOT_MADE not in str(record.msg))
    try:
        parsed = parse_args(list(arguments))
        ui.enable()
        status = parsed.func(parsed).do_run()
    except DvcParserError:  # it has printed how it is used
        status = 2
    except KeyboardInterrupt:
        status = _tell(STOPPED)
    except Exception as error:
        status = _tell(explain(error) or Failure(f"Error: {keep_traceback('dvc', error)}"))
    finally:
        clean_repos()
    raise SystemExit(status)


def once(sentence: str) -> Callable[[logging.LogRecord], bool]:
    """Let a logger say `sentence` for the first warning, and nothing for the others: one for each file of a stage."""
    told: list[logging.LogRecord] = []

    def say(record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        record.msg, record.args = sentence, ()
        told.append(record)
        return len(told) == 1

    return say


def _tell(failure: Failure) -> int:
    click.echo(failure.text, err=True)
    return failure.status


if __name__ == "__main__":
    main()
