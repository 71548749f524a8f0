"""What the browser gets shows the frames that Python sees, at the same times."""

from __future__ import annotations

import contextlib
import io
import queue
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from synthetic import read_barcode

import vidlab as vl
from vidlab.core.errors import WidgetError
from vidlab.video.writer import KEYFRAME_EVERY, exact_ticks
from vidlab.widgets.media import MediaServer, Plan, plan, plan_playback, poster_of
from vidlab.widgets.media.fmp4 import VIDEO_TICKS, length_prefixed, starts_anew

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MKV = "matroska,webm"
LARGE = {"num_bytes": plan.WHOLE_BYTES + 1}


@pytest.mark.parametrize(
    ("codec", "container", "pixel_format", "more", "how", "mime"),
    [
        ("h264", MP4, "yuv420p", {}, "direct", "video/mp4"),
        ("h264", MP4, "yuvj420p", {}, "direct", "video/mp4"),
        ("av1", MP4, "yuv420p", {}, "direct", "video/mp4"),
        ("vp9", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("vp8", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("av1", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("h264", MP4, "yuv420p", {"cut_obstacle": "One keyframe."}, "direct", "video/mp4"),
        ("h264", MP4, "yuv420p", LARGE, "remux", "video/mp4"),
        ("vp9", MKV, "yuv420p", LARGE, "remux", "video/mp4"),
        ("h264", MKV, "yuv420p", {}, "remux", "video/mp4"),
        ("h264", "mpegts", "yuv420p", {}, "remux", "video/mp4"),
        ("h264", "avi", "yuv420p", {}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"start_seconds": 0.5}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"start_seconds": -0.5}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"num_bytes": None}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"ends_early": True}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"has_other_tracks": True}, "remux", "video/mp4"),
        ("vp8", MKV, "yuv420p", LARGE, "transcode", "video/mp4"),
        ("vp8", MP4, "yuv420p", {}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p", {"obstacle": "Open."}, "transcode", "video/mp4"),
        ("h264", MKV, "yuv420p", {"cut_obstacle": "One keyframe."}, "transcode", "video/mp4"),
        ("vp9", MKV, "yuv420p", {"has_alpha": True}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p", {"rotation": 90}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p", {"is_mirrored": True}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p10le", {}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv444p", {}, "transcode", "video/mp4"),
        ("hevc", MP4, "yuv420p", {}, "transcode", "video/mp4"),
        ("mpeg4", "avi", "yuv420p", {}, "transcode", "video/mp4"),
        ("gif", "gif", "bgra", {}, "transcode", "video/mp4"),
    ],
)
def test_what_goes_as_it_is(codec, container, pixel_format, more, how, mime) -> None:
    made = plan_playback(codec=codec, container=container, pixel_format=pixel_format, **more)
    assert isinstance(made, Plan)
    assert (made.how, made.mime) == (how, mime)
    assert bool(made.why) == (how != "direct"), "the page says why, if not as it is"


class Page:
    """Asks a `MediaServer`, and waits for its answers."""

    def __init__(self, video: vl.Video) -> None:
        self.video = video
        self.answers: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.server = MediaServer(video, lambda *answer: self.answers.put(answer))
        self.progress: list[dict[str, Any]] = []

    def ask(self, op: str, *arguments: Any) -> tuple[dict[str, Any], list[bytes]]:
        getattr(self.server, op)(op, *arguments)
        return self.answer()

    def answer(self) -> tuple[dict[str, Any], list[bytes]]:
        while True:
            content, buffers = self.answers.get(timeout=60)
            if "progress" not in content:
                return content, buffers
            self.progress.append(content["progress"])

    def open(self, *, transcode: bool = False) -> dict[str, Any]:
        content, (times, starts) = self.ask("open", "page", transcode)
        self.times = np.frombuffer(times, "<f8")
        self.starts = np.frombuffer(starts, "<i4")
        self.facts: dict[str, Any] = content["result"]
        return self.facts

    def segment(self, number: int) -> tuple[dict[str, Any], bytes]:
        content, (data,) = self.ask("segment", self.facts["token"], number)
        return content["result"], data


