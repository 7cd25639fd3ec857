"""The embedded default: procedural faces and photos, written in the layouts of BFM, 300W-LP and AFLW2000-3D.

A photo of 300W-LP has a name ``<set>_<photo>_<copy>``: copies of one photo show the same person in the same place with
the head turned further, and lie beside each other; the folder ``<set>_Flip`` holds the mirror images of all of them.
Everything random about a photo comes from its name and the seed.
"""

import dataclasses
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.camera import euler_angles, project, rotation_matrix
from ..raw.pair_files import EXPRESSION_COEFFICIENTS, SHAPE_COEFFICIENTS, jpeg_bytes, matlab_bytes, padded
from ..store.arrays import Floats
from ..store.progress import open_bar
from .face import MICROMETRES, ProceduralFace, make_face
from .paint import Look, draw_look
from .photos import Setting, draw_photo, draw_setting

COPIES = 3
COPY_YAW_DEG = ((0.0, 35.0), (25.0, 60.0), (55.0, 90.0))
TEST_YAW_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
NAMES = {
    "AFW": "AFW_{:06d}_1",
    "HELEN": "HELEN_{:06d}_1",
    "IBUG": "IBUG_image_{:03d}_1",
    "LFPW": "LFPW_image_train_{:04d}",
}
# Said in each of its Matlab files.
WHAT = "procedural face"
# AFLW's 21 points among the 68: brows, eyes, ear, nose, ear, mouth, chin.
AFLW_POINTS = [17, 19, 21, 22, 24, 26, 36, 37, 39, 42, 44, 45, 0, 31, 30, 35, 16, 48, 66, 54, 8]


@dataclasses.dataclass(frozen=True)
class Fit:
    """What a photo's annotation says: raw coefficients (S,) and (E,), and the pose (7,) of ``Pose_Para``."""

    shape: Floats
    expression: Floats
    pose: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Person:
    """A person in front of a camera: coefficients, look, and the setting that all copies of a photo share."""

    shape: Floats
    expression: Floats
    look: Look
    setting: Setting


def generator_of(name: str, seed: int) -> np.random.Generator:
    """Random numbers that depend on a name and the seed alone."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def draw_person(face: ProceduralFace, name: str, seed: int, photo_size: int) -> Person:
    """Make up the person of a photo, and light and background."""
    generator = generator_of(name, seed)
    shape = np.clip(generator.normal(size=face.shape_sigma.size), -2.5, 2.5) * face.shape_sigma
    jaw, smile, brows, pucker, blink, one_side = generator.normal(size=6)
    expression = np.array(
        [
            np.clip(1.3 * jaw - 0.2, -0.3, 3.2),
            np.clip(0.9 * smile + 0.3, -0.8, 2.2),
            np.clip(0.8 * brows, -1.0, 2.0),
            np.clip(0.7 * pucker - 0.4, -0.5, 1.8),
            np.clip(0.9 * blink + 0.1, -0.4, 2.8),
            0.5 * np.clip(one_side, -2, 2),
        ]
    )
    look = draw_look(generator)
    return Person(shape, expression, look, draw_setting(generator, photo_size))


def draw_rotations(generator: np.random.Generator, yaw_deg: tuple[float, float], side: float) -> tuple[Floats, Floats]:
    """Turn a head, and the shoulders under it.

    Parameters
    ----------
    generator : Generator
    yaw_deg : (float, float)
        Range of the annotated yaw's absolute value.
    side : float
        Sign of the yaw.

    Returns
    -------
    angles : (3,) float64
        Pitch, yaw and roll in radians, as annotated.
    body_turn : (3, 3) float64
        Rotation of the shoulders relative to the head, model frame.
    """
    while True:
        pitch = np.deg2rad(np.clip(generator.normal(-2, 10), -25, 25))
        yaw = np.deg2rad(side * generator.uniform(*yaw_deg))
        roll = np.deg2rad(_draw_roll_deg(generator))
        head = rotation_matrix(0, 0, roll) @ rotation_matrix(pitch, yaw, 0)
        angles = euler_angles(head)
        # turned in the picture's plane, a head has another annotated yaw: keep those that stay in the range
        if yaw_deg[0] <= abs(np.rad2deg(angles[1])) <= yaw_deg[1]:
            body = rotation_matrix(0, 0, 0.85 * roll) @ rotation_matrix(0.2 * pitch, 0.45 * yaw, 0)
            return angles, head.T @ body


def _draw_roll_deg(generator: np.random.Generator) -> float:
    """In-plane turn: mostly within 20 degrees, a tail to 90, very few upside down."""
    kind = generator.random()
    if kind < 0.86:
        return float(np.clip(generator.normal(0, 9), -20, 20))
    if kind < 0.985:
        return float(generator.choice([-1, 1]) * generator.uniform(20, 90))
    return float(generator.uniform(150, 210))


def deform(face: ProceduralFace, shape: Floats, expression: Floats) -> Floats:
    """Vertices (V, 3) in micrometres of the face with the given raw coefficients (S,) and (E,)."""
    return face.mean + face.shape_basis @ shape + face.expression_basis @ expression


def place(
    face: ProceduralFace, vertices: Floats, angles: Floats, generator: np.random.Generator, size: int
) -> NDArray[np.float32]:
    """Choose scale and translation that put the landmarks' box near the middle of a photo; returns the pose (7,)."""
    scale = generator.uniform(0.40, 0.56) * size / (137 * MICROMETRES)
    pose = np.array([*angles, 0, 0, -generator.uniform(0.15, 0.3) * size, scale])
    landmarks = project(vertices[face.landmarks], pose, size)
    middle = (landmarks.min(0) + landmarks.max(0))[:2] / 2
    x, y = size / 2 + np.clip(generator.normal(0, 0.05, 2), -0.1, 0.1) * size - middle
    pose[3:5] = [x, -y]
    return pose.astype(np.float32)


