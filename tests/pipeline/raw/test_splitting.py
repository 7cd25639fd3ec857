"""A photo, its re-posed copies, its other faces and its mirror images are on one side of a split."""

import numpy as np
import pytest

from pipeline.raw.splitting import assign_parts, identity

# Names as 300W-LP has them. A number says which photo it is, and nothing of what follows does.
PATTERNS = {
    "AFW": ("AFW_{}_{}_{}", 10**5, 10**10),
    "HELEN": ("HELEN_{}_{}_{}", 10**6, 10**10),
    "IBUG": ("IBUG_image_{:03d}_{:02d}_{}", 0, 1000),
    "LFPW": ("LFPW_image_train_{0:04d}_{2}", 0, 900),
    "LFPW_test": ("LFPW_image_test_{0:04d}_{2}", 0, 900),
}
SETS = ("AFW", "HELEN", "IBUG", "LFPW")


def random_names(seed):
    """Sample ids by subset, and the photo of each, which is known here and has to be found there."""
    rng = np.random.default_rng(seed)
    samples = {f"{name}{flip}": [] for name in SETS for flip in ("", "_Flip")}
    photo_of = {}
    for key, (pattern, low, high) in PATTERNS.items():
        subset = key.split("_")[0]
        for number in np.unique(rng.integers(low, high, 30)):
            faces, copies = rng.choice([1, 1, 2, 4, 12]), rng.integers(1, 18)
            for face in range(1, faces + 1):
                for copy in range(copies):
                    for flip in ("", "_Flip"):
                        name = f"{subset}{flip}/{pattern.format(number, face, copy)}"
                        # some are missing, and not the same ones in both
                        if name not in photo_of and rng.random() < 0.9:
                            samples[f"{subset}{flip}"].append(name)
                            photo_of[name] = f"{key}/{number}"
    samples["AFLW2000"] = [f"AFLW2000/image{number:05d}" for number in np.unique(rng.integers(0, 5000, 80))]
    photo_of |= {name: name for name in samples["AFLW2000"]}
    return {subset: sorted(names) for subset, names in samples.items()}, photo_of


def sides(rows, photo_of):
    found = {}
    for sample, _, part in rows:
        found.setdefault(photo_of[sample], set()).add(part)
    return found


TRAIN = [f"{name}{flip}" for name in SETS for flip in ("", "_Flip")]
SPLITS = {
    "the thesis's": (TRAIN, ["AFLW2000"]),
    "tested on one of the sets": (TRAIN, ["IBUG"]),
    "tested on mirror images": (["AFW", "HELEN", "LFPW"], ["AFW_Flip", "AFLW2000"]),
    "trained and tested on all": (TRAIN, TRAIN),
    "without mirror images": (list(SETS), ["AFLW2000"]),
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("seed", range(8))
def test_no_photo_is_on_two_sides(seed, split):
    samples, photo_of = random_names(seed)
    rows = assign_parts(samples, *SPLITS[split], 0.1, 0.2)
    assert sorted(sample for sample, *_ in rows) == sorted(photo_of)
    assert {photo: parts for photo, parts in sides(rows, photo_of).items() if len(parts) > 1} == {}
    assert {part for *_, part in rows} == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", range(8))
def test_an_identity_is_a_photo_and_no_more(seed):
    """Were all of a set one identity, no photo would be on two sides, and no split be one."""
    _, photo_of = random_names(seed)
    photos = {}
    for name, photo in photo_of.items():
        photos.setdefault(identity(name), set()).add(photo)
    assert {name: found for name, found in photos.items() if len(found) > 1} == {}
    assert len(photos) == len(set(photo_of.values()))


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9])
def test_the_held_out_share_is_the_one_asked_for(fraction):
    samples, photo_of = random_names(99)
    rows = assign_parts(samples, TRAIN, ["AFLW2000"], fraction, 0.2)
    learned = {photo: parts for photo, parts in sides(rows, photo_of).items() if parts != {"test"}}
    share = sum(parts == {"validation"} for parts in learned.values()) / len(learned)
    assert share == pytest.approx(fraction, abs=0.06)


def test_the_order_of_the_subsets_changes_nothing():
    samples, _ = random_names(7)
    forward = assign_parts(samples, TRAIN, ["AFLW2000"], 0.1, 0.2)
    backward = assign_parts(dict(reversed(samples.items())), TRAIN[::-1], ["AFLW2000"], 0.1, 0.2)
    assert sorted(forward) == sorted(backward)