@pytest.fixture
def page_of() -> Iterator[Any]:
    with contextlib.ExitStack() as stack:

        def make(path: Path) -> Page:
            page = Page(vl.Video(path))
            stack.callback(page.server.close)
            return page

        yield make


@pytest.fixture
def in_pieces(monkeypatch) -> None:
    """Nothing is small enough to go whole, and segments are short."""
    monkeypatch.setattr(plan, "WHOLE_BYTES", 0)
    monkeypatch.setattr(plan, "_SEGMENT_SECONDS", 1.0)


def boxes(data: bytes, *path: bytes) -> list[bytes]:
    """Return the contents of all boxes along a path of kinds."""
    found, position = [], 0
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == path[0]:
            found.append(data[position + 8 : position + size])
        position += size
    if len(path) > 1:
        return [each for box in found for each in boxes(box, *path[1:])]
    return found


def video_samples(data: bytes) -> list[tuple[int, int, int, bool]]:
    """Return (shown at, decoded at, duration, is keyframe) of the pictures, by ISO 14496-12."""
    track = boxes(data, b"moof", b"traf")[0]
    ((_, decoded),) = (struct.unpack(">IQ", each) for each in boxes(track, b"tfdt"))
    (run,) = boxes(track, b"trun")
    _, num, _ = struct.unpack_from(">IIi", run)
    samples = []
    for duration, _, flags, shift in struct.iter_unpack(">IIIi", run[12:]):
        samples.append((decoded + shift, decoded, duration, not flags & 0x10000))
        decoded += duration
    assert len(samples) == num
    return samples


