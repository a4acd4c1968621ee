"""A headless Chromium for tests: the few commands of the W3C WebDriver protocol they need, spoken to chromedriver with
the standard library alone.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of a reference to an element
KEYS = {
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Escape": "\ue00c",
    "Shift": "\ue008",
    "Enter": "\ue007",
    "Tab": "\ue004",
}


def missing():
    """Why no browser test can run here, or None."""
    if not shutil.which("chromedriver"):
        return "chromedriver is not installed (Debian: apt-get install chromium chromium-driver)"
    if not any(map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))):
        return "Chromium is not installed (Debian: apt-get install chromium chromium-driver)"
    return None


class Browser:
    """One window of `width` by `height` CSS pixels; `phone` makes it a touch device of that size with 3 device pixels
    per pixel.
    """

    def __init__(self, width, height, phone=False, dark=False):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._driver = subprocess.Popen(
            [shutil.which("chromedriver"), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        try:
            self._wait_until_ready()
            options = {
                "args": [
                    "--headless=new",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    f"--window-size={width},{height}",
                    "--hide-scrollbars",
                    "--force-prefers-reduced-motion",
                    "--force-color-profile=srgb",
                ]
            }
            if os.geteuid() == 0:
                options["args"].append("--no-sandbox")  # Chromium's sandbox refuses to run as root, as in a container
            if dark:
                options["args"].append("--force-dark-mode")
            if phone:
                options["mobileEmulation"] = {
                    "deviceMetrics": {"width": width, "height": height, "pixelRatio": 3, "touch": True, "mobile": True}
                }
            capabilities = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            self._url += (
                "/session/"
                + self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
            )
        except BaseException:
            self._driver.kill()
            raise

    def close(self):
        try:
            self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(10)

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What the body of a JavaScript function returns; promises are waited for."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments, seconds=15):
        """Runs the script until it returns something true, and returns that. Raises AssertionError."""
        end = time.monotonic() + seconds
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < end, f"never became true: {script}"
            time.sleep(0.05)
        return value

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def click(self, selector):
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        self._call("POST", f"/element/{found[ELEMENT]}/click", {})

    def press(self, *keys, hold=0):
        """Presses the keys together, as names in KEYS or characters, and lets go of them after `hold` seconds."""
        values = [KEYS.get(key, key) for key in keys]
        actions = (
            [{"type": "keyDown", "value": value} for value in values]
            + [{"type": "pause", "duration": round(hold * 1000)}]
            + [{"type": "keyUp", "value": value} for value in reversed(values)]
        )
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def drag(self, start, end, kind="mouse"):
        """From one (x, y) in the window to another, by mouse or touch, in eight steps."""
        steps = [
            (round(start[0] + (end[0] - start[0]) * i / 8), round(start[1] + (end[1] - start[1]) * i / 8))
            for i in range(9)
        ]
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 20} for x, y in steps]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        self._call(
            "POST",
            "/actions",
            {"actions": [{"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}]},
        )

    def hover(self, x, y):
        self._call(
            "POST",
            "/actions",
            {
                "actions": [
                    {
                        "type": "pointer",
                        "id": "mouse",
                        "parameters": {"pointerType": "mouse"},
                        "actions": [{"type": "pointerMove", "x": round(x), "y": round(y)}],
                    }
                ]
            },
        )

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def console(self):
        """Messages of the console since the last call."""
        return [f"{entry['level']}: {entry['message']}" for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def _wait_until_ready(self):
        end = time.monotonic() + 20
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                pass
            assert time.monotonic() < end, "chromedriver does not start"
            time.sleep(0.05)

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None