def test_profiled_copies_are_of_their_photo_s_identity():
    assert identity("AFLW2000_Profiled/image00002_1") == identity("AFLW2000/image00002") == "AFLW2000/image00002"
    for subset in ("AFW", "AFW_Flip"):
        assert identity(f"{subset}_Profiled/AFW_134212_1_0_2") == "AFW/AFW_134212"
    assert identity("MINE_Profiled/a_photo_12") == "MINE/a_photo"


@pytest.mark.parametrize("every", [0, 5])
def test_profiled_copies_are_learnt_from_if_their_photo_is_and_change_no_other_part(every):
    photos = [f"image{number:05d}" for number in range(40)]
    names = [f"AFLW2000/{photo}" for photo in photos]
    # Some have fewer copies, the last ones none: what is held out may not depend on that.
    copies = [
        f"AFLW2000_Profiled/{photo}_{copy}" for i, photo in enumerate(photos[:-3]) for copy in range(1, 2 + i % 2)
    ]
    subsets = ["AFLW2000", "AFLW2000_Profiled"]
    fractions = (0.1, 0.2, every)
    alone = assign_parts({"AFLW2000": names}, subsets[:1], ["AFLW2000"], *fractions)
    rows = assign_parts({"AFLW2000": names, "AFLW2000_Profiled": copies}, subsets, ["AFLW2000"], *fractions)
    part_of = {sample: part for sample, _, part in alone}
    assert [row for row in rows if not row[0].startswith("AFLW2000_P")] == alone
    added = {sample: part for sample, _, part in rows if sample.startswith("AFLW2000_P")}
    assert set(added.values()) == {"train"}
    learnt = {copy for copy in copies if part_of[f"AFLW2000/{copy.split('/')[1][:-2]}"] == "train"}
    assert added.keys() == learnt
    assert 20 < len(learnt) < len(copies)


@pytest.mark.parametrize("name", ["Mirrored", "flipped", "AFW2", "AFLW2000"])
def test_flips_are_of_their_photo_s_identity_whatever_their_subset_is_called(name):
    assert identity(f"{name}/AFW_134212_1_0") == identity("AFW/AFW_134212_1_3") == "AFW/AFW_134212"
    people = [f"AFW_{number:06d}_1_0" for number in range(40)]
    samples = {"AFW": [f"AFW/{stem}" for stem in people], name: [f"{name}/{stem}" for stem in people]}
    rows = assign_parts(samples, ["AFW", name], [name], 0.1, 0.2)
    parts = sides(rows, {sample: sample.split("/")[1] for ids in samples.values() for sample in ids})
    assert {len(found) for found in parts.values()} == {1}


def test_samples_of_one_photo_are_on_one_side_whatever_their_names():
    """Two faces of a photo, and copies under other names: the chain a-b, b-c puts all three together."""
    names = [f"own/{number:03d}" for number in range(60)]
    photos = {name: str(number) for number, name in enumerate(names)}
    photos |= {names[0]: "x", names[59]: "x", names[50]: "y", names[3]: "y"}
    rows = assign_parts({"own": names}, ["own"], ["own"], 0.2, 0.3, photos=photos)
    part = {sample: part for sample, _, part in rows}
    assert part[names[0]] == part[names[59]]
    assert part[names[50]] == part[names[3]]
    assert len(rows) == 60
    assert set(part.values()) == {"train", "validation", "test"}


def test_a_photo_joins_the_copies_of_its_names():
    samples = {"AFW": ["AFW/AFW_000001_1_0", "AFW/AFW_000001_1_1"], "mine": ["mine/a", "mine/b"]}
    photos = {"AFW/AFW_000001_1_1": "x", "mine/a": "x"}
    rows = assign_parts(samples, ["AFW", "mine"], ["mine"], 0.5, 0.5, photos=photos)
    names = {sample: name for sample, name, _ in rows}
    assert names["mine/a"] == names["AFW/AFW_000001_1_0"] == names["AFW/AFW_000001_1_1"] == "AFW/AFW_000001"
    assert names["mine/b"] == "mine/b"


def test_a_photo_to_learn_from_and_to_test_on_is_refused():
    samples = {"A": ["A/one", "A/two"], "B": ["B/three", "B/four"]}
    photos = {"A/one": "1", "A/two": "2", "B/three": "3", "B/four": "2"}
    with pytest.raises(ValueError, match=r"1 photos are both .* the first is A/two, which is the photo of B/four"):
        assign_parts(samples, ["A"], ["B"], 0.5, 0.5, photos=photos)
    assert len(assign_parts(samples, ["A"], ["B"], 0.5, 0.5, photos=photos | {"B/four": "4"})) == 4