def pictures(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data)) as container:
        return [read_barcode(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


IN_PIECES = {
    "mp4": "remux", "vfr": "remux", "vfr-mkv": "remux", "offset": "remux", "mpeg-ts": "remux",
    "webm": "remux", "av1": "remux", "audio": "remux", "anamorphic": "remux",
    "mp4-intra": "remux", "vp8": "transcode", "mp4-open-gop": "transcode", "hevc": "transcode",
    "rotated-90": "transcode", "rotated-180": "transcode", "mirrored": "transcode",
    "avi": "transcode", "gif": "transcode", "mpeg-ps": "transcode",
}  # fmt: skip


@pytest.mark.parametrize("kind", IN_PIECES)
def test_segments_hold_pythons_frames_at_pythons_times(
    kind: str, spelled, page_of, in_pieces
) -> None:
    page = page_of(spelled(kind, num_frames=90))
    facts = page.open()
    assert (facts["how"], facts["delivery"]) == (IN_PIECES[kind], "segments")
    np.testing.assert_array_equal(page.times, page.video.pts_seconds)
    times = np.append(page.times, facts["end_seconds"])
    ticks = exact_ticks(times, ticks_per_second=VIDEO_TICKS).tolist()
    ends = [*page.starts[1:].tolist(), 90]
    assert len(ends) > 1
    numbers = np.random.default_rng(1).permutation(len(ends)).tolist()
    for number in numbers:
        first, end = int(page.starts[number]), ends[number]
        result, data = page.segment(number)
        assert result == {"number": number, "num_frames": end - first, "stopped": ""}
        assert pictures(data) == list(range(first, end))
        samples = video_samples(data)
        shown = sorted((at, at + duration) for at, _, duration, _ in samples)
        # To the microsecond: what one frame leaves to another would be taken from a neighbour.
        assert shown == list(zip(ticks[first:end], ticks[first + 1 : end + 1], strict=True))
        assert samples[0][0] == samples[0][1] == ticks[first]
        assert samples[0][3], "it starts with a keyframe"
    assert (facts["coded_width"], facts["coded_height"]) == (page.video.width, page.video.height)


@pytest.mark.parametrize("kind", ["mp4", "vfr", "webm", "vp8", "av1", "audio", "anamorphic"])
def test_small_files_go_as_they_are(kind: str, spelled, page_of) -> None:
    path = spelled(kind, num_frames=90)
    page = page_of(path)
    facts = page.open()
    assert (facts["how"], facts["delivery"], facts["why"]) == ("direct", "whole", "")
    assert facts["offset_seconds"] == 0
    assert facts["num_bytes"] == path.stat().st_size
    offsets = range(0, facts["num_bytes"], 1000)
    pieces = [page.ask("read", facts["token"], offset, 1000)[1][0] for offset in offsets]
    assert b"".join(pieces) == path.read_bytes()
    assert not len(page.starts)


def test_a_file_whose_header_ends_before_its_last_frame_is_cut(spelled, page_of) -> None:
    facts = page_of(spelled("vfr")).open()
    assert (facts["how"], facts["why"]) == (
        "remux", "The file's header ends it before its last frame.",
    )  # fmt: skip


def test_of_several_tracks_the_one_that_python_reads_goes(tmp_path: Path) -> None:
    """Which one a browser would take is its own affair."""
    path = tmp_path / "two.mp4"
    with av.open(path, "w") as container:
        streams = [container.add_stream("libx264", rate=rate) for rate in (10, 20)]
        for stream, side in zip(streams, (64, 128), strict=True):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
        for stream, number in zip(streams, (10, 20), strict=True):
            for _ in range(number):
                rgb = np.zeros((stream.height, stream.width, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb)))
            container.mux(stream.encode())
    video = vl.Video(path)
    assert video.num_video_tracks == 2
    made = plan.plan_for(video, seconds=np.append(video.pts_seconds, video.end_seconds))
    assert made.how == "remux"
    assert "other tracks" in made.why


@pytest.mark.parametrize("kind", ["hevc", "rotated-90", "offset"])
def test_the_first_picture_needs_no_index(kind, spelled) -> None:
    video = vl.Video(spelled(kind, size=(1600, 120)))
    with Image.open(io.BytesIO(poster_of(video))) as picture:
        assert picture.size == (960, 72)
        assert read_barcode(np.asarray(picture)) == 0
    assert not video.is_indexed


@pytest.mark.parametrize("kind", ["avi-h264", "gif", "webm"])
def test_a_page_hears_how_much_of_a_file_is_read_for_its_index(kind, spelled, page_of) -> None:
    page = page_of(spelled(kind, num_frames=300))
    page.open()
    assert {each["phase"] for each in page.progress} == {"indexing"}
    fractions = [each["fraction"] for each in page.progress if "fraction" in each]
    assert fractions == sorted(fractions)
    assert len(fractions) > (10 if kind == "avi-h264" else 0), "that one is decoded"
    assert 0.4 < fractions[-1] <= 1
    page.progress.clear()
    page.open()
    assert not page.progress, "what is ready is answered at once"


def test_transcoded_segments_seek_fast(spelled, page_of) -> None:
    page = page_of(spelled("hevc"))
    page.open()
    samples = video_samples(page.segment(0)[1])
    keyframes = [number for number, sample in enumerate(samples) if sample[3]]
    assert np.diff([*keyframes, len(samples)]).max() <= KEYFRAME_EVERY
    assert all(shown == decoded for shown, decoded, *_ in samples), "nothing is reordered"


def test_a_page_that_cannot_play_it_gets_it_transcoded(spelled, page_of, in_pieces) -> None:
    page = page_of(spelled("mp4"))
    stored = page.open()
    facts = page.open(transcode=True)
    assert (stored["how"], facts["how"]) == ("remux", "transcode")
    assert "could not play" in facts["why"]
    assert pictures(page.segment(1)[1]) == list(range(30, 60))
    assert page.open(transcode=True)["token"] == facts["token"]
    assert page.open()["token"] == stored["token"], "other pages go on with what they have"


@pytest.mark.parametrize("transcode", [False, True])
def test_sound_is_kept_in_place(transcode: bool, spelled, page_of, in_pieces) -> None:
    page = page_of(spelled("audio", num_frames=90))
    facts = page.open(transcode=transcode)
    assert facts["mime"].endswith(', mp4a.40.2"')
    blocks: dict[int, bytes] = {}
    for number in (2, 0, 1):
        _, data = page.segment(number)
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.audio[0]
            packets = {p.pts: bytes(p) for p in container.demux(stream) if p.size}
            context = stream.codec_context
            head, rate = context.extradata, context.sample_rate
        start, end = (float(np.append(page.times, 3.0)[i]) for i in (number * 30, number * 30 + 30))
        assert min(packets) <= start * rate, "a segment alone is heard from its first frame"
        assert max(packets) + 1024 >= end * rate
        if not transcode:
            assert all(blocks.get(at, data) == data for at, data in packets.items())
        blocks |= packets
    assert np.diff(sorted(blocks)).tolist() == [1024] * (len(blocks) - 1), "no gap, no overlap"
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = head
    heard = [f for at in sorted(blocks) for f in decoder.decode(av.Packet(blocks[at]))]
    after = np.concatenate([frame.to_ndarray()[0] for frame in heard])
    before = np.concatenate(list(page.video.audio_blocks()))[:, 0]

    # AAC is lossy and shifts phases: the loudness of each tenth of a second is what must stay.
    def loudness(samples: np.ndarray) -> np.ndarray:
        whole = samples[: 29 * 4800].reshape(-1, 4800)
        return np.sqrt((whole**2).mean(axis=1))

    np.testing.assert_allclose(loudness(after)[1:], loudness(before)[1:], rtol=0.1)


def test_odd_sizes_are_padded_not_stretched(spelled, page_of) -> None:
    page = page_of(spelled("gif", size=(191, 143)))
    facts = page.open()
    assert (page.video.width, page.video.height) == (191, 143)
    assert (facts["coded_width"], facts["coded_height"], facts["scaled"]) == (192, 144, False)
    with av.open(io.BytesIO(page.segment(0)[1])) as container:
        rgb = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][7]
    assert read_barcode(rgb[:143, :191]) == 7
    # The padding repeats the edge, so nothing foreign can bleed into the picture.
    np.testing.assert_allclose(rgb[143].astype(int), rgb[142].astype(int), atol=12)


