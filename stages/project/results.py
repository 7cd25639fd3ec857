"""What `evaluate` writes and the reports read: metrics and tables of one variant."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from model.scores.protocols import PROTOCOLS
from model.scores.summary import ALL, CED_COLUMNS, OTHERS, Metrics
from pipeline.store.checks import check
from stages.project.json_file import read_metrics, write_json
from stages.project.paths import MAIN_RUN, RUNS, scores_of

SCORES = ("protocols", "per_image", "failed", "ced", "smoothness")
# What is scored of a run beside crops by found landmarks: its maps, and those of the face model that is fitted to them.
RAW, FITTED = "predicted", "fitted"
SOURCES, PER_SEED = "sources.csv", "per_seed.csv"
# What per_seed.csv has of each seed's network: what is needed to compare two runs.
SEED_ERRORS = (*(name for name in PROTOCOLS if name != "nme68_2d_reannotated"), "smooth_prediction")
SOURCE_NUMBERS = ("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high", "dense_3d", "smooth_15deg")
# The same of volumes, whose surfaces have no points in correspondence.
VOLUME_NUMBERS = ("images", "failed", "surface")
HISTORIES = ("history", "seeds")
FORMATS = {"per_image": "%.4f", "protocols": "%.4f", "ced": "%.4g", "smoothness": "%.6g"}
# All metrics of a run, in the folder of its scores; the few that `dvc metrics diff` and `dvc exp show` compare.
METRICS = "metrics.json"
HEADLINES = (
    "images",
    "failed",
    "nme68_2d",
    "nme68_2d_low",
    "nme68_2d_high",
    "nme68_2d_bins",
    "dense_3d",
    "reconstruction",
    "thesis_mesh",
    "smooth_15deg",
)
FAILED_COLUMNS = ["sample", "stage", "reason"]
# What is read of each table: columns of text, and of numbers which have one in each row.
COLUMNS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "protocols": (("error", "group"), ("images", "mean", "low", "high")),
    "fitted": (("error", "group"), ("images", "mean", "low", "high")),
    "per_image": (
        ("sample_id", "truth"),
        ("yaw_deg", *(name for name in PROTOCOLS if name != "nme68_2d_reannotated"), *OTHERS, "mean_map_68_2d"),
    ),
    "failed": (FAILED_COLUMNS, ()),
    "ced": ((), ("error", *CED_COLUMNS)),
    "smoothness": ((), ("angle_deg", "cosine", "truth", "prediction")),
    "per_seed": (("sample_id",), ("seed", *SEED_ERRORS)),
    "sources": (("map", "box", "levelling"), SOURCE_NUMBERS),
    "history": (("phase",), ("passes",)),
    "seeds": (("phase",), ("seed", "passes")),
}
# Metrics of a run that pages say.
NEEDED = ("images", "failed", "nme68_2d", "nme68_2d_low", "nme68_2d_high", "mean_map_ratio")


@dataclasses.dataclass(frozen=True)
class Results:
    """One variant's metrics, protocols by yaw, errors of each image, failures, curves, sources, and losses.

    They are of the network that is kept, but for `seeds`, the losses of each seed, and `per_seed`, the errors of each
    seed's network; `found` has the latter on crops by each source of landmarks that were found. `fitted` is as
    `protocols`, of the face model that is fitted to its maps.
    """

    variant: str
    metrics: Metrics
    protocols: pd.DataFrame
    per_image: pd.DataFrame
    failed: pd.DataFrame
    ced: pd.DataFrame
    smoothness: pd.DataFrame
    sources: pd.DataFrame
    history: pd.DataFrame
    seeds: pd.DataFrame
    per_seed: pd.DataFrame
    found: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    fitted: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)

    @property
    def seed_count(self) -> int:
        """Seeds that it has networks from."""
        return int(self.per_seed["seed"].nunique())

    def errors_by_seed(self, error: str) -> pd.DataFrame:
        """An error of each image in percent, a column; a row a seed.

        Raises
        ------
        ValueError
            If the seeds were not all evaluated on the same images, or on one of them twice.
        """
        counts = self.per_seed.groupby("seed")["sample_id"].agg(["nunique", "size"]).to_numpy()
        check(
            bool((counts == self.per_seed["sample_id"].nunique()).all()),
            f"The seeds of {self.variant} were not evaluated on the same images: evaluate it again.",
        )
        return self.per_seed.pivot(index="seed", columns="sample_id", values=error)

    @property
    def passes(self) -> int:
        """Passes of a sample that the kept network has learnt from."""
        return 0 if self.history.empty else int(self.history["passes"].iloc[-1])

    def described(self, error: str, group: str = ALL, fitted: bool = False) -> dict[str, Any] | None:
        """Row of runs/<variant>/protocols.csv for an error and a group of images; None where there is none."""
        table = self.fitted if fitted else self.protocols
        rows = table[(table["error"] == error) & (table["group"] == group)]
        return None if rows.empty else {str(name): value for name, value in rows.iloc[0].items()}

    def mean(self, error: str) -> float:
        """Mean of an error over all images, in percent."""
        rows = self.protocols[(self.protocols["error"] == error) & (self.protocols["group"] == ALL)]
        return float(rows["mean"].iloc[0])


def write_csv(table: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as it is compared: no index, and the same bytes on every system."""
    table.to_csv(path, index=False, float_format=float_format, lineterminator="\n")


