"""Stage `data_report`: what went in, what came out, and what of the labels a network cannot reach."""

from pathlib import Path

import click

from pipeline.raw.agreement import doubt_model
from pipeline.store.sentences import sentences
from stages.project.beginning import begin_stage
from stages.project.counts import (
    THESIS_PAIRS,
    count_stages,
    count_subset,
    missing_pairs,
    outside_percent,
    truth_distance,
)
from stages.project.json_file import write_json
from stages.project.params import DataParams
from stages.project.params_file import read
from stages.project.paths import DATA_COUNTS, DATA_METRICS
from stages.project.samples import count_parts


def data_report(root: Path, data: DataParams) -> tuple[dict, dict]:
    """Count samples and measure labels of the project at `root`.

    Parameters
    ----------
    root : Path
        The project's root.
    data : DataParams

    Returns
    -------
    metrics : dict
        What metrics/data.json holds: pairs `in`, samples `out` at every level and `rejected` on the way; samples of
        each part of the `split`; `outside`: percent of the face's texels out of each scaling's range, for each axis,
        over the training part at the first level; `pt3d_68_distance`, where annotations have these: percent of the
        face's size between them and the meshes' landmarks in the mean, which tells another face model.
    counts : dict
        What reports/data.json holds: `stages`: in, out and rejected of each stage; `subsets`: the same from end to end;
        `missing_of_300w_lp`: pairs that the thesis counts and the index has not.
    """
    stages = count_stages(root, data)
    subsets = {subset: count_subset(stages, subset, data.levels) for subset in data.subsets}
    missing = missing_pairs({subset: counts["in"] for subset, counts in subsets.items()})
    metrics = {
        **{name: sum(counts[name] for counts in subsets.values()) for name in ("in", "out", "rejected")},
        "split": count_parts(root),
        "outside": outside_percent(root, data.levels[0], data.size),
    }
    distance = truth_distance(root, data)
    if distance is not None:
        metrics["pt3d_68_distance"] = distance
    counts = {"stages": stages, "subsets": subsets, "missing_of_300w_lp": missing}
    write_json(root / DATA_METRICS, metrics)
    write_json(root / DATA_COUNTS, counts)
    return metrics, counts


@click.command()
def main() -> None:
    """Count what the data stages made."""
    with sentences():
        begin_stage("data_report", DATA_COUNTS)
        metrics, counts = data_report(Path(), read("data", DataParams))
    click.echo(
        f"data_report: {metrics['in']} pairs in, {metrics['out']} samples out, {metrics['rejected']} rejected; "
        f"split {metrics['split']}"
    )
    doubt = doubt_model(metrics.get("pt3d_68_distance", 0.0))
    if doubt:
        click.echo(f"data_report: {doubt}")
    for subset, missing in counts["missing_of_300w_lp"].items():
        expected = THESIS_PAIRS[subset.removesuffix("_Flip")]
        if missing and missing < expected / 2:  # else it is a sample of 300W-LP, and meant to be one
            click.echo(f"data_report: {subset} has {expected - missing:,} pairs, the thesis counts {expected:,}.")


if __name__ == "__main__":
    main()
