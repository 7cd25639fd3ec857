"""Sections 4.8 and 4.9 by where a crop's box and levelling come from: the annotation, or landmarks that were found."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from model.scores.statistics import Interval, bootstrap_interval, paired_interval
from stages.pages.comparison import ROUNDED, Difference, compare
from stages.pages.page import mean_text
from stages.pages.thesis_reference import METRICS, Claim
from stages.pages.thesis_tables import IMAGES_ALONE, NO_VERDICT, claim_text, conclude
from stages.project.result_params import EvaluateParams
from stages.project.results import RAW, Results

# Of which claims, and of which errors.
SECTIONS = ("4.8", "4.9")
ERRORS = ("thesis_68", "thesis_mesh")
# What metrics/thesis.json has of an interval: its mean and its ends, by the name and these.
_ENDS = ("", "_low", "_high")


@dataclasses.dataclass(frozen=True)
class CropScore:
    """Errors of a variant's networks on crops by one source of landmarks, in percent.

    Attributes
    ----------
    box, levelling : str
        Whose they are.
    seeds, images, failed : int
    errors : dict of str to Interval
        By name, those of `ERRORS`: means over images and seeds, with the interval over the images.
    more : Interval or None
        By how much the mesh's error is greater than on the annotated crops of the same images, by the networks that
        both have; None for these.
    """

    box: str
    levelling: str
    seeds: int
    images: int
    failed: int
    errors: Mapping[str, Interval]
    more: Interval | None


@dataclasses.dataclass(frozen=True)
class CropClaim:
    """A claim of the thesis on crops by one source: the difference of its two variants on the images that both have."""

    images: int
    found: Difference


@dataclasses.dataclass(frozen=True)
class ByCrop:
    """What there is by source: `predicted` for the annotation, then those of `crop.found`.

    Attributes
    ----------
    scores : dict of str to dict of str to CropScore
        By variant, the main run's first, and by source.
    claims : dict of str to dict of str to CropClaim
        By the claim's name, and by source.
    """

    scores: Mapping[str, Mapping[str, CropScore]]
    claims: Mapping[str, Mapping[str, CropClaim]]

    def as_metrics(self) -> dict[str, Any]:
        """What metrics/thesis.json holds of it."""
        return {
            "by_crop": {
                variant: {source: _score_metrics(score) for source, score in scores.items()}
                for variant, scores in self.scores.items()
            },
            "claims_by_crop": {
                name: {
                    source: {"images": claim.images, **dataclasses.asdict(claim.found)}
                    for source, claim in by_source.items()
                }
                for name, by_source in self.claims.items()
            },
        }


def _score_metrics(score: CropScore) -> dict[str, Any]:
    named = dict(score.errors) | ({} if score.more is None else {"more": score.more})
    intervals = {f"{name}{end}": value for name, each in named.items() for end, value in zip(_ENDS, each, strict=True)}
    return {"seeds": score.seeds, "images": score.images, "failed": score.failed, **intervals}


def compare_crops(results: Mapping[str, Results], claims: Sequence[Claim], params: EvaluateParams) -> ByCrop:
    """Score the variants of the claims of `SECTIONS`, and the main run's, by each source, and test these claims.

    Parameters
    ----------
    results : dict of str to Results
        By variant, the main one first.
    claims : sequence of Claim
    params : EvaluateParams
        The bootstrap's.
    """
    tested = [each for each in claims if each.section in SECTIONS and {each.variant, each.against} <= set(results)]
    named = {name for claim in tested for name in (claim.variant, claim.against)}
    shown = [name for number, name in enumerate(results) if number == 0 or name in named]
    return ByCrop(
        {name: score_sources(results[name], params) for name in shown},
        {
            claim.name: {
                source: compare_on(source, results[claim.variant], results[claim.against], claim.metric, params)
                for source in (RAW, *results[claim.variant].found)
                if source == RAW or source in results[claim.against].found
            }
            for claim in tested
        },
    )


def score_sources(result: Results, params: EvaluateParams) -> dict[str, CropScore]:
    """Score a variant on the crops by each source."""
    rows = {str(row["map"]): row for row in result.sources.to_dict("records")}
    scores = {}
    for source in (RAW, *result.found):
        errors, row = _mean_errors(result, source), rows[source]
        more = None
        if source != RAW:
            more = _rounded(mesh_error_more(result, source, params))
        means = {name: _rounded(bootstrap_interval(errors[name], params.bootstrap, params.seed)) for name in ERRORS}
        seeds = on_crops(result, source).seed_count
        scores[source] = CropScore(row["box"], row["levelling"], seeds, len(errors), int(row["failed"]), means, more)
    return scores


def mesh_error_more(result: Results, source: str, params: EvaluateParams) -> Interval:
    """Compare the mesh's error with that on annotated crops, of the seeds and images that both have."""
    keys = ["seed", "sample_id"]
    pairs = result.found[source].merge(result.per_seed, on=keys, suffixes=("", "_annotated"))
    means = pairs.groupby("sample_id")[["thesis_mesh", "thesis_mesh_annotated"]].mean()
    return paired_interval(means["thesis_mesh"], means["thesis_mesh_annotated"], params.bootstrap, params.seed)


def on_crops(result: Results, source: str, images: Iterable[str] | None = None) -> Results:
    """The same results with the errors of each seed on crops by a source, of all images or of some alone."""
    table = result.per_seed if source == RAW else result.found[source]
    return dataclasses.replace(result, per_seed=table if images is None else table[table["sample_id"].isin(images)])


def compare_on(source: str, ours: Results, other: Results, metric: str, params: EvaluateParams) -> CropClaim:
    """Compare two variants on crops by a source, on the images in which it found the face for both."""
    images = set(on_crops(ours, source).per_seed["sample_id"]) & set(on_crops(other, source).per_seed["sample_id"])
    first, second = (on_crops(result, source, images) for result in (ours, other))
    return CropClaim(len(images), compare(first, second, metric, params))


def _mean_errors(result: Results, source: str) -> pd.DataFrame:
    """Errors of `ERRORS` of each image, the mean over the seeds."""
    return on_crops(result, source).per_seed.groupby("sample_id")[list(ERRORS)].mean()


def _rounded(interval: Interval) -> Interval:
    return Interval(*(round(value, ROUNDED) for value in interval))


def score_rows(by_crop: ByCrop) -> list[tuple]:
    """A row for each variant and source."""
    rows: list[tuple] = []
    for variant, scores in by_crop.scores.items():
        for score in scores.values():
            source = ", ".join(dict.fromkeys((score.box, score.levelling)))
            counts = (variant, source, score.seeds, score.images, score.failed)
            intervals = [*score.errors.values(), *([score.more] if score.more else [])]
            rows.append((*counts, *(mean_text(*each) for each in intervals), *([] if score.more else [""])))
    return rows


def claim_rows(claims: Sequence[Claim], by_crop: ByCrop) -> list[tuple]:
    """A row for each claim and source."""
    rows: list[tuple] = []
    for claim in claims:
        for source, there in by_crop.claims.get(claim.name, {}).items():
            found = there.found
            told = (claim.section, f"{claim.variant} against {claim.against}", METRICS[claim.metric].text)
            difference = mean_text(found.difference, found.low, found.high) + ("" if found.verdict else IMAGES_ALONE)
            ours = ("annotation" if source == RAW else source, there.images, difference)
            said = (found.verdict or NO_VERDICT, conclude(claim.expected, found.verdict))
            rows.append((*told, claim_text(claim), *ours, *said))
    return rows
