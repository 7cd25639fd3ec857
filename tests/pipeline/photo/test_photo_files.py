import os
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.photo import photo_files
from pipeline.photo.photo_files import count_passed_over, encode_grey, encode_image, list_photos, open_photo

COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [255, 255, 0]]], np.uint8)
# What a camera stores of an upright picture, by EXIF's definition: where row 0 and column 0 of the stored pixels lie
# in the upright picture.
STORED = {
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.transpose(1, 0, 2),  # left, top
    6: lambda upright: upright[:, ::-1].transpose(1, 0, 2),  # right, top
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
    8: lambda upright: upright[::-1].transpose(1, 0, 2),  # left, bottom
}


def colours(block):
    """Six fields of one colour each, `block` px a side."""
    return COLOURS.repeat(block, axis=0).repeat(block, axis=1)


def save(path, pixels, orientation=None, **options):
    exif = PIL.Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_all_eight_orientations_show_the_same_picture(tmp_path, orientation, suffix):
    stored = STORED[orientation](colours(16))
    photo, reduced = open_photo(save(tmp_path / f"a.{suffix}", stored, orientation, quality=95))
    assert photo.shape == (32, 48, 3)
    assert photo.dtype == np.uint8
    assert reduced == 1
    middles = photo[8::16, 8::16].astype(int)
    assert np.abs(middles - COLOURS).max() <= (0 if suffix == "png" else 12)


def test_damaged_exif_is_no_reason_to_refuse_a_photo(tmp_path):
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(colours(16)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert open_photo(path)[0].shape == (32, 48, 3)


def test_grey_palette_and_one_bit_become_rgb(tmp_path):
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    PIL.Image.fromarray(grey).save(tmp_path / "grey.png")
    assert open_photo(tmp_path / "grey.png")[0].tolist() == grey[..., None].repeat(3, axis=2).tolist()
    PIL.Image.fromarray(COLOURS).quantize(6).save(tmp_path / "palette.png")
    assert (open_photo(tmp_path / "palette.png")[0] == COLOURS).all()
    PIL.Image.fromarray(grey > 150).save(tmp_path / "bits.png")
    assert open_photo(tmp_path / "bits.png")[0][..., 1].tolist() == [[0, 0], [255, 255]]


def test_what_is_transparent_becomes_white(tmp_path):
    pixels = np.array([[[200, 0, 0, 255], [200, 0, 0, 0]], [[0, 0, 0, 51], [0, 0, 255, 255]]], np.uint8)
    save(tmp_path / "a.png", pixels)
    # A fifth of black over white: 255 * 4 / 5.
    expected = [[[200, 0, 0], [255, 255, 255]], [[204, 204, 204], [0, 0, 255]]]
    assert open_photo(tmp_path / "a.png")[0].tolist() == expected
    palette = PIL.Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=0)
    assert open_photo(tmp_path / "p.png")[0].tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_sixteen_bits_become_eight_and_do_not_saturate(tmp_path):
    grey = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert open_photo(tmp_path / "grey.png")[0][..., 0].tolist() == [[0, 100], [200, 255]]
    rgb = COLOURS.astype(np.uint16) * 257
    rgb[0, 0, 0] = 257 * 100
    cv2.imwrite(str(tmp_path / "rgb.png"), rgb[..., ::-1])
    photo, _ = open_photo(tmp_path / "rgb.png")
    assert photo[0, 0].tolist() == [100, 0, 0]
    assert (photo[1] == COLOURS[1]).all()


