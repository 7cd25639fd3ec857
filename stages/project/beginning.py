"""How every stage begins: alone at its outputs, and with none of them."""

import os
import shutil
from pathlib import Path

import click

from pipeline.store.files import naming
from pipeline.store.parent import end_with_parent
from pipeline.store.resume import sole_writer
from stages.project.failures import end_briefly
from stages.project.lock_files import keep_locks

WORK = Path("work/shards")


def begin_stage(stage: str, *outputs: Path) -> None:
    """Be the only process that makes a stage's outputs until the command ends, and begin with none of them.

    DVC removes the outputs before it starts a stage, but a process of the same stage that outlives the DVC that started
    it writes on until it has ended.

    Parameters
    ----------
    stage : str
        Name, as in ``meshes@AFW``.
    outputs : Path
        Files and folders, the `outs` of dvc.yaml.

    Raises
    ------
    OSError
        If they can't be removed.
    """
    if "DVC_STAGE" in os.environ:  # DVC sets it for what it runs
        end_with_parent()
        keep_locks()
        click.get_current_context().with_resource(end_briefly(stage))
    click.get_current_context().with_resource(sole_writer(WORK / stage, click.echo))
    for output in outputs:
        with naming(output):
            if output.is_dir() and not output.is_symlink():
                shutil.rmtree(output)
            else:
                output.unlink(missing_ok=True)
