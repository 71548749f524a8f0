"""The index of containers whose packets are not simply their frames."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from synthetic import barcode, make_video, read_barcode

from vidlab.video import Video
from vidlab.video.index import is_hidden_frame


def remux(source: bytes, *, format: str, change=None, bitstream_filter=None) -> bytes:
    """Copy the video packets into a new container, changed on the way."""
    target = io.BytesIO()
    with av.open(io.BytesIO(source)) as given, av.open(target, "w", format=format) as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        stream.time_base = given.streams.video[0].time_base
        step = None
        if bitstream_filter:
            step = BitStreamFilterContext(bitstream_filter, given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is None:
                continue
            for piece in step.filter(packet) if step else [packet]:
                if change:
                    change(piece)
                piece.stream = stream
                out.mux(piece)
    return target.getvalue()


def check(video: Video, codes: list[int]) -> np.ndarray:
    """Assert that the demuxed index, iteration and seeking agree; return the timestamps."""
    demuxed = video.pts_seconds.copy()
    frames = [(frame.pts_seconds, read_barcode(frame.rgb)) for frame in video]
    assert [code for _, code in frames] == codes
    assert demuxed.tolist() == [seconds for seconds, _ in frames]
    for index in np.random.default_rng(0).integers(0, len(codes), 30).tolist():
        assert read_barcode(video[index].rgb) == codes[index]
    return demuxed


def test_an_edit_list_that_skips_the_start(sample):
    """Cut without re-encoding: packets before the cut are decoded, and never shown."""
    data = sample("mp4").path.read_bytes()
    with av.open(io.BytesIO(data)) as container:
        frame_ticks = container.streams.video[0].average_rate
        ticks = round(10 / (frame_ticks * container.streams.video[0].time_base))

    def earlier(packet):
        packet.pts -= ticks
        packet.dts -= ticks

    cut = remux(data, format="mp4", change=earlier)
    with av.open(io.BytesIO(cut)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert any(packet.is_discard for packet in packets)  # else this tests nothing
    pts = check(Video(cut), list(range(10, 120)))
    assert pts[0] == 0


def decoded_one_by_one(codec: str, packets: list[bytes]) -> list[int]:
    """Return how many pictures come out of the decoder for each packet."""
    decoder = av.CodecContext.create(codec, "r")
    return [len(decoder.decode(av.Packet(data))) for data in packets]


def test_hidden_vp9_frames_in_packets_of_their_own(sample):
    """VP9 keeps pictures that are only referred to; a filter gives each its own packet."""
    with av.open(str(sample("webm").path)) as container:
        split = BitStreamFilterContext("vp9_superframe_split", container.streams.video[0])
        packets = [
            bytes(part)
            for whole in container.demux(video=0)
            if whole.size
            for part in split.filter(whole)
        ]
    assert len(packets) > 120  # else this tests nothing
    hidden = [is_hidden_frame("vp9", data) for data in packets]
    assert hidden == [count == 0 for count in decoded_one_by_one("vp9", packets)]
    assert sum(hidden) == len(packets) - 120


def test_hidden_vp8_frames():
    target = io.BytesIO()
    make_video(target, kind="vp8", num_frames=12, options={"deadline": "realtime"})
    with av.open(io.BytesIO(target.getvalue())) as container:
        packets = [bytearray(bytes(p)) for p in container.demux(video=0) if p.size]
    for number in (3, 4, 9):
        packets[number][0] &= ~0x10  # show_frame
    hidden = [is_hidden_frame("vp8", bytes(data)) for data in packets]
    assert [number for number, is_hidden in enumerate(hidden) if is_hidden] == [3, 4, 9]
    counts = decoded_one_by_one("vp8", [bytes(data) for data in packets])
    assert hidden == [count == 0 for count in counts]


def test_frames_without_a_timestamp_follow_the_one_before(sample):
    data = sample("mp4").path.read_bytes()
    raw = remux(data, format="h264", bitstream_filter="h264_mp4toannexb")
    video = Video(raw)
    pts = check(video, list(range(120)))
    assert np.allclose(np.diff(pts), 1 / 30)
    assert video.fps == pytest.approx(30)


def test_a_fragmented_mp4(tmp_path):
    make_video(tmp_path / "plain.mp4", num_frames=100)
    target = tmp_path / "fragments.mp4"
    with (
        av.open(str(tmp_path / "plain.mp4")) as given,
        av.open(
            str(target), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        ) as out,
    ):
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    check(Video(target), list(range(100)))


def test_the_rate_and_the_length_are_counted_where_the_header_is_wrong(sample):
    """Matroska states no frame count; its milliseconds must not leak into the rate."""
    video = Video(sample("offset").path)
    assert video.fps == 30
    assert video.duration_seconds == pytest.approx(4.0, abs=0.002)
    assert video.end_seconds == pytest.approx(11.5, abs=0.002)


@pytest.mark.parametrize("fps", ["24000/1001", "30000/1001", "25", "59.94", "12.5", "1"])
def test_rates_are_not_rounded(tmp_path, fps):
    from fractions import Fraction

    rate = Fraction(fps).limit_denominator(1001)
    make_video(tmp_path / "a.mp4", num_frames=40, fps=rate)
    video = Video(tmp_path / "a.mp4")
    assert video.fps == pytest.approx(float(rate), rel=1e-6)
    assert video.duration_seconds == pytest.approx(40 / float(rate), rel=1e-4)


def test_a_whole_iteration_gives_the_index_for_free(sample, monkeypatch):
    import vidlab.video.video as module

    video = Video(sample("mp4").path)
    list(video)

    def fail(*_, **__):
        raise AssertionError("indexed again")

    monkeypatch.setattr(module, "index_by_demuxing", fail)
    monkeypatch.setattr(module, "index_by_tables", fail)
    assert video.num_frames == 120
    assert read_barcode(video[60].rgb) == 60


def test_opening_reads_only_the_head(sample):
    class Counting(io.BytesIO):
        num_read = 0

        def read(self, size=-1):
            data = super().read(size)
            Counting.num_read += len(data)
            return data

    target = io.BytesIO()
    with av.open(target, "w", format="avi") as out:
        stream = out.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(80):
            picture = av.VideoFrame.from_ndarray(barcode(number, size=(640, 480)), format="rgb24")
            out.mux(stream.encode(picture.reformat(format="yuv420p")))
        out.mux(stream.encode())
    assert len(target.getvalue()) > 30e6
    video = Video(Counting(target.getvalue()))
    assert Counting.num_read < 8e6
    assert read_barcode(video[70].rgb) == 70


def test_the_index_cannot_be_changed_by_its_reader(sample):
    with pytest.raises(ValueError, match="read-only"):
        Video(sample("mp4").path).pts_seconds[0] = 5.0


@pytest.mark.parametrize("kind", ["mp4", "vfr-mkv", "mpeg-ts", "mp4-open-gop", "webm"])
@pytest.mark.parametrize("is_read_first", [False, True])
def test_packets_are_known_without_decoding(kind: str, is_read_first: bool, sample) -> None:
    path, _ = sample(kind)
    video = Video(path)
    if is_read_first:
        assert sum(1 for _ in video) == video.num_frames
    packets = video.packets
    assert packets is not None
    with av.open(str(path)) as container:
        stored = [p for p in container.demux(video=0) if p.size]
    assert packets.pts.tolist() == [p.pts for p in stored]
    assert packets.num_bytes.tolist() == [p.size for p in stored]
    assert packets.is_keyframe.tolist() == [p.is_keyframe for p in stored]
    assert not packets.has_hidden


def test_packets_that_do_not_tell_the_frames_are_not_offered(sample) -> None:
    path, _ = sample("avi-h264")
    assert Video(path).packets is None
