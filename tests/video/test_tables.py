"""An index from a file's own tables is the one that reading all packets gives, or none is."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import KINDS

import vidlab.video.video as module
from vidlab.core.errors import VideoError
from vidlab.video import Video
from vidlab.video.index import FrameIndex


def by_tables(source: bytes | Path) -> FrameIndex | None:
    with Video(source) as video:
        return video._index_by_tables()


def assert_equal(quick: FrameIndex, source: bytes | Path) -> None:
    """Compare with the packets as FFmpeg reads them, and with the frames as it decodes them."""
    assert_like_packets(quick, source)
    with Video(source) as video:
        assert quick.pts_seconds.tolist() == [frame.pts_seconds for frame in video]


def assert_like_packets(quick: FrameIndex, source: bytes | Path) -> None:
    with Video(source) as video:
        slow = video._index_by_demuxing(None)
    assert slow is not None
    for name in ("end", "time_base", "is_by_pts", "stopped"):
        assert getattr(quick, name) == getattr(slow, name)
    assert quick.pts.tolist() == slow.pts.tolist()
    assert quick.keyframe_pts.tolist() == slow.keyframe_pts.tolist()
    assert quick.packets is not None
    assert slow.packets is not None
    for name in ("pts", "is_keyframe", "num_bytes"):
        assert getattr(quick.packets, name).tolist() == getattr(slow.packets, name).tolist()
    assert quick.packets.has_hidden == slow.packets.has_hidden


def is_quick(kind: str) -> bool:
    how = KINDS[kind]
    # Of the rest only reading tells: what makes a keyframe, or one keyframe for all.
    return how.format == "mp4" and kind not in ("mp4-open-gop", "mp4-one-keyframe")


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_tell_what_the_packets_do(kind: str, sample: Callable) -> None:
    quick = by_tables(sample(kind).path)
    assert (quick is not None) == is_quick(kind)
    if quick is not None:
        assert_equal(quick, sample(kind).path)


def test_real_files(shared_data: Path) -> None:
    num_quick = 0
    for path in sorted([*(shared_data / "clips").iterdir(), *(shared_data / "odd").iterdir()]):
        try:
            quick = by_tables(path)
        except VideoError:
            continue
        if quick is not None:
            assert_equal(quick, path)
            num_quick += 1
    assert num_quick >= 10


def copied(
    source: Path, *, shift_seconds: float = 0.0, format: str = "mp4",
    **options: str,
) -> bytes:  # fmt: skip
    """Copy the packets into a new file, later or earlier by a while."""
    # A header that goes first is moved there by opening the file again: it needs a name.
    with tempfile.NamedTemporaryFile(suffix=f".{format}") as target:
        with (
            av.open(str(source)) as stored,
            av.open(target.name, "w", format=format, options=options) as out,
        ):
            stream = stored.streams.video[0]
            to = out.add_stream_from_template(stream)
            to.time_base = stream.time_base
            ticks = round(Fraction(shift_seconds) / stream.time_base)
            for packet in stored.demux(stream):
                if packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                    packet.stream = to
                    out.mux(packet)
        return Path(target.name).read_bytes()


@pytest.mark.parametrize("kind", ["mp4", "vfr", "hevc"])
@pytest.mark.parametrize(
    "how",
    [
        {"movflags": "faststart"},
        {"movflags": "negative_cts_offsets"},
        {"use_editlist": "0"},
        {"shift_seconds": 2.5},
        {"shift_seconds": 2.5, "format": "mov"},
        {"video_track_timescale": "90000"},
        {"movie_timescale": "600", "shift_seconds": 1.234},
    ],
    ids=str,
)
def test_ways_to_write_a_file(kind: str, how: dict, sample: Callable) -> None:
    data = copied(sample(kind).path, **how)
    quick = by_tables(data)
    assert quick is not None
    assert_equal(quick, data)


@pytest.mark.parametrize(
    "how",
    [
        {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
        {"movflags": "frag_keyframe"},  # the first fragment's tables are in the moov
        {"shift_seconds": -1.05},  # an edit list that leaves out the start
    ],
    ids=str,
)
def test_what_only_the_demuxer_understands_is_left_to_it(how: dict, sample: Callable) -> None:
    data = copied(sample("mp4").path, **how)
    assert by_tables(data) is None
    with Video(data) as video:
        assert video.num_frames == sum(1 for _ in video)


@pytest.fixture(scope="session")
def header_first(sample: Callable) -> bytes:
    return copied(sample("mp4").path, movflags="faststart")


# ---- damage ------------------------------------------------------------------------------------


def box(data: bytes, kind: bytes) -> tuple[int, int]:
    """Return where the content of the first box of a kind starts and ends."""
    at = data.index(kind)
    return at + 4, at - 4 + int.from_bytes(data[at - 4 : at], "big")


def patched(data: bytes, kind: bytes, offset: int, values: bytes) -> bytes:
    start, stop = box(data, kind)
    at = start + offset if offset >= 0 else stop + offset
    return data[:at] + values + data[at + len(values) :]


HUGE, MANY = struct.pack(">I", 0xFFFF_FFFF), struct.pack(">I", 0x0FFF_FFFF)


@pytest.mark.parametrize(
    ("kind", "offset", "values"),
    [
        (b"ctts", 4, HUGE),  # more rows than the box holds
        (b"ctts", 4, struct.pack(">I", 3)),  # fewer than there are
        (b"ctts", 8, HUGE),  # a row for four thousand million packets
        (b"ctts", 8, bytes(4)),  # a row for none
        (b"ctts", 12, MANY),  # shown years later
        (b"ctts", -4, struct.pack(">i", -7)),  # the last one, shown at another time
        (b"ctts", -4, struct.pack(">I", 99999)),
        (b"ctts", -8, struct.pack(">I", 2)),
        (b"stsz", 8, struct.pack(">I", 60)),  # half the packets
        (b"stsd", 4, struct.pack(">I", 2)),
        (b"elst", 4, HUGE),
        (b"elst", 4, struct.pack(">I", 2)),
        (b"elst", 8, struct.pack(">I", 1000)),  # ends after a second
        (b"elst", 12, struct.pack(">I", 5000)),  # starts later
        (b"tkhd", 12, HUGE),
    ],
    ids=str,
)
def test_tables_that_lie_are_not_believed(
    kind: bytes, offset: int, values: bytes, header_first: bytes
) -> None:
    data = patched(header_first, kind, offset, values)
    try:
        quick = by_tables(data)
    except VideoError:
        return  # FFmpeg refuses it as well
    if quick is not None:
        assert_like_packets(quick, data)


def test_keyframes_that_are_none(sample: Callable) -> None:
    """Without its list of keyframes every packet of a file is said to be one."""
    data = copied(sample("mp4").path).replace(b"stss", b"free")
    with av.open(io.BytesIO(data)) as container:
        assert all(each.is_keyframe for each in container.streams.video[0].index_entries)
    assert by_tables(data) is None
    with Video(data) as video:
        assert video.packets is not None
        assert video.packets.is_keyframe.sum() == 4


def test_a_file_that_is_cut_off(header_first: bytes) -> None:
    data = header_first[:-2000]
    assert by_tables(data) is None
    with Video(data) as video:
        assert video.num_frames < 120
        assert video.warnings


TABLES = (b"ctts", b"stsz", b"stss", b"stts", b"stsc", b"stco", b"elst", b"tkhd", b"mdhd", b"stsd")


@given(
    kind=st.sampled_from(TABLES),
    place=st.floats(0, 1, exclude_max=True),
    values=st.binary(min_size=1, max_size=4),
)
@settings(max_examples=100)
def test_any_damage(kind: bytes, place: float, values: bytes, header_first: bytes) -> None:
    start, stop = box(header_first, kind)
    damaged = patched(header_first, kind, int(place * (stop - start)), values)
    try:
        with Video(damaged) as video:
            quick, slow = video._index_by_tables(), video._index_by_demuxing(None)
    except VideoError:
        return
    if quick is None:
        return
    assert slow is not None
    assert quick.pts.tolist() == slow.pts.tolist()
    assert quick.end == slow.end
    # A keyframe that is not listed is one to FFmpeg all the same, but none it seeks to.
    assert set(quick.keyframe_pts.tolist()) <= set(slow.keyframe_pts.tolist())


def test_a_video_uses_its_tables(sample: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("all packets were read")

    monkeypatch.setattr(module, "index_by_demuxing", fail)
    with Video(sample("mp4").path) as video:
        assert video.num_frames == 120
        assert video.packets is not None
