"""Train, validation and test parts by identity."""

from collections.abc import Collection, Mapping, Sequence

from .annotations import identity


def assign_parts(
    samples: Mapping[str, Sequence[str]],
    train: Collection[str],
    test: Collection[str],
    validation_fraction: float,
    test_fraction: float,
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

    Returns
    -------
    list of (sample_id, identity, part)
        `part` is 'train', 'validation' or 'test'.

    Notes
    -----
    Parts are blocks in the order of the names, and the last ones are held out: numbered photos that follow each other
    often show the same person (as in AFLW2000-3D), whom a draw by lot would put on both sides.
    """
    identities = {subset: list(dict.fromkeys(identity(sample) for sample in ids)) for subset, ids in samples.items()}
    tested: set[str] = set()
    for subset in test:
        names = identities[subset]
        tested.update(_last(names, test_fraction) if subset in train else names)
    held_out: set[str] = set()
    for subset in train:
        held_out.update(_last([name for name in identities[subset] if name not in tested], validation_fraction))

    rows = []
    for ids in samples.values():
        for sample in ids:
            name = identity(sample)
            part = "test" if name in tested else "validation" if name in held_out else "train"
            rows.append((sample, name, part))
    return rows


def _last(names: list[str], fraction: float) -> list[str]:
    """The last names, at least one of two or more."""
    count = round(fraction * len(names))
    if len(names) > 1:
        count = min(max(count, 1), len(names) - 1)
    return names[len(names) - count :]
