"""Files that claim more than they hold: each is refused, and by name let in."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import vidlab as vl
from vidlab.core.errors import LimitError, OptionError, VideoError, VideoOpenError
from vidlab.core.limits import current_limits
from vidlab.sampling import RateSampler, at_rate

YEAR_SECONDS = 365 * 86_400


def mp4(*, steps: list[int] | None = None, per_second: int = 25, scale: int = 90_000) -> bytes:
    """Return a small MP4 whose frames are `steps` times 1 / `per_second` s apart."""
    file = io.BytesIO()
    steps = [1] * 8 if steps is None else steps
    with av.open(file, "w", format="mp4", options={"video_track_timescale": str(scale)}) as out:
        stream = out.add_stream("libx264", per_second)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = 0
        pts = 0
        for step in steps:
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = pts
            out.mux(stream.encode(picture))
            pts += step
        out.mux(stream.encode())
    return file.getvalue()


def patched(data: bytes, kind: bytes, offset: int, values: bytes) -> bytes:
    """Overwrite a box's content from `offset` on."""
    at = data.index(kind) + 4 + offset
    return data[:at] + values + data[at + len(values) :]


def with_samples(claimed: int) -> bytes:
    """Return an MP4 whose tables claim so many samples of one byte, all in one chunk."""
    data = patched(mp4(), b"stsz", 4, struct.pack(">II", 1, claimed))
    data = patched(data, b"stsc", 8, struct.pack(">III", 1, claimed, 1))
    return patched(data, b"stts", 8, struct.pack(">I", claimed))


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            chunk(b"IDAT", zlib.compress(bytes(100_000))),
            chunk(b"IEND", b""),
        )
    )


def gif(width: int, height: int) -> bytes:
    file = io.BytesIO()
    pictures = [Image.new("P", (8, 8), color) for color in (1, 2)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=40)
    size = struct.pack("<HH", width, height)
    data = file.getvalue()
    return data[:6] + size + data[10:]


def jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    data = file.getvalue()
    at = data.index(b"\xff\xc0") + 5  # ITU-T T.81, B.2.2: after marker, length, precision
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


# ---- pixels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [png, gif, jpeg])
def test_pictures_that_claim_giant_sizes(make) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VideoOpenError):
        vl.Video(make(60_000, 60_000))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 500_000


def test_8k_is_let_in_and_a_lower_limit_is_not() -> None:
    assert current_limits().max_frame_pixels >= 7680 * 4320
    assert current_limits().max_frame_pixels < 30_000 * 30_000
    with (
        vl.limits(max_frame_pixels=3000),
        pytest.raises(LimitError, match=r"64x48 px.*max_frame_pixels.*max_pixels="),
    ):
        vl.Video(mp4())
    with vl.limits(max_frame_pixels=64 * 48):
        assert vl.Video(mp4()).width == 64


