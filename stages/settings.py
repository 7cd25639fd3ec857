"""Stage `settings`: one check of all of params.yaml before any other stage runs, and the settings of each training run.

What only waits for the check depends on checked.txt, whose bytes never change; training on its run's settings; pages on
the lines of the thesis's scale that do not hold.
"""

import json

import click

from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.overrides import read_overrides, unmet
from stages.project.params_check import find_problems
from stages.project.params_file import read_params
from stages.project.paths import MAIN_RUN, OTHER_SCALE, SETTINGS
from stages.project.variants import resolve_variant


@click.command()
def main() -> None:
    """Check all of params.yaml, and write the settings that each run uses."""
    with sentences():
        params = read_params()
        problems = find_problems(params)
        check(not problems, "\n".join([f"params.yaml cannot be run ({len(problems)} found):", *problems]))
        runs = {MAIN_RUN: None} | {name: name for name in params["thesis"]["variants"]}
        texts = {
            f"{run}.json": json.dumps(resolve_variant(params, name).used(), indent=2, sort_keys=True) + "\n"
            for run, name in runs.items()
        }
        texts["checked.txt"] = "All of params.yaml was checked.\n"
        texts[OTHER_SCALE.name] = "".join(f"{line}\n" for line in unmet(params, read_overrides()))
        begin_stage("settings", SETTINGS)  # not before: a mistake deletes nothing
        SETTINGS.mkdir(parents=True)
        for name, text in texts.items():
            (SETTINGS / name).write_text(text, encoding="utf-8")
    click.echo(f"settings: params.yaml is in order, {len(runs)} runs")


if __name__ == "__main__":
    main()
