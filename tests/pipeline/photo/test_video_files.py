"""Videos read with their times, and written."""

import os

import cv2
import numpy as np
import pytest

from pipeline.photo import video_files
from pipeline.photo.video_files import count_frames, open_video, open_writer


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


def test_frames_are_counted_as_they_are_there_not_as_the_file_announces_them(tmp_path):
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(tmp_path / "whole.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(40):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    content = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    assert count_frames(str(tmp_path / "whole.avi")) == 40
    cut_name = str(tmp_path / "cut.avi")
    cut = open_video(cut_name)
    assert cut.length == 40
    # The one that is cut through may count.
    assert len(list(cut.frames)) in (count_frames(cut_name), count_frames(cut_name) - 1)


def test_frames_of_what_is_no_video_are_not_known(tmp_path, capfd):
    (tmp_path / "text.mp4").write_text("no video")
    assert [count_frames(source) for source in (str(tmp_path / "text.mp4"), str(tmp_path / "none.mp4"), "0")] == [
        0,
        0,
        0,
    ]
    assert capfd.readouterr().err == ""
