"""A bundle of another face model, for the photo commands, and the picture of its registration. A command, not a stage.

``python -m stages.bundle --ict FOLDER --out FILE.face3d`` lets Face Mesh look at the model; so do ``--bfm FOLDER`` and
``--linear FILE``.
"""

import dataclasses
from pathlib import Path

import click
import numpy as np

from pipeline.commands.options import FILE, expecting
from pipeline.crops.face_mesh import open_files
from pipeline.crops.landmark_map import load_map
from pipeline.face.face_model import FaceModel, load_model
from pipeline.face.fit import Prior, load_prior
from pipeline.photo.bundle import SUFFIX, save_bundle
from pipeline.photo.bundling import make_bundle
from pipeline.photo.embedded import EXPRESSION_SIGMA, LICENCE, embedded_model
from pipeline.photo.photo_files import encode_image
from pipeline.photo.registration import draw_registration
from pipeline.raw.bfm import load_bfm
from pipeline.raw.ict import load_ict
from pipeline.store.checks import check_all
from pipeline.store.sentences import sentences
from stages.project.paths import LANDMARK_MAP, LINEAR, PRIOR

FOLDER = click.Path(path_type=Path, file_okay=False)
ICT_LICENCE = "ICT-FaceKit's light model, Copyright USC Institute for Creative Technologies (MIT)"
LINEAR_LICENCE = "that of the scans, and of the template that was laid over them"
BFM_LICENCE = "the Basel Face Model's own: this file may not be passed on without its makers' leave"


@click.command()
@click.option("--out", type=FILE, required=True, help="The bundle, .face3d; the picture goes beside it as .png.")
@click.option("--bfm", type=FOLDER, help="Folder of BFM, in one of its layouts, see docs/data.md.")
@click.option("--ict", type=FOLDER, help="ICT-FaceKit's folder FaceXModel.")
@click.option("--linear", type=FILE, help=f"{LINEAR} of `dvc repro`: a face model of registered scans.")
@click.option("--prior", type=FILE, help=f"For --bfm: {PRIOR} of a project on real faces.")
@click.option("--landmark-map", type=FILE, help=f"{LANDMARK_MAP} of a project on real faces.")
def main(
    out: Path, bfm: Path | None, ict: Path | None, linear: Path | None, prior: Path | None, landmark_map: Path | None
) -> None:
    """Make a bundle of the embedded face model, or of BFM, ICT-FaceKit's or one's own, without a network."""
    with sentences():
        check_all(
            (out.suffix == SUFFIX, f"--out is {out}; expected a name that ends in {SUFFIX}."),
            (not (bfm and ict), "Give --bfm or --ict, not both."),
            (linear is None or not (bfm or ict), "Give --linear or another face model, not both."),
            (
                (bfm is None) == (prior is None),
                f"--bfm and --prior go together: BFM's files say nothing of its spread. {PRIOR} is made by "
                "`dvc repro coefficient_prior` of real faces, without training; make real has it below work/real/.",
            ),
        )
        learnt = None
        if landmark_map is not None:
            with expecting(landmark_map, f"a landmark map, {LANDMARK_MAP} of `dvc repro landmark_map`"):
                learnt = load_map(landmark_map)
        model, spread, name, licence = read_face_model(bfm, ict, prior, linear)
        bundle = dataclasses.replace(make_bundle(model, spread, name, licence), landmark_map=learnt)
        save_bundle(out, bundle)
        picture = draw_registration(model, bundle.points.mean, open_files(bundle.files, 1))
        out.with_suffix(".png").write_bytes(encode_image(picture, ".png"))
    click.echo(f"bundle: {name}, {len(spread.mean)} vectors; {out} and {out.with_suffix('.png')}")


def read_face_model(
    bfm: Path | None, ict: Path | None, prior: Path | None, linear: Path | None = None
) -> tuple[FaceModel, Prior, str, str]:
    """Read a face model and the prior of its coefficients; its name and licence. The embedded one where none is named.

    Raises
    ------
    ValueError
        If a file is damaged.
    OSError
        If one is missing.
    """
    if bfm is not None and prior is not None:
        with expecting(prior, f"a prior, {PRIOR} of `dvc repro coefficient_prior`"):
            spread = load_prior(prior)
        return load_bfm(bfm), spread, "BFM", BFM_LICENCE
    if ict is not None:
        model = load_ict(ict)
        sigma = [*np.ones(model.shape_basis.shape[2]), *np.full(model.expression_basis.shape[2], EXPRESSION_SIGMA)]
        return model, Prior(np.zeros(len(sigma)), np.array(sigma)), "ICT-FaceKit", ICT_LICENCE
    if linear is not None:
        with expecting(linear, f"a face model, {LINEAR} of `dvc repro ablation/dvc.yaml:multilinear_model`"):
            model = load_model(linear)
        count = model.shape_basis.shape[2] + model.expression_basis.shape[2]
        return model, Prior(np.zeros(count), np.ones(count)), "registered scans", LINEAR_LICENCE
    return *embedded_model(), "embedded", LICENCE


if __name__ == "__main__":
    main()
