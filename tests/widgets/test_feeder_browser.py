"""The page's media in a real Chromium, against a `MediaServer`, without a notebook between them.

The page loads the modules of ``frontend/src`` as they are; its messages go over a little HTTP.
"""

from __future__ import annotations

import json
import queue
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser_harness import Lab
from playwright.sync_api import Page
from synthetic import make_video
from test_player_browser import READ_PIXELS

import vidlab as vl
from vidlab.widgets.media import MediaServer, plan

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
NUM_FRAMES = 300

PAGE = """
import { Session } from "/frontend/src/session.js";
import { Picture } from "/frontend/src/picture.js";

const listeners = new Set();
const sent = [];
const model = {
    get: () => null, set() {}, save_changes() {},
    on: (name, listener) => name === "msg:custom" && listeners.add(listener),
    off: (name, listener) => listeners.delete(listener),
    send(content) {
        sent.push(content);
        fetch("/send", { method: "POST", body: JSON.stringify(content) });
    },
};
async function hear() {
    for (;;) {
        const reply = await (await fetch("/hear", { method: "POST" })).arrayBuffer();
        const view = new DataView(reply);
        let at = 4 + view.getUint32(0);
        const [content, sizes] = JSON.parse(new TextDecoder().decode(reply.slice(4, at)));
        const buffers = sizes.map((size) => new DataView(reply, (at += size) - size, size));
        for (const listener of listeners) listener(content, buffers);
    }
}
void hear();

const video = document.querySelector("video");
const failures = [], stops = [], posters = [], waits = [];
const session = new Session(model);
session.onPoster((url) => posters.push(url));
const picture = new Picture(video, () => {});
async function open(options) {
    const media = await session.media(options);
    media.onFailed((error) => failures.push(error.message));
    media.onStopped((why) => stops.push(why));
    media.onWait((progress) => waits.push(progress && progress.phase));
    picture.use(media);
    media.attach(video);
    window.media = media;
    return media;
}
const until = async (test, what) => {
    for (let tries = 0; tries < 1000; tries++) {
        if (await test()) return;
        await new Promise((done) => setTimeout(done, 10));
    }
    throw new Error(`never: ${what}; ` + JSON.stringify({
        shown: picture.shown, wanted: picture.wanted, flight: picture.inFlight, failures, waits,
        error: video.error && video.error.message, ready: video.readyState,
        buffered: [...Array(video.buffered.length).keys()].map(
            (i) => [video.buffered.start(i), video.buffered.end(i)]) }));
};
const read = READ_PIXELS;
async function goTo(frame) {
    const began = performance.now();
    picture.show(frame);
    await until(() => picture.wanted === null && picture.shown === frame, `frame ${frame}`);
    return [picture.shown, read(video), performance.now() - began];
}
Object.assign(window, {
    session, picture, video, open, goTo, until, read, failures, stops, posters, waits, sent,
    ready: true,
});
""".replace("READ_PIXELS", READ_PIXELS.strip())

HTML = (
    b"<!doctype html><video muted playsinline></video>"
    b"<script type='module' src='/page.js'></script>"
)


class Kernel:
    """A kernel's end of the channel: passes the page's messages to a `MediaServer`."""

    def __init__(self, video: vl.Video) -> None:
        self.replies: queue.Queue[bytes] = queue.Queue()
        self.lose: Callable[[dict[str, Any]], bool] = lambda content: False
        self.media = MediaServer(video, self.reply)

    def reply(self, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        head = json.dumps([content, [len(each) for each in buffers]]).encode()
        self.replies.put(struct.pack(">I", len(head)) + head + b"".join(buffers))

    def hear(self, content: dict[str, Any]) -> None:
        if self.lose(content):
            return
        request = content.get("id", "")
        match content["op"]:
            case "open":
                self.media.open(request, content["page"], content["transcode"])
            case "read":
                self.media.read(request, content["token"], content["offset"], content["length"])
            case "segment":
                self.media.segment(request, content["token"], content["number"])
            case "cancel":
                self.media.cancel(content["requests"])
            case "release":
                self.media.release(content["page"])


class Handler(SimpleHTTPRequestHandler):
    """Serves the modules, and the two ends of the channel."""

    def __init__(self, kernel: Kernel, *args: Any) -> None:
        self.kernel = kernel
        super().__init__(*args, directory=str(ROOT))

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(HTML, "text/html")
        elif self.path == "/page.js":
            self.answer(PAGE.encode(), "text/javascript")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/hear":
            self.answer(self.kernel.replies.get(), "application/octet-stream")
        else:
            self.answer(b"", "text/plain")
            self.kernel.hear(json.loads(body))


@pytest.fixture
def open_page(lab: Lab) -> Iterator[Callable[[vl.Video], tuple[Page, Kernel]]]:
    """Open a page that shows a video by the modules of ``frontend/src``."""
    ends: list[Callable[[], object]] = []

    def make(video: vl.Video) -> tuple[Page, Kernel]:
        kernel = Kernel(video)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, kernel))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = lab.browser.new_page()
        ends.extend([page.close, lambda: kernel.reply({}), server.shutdown])
        ends.extend([server.server_close, kernel.media.close])
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("window.ready")
        return page, kernel

    yield make
    for end in ends:
        end()


