"""A real headless Chromium, driven through its DevTools protocol over two pipes: no port, driver or package."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pytest

_PROGRAM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
needs_browser = pytest.mark.skipif(_PROGRAM is None, reason="no chromium or google-chrome is installed")

# Chromium reads commands from file descriptor 3 and writes answers to 4; the duplicates are above both.
START = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(commands, 3), os.dup2(answers, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# Root cannot use the sandbox; the pages are our own.
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {"Enter": "\r", "Tab": "\t"}


@contextmanager
def running():
    """Start the browser; yield a page in it."""
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        start = [sys.executable, "-c", START, str(commands), str(answers)]
        process = subprocess.Popen(
            [*start, _PROGRAM, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        with os.fdopen(to_browser, "wb", 0) as requests, os.fdopen(from_browser, "rb", 0) as replies:
            try:
                yield Tab(requests, replies)
            finally:
                process.terminate()
                process.wait(30)


class Tab:
    """A page of the browser; `complaints` lists its console errors and warnings, `requests` the URLs it requested."""

    def __init__(self, requests, replies):
        self._requests, self._replies, self._ids, self._session = requests, replies, itertools.count(1), None
        self._unread = [b""]  # parts of a message; the last may contain its end and further messages
        self.complaints, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Call a method of the protocol and return its result."""
        message = {"id": next(self._ids), "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._requests.write(json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != message["id"]:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address):
        """Load a page and wait until it has loaded."""
        self.complaints, self.requests = [], []
        self.call("Page.navigate", url=address)
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script):
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        reply = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def press(self, *keys):
        """Press keys one after the other, as a user does."""
        for key in keys:
            text = KEYS.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}.get(key, 0)
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector):
        """Scroll to the first element that a CSS selector matches, and click on its centre."""
        place = f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const {{x, y, width, height}} = element.getBoundingClientRect();
            return {{x: x + width / 2, y: y + height / 2}};
        }})()"""
        place = self.run(place)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def window(self, width, height=1000, scheme="light"):
        """Set the window's size in pixels, and the user's preference for light or dark pages."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self):
        """Return a PNG of the window."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def pdf(self):
        """Return a PDF of the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def _read(self):
        while b"\0" not in self._unread[-1]:
            self._unread.append(self._replies.read(1 << 16))
            assert self._unread[-1], "the browser has ended"
        end, _, rest = self._unread.pop().partition(b"\0")
        message = json.loads(b"".join([*self._unread, end]))
        self._unread = [rest]
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(params["args"])
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
        return message
