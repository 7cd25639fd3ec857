"""Stage `export`: the main run's network for other runtimes, compared with Keras, and the bundle that photos need."""

from pathlib import Path

import click
import numpy as np

from model.backend import check_backend, prepare_keras
from model.export import export
from model.exported_maps import open_maps
from model.weights import digest_uv
from pipeline.photo.bundle import save_bundle
from pipeline.photo.export_facts import ExportFacts, write_facts
from pipeline.store.checkout import BUNDLE
from pipeline.store.files import digest_file
from pipeline.store.progress import show_progress
from pipeline.store.sentences import sentences
from pipeline.uv.position_map import load_uv
from pipeline.uv.surface import load_surface
from stages.project.beginning import begin_stage
from stages.project.json_file import write_json
from stages.project.params import CropParams, DataParams
from stages.project.params_file import read
from stages.project.parity import compare
from stages.project.paths import EXPORT_METRICS, EXPORTED, LAYOUT, MAIN_RUN, MODEL, weights_of
from stages.project.result_params import ExportParams
from stages.project.run_bundle import bundle_of_run
from stages.project.runs import choose_regression, find_samples, load_run, read_photos
from stages.project.samples import locate, read_part, read_truths, spread
from stages.project.variants import settings_of


@click.command()
def main() -> None:
    """Export the main run's network."""
    with sentences():
        begin_stage("export", EXPORTED)
        params, settings = read("export", ExportParams), settings_of(MAIN_RUN)
        root, margin = Path(read("data", DataParams).root), read("crop", CropParams).margin
        layout = load_uv(LAYOUT)
        training = find_samples(settings.train)["train"]
        task = choose_regression(settings, layout)
        tested = spread(locate(Path(), settings.train.level, read_part(Path(), "test")), params.samples)
        check_backend(settings.train.backend)
        prepare_keras()  # on TensorFlow, which LiteRT's converter is a part of
        from model.inference import inference_form

        network = task.build()
        weights = weights_of(MAIN_RUN)
        load_run(network, weights, settings, layout)
        photos = read_photos(spread(training, params.calibration), bool(settings.augmentation), layout.size)
        files = export(inference_form(network), EXPORTED, photos)
        facts = ExportFacts(
            settings.variant,
            settings.train.scaling,
            layout.size,
            margin,
            settings.train.level == "on",
            digest_file(weights),
            digest_uv(layout.uv),
        )
        for path in files.values():
            write_facts(path, facts)
        save_bundle(BUNDLE, bundle_of_run(settings, layout, files["onnx"], weights, root, margin))
        compared = compare(
            show_progress(read_truths(Path(), tested), "export", "photo", len(tested)),
            lambda photo: task.to_output(np.asarray(network.predict_on_batch(photo)["final"])),
            {name: open_maps(path, 1, layout) for name, path in files.items()},
            load_surface(MODEL, LAYOUT),
        )
        metrics = {name: row | {"mb": round(files[name].stat().st_size / 1e6, 3)} for name, row in compared.items()}
        write_json(EXPORT_METRICS, metrics)
    least = [name for name in metrics if name.endswith("int8")] or ["onnx_float16", "litert_float16"]
    click.echo(
        f"export: {settings.variant}, {len(files)} files out, compared on {len(tested)} test photos; float32 at most "
        f"{max(metrics['onnx']['max_px'], metrics['litert']['max_px'])} px from Keras; NME changes by "
        f"{' and '.join(format(metrics[name]['nme68_2d'], '+') for name in least)} % in {' and '.join(least)}"
    )
    if "litert_int8" not in files:
        click.echo("export: no int8 for LiteRT: it would give the network's parameters, in several units, one scale")
    if "onnx_int8" not in files:
        click.echo(
            "export: no int8 for ONNX: between its passes the network draws a face, and 8 bits hold no pixel's number"
        )


if __name__ == "__main__":
    main()
