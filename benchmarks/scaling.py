"""What more cores would gain, from what one and a few of them took."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

# Cores that a machine for this may have; what they gain is computed.
LARGER = (4, 8)


class Run(NamedTuple):
    """One stage: seconds from start to end of its process, of these outside of shards, processor's, peak memory."""

    seconds: float
    alone: float
    processor: float
    peak_mb: float


class Work(NamedTuple):
    """A stage's seconds on one core: in this process alone, and in shards, which other processes can share."""

    alone: float
    shared: float


def seconds_of(work: Work, processes: int, loss: float = 1.0) -> float:
    """Seconds on so many cores (Amdahl 1967), each `loss` times slower than the only one that is at work."""
    return work.alone + work.shared * loss / processes


def loss_of(work: Work, processes: int, seconds: float) -> float:
    """How many times slower each of some cores was, starting its process included, given what they took together."""
    return (seconds - work.alone) * processes / work.shared


class Gains(NamedTuple):
    """Of some stages: seconds on one core, of these alone; gains measured, by the processor's seconds, and on paper."""

    seconds: float
    alone: float
    measured: float
    processor: float
    paper: dict[int, tuple[float, float]]


def gains_of(ones: Sequence[Run], manys: Sequence[Run], cores: int) -> Gains:
    """Gains of some stages run one after the other; on paper without loss, and with that of the measured cores."""
    seconds, alone = sum(run.seconds for run in ones), sum(run.alone for run in ones)
    work = Work(alone, seconds - alone)
    together, processor = sum(run.seconds for run in manys), sum(run.processor for run in manys)
    undisturbed = seconds_of(Work(alone, processor - alone), cores)
    loss = loss_of(work, cores, together)
    counts = (cores, *(count for count in LARGER if count > cores))
    paper = {count: (seconds / seconds_of(work, count), seconds / seconds_of(work, count, loss)) for count in counts}
    return Gains(seconds, alone, seconds / together, sum(run.processor for run in ones) / undisturbed, paper)


def report_gains(one: Mapping[str, Run], many: Mapping[str, Run], summed: Sequence[str], cores: int) -> Gains:
    """Print what more cores gain of each stage; the gains of the summed ones together."""
    click.echo(
        "Seconds on one core, and of these outside of shards. Gains: measured; by the processor's seconds, which work\n"
        "of others on this machine does not lengthen; on paper, without loss and, in brackets, with that of the\n"
        "measured cores."
    )
    whole = gains_of([one[stage] for stage in summed], [many[stage] for stage in summed], cores)
    heads = "".join(f"{f'{count} on paper':>15s}" for count in whole.paper)
    click.echo(f"{'stage':14s} {'1 core':>8s} {'outside':>8s} {f'{cores} cores':>8s} {'processor':>9s}{heads}")
    for name, gains in {**{s: gains_of([one[s]], [many[s]], cores) for s in one}, "samples": whole}.items():
        paper = "".join(f"{best:8.2f} ({lossy:4.2f})" for best, lossy in gains.paper.values())
        click.echo(
            f"{name:14s} {gains.seconds:7.1f}s {gains.alone:7.2f}s {gains.measured:8.2f} {gains.processor:9.2f}{paper}"
        )
    return whole


def medians(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Median of each value over rounds."""
    return [statistics.median(values) for values in zip(*rounds, strict=True)]
