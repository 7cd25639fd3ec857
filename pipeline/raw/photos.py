"""Raw photos: check that they are whole before they are used, decode them as the annotations see them."""

import contextlib
import hashlib
import io
import re
import stat
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL
import PIL.Image
from numpy.typing import NDArray

# Others are left out on purpose: for EPS, Pillow starts Ghostscript.
PHOTO_FORMATS = ("JPEG", "PNG", "BMP")
PHOTO_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_PIXELS = 64_000_000
MAX_PHOTO_BYTES = 2**28
# A progressive JPEG has about ten. Each costs as much as the first, however few bytes it has.
MAX_SCANS = 32
JPEG_START, START_OF_SCAN, END_OF_JPEG = b"\xff\xd8\xff", 0xDA, 0xD9
# What begins with 255 within the data of a scan and is no part of them.
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
LONE_MARKERS = (0x01, *range(0xD0, 0xD9))


def check_photo(content: bytes, path: Path) -> tuple[int, int]:
    """Check that a photo's bytes are whole and can be decoded; takes half the time of decoding them.

    Parameters
    ----------
    content : bytes
    path : Path
        Only named in errors.

    Returns
    -------
    height, width : int
        In px, as stored.

    Raises
    ------
    ValueError
        If the bytes are no picture, damaged, a picture larger than `MAX_PIXELS`, or of more than `MAX_SCANS`.

    Notes
    -----
    What libjpeg warns of counts as damage: OpenCV and Pillow would decode a JPEG that ends in the middle, or whose bits
    were flipped, to a picture that is grey or shifted from there on. A JPEG has no check sums: damage that only changes
    what its bits mean, such as a run of zeros, is not found.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks name no file
            with PIL.Image.open(io.BytesIO(content), formats=PHOTO_FORMATS) as picture:
                (width, height), mode = picture.size, picture.mode
                usable = width * height <= MAX_PIXELS and mode in PHOTO_MODES
                if usable:
                    if picture.format == "PNG":
                        _check_chunks(content)
                    if content.startswith(JPEG_START):
                        check_scans(content)
                        _check_jpeg(content, picture)
                    else:
                        picture.load()
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{path} is damaged or no picture of kind {' or '.join(PHOTO_FORMATS)}.") from error
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(f"{path} is a picture of far more px than the {MAX_PIXELS:,} expected at most.") from error
    except Exception as error:  # Pillow raises many kinds on damaged files, SyntaxError and struct.error among them
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged: {reason}.") from error
    if not usable:
        raise ValueError(
            f"{path} is a picture of {width} x {height} px of kind {mode}; expected up to {MAX_PIXELS:,} px, and 8-bit "
            "grey, palette, RGB or CMYK."
        )
    return height, width


def check_scans(content: bytes) -> None:
    """Check that a JPEG has no more scans than one has: a file of 400 kB may cost half a minute by thousands.

    Raises
    ------
    ValueError
        If it has more than `MAX_SCANS`.
    """
    place, scans = 2, 0
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != END_OF_JPEG:
        kind = content[place + 1]
        if kind == 0xFF or kind in LONE_MARKERS:  # 255 may be repeated
            place += 1 if kind == 0xFF else 2
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if kind == START_OF_SCAN:
            scans += 1
            after = MARKER.search(content, place)
            if after is None:
                break
            place = after.start()
        if scans > MAX_SCANS:
            raise ValueError(f"it has more than {MAX_SCANS} scans; save it anew")


def _check_jpeg(content: bytes, picture: PIL.Image.Image) -> None:
    """Read all data of a JPEG and make an eighth of its pixels, and take libjpeg's warnings for errors."""
    import simplejpeg  # for this alone

    small = {"min_height": 1, "min_width": 1, "min_factor": 8, "strict": True}
    try:
        simplejpeg.decode_jpeg(content, "CMYK" if picture.mode == "CMYK" else "Gray", **small)
    except ValueError:
        # Pillow says more plainly what is wrong, where it finds it: that a file is cut off, and how much of it is left.
        picture.draft("L", (max(picture.width // 8, 1), max(picture.height // 8, 1)))
        picture.load()
        raise


def _check_chunks(content: bytes) -> None:
    """Check the sizes and sums in a PNG: Pillow skips some, and OpenCV allocates whatever size a chunk says to have."""
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", content[place : place + 8].ljust(8, b"\0"))
        end = place + 12 + length
        if end > len(content):
            raise ValueError("image file is truncated")
        if zlib.crc32(content[place + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            raise ValueError("a check sum in it is wrong")
        place = end


def decode_photo(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Decode a photo's bytes, as stored: the annotation belongs to these pixels, whatever EXIF says of turning them.

    Parameters
    ----------
    content : bytes
        Of a photo that `check_photo` accepts.
    path : Path
        Only named in errors.

    Returns
    -------
    (H, W, 3) uint8
        RGB.

    Raises
    ------
    ValueError
        If the bytes are no picture that OpenCV reads.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    photo = None
    if content:
        with contextlib.suppress(cv2.error):
            photo = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if photo is None:
        raise ValueError(f"{path} is damaged or no picture.")
    return np.asarray(photo, np.uint8)


def read_photo(path: Path, sha256: str = "") -> NDArray[np.uint8]:
    """Read a photo as (H, W, 3) uint8 RGB, see `decode_photo`.

    Parameters
    ----------
    path : Path
    sha256 : str
        `hash_photo` of the bytes that are expected; empty for any.

    Raises
    ------
    ValueError
        If it is no picture that OpenCV reads, too large, or not the one that is expected.
    OSError
        If it can't be read.
    """
    content = read_content(path)
    photo = decode_photo(content, path)
    if sha256 and hash_photo(content) != sha256:
        raise ValueError(f"{path} is not the photo any more that the stage index read; run dvc repro again.")
    return photo


def hash_photo(content: bytes) -> str:
    """SHA-256 of a photo's bytes."""
    return hashlib.sha256(content).hexdigest()


def read_content(path: Path) -> bytes:
    """Read the bytes of a photo, unless they are too many for one.

    Raises
    ------
    ValueError
        If it has more than `MAX_PHOTO_BYTES`, or is a pipe or a device, whose end nobody knows.
    OSError
        If it can't be read.
    """
    status = path.stat()
    size = status.st_size
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is no file, but a folder, a pipe or a device; expected a photo.")
    if size > MAX_PHOTO_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; expected a photo of up to {MAX_PHOTO_BYTES:,}.")
    return path.read_bytes()
