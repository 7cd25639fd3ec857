"""Measure the page for browsers in a headless Chromium (`python -m benchmarks.browser`): frames a second, ms a part.

The camera is a video of the astronaut of scikit-image (public domain) at 640 x 480, 30 frames a second, that rolls and
comes nearer. Prints a table, then one line of JSON.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
import cv2
import numpy as np
import skimage.data

from benchmarks.chromium import BROWSER, Page, opening
from pipeline.commands.bundles import embedded_bundle
from pipeline.photo.photo_files import encode_image
from pipeline.store.checks import check
from pipeline.store.sentences import sentences
from stages.browser_page import PAGE, make_page

WIDTH, HEIGHT, FRAMES = 640, 480, 60
RUNS, SECONDS = 5, 4
# Medians of 15 calls on the last frame, by what is called; then of a photo of 512 px, to its mesh.
PARTS = """(async () => {
  const {photo, opened: {face, networks}} = shown;
  stopCamera();
  const time = async (call, times = 15) => {
    const taken = [];
    for (let i = 0; i < times; i++) {
      const start = performance.now();
      await call();
      taken.push(performance.now() - start);
    }
    return taken.sort((a, b) => a - b)[times >> 1];
  };
  const levels = halvings(photo);
  const {track, result} = await nextFrame(face, networks, photo, 1, null);
  const {mesh} = track.face;
  return {
    look: await time(() => meshPoints(levels, meshRegion(mesh), networks.mesh)),
    fit: await time(() => fitPoints(face, mesh, null, photo.height, track.fit)),
    correct: await time(() => spreadOut(face, correct(face, result.fit, mesh, null, photo.height).vertices)),
    frame: await time(() => nextFrame(face, networks, photo, 1.05, track)),
    photo: await time(() => reconstructPhoto(face, networks, photo), 5),
  };
})()"""


@click.command()
def main() -> None:
    """Measure the page."""
    with sentences(), tempfile.TemporaryDirectory() as name:
        check(BROWSER is not None, "There is no Chromium here: install Debian's package chromium.")
        folder = Path(name)
        page, video = folder / PAGE, folder / "camera.mjpeg"
        page.write_text(make_page(embedded_bundle(), None, None), encoding="utf-8")
        video.write_bytes(b"".join(make_frames()))
        flags = (
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={video}",
        )
        with opening(page, folder / "profile", *flags) as opened:
            start = time.perf_counter()
            opened.wait("status.textContent.startsWith('Choose') || status.className")
            ready = time.perf_counter() - start
            rates = camera_rates(opened)
            parts: dict[str, float] = opened.run(PARTS)
        figures: dict[str, Any] = {
            "mb": round(page.stat().st_size / 1e6, 1),
            "ready_s": round(ready, 2),
            "frames_per_s": round(median(rates), 1),
            "frames_per_s_range": [round(min(rates), 1), round(max(rates), 1)],
            "ms": {part: round(value, 1) for part, value in parts.items()},
        }
    click.echo(f"page {figures['mb']} MB, ready within {figures['ready_s']} s")
    low, high = figures["frames_per_s_range"]
    click.echo(f"camera {figures['frames_per_s']} frames/s with the mesh drawn (runs {low} to {high})")
    for part, value in figures["ms"].items():
        click.echo(f"  {part:8} {value:7.1f} ms")
    click.echo(json.dumps(figures))


def make_frames() -> list[bytes]:
    """JPEG files of the frames."""
    photo, frames = skimage.data.astronaut(), []
    for turn in np.linspace(0, 2 * np.pi, FRAMES, endpoint=False):
        matrix = cv2.getRotationMatrix2D((226, 110), 8 * np.sin(turn), 1.3 + 0.2 * np.cos(turn))
        matrix[:, 2] += [100 + 30 * np.sin(2 * turn), 110]
        frames.append(encode_image(np.asarray(cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT)), np.uint8), ".jpg"))
    return frames


def camera_rates(page: Page) -> list[float]:
    """Frames a second of each run; each frame is drawn, with its mesh, before the next is taken."""
    page.run("at('camera').click()")
    page.wait("shown.frames > 10 && shown.faces.length")
    rates = []
    for _ in range(RUNS):
        before, start = page.run("[shown.frames, performance.now()]")
        time.sleep(SECONDS)
        after, end = page.run("[shown.frames, performance.now()]")
        rates.append(1000 * (after - before) / (end - start))
    return rates


if __name__ == "__main__":
    main()
