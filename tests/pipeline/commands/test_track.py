"""The command that follows the faces of a video, on a video made of a real photo; the networks are those of all."""

import csv
import itertools
import json
import os
import re
import resource
import signal
import struct

import cv2
import numpy as np
import pytest
import skimage.data
import trimesh
from click.testing import CliRunner

from pipeline.commands import track
from pipeline.commands.video import write_overlay
from pipeline.face.camera import camera_matrix
from pipeline.photo.video_files import open_video, open_writer
from pipeline.store.files import holding
from tests.helpers.processes import run_alone

FRAMES, STEP = 12, 4
PICTURE = cv2.resize(skimage.data.astronaut(), (320, 320), interpolation=cv2.INTER_AREA)[:200]


@pytest.fixture
def video(tmp_path, monkeypatch, embedded):
    """The face, about (139, 74), goes to the right by 4 px a frame."""
    monkeypatch.setattr(track, "embedded_bundle", lambda: embedded)
    path, writer = open_writer(tmp_path / "clip", 25, 200, 320)
    for number in range(FRAMES):
        writer.write(np.roll(PICTURE, STEP * number, axis=1)[..., ::-1])
    writer.release()
    return path


def call(*arguments):
    return CliRunner().invoke(track.main, [str(argument) for argument in arguments])


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_tree(path):
    content = path.read_bytes()
    return json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])


def test_a_video_gives_a_table_a_glb_and_an_overlay(video, tmp_path, embedded):
    result = call(video, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"track: {FRAMES} frames, 1 face; {tmp_path / 'out/clip.csv'}\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("clip.csv", "clip_face1.glb", "clip_overlay.mp4", "clip_track.json")
    }
    record = json.loads((tmp_path / "out/clip_track.json").read_text())
    assert record == {"video": str(video.resolve()), "frames": FRAMES, "frames_announced": FRAMES}

    rows = read_rows(tmp_path / "out/clip.csv")
    assert list(rows[0]) == [
        *("frame", "time_s", "face", "presence", "yaw", "pitch", "roll", "tx", "ty", "scale"),
        *(f"identity{number}" for number in range(1, 14)),
        *embedded.model.expression_names,
        *(f"{axis}{number}" for number in range(68) for axis in "xy"),
    ]
    assert [row["frame"] for row in rows] == [str(number) for number in range(FRAMES)]
    assert [float(row["time_s"]) for row in rows] == pytest.approx(np.arange(FRAMES) / 25, abs=1e-3)
    assert {row["face"] for row in rows} == {"1"}
    assert all(float(row["presence"]) > 0.9 and abs(float(row["yaw"])) < 20 for row in rows)
    nose = np.array([[float(row["x30"]), float(row["y30"])] for row in rows])
    # It starts where one sees it, and is not far behind at the end.
    assert nose[0] == pytest.approx((139, 79), abs=6)
    assert nose[-1] - nose[0] == pytest.approx((STEP * (FRAMES - 1), 0), abs=4)

    tree = read_tree(tmp_path / "out/clip_face1.glb")
    (animation,) = tree["animations"]
    counts = {tree["accessors"][sampler["input"]]["count"] for sampler in animation["samplers"]}
    assert counts == {FRAMES}
    assert tree["meshes"][0]["extras"]["targetNames"] == list(embedded.model.expression_names)
    assert {channel["target"]["path"] for channel in animation["channels"]} == {
        *("weights", "rotation", "translation", "scale")
    }

    drawn = [frame for _, frame in open_video(str(tmp_path / "out/clip_overlay.mp4")).frames]
    assert len(drawn) == FRAMES
    x, y = nose[-1].astype(int)
    seen = np.roll(PICTURE, STEP * (FRAMES - 1), axis=1).astype(int)
    change = np.abs(drawn[-1].astype(int) - seen).mean(axis=2)
    assert change[y - 15 : y + 15, x - 15 : x + 15].mean() > 15
    assert change[150:].mean() < 5


def test_the_mesh_of_the_glb_lies_on_the_landmarks_when_it_is_moved_as_its_animation_says(video, tmp_path, embedded):
    assert call(video, "--out", tmp_path, "--no-overlay").exit_code == 0
    assert not list(tmp_path.glob("*_overlay*"))
    mesh = trimesh.load(tmp_path / "clip_face1.glb", force="mesh", process=False)
    # The mesh is in px of the frame that it is from; its size says which scale that was.
    rows = read_rows(tmp_path / "clip.csv")
    yaw, pitch, roll, tx, ty, scale = (float(rows[-1][name]) for name in ("yaw", "pitch", "roll", "tx", "ty", "scale"))
    (size,) = {round(float(row["scale"]) / scale, 1) for row in rows}
    assert size == 1.0
    pose = np.array([*np.radians([pitch, yaw, roll]), tx, ty, 0, 1])
    placed = mesh.vertices @ camera_matrix(pose, 200)[:, :3].T + camera_matrix(pose, 200)[:, 3]
    nose = [float(rows[-1][axis + "30"]) for axis in "xy"]
    # The tip of the nose is the point that stands out the farthest.
    assert placed[mesh.vertices[:, 2].argmax(), :2] == pytest.approx(nose, abs=6)