def test_cmyk_becomes_rgb_the_right_way_round(tmp_path):
    PIL.Image.fromarray(colours(16)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    photo, _ = open_photo(tmp_path / "a.jpg")
    assert np.abs(photo[8::16, 8::16].astype(int) - COLOURS).max() <= 12


def test_a_phones_two_pictures_in_one_file_give_the_first(tmp_path):
    second = PIL.Image.fromarray(255 - colours(16))
    PIL.Image.fromarray(colours(16)).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(open_photo(tmp_path / "a.jpg")[0][8::16, 8::16].astype(int) - COLOURS).max() <= 12


@pytest.mark.parametrize(
    ("suffix", "mode"), [("jpg", "RGB"), ("png", "RGB"), ("png", "RGBA"), ("png", "P"), ("webp", "RGB")]
)
@pytest.mark.parametrize(("limit", "expected"), [(1536, 1), (1535, 2), (384, 2), (96, 4), (24, 8), (6, 16)])
def test_large_photos_are_halved_until_they_fit_and_the_factor_is_told(
    tmp_path, monkeypatch, suffix, mode, limit, expected
):
    monkeypatch.setattr(photo_files, "MAX_PIXELS", limit)
    picture = PIL.Image.fromarray(STORED[6](colours(16)))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture.convert(mode).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    photo, reduced = open_photo(tmp_path / f"a.{suffix}")
    assert reduced == expected
    assert photo.shape == (32 // reduced, 48 // reduced, 3)
    step = 16 // reduced
    assert np.abs(photo[step // 2 :: step, step // 2 :: step].astype(int) - COLOURS).max() <= 25


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_point_of_a_reduced_photo_lies_where_the_factor_says(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(photo_files, "MAX_PIXELS", 1000)
    stored = np.zeros((123, 157), np.uint8)
    stored[40:48, 64:80] = 255
    PIL.Image.fromarray(stored).save(tmp_path / f"a.{suffix}", quality=100)
    photo, reduced = open_photo(tmp_path / f"a.{suffix}")
    assert reduced == 8
    assert photo.shape == (16, 20, 3)  # the last row and column are of fewer px
    y, x = np.mean(np.nonzero(photo[..., 0] > 128), axis=1)
    # The patch has its middle at (71.5, 43.5).
    assert (reduced * (x + 0.5) - 0.5, reduced * (y + 0.5) - 0.5) == pytest.approx((71.5, 43.5))


def png_of(width, height):
    """The start of a PNG that says to be so large."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [13_300, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    (tmp_path / "a.png").write_bytes(png_of(side, side))
    with pytest.raises(ValueError, match=r"a\.png is a picture of .* px; expected up to 175,000,000 px"):
        open_photo(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_cut_off_and_empty_files_and_texts_are_refused(tmp_path, suffix):
    whole = save(tmp_path / f"whole.{suffix}", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    content = whole.read_bytes()
    for name, damaged in {"cut": content[: len(content) // 2], "empty": b"", "text": b"no picture at all"}.items():
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{name}\.{suffix} is damaged"):
            open_photo(path)


def test_a_jpeg_that_is_cut_off_is_said_to_end_too_early(tmp_path):
    whole = save(tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cut\.jpg is damaged: the file ends too early\. Copy it again\.$"):
        open_photo(cut)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.jpg cannot be read: No such file"):
        open_photo(tmp_path / "gone.jpg")


def test_heic_asks_for_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    # A phone's photo that was only renamed is HEIC all the same.
    for name in ("a.heic", "b.jpg"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 100)
        with pytest.raises(ValueError, match=rf"{name}: HEIC photos need the package pillow-heif; install it"):
            open_photo(tmp_path / name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.JPG", "a.png", "c.webp", "notes.txt", "._b.JPG", "sub/d.jpeg", "odd[1].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "photos" / "folder.jpg").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def test_a_folder_gives_its_photos_sorted_and_nothing_else(folder):
    assert list_photos(["photos"]) == [folder / name for name in ("a.png", "b.JPG", "c.webp", "odd[1].jpg")]


def test_what_a_folder_holds_besides_its_photos_is_counted_by_its_ending(folder):
    for name in (".DS_Store", "a.TXT", "README", "clip.mp4", "odd.a\nb", os.fsdecode(b"odd.\xff")):
        (folder / name).touch()
    (folder / "loop").symlink_to("loop")
    assert count_passed_over(folder) == {
        ".a\\nb": 1,
        ".mp4": 1,
        ".txt": 2,
        ".\\udcff": 1,
        "folders": 2,
        "hidden": 2,
        "without an ending": 2,
    }
    assert count_passed_over(folder / "sub") == {}


def test_files_patterns_and_folders_keep_their_order_and_each_photo_comes_once(folder):
    assert list_photos(["photos/sub/d.jpeg", "photos/*.png", "photos"]) == [
        folder / name for name in ("sub/d.jpeg", "a.png", "b.JPG", "c.webp", "odd[1].jpg")
    ]
    assert list_photos(["photos/odd[1].jpg"]) == [folder / "odd[1].jpg"]
    assert list_photos(["photos/**/*.jp*"]) == [folder / "odd[1].jpg", folder / "sub" / "d.jpeg"]
    assert list_photos([os.fspath(Path.cwd() / "photos" / "?.png")]) == [Path.cwd() / folder / "a.png"]
    assert list_photos(["photos/notes.txt"]) == [folder / "notes.txt"], "a file named itself is tried"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("gone.jpg", "no photo or folder 'gone.jpg'"),
        ("", "no photo or folder ''"),
        ("empty", r"folder empty holds no photos \(.*\); 'empty/\*\*/\*.jpg' names those in its folders"),
        ("photos/*.gif", r"pattern photos/\*.gif matches no photos"),
    ],
)
def test_arguments_that_name_nothing_are_said(folder, argument, message):
    with pytest.raises(FileNotFoundError, match=message):
        list_photos(["photos", argument])


def test_a_video_is_sent_to_the_commands_that_take_it(tmp_path):
    (tmp_path / "clip.MOV").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
    with pytest.raises(ValueError, match=r"clip\.MOV is a video: `reconstruct --video .*clip\.MOV` takes frames"):
        open_photo(tmp_path / "clip.MOV")


def test_an_encoded_png_has_the_pixels_and_a_jpeg_is_near_them(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(colours(16), ".png"))
    (tmp_path / "a.jpg").write_bytes(encode_image(colours(16), ".jpg"))
    assert np.array_equal(open_photo(tmp_path / "a.png")[0], colours(16))
    middles = open_photo(tmp_path / "a.jpg")[0][8::16, 8::16].astype(int)
    assert np.abs(middles - COLOURS).max() < 30


def test_an_encoded_grey_picture_keeps_all_16_bits():
    grey = np.array([[0, 1, 255], [256, 65_534, 65_535]], np.uint16)
    decoded = cv2.imdecode(np.frombuffer(encode_grey(grey), np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, grey)


@pytest.mark.parametrize("name", ["a.bmp", "a.tif", "a.TIFF"])
def test_what_scanners_and_old_programs_save_is_read_and_listed(tmp_path, name):
    PIL.Image.fromarray(colours(16)).save(tmp_path / name)
    assert np.array_equal(open_photo(tmp_path / name)[0], colours(16))
    assert list_photos([str(tmp_path)]) == [tmp_path / name]


def test_a_tiff_is_turned_once_as_its_orientation_says(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(colours(16)).save(tmp_path / "a.tif", exif=exif)
    assert np.array_equal(open_photo(tmp_path / "a.tif")[0], np.rot90(colours(16), -1))


def test_a_grey_tiff_of_16_bits_keeps_its_greys(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.array([[0, 256, 65_535]], np.uint16))
    assert open_photo(tmp_path / "a.tif")[0][0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_32_bits_are_not_taken_for_greys(tmp_path, mode):
    PIL.Image.fromarray(colours(16)).convert(mode).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif has numbers of 32 bits, .* save it with 8 or 16 bits"):
        open_photo(tmp_path / "a.tif")


def test_a_progressive_jpeg_is_read_and_one_of_thousands_of_scans_refused_at_once(tmp_path):
    PIL.Image.fromarray(colours(400)).save(tmp_path / "a.jpg", progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    assert np.abs(open_photo(tmp_path / "a.jpg")[0][200::400, 200::400].astype(int) - COLOURS).max() <= 12
    last = content.rindex(b"\xff\xda")
    (tmp_path / "b.jpg").write_bytes(content[:last] + content[last:-2] * 2000 + content[-2:])
    with pytest.raises(ValueError, match=r"b\.jpg can't be read: it has more than 32 scans; save it anew\."):
        open_photo(tmp_path / "b.jpg")


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 7), (8, 8), (1, 300), (300, 1)])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp"])
def test_the_smallest_photos_are_read(tmp_path, shape, suffix):
    PIL.Image.fromarray(np.full((*shape, 3), 200, np.uint8)).save(tmp_path / f"a.{suffix}")
    photo, _ = open_photo(tmp_path / f"a.{suffix}")
    assert photo.shape == (*shape, 3)
    assert np.abs(photo.astype(int) - 200).max() <= 3
