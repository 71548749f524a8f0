"""Where live pictures come from, against real servers, and what is said when they are lost."""

from __future__ import annotations

import errno
import http.server
import io
import itertools
import math
import re
import socket
import struct
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import av
import av.error
import numpy as np
import pytest
from arithmetic import ArithmeticModel
from hypothesis import given
from hypothesis import strategies as st
from live.rtsp_server import FPS, NUM_FRAMES, RtspServer
from PIL import Image
from synthetic import KINDS, barcode, make_video, read_barcode

from vidlab.core.errors import (
    CameraError,
    OptionError,
    VideoDecodeError,
    VideoError,
    VideoNotFoundError,
)
from vidlab.live import (
    CameraSource,
    FileSource,
    LiveSession,
    LiveSource,
    PushedSource,
    StreamSource,
    as_source,
    sources,
)
from vidlab.live.sources import Picture
from vidlab.video import Video

PATIENCE_SECONDS = 60.0  # for what comes sooner on any machine


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


class Watch:
    """Reads a source's pictures, and keeps what is said in between."""

    def __init__(self, source: LiveSource) -> None:
        self.stop = threading.Event()
        self.said: list[tuple[str, str]] = []
        self.source = source

    def say(self, state: str, message: str) -> None:
        self.said.append((state, message))

    def pictures(self) -> Iterator[Picture]:
        return self.source.pictures(self.stop, self.say)

    def take(self, num: int) -> list[Picture]:
        with closing(self.pictures()) as pictures:
            return list(itertools.islice(pictures, num))

    @property
    def pauses(self) -> list[float]:
        found = (re.search(r"Trying again in (.+) s\.$", message) for _, message in self.said)
        return [float(match[1]) for match in found if match]


def numbers(pictures: Iterable[Picture]) -> list[int]:
    return [read_barcode(picture.make_rgb()) for picture in pictures]


def times(pictures: Iterable[Picture]) -> list[float]:
    return [picture.time_seconds for picture in pictures]


def never_falls(values: list[float]) -> bool:
    return all(after >= before for before, after in itertools.pairwise(values))


def live_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("vidlab-live")]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    wait_for(lambda: not live_threads())