def test_what_was_seen_before_ctrl_c_is_written(video, tmp_path, monkeypatch):
    def stopped(source):
        opened = open_video(source)

        def frames():
            yield from itertools.islice(opened.frames, 5)
            raise KeyboardInterrupt

        return opened._replace(frames=frames())

    monkeypatch.setattr(track, "open_video", stopped)
    result = call(video, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "Stopped; what was seen is written." in result.stderr
    assert len(read_rows(tmp_path / "out/clip.csv")) == 5
    assert open_video(str(tmp_path / "out/clip_overlay.mp4")).length == 5
    assert (tmp_path / "out/clip_face1.glb").is_file()


def test_a_video_without_a_face_and_one_that_is_missing_are_said(video, tmp_path):
    path, writer = open_writer(tmp_path / "wall", 25, 200, 320)
    for _ in range(2):
        writer.write(np.full((200, 320, 3), 90, np.uint8))
    writer.release()
    result = call(path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == f"Error: No face was found in {path}; {tmp_path / 'out/wall.csv'} is empty.\n"
    result = call("gone.mp4", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no video 'gone.mp4'")


def test_files_of_an_earlier_run_do_not_stay_and_those_of_others_do(video, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    unfinished = (".clip_overlay.host.7.8.part.mp4", ".clip.csv.host.7.8.part", ".clip_face1.glb.host.7.8.part")
    for name in ("clip_face2.glb", "clip_face12.glb", "clip_overlay.avi", *unfinished):
        (out / name).write_text(name)
    others = {"clip_face2.png", "clip2_face2.glb", ".clip2_overlay.host.7.8.part.mp4", ".clip_photo.jpg"}
    for name in others:
        (out / name).write_text(name)
    assert call(video, "--out", out, "--no-overlay").exit_code == 0
    assert {path.name for path in out.iterdir()} == others | {"clip.csv", "clip_face1.glb", "clip_track.json"}


def test_a_video_is_not_written_over(video, tmp_path):
    other = video.rename(tmp_path / "clip.csv")
    before = other.read_bytes()
    result = call(other, "--out", tmp_path)
    assert result.exit_code == 1
    assert "clip.csv would be written over the file that is read: choose another folder by --out." in result.stderr
    assert other.read_bytes() == before


def test_a_video_does_not_write_over_another_of_the_same_name(video, tmp_path):
    out = tmp_path / "out"
    assert call(video, "--out", out, "--no-overlay").exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = tmp_path / "other/clip.avi"
    other.parent.mkdir()
    other.write_bytes(video.read_bytes())
    result = call(other, "--out", out)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {out} has results of another video of that name, {video.resolve()} (clip_track.json says so): choose "
        "another folder by --out, or delete them.\n"
    )
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert call(video, "--out", out, "--no-overlay").exit_code == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", "no JSON"])
def test_a_record_of_something_else_is_not_written_over(video, tmp_path, content):
    (tmp_path / "clip_track.json").write_text(content)
    assert "that name, something else (clip_track.json says so)" in call(video, "--out", tmp_path).stderr
    assert (tmp_path / "clip_track.json").read_text() == content


def test_frames_that_a_cut_video_lacks_are_told(tmp_path, monkeypatch, embedded):
    monkeypatch.setattr(track, "embedded_bundle", lambda: embedded)
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 200))
    for _ in range(10):
        writer.write(PICTURE[..., ::-1])
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 65 // 100])  # each frame is a tenth of it
    result = call(path, "--out", tmp_path / "out", "--no-overlay")
    assert result.exit_code == 0
    record = json.loads((tmp_path / "out/clip_track.json").read_text())
    read = record["frames"]
    assert read in (6, 7)  # the seventh is half there
    assert record["frames_announced"] == 10
    assert result.stderr == (
        f"clip: {read} of 10 frames were read: the video is cut or damaged, or its file announces more than it has.\n"
    )
    assert len(read_rows(tmp_path / "out/clip.csv")) == read


def noisy_frames():
    """Frames of noise, of which an overlay takes 10 kB each, without faces."""
    generator = np.random.default_rng(1)
    for number in range(30):
        yield number / 25, generator.integers(0, 256, (64, 96, 3), np.uint8), []


def overlay_and_die(stem):
    """Write an overlay, and kill this process where its last frame has been written."""
    for time, _, _ in write_overlay(noisy_frames(), None, stem, 25):
        if round(time * 25) == 29:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_leaves_no_overlay_under_its_name(tmp_path):
    with pytest.raises(AssertionError, match="ended with -9"):
        run_alone(overlay_and_die, tmp_path / "clip_overlay")
    # `test_files_of_an_earlier_run_do_not_stay_and_those_of_others_do`: the next run removes it.
    (part,) = tmp_path.iterdir()
    assert re.fullmatch(r"\.clip_overlay\..+\.part\.mp4", part.name)


@pytest.fixture
def little_space():
    """No file may have more than 50 kB meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_overlay_for_which_there_is_no_space_is_told_in_a_sentence_alone(tmp_path, little_space, capfd):
    with pytest.raises(OSError, match=r"clip_overlay\.mp4 could not be written whole: free the disk"):
        list(write_overlay(noisy_frames(), None, tmp_path / "clip_overlay", 25))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_without_space_for_the_overlay_the_other_files_are_whole(video, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("No space.")

    monkeypatch.setattr("pipeline.commands.video._finish", fail)
    result = call(video, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == "Error: No space.\n"
    assert len(read_rows(tmp_path / "out/clip.csv")) == FRAMES
    assert (tmp_path / "out/clip_face1.glb").is_file()


def test_two_runs_into_one_folder_do_not_mix(video, tmp_path):
    with holding(tmp_path / "out"):
        assert "Another run is writing into" in call(video, "--out", tmp_path / "out").stderr
