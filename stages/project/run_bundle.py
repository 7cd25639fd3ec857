"""The bundle of the main run: its network, the face model and what was learnt beside it, in one file for photos."""

import dataclasses
import hashlib
from pathlib import Path

from pipeline.crops.landmark_map import load_map
from pipeline.face.face_model import load_model
from pipeline.face.fit import load_prior
from pipeline.photo.bundle import Bundle
from pipeline.photo.bundling import make_bundle
from pipeline.photo.embedded import LICENCE
from pipeline.photo.map_network import NetworkFacts, make_network
from pipeline.uv.position_map import UVLayout
from stages.project.paths import DEMO, LANDMARK_MAP, MODEL, PRIOR
from stages.project.samples import read_part, subset_of
from stages.project.variants import VariantSettings

LICENSED = "as the face model of the data has it; this file may be passed on only if that may"


def bundle_of_run(
    settings: VariantSettings, layout: UVLayout, onnx: Path, weights: Path, data_root: Path, margin: float
) -> Bundle:
    """Put the bundle of the project's main run together.

    Parameters
    ----------
    settings : VariantSettings
        Of the run.
    layout : UVLayout
    onnx, weights : Path
        The exported network, and what it was exported from.
    data_root : Path
        Folder of the faces that it was trained on.
    margin : float
        Side of its crops in sides of the landmarks' box.

    Returns
    -------
    Bundle
        Without a network where that regresses coefficients.

    Raises
    ------
    ValueError
        If Face Mesh sees no face in a picture of the face model.
    OSError
        If a file is missing.
    """
    demo = data_root == DEMO
    model, learnt = load_model(MODEL), read_part(Path(), "train")
    bundle = make_bundle(model, load_prior(PRIOR), *(("demo", LICENCE) if demo else ("BFM", LICENSED)))
    bundle = dataclasses.replace(bundle, landmark_map=load_map(LANDMARK_MAP))
    if settings.network.regresses == "coefficients":
        return bundle
    facts = NetworkFacts(
        scaling=settings.train.scaling,
        size=layout.size,
        margin=margin,
        level=settings.train.level == "on",
        variant=settings.variant,
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        trained_on="demo" if demo else ", ".join(sorted(set(map(subset_of, learnt)))),
        demo=demo,
        faces=len(learnt),
    )
    network = make_network(onnx.read_bytes(), facts, model, layout)
    return dataclasses.replace(bundle, network=dataclasses.replace(network, weights=weights.read_bytes()))
