"""Stage `occlusion`: a network's errors on test photos with something before the face, by the covered share.

``python -m stages.occlusion`` does so to the main run, ``python -m stages.occlusion NAME`` to another variant.
"""

from pathlib import Path

import click
import numpy as np
import pandas as pd

from model.backend import check_backend, prepare_keras
from pipeline.face.face_model import load_model
from pipeline.photo.photo_files import encode_image
from pipeline.store.arrays import Image
from pipeline.store.checks import check
from pipeline.store.progress import show_progress
from pipeline.store.sentences import sentences
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import load_surface
from stages.project.beginning import begin_stage
from stages.project.occlusion import BY_SHARE, Case, contact_sheet, cover_sample, describe_occlusion, score_case
from stages.project.params_file import read
from stages.project.paths import LAYOUT, MAIN_RUN, MODEL, occlusion_of, weights_of
from stages.project.result_params import EvaluateParams, OcclusionParams
from stages.project.results import write_csv
from stages.project.runs import choose_regression, load_run
from stages.project.samples import locate, read_part, read_truths, spread
from stages.project.variants import settings_of

# Photos whose covered crops are drawn.
SHOWN = 3


@click.command()
@click.argument("variant", required=False)
def main(variant: str | None) -> None:
    """Cover test photos, and score what the network of the main run, or of VARIANT, makes of them."""
    run = variant or MAIN_RUN
    with sentences():
        folder = occlusion_of(run)
        begin_stage(f"occlusion@{run}", folder)
        settings, params = settings_of(run), read("occlusion", OcclusionParams)
        layout, surface, config = load_uv(LAYOUT), load_surface(MODEL, LAYOUT), settings.train
        places = spread(locate(Path(), config.level, read_part(Path(), "test")), params.photos)
        check(bool(places), "No test sample has a position map; see the reject lists of the data stages.")
        reference = load_model(MODEL).mean[surface.vertices]
        task = choose_regression(settings, layout)
        check_backend(config.backend)
        prepare_keras(config.precision, config.xla, config.devices, config.backend)
        from model.prediction import predict_batch
        from pipeline.uv.scaling import to_photo

        network = task.build()
        load_run(network, weights_of(run), settings, layout)

        def predict(cases: list[Case]) -> list[np.ndarray]:
            photos, size = to_photo(np.stack([case.image for case in cases])), config.batch_size
            parts = [photos[start : start + size] for start in range(0, len(photos), size)]
            mirrored = task.mirrored if config.mirror else None
            return [each for part in parts for each in predict_batch(network, part, size, task.to_output, mirrored)]

        rows: list[dict[str, object]] = []
        sheets: list[Image] = []
        truths = show_progress(read_truths(Path(), places), "occlusion", "photo", len(places))
        for sample in truths:
            cases = list(cover_sample(sample, surface, params))
            maps = predict(cases)
            rows += [score_case(sample, *each, surface, reference) for each in zip(cases, maps, strict=True)]
            if len(sheets) < SHOWN:
                sheets.append(contact_sheet(cases))
        table = pd.DataFrame(rows).round(4)
        described = describe_occlusion(table, read("evaluate", EvaluateParams))
        folder.mkdir(parents=True)
        write_csv(table, folder / "per_image.csv", "%.4f")
        write_csv(described, folder / BY_SHARE, "%.4f")
        (folder / "examples.png").write_bytes(encode_image(np.vstack(sheets), ".png"))
    click.echo(f"occlusion: {settings.variant}, {len(places)} test photos, {len(rows)} cases; {folder / BY_SHARE}")


if __name__ == "__main__":
    main()
