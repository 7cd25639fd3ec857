"""A rehearsal of 300W-LP: more and more real pairs, under new names, through the data stages (`make bench-rehearsal`).

Ten subsets, as 300W-LP has with its mirror images and AFLW2000-3D. Before each number of samples `make estimate` says
what they will take. Prints for each stage what it takes a sample in its shards, all that its processes take, start
included, the most memory of one, which should stay, and what it writes, beside what it was told to; kills a stage in
its middle, lets it go on, and compares the bytes. Ends with one line of JSON.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from benchmarks.data import LEVELLED, ROOT, repeat_pairs, run_alone, run_stage
from benchmarks.data import SUBSET as PAIRS_OF
from benchmarks.data_stages import ONCE, Stage, list_stages, samples_of
from benchmarks.estimate import parts_of
from pipeline.store.shards import count_samples, list_shards
from stages.project.params_file import read_params
from stages.project.paths import LEARN, subset_folder

SUBSETS = ("AFW", "AFW_Flip", "HELEN", "HELEN_Flip", "IBUG", "IBUG_Flip", "LFPW", "LFPW_Flip", "AFLW2000", "LAST")
LEVEL = "on"
# One copy beside each original, of the thesis's policy: its three would take longer than all other stages together.
POLICY, COPIES = "full", 1
# Whole shards at which a stage is killed.
KILLED_AT = 3
ALL_STAGES, SUMMED, TOLD = "all", ("s", "gb"), "told_{}"
HEADS = "  made           ms processor_ms     clock_ms       s (told)    MB of one (told)   GB (told)"


@click.command()
@click.option("--face-data", type=Path, default=lambda: os.environ.get("FACE_DATA", "../shared/data"))
@click.option("--samples", multiple=True, type=int, default=(5000, 10000, 20000), show_default=True)
@click.option("--size", default=128, show_default=True, help="Side of crops and maps in px.")
@click.option("--folder", type=Path, default=None, help="Where to work; a temporary folder by default.")
def main(face_data: Path, samples: tuple[int, ...], size: int, folder: Path | None) -> None:
    """Run the data stages of samples of several numbers."""
    told: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        every = Path(name) / "every"
        count = repeat_pairs(face_data.resolve(), every, -(-max(samples) // 1499))
        click.echo(f"{count:,} pairs laid out")
        click.echo(f"{'samples':>7} {'stage':17} {HEADS}")
        for number in samples:
            project = Path(name) / str(number)
            stages = list_stages(lay_out(every, project, number, size))
            told[str(number)] = rehearse(project, number, stages)
            if number != max(samples):
                shutil.rmtree(project)
        same = kill_and_go_on(Path(name) / str(max(samples)))
    click.echo(json.dumps(told | {"same_bytes_after_a_kill": same}))


def lay_out(every: Path, project: Path, number: int, size: int) -> dict[str, Any]:
    """Share some of the pairs among the subsets, and write the params of a project of them.

    A photo has copies in all of the subsets, of one identity: so a part of each is tested, and not one of them.
    """
    photos = sorted((every / PAIRS_OF).glob("*.jpg"))[:number]
    for place, subset in enumerate(SUBSETS):
        (project / "raw" / subset).mkdir(parents=True)
        for photo in photos[place :: len(SUBSETS)]:
            for path in (photo, photo.with_suffix(".mat")):
                (project / "raw" / subset / path.name).symlink_to(path.resolve())
    (project / "raw/bfm").symlink_to((every / "bfm").resolve())
    params = read_params(ROOT / "params.yaml")
    subsets = {name: {"folder": name, "use": LEARN, "boxes": "meshes"} for name in SUBSETS}
    params["data"] |= {"root": "raw", "subsets": subsets, "size": size, "levels": [LEVEL]}
    params["split"]["tested"] = list(SUBSETS)
    params["augmented"]["policies"] = {POLICY: params["augmented"]["policies"][POLICY] | {"copies": COPIES}}
    params["train"]["policy"] = POLICY
    params["compute"]["workers"] = 1
    YAML().dump(params, project / "params.yaml")
    return params


def rehearse(project: Path, number: int, stages: dict[str, Stage]) -> dict[str, dict[str, float]]:
    """Estimate what the stages will take, and run each on one core, all subsets."""
    expected = estimate(project)
    for name in ONCE:
        run_stage(project, [name])
    told = {}
    for name, stage in stages.items():
        runs = [run_alone(project, command) for command in stage.runs]
        shards = [path for folder in stage.folders for path in list_shards(project / folder)]
        made = sum(map(count_samples, shards)) if shards else samples_of(stage, parts_of(project))
        seconds = sum(run.seconds for run in runs)
        in_shards = sum(run.seconds - run.alone for run in runs) if shards else seconds
        told[name] = {
            "samples": made,
            "ms": round(1e3 * in_shards / made, 3),
            "processor_ms": round(1e3 * sum(run.processor for run in runs) / made, 3),
            "clock_ms": round(1e3 * seconds / made, 3),
            "s": round(seconds, 1),
            "peak_mb": round(max(run.peak_mb for run in runs), 1),
            "gb": round(sum(path.stat().st_size for path in shards) / 1e9, 3),
            **expected[name],
        }
        click.echo(row(number, name, told[name]))
    told[ALL_STAGES] = {
        "samples": number,
        **{key: round(sum(each[key] for each in told.values()), 3) for key in (*SUMMED, *map(TOLD.format, SUMMED))},
        **{key: max(each[key] for each in told.values()) for key in ("peak_mb", TOLD.format("peak_mb"))},
    }
    click.echo(row(number, ALL_STAGES, told[ALL_STAGES]))
    return told


def estimate(project: Path) -> dict[str, dict[str, float]]:
    """What `benchmarks.estimate` tells of each stage, on one process: the middle of its two ends."""
    command = [sys.executable, "-m", "benchmarks.estimate"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if said.returncode:
        raise click.ClickException(f"The estimate failed: {said.stderr.strip()}")
    return {
        name: {
            TOLD.format("s"): round((work["low_s"] + work["high_s"]) / 2, 1),
            TOLD.format("gb"): round(work["size"] / 1e9, 3),
            TOLD.format("peak_mb"): round(work["peak_mb"], 1),
        }
        for name, work in json.loads(said.stdout.splitlines()[-1]).items()
    }


def row(number: int, name: str, values: dict[str, float]) -> str:
    """A line of the table: what was found, and in brackets what was told beforehand."""
    pairs = (
        f"{values[key]:{wide}} ({values[TOLD.format(key)]})" for key, wide in (("s", 7), ("peak_mb", 7), ("gb", 6))
    )
    each = " ".join(f"{values[key]:12}" if key in values else " " * 12 for key in ("ms", "processor_ms", "clock_ms"))
    return f"{number:7,} {name:17} {values['samples']:7} {each} {' '.join(f'{pair:18}' for pair in pairs)}".rstrip()


def digest(folder: Path) -> str:
    """SHA-256 of all files of a folder, in their order."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def folder_of(stage: str, subset: str) -> Path:
    """Folder of a stage's shards."""
    return subset_folder(stage, LEARN, subset, LEVEL if stage in LEVELLED else None)


def kill_and_go_on(project: Path) -> bool | None:
    """Kill a stage with all that it started once it has whole shards; whether it then ends with the same bytes.

    None where it ended before.
    """
    folder = project / folder_of("position_maps", SUBSETS[0])
    before, count = digest(folder), len(list_shards(folder))
    for path in (folder, project / "work"):
        shutil.rmtree(path)
    command = [sys.executable, "-m", "stages.position_maps", SUBSETS[0]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list((project / "work/shards").rglob("*.h5"))) < KILLED_AT:
        time.sleep(0.01)
    if process.poll() is not None:
        click.echo("The stage ended before it could be killed: take more samples.")
        return None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list((project / "work/shards").rglob("*.h5")))
    run_stage(project, ["position_maps", SUBSETS[0]])
    same = digest(folder) == before
    told = "the same bytes" if same else "OTHER BYTES"
    click.echo(f"position_maps killed when {kept} of {count} shards were whole, and run again: {told}")
    return same


if __name__ == "__main__":
    main()
