"""Frames of a video that are taken as photos."""

import itertools

import cv2
import numpy as np
import pytest

from pipeline.commands import batches


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 32))
    for number in range(10):
        writer.write(np.full((32, 48, 3), (0, 10, 20 * number), np.uint8))
    writer.release()
    return path


def test_each_so_many_th_frame_of_a_video_is_taken_in_rgb_and_in_order(video, capsys):
    photos = list(batches.name_frames(str(video), 4))
    assert [photo.name for photo in photos] == ["clip_000000", "clip_000004", "clip_000008"]
    assert [photo.files for photo in photos] == [(video,)] * 3
    for photo, red in zip(photos, (0, 80, 160), strict=True):
        opened = photo.decode()
        assert opened.photo.dtype == np.uint8
        assert opened.photo.mean(axis=(0, 1)) == pytest.approx((red, 10, 0), abs=4)
    assert capsys.readouterr() == ("", "")


def test_a_video_is_read_no_further_than_it_is_asked_for(video, capsys):
    frames = batches.name_frames(str(video), 1)
    assert len(list(itertools.islice(frames, 2))) == 2
    frames.close()
    assert capsys.readouterr() == ("", "")


def test_frames_that_a_cut_video_lacks_are_told_once(tmp_path, capsys):
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    generator = np.random.default_rng(1)
    for _ in range(10):
        writer.write(generator.integers(0, 256, (64, 96, 3), np.uint8))
    writer.release()
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 6 // 10])
    read = len(list(batches.name_frames(str(video), 1)))
    assert 4 <= read <= 6
    assert capsys.readouterr() == (
        "",
        f"clip: {read} of 10 frames were read: the video is cut or damaged, or its file announces more than it has.\n",
    )
    assert len(list(batches.name_frames(str(video), 4))) == 2
    assert f"clip: {read} of 10 frames" in capsys.readouterr().err


def test_a_video_that_is_missing_or_damaged_and_a_webcam_that_is_not_there_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no video 'gone\.mp4'; expected a file, or the number of a webcam"):
        batches.name_frames("gone.mp4", 1)
    (tmp_path / "bad.avi").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"bad\.avi gives no frame"):
        next(batches.name_frames(str(tmp_path / "bad.avi"), 1))
    with pytest.raises(ValueError, match="The webcam 987 gives no frame"):
        next(batches.name_frames("987", 1))
