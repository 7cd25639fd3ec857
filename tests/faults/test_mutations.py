"""Whole files, broken at random: a reader gives what its contract says, or a sentence, and nothing else."""

import io
import resource
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.raw.annotations import read_annotation
from pipeline.raw.pair_files import matlab_bytes
from pipeline.raw.photos import check_photo, decode_photo
from stages.index import read_pairs

# An 8000 x 8000 px picture of four bytes a pixel is the most that a header of a few bytes may ask for.
MAX_GROWTH_KB = 400 * 1024

# What a warning would raise here would hide what a run without `-W error` does.
pytestmark = pytest.mark.filterwarnings("ignore")


def scene():
    """A small picture with flat, smooth and rough parts."""
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
    return np.where(np.arange(48)[None, :, None] < 24, cv2.GaussianBlur(rough, (0, 0), 4), rough // 2)


def picture(kind, mode="RGB", **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(scene()).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def annotations():
    rng = np.random.default_rng(1)
    return {
        "Shape_Para": rng.normal(0, 1e5, (199, 1)),
        "Exp_Para": rng.normal(size=(29, 1)),
        "Pose_Para": np.array([[0.1, -0.4, 0.2, 20, 18, -9, 1e-4]], np.float32),
        "pt3d_68": rng.uniform(0, 40, (3, 68)).astype(np.float32),
        "roi": np.array([[1, 1, 48, 40]], np.int16),
    }


def compressed_annotation():
    stream = io.BytesIO()
    scipy.io.savemat(stream, annotations(), do_compression=True)
    return matlab_bytes({})[:116] + stream.getvalue()[116:]


def annotation_of_version_4():
    stream = io.BytesIO()
    scipy.io.savemat(stream, annotations(), format="4")
    return stream.getvalue()


MATLAB_FILES = [matlab_bytes(annotations()), compressed_annotation(), annotation_of_version_4()]
PHOTOS = [
    picture("JPEG", quality=90),
    picture("JPEG", quality=80, progressive=True, optimize=True),
    picture("JPEG", "CMYK"),
    picture("JPEG", "L"),
    picture("PNG"),
    picture("PNG", "P"),
    picture("PNG", "RGBA"),
    picture("PNG", "1"),
]


def flip(content, start, count, value):
    place = start % max(len(content), 1)
    return content[:place] + bytes([content[place] ^ (1 + value % 255)]) + content[place + 1 :] if content else content


def cut(content, start, count, value):
    return content[: start % (len(content) + 1)]


def leave_out(content, start, count, value):
    place = start % (len(content) + 1)
    return content[:place] + content[place + count :]


def insert(content, start, count, value):
    place = start % (len(content) + 1)
    return content[:place] + bytes([value]) * count + content[place:]


def overwrite(content, start, count, value):
    place = start % (len(content) + 1)
    fill = 0xFF if value % 2 else 0
    return content[:place] + bytes([fill]) * len(content[place : place + count]) + content[place + count :]


def repeat(content, start, count, value):
    place = start % (len(content) + 1)
    return content[: place + count] + content[place:]


def swap(content, start, count, value):
    place = start % (len(content) + 1)
    first, second = content[place : place + count], content[place + count : place + 2 * count]
    return content[:place] + second + first + content[place + len(first) + len(second) :]


def set_number(content, start, count, value):
    """Four bytes that a format may take for a size, at a multiple of four."""
    place = start % max(len(content), 1) // 4 * 4
    number = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**16, value, 8000)[count % 8]
    return content[:place] + number.to_bytes(4, "little" if value % 2 else "big") + content[place + 4 :]


KINDS = (flip, cut, leave_out, insert, overwrite, repeat, swap, set_number)
# Half of the places are among the headers, where most of the meaning is.
PLACES = st.one_of(st.integers(0, 400), st.integers(0, 2**16))
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), PLACES, st.integers(1, 64), st.integers(0, 255)), min_size=1, max_size=4
)


