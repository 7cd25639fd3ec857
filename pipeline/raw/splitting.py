"""Train, validation and test parts by identity."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

# Ends the name of a subset of turned copies of another's photos, which the stage `profiled` makes: <photo>_<copy>.
PROFILED_SUFFIX = "_Profiled"
# <set>_<photo>[_<face>]_<pose>
LP_STEM = re.compile(r"((AFW|HELEN|IBUG|LFPW)_.*?\d{3,})(?:_\d{1,2})?_\d{1,2}")


def assign_parts(
    samples: Mapping[str, Sequence[str]],
    train: Collection[str],
    test: Collection[str],
    validation_fraction: float,
    test_fraction: float,
    test_every: int = 0,
    photos: Mapping[str, str] | None = None,
) -> list[tuple[str, str, str]]:
    """Assign each sample to a part, so that an identity is never on two sides.

    Parameters
    ----------
    samples : mapping of str to sequence of str
        Sample ids of each subset, in the order of their names.
    train, test : collection of str
        Subsets to learn from, and to test on. One that is in both is cut in two.
    validation_fraction : float
        Share of the identities to learn from that is held out for validation.
    test_fraction : float
        Share of the identities of a subset that is in both `train` and `test` that is tested.
    test_every : int
        Where it is not 0, one identity of so many (5: every fifth), from the first on, is tested instead.
    photos : mapping of str to str, optional
        What a sample's photo is known by, such as a hash of it: samples of one photo are of one identity, whatever
        their names.

    Returns
    -------
    list of (sample_id, identity, part)
        `part` is 'train', 'validation' or 'test'. Profiled copies are only learnt from: those of other photos than the
        training part's are left out, and change neither what is tested nor what is validated on.

    Raises
    ------
    ValueError
        If a photo is in a subset to learn from and, under whatever name, in one that is only tested on.

    Notes
    -----
    Parts are blocks in the order of the names, and the last ones are held out: numbered photos that follow each other
    often show the same person (as in AFLW2000-3D), whom a draw by lot, or `test_every`, puts on both sides.
    """
    photos = photos or {}
    _check_apart(samples, train, test, photos)
    same = _join_identities([sample for ids in samples.values() for sample in ids], photos)
    identities = {subset: list(dict.fromkeys(same[sample] for sample in ids)) for subset, ids in samples.items()}
    tested: set[str] = set()
    for subset in test:
        names = identities[subset]
        if subset in train:
            names = names[::test_every] if test_every else _last(names, test_fraction)
        tested.update(names)
    held_out: set[str] = set()
    for subset in train:
        if subset.endswith(PROFILED_SUFFIX):
            continue
        held_out.update(_last([name for name in identities[subset] if name not in tested], validation_fraction))

    rows = []
    for subset, ids in samples.items():
        for sample in ids:
            name = same[sample]
            part = "test" if name in tested else "validation" if name in held_out else "train"
            if part == "train" or not subset.endswith(PROFILED_SUFFIX):
                rows.append((sample, name, part))
    return rows


def identity(sample_id: str) -> str:
    """Name the photo that a sample was made from, so that its copies never fall on two sides of a split.

    Parameters
    ----------
    sample_id : str
        ``<subset>/<stem>``.

    Returns
    -------
    str
        For 300W-LP, whose stems read ``<set>_<photo>[_<face>]_<pose>``: set and photo, whatever the subset is called.
        For other stems, the sample's id itself without the subset's ``_Flip``. For profiled copies, what it is for
        their photo.
    """
    subset, stem = sample_id.split("/", 1)
    if subset.endswith(PROFILED_SUFFIX):
        return identity(f"{subset.removesuffix(PROFILED_SUFFIX)}/{re.sub(r'_[0-9]+$', '', stem)}")
    match = LP_STEM.fullmatch(stem)
    return f"{match[2]}/{match[1]}" if match else f"{subset.removesuffix('_Flip')}/{stem}"


def _check_apart(
    samples: Mapping[str, Sequence[str]], train: Collection[str], test: Collection[str], photos: Mapping[str, str]
) -> None:
    """Refuse a photo that is both to learn from and to test on, which no choice of parts can put right."""
    learnt = {photos[sample]: sample for subset in train for sample in samples[subset] if sample in photos}
    only_tested = [sample for subset in test if subset not in train for sample in samples[subset]]
    both = [(learnt[photos[sample]], sample) for sample in only_tested if photos.get(sample) in learnt]
    if both:
        raise ValueError(
            f"{len(both)} photos are both to learn from and to test on; the first is {both[0][0]}, which is the photo "
            f"of {both[0][1]}. Take them out of one of the subsets, or leave out one of these in data.subsets."
        )


def _join_identities(sample_ids: Iterable[str], photos: Mapping[str, str]) -> dict[str, str]:
    """Identity of each sample, those that share a photo joined under the name of the first."""
    joined: dict[str, str] = {}

    def root(name: str) -> str:
        while (after := joined.setdefault(name, name)) != name:
            joined[name] = name = joined[after]
        return name

    first: dict[str, str] = {}
    named = {sample: identity(sample) for sample in sample_ids}
    for sample, name in named.items():
        if sample in photos:
            other, own = root(first.setdefault(photos[sample], name)), root(name)
            joined[own] = other
    return {sample: root(name) for sample, name in named.items()}


def _last(names: list[str], fraction: float) -> list[str]:
    """The last names, at least one of two or more."""
    count = round(fraction * len(names))
    if len(names) > 1:
        count = min(max(count, 1), len(names) - 1)
    return names[len(names) - count :]
