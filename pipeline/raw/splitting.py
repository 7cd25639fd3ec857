"""Train, validation and test parts by identity."""

import re
from collections.abc import Collection, Mapping, Sequence

# Ends the name of a subset of turned copies of another's photos, which the stage `profiled` makes: <photo>_<copy>.
PROFILED_SUFFIX = "_Profiled"


def assign_parts(
    samples: Mapping[str, Sequence[str]],
    train: Collection[str],
    test: Collection[str],
    validation_fraction: float,
    test_fraction: float,
    test_every: int = 0,
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

    Returns
    -------
    list of (sample_id, identity, part)
        `part` is 'train', 'validation' or 'test'. Profiled copies are only learnt from: those of other photos than the
        training part's are left out, and change neither what is tested nor what is validated on.

    Notes
    -----
    Parts are blocks in the order of the names, and the last ones are held out: numbered photos that follow each other
    often show the same person (as in AFLW2000-3D), whom a draw by lot, or `test_every`, puts on both sides.
    """
    identities = {subset: list(dict.fromkeys(identity(sample) for sample in ids)) for subset, ids in samples.items()}
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
            name = identity(sample)
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
        For 300W-LP, whose stems read ``<set>_<photo>[_<face>]_<pose>``: without the subset's ``_Flip``, the number of
        the re-posed copy and the number of the face in the photo. For other stems, the sample's id itself. For profiled
        copies, what it is for their photo.
    """
    subset, stem = sample_id.split("/", 1)
    if subset.endswith(PROFILED_SUFFIX):
        return identity(f"{subset.removesuffix(PROFILED_SUFFIX)}/{re.sub(r'_[0-9]+$', '', stem)}")
    match = re.fullmatch(r"((?:AFW|HELEN|IBUG|LFPW)_.*?\d{3,})(?:_\d{1,2})?_\d{1,2}", stem)
    return f"{subset.removesuffix('_Flip')}/{match[1] if match else stem}"


def _last(names: list[str], fraction: float) -> list[str]:
    """The last names, at least one of two or more."""
    count = round(fraction * len(names))
    if len(names) > 1:
        count = min(max(count, 1), len(names) - 1)
    return names[len(names) - count :]
