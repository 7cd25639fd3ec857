"""Follow a published number back to the files it was made from. A command, not a stage.

``python -m stages.trace SAMPLE`` shows what the main run says of a test sample and where each step of it lies, down to
the raw photo and annotation, whose hash is computed anew and compared with what every shard recorded.
"""

from pathlib import Path

import click

from pipeline.raw.annotations import hash_pair
from pipeline.raw.photos import read_content
from pipeline.store.samples import locate
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import DataParams, read, sentences
from stages.project.paths import MAIN_RUN
from stages.project.results import read_results
from stages.project.samples import read_accepted, subset_of
from stages.project.strict import check
from stages.project.variants import read_variant


def trace(root: Path, data: DataParams, variant: str, main: bool, level: str, sample_id: str) -> list[tuple[str, str]]:
    """Follow one test sample of a run from its metrics to its raw files.

    Parameters
    ----------
    root : Path
        The project's root.
    data : DataParams
    variant : str
    main : bool
        Whether the variant is that of the main run.
    level : {'on', 'off'}
        Of the crops that the variant is tested on.
    sample_id : str

    Returns
    -------
    list of (place, what it has)
        From the metrics to the raw files.

    Raises
    ------
    ValueError
        If the run has no score of the sample, or the raw files are not those that a shard was made from.
    """
    results = read_results(root, variant, main)
    run = f"runs/{MAIN_RUN if main else variant}"
    scores = results.per_image.set_index("sample_id")
    failed = results.failed.set_index("sample")
    if sample_id in failed.index:
        row = failed.loc[sample_id]
        raise ValueError(f"{sample_id} has no score: the stage {row['stage']} refused it. {row['reason']}")
    check(sample_id in scores.index, f"{run}/per_image.csv has no {sample_id}; its first is {scores.index[0]}.")
    errors = {name: scores.loc[sample_id, name] for name in results.metrics if name in scores.columns}
    means = ", ".join(f"{name} {results.metrics[name]:g}" for name in errors)
    metrics_path = "metrics/evaluation.json" if main else f"metrics/ablation/{variant}.json"
    line = results.per_image["sample_id"].tolist().index(sample_id) + 2
    rows = [
        (metrics_path, f"means of {len(scores)} images: {means}"),
        (f"{run}/per_image.csv, line {line}", ", ".join(f"{name} {value:g}" for name, value in errors.items())),
        (_find(root, f"{run}/predictions.h5", sample_id), "the prediction"),
    ]
    recorded = read_accepted(root, [sample_id])[0]
    folder = root / data.folder(subset_of(sample_id))
    paths = [folder / recorded["photo"], folder / recorded["annotation"]]
    digest = hash_pair(read_content(paths[0]), paths[1].read_bytes())
    subset = subset_of(sample_id)
    for stage in (
        f"position_maps/{subset}-{level}",
        f"aligned/{subset}-{level}",
        f"meshes/{subset}",
        f"index/{subset}",
    ):
        place = _find(root, f"data/{stage}", sample_id, digest)
        rows.append((place, f"made from {digest[:16]}"))
    rows.append((f"{paths[0]} and {paths[1].name}", f"source_sha256 {digest}"))
    return rows


def _find(root: Path, name: str, sample_id: str, digest: str | None = None) -> str:
    """Shard and row of a sample, in a shard or a folder of shards; checks the hash that the row recorded."""
    path = root / name
    for shard in list_shards(path) if path.is_dir() else [path]:
        for place in locate([shard], [sample_id]):
            shown = f"{shard.relative_to(root)}, row {place.row}"
            if digest is not None:
                recorded = read_shard(shard, ["source_sha256"])["source_sha256"][place.row]
                check(
                    recorded == digest,
                    f"{shown} was made from a pair with the hash {recorded}, but the raw files have {digest}: they "
                    "have changed since. Run the pipeline again.",
                )
            return shown
    raise ValueError(f"{path} has no {sample_id}: run the pipeline again.")


@click.command()
@click.argument("sample")
@click.argument("variant", required=False)
def main(sample: str, variant: str | None) -> None:
    """Show where every step of the test sample SAMPLE lies, for the main run or the ablation VARIANT."""
    with sentences():
        settings = read_variant(variant)
        data = read("data", DataParams)
        rows = trace(Path(), data, settings.variant, variant is None, settings.train.level, sample)
    width = max(len(place) for place, _ in rows)
    for place, text in rows:
        click.echo(f"{place:<{width}}  {text}")


if __name__ == "__main__":
    main()
