"""From a published number of a test sample back to the files that it was made from."""

from pathlib import Path

from pipeline.raw.annotations import hash_pair
from pipeline.raw.photos import read_content
from pipeline.store.checks import check
from pipeline.store.samples import locate
from pipeline.store.shards import list_shards, read_shard
from stages.project.params import DataParams
from stages.project.paths import LEVELLED_STAGES, MAIN_RUN, SUBSET_STAGES, predictions_of, scores_of
from stages.project.results import METRICS, Results, read_results
from stages.project.samples import read_accepted, subset_of


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
    run = MAIN_RUN if main else variant
    scores = scores_of(run)
    means, line, errors = _find_scores(read_results(root, variant, main), scores, sample_id)
    rows = [
        (str(scores / METRICS), means),
        (f"{scores / 'per_image.csv'}, line {line}", errors),
        (_find(root, predictions_of(run), sample_id), "the prediction"),
    ]
    subset = subset_of(sample_id)
    recorded = read_accepted(root, [sample_id])[0]
    photo, annotation = (root / data.folder(subset) / recorded[name] for name in ("photo", "annotation"))
    digest = hash_pair(read_content(photo), annotation.read_bytes())
    for stage in reversed(SUBSET_STAGES):
        folder = data.shards(stage, subset, level if stage in LEVELLED_STAGES else None)
        rows.append((_find(root, folder, sample_id, digest), f"made from {digest[:16]}"))
    return [*rows, (f"{photo} and {annotation.name}", f"source_sha256 {digest}")]


def _find_scores(results: Results, folder: Path, sample_id: str) -> tuple[str, int, str]:
    """Means over all images as text, and of one sample the line of per_image.csv and the errors as text."""
    failed = results.failed.set_index("sample")
    if sample_id in failed.index:
        row = failed.loc[sample_id]
        raise ValueError(f"{sample_id} has no score: the stage {row['stage']} refused it. {row['reason']}")
    names = results.per_image["sample_id"].tolist()
    check(
        sample_id in names,
        f"{folder}/per_image.csv has no {sample_id}: only test photos have scores, and its first is {names[0]}.",
    )
    row = results.per_image.iloc[names.index(sample_id)]
    errors = [name for name in results.metrics if name in results.per_image.columns]
    means = ", ".join(f"{name} {results.metrics[name]:g}" for name in errors)
    # The first sample is on line 2, below the header.
    line = names.index(sample_id) + 2
    return f"means of {len(names)} images: {means}", line, ", ".join(f"{name} {row[name]:g}" for name in errors)


def _find(root: Path, name: Path, sample_id: str, digest: str | None = None) -> str:
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
