"""Where a video can come from, and what is said where it cannot."""

from __future__ import annotations

import functools
import http.server
import io
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
from synthetic import make_video, read_barcode

from vidlab.core.errors import VideoError, VideoNotFoundError, VideoOpenError
from vidlab.video import MAX_PIXELS, Video


@pytest.fixture
def clip(sample) -> Path:
    return sample("mp4").path


def check(video: Video) -> None:
    assert video.num_frames == 120
    assert read_barcode(video[77].rgb) == 77
    assert [frame.index for frame in video] == list(range(120))


# ---- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "plain.mp4",
        "-dash.mp4",
        "concat:a|b.mp4",
        "pipe:0",
        "http:x.mp4",
        "50%03d.mp4",
        "file:x.mp4",
        "näme 中文 \U0001f3a5.mp4",
        "no suffix",
        "with 'quotes' \"here\".mp4",
        "#hash?query=1.mp4",
        "video.jpg",
        "new\nline.mp4",
    ],
)
@pytest.mark.parametrize("kind", ["str", "Path", "relative"])
def test_any_file_name(clip, tmp_path, monkeypatch, name, kind):
    shutil.copy(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    source = {"str": str(tmp_path / name), "Path": tmp_path / name, "relative": name}[kind]
    video = Video(source)
    assert video.name == name
    assert video.source == source
    check(video)


def test_a_name_that_is_not_unicode(clip, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4")
    try:
        shutil.copy(clip, path)
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    check(Video(path))


def test_a_relative_path_is_kept_when_the_folder_changes(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(clip.parent)
    video = Video(clip.name)
    monkeypatch.chdir(tmp_path)
    check(video)


def test_a_link_to_a_video(clip, tmp_path):
    (tmp_path / "link.mp4").symlink_to(clip)
    check(Video(tmp_path / "link.mp4"))


def test_given_name(clip):
    assert Video(clip, name="take 3").name == "take 3"
    assert "take 3" in repr(Video(clip, name="take 3"))


def test_missing_files(tmp_path):
    with pytest.raises(VideoNotFoundError, match=r"no file at 'nowhere\.mp4' \(looked in"):
        Video("nowhere.mp4")
    with pytest.raises(FileNotFoundError):
        Video(tmp_path / "nowhere.mp4")
    with pytest.raises(VideoNotFoundError, match="no file at ''"):
        Video("")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(VideoNotFoundError, match=r"symbolic link to '.*gone\.mp4', which does not"):
        Video(tmp_path / "dangling.mp4")


def test_things_that_are_no_video_files(tmp_path):
    with pytest.raises(VideoOpenError, match="is a folder"):
        Video(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoOpenError, match=r"is empty \(0 bytes\)"):
        Video(tmp_path / "empty.mp4")
    with pytest.raises(VideoOpenError, match="cannot hold a NUL"):
        Video("clip\0.mp4")
    os.mkfifo(tmp_path / "fifo.mp4")
    with pytest.raises(VideoOpenError, match="not a regular file"):
        Video(tmp_path / "fifo.mp4")
    with pytest.raises(VideoOpenError, match=r"no video stream|not a video|Cannot open"):
        Video(__file__)
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    with pytest.raises(VideoOpenError, match="Cannot read"):
        Video(tmp_path / "loop.mp4")
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(VideoOpenError, match="Invalid data found"):
        Video(tmp_path / "noise.mp4")


def test_a_text_file_is_not_drawn_as_a_terminal(tmp_path):
    (tmp_path / "notes.nfo").write_text("hello\n" * 100)
    (tmp_path / "notes.txt").write_text("hello\n" * 100)
    for name in ("notes.nfo", "notes.txt"):
        with pytest.raises(VideoOpenError):
            Video(tmp_path / name)


def test_a_script_that_names_other_files_is_refused(clip, tmp_path):
    shutil.copy(clip, tmp_path / "clip.mp4")
    script = tmp_path / "script.ffconcat"
    script.write_text("ffconcat version 1.0\nfile clip.mp4\n")
    with pytest.raises(VideoOpenError):
        Video(script)


def test_no_permission(clip, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(VideoOpenError, match="no permission"):
        Video(clip)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://127.0.0.1/x",
        "ftp://127.0.0.1/x.mp4",
        "tcp://127.0.0.1:1",
        "udp://@:1",
        "unix:///x",
        "data://x",
    ],
)
def test_other_protocols_are_refused(address):
    with pytest.raises(VideoOpenError, match=r"files and http\(s\) addresses, not"):
        Video(address)


@pytest.mark.parametrize(
    "text",
    [
        "concat:a.mp4|b.mp4",
        "pipe:0",
        "file:clip.mp4",
        "crypto:clip.mp4",
        "subfile,,start,0,,:x",
        "cache:clip.mp4",
        "lavfi:testsrc",
        "async:clip.mp4",
    ],
)
def test_ffmpeg_prefixes_are_only_names(clip, monkeypatch, text):
    monkeypatch.chdir(clip.parent)
    with pytest.raises(VideoNotFoundError, match="There is no file at"):
        Video(text)


@pytest.mark.parametrize("thing", [None, 5, 1.5, ["clip.mp4"], object()])
def test_things_that_are_no_source(thing):
    with pytest.raises(VideoOpenError, match="give a path, an http"):
        Video(thing)


# ---- bytes and file objects --------------------------------------------------------------------


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, io.BytesIO])
def test_memory(clip, make):
    check(Video(make(clip.read_bytes())))


