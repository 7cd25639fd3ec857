"""Damage in photos that OpenCV and Pillow decode without a word."""

import io
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from pipeline.raw.photos import MAX_SCANS, check_photo, check_scans, hash_photo, read_photo
from tests.helpers.bad_pairs import END_OF_JPEG, Pair, encode, many_scans


@pytest.fixture(scope="module")
def photos():
    """Twenty JPEGs of smooth, noisy pictures."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(20):
        coarse = PIL.Image.fromarray(rng.integers(0, 255, (9, 9, 3)).astype(np.uint8)).resize((200, 160))
        noisy = np.clip(np.asarray(coarse) + rng.normal(0, 8, (160, 200, 3)), 0, 255).astype(np.uint8)
        made.append(encode(noisy, "JPEG", quality=85 + number % 10, progressive=number % 2 == 1))
    return made


def is_refused(content):
    try:
        check_photo(content, Path("a.jpg"))
    except ValueError as error:
        return str(error).startswith("a.jpg is damaged: ")
    return False


def test_whole_photos_are_not_refused(photos):
    assert not any(map(is_refused, photos))


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65, 0.9])
def test_a_jpeg_that_is_cut_in_the_middle_is_refused_whatever_its_end(photos, share):
    baseline = photos[::2]
    assert all(is_refused(content[: int(len(content) * share)] + END_OF_JPEG) for content in baseline)
    assert all(is_refused(content[: int(len(content) * share)]) for content in photos)


def test_most_flipped_bits_are_noticed(photos):
    rng = np.random.default_rng(1)
    refused = 0
    for content in photos * 5:
        damaged = bytearray(content)
        for place in rng.integers(700, len(content) - 2, 8):
            damaged[place] ^= 1 << rng.integers(8)
        refused += is_refused(bytes(damaged))
    assert refused >= 50


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 200), (8, 5)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_small_jpeg_is_whole_and_has_its_size(size, mode):
    stream = io.BytesIO()
    PIL.Image.new(mode, size).save(stream, "JPEG")
    assert check_photo(stream.getvalue(), Path("a.jpg")) == size[::-1]


def test_scans_are_counted_and_no_time_is_spent_on_too_many(photos):
    pixels = np.zeros((64, 64, 3), np.uint8)
    check_scans(encode(pixels, "JPEG", progressive=True))
    content = many_scans(Pair(b"", {}, pixels))
    with pytest.raises(ValueError, match=f"more than {MAX_SCANS} scans"):
        check_scans(content)
    start = time.process_time()
    assert is_refused(many_scans(Pair(b"", {}, np.zeros((4000, 4000, 3), np.uint8))))
    assert time.process_time() - start < 2


def test_what_follows_the_end_of_a_jpeg_is_no_part_of_it(photos):
    """Phones append a video."""
    assert not is_refused(photos[0] + b"\xff\xda\x00\x02" * 1000)


def test_another_photo_than_expected_is_not_read(tmp_path, photos):
    path = tmp_path / "a.jpg"
    path.write_bytes(photos[0])
    assert read_photo(path, hash_photo(photos[0])).shape == (160, 200, 3)
    path.write_bytes(photos[2])
    assert read_photo(path).shape == (160, 200, 3)
    with pytest.raises(ValueError, match=r"a\.jpg is not the photo any more that the stage index read"):
        read_photo(path, hash_photo(photos[0]))
