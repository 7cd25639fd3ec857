"""Bad and odd pairs of a photo and an annotation, and what is to become of each."""

import io
import shutil
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import cv2
import h5py
import numpy as np
import PIL.Image
import scipy.io
import scipy.sparse

from pipeline.raw.annotations import MAX_ANNOTATION_BYTES, MAX_TURNS
from pipeline.raw.pair_files import matlab_bytes

END_OF_JPEG = b"\xff\xd9"
INDEX, MESHES, ALIGNED, MAPS = (
    "index/learn/AFW",
    "meshes/learn/AFW",
    "aligned/learn/AFW/on",
    "position_maps/learn/AFW/on",
)


class Pair(NamedTuple):
    photo: bytes
    arrays: dict
    pixels: np.ndarray


class Bad(NamedTuple):
    """Files of a pair by their endings, and where and why it is set aside."""

    make: Callable[[Pair], dict]
    stage: str
    reason: str


class Odd(NamedTuple):
    """Bytes of a photo that is fine, the pixels meant, and by how much a pixel may differ from them in the mean."""

    suffix: str
    make: Callable[[Pair], bytes]
    meant: Callable[[np.ndarray], np.ndarray]
    tolerance: float


def arrays_with(changes):
    return lambda pair: {
        ".jpg": pair.photo,
        ".mat": matlab_bytes({k: v for k, v in (pair.arrays | changes).items() if v is not None}),
    }


def with_values(name, change):
    """The pair, one of its arrays changed by a function."""
    return lambda pair: arrays_with({name: change(pair.arrays[name].astype(float))})(pair)


def at(place, value):
    def change(values):
        values.flat[place] = value
        return values

    return change


def annotation(make):
    return lambda pair: {".jpg": pair.photo, ".mat": make(matlab_bytes(pair.arrays))}


def photo(make, suffix=".jpg"):
    return lambda pair: {suffix: make(pair), ".mat": matlab_bytes(pair.arrays)}


def encode(pixels, kind, mode="RGB", **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def element(kind, content):
    """An element of a Matlab file: its type, its size, its bytes up to a multiple of 8."""
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind, shape, name, content):
    flags, sides = struct.pack("<II", kind, 0), struct.pack("<ii", *shape)
    return element(14, element(6, flags) + element(5, sides) + element(1, name) + content)


def matlab_file(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49) + b"".join(elements)


def compressed(content):
    packed = zlib.compress(content, 9)
    return struct.pack("<II", 15, len(packed)) + packed


def matlab_7_3(pair):
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file.update(pair.arrays)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<HH", 0x0200, 0x4D49)
    return {".jpg": pair.photo, ".mat": header + stream.getvalue()[len(header) :]}


def nested_cells(depth):
    """Cells in cells, which a reader that follows them needs a stack for."""
    content = matrix(6, (1, 1), b"", element(9, struct.pack("<d", 1)))
    parts, size = [content], len(content)
    for level in range(depth):
        name = b"Shape_Para" if level == depth - 1 else b""
        head = matrix(1, (1, 1), name, b"")[8:]
        parts.append(struct.pack("<II", 14, len(head) + size) + head)
        size += 8 + len(head)
    return matlab_file(compressed(b"".join(reversed(parts))))


def zlib_bomb(shape):
    """80 MB of zeros in 80 kB, which say to be an array of the given shape."""
    return lambda _: matlab_file(compressed(matrix(6, shape, b"Shape_Para", element(9, bytes(8 * 10**7)))))


def png_that_claims(side):
    def make(pair):
        content = bytearray(encode(pair.pixels, "PNG"))
        content[16:24] = struct.pack(">II", side, side)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        return bytes(content)

    return make


def one_colour(width, height):
    def make(_):
        stream = io.BytesIO()
        PIL.Image.new("1", (width, height)).save(stream, "PNG")
        return stream.getvalue()

    return make


def spoiled(content, share, count=600):
    """Bytes in the middle replaced by random ones."""
    start = int(len(content) * share)
    noise = np.random.default_rng(0).bytes(count)
    return content[:start] + noise + content[start + count :]


def resized(side):
    return lambda pair: encode(cv2.resize(pair.pixels, (side, side)), "PNG")


