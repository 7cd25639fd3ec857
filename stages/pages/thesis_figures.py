"""The thesis's pictures, drawn from our samples: Figures 2.1, 3.1, 3.3 to 3.6, 4.4 to 4.6 and 4.9."""

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.settings import NetworkConfig
from pipeline.crops.alignment import align, face_roll, resample
from pipeline.face.landmarks import CHIN, EYES, NOSE_ROOT
from pipeline.face.rendering import shade
from pipeline.face.similarity import apply_similarity
from pipeline.store.arrays import Image
from pipeline.uv.surface import Surface, read_points
from stages.pages import contact_sheet
from stages.pages.plots import COLOURS, encode_figure
from stages.project.samples import Truth

TILE = 360
SIDE_LIGHT = (1.0, -0.4, 0.6)
DOT = (40, 220, 60)
# Of Figure 3.4's crops, how far from the middle a point and an end of the line may lie, in sides.
REACH = 0.46


def position_mapping(sample: Truth, surface: Surface) -> Image:
    """Figure 2.1: the photo, the mesh over it, the mesh alone and its position map."""
    vertices = level_mesh(read_points(sample.position_map, sample.similarity, surface).vertices, sample)
    crop = _enlarge(sample.image)
    mesh = close_up(vertices, surface, len(sample.image))
    over = np.where((mesh == 255).all(axis=2, keepdims=True), crop, crop // 2 + mesh // 2).astype(np.uint8)
    return np.concatenate(
        [crop, over, mesh, _enlarge(contact_sheet.map_tile(sample.position_map, surface.face_mask))], axis=1
    )


def truth_pair(photo: Image, sample: Truth, surface: Surface) -> Image:
    """Figure 3.1: a photo, and the annotated mesh in the same frame."""
    vertices = read_points(sample.position_map, sample.similarity, surface).vertices
    return mesh_pair(photo, vertices, surface, sample)


def mesh_pair(photo: Image, vertices: NDArray, surface: Surface, sample: Truth) -> Image:
    """Show the photo round a sample's crop, a mesh over it, and the mesh alone, as Figure 4.9 does."""
    outline = contact_sheet.crop_outline(sample)
    blank = np.full_like(photo, 255)
    return np.concatenate(
        [
            contact_sheet.photo_window(photo, outline),
            contact_sheet.mesh_tile(photo, outline, vertices, surface.triangles),
            contact_sheet.mesh_tile(blank, outline, vertices, surface.triangles, opacity=1.0),
        ],
        axis=1,
    )


def detection(photo: Image, landmarks: NDArray, margin: float) -> Image:
    """Figure 3.3: the box and the 68 points (68, 2) that were found in a photo, and the crop that they give."""
    scale = TILE / max(photo.shape[:2])
    tile = _fit(photo, scale)
    points = scale * (landmarks + 0.5) - 0.5
    low, high = points.min(axis=0).round().astype(int).tolist(), points.max(axis=0).round().astype(int).tolist()
    cv2.rectangle(tile, low, high, contact_sheet.OUTLINE_COLOUR, 2)
    _dots(tile, points)
    return np.concatenate([tile, resample(photo, align(landmarks, margin, False, TILE), TILE)], axis=1)


def correction(photo: Image, landmarks: NDArray, margin: float) -> Image:
    """Figure 3.4: a face as it was found (68, 2) and levelled, with the 14 points and the line that is fitted to them.

    The line from the nose's root to the chin, which is turned by 90 degrees, is thin. Where its turned end lies beyond
    the crops that networks see, these are wider.
    """
    ends = [
        levelling_points(apply_similarity(align(landmarks, margin, level, TILE), landmarks)) for level in (False, True)
    ]
    wider = max(1.0, float(np.abs(np.array(ends) - TILE / 2).max()) / (REACH * TILE))
    tiles = []
    for level in (False, True):
        similarity = align(landmarks, wider * margin, level, TILE)
        tile = np.ascontiguousarray(resample(photo, similarity, TILE))
        points = apply_similarity(similarity, landmarks)
        line = levelling_points(points)
        roll, middle = face_roll(points), line.mean(axis=0)
        reach = REACH * TILE * np.array([np.cos(roll), np.sin(roll)])
        _line(tile, points[NOSE_ROOT], points[CHIN], contact_sheet.OUTLINE_COLOUR, 1)
        _line(tile, middle - reach, middle + reach, contact_sheet.PREDICTED_COLOUR, 2)
        _dots(tile, line)
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def levelling_points(landmarks: NDArray) -> NDArray[np.float64]:
    """The 14 points (14, 2) that `pipeline.crops.alignment.face_roll` fits its line to: it does not give them."""
    root, chin = landmarks[NOSE_ROOT, :2], landmarks[CHIN, :2]
    turned = root + np.array([chin[1] - root[1], root[0] - chin[0]])
    return np.asarray([*landmarks[EYES, :2], root, turned], np.float64)


def landmark_numbers(sample: Truth) -> Image:
    """Figure 3.6: the 68 landmarks with their numbers, from 0."""
    scale = 2 * TILE / len(sample.image)
    tile = np.ascontiguousarray(cv2.resize(sample.image, (2 * TILE, 2 * TILE), interpolation=cv2.INTER_CUBIC))
    tile = tile // 2 + 100
    for number, (x, y) in enumerate(apply_similarity(sample.similarity, sample.landmarks)[:, :2]):
        place = np.rint(scale * (np.array([x, y]) + 0.5) - 0.5).astype(int)
        cv2.circle(tile, place.tolist(), 3, contact_sheet.PREDICTED_COLOUR, -1, cv2.LINE_AA)
        cv2.putText(
            tile,
            str(number),
            (place + np.array([4, -3])).tolist(),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
    return tile.astype(np.uint8)


def close_up(vertices: NDArray, surface: Surface, size: int) -> Image:
    """Figures 4.4 to 4.6: a mesh in levelled pixels of a crop of `size` px, lit from the side so that folds show."""
    scale = TILE / size
    half = np.array([0.5, 0.5, 0.0])
    placed = scale * (np.asarray(vertices, np.float64) + half) - half
    return shade(placed, surface.triangles, TILE, TILE, light=SIDE_LIGHT)[0]


def level_mesh(vertices: NDArray, sample: Truth) -> NDArray[np.float64]:
    """Take vertices from the raw photo to a sample's levelled crop."""
    return apply_similarity(sample.similarity, vertices)


def network_diagram(config: NetworkConfig, size: int) -> bytes:
    """Figure 3.5: the parts of the network, with the sizes that it has here, as PNG."""
    deepest, width = size // 2**config.levels, config.width * 2**config.levels
    boxes = [
        f"photo\n{size}*{size}*3",
        f"encoder\nconvolution and\n{2 * config.levels} residual blocks\n{deepest}*{deepest}*{width}",
        "decoder\ntransposed\nconvolutions\n" + f"{size}*{size}*3",
        f"brief output\n{size}*{size}*3",
    ]
    if config.residual:
        boxes += [
            f"photo and brief\n{size}*{size}*6",
            f"refinement\n{config.residual_blocks} residual blocks of {config.residual_width},\n"
            f"then {config.residual_head_width}\nat 1/{config.residual_shrink} resolution",
            f"difference\nadded to\n{'the logits' if config.residual_join == 'logits' else 'the brief output'}",
            f"output\n{size}*{size}*3",
        ]
    figure = Figure(figsize=(12, 2.2 * (1 + config.residual)), layout="constrained")
    axes = figure.subplots()
    for index, text in enumerate(boxes):
        x, y = index % 4, -(index // 4)
        axes.text(x, y, text, ha="center", va="center", bbox={"boxstyle": "round", "fc": "#eef4f9", "ec": COLOURS[0]})
        if index:
            start = ((index - 1) % 4, -((index - 1) // 4))
            axes.annotate(
                "", (x, y), start, arrowprops={"arrowstyle": "->", "shrinkA": 62, "shrinkB": 62}, annotation_clip=False
            )
    axes.set(xlim=(-0.5, 3.5), ylim=(-0.5 - config.residual, 0.5))
    axes.set_axis_off()
    return encode_figure(figure)


def side_by_side(images: list[Image], columns: int) -> Image:
    """Put pictures of one size into rows, the last one filled up with white."""
    missing = -len(images) % columns
    filled = [*images, *[np.full_like(images[0], 255)] * missing]
    rows = [np.concatenate(filled[start : start + columns], axis=1) for start in range(0, len(filled), columns)]
    return np.concatenate(rows)


def _enlarge(image: Image) -> Image:
    return np.ascontiguousarray(cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_CUBIC)).astype(np.uint8)


def _fit(photo: Image, scale: float) -> Image:
    """Photo in the upper left of a white tile."""
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    width, height = (min(TILE, max(1, round(scale * length))) for length in (photo.shape[1], photo.shape[0]))
    tile[:height, :width] = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return tile


def _line(tile: Image, start: NDArray, end: NDArray, colour: tuple[int, int, int], width: int) -> None:
    (x, y), (to_x, to_y) = np.rint([start, end]).astype(int).tolist()
    cv2.line(tile, (x, y), (to_x, to_y), colour, width, cv2.LINE_AA)


def _dots(tile: Image, points: NDArray) -> None:
    for x, y in points[:, :2]:
        cv2.circle(tile, (round(float(x)), round(float(y))), 2, DOT, -1, cv2.LINE_AA)
