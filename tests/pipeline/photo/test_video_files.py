"""Videos read with their times, and written."""

import os

import cv2
import numpy as np
import pytest

from pipeline.photo import video_files
from pipeline.photo.video_files import open_video, open_writer


def write(stem, rate, greys):
    path, writer = open_writer(stem, rate, 32, 48)
    for grey in greys:
        writer.write(np.full((32, 48, 3), grey, np.uint8))
    writer.release()
    return path


def test_a_video_that_is_written_has_its_rate_length_times_and_pixels(tmp_path):
    path = write(tmp_path / "a", 20, (0, 100, 200))
    video = open_video(str(path))
    assert (video.name, video.rate, video.length) == ("a", 20, 3)
    times, frames = zip(*video.frames, strict=True)
    assert times == pytest.approx((0, 0.05, 0.1), abs=1e-3)
    assert [frame.mean() for frame in frames] == pytest.approx([0, 100, 200], abs=6)


def test_without_a_codec_for_mp4_an_avi_is_written(tmp_path, monkeypatch):
    made = cv2.VideoWriter

    class Without:
        def __new__(cls, path, *arguments):
            return made() if path.endswith(".mp4") else made(path, *arguments)

        fourcc = made.fourcc

    monkeypatch.setattr(video_files.cv2, "VideoWriter", Without)
    path = write(tmp_path / "a", 10, (50, 60))
    assert path == tmp_path / "a.avi"
    assert open_video(str(path)).length == 2


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OSError, match=r"No video can be written in .*/gone: free the disk"):
        open_writer(tmp_path / "gone/a", 10, 32, 48)


def test_only_one_sentence_is_said_of_what_is_no_video(tmp_path, capfd):
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg gives no frame"):
        next(open_video(str(tmp_path / "text.jpg")).frames)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_is_no_text_is_refused_since_opencv_crashes_on_it(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.avi")
    with pytest.raises(ValueError, match="is no text in UTF-8, as a video's must be: rename it"):
        open_video(str(path))
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        open_writer(path.with_suffix(""), 10, 32, 48)
