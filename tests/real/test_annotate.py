"""Labels of real photos by the embedded face model, beside the annotations of AFLW2000-3D."""

import numpy as np

from model.scores.protocols import error_3ddfa
from pipeline.commands.options import ReconstructorOptions
from pipeline.commands.reconstructor import open_by_fit
from pipeline.crops.face_mesh import open_files
from pipeline.face.camera import rotation_matrix
from pipeline.raw.annotations import read_annotation
from stages.photo import annotating


def test_pose_and_landmarks_of_labels_are_in_the_frame_of_the_annotations(aflw_pairs, embedded, tmp_path, monkeypatch):
    options = ReconstructorOptions(method="fit")
    made = open_by_fit(options, embedded, open_files(embedded.files, 1))
    monkeypatch.setattr(annotating, "open_once", lambda *_: made)
    errors, turns = [], []
    for photo, path in aflw_pairs[1:60:5]:
        truth = read_annotation(path)
        record = annotating.annotate_photo(photo.stem, photo, "", "", options, 1, tmp_path)
        if len(record["faces"]) != 1 or record["faces"][0]["doubt"]:
            continue
        label = read_annotation(tmp_path / f"faces/{photo.stem}.mat")
        errors.append(float(error_3ddfa(label.true_landmarks, truth.true_landmarks)))
        between = rotation_matrix(*label.pose[:3]) @ rotation_matrix(*truth.pose[:3]).T
        turns.append(np.rad2deg(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1))))
    assert len(errors) >= 6
    # An axis or a sign that is wrong turns faces by tens of degrees; 2 px in y are 1.1 % of a face.
    assert np.median(errors) < 5
    assert np.median(turns) < 10
    assert max(turns) < 35