def padded_below(pair):
    return encode(np.pad(pair.pixels, ((0, 40), (0, 0), (0, 0))), "PNG")


def many_scans(pair):
    """A progressive JPEG whose last scan comes a hundred times."""
    content = encode(pair.pixels, "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -len(END_OF_JPEG)]
    return content[: -len(END_OF_JPEG)] + 100 * last + END_OF_JPEG


def of_a_vax(_):
    """A Matlab file of version 4 with one number of the format VAX D."""
    return struct.pack("<5i", 2000, 1, 1, 0, 11) + b"Shape_Para\0" + bytes(8)


def eps(_):
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(owned) (w) file closefile\nshowpage\n"


def cmyk(pair):
    """The photo in inks as a printer separates it: as much black as can be."""
    light = pair.pixels.max(axis=2, keepdims=True).astype(float)
    inks = 255 * (light - pair.pixels) / np.maximum(light, 1)
    stream = io.BytesIO()
    separated = np.concatenate([inks, 255 - light], axis=2).round().astype(np.uint8)
    PIL.Image.fromarray(separated, "CMYK").save(stream, "JPEG", quality=98, subsampling=0)
    return stream.getvalue()


def grey(pixels):
    return np.repeat((pixels @ [0.299, 0.587, 0.114]).round().astype(np.uint8)[..., None], 3, axis=2)


def palette(pair):
    stream = io.BytesIO()
    PIL.Image.fromarray(pair.pixels).quantize(64).save(stream, "PNG")
    return stream.getvalue()


def with_alpha(pair):
    alpha = np.arange(160 * 160).reshape(160, 160) % 256
    return cv2.imencode(".png", np.dstack([pair.pixels[..., ::-1], alpha]).astype(np.uint8))[1].tobytes()


def few_colours(pixels):
    return np.asarray(PIL.Image.fromarray(pixels).quantize(64).convert("RGB"))


def sixteen_bits(pixels):
    return cv2.imencode(".png", pixels[..., ::-1].astype(np.uint16) * 257)[1].tobytes()


def exif(turn):
    tags = PIL.Image.Exif()
    tags[0x112] = turn
    return tags


CELL, SPARSE = np.array([[np.ones(199), 2]], object), scipy.sparse.csc_matrix(np.ones((199, 1)))
SECOND_POSE = matrix(6, (1, 7), b"Pose_Para", element(9, struct.pack("<7d", *range(1, 8))))
DAMAGED, KIND = "damaged or no Matlab file", "is no numeric array but of kind {}"
BAD = {
    "annotation cut": Bad(annotation(lambda content: content[:-500]), INDEX, DAMAGED),
    "annotation empty": Bad(annotation(lambda _: b""), INDEX, DAMAGED),
    "annotation is a web page": Bad(annotation(lambda _: b"<!DOCTYPE html><html>404</html>"), INDEX, DAMAGED),
    "annotation spoiled": Bad(annotation(lambda content: spoiled(content, 0, 200)), INDEX, DAMAGED),
    "annotation missing": Bad(lambda pair: {".jpg": pair.photo}, INDEX, "annotation .* of this photo is missing"),
    "annotation of Matlab 7.3": Bad(matlab_7_3, INDEX, "is a Matlab 7.3 file; save it with -v7"),
    "no shape": Bad(arrays_with({"Shape_Para": None}), INDEX, "lacks Shape_Para"),
    "no expression": Bad(arrays_with({"Exp_Para": None}), INDEX, "lacks Exp_Para"),
    "no pose": Bad(arrays_with({"Pose_Para": None}), INDEX, "lacks Pose_Para"),
    "pose of 6": Bad(with_values("Pose_Para", lambda v: v[:, :6]), INDEX, r"Pose_Para .* shape \(1, 6\); expected 7"),
    "another model's coefficients": Bad(
        with_values("Shape_Para", lambda v: v[:80]), INDEX, r"Shape_Para in .* shape \(80, 1\); expected 199 values"
    ),
    "too many coefficients": Bad(
        with_values("Exp_Para", lambda v: np.resize(v, (5000, 1))),
        INDEX,
        "Exp_Para .* has 5,000 values; expected up",
    ),
    "NaN": Bad(with_values("Shape_Para", at(3, np.nan)), INDEX, "Shape_Para in .* values that are not finite"),
    "infinity": Bad(with_values("Exp_Para", at(0, np.inf)), INDEX, "Exp_Para in .* values that are not finite"),
    "scale of 0": Bad(with_values("Pose_Para", at(6, 0)), INDEX, "scale in Pose_Para of .* is 0; expected a positive"),
    "scale below 0": Bad(with_values("Pose_Para", at(6, -1e-3)), INDEX, "is -0.001; expected a positive number"),
    "angle in degrees": Bad(
        with_values("Pose_Para", at(1, 2 * np.pi * MAX_TURNS + 1)), INDEX, "angles in .* rad, more than 10 turns"
    ),
    "landmarks of 21": Bad(arrays_with({"pt3d_68": np.ones((3, 21))}), INDEX, r"pt3d_68 in .* expected \(3, 68\)"),
    "landmarks beyond float32": Bad(
        arrays_with({"pt3d_68": np.full((3, 68), 1e300)}), INDEX, r"pt3d_68 in .* reaches 1e\+300 px"
    ),
    "complex": Bad(with_values("Shape_Para", lambda v: v + 1j), INDEX, "no numeric array of real numbers"),
    "cell": Bad(arrays_with({"Shape_Para": CELL}), INDEX, KIND.format("cell")),
    "struct": Bad(arrays_with({"Pose_Para": {"pitch": 1.0, "yaw": 2.0}}), INDEX, KIND.format("struct")),
    "text": Bad(arrays_with({"Exp_Para": "twenty-nine"}), INDEX, KIND.format("char")),
    "sparse": Bad(
        arrays_with({"Shape_Para": scipy.sparse.csc_matrix(np.ones((199, 1)))}), INDEX, KIND.format("sparse")
    ),
    "object": Bad(
        annotation(lambda _: matlab_file(matrix(3, (1, 1), b"Shape_Para", element(1, b"inline")))),
        INDEX,
        KIND.format("object"),
    ),
    "function": Bad(
        annotation(lambda _: matlab_file(matrix(16, (1, 1), b"Shape_Para", element(1, b"@system")))),
        INDEX,
        KIND.format("function"),
    ),
    "a name twice": Bad(
        annotation(lambda content: content + SECOND_POSE),
        INDEX,
        "damaged or no Matlab file: Pose_Para is in it twice",
    ),
    "cells in cells": Bad(annotation(lambda _: nested_cells(50_000)), INDEX, KIND.format("cell")),
    "annotation too large": Bad(
        annotation(lambda content: content + bytes(MAX_ANNOTATION_BYTES)),
        INDEX,
        "an annotation has a few thousand",
    ),
    "bomb": Bad(annotation(zlib_bomb((10**7, 1))), INDEX, "has 10,000,000 values; expected up to 1,000"),
    "bomb in disguise": Bad(annotation(zlib_bomb((199, 1))), INDEX, DAMAGED),
    "photo missing": Bad(lambda pair: {".mat": matlab_bytes(pair.arrays)}, INDEX, "photo of .* is missing"),
    "photo empty": Bad(photo(lambda _: b""), INDEX, "damaged or no picture of kind JPEG or PNG"),
    "photo is text": Bad(photo(lambda _: b"face"), INDEX, "damaged or no picture of kind JPEG or PNG"),
    "photo is a program": Bad(photo(eps), INDEX, "damaged or no picture of kind JPEG or PNG"),
    "JPEG cut": Bad(photo(lambda p: p.photo[: len(p.photo) * 6 // 10]), INDEX, "is damaged: .* truncated"),
    "JPEG cut and ended": Bad(
        photo(lambda p: p.photo[: len(p.photo) * 6 // 10] + END_OF_JPEG), INDEX, "is damaged: .* premature end"
    ),
    "JPEG of many scans": Bad(photo(many_scans), INDEX, "is damaged: it has more than 32 scans"),
    "photo padded": Bad(photo(padded_below, ".png"), INDEX, "160 x 200 px is not in the ratio of roi, 160 x 160"),
    "photo enlarged": Bad(photo(resized(300), ".png"), MESHES, "% .*from pt2d of the same file, .* resized, padded"),
    "photo reduced": Bad(photo(resized(100), ".png"), MESHES, "from pt2d of the same file|another photo"),
    "photo of one colour": Bad(
        photo(lambda p: encode(np.full_like(p.pixels, 90), "PNG"), ".png"), ALIGNED, "shows no face: .* vary by 0 of"
    ),
    "annotation of a VAX": Bad(annotation(of_a_vax), INDEX, "can't be read: .*VAX.* Save it anew with -v7"),
    "landmarks elsewhere": Bad(
        arrays_with({"pt3d_68": np.random.default_rng(0).uniform(1, 160, (3, 68))}), MESHES, "size from pt3d_68 of"
    ),
    "PNG cut": Bad(photo(lambda p: encode(p.pixels, "PNG")[:20_000], ".png"), INDEX, "is damaged: .* truncated"),
    "JPEG spoiled": Bad(photo(lambda p: spoiled(p.photo, 0.5)), INDEX, "is damaged: broken data stream"),
    "PNG spoiled": Bad(photo(lambda p: spoiled(encode(p.pixels, "PNG"), 0.5), ".png"), INDEX, "is damaged"),
    "grey of 16 bits": Bad(
        photo(lambda p: cv2.imencode(".png", p.pixels[..., 0].astype(np.uint16) * 257)[1].tobytes(), ".png"),
        INDEX,
        "of kind I;16; expected up to .* 8-bit grey",
    ),
    "picture of 1 px": Bad(photo(lambda p: encode(p.pixels[:1, :1], "PNG"), ".png"), MESHES, "another photo or model"),
    "claims 60000 px": Bad(photo(png_that_claims(60_000), ".png"), INDEX, "far more px than the 64,000,000 expected"),
    "claims 7000 px": Bad(photo(png_that_claims(7_000), ".png"), INDEX, "is damaged"),
    "has 10000 px": Bad(photo(one_colour(10_000, 10_000), ".png"), INDEX, "10000 x 10000 px .* up to 64,000,000"),
    "beside the photo": Bad(
        with_values("Pose_Para", at(3, 5000)), MESHES, "Only 0 of 68 landmarks are in the photo; the annotation belongs"
    ),
    "face of 1 px": Bad(
        with_values("Pose_Para", lambda v: v * [1, 1, 1, 0, 0, 0, 0.01] + [0, 0, 0, 80, 80, 0, 0]),
        MESHES,
        "face is .* px wide; expected 8 px or more",
    ),
    "absurd shape": Bad(with_values("Shape_Para", lambda v: v + 1e30), MESHES, "another.* model"),
    "absurd expression": Bad(with_values("Exp_Para", at(0, 1e30)), MESHES, "another.* model"),
    "absurd expression in float32": Bad(with_values("Exp_Para", at(0, 1e20)), MESHES, "another.* model"),
    "coefficients beyond float32": Bad(with_values("Shape_Para", at(0, 1e300)), MESHES, "another.* model"),
}
ODD = {
    "plain": Odd(".png", lambda p: encode(p.pixels, "PNG"), lambda x: x, 0),
    "upper case.ending": Odd(".JPEG", lambda p: encode(p.pixels, "JPEG", quality=98), lambda x: x, 2),
    "grey": Odd(".jpg", lambda p: encode(p.pixels, "JPEG", "L", quality=98), grey, 1.5),
    "grey with alpha": Odd(".png", lambda p: encode(p.pixels, "PNG", "LA"), grey, 0.6),
    "black and white": Odd(
        ".png",
        lambda p: encode(np.where(grey(p.pixels) > 127, 255, 0).astype(np.uint8), "PNG", "1", optimize=True),
        lambda x: np.where(grey(x) > 127, 255, 0).astype(np.uint8),
        0,
    ),
    "alpha": Odd(".png", with_alpha, lambda x: x, 0),
    "palette": Odd(".png", palette, few_colours, 0),
    "CMYK": Odd(".jpg", cmyk, lambda x: x, 2),
    "colours of 16 bits": Odd(".png", lambda p: sixteen_bits(p.pixels), lambda x: x, 0.5),
    "to be turned by EXIF": Odd(".jpg", lambda p: encode(p.pixels, "JPEG", quality=98, exif=exif(6)), lambda x: x, 2),
    "PNG to be turned": Odd(".png", lambda p: encode(p.pixels, "PNG", exif=exif(3)), lambda x: x, 0),
    "progressive": Odd(".jpg", lambda p: encode(p.pixels, "JPEG", quality=98, progressive=True), lambda x: x, 2),
    "JPEG named jfif": Odd(".jfif", lambda p: encode(p.pixels, "JPEG", quality=98), lambda x: x, 2),
    "bitmap": Odd(".bmp", lambda p: encode(p.pixels, "BMP"), lambda x: x, 0),
    "PNG named jpg": Odd(".jpg", lambda p: encode(p.pixels, "PNG"), lambda x: x, 0),
    "two  spaces, a comma, 'quotes' and \"quotes\"": Odd(".png", lambda p: encode(p.pixels, "PNG"), lambda x: x, 0),
    "Gesicht_für_Åse_顔_😀": Odd(".png", lambda p: encode(p.pixels, "PNG"), lambda x: x, 0),
    "link out": Odd(".png", lambda p: encode(p.pixels, "PNG"), lambda x: x, 0),
}
VANISHED, EMPTIED, REPLACED = "AFW_000900_1_0", "AFW_000901_1_0", "AFW_000902_1_0"


def read_pair(path):
    content = path.read_bytes()
    arrays = {k: v for k, v in scipy.io.loadmat(path.with_suffix(".mat")).items() if not k.startswith("__")}
    return Pair(content, arrays, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB))


def numbered(pair, number):
    """The pair with another annotation of the same meaning, so that none is a copy of another."""
    return pair._replace(arrays=pair.arrays | {"number": np.array([[number]])})


def add_odd(folder, pair, plainly):
    for number, (name, odd) in enumerate(ODD.items()):
        mine = numbered(pair, number)
        suffix, content = odd.suffix, odd.make
        if plainly:
            suffix, content = ".png", lambda p, odd=odd: encode(odd.meant(p.pixels), "PNG")
        (folder / f"{name}{suffix}").write_bytes(content(mine))
        (folder / f"{name}.mat").write_bytes(matlab_bytes(mine.arrays))


def add_bad(folder, pair):
    for number, (name, bad) in enumerate(BAD.items()):
        for suffix, content in bad.make(numbered(pair, 100 + number)).items():
            (folder / f"{name}{suffix}").write_bytes(content)


def add_files(folder, outside, pair):
    """What is wrong with files as such; returns the expected reason by name."""
    outside.mkdir()
    for suffix in (".png", ".mat"):
        (folder / f"link out{suffix}").rename(outside / f"elsewhere{suffix}")
        (folder / f"link out{suffix}").symlink_to(outside / f"elsewhere{suffix}")

    def add(stem, number):
        (folder / f"{stem}.jpg").write_bytes(pair.photo)
        (folder / f"{stem}.mat").write_bytes(matlab_bytes(numbered(pair, number).arrays))

    add("link to nothing", 200)
    (folder / "link to nothing.jpg").unlink()
    (folder / "link to nothing.jpg").symlink_to(outside / "nowhere.jpg")
    add("folder", 201)
    (folder / "folder.jpg").unlink()
    (folder / "folder.jpg").mkdir()
    first = min(folder.glob("AFW_*.jpg"))
    for suffix in (".jpg", ".mat"):
        shutil.copyfile(first.with_suffix(suffix), folder / f"zz_copy{suffix}")
    shutil.copyfile(first, first.with_suffix(".png"))
    shutil.copyfile(first.with_suffix(".mat"), first.with_suffix(".MAT"))
    add("no_utf8_\udce9", 202)
    add(VANISHED, 203)
    add(EMPTIED, 204)
    add(REPLACED, 205)
    return {
        "link to nothing.jpg": "a link to nothing",
        "folder.jpg": "is a folder",
        "zz_copy.jpg": f"is a copy of {first.name}",
        f"{first.stem}.png": "Another photo has the same name with another ending",
        f"{first.stem}.MAT": "Another annotation has the same name with another ending",
        "no_utf8_\\xe9.jpg": "no valid UTF-8; rename",
    }
