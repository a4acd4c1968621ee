"""Browsers that run the package from a server of its own: Chromium as of `tests.browser`, and Firefox, whose Marionette
is spoken to by a socket, as Debian has no geckodriver.
"""

import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import browser
from tests.browser import Browser

PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.tabs.remote.autostart": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.console.stdout.content": True,  # for `console`
    "dom.ipc.processCount": 1,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
    "ui.prefersReducedMotion": 1,
}
COMMANDS = {
    "/url": "Navigate",
    "/execute/sync": "ExecuteScript",
    "/element": "FindElement",
    "/actions": "PerformActions",
    "/screenshot": "TakeScreenshot",
    "/timeouts": "SetTimeouts",
    "": "DeleteSession",
}


class Firefox(Browser):
    """One window, as `Browser`; it is no phone, but may be as narrow as one. private: as strict against tracking as it
    can be.
    """

    def __init__(self, width: int, height: int, dark: bool = False, private: bool = False):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._profile = tempfile.mkdtemp(prefix="aecodec-firefox-")
        wanted = PREFERENCES | {"marionette.port": port, "ui.systemUsesDarkTheme": int(dark)}
        wanted["privacy.resistFingerprinting"] = private
        lines = [f'user_pref("{name}", {json.dumps(value)});\n' for name, value in wanted.items()]
        Path(self._profile, "user.js").write_text("".join(lines))
        command = [_firefox(), "--marionette", "--headless", "--no-remote", "--profile", self._profile]
        self._log = tempfile.TemporaryFile("w+")
        self._driver = subprocess.Popen(
            [*command, f"--width={width}", f"--height={height}", "about:blank"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MOZ_HEADLESS_WIDTH": str(width), "MOZ_HEADLESS_HEIGHT": str(height)},
        )
        self._seen = self._number = 0
        try:
            self._socket = self._connected(port)
            self._receive()
            self._send("NewSession", {})
            self._send("SetTimeouts", {"script": 120_000, "pageLoad": 60_000})
            self._send("SetWindowRect", {"width": width, "height": height})
        except BaseException:
            self._ended()
            raise

    def close(self) -> None:
        try:
            self._send("DeleteSession", {})
        finally:
            self._ended()

    def console(self) -> list[str]:
        """Messages of the console since the last call."""
        self._log.seek(self._seen)
        text = self._log.read()
        self._seen += len(text.encode())
        return [line for line in text.splitlines() if line.startswith(("console.", "JavaScript error"))]

    def _ended(self) -> None:
        self._driver.terminate()
        try:
            self._driver.wait(10)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait(10)
        self._log.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _connected(self, port: int) -> socket.socket:
        end = time.monotonic() + 60
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=180)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except OSError:
                assert time.monotonic() < end and self._driver.poll() is None, "Firefox does not start"
                time.sleep(0.1)

    def _call(self, method: str, path: str, body: dict | None = None):
        if path.startswith("/element/"):
            return self._send("ElementClick", {"id": path.split("/")[2]})
        found = self._send(COMMANDS[path], body or {})
        return found.get("value") if isinstance(found, dict) and set(found) == {"value"} else found

    def _send(self, command: str, body: dict):
        self._number += 1
        data = json.dumps([0, self._number, f"WebDriver:{command}", body]).encode()
        self._socket.sendall(f"{len(data)}:".encode() + data)
        _, number, error, result = self._receive()
        assert number == self._number
        if error:
            raise RuntimeError(error["message"])
        return result

    def _receive(self):
        size = b""
        while not size.endswith(b":"):
            size += self._some(1)
        left, data = int(size[:-1]), b""
        while len(data) < left:
            data += self._some(left - len(data))
        return json.loads(data)

    def _some(self, most: int) -> bytes:
        data = self._socket.recv(most)
        if not data:
            raise RuntimeError("Firefox has ended")
        return data


def _firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


def opened(kind: str, width: int = 1000, height: int = 700, **options: bool) -> Browser:
    """A browser, "chromium" or "firefox", with options of its class; skips where it is not installed."""
    if kind == "firefox":
        if not _firefox():
            pytest.skip("Firefox is not installed (Debian: apt-get install firefox-esr)")
        return Firefox(width, height, **options)
    if browser.missing():
        pytest.skip(browser.missing())
    found = Browser(width, height, **options)
    found._call("POST", "/timeouts", {"script": 120_000})
    return found


@contextmanager
def served(folders: dict[str, Path], isolated: bool = False, handler: type | None = None) -> Iterator[str]:
    """The URL of a server of folders, each under its name; isolated: with the headers that allow threads; handler: a
    Handler of another kind.
    """
    handler = functools.partial(handler or Handler, folders=folders, isolated=isolated)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {
        ".html": "text/html",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
        "": "application/octet-stream",
    }

    def __init__(self, *arguments, folders: dict[str, Path], isolated: bool):
        self.folders, self.isolated = folders, isolated
        super().__init__(*arguments)

    def translate_path(self, path: str) -> str:
        name, _, rest = path.split("?")[0].lstrip("/").partition("/")
        return str(self.folders.get(name, Path("/nothing")) / rest)

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass
