"""Files cut off or damaged: read as far as they go, and say where they stop."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from synthetic import make_video, read_barcode

from vidlab.core.errors import VideoDecodeError, VideoError, VideoOpenError
from vidlab.video import Video


def good_frames(video: Video) -> tuple[list[int], VideoDecodeError | None]:
    codes: list[int] = []
    try:
        for frame in video:
            assert frame.index == len(codes)
            codes.append(read_barcode(frame.rgb))
    except VideoDecodeError as error:
        return codes, error
    return codes, None


@pytest.fixture(scope="session")
def faststart(tmp_path_factory) -> bytes:
    """An MP4 whose index comes first, as on the web: 300 frames."""
    folder = tmp_path_factory.mktemp("faststart")
    make_video(folder / "a.mp4", num_frames=300)
    with (
        av.open(str(folder / "a.mp4")) as source,
        av.open(str(folder / "b.mp4"), "w", options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = (folder / "b.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    return data


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.77])
def test_an_mp4_cut_off(faststart, kept):
    video = Video(faststart[: int(len(faststart) * kept)])
    codes, error = good_frames(video)
    assert 10 < len(codes) < 290
    # Frames are decoded ahead of those shown before them; the last few may have gaps.
    assert codes[:-6] == list(range(len(codes) - 6))
    assert codes == sorted(set(codes))
    assert len(video) == len(codes)
    assert error is not None
    assert error.frame_index == len(codes)
    assert f"frames 0 to {len(codes) - 1} are good" in str(error)
    assert video.stopped == str(error)
    for index in (0, len(codes) // 2, len(codes) - 1):
        assert read_barcode(video[index].rgb) == codes[index]
    with pytest.raises(VideoDecodeError, match="cut off") as caught:
        list(video.frames(start=5))
    assert caught.value.frame_index == len(codes)
    assert "cut off" in video.warnings[0]


@pytest.mark.parametrize("kind", ["vfr-mkv", "mpeg-ts", "webm", "avi", "mpeg-ps"])
def test_containers_without_an_index_up_front_are_read_to_where_they_end(sample, kind):
    data = sample(kind).path.read_bytes()
    video = Video(data[: len(data) * 6 // 10])
    codes = []
    try:
        for frame in video:
            codes.append(frame.index if frame.is_damaged else read_barcode(frame.rgb))
    except VideoDecodeError as error:
        assert error.frame_index == len(codes)  # noqa: PT017
    assert 30 < len(codes) < 120
    # The last picture may be half there; the decoder makes up the rest.
    assert codes[:-4] == list(range(len(codes) - 4))


def test_an_mp4_without_its_index(faststart, sample):
    data = sample("mp4").path.read_bytes()  # its index comes last
    with pytest.raises(VideoOpenError, match=r"no 'moov' box.*cut off"):
        Video(data[: len(data) // 2])
    with pytest.raises(VideoOpenError, match="cut off"):
        Video(faststart[:200])


def test_random_damage_never_escapes_as_another_error(sample):
    """Flipped bytes anywhere: frames, or a VideoError; nothing else, and no hang."""
    rng = np.random.default_rng(0)
    for kind in ("mp4", "vfr-mkv", "avi", "gif", "mpeg-ts", "webm"):
        clean = sample(kind).path.read_bytes()
        for _ in range(8):
            data = np.frombuffer(clean, np.uint8).copy()
            where = rng.integers(0, len(data), size=int(rng.integers(1, 60)))
            data[where] = rng.integers(0, 256, size=len(where))
            try:
                video = Video(data.tobytes())
                for frame in video.frames(stop=60):
                    frame.rgb  # noqa: B018
                if len(video):
                    video[len(video) // 2].rgb  # noqa: B018
                    video.thumbnails(3)
                repr(video)
            except VideoError:
                pass


def test_random_truncation_never_escapes_as_another_error(sample):
    rng = np.random.default_rng(1)
    for kind in ("mp4", "vfr-mkv", "avi", "gif", "mpeg-ps", "webm", "audio"):
        clean = sample(kind).path.read_bytes()
        for size in rng.integers(1, len(clean), size=8).tolist():
            try:
                video = Video(clean[:size])
                for frame, _sound in video.walk(stop=60):
                    frame.rgb  # noqa: B018
                video.last_frame()
            except VideoError:
                pass


def test_a_later_part_can_be_read_past_the_damage(faststart):
    """Damage in one group of pictures leaves the others readable."""
    data = bytearray(faststart)
    with av.open(io.BytesIO(faststart)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        keyframes = [i for i, p in enumerate(packets) if p.is_keyframe]
        hurt = packets[keyframes[3] + 4]
        data[hurt.pos : hurt.pos + 4] = b"\x7f\xff\xff\xff"  # a length beyond the packet
    video = Video(bytes(data))
    codes, error = good_frames(video)
    assert error is not None
    assert 90 <= error.frame_index <= 120
    assert codes == list(range(len(codes)))
    later = [read_barcode(frame.rgb) for frame in video.frames(start=150)]
    assert later == list(range(150, 300))
    assert read_barcode(video[200].rgb) == 200
    with pytest.raises(VideoDecodeError) as caught:
        video.frame_at(error.frame_index + 1)
    assert caught.value.frame_index <= error.frame_index + 1


def test_a_recording_that_starts_in_the_middle(sample):
    """A broadcast joined late: the frames before the first keyframe cannot be shown."""
    data = sample("mpeg-ts").path.read_bytes()
    packets = len(data) // 188
    late = data[: 188 * 3] + data[188 * (packets // 3) :]
    video = Video(late)
    codes = [read_barcode(frame.rgb) for frame in video]
    assert codes[-1] == 119
    assert codes == list(range(codes[0], 120))
    assert 0 < codes[0] <= 60
    assert len(Video(late)) == len(codes)
    assert read_barcode(Video(late)[10].rgb) == codes[10]


def test_a_clock_that_starts_again(sample):
    """Two recordings joined: time goes on from the end of the first."""
    data = sample("mpeg-ts").path.read_bytes()
    video = Video(data + data)
    pts = video.pts_seconds
    codes = [read_barcode(frame.rgb) for frame in video]
    assert codes == [*range(120), *range(120)]
    assert len(pts) == 240
    assert np.all(np.diff(pts) > 0)
    assert video.duration_seconds == pytest.approx(8.0, abs=0.2)
    for index in (200, 3, 125, 119, 120):
        assert read_barcode(video[index].rgb) == index % 120


def test_an_index_that_decoding_does_not_bear_out_is_made_again(sample, monkeypatch):
    """A container whose packets promise a frame that never comes out of the decoder."""
    from dataclasses import replace

    import vidlab.video.video as module

    honest = module.index_by_tables

    def one_too_many(*given):
        index = honest(*given)
        return replace(index, pts=np.insert(index.pts, 50, index.pts[50] - 1))

    monkeypatch.setattr(module, "index_by_tables", one_too_many)
    video = Video(sample("mp4").path)
    assert len(video) == 121
    assert read_barcode(video[50].rgb) == 50
    assert len(video) == 120
    assert [read_barcode(f.rgb) for f in video.frames(start=48, stop=52)] == [48, 49, 50, 51]
