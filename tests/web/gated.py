"""A server of which a test says how many bytes of a file come when: what is seen of a picture meanwhile can be looked
at.
"""

import re
import threading
from pathlib import Path

from tests.web import browser

SECONDS = 60  # a gate stays closed at most


class Gates:
    """How many bytes of each name may go, and how often each was asked for."""

    def __init__(self) -> None:
        self._open, self._changed = {}, threading.Condition()
        self.asked: dict[str, int] = {}

    def close(self) -> None:
        """All of them, and forgets what was asked for."""
        with self._changed:
            self._open.clear()
            self.asked.clear()

    def open(self, name: str, size: int) -> None:
        """Lets the bytes before `size` go."""
        with self._changed:
            self._open[name] = size
            self._changed.notify_all()

    def wait(self, name: str, sent: int) -> int:
        """How many bytes may go, once that is more than are sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._open.get(name, 0) > sent, SECONDS)
            return self._open.get(name, 0)


class Handler(browser.Handler):
    """Files of the folder "gated" go through the gates; parts of them do not, which only names without "whole" have."""

    gates = Gates()

    def do_GET(self) -> None:
        folder, _, name = self.path.split("?")[0].lstrip("/").partition("/")
        if folder != "gated" or not (path := Path(self.translate_path(self.path))).is_file():
            super().do_GET()
            return
        self.gates.asked[name] = self.gates.asked.get(name, 0) + 1
        data, sent = path.read_bytes(), 0
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if part and "whole" not in name:
            self.send_response(206)
            self.end_headers()
            self.wfile.write(data[int(part[1]) : int(part[2]) + 1])
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "max-age=60")
        self.end_headers()
        try:
            while sent < len(data):
                stop = self.gates.wait(name, sent)
                if stop <= sent:
                    return
                self.wfile.write(data[sent:stop])
                self.wfile.flush()
                sent = min(stop, len(data))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the page no longer wants it
