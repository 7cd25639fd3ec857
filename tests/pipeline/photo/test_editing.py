"""Face swap and feature editing, on scenes that one can work out and on a real photo."""

import cv2
import numpy as np
import pytest
import skimage.data
import trimesh
from scipy.spatial.transform import Rotation

from pipeline.face.landmarks import REGIONS
from pipeline.photo.editing import edit_region, face_axes, match_colours, swap_face, warp_photo


@pytest.fixture(scope="module")
def head():
    """Front of an ellipsoid in the pixel frame, over the photo's face, with landmarks about where a face has them."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=1.0)
    front = ball.vertices[:, 2] > 0.15
    number = np.cumsum(front) - 1
    triangles = number[ball.faces[front[ball.faces].all(axis=1)]]
    vertices = ball.vertices[front] * [40, -52, 40] + [224, 118, 0]
    wanted = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    wanted[:17] = np.column_stack([0.85 * np.cos(angle), -0.85 * np.sin(angle)])
    wanted[17:27] = np.column_stack([np.linspace(-0.6, 0.6, 10), np.full(10, 0.5)])
    wanted[27:31] = np.column_stack([np.zeros(4), np.linspace(0.3, -0.1, 4)])
    wanted[31:36] = np.column_stack([np.linspace(-0.2, 0.2, 5), np.full(5, -0.15)])
    for first, middle in ((36, -0.4), (42, 0.4)):
        turn = np.linspace(np.pi, -np.pi, 7)[:6]
        wanted[first : first + 6] = np.column_stack([middle + 0.15 * np.cos(turn), 0.3 + 0.06 * np.sin(turn)])
    turn = np.linspace(np.pi, -np.pi, 13)[:12]
    wanted[48:60] = np.column_stack([0.3 * np.cos(turn), -0.5 + 0.1 * np.sin(turn)])
    turn = np.linspace(np.pi, -np.pi, 9)[:8]
    wanted[60:] = np.column_stack([0.25 * np.cos(turn), -0.5 + 0.04 * np.sin(turn)])
    flat = (vertices[:, :2] - [224, 118]) / [40, -52]
    landmarks = np.array([np.linalg.norm(flat - point, axis=1).argmin() for point in wanted])
    return vertices, triangles, landmarks


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()


def width(vertices, landmarks, first, last):
    return np.linalg.norm(vertices[landmarks[first]] - vertices[landmarks[last]])


class TestEditRegion:
    def test_a_wider_mouth_is_as_much_wider_and_the_rest_of_the_face_stays(self, head):
        vertices, _, landmarks = head
        edited = edit_region(vertices, vertices[landmarks], "mouth", scale=1.3)
        assert width(edited, landmarks, 48, 54) == pytest.approx(1.3 * width(vertices, landmarks, 48, 54), rel=1e-9)
        assert np.array_equal(edited[landmarks[36:48]], vertices[landmarks[36:48]])
        moved = np.linalg.norm(edited - vertices, axis=1) > 0
        assert 0.02 < moved.mean() < 0.5

    def test_nothing_to_do_changes_nothing(self, head):
        vertices, _, landmarks = head
        for region in REGIONS:
            assert np.array_equal(edit_region(vertices, vertices[landmarks], region), vertices)

    def test_a_shift_goes_along_the_axes_of_a_face_that_is_turned(self, head):
        vertices, _, landmarks = head
        angle = np.deg2rad(35)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        eyes = width(vertices, landmarks, 36, 45)
        for shift, direction in (((0.1, 0, 0), (1, 0, 0)), ((0, 0.1, 0), (0, -1, 0)), ((0, 0, 0.1), (0, 0, 1))):
            turned = vertices @ turn.T
            edited = edit_region(turned, turned[landmarks], "nose", shift=shift)
            step = (edited[landmarks[30]] - turned[landmarks[30]]) @ turn
            assert step == pytest.approx(0.1 * eyes * np.array(direction), abs=0.3 * eyes * 0.1)

    def test_a_feature_is_scaled_about_the_middle_of_its_own_landmarks(self, head):
        vertices, _, landmarks = head
        before = vertices[landmarks[REGIONS["nose"]]]
        after = edit_region(vertices, vertices[landmarks], "nose", scale=1.4)[landmarks[REGIONS["nose"]]]
        assert after == pytest.approx(before.mean(axis=0) + 1.4 * (before - before.mean(axis=0)))

    def test_a_shift_is_to_the_left_up_and_out_of_a_face_that_is_turned_in_space(self, head):
        vertices, _, landmarks = head
        turned = vertices @ Rotation.from_euler("yx", [40, 25], degrees=True).as_matrix().T
        left, up, out = face_axes(turned[landmarks])
        # Up is at a right angle to the line of the eyes, from the chin to the bridge of the nose.
        eyes = turned[landmarks[45]] - turned[landmarks[36]]
        bridge = turned[landmarks[27]] - turned[landmarks[8]]
        assert left == pytest.approx(eyes / np.linalg.norm(eyes))
        assert (up @ left, up @ bridge > 0) == (pytest.approx(0, abs=1e-12), True)
        assert out[2] > 0
        moved = edit_region(turned, turned[landmarks], "nose", shift=(0.1, 0.2, 0.3)) - turned
        expected = np.linalg.norm(eyes) * (0.1 * left + 0.2 * up + 0.3 * out)
        assert moved[landmarks[30]] == pytest.approx(expected)

    def test_the_mesh_stays_smooth(self, head):
        """No edge between neighbours grows by more than 60 %, or shrinks by more than two thirds."""
        vertices, triangles, landmarks = head
        edited = edit_region(vertices, vertices[landmarks], "nose", scale=1.4)
        for first, second in ((0, 1), (1, 2)):
            before, after = (
                np.linalg.norm(mesh[triangles[:, first]] - mesh[triangles[:, second]], axis=1)
                for mesh in (vertices, edited)
            )
            assert 1 / 3 < (after / before).min() < (after / before).max() < 1.6

    def test_the_axes_are_those_of_the_subject(self, head):
        vertices, _, landmarks = head
        left, up, out = face_axes(vertices[landmarks])
        assert left[0] > 0.99
        # The chin of an ellipsoid lies far behind its nose bridge.
        assert up[1] < -0.95
        assert out[2] > 0.95

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [(("chin",), "There is no region 'chin'; expected one of jaw"), (("nose", 0.0), "The scale is 0; expected")],
    )
    def test_what_cannot_be_done_is_refused(self, head, arguments, sentence):
        vertices, _, landmarks = head
        with pytest.raises(ValueError, match=sentence):
            edit_region(vertices, vertices[landmarks], *arguments)


class TestWarpPhoto:
    def test_no_edit_leaves_the_photo(self, head, photo):
        vertices, triangles, _ = head
        assert np.array_equal(warp_photo(photo, vertices, vertices, triangles), photo)

    def test_what_the_mesh_shows_moves_with_it_and_the_rest_stays(self, head):
        """A dot on the nose goes where the nose goes."""
        vertices, triangles, landmarks = head
        photo = np.full((256, 320, 3), 128, np.uint8)
        place = vertices[landmarks[30]][:2]
        cv2.circle(photo, tuple(np.rint(place).astype(int).tolist()), 3, (255, 0, 0), -1)
        edited = edit_region(vertices, vertices[landmarks], "nose", shift=(0.2, 0, 0))
        warped = warp_photo(photo, vertices, edited, triangles)
        row, column = np.nonzero((warped[..., 0] > 200) & (warped[..., 1] < 60))
        moved = edited[landmarks[30]][:2]
        assert np.linalg.norm(moved - place) > 5
        assert (column.mean(), row.mean()) == pytest.approx(tuple(moved), abs=1)
        far = np.ones(photo.shape[:2], bool)
        far[50:190, 170:280] = False
        assert np.array_equal(warped[far], photo[far])


class TestSwap:
    def test_a_face_swapped_with_itself_stays(self, head, photo):
        vertices, triangles, _ = head
        swapped = swap_face(photo, vertices, photo, vertices, triangles)
        assert np.abs(swapped.astype(int) - photo).mean() < 0.1
        assert np.abs(swapped.astype(int) - photo).max() <= 12

    def test_the_pattern_of_the_source_comes_to_the_vertices_of_the_target(self, head):
        """Dots on the source's face lie at the same vertices of a target that is larger and elsewhere."""
        vertices, triangles, landmarks = head
        rng = np.random.default_rng(0)
        source, target = (rng.integers(110, 130, (400, 400, 3)).astype(np.uint8) for _ in range(2))
        elsewhere = (vertices - [224, 118, 0]) * 1.6 + [180, 230, 0]
        dots = landmarks[[30, 36, 45, 57]]
        for x, y in np.rint(vertices[dots, :2]).astype(int).tolist():
            cv2.circle(source, (x, y), 3, (0, 0, 0), -1)
        swapped = swap_face(source, vertices, target, elsewhere, triangles)
        for x, y in np.rint(elsewhere[dots, :2]).astype(int).tolist():
            patch = swapped[y - 12 : y + 13, x - 12 : x + 13].mean(axis=2)
            row, column = np.nonzero(patch < patch.mean() - 2 * patch.std())
            assert (column.mean() - 12, row.mean() - 12) == pytest.approx((0, 0), abs=1.5)
        beyond = np.ones(target.shape[:2], bool)
        beyond[130:330, 100:260] = False
        assert np.array_equal(swapped[beyond], target[beyond])

    def test_what_the_source_s_photo_does_not_reach_stays_the_target_s(self, head, photo):
        """The source's photo ends at the middle of its face."""
        vertices, triangles, _ = head
        swapped = swap_face(np.ascontiguousarray(photo[:, :224]), vertices, 255 - photo, vertices, triangles)
        assert np.array_equal(swapped[:, 224:], (255 - photo)[:, 224:])
        changed = (swapped != 255 - photo).any(axis=2)
        assert changed[90:150, 200:218].mean() > 0.5

    def test_faces_that_are_nowhere_seen_in_both_are_refused(self, head, photo):
        vertices, triangles, _ = head
        away = vertices * [-1, 1, -1] + [448, 0, 0]
        with pytest.raises(ValueError, match="no part of the face in common"):
            swap_face(photo, away, photo, vertices, triangles)

    def test_colours_are_matched_in_mean_and_spread(self):
        rng = np.random.default_rng(0)
        dark, light = (
            rng.normal(mean, spread, (64, 64, 3)).clip(0, 255).astype(np.uint8) for mean, spread in ((70, 8), (150, 15))
        )
        mask = np.zeros((64, 64), bool)
        mask[8:56, 8:56] = True
        matched = match_colours(dark, light, mask)
        assert matched[mask].mean() == pytest.approx(light[mask].mean(), abs=3)
        assert matched[mask].std() == pytest.approx(light[mask].std(), rel=0.25)
