"""Drive the stage data_report on a small made-up project, and read what it wrote."""

import numpy as np
import pytest

from pipeline.face.similarity import apply_similarity
from stages.project.counts import missing_pairs
from tests.helpers.small_project import (
    ANNOTATED,
    GRID,
    SCALE,
    YAW_DEG,
    face_map,
    grid_uv,
    landmark_vertices,
    read_json,
    similarity_of,
)


class TestDataReport:
    def test_what_goes_in_comes_out_or_is_rejected(self, project):
        metrics, counts = (read_json(project / name) for name in ("metrics/data.json", "reports/data.json"))
        assert (metrics["in"], metrics["out"], metrics["rejected"]) == (12, 10, 2)
        assert counts["subsets"] == {
            "train": {"in": 4, "out": 3, "rejected": 1},
            "test": {"in": 8, "out": 7, "rejected": 1},
        }
        assert metrics["split"] == {"train": 3, "validation": 0, "test": 8}

    def test_texels_beyond_the_frame_are_counted_for_each_axis(self, project):
        # x = 4 + 24 u + dx with dx -8, -8 and 10, u = column / 31, over the 26 columns 3 .. 28 of the face. tanh
        # reaches from -0.5 to 31.5: 2 columns are left of it in two samples and 6 right of it in the third. sigmoid
        # reaches from 0 to 31.875, prnet to 35.2: 3 columns are left of both, 5 and 1 right.
        outside = read_json(project / "metrics/data.json")["outside"]
        left_and_right = {"tanh": 2 + 2 + 6, "sigmoid": 3 + 3 + 5, "prnet": 3 + 3 + 1}
        assert outside == {
            name: {"x": round(100 * columns / 26 / 3, 3), "y": 0.0, "z": 0.0}
            for name, columns in left_and_right.items()
        }

    def test_every_stage_s_counts_are_listed(self, project):
        stages = read_json(project / "reports/data.json")["stages"]
        assert stages["index"] == {
            "test": {"in": 8, "out": 7, "rejected": 1},
            "train": {"in": 4, "out": 3, "rejected": 1},
        }
        assert list(stages) == ["index", "meshes", "aligned", "position_maps", "augmented", "validation"]

    def test_the_index_is_held_against_the_thesis_s_counts(self):
        found = {"HELEN": 37_676, "LFPW": 16_556, "AFW": 5_207, "IBUG": 1_786}
        assert sum(found.values()) == 61_225
        both = found | {f"{name}_Flip": count for name, count in found.items()}
        assert set(missing_pairs(both).values()) == {0}
        assert missing_pairs({"AFW_Flip": 5_200, "IBUG": 1_790, "AFLW2000": 2_000}) == {"AFW_Flip": 7, "IBUG": -4}

    def test_the_mesh_is_held_against_its_annotated_landmarks(self, project):
        """Of six annotated faces one has landmarks aside of its mesh's; the size is that of its box in the photo."""
        points = face_map(grid_uv(GRID).reshape(-1, 2)[landmark_vertices()])[:, :2]
        (name, shift), *others = ANNOTATED.items()
        assert not others
        photo = apply_similarity(np.linalg.inv(similarity_of(list(YAW_DEG).index(name))), points)
        percent = 100 * shift / SCALE / np.sqrt(np.prod(np.ptp(photo, axis=0)))
        metrics = read_json(project / "metrics/data.json")
        assert metrics["pt3d_68_distance"] == pytest.approx(percent / 6, abs=2e-3)
        assert percent > 1