def test_a_file_object_is_shared_by_all_readers_and_left_open(clip):
    with clip.open("rb") as file:
        file.seek(1000)  # where it stands does not matter
        video = Video(file)
        assert video.name == clip.name
        for first, second in zip(video, video.frames(start=50), strict=False):
            assert read_barcode(first.rgb) + 50 == read_barcode(second.rgb)
        check(video)
        video.close()
        assert not file.closed


def test_a_buffer_just_written():
    buffer = io.BytesIO()
    make_video(buffer, num_frames=10)
    assert [read_barcode(frame.rgb) for frame in Video(buffer)] == list(range(10))


class Pipe(io.RawIOBase):
    """Bytes that come once, in small pieces."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 5000) if size >= 0 else -1)


def test_a_stream_that_cannot_seek(clip):
    check(Video(Pipe(clip.read_bytes())))


def test_file_objects_that_fail(clip):
    with pytest.raises(VideoOpenError, match=r'binary mode \("rb"\)'), open(__file__) as file:
        Video(file)
    with pytest.raises(VideoOpenError, match="empty"):
        Video(io.BytesIO())
    with pytest.raises(VideoOpenError, match="zero bytes"):
        Video(b"")
    with pytest.raises(VideoOpenError, match="Cannot open <7 bytes>"):
        Video(b"nothing")
    closed = io.BytesIO(clip.read_bytes())
    closed.close()
    with pytest.raises(VideoOpenError, match="closed file"):
        Video(closed)


def test_a_file_object_that_breaks_while_reading(clip):
    class Breaks(io.BytesIO):
        is_broken = False

        def read(self, size=-1):
            if self.is_broken:
                raise OSError("the disk is on fire")
            return super().read(size)

    file = Breaks(clip.read_bytes())
    video = Video(file)
    file.is_broken = True
    with pytest.raises(VideoError, match="the disk is on fire"):
        list(video)


# ---- http --------------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(clip, tmp_path, monkeypatch):
    """A local web server; gives its address."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(clip, tmp_path / "my clip.mp4")
    (tmp_path / "page.html").write_text("<html>no video</html>")
    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_an_address(server):
    video = Video(f"{server}/my%20clip.mp4?token=1")
    assert video.name == "my clip.mp4"
    assert "not indexed yet" in repr(video)  # looking at it does not download it
    check(video)
    assert "120 frames" in repr(video)


def test_addresses_without_a_video(server):
    with pytest.raises(VideoNotFoundError, match=r"no video at 'http://127.*404"):
        Video(f"{server}/missing.mp4")
    with pytest.raises(VideoOpenError, match="Cannot open"):
        Video(f"{server}/page.html")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(VideoNotFoundError, match="No answer from"):
        Video(f"http://127.0.0.1:{port}/clip.mp4")


def test_credentials_are_not_shown(server):
    address = server.replace("http://", "http://user:secret@")
    with pytest.raises(VideoNotFoundError) as caught:
        Video(f"{address}/missing.mp4")
    assert "secret" not in str(caught.value)


# ---- limits ------------------------------------------------------------------------------------


def test_frames_larger_than_the_limit(clip):
    with pytest.raises(VideoOpenError, match=r"192x144 px, more than the limit of 20000"):
        Video(clip, max_pixels=20_000)
    assert Video(clip, max_pixels=192 * 144).width == 192
    assert MAX_PIXELS == 100_000_000


def test_an_absurd_picture_is_refused_before_it_is_decoded(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    png += chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")
    with pytest.raises(VideoOpenError, match=r"MAX_PIXELS|max_pixels"):
        Video(png)
