"""A web server of this machine for tests of downloads: each test says what it answers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class WebServer(ThreadingHTTPServer):
    """Is up inside its ``with``, on a port of its own; what it answers is a subclass's."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a GET or HEAD; `request` has its path and headers, and sends the answer."""
        raise NotImplementedError

    def at(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        self.server.answer(self)

    def do_HEAD(self) -> None:
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
