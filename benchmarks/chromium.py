"""A headless Chromium that is spoken to over a pipe: real files, real time, a camera, and what it asks for."""

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFFLINE = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # Nothing resolves: what is shown came from the file.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
)
FLAGS = ("--headless=new", *OFFLINE, "--remote-debugging-pipe")


class Page:
    """One open page: what it said and asked for so far, and whatever is done with it."""

    def __init__(self, read: int, write: int) -> None:
        self.numbers = itertools.count(1)
        self.session: str | None = None
        self.pipe, self.write = os.fdopen(read, "rb"), write
        self.buffer = b""
        self.said: list[str] = []
        self.asked: list[str] = []

    def call(self, method: str, **params: Any) -> Any:
        """Send a command of the DevTools protocol, and give its answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _receive(self) -> Any:
        while b"\0" not in self.buffer:
            part = self.pipe.read1(1 << 20)
            assert part, "The browser is gone."
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: Any) -> None:
        kind, params = event.get("method"), event.get("params", {})
        if kind == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(each.get("value", each.get("description"))) for each in params["args"]))
        elif kind == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif kind == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif kind == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def run(self, code: str) -> Any:
        """Evaluate an expression in the page, wait for its promise, and give its value."""
        result = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str, seconds: int = 60) -> None:
        """Wait in the page until an expression is true."""
        done = self.run(
            f"new Promise((done) => {{ const end = performance.now() + {1000 * seconds};"
            f"const look = () => ({condition}) ? done(true) : performance.now() > end ? done(false)"
            " : setTimeout(look, 50); look(); })"
        )
        assert done, f"not within {seconds} s: {condition}; the page said {self.said}"

    def open(self, page: Path) -> None:
        """Open a file, and wait until all of it is there."""
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files as a person does by a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the mouse from one point of the page to another."""
        common = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **common)
        for part in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **common)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **common)

    def press(self, key: str) -> None:
        """Press and release a key by its name, as ``Tab`` or ``ArrowLeft``."""
        code = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def prefer(self, scheme: str, media: str = "") -> None:
        """Show the page in a colour scheme, ``light`` or ``dark``, and if asked as for another medium, ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """Make the window as large as that."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip

    def picture(self) -> bytes:
        """What is seen, as a PNG file's bytes."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def opening(page: Path, profile: Path, *flags: str, size: tuple[int, int] = (1280, 900)) -> Iterator[Page]:
    """Open a file in a browser of its own."""
    (browser_reads, write), (read, browser_writes) = os.pipe(), os.pipe()
    # The browser reads from 3 and writes to 4, which the shell makes of whatever these are here.
    command = [str(BROWSER), *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
    shell = ["bash", "-c", f'exec "$@" 3<&{browser_reads} 4>&{browser_writes}', "bash", *command]
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = subprocess.Popen(shell, stdout=log, stderr=log, pass_fds=(browser_reads, browser_writes))
    os.close(browser_reads)
    os.close(browser_writes)
    opened = Page(read, write)
    try:
        target = next(each for each in opened.call("Target.getTargets")["targetInfos"] if each["type"] == "page")
        attached = opened.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        opened.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            opened.call(f"{domain}.enable")
        opened.resize(*size)
        opened.open(page)
        yield opened
    finally:
        process.terminate()
        process.wait(20)
        opened.pipe.close()
        os.close(write)
