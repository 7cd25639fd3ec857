"""The console command of the package, `uvface`: a command of its own for each thing that is done to photos."""

import importlib
import os

import click

from ..store.sentences import INSTALLED

COMMANDS = ("reconstruct", "track", "edit", "swap")


class _Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"..{cmd_name}", __name__).main
        return command


@click.command(cls=_Commands)
@click.version_option(package_name=INSTALLED)
def main() -> None:
    """3D faces from single photos."""


def run() -> None:
    """Run the command that the arguments of the process name."""
    # Once numpy and OpenCV are imported it is too late: the threads of their OpenBLAS keep the cores busy as they wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main(prog_name="uvface")
