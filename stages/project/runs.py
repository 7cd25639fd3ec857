"""What a run is trained and applied with: its regression, its samples, the weights it starts from."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import regression
from model.regression import Regression
from model.settings import RANDOM, RESIDUAL, LossConfig, NetworkConfig, TrainConfig
from model.weights import WeightsFacts, digest_uv, read_facts
from pipeline.crops.online import border, unpack_crop
from pipeline.face.face_model import load_model
from pipeline.store.checks import check, check_all
from pipeline.store.samples import Sample, locate, read_labels, read_samples
from pipeline.store.shards import list_shards, map_rows
from pipeline.uv.position_map import UVLayout
from pipeline.uv.scaling import Scaling, to_photo
from stages.project.params import EmbeddingParams
from stages.project.params_file import read
from stages.project.paths import AUGMENTED, MODEL, VALIDATION, seed_weights_of, weights_of
from stages.project.samples import read_part
from stages.project.variants import VariantSettings

# What two networks must share for one to start from the other's weights: all that makes the encoder-decoder.
APART = (*RESIDUAL, "residual", "residual_join", "passes", "batch_norm_momentum")
SHAPE = tuple(field.name for field in fields(NetworkConfig) if field.name not in APART)


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
    if training is not None and (settings.network.lean or settings.network.regresses != "position_map"):
        labels, volume = read_labels(training, ("pose", "coefficients")), settings.network.regresses == "volume"
        statistics = regression.measure_statistics(labels, model, layout, volume)
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


def initial_network(init: str, settings: VariantSettings, layout: UVLayout, seed: int | None = None) -> Any:
    """Build the network whose weights the encoder-decoder starts from; None where it starts at random.

    They are those of the same seed where `init` has it, so that seeds differ in all that was learnt, else its best.

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
    if seed is not None and seed_weights_of(init, seed).is_file():
        path = seed_weights_of(init, seed)
    scaling, facts = settings.train.scaling, read_facts(path)
    published = read("uv_embedding", EmbeddingParams).source == "file"
    other = [name for name in SHAPE if getattr(facts.network, name) != getattr(settings.network, name)]
    other += ["passes"] if facts.network.passes > settings.network.passes else []
    wanted = ", ".join(f"network.{name} {getattr(facts.network, name)}" for name in other)
    check_all(
        (not other, f"{path} is of another network than this: it has {wanted}."),
        (
            facts.scaling == scaling,
            f"{path} is of a network whose scaling is {facts.scaling}, and train.scaling is {scaling}: set "
            f"train.scaling to {facts.scaling}.",
        ),
        (
            facts.layout != "" or published,
            f"{path} is of a network in the UV layout of BFM_UV.mat, and uv_embedding.source is not file: its maps "
            "mean other points of a face than these. Set it to file.",
        ),
        (
            facts.layout in ("", digest_uv(layout.uv)),
            f"{path} is of a network of another face model or UV layout (uv_embedding.source), whose maps mean other "
            "points of a face: its weights are no start for these.",
        ),
    )
    return load_network(path, facts.network, settings.loss, scaling, layout)


def load_run(network: Any, path: Path, settings: VariantSettings, layout: UVLayout) -> None:
    """Give a run's network the weights that it has learnt.

    Raises
    ------
    ValueError
        If they are of a network of another kind or scaling, or of another face model or UV layout, or damaged.
    """
    facts = read_facts(path)
    expected = WeightsFacts(settings.network, settings.train.scaling, digest_uv(layout.uv))
    differ = [name for name, said in asdict(facts).items() if said != asdict(expected)[name]]
    check(
        not differ,
        f"{path} is of another network than the run's settings ask for ({' and '.join(differ)} differ): run dvc repro.",
    )
    _load_weights(network, path, settings.network, layout.size)


def _load_weights(network: Any, path: Path, config: NetworkConfig, size: int) -> None:
    """Read weights into a network; raises ValueError where they are of other shapes, cut short or not finite."""
    try:
        network.load_weights(path)
    except OSError as error:
        raise ValueError(f"{path} is damaged ({' '.join(str(error).split())}): make it anew.") from error
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} does not fit a network of {size} px, width {config.width} and {config.levels} levels."
        ) from error
    finite = all(np.isfinite(weights).all() for weights in network.get_weights())
    check(finite, f"{path} has weights that are not finite: make it anew.")


def load_network(path: Path, network: NetworkConfig, loss: LossConfig, scaling: str, layout: UVLayout) -> Any:
    """Build a network that regresses position maps and give it its weights; raises as `initial_network`.

    Raises
    ------
    ValueError
        If they are of another network.
    """
    model = regression.make_regression(network, loss, Scaling(scaling, layout.size), layout, load_model(MODEL)).build()
    _load_weights(model, path, network, layout.size)
    return model
