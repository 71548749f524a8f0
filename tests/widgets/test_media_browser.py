"""Segments in a real Chromium: appended in any order, every frame is there, and exact."""

from __future__ import annotations

import base64
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from synthetic import GRID, read_barcode

import vidlab as vl
from vidlab.widgets.media import MediaServer, plan

pytestmark = pytest.mark.browser

NUM_FRAMES = 90
ADDRESS = "http://localhost/player"

# A page with nothing but MediaSource: what goes wrong here, goes wrong in the bytes.
PAGE = """<!doctype html><video muted width="384"></video><script>
const video = document.querySelector('video');
let source, buffer, firstPicture;
const until = (target, event) => new Promise((resolve, reject) => {
    target.addEventListener(event, resolve, { once: true });
    video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
    setTimeout(() => reject(new Error(`no ${event} in 20 s`)), 20000);
});
window.start = async (mime, duration) => {
    if (!MediaSource.isTypeSupported(mime)) throw new Error(`${mime} is not supported`);
    firstPicture = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await until(source, 'sourceopen');
    buffer = source.addSourceBuffer(mime);
    source.duration = duration;
};
window.append = async (data) => {
    buffer.appendBuffer(Uint8Array.from(atob(data), (each) => each.charCodeAt(0)));
    await until(buffer, 'updateend');
    return ranges();
};
// The first picture shows itself: a seek must not take it for its own.
window.finish = async () => { source.endOfStream(); await firstPicture; return ranges(); };
const ranges = () => Array.from(
    video.buffered, (_, k) => [video.buffered.start(k), video.buffered.end(k)]);
Object.defineProperty(TimeRanges.prototype, Symbol.iterator, { value: function* () {
    for (let k = 0; k < this.length; k += 1) yield k;
} });
const canvas = new OffscreenCanvas(GRID * 16, GRID * 16);
const context = canvas.getContext('2d', { willReadFrequently: true });
// Play from the start to the end, counting the times it has to wait.
let numStalls = 0;
window.play = async () => {
    video.addEventListener('waiting', () => { numStalls += 1; });
    await video.play();
    await until(video, 'ended');
};
window.stalls = () => numStalls;
// Seek, wait for the picture, and return when it is shown and what its squares are.
window.look = async (seconds) => {
    const shown = new Promise((resolve, reject) => {
        video.requestVideoFrameCallback((_, { mediaTime, width, height }) =>
            resolve({ mediaTime, width, height }));
        setTimeout(() => reject(new Error(`no picture at ${seconds} s in 20 s`)), 20000);
    });
    const sought = until(video, 'seeked');
    video.currentTime = seconds;
    const [at] = await Promise.all([shown, sought]);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    at.squares = Array.from({ length: GRID * GRID }, (_, k) => {
        const x = (k % GRID) * 16 + 8, y = Math.floor(k / GRID) * 16 + 8;
        return data[(y * canvas.width + x) * 4];
    });
    return at;
};
</script>""".replace("GRID", str(GRID))


class Served:
    """A video as `MediaServer` hands it out, in segments."""

    def __init__(self, path: Path, *, transcode: bool = False) -> None:
        self.video = vl.Video(path)
        self._answers: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.server = MediaServer(self.video, lambda *answer: self._answers.put(answer))
        self.server.open("open", "page", transcode)
        self.facts, (times, starts) = self.answer("open")
        assert self.facts["delivery"] == "segments"
        self.times = np.frombuffer(times, "<f8")
        self.starts = np.frombuffer(starts, "<i4").tolist()
        # Where each frame begins in the media's own time, and where the last one ends.
        ends = np.append(self.times, self.facts["end_seconds"])
        self.edges = ends - self.facts["offset_seconds"]

    def answer(self, request: str) -> tuple[dict[str, Any], list[bytes]]:
        while True:
            content, buffers = self._answers.get(timeout=60)
            assert content["id"] == request
            if "progress" not in content:
                assert "error" not in content, content
                return content["result"], buffers

    def segment(self, number: int) -> bytes:
        self.server.segment(f"segment {number}", self.facts["token"], number)
        result, (data,) = self.answer(f"segment {number}")
        assert result["stopped"] == ""
        return data