@pytest.fixture
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(sources, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(sources, "_LONGEST_PAUSE_SECONDS", 0.1)


# ---- a web server whose answers a test decides ------------------------------------------------

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Site:
    """Answers over HTTP/1.0; see `put` and `refuse`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.closed = threading.Event()
        self._answers: dict[str, Answer] = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                site.requests.append(path)
                try:
                    site._answers.get(path, refuse(404))(self)
                except OSError:
                    return  # who asked has left

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def put(self, path: str, answer: Answer | bytes) -> str:
        """Return the address of what is there from now on."""
        self._answers[path] = whole(answer) if isinstance(answer, bytes) else answer
        return f"http://{self.place}{path}"

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with closing(Site()) as made:
        yield made


def refuse(status: int) -> Answer:
    return lambda handler: handler.send_error(status)


def whole(data: bytes, *, stop: int | None = None) -> Answer:
    """A file with its length; whoever asks for a part gets it. Breaks off at byte `stop`."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        match = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        handler.send_response(206 if match else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.send_header("Accept-Ranges", "bytes")
        if match:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        handler.wfile.write(data[start:stop])

    return answer


def live(data: bytes, *, seconds: float) -> Answer:
    """A stream without a length, sent in as many seconds as it was filmed."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        parts = [data[start : start + 1316] for start in range(0, len(data), 1316)]
        for part in parts:
            handler.wfile.write(part)
            time.sleep(seconds / len(parts))

    return answer


def in_turn(*answers: Answer) -> Answer:
    """The first request gets the first answer, and so on; the last is for all that follow."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def transport_stream(num_frames: int = 90, *, kind: str = "mpeg-ts") -> bytes:
    file = io.BytesIO()
    make_video(file, kind=kind, num_frames=num_frames, options={"g": "15"})
    return file.getvalue()


@pytest.fixture(scope="module")
def ts() -> bytes:
    """90 frames at 30 frames a second."""
    return transport_stream()


@pytest.fixture(scope="module")
def mp4(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("mp4") / "short.mp4"
    make_video(path, num_frames=45)
    return path.read_bytes()


# ---- a stream that is interrupted --------------------------------------------------------------


def test_a_session_goes_on_after_an_interruption(site, ts, short_pauses):
    middle = len(ts) // 2 // 188 * 188  # in the middle of a group of pictures, as it happens
    site.put(
        "/door.ts",
        in_turn(
            live(ts[:middle], seconds=1.5),
            refuse(503),
            refuse(503),
            live(ts[middle:], seconds=1.5),
            refuse(503),
        ),
    )
    session = LiveSession(
        f"http://me:secret@{site.place}/door.ts?key=hidden", ArithmeticModel(frame_rate=None)
    )
    states: list[tuple[str, str]] = []
    frames = []
    answers = []
    session.on_state = lambda: states.append((session.state, session.message))
    session.on_frame = lambda frame: frames.append((frame.time_seconds, read_barcode(frame.rgb)))
    session.on_answer = lambda answer: answers.append(answer.frame_index)
    with session:
        wait_for(lambda: len(site.requests) >= 5)
        session.stop()
    assert [state for state, _ in states[:5]] == ["running", "lost", "lost", "lost", "running"]
    name = f"http://{site.place}/door.ts"
    assert session.source.name == name
    assert states[1] == ("lost", f"{name} was lost: it broke off. Trying again in 0.02 s.")
    assert states[2][1].startswith(f"No video from {name}: ")
    assert states[2][1].endswith("the camera on? Trying again in 0.04 s.")
    assert states[4] == ("running", "")
    assert session.state == "stopped"
    assert not any(word in repr((states, session.source)) for word in ("secret", "hidden", "me:"))
    seen = [number for _, number in frames]
    assert seen[0] == 0
    assert seen[-1] >= 87  # the decoder may hold some back when it breaks off
    assert len(seen) > 60  # all but those after the cut that need a keyframe
    assert seen == sorted(set(seen))
    assert never_falls([seconds for seconds, _ in frames])
    assert max(answers) > seen.index(min(n for n in seen if n > 45))  # the model goes on too


def test_the_pauses_grow_and_begin_anew_once_it_was_back(site, ts, short_pauses):
    stream = live(ts[: len(ts) // 3], seconds=0.0)
    site.put("/door.ts", in_turn(stream, *[refuse(503)] * 5, stream, refuse(404)))
    watch = Watch(StreamSource(f"http://{site.place}/door.ts"))
    num_running = 0
    for _ in watch.pictures():
        num_running = [state for state, _ in watch.said].count("running")
        if num_running == 2:
            break
    assert num_running == 2
    assert watch.pauses == [0.02, 0.04, 0.08, 0.1, 0.1, 0.1]
    assert len(site.requests) == 7  # one after each pause
    watch = Watch(StreamSource(site.put("/again.ts", in_turn(stream, refuse(503), stream))))
    reading = threading.Thread(target=lambda: list(watch.pictures()))
    reading.start()
    wait_for(lambda: len(watch.pauses) >= 5)
    watch.stop.set()
    reading.join(PATIENCE_SECONDS)
    assert watch.pauses[:5] == [0.02, 0.04, 0.02, 0.02, 0.02]


def test_a_stream_that_falls_silent_is_lost(site, ts, short_pauses, monkeypatch):
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 0.5)

    def half(handler: http.server.BaseHTTPRequestHandler) -> None:
        live(ts[: len(ts) // 2], seconds=0.0)(handler)
        site.closed.wait()

    url = site.put("/door.ts", in_turn(half, live(ts, seconds=1.0)))
    watch = Watch(StreamSource(url))
    pictures = watch.take(80)
    assert [state for state, _ in watch.said] == ["running", "lost", "running"]
    assert watch.said[1][1] == (f"{url} was lost: nothing came for 0.5 s. Trying again in 0.02 s.")
    assert never_falls(times(pictures))


@pytest.mark.parametrize("after_seconds", [0.0, 5000.0], ids=["falls back", "leaps"])
def test_a_clock_that_begins_anew_goes_on(site, ts, after_seconds, monkeypatch):
    later = KINDS["mpeg-ts"]._replace(start_seconds=after_seconds)
    monkeypatch.setitem(KINDS, "later", later)
    url = site.put("/door.ts", live(ts + transport_stream(30, kind="later"), seconds=2.0))
    pictures = Watch(StreamSource(url)).take(118)
    seen, taken = numbers(pictures), times(pictures)
    assert seen[:80] == list(range(80))
    assert seen[90:] == list(range(28))
    assert never_falls(taken)
    assert np.diff(taken).max() < 9
    assert taken[-1] > taken[90] > taken[80]  # nor does it stand still


def test_a_stream_that_is_joined_late_begins_with_a_whole_picture(site, ts):
    start = len(ts) // 3 // 188 * 188
    pictures = Watch(StreamSource(site.put("/door.ts", live(ts[start:], seconds=1.0)))).take(40)
    seen = numbers(pictures)
    assert seen[0] % 15 == 0
    assert seen == list(range(seen[0], seen[0] + 40))


def test_a_stream_never_runs_ahead_of_its_clock(site, ts):
    url = site.put("/door.ts", live(ts, seconds=0.0))  # no length, all at once
    began = time.monotonic()
    pictures = Watch(StreamSource(url)).take(60)
    assert times(pictures) == pytest.approx(np.arange(60) / 30, abs=1e-3)
    assert time.monotonic() - began > 59 / 30 / sources._CATCHING_UP - 0.01


# ---- stopping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["while it opens", "while it plays", "while it is tried again"])
def test_a_silent_server_does_not_hold_stop_up(site, ts, when, monkeypatch):
    monkeypatch.setattr(sources, "OPEN_TIMEOUT_SECONDS", 120.0)
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 120.0)
    monkeypatch.setattr(sources, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(sources, "_LEAVE_SECONDS", 0.1)
    part = live(ts[: len(ts) // 3], seconds=0.0)

    def mute(handler: http.server.BaseHTTPRequestHandler) -> None:
        site.closed.wait()

    def part_and_mute(handler: http.server.BaseHTTPRequestHandler) -> None:
        part(handler)
        mute(handler)

    answers = {
        "while it opens": (mute,),
        "while it plays": (part_and_mute,),
        "while it is tried again": (part, mute),
    }
    url = site.put("/door.ts", in_turn(*answers[when]))
    session = LiveSession(url, ArithmeticModel()).start()
    wait_for(lambda: len(site.requests) == len(answers[when]))
    if when == "while it plays":
        wait_for(lambda: session.num_frames > 20)
    session.stop()
    assert not session.running
    assert session.state == "stopped"
    wait_for(lambda: set(live_threads()) <= {"vidlab-live-source"})
    site.closed.set()  # the server's answer lets the last one go, as does its silence in time


def test_a_reader_that_leaves_takes_the_thread_along(site, ts):
    pictures = StreamSource(site.put("/door.ts", live(ts, seconds=3.0))).pictures(
        threading.Event(), lambda state, message: None
    )
    next(pictures)
    assert live_threads() == ["vidlab-live-source"]
    pictures.close()
    assert live_threads() == []


# ---- files at an address -----------------------------------------------------------------------


def test_an_mp4_file_is_played_at_its_own_timestamps_and_ends(site, mp4):
    watch = Watch(StreamSource(site.put("/clip.mp4", mp4)))
    began = time.monotonic()
    pictures = list(watch.pictures())
    assert time.monotonic() - began > 44 / 30 - 0.01
    assert numbers(pictures) == list(range(45))
    assert times(pictures) == pytest.approx(np.arange(45) / 30, abs=1e-6)
    assert watch.said == [("running", "")]
    session = LiveSession(f"http://{site.place}/clip.mp4", ArithmeticModel()).start()
    assert session.join(PATIENCE_SECONDS)
    assert session.state == "ended"
    assert session.num_frames == 45


def test_a_file_goes_on_where_it_broke_off(site, mp4):
    url = site.put("/clip.mp4", in_turn(whole(mp4, stop=len(mp4) // 2), whole(mp4)))
    watch = Watch(StreamSource(url))
    assert numbers(watch.pictures()) == list(range(45))
    assert len(site.requests) > 1
    assert watch.said == [("running", "")]


def test_motion_jpeg_has_the_times_at_which_it_comes(site):
    began = threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        handler.end_headers()
        for number in range(13):
            if number == 5:
                began.wait(PATIENCE_SECONDS)
            time.sleep(0.2 if number >= 5 else 0.0)
            data = jpeg_of(barcode(number))
            head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
        site.closed.wait()

    pictures = []
    for picture in Watch(StreamSource(site.put("/video.cgi", answer))).pictures():
        pictures.append(picture)
        began.set()
        if len(pictures) == 11:
            break
    assert numbers(pictures) == list(range(11))
    assert never_falls(times(pictures))
    assert pictures[-1].time_seconds > 1.0  # FFmpeg makes 25 a second up


def test_a_picture_that_cannot_be_decoded_is_left_out(site):
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        handler.end_headers()
        for number in range(12):
            data = jpeg_of(barcode(number, size=(640, 480)))
            data = {5: b"\xff\xd8 no picture", 7: data[:300]}.get(number, data)
            head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
        site.closed.wait()

    watch = Watch(StreamSource(site.put("/video.cgi", answer)))
    assert numbers(watch.take(9)) == [0, 1, 2, 3, 4, 6, 8, 9, 10]
    assert watch.said == [("running", "")]


# ---- HLS ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hls(tmp_path_factory) -> Path:
    """A playlist ``list.m3u8`` of six segments of half a second, 15 frames each."""
    folder = tmp_path_factory.mktemp("hls")
    options = {"hls_time": "0.5", "hls_list_size": "0"}
    with av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as out:
        stream = out.add_stream("libx264", rate=30, options={"g": "15", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        for number in range(90):
            frame = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    assert len(list(folder.glob("*.ts"))) == 6
    return folder


def put_hls(site: Site, folder: Path, *, is_over: bool) -> str:
    """Serve a playlist that grows by a segment whenever it is asked for; the last adds the end."""
    for path in folder.glob("*.ts"):
        site.put(f"/{path.name}", path.read_bytes())
    head, *segments = re.split(r"(?=#EXTINF)", (folder / "list.m3u8").read_text())
    segments[-1], end, _ = segments[-1].partition("#EXT-X-ENDLIST")
    shown = itertools.count(3)

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        num = next(shown)
        is_last = is_over and num >= len(segments)
        text = head + "".join(segments[:num]) + (end + "\n" if is_last else "")
        whole(text.encode())(handler)

    return site.put("/list.m3u8", answer)


def test_an_hls_stream_ends_where_its_playlist_does(site, hls, short_pauses):
    session = LiveSession(put_hls(site, hls, is_over=True), ArithmeticModel(frame_rate=None))
    frames = []
    session.on_frame = lambda frame: frames.append((frame.time_seconds, read_barcode(frame.rgb)))
    session.start()
    assert session.join(PATIENCE_SECONDS)
    assert session.state == "ended"
    assert [number for _, number in frames] == list(range(90))
    assert [seconds for seconds, _ in frames] == pytest.approx(np.arange(90) / 30, abs=1e-3)


def test_an_hls_stream_whose_encoder_died_is_lost(site, hls, short_pauses, monkeypatch):
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 3.0)
    watch = Watch(StreamSource(put_hls(site, hls, is_over=False)))
    for _ in watch.pictures():
        if watch.said[-2:-1] and watch.said[-2][0] == "lost":
            break
    assert [state for state, _ in watch.said] == ["running", "lost", "running"]
    assert watch.said[1][1].startswith(f"{watch.source.name} was lost: ")


@pytest.mark.parametrize("scheme", ["file", "ftp", "concat", "subfile", "data"])
def test_a_playlist_is_not_followed_elsewhere(site, hls, scheme, monkeypatch):
    monkeypatch.setattr(sources, "OPEN_TIMEOUT_SECONDS", 3.0)
    segment = min(hls.glob("*.ts"))
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        place = {
            "file": f"file://{segment}",
            "ftp": f"ftp://127.0.0.1:{elsewhere.getsockname()[1]}/a.ts",
            "concat": f"concat:{segment}|{segment}",
            "subfile": f"subfile,,start,0,end,9999,,:{segment}",
            "data": "data:video/mp2t;base64,AAAA",
        }[scheme]
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\n{place}\n#EXT-X-ENDLIST\n"
        watch = Watch(StreamSource(site.put("/list.m3u8", text.encode())))
        with pytest.raises(CameraError, match=r"No video from|sends no pictures"):
            watch.take(1)
        elsewhere.settimeout(0.2)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


# ---- RTSP --------------------------------------------------------------------------------------


def test_an_rtsp_camera_is_seen_lost_and_seen_again(short_pauses):
    with RtspServer(password="me:secret") as server:
        session = LiveSession(f"rtsp://me:secret@{server.place}", ArithmeticModel(frame_rate=None))
        states: list[tuple[str, str]] = []
        frames = []
        session.on_state = lambda: states.append((session.state, session.message))
        session.on_frame = lambda frame: frames.append(
            (frame.time_seconds, read_barcode(frame.rgb))
        )
        with session:
            wait_for(lambda: len(frames) >= 30)
            server.turn_off()
            wait_for(lambda: len(states) >= 4)
            num_before = len(frames)
            server.turn_on()
            wait_for(lambda: len(frames) >= num_before + 30)
            session.stop()
        assert session.state == "stopped"
    assert states[0] == ("running", "")
    name = f"rtsp://{server.place}"
    assert states[1] == ("lost", f"{name} was lost: it broke off. Trying again in 0.02 s.")
    assert states[2][0] == "lost"
    assert name in states[2][1]
    assert ("running", "") in states[3:]
    assert "secret" not in repr((states, session.source))
    assert server.methods[:5] == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "PLAY"]
    before, after = frames[:num_before], frames[num_before:]
    for part in (before, after):
        steps = {(b - a) % NUM_FRAMES for (_, a), (_, b) in itertools.pairwise(part)}
        assert steps == {1}  # every frame, in order
        seconds = [seconds for seconds, _ in part]
        assert np.diff(seconds) == pytest.approx(1 / FPS, abs=1e-3)
    assert after[0][0] > before[-1][0]


def test_an_rtsp_server_that_falls_silent_does_not_hold_stop_up(monkeypatch):
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 120.0)
    monkeypatch.setattr(sources, "_LEAVE_SECONDS", 0.1)
    with RtspServer() as server:
        session = LiveSession(f"rtsp://{server.place}", ArithmeticModel()).start()
        wait_for(lambda: session.num_frames > 10)
        server.be_silent()
        session.stop()
        assert session.state == "stopped"
        assert not session.running


def test_an_rtsp_camera_is_told_goodbye():
    with RtspServer() as server:
        assert len(Watch(StreamSource(f"rtsp://{server.place}")).take(5)) == 5
        wait_for(lambda: server.methods[-1] == "TEARDOWN")


def test_a_wrong_password_is_said_at_once():
    with RtspServer(password="me:secret") as server:
        watch = Watch(StreamSource(f"rtsp://me:guessed@{server.place}"))
        with pytest.raises(CameraError, match="Give name and password: rtsp://name:pass") as caught:
            watch.take(1)
        assert server.methods.count("SETUP") == 0
    assert "guessed" not in "".join(traceback.format_exception(caught.value))
    assert watch.said == []


# ---- nothing there -----------------------------------------------------------------------------


def sound_alone() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/gone.ts", refuse(404), "404 Not Found. Is the address right, and the camera on?"),
        ("/door.ts", refuse(401), "Give name and password: http://name:password@..."),
        ("/door.ts", refuse(403), "Give name and password: http://name:password@..."),
        ("/door.ts", refuse(500), "5XX Server Error"),
        ("/index.html", b"<html><body>Welcome!</body></html>" * 50, "nothing there is a video"),
        ("/empty.ts", b"", "Is the address right, and the camera on?"),
        ("/radio.wav", sound_alone(), "sends no pictures"),
    ],
)
def test_what_is_no_stream_is_an_error_at_once(site, path, answer, words):
    site.put(path, answer)
    url = f"http://me:secret@{site.place}{path}?key=hidden"
    watch = Watch(StreamSource(url))
    with pytest.raises(CameraError, match=re.escape(words)) as caught:
        watch.take(1)
    assert f"http://{site.place}{path}" in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert "secret" not in shown
    assert "hidden" not in shown
    assert watch.said == []
    session = LiveSession(url, ArithmeticModel()).start()
    with pytest.raises(CameraError):
        session.join(PATIENCE_SECONDS)
    assert session.state == "failed"
    assert "secret" not in session.message


def test_text_is_not_drawn(site):
    url = site.put("/notes.txt", b"hello\nworld\n" * 50)
    with pytest.raises(CameraError, match=r"there is text\. Is the address right"):
        Watch(StreamSource(url)).take(1)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_nobody_at_the_address(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    watch = Watch(StreamSource(f"{scheme}://me:secret@127.0.0.1:{port}/door"))
    with pytest.raises(CameraError, match=r"Connection refused\. Is the address") as caught:
        watch.take(1)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_nobody_answers_in_time(site, monkeypatch):
    monkeypatch.setattr(sources, "OPEN_TIMEOUT_SECONDS", 0.3)
    url = site.put("/door.ts", lambda handler: site.closed.wait() and None)
    with pytest.raises(CameraError, match=r"no answer for 0\.3 s\. Is the camera on"):
        Watch(StreamSource(url)).take(1)


# ---- what a source can be ----------------------------------------------------------------------


def test_what_stands_for_a_source(tmp_path):
    path = tmp_path / "clip.mp4"
    make_video(path, num_frames=3)
    for value, name in [
        (0, "/dev/video0"),
        (2, "/dev/video2"),
        ("0", "/dev/video0"),
        ("/dev/video11", "/dev/video11"),
        ("/dev/v4l/by-id/usb-Cam-index0", "/dev/v4l/by-id/usb-Cam-index0"),
    ]:
        source = as_source(value)
        assert isinstance(source, CameraSource)
        assert source.name == name
    for url in ("rtsp://h/1", "rtsps://h/1", "http://h/1", "HTTPS://h/1", "http://[::1]:80/x.m3u8"):
        source = as_source(url)
        assert isinstance(source, StreamSource)
        assert source.name.lower() == url.lower()
    for file in (str(path), path, Video(path), path.read_bytes()):
        assert isinstance(as_source(file), FileSource)
    pushed = PushedSource()
    assert as_source(pushed) is pushed


def test_a_file_whose_name_is_a_number(tmp_path, monkeypatch):
    make_video(tmp_path / "7.mp4", num_frames=3)
    (tmp_path / "7.mp4").rename(tmp_path / "7")
    monkeypatch.chdir(tmp_path)
    assert isinstance(as_source("7"), FileSource)
    assert isinstance(as_source("8"), CameraSource)


@pytest.mark.parametrize("given", [True, False, None, 1.5, object(), [0], -1, b""])
def test_what_is_no_source(given):
    with pytest.raises((OptionError, VideoError)):
        as_source(given)


def test_other_addresses_are_refused():
    with pytest.raises(OptionError, match=r"rtsp:// and http\(s\):// addresses; got 'ftp://'") as e:
        as_source("ftp://me:secret@host/clip.mp4")
    assert "secret" not in str(e.value)
    with pytest.raises(VideoNotFoundError, match=r"no file at 'none\.mp4'"):
        as_source("none.mp4")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:secret@host/",
        "rtsp:///door",
        "rtsp://me:secret@/door",
        "rtsp://me:sec/ret@host/door",
        "http://me:sec?ret@host/door",
        "http://me:sec#ret@host/door",
        "http://[::1/door",
        "http://host:99999/door",
        "me:secret@host",
        "",
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(url):
    with pytest.raises(OptionError, match=r"rtsp:// or http\(s\):// address") as caught:
        StreamSource(url)
    shown = "".join(traceback.format_exception(caught.value)[-1:])
    assert "sec" not in shown
    assert "ret" not in shown


@pytest.mark.parametrize("password", ["secret", "p@ss", "%2F%3F%40", "a:b"])
def test_a_password_is_in_no_name(password):
    source = StreamSource(f"rtsp://me:{password}@host:554/door?user=me&pwd={password}#t")
    assert source.name == "rtsp://host:554/door"
    assert repr(source) == "<StreamSource rtsp://host:554/door>"


# ---- cameras of this machine -------------------------------------------------------------------


def camera_error(path: int | str) -> str:
    with pytest.raises(CameraError) as caught:
        Watch(CameraSource(path)).take(1)
    return str(caught.value)


@pytest.fixture
def cameras(monkeypatch) -> list[Path]:
    here: list[Path] = []
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(here))
    monkeypatch.setattr(sources.sys, "platform", "linux")
    return here


def test_a_camera_that_is_not_there(cameras):
    assert camera_error(77) == "There is no camera at /dev/video77. No camera is connected here."
    cameras.extend([Path("/dev/video1"), Path("/dev/video0")])
    assert camera_error("/dev/video77") == (
        "There is no camera at /dev/video77. Here is: /dev/video0, /dev/video1."
    )
    session = LiveSession(77, ArithmeticModel()).start()
    with pytest.raises(CameraError, match="/dev/video77"):
        session.join(PATIENCE_SECONDS)


def test_a_file_that_is_no_camera(cameras, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "It is no camera. No camera is connected here." in camera_error(str(path))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "sudo usermod -aG video $USER"),
        (errno.EBUSY, "Another program uses it; end that one."),
        (errno.ENODEV, "It gives no pictures. Here is: /dev/video0."),
        (errno.EIO, "Input/output error. Here is: /dev/video0."),
    ],
)
def test_a_camera_that_cannot_be_opened(cameras, tmp_path, monkeypatch, number, words):
    cameras.append(Path("/dev/video0"))
    path = tmp_path / "video0"
    path.touch()
    tried = []

    def fail(*args: object, options: dict[str, str], **_: object) -> None:
        tried.append(options)
        av.error.err_check(-number)

    monkeypatch.setattr(sources.av, "open", fail)
    message = camera_error(str(path))
    assert message.startswith(f"Cannot open the camera {path}: ")
    assert words in message
    assert tried == [{"video_size": "640x480"}, {}]


def test_cameras_are_of_linux(monkeypatch):
    monkeypatch.setattr(sources.sys, "platform", "darwin")
    assert "Use the browser's camera, vidlab.Live(model), or an rtsp://" in camera_error(0)


@pytest.mark.parametrize("device", [-1, True])
def test_no_such_camera(device):
    with pytest.raises(OptionError, match="number of 0 or more"):
        CameraSource(device)


# ---- files -------------------------------------------------------------------------------------


class Clock:
    """Stands in for the module `time`, and for the event that a source waits on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float) -> bool:
        self.now += timeout
        return False

    def is_set(self) -> bool:
        return False


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset"])
@pytest.mark.parametrize("speed", [0.25, 1, 3.0])
def test_a_file_is_played_when_it_is_due(tmp_path, monkeypatch, kind, speed):
    path = tmp_path / f"clip{KINDS[kind].suffix}"
    pts = make_video(path, kind=kind, num_frames=20)
    clock = Clock()
    monkeypatch.setattr(sources, "time", clock)
    seen = []
    for picture in FileSource(path, speed=speed).pictures(clock, print):
        assert clock.now - 100 == pytest.approx((picture.time_seconds - pts[0]) / speed, abs=1e-6)
        seen.append(picture)
    assert times(seen) == pytest.approx(pts, abs=1e-6)
    assert numbers(seen) == list(range(20))
    assert all(p.duration_seconds > 0 for p in seen if p.duration_seconds is not None)


def test_a_reader_who_is_late_is_not_made_later(tmp_path, monkeypatch):
    path = tmp_path / "clip.mp4"
    pts = make_video(path, num_frames=20)
    clock = Clock()
    monkeypatch.setattr(sources, "time", clock)
    for number, _ in enumerate(FileSource(path).pictures(clock, print)):
        if number == 5:
            clock.now += 0.2
    assert clock.now - 100 == pytest.approx(pts[-1], abs=1e-6)


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset"])
def test_a_loop_goes_on_rising(tmp_path, kind):
    path = tmp_path / f"clip{KINDS[kind].suffix}"
    pts = make_video(path, kind=kind, num_frames=20)
    pictures = Watch(FileSource(path, speed=1e5, loop=True)).take(50)
    assert numbers(pictures) == [number % 20 for number in range(50)]
    taken = times(pictures)
    assert np.diff(taken).min() > 0.01
    assert taken[:20] == pytest.approx(pts, abs=1e-6)
    last = pts[-1] - pts[-2]
    assert taken[20] - taken[19] == pytest.approx(last, abs=2e-3)
    assert np.diff(taken[20:40]) == pytest.approx(np.diff(pts), abs=1e-6)


def test_a_loop_of_one_picture(tmp_path):
    make_video(tmp_path / "one.mp4", num_frames=1)
    pictures = Watch(FileSource(tmp_path / "one.mp4", speed=1e5, loop=True)).take(4)
    assert times(pictures) == [0, 1, 2, 3]


def test_stop_ends_a_wait(tmp_path):
    make_video(tmp_path / "clip.mp4", num_frames=3)
    source = FileSource(tmp_path / "clip.mp4", speed=1e-5)  # the next one is due in an hour
    session = LiveSession(source, ArithmeticModel()).start()
    wait_for(lambda: session.num_frames == 1)
    session.stop()
    assert session.state == "stopped"
    assert session.num_frames == 1


@pytest.mark.parametrize("speed", [0, -1, math.nan, math.inf, True, "2", None])
def test_no_such_speed(tmp_path, speed):
    make_video(tmp_path / "clip.mp4", num_frames=3)
    with pytest.raises(OptionError, match="speed must be a number above 0"):
        FileSource(tmp_path / "clip.mp4", speed=speed)


# ---- pictures that are pushed ------------------------------------------------------------------


def jpeg_of(rgb: np.ndarray, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind)
    return file.getvalue()


def test_only_the_newest_waits():
    source = PushedSource("front")
    assert repr(source) == "<PushedSource front>"
    pictures = source.pictures(threading.Event(), print)
    source.push(jpeg_of(barcode(7)), time_seconds=5.0)
    first = next(pictures)
    for number in range(1, 6):
        source.push(jpeg_of(barcode(number)), time_seconds=5.0 + number, source_id=f"n{number}")
    assert source.replaced == 4
    second = next(pictures)
    assert numbers([first, second]) == [7, 5]
    assert times([first, second]) == [0.0, 5.0]
    assert (first.source_id, second.source_id) == (None, "n5")
    source.push_rgb(barcode(9), time_seconds=11.0)
    source.end()
    assert numbers(pictures) == [9]  # what waits at the end comes still
    assert source.replaced == 4


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *itertools.product(["JPEG", "PNG", "WEBP"], ["RGB", "L"]),
        ("JPEG", "CMYK"),
        *itertools.product(["PNG", "WEBP"], ["RGBA", "P"]),
        ("PNG", "1"),
    ],
)
def test_any_picture_becomes_rgb(kind, mode):
    file = io.BytesIO()
    Image.fromarray(barcode(77)).convert(mode).save(file, kind)
    source = PushedSource()
    source.push(file.getvalue(), time_seconds=0)
    rgb = source._newest.make_rgb()
    assert rgb.dtype == np.uint8
    assert rgb.shape == (144, 192, 3)
    assert read_barcode(rgb) == 77


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_times_that_fall_back_go_on(given_times):
    source, taken = PushedSource(), []
    for seconds in given_times:
        source.push_rgb(barcode(0), time_seconds=seconds)
        taken.append(source._newest.time_seconds)
    assert taken[0] == 0
    steps = zip(itertools.pairwise(given_times), itertools.pairwise(taken), strict=True)
    for (before, after), (taken_before, taken_after) in steps:
        assert taken_after >= taken_before
        expected = max(after - before, 0)
        assert taken_after - taken_before == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, None, "1", True])
def test_no_such_time(seconds):
    with pytest.raises(OptionError, match="finite number"):
        PushedSource().push(jpeg_of(barcode(0)), time_seconds=seconds)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG file that claims to be huge."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", packed)


def text_bomb() -> bytes:
    """A PNG file whose comments take hundreds of megabytes."""
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + text * 70


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "got 0 bytes"),
        (b"hello", "got 5 bytes that start with b'hello'"),
        (jpeg_of(barcode(0))[:20], "JPEG, PNG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG, PNG or WebP"),
        (jpeg_of(barcode(0), "GIF"), "start with b'GIF8"),
        (jpeg_of(barcode(0), "TIFF"), "JPEG, PNG or WebP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "JPEG, PNG or WebP"),
        (jpeg_of(np.zeros((10, 5000, 3), np.uint8)), "at most 4096 px a side; got 5000x10"),
        (jpeg_of(np.zeros((4097, 8, 3), np.uint8), "PNG"), "at most 4096 px a side; got 8x4097"),
        (bytes(20_000_001), "at most 20000000 bytes; got 20000001"),
        (bomb(30_000, 30_000), "JPEG, PNG or WebP"),
        (bomb(12_000, 12_000), "at most 4096 px a side; got 12000x12000"),
        (text_bomb(), "JPEG, PNG or WebP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_is_refused(data, words):
    source = PushedSource()
    with pytest.raises(VideoDecodeError, match=re.escape(words)) as caught:
        source.push(data, time_seconds=0)
    assert "object at" not in str(caught.value)
    assert source._newest is None


@pytest.mark.parametrize(
    "rgb", [None, np.zeros((8, 8)), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), "x"]
)
def test_what_are_no_pixels_is_refused(rgb):
    with pytest.raises(OptionError, match="uint8"):
        PushedSource().push_rgb(rgb, time_seconds=0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@given(data=st.data())
def test_damaged_pictures_are_refused_then_or_later(kind, data):
    damaged = bytearray(PICTURES[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    source = PushedSource()
    try:
        source.push(bytes(damaged), time_seconds=0)
        assert source._newest is not None
        rgb = source._newest.make_rgb()
    except VideoDecodeError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.shape[2:] == (3,)


PICTURES = {kind: jpeg_of(barcode(5, size=(48, 36)), kind) for kind in ("JPEG", "PNG", "WEBP")}


def test_a_damaged_picture_is_counted_and_the_next_is_looked_at():
    source = PushedSource()
    session = LiveSession(source, ArithmeticModel(frame_rate=None))
    answers = []
    session.on_answer = lambda answer: answers.append(answer.source_id)
    whole_jpeg = jpeg_of(barcode(3, size=(640, 480)))
    with session:
        for number in range(5):
            data = whole_jpeg[: len(whole_jpeg) // 2] if number in (1, 3) else whole_jpeg
            source.push(data, time_seconds=number / 10, source_id=number)
            wait_for(lambda seen=number: session.num_frames > seen)
        source.end()
        assert session.join(PATIENCE_SECONDS)
    assert session.state == "ended"
    assert session.num_frames == 5
    assert session.num_damaged == 2
    assert set(answers) <= {0, 2, 4}  # the newest of those that wait
    assert 4 in answers


def test_pictures_end_with_end_or_stop():
    source = PushedSource()
    session = LiveSession(source, ArithmeticModel()).start()
    session.stop()
    assert session.state == "stopped"
    session = LiveSession(source, ArithmeticModel()).start()  # a source may be used again
    source.end()
    assert session.join(PATIENCE_SECONDS)
    assert session.state == "ended"
    source.push(jpeg_of(barcode(4)), time_seconds=0)
    pictures = source.pictures(threading.Event(), print)
    threading.Timer(0.2, source.end).start()  # wakes who waits
    assert numbers(pictures) == [4]
