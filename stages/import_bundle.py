"""Take the network out of a bundle, as weights that a run can start from. A command, not a stage.

``python -m stages.import_bundle FILE.face3d`` writes runs/FILE/model.weights.h5, and `train.init=FILE` goes on from it.
"""

from pathlib import Path

import click

from model.weights import read_facts
from pipeline.commands.options import FILE
from pipeline.photo.bundle import load_bundle
from pipeline.store.checks import check
from pipeline.store.files import write_bytes
from pipeline.store.sentences import sentences
from stages.project.params_file import PARAMS_FILE, read_params
from stages.project.paths import MAIN_RUN, RUNS, weights_of


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--name", help=f"Of the folder in {RUNS}/; by default the bundle's own.")
def main(bundle: Path, name: str | None) -> None:
    """Write the weights of BUNDLE's network, from which train.init can start."""
    with sentences():
        name = name or bundle.stem
        params = read_params()
        check("variants" in params, f"{PARAMS_FILE} has no section 'variants'.")
        taken = (MAIN_RUN, *params["variants"])
        check(name not in taken, f"{name!r} is the name of a run of this project: give another by --name.")
        network = load_bundle(bundle).network
        if network is None or not network.weights:
            raise ValueError(f"{bundle} holds no weights to train further: `export` of this version writes such.")
        path = weights_of(name)
        facts = read_facts(path, network.weights)  # refused before there is a file that a run would start from
        write_bytes(path, network.weights)
    click.echo(
        f"import_bundle: {network.facts}; {path}. Go on from it by -S train.init={name} -S "
        f"train.scaling={facts.scaling}."
    )


if __name__ == "__main__":
    main()