@pytest.fixture
def segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small videos be fed in segments too."""
    monkeypatch.setattr(plan, "WHOLE_BYTES", 0)


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset", "webm", "audio", "hevc"])
@pytest.mark.usefixtures("segments")
def test_every_frame_is_the_one_asked_for(
    kind: str, spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    page, _ = open_page(vl.Video(spelled(kind, num_frames=NUM_FRAMES)))
    about = page.evaluate("open().then((media) => [media.how, media.opened.starts.length])")
    assert about[1] > 1, about
    chance = random.Random(kind)
    wanted = [0, NUM_FRAMES - 1, *(chance.randrange(NUM_FRAMES) for _ in range(40))]
    wanted += [*range(140, 160), *range(159, 139, -1)]
    seen = page.evaluate(
        "async (frames) => { const all = [];"
        " for (const frame of frames) all.push((await goTo(frame)).slice(0, 2)); return all; }",
        wanted,
    )
    assert seen == [[frame, frame] for frame in wanted]
    assert page.evaluate("failures") == []


@pytest.mark.parametrize("before", [1, 2])
@pytest.mark.usefixtures("segments")
def test_a_frame_just_before_what_is_loaded_is_waited_for(
    before: int,
    spelled: Callable[..., Path],
    open_page: Callable[..., tuple[Page, Kernel]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Chromium takes what begins up to two frames after the place that it seeks to.
    page, kernel = open_page(vl.Video(spelled("audio", num_frames=NUM_FRAMES)))
    last = page.evaluate("open().then((media) => media.opened.starts.at(-1))")
    page.evaluate(f"goTo({NUM_FRAMES - 1})")
    honest = kernel.media.segment

    def late(request: str, token: str, number: int) -> None:
        time.sleep(1.0)
        honest(request, token, number)

    monkeypatch.setattr(kernel.media, "segment", late)
    frame = last - before
    assert page.evaluate(f"goTo({frame})")[:2] == [frame, frame]


@pytest.mark.usefixtures("segments")
def test_it_plays_to_the_end(
    spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    page, _ = open_page(vl.Video(spelled("audio", num_frames=NUM_FRAMES)))
    shown = page.evaluate(
        """async () => {
            await open();
            await goTo(NUM - 60);
            const shown = [];
            picture.onFrame = (index) => shown.push(index);
            await picture.play();
            await until(() => video.ended, "the end");
            return shown;
        }""".replace("NUM", str(NUM_FRAMES))
    )
    assert shown == sorted(shown)
    assert len(shown) > 20
    assert shown[-1] == NUM_FRAMES - 1


def test_a_browser_whose_frames_say_nothing_shows_the_video_itself(
    tmp_path: Path, open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    """Some stamp every frame with the position of playing, or with nothing."""
    make_video(tmp_path / "clip.mp4", num_frames=60, fps=20)
    page, _ = open_page(vl.Video(tmp_path / "clip.mp4"))
    found = page.evaluate(
        """async () => {
            await open();
            await goTo(20);
            const seen = [];
            for (const stamp of [0, 1, null]) {
                const Real = window.VideoFrame;
                if (stamp !== null) {
                    window.VideoFrame = function (source) {
                        return new Real(source, { timestamp: stamp });
                    };
                }
                await goTo(20);
                picture.hasTimestamps = null;
                const frames = [];
                picture.onFrame = (index) => frames.push(index);
                await picture.play();
                await until(() => frames.length > 5, "five frames");
                const covered = !picture.canvas.hidden;
                video.pause();
                await until(() => picture.canvas.hidden, "the video itself");
                const isRight = picture.shown === read(video);
                seen.push([covered, frames.every((each) => each >= 20), isRight]);
                window.VideoFrame = Real;
            }
            return seen;
        }"""
    )
    assert found == [[False, True, True], [False, True, True], [True, True, True]]


@pytest.mark.usefixtures("segments")
def test_the_buffer_is_bounded_and_what_was_thrown_out_comes_back(
    spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    page, _ = open_page(vl.Video(path))
    limit = path.stat().st_size // 2
    # Before the first piece can have come: what is held already is not thrown out by a new limit.
    page.evaluate("(limit) => open().then((media) => { media.feeder.limit = limit; })", limit)
    for frame in (0, 290, 100, 200, 5, 250, 0):
        assert page.evaluate("(frame) => goTo(frame)", frame)[:2] == [frame, frame]
        assert page.evaluate("media.feeder.total") <= limit
    asked = page.evaluate("sent.filter(({ op }) => op === 'segment').map(({ number }) => number)")
    assert asked.count(0) > 1, "what was thrown out is asked for again"


REFUSE = """
() => {
    window.refused = false;
    const append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = function (bytes) {
        if (this.buffered.length && !refused) {
            refused = true;
            throw new DOMException("The SourceBuffer is full.", "QuotaExceededError");
        }
        return append.call(this, bytes);
    };
}
"""


@pytest.mark.usefixtures("segments")
def test_a_full_buffer_is_made_room_in(
    spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    page, _ = open_page(vl.Video(spelled("mp4", num_frames=NUM_FRAMES)))
    page.evaluate(REFUSE)
    page.evaluate("open()")
    for frame in (0, 100, 200, 5, 250, 0, 299):
        assert page.evaluate("(frame) => goTo(frame)", frame)[:2] == [frame, frame]
    assert page.evaluate("refused")
    assert page.evaluate("failures") == []
    assert page.evaluate("media.feeder.total <= media.feeder.limit")


@pytest.mark.usefixtures("segments")
def test_a_new_wish_calls_off_what_is_not_wanted_any_more(
    spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    page, kernel = open_page(vl.Video(spelled("mp4", num_frames=NUM_FRAMES)))
    page.evaluate("open().then(() => goTo(0))")
    last = page.evaluate("media.opened.starts.length - 1")
    kernel.lose = lambda content: content["op"] == "segment" and content["number"] == last
    page.evaluate("picture.show(295)")
    page.evaluate("until(() => waits.includes('loading'), 'a word about the wait')")
    assert page.evaluate("goTo(10)")[:2] == [10, 10]
    assert page.evaluate("waits.at(-1)") is None
    lost = page.evaluate(
        "(last) => sent.find(({ op, number }) => op === 'segment' && number === last).id", last
    )
    cancelled = page.evaluate("sent.filter(({ op }) => op === 'cancel')")
    assert any(lost in each["requests"] for each in cancelled)
    kernel.lose = lambda content: False
    assert page.evaluate("goTo(295)")[:2] == [295, 295]


@pytest.mark.usefixtures("segments")
def test_an_error_of_the_kernel_is_told_and_can_be_tried_again(
    spelled: Callable[..., Path], open_page: Callable[..., tuple[Page, Kernel]]
) -> None:
    page, kernel = open_page(vl.Video(spelled("mp4", num_frames=NUM_FRAMES)))

    def refuse(content: dict[str, Any]) -> bool:
        if content["op"] == "segment":
            error = {"type": "WidgetError", "message": "The disk is on fire."}
            kernel.reply({"id": content["id"], "error": error})
        return content["op"] == "segment"

    kernel.lose = refuse
    page.evaluate("open().then(() => { picture.show(0); })")
    page.evaluate("until(() => failures.length, 'a failure')")
    assert page.evaluate("failures") == ["The disk is on fire."]
    kernel.lose = lambda content: False
    page.evaluate("open({ again: true })")
    assert page.evaluate("goTo(20)")[:2] == [20, 20]


@pytest.mark.parametrize(
    ("how", "region"),
    [("whole", (20, 22)), ("whole", (31, 32)), ("segments", (20, 22)), ("segments", (38, 40))],
)
def test_a_loop_shows_no_frame_outside(
    how: str, region: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    open_page: Callable[..., tuple[Page, Kernel]],
) -> None:  # fmt: skip
    """Also on a page that is busy with other things: it looks at the pixels in between."""
    make_video(tmp_path / "slow.mp4", num_frames=40, fps=2)
    if how == "segments":
        monkeypatch.setattr(plan, "WHOLE_BYTES", 0)
    page, _ = open_page(vl.Video(tmp_path / "slow.mp4"))
    seen = page.evaluate(
        """async ([start, stop]) => {
            const media = await open();
            picture.loop = [start, stop];
            await goTo(start);
            const seen = [];
            let rounds = 0;
            video.addEventListener("seeked", () => { rounds += 1; });
            await picture.play();
            const look = () => {
                seen.push(read(video));
                const until = performance.now() + 30;
                while (performance.now() < until);
                if (rounds < 3) setTimeout(look, 5);
            };
            look();
            await until(() => rounds >= 3, "three rounds");
            video.pause();
            await until(() => video.playbackRate === 1, "its speed again");
            return [seen, media.how];
        }""",
        region,
    )
    frames, stored = seen
    assert stored == ("remux" if how == "segments" else "direct")
    assert set(frames) == set(range(*region))
