"""Stage `coefficient_prior`: mean and spread of the training part's coefficients, as a fit takes faces to be."""

from pathlib import Path

import click
import numpy as np

from pipeline.face.fit import prior_of, save_prior
from pipeline.store.checks import check
from pipeline.store.samples import locate, read_labels
from pipeline.store.sentences import sentences
from pipeline.store.shards import list_shards
from stages.project.beginning import begin_stage
from stages.project.paths import LEARN, PRIOR, subset_folder
from stages.project.samples import read_part, subset_of


@click.command()
def main() -> None:
    """Measure the coefficients of the training part."""
    with sentences():
        begin_stage("coefficient_prior", PRIOR.parent)
        names = read_part(Path(), "train")
        folders = [subset_folder("meshes", LEARN, subset) for subset in sorted(set(map(subset_of, names)))]
        samples = locate((shard for folder in folders for shard in list_shards(folder)), names)
        check(bool(samples), "The training part has no meshes: no coefficients can be measured.")
        coefficients = np.concatenate([part["coefficients"] for part in read_labels(samples, ["coefficients"])])
        save_prior(PRIOR, prior_of(coefficients))
    click.echo(f"coefficient_prior: {len(samples)} faces in, {coefficients.shape[1]} coefficients")


if __name__ == "__main__":
    main()