# ---- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [20_000_000, 2_000_000_000])
def test_a_table_that_claims_millions_of_samples_takes_no_memory(
    claimed: int, tmp_path: Path
) -> None:
    bomb = with_samples(claimed)
    path = tmp_path / "bomb.mp4"
    path.write_bytes(bomb)
    for source in (path, bomb, io.BytesIO(bomb)):
        with pytest.raises(LimitError, match="max_frames"):
            vl.Video(source)
    # In a process of its own: how much it took at most can be asked.
    code = f"""
import pathlib, vidlab
from vidlab.core.errors import VidlabError
try:
    vidlab.Video({str(path)!r})
except VidlabError:
    print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400_000


def test_claims_in_fragments_and_in_packed_headers_are_seen() -> None:
    many = struct.pack(">I", 2_000_000_000)
    run = struct.pack(">I", 20) + b"trun" + bytes(4) + many + bytes(4)
    fragment = struct.pack(">I", 8 + len(run)) + b"moof" + run
    with pytest.raises(LimitError, match="max_frames"):
        vl.Video(mp4() + fragment)

    table = struct.pack(">I", 20) + b"stsz" + bytes(4) + struct.pack(">I", 1) + many
    packed = bytes(4) + zlib.compress(table)
    inner = struct.pack(">I", 8 + len(packed)) + b"cmvd" + packed
    with pytest.raises(LimitError, match="max_frames"):
        vl.Video(struct.pack(">I", 8 + len(inner)) + b"moov" + inner)


def test_what_stands_in_the_pictures_is_no_claim() -> None:
    claim = b"stsz" + bytes(4) + struct.pack(">II", 1, 2_000_000_000)
    media = struct.pack(">I", 8 + len(claim)) + b"mdat" + claim
    assert vl.Video(mp4() + media).num_frames == 8


def test_the_limit_of_frames_can_be_raised_by_name() -> None:
    data = mp4()
    with vl.limits(max_frames=7), pytest.raises(LimitError, match=r"vidlab\.limits\(max_frames=8"):
        vl.Video(data)
    with vl.limits(max_frames=8):
        assert vl.Video(data).num_frames == 8


# ---- time ----------------------------------------------------------------------------------------


def test_ten_thousand_frames_a_second_are_refused_and_by_name_let_in() -> None:
    data = patched(mp4(), b"stts", 12, struct.pack(">I", 9))  # 90,000 ticks a second
    video = vl.Video(data)
    assert any("10000 frames per second; not believed" in each for each in video.warnings)
    with pytest.raises(LimitError, match="max_frames_per_second"):
        _ = video.num_frames
    with vl.limits(max_frames_per_second=10_000.5):
        assert vl.Video(data).fps == pytest.approx(10_000)


def test_a_year_between_frames_is_refused_and_by_name_let_in() -> None:
    data = mp4(steps=[1, 1, YEAR_SECONDS, 1], per_second=1, scale=10)
    video = vl.Video(data)
    assert video.stated_duration_seconds is None
    assert any("not believed" in each for each in video.warnings)
    with pytest.raises(LimitError, match="max_duration_seconds"):
        _ = video.duration_seconds
    with vl.limits(max_duration_seconds=2 * YEAR_SECONDS):
        assert vl.Video(data).num_frames == 4


def test_a_header_that_claims_a_year_is_not_believed() -> None:
    data = mp4()
    scale = struct.unpack(">I", data[data.index(b"mvhd") + 16 :][:4])[0]
    for kind, offset, ticks in ((b"mvhd", 16, scale), (b"tkhd", 20, scale), (b"mdhd", 16, 90_000)):
        data = patched(data, kind, offset, struct.pack(">I", min(ticks * YEAR_SECONDS, 2**32 - 1)))
    video = vl.Video(data)
    assert video.num_frames == 8
    assert video.duration_seconds == pytest.approx(8 / 25)


def test_sampling_a_year_takes_no_time_of_its_own() -> None:
    pts = np.array([0.0, 0.2, YEAR_SECONDS, YEAR_SECONDS + 0.2])
    assert list(at_rate(pts, 1000)) == [0, 1, 2, 3]
    sampler = RateSampler(1000)
    assert [sampler.push(each) for each in pts] == [None, 0, 1, 2]


# ---- the limits themselves -----------------------------------------------------------------------


def test_limits_hold_in_threads_and_end_with_their_block() -> None:
    usual = current_limits()
    seen = []
    with vl.limits(max_frames=5, max_frame_pixels=9) as known:
        thread = threading.Thread(target=lambda: seen.append(current_limits()))
        thread.start()
        thread.join()
        assert seen == [known]
        assert (known.max_frames, known.max_frame_pixels) == (5, 9)
        assert known.max_duration_seconds == usual.max_duration_seconds
    assert current_limits() is usual
    with pytest.raises(VideoError), vl.limits(max_frames=1):
        vl.Video(mp4())
    assert current_limits() is usual


def test_unknown_limits_and_values_are_refused() -> None:
    with pytest.raises(OptionError, match="Did you mean 'max_frames'"), vl.limits(max_frame=5):
        pass
    for value in (0, -1, True, "9", float("nan")):
        with pytest.raises(OptionError, match="above 0"), vl.limits(**{"max_frames": value}):
            pass
