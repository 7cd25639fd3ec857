"""A rehearsal of 300W-LP: more and more real pairs, under new names, through the data stages (`make bench-rehearsal`).

Ten subsets, as 300W-LP has with its mirror images and AFLW2000-3D. Prints for each number of samples what a stage takes
a sample in its shards, all that its processes take, start included, the most memory of one, which should stay, and what
it writes; kills a stage in its middle, lets it go on, and compares the bytes. Ends with one line of JSON.
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

import click
from ruamel.yaml import YAML

from benchmarks.data import LEVELLED, ROOT, SAMPLE_STAGES, repeat_pairs, run_alone, run_stage
from benchmarks.data import SUBSET as PAIRS_OF
from pipeline.store.shards import count_samples, list_shards
from stages.project.paths import LEARN, subset_folder

SUBSETS = ("AFW", "AFW_Flip", "HELEN", "HELEN_Flip", "IBUG", "IBUG_Flip", "LFPW", "LFPW_Flip", "AFLW2000", "LAST")
LEVEL = "on"
# Whole shards at which a stage is killed.
KILLED_AT = 3


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
        for number in samples:
            project = Path(name) / str(number)
            lay_out(every, project, number, size)
            told[str(number)] = rehearse(project, number)
            if number != max(samples):
                shutil.rmtree(project)
        same = kill_and_go_on(project)
    click.echo(f"position_maps killed in its middle and run again: {'the same bytes' if same else 'OTHER BYTES'}")
    click.echo(json.dumps(told | {"same_bytes_after_a_kill": same}))


def lay_out(every: Path, project: Path, number: int, size: int) -> None:
    """Share some of the pairs among the subsets, and write the params of a project of them."""
    photos = sorted((every / PAIRS_OF).glob("*.jpg"))[:number]
    for place, subset in enumerate(SUBSETS):
        (project / "raw" / subset).mkdir(parents=True)
        for photo in photos[place :: len(SUBSETS)]:
            for path in (photo, photo.with_suffix(".mat")):
                (project / "raw" / subset / path.name).symlink_to(path.resolve())
    (project / "raw/bfm").symlink_to((every / "bfm").resolve())
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    subsets = {name: {"folder": name, "use": LEARN, "boxes": "meshes"} for name in SUBSETS}
    params["data"] |= {"root": "raw", "subsets": subsets, "size": size, "levels": [LEVEL]}
    params["split"]["tested"] = [SUBSETS[-2]]
    params["compute"]["workers"] = 1
    yaml.dump(params, project / "params.yaml")


def rehearse(project: Path, number: int) -> dict[str, dict[str, float]]:
    """Run the stages of each subset on one core."""
    for stage in ("face_model", "uv_embedding"):
        run_stage(project, [stage])
    told = {}
    for stage in SAMPLE_STAGES:
        runs = [run_alone(project, [stage, subset]) for subset in SUBSETS]
        shards = [path for subset in SUBSETS for path in list_shards(project / folder_of(stage, subset))]
        made = sum(map(count_samples, shards))
        told[stage] = {
            "samples": made,
            "ms": round(1e3 * sum(run.seconds - run.alone for run in runs) / made, 3),
            "processor_ms": round(1e3 * sum(run.processor for run in runs) / made, 3),
            "clock_ms": round(1e3 * sum(run.seconds for run in runs) / made, 3),
            "peak_mb": round(max(run.peak_mb for run in runs), 1),
            "gb": round(sum(path.stat().st_size for path in shards) / 1e9, 3),
        }
        row = ", ".join(f"{value} {key}" for key, value in told[stage].items())
        click.echo(f"{number:7,} {stage:14} {row}")
    return told


def folder_of(stage: str, subset: str) -> Path:
    """Folder of a stage's shards."""
    return subset_folder(stage, LEARN, subset, LEVEL if stage in LEVELLED else None)


def digest(folder: Path) -> str:
    """SHA-256 of all files of a folder, in their order."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def kill_and_go_on(project: Path) -> bool:
    """Kill a stage with all that it started once it has whole shards; whether it then ends with the same bytes."""
    folder = project / folder_of("position_maps", SUBSETS[0])
    before = digest(folder)
    for path in (folder, project / "work"):
        shutil.rmtree(path)
    command = [sys.executable, "-m", "stages.position_maps", SUBSETS[0]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list((project / "work/shards").rglob("*.h5"))) < KILLED_AT:
        time.sleep(0.01)
    if process.poll() is not None:
        raise click.ClickException("The stage ended before it could be killed: take more samples.")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list((project / "work/shards").rglob("*.h5")))
    click.echo(f"killed: {kept} of {len(list_shards(project / folder_of('aligned', SUBSETS[0])))} shards were whole")
    run_stage(project, ["position_maps", SUBSETS[0]])
    return digest(folder) == before


if __name__ == "__main__":
    main()
