"""An RTSP camera for tests: H.264 over RTP, interleaved in the TCP connection (RFC 2326, 6184)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from fractions import Fraction

import av
from synthetic import barcode

FPS = 20
NUM_FRAMES = 200  # after these it begins again
_KEYFRAME_EVERY = 10
_MAX_PAYLOAD_BYTES = 1200
_CLOCK_HZ, _FIRST_TIMESTAMP = 90_000, 4_711


class RtspServer:
    """A camera whose frame `n` spells `n % NUM_FRAMES`; who connects sees what it films by then.

    Args:
        password: What users must give, as ``name:password``.

    Attributes:
        connections: How often somebody connected.
        methods: What was asked for, in order.
    """

    def __init__(self, *, password: str | None = None) -> None:
        self.connections = 0
        self.methods: list[str] = []
        self._credentials = password and base64.b64encode(password.encode()).decode()
        self._frames = list(_encoded())
        self._next = 0  # the frame it films
        self._clients: set[_Client] = set()
        self._lock = threading.Lock()
        self._is_off = threading.Event()
        self._is_silent = threading.Event()
        self._is_over = threading.Event()
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                server.connections += 1
                if not server._is_off.is_set():
                    client = _Client(server, self.request)
                    with contextlib.suppress(OSError):
                        client.serve()
                    server._leave(client)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_address[1]}/door"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}),
            threading.Thread(target=self._film),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.turn_off()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def turn_off(self) -> None:
        """Break all connections off, and take no others."""
        self._is_off.set()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.hang_up()

    def turn_on(self) -> None:
        """Take connections again."""
        self._is_off.clear()

    def be_silent(self) -> None:
        """Keep connections, and send no pictures any more."""
        self._is_silent.set()

    def _film(self) -> None:
        while not self._is_over.wait(1 / FPS):
            number, self._next = self._next, self._next + 1
            if self._is_silent.is_set():
                continue
            with self._lock:
                clients = [client for client in self._clients if client.is_playing]
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(
                        self._frames[number % NUM_FRAMES],
                        _FIRST_TIMESTAMP + number * _CLOCK_HZ // FPS,
                    )

    def _enter(self, client: _Client) -> None:
        with self._lock:
            self._clients.add(client)

    def _leave(self, client: _Client) -> None:
        with self._lock:
            self._clients.discard(client)

    def _sdp(self) -> str:
        sps, pps = (
            base64.b64encode(unit).decode() for unit in self._frames[0] if unit[0] & 31 in (7, 8)
        )
        return "\r\n".join(
            [
                "v=0",
                "o=- 0 0 IN IP4 127.0.0.1",
                "s=door",
                "t=0 0",
                "m=video 0 RTP/AVP 96",
                "c=IN IP4 0.0.0.0",
                "a=rtpmap:96 H264/90000",
                f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sps},{pps}",
                "a=control:track1",
                "",
            ]
        )


class _Client:
    """One connection."""

    def __init__(self, server: RtspServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._lock = threading.Lock()
        self._sequence = itertools.count(1)
        self.is_playing = False
        server._enter(self)

    def serve(self) -> None:
        stream = self._connection.makefile("rb")
        while first := stream.read(1):
            if first == b"$":  # a report on what was received
                stream.read(int.from_bytes(stream.read(3)[1:], "big"))
                continue
            request, headers = first + stream.readline(), {}
            while (line := stream.readline().strip()) != b"":
                key, _, value = line.decode().partition(":")
                headers[key.lower()] = value.strip()
            method = request.split()[0].decode()
            self._server.methods.append(method)
            self._answer(method, headers)
            if method == "TEARDOWN":
                return
            self.is_playing = self.is_playing or method == "PLAY"

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def send(self, units: list[bytes], timestamp: int) -> None:
        """Send a frame's NAL units."""
        payloads = [payload for unit in units for payload in _payloads(unit)]
        data = b""
        for number, payload in enumerate(payloads, start=1):
            is_last = number == len(payloads)
            header = struct.pack(
                ">BBHII", 0x80, 96 | is_last << 7, next(self._sequence), timestamp, 0x0D00F
            )
            data += struct.pack(">cBH", b"$", 0, len(header + payload)) + header + payload
        with self._lock:
            self._connection.sendall(data)

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        status, more, body = "200 OK", ["Session: 7"], ""
        known = self._server._credentials
        if method == "OPTIONS":
            more = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]
        elif known and headers.get("authorization") != f"Basic {known}":
            status, more = "401 Unauthorized", ['WWW-Authenticate: Basic realm="door"']
        elif method == "DESCRIBE":
            body = self._server._sdp()
            more = ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            more.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers['cseq']}", *more, "", body]
        with self._lock:
            self._connection.sendall("\r\n".join(lines).encode())


def _payloads(unit: bytes) -> Iterator[bytes]:
    """Yield what RTP packets carry of a NAL unit: the whole, or its fragments (FU-A)."""
    if len(unit) <= _MAX_PAYLOAD_BYTES:
        yield unit
        return
    starts = range(1, len(unit), _MAX_PAYLOAD_BYTES)
    for start in starts:
        part = unit[start : start + _MAX_PAYLOAD_BYTES]
        flags = (start == starts[0]) << 7 | (start == starts[-1]) << 6
        yield bytes([unit[0] & 0xE0 | 28, flags | unit[0] & 31]) + part


def _encoded() -> Iterator[list[bytes]]:
    """Yield each frame as NAL units."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 192, 144, "yuv420p"
    encoder.time_base = Fraction(1, FPS)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "g": str(_KEYFRAME_EVERY),
        "x264-params": "repeat-headers=1:annexb=1:sliced-threads=0",
    }
    for number in range(NUM_FRAMES):
        frame = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
        frame.pts = number
        for packet in encoder.encode(frame.reformat(format="yuv420p")):
            yield [unit for unit in re.split(b"\0\0\0?\1", bytes(packet)) if unit]