def write_scores(folder: Path, metrics: Metrics, tables: dict[str, pd.DataFrame]) -> None:
    """Write all metrics of a run and the tables of `SCORES`, with as many digits as each needs."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / METRICS, metrics)
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv", FORMATS.get(name))


class Source(NamedTuple):
    """Where the box and the levelling of a crop come from."""

    box: str
    levelling: str


def source_row(name: str, source: Source, metrics: Metrics) -> dict[str, Any]:
    """Say what was scored, on which crops, and the few numbers that compare it."""
    numbers = SOURCE_NUMBERS if "nme68_2d" in metrics else VOLUME_NUMBERS
    return {"map": name, **source._asdict()} | {key: metrics[key] for key in numbers}


def write_sources(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the table of `source_row` beside the scores."""
    write_csv(pd.DataFrame(rows), folder / SOURCES)


def write_seeds(folder: Path, errors: Mapping[int, pd.DataFrame]) -> None:
    """Write the errors of each seed's network on each image, of tables as per_image.csv, beside the scores."""
    names = [name for name in SEED_ERRORS if name in next(iter(errors.values()))]
    rows = [table[["sample_id", *names]].assign(seed=seed) for seed, table in sorted(errors.items())]
    write_csv(pd.concat(rows)[["seed", "sample_id", *names]], folder / PER_SEED, FORMATS["per_image"])


def read_results(root: Path, variant: str, main: bool) -> Results:
    """Read what `train` and `evaluate` wrote for the main run, whose variant is named, or for another variant.

    The main run's files have one name whichever variant it is, so that ``dvc metrics diff`` compares experiments.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If one is damaged: no table, without a column, or with something else where a number belongs.
    """
    run = MAIN_RUN if main else variant
    metrics_path, tables = root / scores_of(run) / METRICS, _tables_of(root, run)
    for path in (metrics_path, *tables.values()):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; train and evaluate the variant {variant!r} first.")
    instead = f"evaluate the variant {variant!r} again"
    metrics = read_metrics(metrics_path, NEEDED, (*NEEDED, *PROTOCOLS), instead)
    read = {name: _read_results_table(path, *COLUMNS[name], instead) for name, path in tables.items()}
    found = [source for source in read["sources"]["map"] if source not in (RAW, FITTED)]
    paths = {source: root / scores_of(run) / source / PER_SEED for source in found}
    for path in paths.values():
        check(path.is_file(), f"{path} is missing: {instead}.")
    by_source = {name: _read_results_table(path, *COLUMNS["per_seed"], instead) for name, path in paths.items()}
    return Results(variant, metrics, **read, found=by_source)


def result_files(root: Path, run: str) -> list[Path]:
    """The files that `read_results` reads of a run, but for those of crops by found landmarks."""
    return [root / scores_of(run) / METRICS, *_tables_of(root, run).values()]


def _tables_of(root: Path, run: str) -> dict[str, Path]:
    """The tables of a run, by their names in `COLUMNS`."""
    scores = root / scores_of(run)
    return {
        **{name: scores / f"{name}.csv" for name in SCORES},
        "sources": scores / SOURCES,
        "per_seed": scores / PER_SEED,
        "fitted": scores / FITTED / "protocols.csv",
        **{name: root / RUNS / run / f"{name}.csv" for name in HISTORIES},
    }


def _read_results_table(path: Path, texts: Sequence[str], numbers: Sequence[str], instead: str) -> pd.DataFrame:
    """Read a table of numbers, but for the columns `texts`; each row has to have a finite one in those of `numbers`."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(texts, str))
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is no table ({' '.join(str(error).split())}): {instead}.") from error
    missing = [name for name in (*texts, *numbers) if name not in table]
    check(not missing, f"{path} lacks the column {', '.join(missing)}: {instead}.")
    others = table.drop(columns=list(texts))
    wrong = [name for name in others if len(table) and not is_numeric_dtype(others[name])]
    wrong = wrong or [name for name in numbers if not np.isfinite(table[name].to_numpy(np.float64)).all()]
    wrong += [name for name in texts if table[name].isna().any()]
    check(not wrong, f"{path} has a value of another kind, or none, in {', '.join(map(str, wrong))}: {instead}.")
    return table
