"""Turn PRNet's published checkpoint into weights that a run can start from. A command, not a stage.

``python -m stages.import_prnet FOLDER/256_256_resfcn256_weight`` writes runs/prnet/model.weights.h5.
"""

from pathlib import Path

import click

from model.backend import prepare_keras
from model.prnet_checkpoint import check_files, load_prnet
from model.settings import NetworkConfig
from model.weights import WeightsFacts, save_weights
from pipeline.store.sentences import sentences
from pipeline.uv.scaling import Scaling

OUTPUT = Path("runs/prnet/model.weights.h5")
SIZE = 256
PRNET = NetworkConfig(
    regresses="position_map",
    width=16,
    levels=5,
    batch_norm_momentum=0.999,
    residual=False,
    residual_blocks=1,
    residual_width=1,
    residual_head_width=1,
    residual_join="logits",
    residual_stages=1,
    residual_shrink=1,
)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=OUTPUT, show_default=True, help="Where they go.")
def main(checkpoint: Path, out: Path) -> None:
    """Read the TensorFlow 1 CHECKPOINT (its files' common name, without .index) and write Keras weights."""
    with sentences():
        check_files(checkpoint)  # before seconds of Keras's start
        prepare_keras()
        from model.networks import build_network

        model = build_network(SIZE, PRNET, Scaling("prnet", SIZE))
        load_prnet(checkpoint, model)
        save_weights(out, model, WeightsFacts(PRNET, "prnet", layout=""))
    click.echo(f"import_prnet: {model.count_params()} values of {checkpoint.name} in {out}")


if __name__ == "__main__":
    main()