def mirror_fit(face: ProceduralFace, fit: Fit, width: int) -> Fit:
    """Annotate the mirror image of a photo.

    The mirror negates yaw and roll and the coefficients of antisymmetric vectors. A 1-based pixel x becomes
    ``width + 1 - x``, and so does the translation.
    """
    pose = fit.pose * np.array([1, -1, -1, -1, 1, 1, 1], np.float32)
    pose[3] += width + 1
    return Fit(fit.shape * face.shape_parity, fit.expression * face.expression_parity, pose)


def true_landmarks(face: ProceduralFace, fit: Fit, height: int) -> NDArray[np.float32]:
    """The 68 points (3, 68) of ``pt3d_68``: 1-based pixels, y down, z in pixels."""
    vertices = deform(face, fit.shape, fit.expression)[face.landmarks]
    return (project(vertices, fit.pose, height) + np.array([1, 1, 0])).T.astype(np.float32)


def annotation_arrays(face: ProceduralFace, fit: Fit, size: int, test: bool) -> dict[str, NDArray]:
    """Arrays of a photo's ``.mat``: those of AFLW2000-3D for a test photo, else those of 300W-LP."""
    points = true_landmarks(face, fit, size)
    arrays = {
        "pt2d": points[:2, AFLW_POINTS] if test else points[:2],
        "Illum_Para": np.array([[0.7, 0.7, 0.7, 0.5, 0.5, 0.5, 1.0, 0.0, 0.0, 20.0]]),
        "Color_Para": np.array([[1, 1, 1, 0, 0, 0, 1]], np.float32),
        "Tex_Para": np.zeros((SHAPE_COEFFICIENTS, 1)),
        "Shape_Para": padded(fit.shape, SHAPE_COEFFICIENTS),
        "Exp_Para": padded(fit.expression, EXPRESSION_COEFFICIENTS),
        "Pose_Para": fit.pose[None].astype(np.float32),
        "roi": np.array([[1, 1, size, size]], np.int16),
    }
    arrays["pt2d"] = arrays["pt2d"].astype(np.float64)
    return arrays | {"pt3d_68": points} if test else arrays


