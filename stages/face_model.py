"""Stage `face_model`: the published face model as one HDF5 file."""

from pathlib import Path

import click

from pipeline.face.face_model import save_model
from pipeline.raw.bfm import load_bfm
from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import MODEL


@click.command()
def main() -> None:
    """Read BFM from data.root/bfm, in one of its layouts."""
    with sentences():
        begin_stage("face_model", MODEL.parent)
        data = read("data", DataParams)
        model = load_bfm(Path(data.root) / "bfm")
        save_model(MODEL, model)
    click.echo(
        f"face_model: {len(model.mean)} vertices, {len(model.triangles)} triangles, "
        f"{model.shape_basis.shape[2]} identity and {model.expression_basis.shape[2]} expression vectors"
    )


if __name__ == "__main__":
    main()
