"""Two training steps of each run of the thesis's scale, and what the whole would take (`make thesis-scale-dry`).

Each is a process of its own, on TensorFlow, with made-up samples of the full size and a made-up face model as large as
BFM. The first of two steps of a phase is traced, the second counts. Runs that differ in their losses and samples alone
take the same, and are made once; so is each phase but the last for each network. Prints a table in Markdown.
"""

import dataclasses
import os
import resource
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import click
import numpy as np
import scipy.sparse

from benchmarks.model import answer, make_shards
from model.feed import Feed
from model.regression import Regression, make_regression
from model.settings import RANDOM, NetworkConfig
from pipeline.face.face_model import FaceModel
from pipeline.store.checks import check
from pipeline.store.samples import locate
from pipeline.store.sentences import sentences
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling
from stages.project.overrides import override, read_overrides
from stages.project.params_file import read_params
from stages.project.paths import MAIN_RUN
from stages.project.variants import VariantSettings, resolve_variant

# Of BFM.
VERTICES, SHAPES, EXPRESSIONS = 53215, 199, 29
COLUMNS = ("run", "seeds", "weights", "memory", "core seconds a step", "steps", "core hours")
# What the time of a phase's step depends on, and what the memory of a run does.
PhaseOf = tuple[NetworkConfig, str]
Kind = tuple[NetworkConfig, str, bool]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What two steps of a run took.

    Attributes
    ----------
    weights : int
    peak_bytes : int
        Of memory that its process held.
    phases : tuple of str
        All phases of the run.
    seconds : mapping of str to float
        Processor time of all cores that a step takes, of the phases that were timed.
    """

    weights: int
    peak_bytes: int
    phases: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Whole:
    """What a run takes from its first step to its last, over all its seeds; without validation and prediction.

    Attributes
    ----------
    step_seconds : tuple of float
        Processor time of a step, a phase each.
    steps : int
        Of all phases, of one seed.
    core_hours : float
    """

    step_seconds: tuple[float, ...]
    steps: int
    core_hours: float


def extrapolate(settings: VariantSettings, step_seconds: tuple[float, ...]) -> Whole:
    """Extrapolate steps of each phase, which share the budget evenly, to a whole run that ends no phase sooner."""
    train = settings.train
    steps = train.budget / train.batch_size
    hours = len(train.seeds) * steps * sum(step_seconds) / len(step_seconds) / 3600
    return Whole(step_seconds, round(steps), hours)


def make_task(settings: VariantSettings, size: int) -> Regression:
    """Make what a run's network regresses, with made-up places of the face and a face model as large as BFM."""
    rng = np.random.default_rng(0)
    texels = size * size
    mask = np.zeros((size, size), np.bool_)
    mask[20:-20, 20:-20] = True
    corners = rng.integers(0, VERTICES, 3 * texels, np.int32)
    thirds = np.full(3 * texels, 1 / 3, np.float32)
    operator = scipy.sparse.csr_array((thirds, corners, np.arange(0, 3 * texels + 1, 3)), (texels, VERTICES))
    landmarks = rng.integers(20, size - 20, (68, 2)).astype(np.int32)
    layout = UVLayout(rng.random((VERTICES, 2)), operator, mask, mask.astype(np.float32), landmarks)
    mean, shape, expression = (rng.random((VERTICES, 3, count), np.float32) for count in (1, SHAPES, EXPRESSIONS))
    face = FaceModel(mean[:, :, 0], shape, expression, np.zeros((0, 3), np.int32), np.arange(68, dtype=np.int32))
    return make_regression(settings.network, settings.loss, Scaling(settings.train.scaling, size), layout, face)


def measure(connection: Connection, folder: Path, settings: VariantSettings, size: int, known: set[str]) -> None:
    """Make two steps of the run's last phase, and of those of the others that are not known; sends `Measured`."""
    from model.backend import prepare_keras

    config = settings.train
    prepare_keras(config.precision, config.xla)
    from model import recipe, training
    from model.step import stored

    task = make_task(settings, size)
    model = task.build()
    plan = training.phases(config.strategy, "brief" in model.output, config.init != RANDOM)
    batches = Feed(locate([folder / "00000.h5"]), config.batch_size, task.to_label).endless(seed=0, start=0)
    late = np.zeros(config.batch_size, np.float32)
    seconds = {}
    for phase in plan:
        if phase.name in known and phase is not plan[-1]:
            continue
        step = training.make_step(model, phase, task.make_losses(model), stored, None)
        training.compile_step(step, phase, config, training.Rounds(1, 2), recipe.make_rate(config, 2, 2), task.unit)
        for _ in range(2):
            batch, start = next(batches) | {"late": late}, time.process_time()
            step.train_on_batch(batch, dict.fromkeys(step.network.output, late))
            seconds[phase.name] = time.process_time() - start
    batches.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connection.send(Measured(model.count_params(), peak, tuple(phase.name for phase in plan), seconds))


def table_row(run: str, settings: VariantSettings, measured: Measured, whole: Whole) -> str:
    """Write a row of the table: steps of the phases in their order."""
    cells = (
        run,
        len(settings.train.seeds),
        f"{measured.weights / 1e6:.1f} M",
        f"{measured.peak_bytes / 1e9:.1f} GB",
        ", ".join(f"{seconds:.1f}" for seconds in whole.step_seconds),
        f"{whole.steps:,}",
        f"{whole.core_hours:,.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


@click.command()
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
@click.option("--run", "wanted", multiple=True, help="A variant to run alone; all by default.")
def main(folder: Path | None, wanted: tuple[str, ...]) -> None:
    """Make two training steps of each run of the thesis's scale, and say what memory and time the whole takes."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with sentences():
        params = override(read_params(), read_overrides())
        runs = {MAIN_RUN: resolve_variant(params, None)}
        runs |= {name: resolve_variant(params, name) for name in params["thesis"]["variants"]}
        unknown = [name for name in wanted if name not in runs]
        check(not unknown, f"There is no run {', '.join(unknown)}; there are {', '.join(runs)}.")
        runs = {name: settings for name, settings in runs.items() if name in (wanted or runs)}
    click.echo(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    step_seconds: dict[PhaseOf, float] = {}
    kinds: dict[Kind, Measured] = {}
    hours = 0.0
    with tempfile.TemporaryDirectory(dir=folder) as name:
        make_shards(Path(name))
        for run, settings in runs.items():
            if not settings.train.budget:
                continue
            network, train = settings.network, settings.train
            kind = network, train.strategy, train.init == RANDOM
            if kind not in kinds:
                known = {phase for other, phase in step_seconds if other == network}
                try:
                    kinds[kind] = answer(measure, Path(name), settings, params["data"]["size"], known)
                except EOFError as error:
                    sentence = f"{run} was ended from outside: too little memory for it here?"
                    raise click.ClickException(sentence) from error
                timed = {(network, phase): value for phase, value in kinds[kind].seconds.items()}
                step_seconds = timed | step_seconds
            measured = kinds[kind]
            whole = extrapolate(settings, tuple(step_seconds[network, phase] for phase in measured.phases))
            click.echo(table_row(settings.variant, settings, measured, whole))
            hours += whole.core_hours
    memory = max(measured.peak_bytes for measured in kinds.values())
    click.echo(
        f"\nIn all {hours:,.0f} core hours of training, {hours / 8766:,.1f} years of one core, and at most "
        f"{memory / 1e9:.1f} GB of memory for a run; validation, prediction and the data's stages come on top."
    )


if __name__ == "__main__":
    main()