@pytest.fixture
def blank(chromium: Browser):
    context = chromium.new_context()
    page = context.new_page()
    page.route(ADDRESS, lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.goto(ADDRESS)
    yield page
    context.close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch):
    """Serve a video in segments, however small it is."""
    monkeypatch.setattr(plan, "WHOLE_BYTES", 0)
    # Several segments from short videos.
    monkeypatch.setattr(plan, "_SEGMENT_SECONDS", 0.9)
    made: list[Served] = []

    def start(path: Path, **options: bool) -> Served:
        made.append(Served(path, **options))
        return made[-1]

    yield start
    for each in made:
        each.server.close()


def append(page: Page, data: bytes) -> list[list[float]]:
    return page.evaluate("append", base64.b64encode(data).decode())


def check_frame(page: Page, served: Served, frame: int) -> None:
    begin, end = served.edges[frame], served.edges[frame + 1]
    seen = page.evaluate("look", (begin + end) / 2)
    assert abs(seen["mediaTime"] - begin) <= 2e-6, "browsers count in microseconds"
    squares = np.array(seen["squares"], np.uint8).reshape(GRID, GRID, 1)
    assert read_barcode(np.kron(squares, np.ones((16, 16, 3), np.uint8))) == frame


CASES = {
    "mp4": "remux", "mp4-intra": "remux", "vfr": "remux", "vfr-mkv": "remux", "offset": "remux",
    "mpeg-ts": "remux", "av1": "remux", "audio": "remux", "anamorphic": "remux",
    "hevc": "transcode", "rotated-90": "transcode", "mirrored": "transcode", "avi": "transcode",
    "gif": "transcode", "mpeg-ps": "transcode", "webm": "remux", "vp8": "transcode",
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_every_frame_in_any_order(
    kind: str, spelled: Callable[..., Path], serve: Callable[..., Served], blank: Page
) -> None:
    served = serve(spelled(kind, num_frames=NUM_FRAMES))
    assert served.facts["how"] == CASES[kind]
    assert served.starts[0] == 0
    assert len(served.starts) > 1
    rng = np.random.default_rng(7)
    blank.evaluate("([mime, end]) => start(mime, end)", [served.facts["mime"], served.edges[-1]])
    for number in rng.permutation(len(served.starts)).tolist():
        append(blank, served.segment(number))
    ((begin, end),) = blank.evaluate("finish")
    assert begin == 0
    # A block of sound is 1024 samples: the last one may reach past the last frame.
    assert served.edges[-1] - 2e-6 <= end < served.edges[-1] + 1024 / 44_100
    for frame in rng.permutation(NUM_FRAMES).tolist():
        check_frame(blank, served, frame)


@pytest.mark.parametrize(("kind", "transcode"), [("audio", False), ("audio", True), ("vfr", False)])
def test_a_segment_stands_alone(
    kind: str,
    transcode: bool,
    spelled: Callable[..., Path],
    serve: Callable[..., Served],
    blank: Page,
) -> None:
    served = serve(spelled(kind, num_frames=NUM_FRAMES), transcode=transcode)
    first, stop = served.starts[1:3]
    blank.evaluate("([mime, end]) => start(mime, end)", [served.facts["mime"], served.edges[-1]])
    ((begin, end),) = append(blank, served.segment(1))
    # Sound fills the segment: its first and last block reach past the pictures.
    block = 1024 / 44_100
    assert served.edges[first] - block < begin <= served.edges[first] + 2e-6
    assert served.edges[stop] - 2e-6 <= end < served.edges[stop] + block
    for frame in (first, (first + stop) // 2):
        check_frame(blank, served, frame)
    # Chromium shows the last frames of what it has once it knows what follows.
    append(blank, served.segment(2))
    check_frame(blank, served, stop - 1)


def test_sound_and_pictures_play_through_the_seams(
    spelled: Callable[..., Path], serve: Callable[..., Served], blank: Page
) -> None:
    served = serve(spelled("audio", num_frames=NUM_FRAMES))
    blank.evaluate("([mime, end]) => start(mime, end)", [served.facts["mime"], served.edges[-1]])
    for number in reversed(range(len(served.starts))):
        append(blank, served.segment(number))
    blank.evaluate("finish")
    blank.evaluate("play")
    assert blank.evaluate("stalls") == 0