def test_large_pictures_are_made_smaller_and_it_is_said(spelled, page_of, monkeypatch) -> None:
    monkeypatch.setattr("vidlab.widgets.media.segments._MAX_ENCODED_PIXELS", 100 * 75)
    page = page_of(spelled("hevc"))
    facts = page.open()
    assert (facts["coded_width"], facts["coded_height"], facts["scaled"]) == (100, 74, True)
    assert pictures(page.segment(0)[1]) == list(range(30))


def test_colours_say_what_they_are(spelled, page_of) -> None:
    page = page_of(spelled("hevc"))
    page.open()
    with av.open(io.BytesIO(page.segment(0)[1])) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1), "BT.709, limited range"


def test_a_damaged_file_plays_as_far_as_it_goes(odd: Path, page_of) -> None:
    page = page_of(odd / "decord_corrupted.mp4")
    page.open(transcode=True)
    frames, good = vl.Video(odd / "decord_corrupted.mp4").frames(), 0
    with contextlib.suppress(vl.VidlabError):
        while next(frames, None) is not None:
            good += 1
    assert 0 < good < page.video.num_frames
    number = int(np.searchsorted(page.starts, good, side="right")) - 1
    result, data = page.segment(number)
    assert int(page.starts[number]) + result["num_frames"] == good
    assert result["stopped"]
    with av.open(io.BytesIO(data)) as container:
        assert len(list(container.decode(video=0))) == result["num_frames"]


def test_a_file_that_changed_is_not_played_on(spelled, page_of, in_pieces, tmp_path) -> None:
    path = tmp_path / "clip.mkv"
    path.write_bytes(spelled("vfr-mkv", num_frames=90).read_bytes())
    page = page_of(path)
    page.open()
    page.server.release("page")
    page.open()
    path.write_bytes(spelled("offset", num_frames=90).read_bytes())
    for media in page.server._media.values():
        media.close()
    content, _ = page.ask("segment", page.facts["token"], 1)
    assert "changed" in content["error"]["message"]