def model_arrays(face: ProceduralFace) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Arrays of ``Model_Shape.mat`` and ``Model_Exp.mat``, as 3DDFA publishes BFM.

    Vertices are flattened x, y, z; indices are 1-based; triangles are wound inwards, as BFM's. The mean face is split
    between both files, so that a reader that forgets one of them is found out.
    """
    mean_expression = (0.5 * face.expression_basis[..., 0] + 0.3 * face.expression_basis[..., 3]).astype(np.float32)
    count = face.mean.size
    shape = {
        "mu_shape": (face.mean - mean_expression).reshape(count, 1),
        "w": face.shape_basis.reshape(count, -1),
        "tri": (face.triangles[:, [0, 2, 1]].T + 1).astype(np.uint16),
        "keypoints": (face.landmarks[None] + 1).astype(np.int32),
    }
    return shape, {"mu_exp": mean_expression.reshape(count, 1), "w_exp": face.expression_basis.reshape(count, -1)}


def photograph(
    face: ProceduralFace, person: Person, name: str, seed: int, yaw_deg: tuple[float, float], side: float
) -> tuple[NDArray[np.uint8], Fit]:
    """Take a photo of a person with the head turned into a range of yaw; returns the photo and its annotation."""
    size = len(person.setting.background)
    generator = generator_of(name, seed)
    angles, body_turn = draw_rotations(generator, yaw_deg, side)
    vertices = deform(face, person.shape, person.expression)
    fit = Fit(person.shape, person.expression, place(face, vertices, angles, generator, size))
    photo = draw_photo(face, vertices, fit.pose, person.look, person.setting, body_turn, generator)
    return photo, fit


def write_face_model(folder: Path, face: ProceduralFace) -> None:
    """Write the face model in the layout of BFM, see `model_arrays`."""
    shape, expression = model_arrays(face)
    _write(folder / "Model_Shape.mat", matlab_bytes(shape, WHAT))
    _write(folder / "Model_Exp.mat", matlab_bytes(expression, WHAT))


def write_dataset(root: Path, seed: int, photos_per_subset: int, test_photos: int, photo_size: int) -> dict[str, int]:
    """Write the face model, the training photos with their mirror images, and the test photos.

    Parameters
    ----------
    root : Path
        Folder that gets ``bfm/``, ``300W_LP/<set>[_Flip]/`` and ``AFLW2000/``.
    seed : int
    photos_per_subset : int
        Photos in each of AFW, HELEN, IBUG and LFPW, three copies of each person, and as many in their mirror images.
    test_photos : int
        Photos of AFLW2000, one a person, in equal parts with a yaw up to 30, 60 and 90 degrees.
    photo_size : int
        Side of the square photos in pixels.

    Returns
    -------
    dict of str to int
        Photos written, by folder below `root`.
    """
    face = make_face()
    write_face_model(root / "bfm", face)
    counts: dict[str, int] = {}
    with open_bar("demo_data", "photo", 2 * len(NAMES) * photos_per_subset + test_photos) as bar:
        for subset, pattern in NAMES.items():
            for number in range(photos_per_subset):
                _write_training_photo(root, face, subset, pattern, number, seed, photo_size)
                bar.update(2)
            counts |= {f"300W_LP/{subset}": photos_per_subset, f"300W_LP/{subset}_Flip": photos_per_subset}
        for number in range(test_photos):
            _write_test_photo(root, face, number, seed, photo_size)
            bar.update()
    return counts | {"AFLW2000": test_photos}


def _write_test_photo(root: Path, face: ProceduralFace, number: int, seed: int, photo_size: int) -> None:
    name = f"image{2 + 2 * number:05d}"
    person = draw_person(face, f"person of {name}", seed, photo_size)
    side = 1.0 if generator_of(f"side of {name}", seed).random() < 0.5 else -1.0
    photo, fit = photograph(face, person, name, seed, TEST_YAW_DEG[number % len(TEST_YAW_DEG)], side)
    _write_pair(root / "AFLW2000" / name, face, photo, fit, person.setting.quality, test=True)


def _write_training_photo(
    root: Path, face: ProceduralFace, subset: str, pattern: str, number: int, seed: int, photo_size: int
) -> None:
    serial, copy = divmod(number, COPIES)
    stem = pattern.format(1 + 7 * serial)
    person = draw_person(face, stem, seed, photo_size)
    side = 1.0 if generator_of(f"side of {stem}", seed).random() < 0.5 else -1.0
    photo, fit = photograph(face, person, f"{stem}_{copy}", seed, COPY_YAW_DEG[copy], side)
    folder, quality = root / "300W_LP", person.setting.quality
    _write_pair(folder / subset / f"{stem}_{copy}", face, photo, fit, quality, test=False)
    mirrored = mirror_fit(face, fit, photo_size)
    _write_pair(folder / f"{subset}_Flip" / f"{stem}_{copy}", face, photo[:, ::-1], mirrored, quality, test=False)


def _write_pair(
    path: Path, face: ProceduralFace, photo: NDArray[np.uint8], fit: Fit, quality: int, *, test: bool
) -> None:
    _write(path.with_suffix(".jpg"), jpeg_bytes(photo, quality))
    _write(path.with_suffix(".mat"), matlab_bytes(annotation_arrays(face, fit, len(photo), test), WHAT))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
