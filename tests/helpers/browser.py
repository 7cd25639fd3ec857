"""Pages opened in a headless Chromium, from files and without a network, which dumps what became of them.

`benchmarks.chromium` has one that stays open and is spoken to; this one is started for each look.
"""

import re
import subprocess

import cv2
import pytest

from benchmarks.chromium import BROWSER, OFFLINE

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium: install Debian's package of that name")
FLAGS = ("--headless", *OFFLINE, "--enable-logging=stderr", "--virtual-time-budget=8000")
# Runs in the page, and leaves in its title: pictures without pixels, what is wider than the window and in no box that
# scrolls, what the network was asked for.
LOOK = """<script>window.addEventListener("load", () => setTimeout(() => {
  const empty = [...document.images].filter((image) => !image.naturalWidth).length;
  const wide = [...document.querySelectorAll("body *")].filter((item) => !item.closest(".scroll > *, .strip > *")
    && item.getBoundingClientRect().right > innerWidth + 1).map((item) => item.tagName);
  const asked = performance.getEntriesByType("resource").filter((entry) => entry.name.startsWith("http"));
  document.title = `pictures ${document.images.length} empty ${empty} wide ${wide.slice(0, 5)} asked ${asked.length}`;
}, 500));</script>"""
TELL_WIDTH = """<script>addEventListener("load", () => setTimeout(() => {
  console.log(`${document.title} of ${innerWidth} px, scrolls over ${document.documentElement.scrollWidth}`);
}, 1000));</script>"""


def browse(page, profile, *actions):
    """Open a file; returns what the browser printed, and what the page said in its console."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *actions, page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    said = [line for line in result.stderr.splitlines() if ":CONSOLE" in line or "net_error" in line]
    # Software drawing tells that reading pixels back is slow; that is no fault of the page.
    return result.stdout, [line for line in said if "GPU stall" not in line]


def inject(page, script):
    """Copy a page beside itself with a script in it, and without its policy, which would let in none."""
    copy = page.with_name(f"{page.stem}_watched.html")
    text = re.sub('<meta http-equiv="Content-Security-Policy".*?>', "", page.read_text(encoding="utf-8"))
    # The last: a script may have that tag in a text.
    before, _, after = text.rpartition("</body>")
    copy.write_text(f"{before}{script}</body>{after}", encoding="utf-8")
    return copy


def screenshot(page, tmp_path, name, size="500,400"):
    path = tmp_path / f"{name}.png"
    _, said = browse(page, tmp_path / f"profile_{name}", f"--screenshot={path}", f"--window-size={size}")
    assert said == []
    return cv2.imread(str(path))


def in_frame(page, size, folder):
    """A page that shows another in a frame of `size` px: no window is as narrow as a phone."""
    framing = folder / "frame.html"
    framing.write_text(
        '<iframe src="{}" style="width: {}px; height: {}px; border: 0"></iframe>'.format(page.as_uri(), *size)
    )
    return framing
