"""What a run is trained and applied with: its regression, its samples, the weights it starts from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import regression
from model.feed import to_photo
from model.regression import Regression
from model.scaling import Scaling
from model.settings import RANDOM, LossConfig, NetworkConfig, TrainConfig
from model.weights import WeightsFacts, digest_uv, read_facts
from pipeline.crops.online import border, unpack_crop
from pipeline.face.face_model import load_model
from pipeline.store.samples import Sample, locate, read_labels, read_samples
from pipeline.store.shards import list_shards, map_rows
from pipeline.uv.position_map import UVLayout
from stages.project.paths import AUGMENTED, MODEL, VALIDATION, weights_of
from stages.project.samples import read_part
from stages.project.strict import check, check_all
from stages.project.variants import VariantSettings


def choose_regression(
    settings: VariantSettings, layout: UVLayout, training: Sequence[Sample] | None = None
) -> Regression:
    """Say what a run's network regresses.

    Parameters
    ----------
    settings : VariantSettings
    layout : UVLayout
    training : sequence of Sample, optional
        The samples to learn from; none where the network takes weights that have learnt.

    Returns
    -------
    Regression
    """
    model, scaling = load_model(MODEL), Scaling(settings.train.scaling, layout.size)
    statistics = None
    if training is not None and (settings.network.lean or settings.network.regresses == "coefficients"):
        statistics = regression.measure_statistics(read_labels(training, ("pose", "coefficients")), model, layout)
    return regression.make_regression(settings.network, settings.loss, scaling, layout, model, statistics)


def find_samples(train: TrainConfig) -> dict[str, list[Sample]]:
    """Find the samples to learn from (`train`, augmented) and those to judge that on (`validation`, plain).

    Raises
    ------
    ValueError
        If a part has none, or one that the split does not have in it.
    """
    samples = {
        "train": locate(list_shards(AUGMENTED / train.policy / train.level)),
        "validation": locate(list_shards(VALIDATION / train.level)),
    }
    for part, found in samples.items():
        check(bool(found), f"There is no sample for {part}; see the reject lists of the data stages.")
        known = set(read_part(Path(), part))
        strays = [sample.sample_id for sample in found if sample.sample_id not in known]
        check(
            not strays,
            f"{len(strays)} samples are in no {part} part of the split, first {strays[:1]}: run dvc repro.",
        )
    return samples


def read_photos(samples: Sequence[Sample], online: bool, size: int) -> NDArray[np.float32]:
    """Read training samples' photos (N, size, size, 3) as they are before a training step augments them."""
    if not online:
        return to_photo(read_samples(samples, ["image"])["image"])
    crops = [unpack_crop(map_rows(sample.shard, "crop")[sample.row]) for sample in samples]
    middle = slice(border(size), border(size) + size)
    return to_photo(np.stack(crops)[:, middle, middle])


def initial_network(init: str, settings: VariantSettings, layout: UVLayout) -> Any:
    """Build the network whose weights the encoder-decoder starts from; None where it starts at random.

    Raises
    ------
    FileNotFoundError
        If there are no such weights.
    ValueError
        If they are of another network.
    """
    if init == RANDOM:
        return None
    path = weights_of(init)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: train the variant {init!r} first, or make it by stages.import_bundle or "
            "stages.import_prnet."
        )
    scaling, facts = settings.train.scaling, read_facts(path)
    if facts is None:
        facts = WeightsFacts(replace(settings.network, residual=False), scaling, "")
    check_all(
        (
            facts.scaling == scaling,
            f"{path} is of a network whose scaling is {facts.scaling}, and train.scaling is {scaling}: set "
            f"train.scaling to {facts.scaling}.",
        ),
        (
            facts.layout in ("", digest_uv(layout.uv)),
            f"{path} is of a network of another face model or UV layout (uv_embedding.source), whose maps mean other "
            "points of a face: its weights are no start for these.",
        ),
    )
    return load_network(path, facts.network, settings.loss, scaling, layout)


def load_network(path: Path, network: NetworkConfig, loss: LossConfig, scaling: str, layout: UVLayout) -> Any:
    """Build a network that regresses position maps and give it its weights; raises as `initial_network`.

    Raises
    ------
    ValueError
        If they are of another network.
    """
    model = regression.make_regression(network, loss, Scaling(scaling, layout.size), layout, load_model(MODEL)).build()
    try:
        model.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"{path} does not fit a network of {layout.size} px, width {network.width} and {network.levels} levels."
        ) from error
    return model