def mend(content):
    """Right check sums for the chunks of a broken PNG, so that what is broken gets to the decoders."""
    whole, place = content[:8], 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        whole += content[place:end] + zlib.crc32(content[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return whole


@st.composite
def mutated(draw, files):
    content = draw(st.sampled_from(files))
    for kind, start, count, value in draw(STEPS):
        content = kind(content, start, count, value)
    return mend(content) if content.startswith(b"\x89PNG") and draw(st.booleans()) else content


def examples(count):
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class Outcomes:
    """How many files were read and refused: a test that only ever sees one of both proves little."""

    def __init__(self):
        self.read, self.refused = 0, 0

    def refuse(self, error, name):
        sentence = str(error)
        assert name in sentence
        assert len(sentence) > len(name) + 5
        assert len(sentence.splitlines()) == 1
        assert "object at 0x" not in sentence
        self.refused += 1

    def check(self, count):
        assert self.read + self.refused >= 0.95 * count, vars(self)
        assert min(self.read, self.refused) > 0.05 * count, vars(self)


def memory_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.fixture(scope="module")
def annotation_path():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "broken.mat"


def look_at_annotation(content, path, outcomes):
    path.write_bytes(content)
    try:
        annotation = read_annotation(path)
    except (ValueError, OSError) as error:
        outcomes.refuse(error, path.name)
        return
    outcomes.read += 1
    for values, shape in ((annotation.shape, 199), (annotation.expression, 29), (annotation.pose, 7)):
        assert (values.shape, values.dtype) == ((shape,), np.float64)
        assert np.isfinite(values).all()
    assert annotation.pose[6] > 0
    assert (annotation.true_landmarks.shape, annotation.true_landmarks.dtype) == ((68, 3), np.float32)
    known = np.isfinite(annotation.true_landmarks)
    assert known.all() or np.isnan(annotation.true_landmarks).all()


def look_at_photo(content, outcomes):
    try:
        height, width = check_photo(content, Path("broken.jpg"))
        photo = decode_photo(content, Path("broken.jpg"))
    except (ValueError, OSError) as error:
        outcomes.refuse(error, "broken.jpg")
        return
    outcomes.read += 1
    assert (photo.shape, photo.dtype) == ((height, width, 3), np.uint8)


def break_annotations(count, path):
    outcomes, before = Outcomes(), memory_kb()
    examples(count)(given(mutated(MATLAB_FILES))(lambda content: look_at_annotation(content, path, outcomes)))()
    outcomes.check(count)
    assert memory_kb() - before < MAX_GROWTH_KB


def break_photos(count):
    outcomes, before = Outcomes(), memory_kb()
    examples(count)(given(mutated(PHOTOS))(lambda content: look_at_photo(content, outcomes)))()
    outcomes.check(count)
    assert memory_kb() - before < MAX_GROWTH_KB


def break_pairs(count, folder):
    outcomes = Outcomes()
    (folder / "good.jpg").write_bytes(PHOTOS[0])
    (folder / "good.mat").write_bytes(MATLAB_FILES[0])

    @examples(count)
    @given(st.one_of(st.just(PHOTOS[0]), mutated(PHOTOS)), st.one_of(st.just(MATLAB_FILES[1]), mutated(MATLAB_FILES)))
    def break_one(photo, annotation):
        (folder / "broken.jpg").write_bytes(photo)
        (folder / "broken.mat").write_bytes(annotation)
        made = read_pairs("AFW", folder, [("broken.jpg", "broken.mat"), ("good.jpg", "good.mat")], ())
        assert made.taken == 2 == len(made.datasets["sample_id"]) + len(made.rejected)
        assert made.datasets["sample_id"][-1] == "AFW/good"
        assert all(len(values) == len(made.datasets["sample_id"]) for values in made.datasets.values())
        for name, reason in made.rejected:
            assert (name, str(folder) in reason) == ("broken.jpg", False)
            outcomes.refuse(ValueError(reason), "broken.")
        outcomes.read += len(made.rejected) == 0

    break_one()
    outcomes.check(count)


@pytest.mark.parametrize("number", range(len(MATLAB_FILES)))
def test_an_annotation_that_is_whole_is_read(annotation_path, number):
    outcomes = Outcomes()
    look_at_annotation(MATLAB_FILES[number], annotation_path, outcomes)
    assert outcomes.read == 1


@pytest.mark.parametrize("number", range(len(PHOTOS)))
def test_a_photo_that_is_whole_is_read(number):
    outcomes = Outcomes()
    look_at_photo(PHOTOS[number], outcomes)
    assert outcomes.read == 1


def test_a_broken_annotation_keeps_its_contract_or_gets_a_sentence(annotation_path):
    break_annotations(600, annotation_path)


def test_a_broken_photo_has_the_size_that_was_checked_or_gets_a_sentence():
    break_photos(800)


def test_of_broken_pairs_none_is_lost(tmp_path):
    break_pairs(400, tmp_path)


WORDS = [number.to_bytes(4, "little") for number in (0, 1, 8, 17, 2**31 - 1, 2**31, 2**32 - 1)]


@pytest.mark.parametrize("number", range(len(MATLAB_FILES)))
def test_no_word_of_an_annotation_can_be_wrong_without_a_sentence(annotation_path, number):
    """Sizes, types and flags among them: scipy ends the interpreter on a type of 0."""
    content, outcomes = MATLAB_FILES[number], Outcomes()
    for place in range(0, len(content) - 3, 4):
        for word in WORDS:
            look_at_annotation(content[:place] + word + content[place + 4 :], annotation_path, outcomes)
    assert min(outcomes.read, outcomes.refused) > 100


@pytest.mark.parametrize("number", range(len(PHOTOS)))
def test_no_byte_of_a_photos_headers_can_be_wrong_without_a_sentence(number):
    content, outcomes, before = PHOTOS[number], Outcomes(), memory_kb()
    for place in range(min(len(content), 400)):
        for byte in (0, 1, 0xFF, content[place] ^ 1):
            look_at_photo(content[:place] + bytes([byte]) + content[place + 1 :], outcomes)
    assert outcomes.refused > 50
    assert memory_kb() - before < MAX_GROWTH_KB


@pytest.mark.slow
def test_many_broken_annotations_keep_their_contract_or_get_a_sentence(annotation_path):
    break_annotations(30_000, annotation_path)


@pytest.mark.slow
def test_many_broken_photos_have_the_size_that_was_checked_or_get_a_sentence():
    break_photos(30_000)


@pytest.mark.slow
def test_of_many_broken_pairs_none_is_lost(tmp_path):
    break_pairs(10_000, tmp_path)
