"""Photos as people have them: any of the usual formats, turned as their EXIF says, of bounded memory.

`pipeline.raw.photos` reads annotated photos instead, whose annotations belong to the pixels as stored.
"""

import contextlib
import importlib
import warnings
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ..raw.photos import check_scans

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif")
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# Others are left out on purpose: for EPS, Pillow starts Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# Larger photos are halved until they fit: 4 million px or more remain, and a face of a tenth of the width has 200 px.
MAX_PIXELS = 16_000_000
# All formats but JPEG are decoded whole. The process's peak for 100 million px: JPEG 130 MB (progressive 360), PNG 210
# to 840 by its kind, WebP 1,600. Pillow refuses 179 million by itself.
MAX_STORED_PIXELS = 175_000_000
# Of pictures that are written.
JPEG_QUALITY = 88
EXIF_ORIENTATION = 0x0112
TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


def list_photos(arguments: Iterable[str]) -> list[Path]:
    """List the photos that the arguments of a command name.

    Parameters
    ----------
    arguments : iterable of str
        Files, folders (the photos right in them, in the order of their names, hidden files left out), and patterns
        such as ``holiday/*.jpg``, for shells that do not expand them.

    Returns
    -------
    list of Path
        In the order of the arguments, each once. A file that is named itself is listed whatever its ending.

    Raises
    ------
    FileNotFoundError
        If an argument names nothing, or a folder or pattern without photos.
    """
    photos: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if argument and path.is_dir():
            found = _only_photos(path.iterdir())
            if not found:
                raise FileNotFoundError(
                    f"The folder {path} holds no photos ({', '.join(PHOTO_SUFFIXES)}); "
                    f"'{path}/**/*.jpg' names those in its folders."
                )
        elif path.is_file():
            found = [path]
        elif any(sign in argument for sign in "*?["):
            found = _only_photos(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            if not found:
                raise FileNotFoundError(f"The pattern {argument} matches no photos ({', '.join(PHOTO_SUFFIXES)}).")
        else:
            raise FileNotFoundError(f"There is no photo or folder {argument!r}; check the name.")
        photos += found
    return list(dict.fromkeys(photos))


def count_passed_over(folder: Path) -> dict[str, int]:
    """How many entries of a folder `list_photos` passes over: hidden ones, folders, and files by their endings."""
    passed: dict[str, int] = {}
    photos = set(_only_photos(folder.iterdir()))
    for path in sorted(set(folder.iterdir()) - photos):
        hidden = path.name.startswith(".")
        kind = "hidden" if hidden else "folders" if path.is_dir() else ascii(path.suffix.lower())[1:-1]
        passed[kind or "without an ending"] = passed.get(kind or "without an ending", 0) + 1
    return dict(sorted(passed.items()))


def _only_photos(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def open_photo(path: Path, behind: str = "white") -> tuple[NDArray[np.uint8], int]:
    """Open a photo as a person sees it.

    Parameters
    ----------
    path : Path
        JPEG, PNG, WebP, BMP or TIFF; HEIC where pillow-heif is installed. Grey, palette, CMYK and 16 bits become 8-bit
        RGB. Of an animation the first picture is taken.
    behind : str
        Colour that is seen where the picture is transparent.

    Returns
    -------
    photo : (H, W, 3) uint8
        RGB, turned as EXIF says, of at most `MAX_PIXELS`.
    reduced : int
        1, or 2, 4, 8 ... for larger photos: each pixel is the mean of a square of so many px of the stored photo. The
        point (x, y) of the result lies at ``(reduced * (x + 0.5) - 0.5, reduced * (y + 0.5) - 0.5)`` of the turned
        photo in full size.

    Raises
    ------
    ValueError
        If the file cannot be read, is no photo, damaged, or larger than `MAX_STORED_PIXELS`.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file, but a folder, a pipe or a device; expected a photo.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks name no file
            with PIL.Image.open(path, formats=_formats(path)) as picture:
                width, height = picture.size
                _check_kind(path, picture)
                usable = width * height <= MAX_STORED_PIXELS
                if usable:
                    return _decode(picture, behind)
    except PIL.UnidentifiedImageError as error:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            raise ValueError(
                f"{path} is a video: `reconstruct --video {path}` takes frames of it, `track` follows its faces."
            ) from error
        raise ValueError(
            f"{path} is damaged, or no picture of kind {', '.join(FORMATS)} or HEIC; save it as one of them."
        ) from error
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(_too_large(path, "far more")) from error
    except ImportError as error:
        raise ValueError(f"{path}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
        raise ValueError(_damaged(path, error)) from error
    except UnusableError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # Pillow raises many kinds on damaged files, SyntaxError and struct.error among them
        raise ValueError(_damaged(path, error)) from error
    raise ValueError(_too_large(path, f"{width} x {height}"))


class UnusableError(Exception):
    """A whole file that is no photo to be read here."""


def _check_kind(path: Path, picture: PIL.Image.Image) -> None:
    """Refuse a picture that would be read wrongly, or takes more time than any photo."""
    if picture.mode in ("I", "F"):
        raise UnusableError(
            f"{path} has numbers of 32 bits, which do not say how light they are: save it with 8 or 16 bits."
        )
    if picture.format in ("JPEG", "MPO"):
        try:
            check_scans(path.read_bytes())
        except ValueError as error:
            raise UnusableError(f"{path} can't be read: {error}.") from error


def _too_large(path: Path, pixels: str) -> str:
    return f"{path} is a picture of {pixels} px; expected up to {MAX_STORED_PIXELS:,} px. Save it smaller."


def _damaged(path: Path, error: Exception) -> str:
    if "truncated" in str(error):  # Pillow's number of bytes is of its own block, not of what is missing
        return f"{path} is damaged: the file ends too early. Copy it again."
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return f"{path} is damaged: {reason}."


def _formats(path: Path) -> tuple[str, ...]:
    """Formats that Pillow may try; for HEIC, whatever the file's ending, it needs a package that is not required."""
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] != b"ftyp" or start[8:] not in HEIC_BRANDS:
        return FORMATS
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        raise ImportError(
            "HEIC photos need the package pillow-heif; install it (pip install pillow-heif), or save the photo as JPEG."
        ) from None
    return (*FORMATS, "HEIF")


def _decode(picture: PIL.Image.Image, behind: str) -> tuple[NDArray[np.uint8], int]:
    width, height = picture.size
    reduced = 1
    while -(-width // reduced) * -(-height // reduced) > MAX_PIXELS:
        reduced *= 2
    # JPEG is decoded smaller right away, by 8 at most; nothing happens to other formats.
    picture.draft(None, (max(width // reduced, 1), max(height // reduced, 1)))
    picture.load()
    rest = reduced // round(max(width, height) / max(picture.size))
    orientation = _orientation(picture)
    whole = _eight_bits(picture)
    if rest > 1:
        whole = whole.reduce(rest)
    if orientation in TURNS:
        whole = whole.transpose(TURNS[orientation])
    if whole.mode == "RGBA":
        whole = PIL.Image.alpha_composite(PIL.Image.new("RGBA", whole.size, behind), whole)
    return np.array(whole if whole.mode == "RGB" else whole.convert("RGB")), reduced


def _eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Bring a picture of any mode to L, RGB, RGBA or CMYK, which can be averaged."""
    if picture.mode.startswith("I"):
        return PIL.Image.fromarray((np.asarray(picture, np.uint16) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB")


def _orientation(picture: PIL.Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where EXIF is missing or damaged, which is no reason to refuse a photo."""
    with contextlib.suppress(Exception):
        return int(picture.getexif().get(EXIF_ORIENTATION, 1))
    return 1


def is_plain_jpeg(path: Path, size: tuple[int, ...]) -> bool:
    """Whether a photo that `open_photo` opened is a JPEG whose pixels as stored are what it gave, `size` high and wide.

    Raises
    ------
    OSError
        If it can't be read any more.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PIL.Image.open(path, formats=_formats(path)) as picture:
            upright = _orientation(picture) not in TURNS
            return picture.format == "JPEG" and upright and picture.size[::-1] == tuple(size)


def encode_image(image: NDArray[np.uint8], extension: str) -> bytes:
    """Encode an RGB image (H, W, 3) as '.png' or '.jpg'; the same pixels have the same bytes."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if extension == ".jpg" else []
    return cv2.imencode(extension, np.ascontiguousarray(image[..., ::-1]), options)[1].tobytes()


def encode_grey(picture: NDArray[np.uint16]) -> bytes:
    """Encode a grey picture (H, W) of 16 bits as PNG."""
    return cv2.imencode(".png", picture)[1].tobytes()