def test_mistakes_are_answered_with_what_is_wrong(spelled, page_of, in_pieces) -> None:
    page = page_of(spelled("mp4"))
    token = page.open()["token"]
    for op, arguments, message in [
        ("segment", (token, 2), "2 segments; segment 2"),
        ("segment", (token, -1), "segment -1"),
        ("segment", ("other", 0), "let go"),
        ("read", (token, 0, 10), "in segments"),
        ("read", (token, -1, 10), "1 to"),
        ("read", (token, 0, 1 << 30), "1 to"),
    ]:
        with pytest.raises(WidgetError, match=message):
            page.ask(op, *arguments)


class Slow:
    """A maker whose segments wait to be let go."""

    def __init__(self, page: Page) -> None:
        self.media = next(iter(page.server._media.values()))
        self.begun: queue.Queue[int] = queue.Queue()
        self.go = threading.Event()
        make = self.media.make

        def slowly(number: int, called_off: threading.Event) -> Any:
            self.begun.put(number)
            assert self.go.wait(60)
            return make(number, called_off)

        self.media.make = slowly


def test_the_newest_wish_is_served_first_and_a_withdrawn_one_not_at_all(spelled, page_of) -> None:
    page = page_of(spelled("hevc", num_frames=150))
    token = page.open()["token"]
    slow = Slow(page)
    page.server.segment("r0", token, 0)
    assert slow.begun.get(timeout=60) == 0
    for number in (1, 2, 3, 4):
        page.server.segment(f"r{number}", token, number)
    page.server.cancel(["r0", "r3"])
    slow.go.set()
    assert [page.answer()[0]["id"] for _ in range(3)] == ["r4", "r2", "r1"]
    assert page.answers.empty()


def test_the_last_page_takes_everything_with_it(spelled, page_of) -> None:
    page = page_of(spelled("hevc"))
    token = page.open()["token"]
    page.server.open("other", "page 2", False)
    page.answer()
    slow = Slow(page)
    page.server.segment("late", token, 0)
    slow.begun.get(timeout=60)
    thread = page.server._thread
    assert thread is not None
    assert not page.server.release("page")
    assert page.server.release("page 2")
    slow.go.set()
    thread.join(60)
    assert not thread.is_alive()
    assert page.answers.empty(), "nobody is there to be answered"
    with pytest.raises(WidgetError, match="let go"):
        page.ask("segment", token, 0)
    assert pictures((page.open(), page.segment(0))[1][1]) == list(range(30)), "it can come back"


def test_segments_are_kept_for_a_second_view_up_to_a_limit(spelled, page_of, monkeypatch) -> None:
    page = page_of(spelled("hevc"))
    token = page.open()["token"]
    data = page.segment(0)[1]
    monkeypatch.setattr(page.server._made, "_max_bytes", len(data) + 10)
    slow = Slow(page)
    slow.go.set()
    assert page.segment(0)[1] == data
    assert slow.begun.empty()
    page.ask("segment", token, 1)
    page.ask("segment", token, 0)
    assert [slow.begun.get(timeout=60) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("given", ["bytes", "file"])
def test_bytes_and_file_objects_play(given: str, spelled) -> None:
    path = spelled("mp4")
    with path.open("rb") as stream:
        page = Page(vl.Video(path.read_bytes() if given == "bytes" else stream))
        facts = page.open()
        assert page.ask("read", facts["token"], 0, facts["num_bytes"])[1] == [path.read_bytes()]
        page.server.close()
        assert read_barcode(page.video.frame_at(5).rgb) == 5, "the video is not closed with it"


def test_frames_at_one_time_still_follow_each_other() -> None:
    ticks = exact_ticks(np.array([5.0, 5.0, 5.0, 5.5]), ticks_per_second=VIDEO_TICKS)
    assert ticks.tolist() == [0, 1, 2, 500_000]


def test_h264_units_get_lengths() -> None:
    stream = b"\0\0\0\1\x67ab\0\0\1\x65cd\0\0\0\1\x41e"
    assert length_prefixed(stream) == b"\0\0\0\3\x67ab\0\0\0\3\x65cd\0\0\0\2\x41e"
    assert starts_anew(length_prefixed(stream))
    assert not starts_anew(b"\0\0\0\2\x41e")
    assert starts_anew(b"\0\2\x65e", 2)
