"""Raw photos: check that they are whole before they are used, decode them as the annotations see them."""

import contextlib
import io
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
PHOTO_FORMATS = ("JPEG", "PNG")
PHOTO_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_PIXELS = 64_000_000
MAX_PHOTO_BYTES = 2**28


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
        If the bytes are no picture, cut off, or a picture larger than `MAX_PIXELS`.

    Notes
    -----
    A JPEG has no check sums: damage that only changes what its bits mean, such as a run of zeros, is not found.
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
                    # Of a JPEG all data are read, and an eighth of the pixels made.
                    picture.draft("L", (width // 8, height // 8))
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


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as (H, W, 3) uint8 RGB, see `decode_photo`.

    Raises
    ------
    ValueError
        If it is no picture that OpenCV reads, or too large.
    OSError
        If it can't be read.
    """
    return decode_photo(read_content(path), path)


def read_content(path: Path) -> bytes:
    """Read the bytes of a photo, unless they are too many for one.

    Raises
    ------
    ValueError
        If it has more than `MAX_PHOTO_BYTES`.
    OSError
        If it can't be read.
    """
    size = path.stat().st_size
    if size > MAX_PHOTO_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; expected a photo of up to {MAX_PHOTO_BYTES:,}.")
    return path.read_bytes()
