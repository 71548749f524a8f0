"""Sound walks beside the frames, on their clock."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from synthetic import SAMPLE_RATE, barcode, read_barcode, tone

from vidlab.core.errors import OptionError, VideoError
from vidlab.video import Video


def test_walk_gives_each_frame_its_sound(sample):
    video = Video(sample("audio").path)
    assert video.has_audio
    assert (video.audio_sample_rate, video.num_audio_channels) == (SAMPLE_RATE, 1)
    blocks = []
    for frame, sound in video.walk():
        assert read_barcode(frame.rgb) == frame.index
        assert sound.dtype == np.float32
        assert sound.shape == (SAMPLE_RATE // 30, 1)
        blocks.append(sound)
    assert len(blocks) == 120
    heard = np.concatenate(blocks)[:, 0]
    expected = tone(np.arange(len(heard)) / SAMPLE_RATE)
    inner = slice(4800, -4800)  # the codec fades in and out
    assert np.corrcoef(heard[inner], expected[inner])[0, 1] > 0.995
    assert np.sqrt(np.mean((heard - expected)[inner] ** 2)) < 0.05


@pytest.mark.parametrize("start", [1, 45, 100])
def test_walk_from_the_middle_gives_the_same_sound(sample, start):
    video = Video(sample("audio").path)
    whole = [sound for _, sound in video.walk()]
    part = list(video.walk(start=start, stop=start + 8))
    assert [frame.index for frame, _ in part] == list(range(start, start + 8))
    for frame, sound in part:
        assert np.abs(sound - whole[frame.index]).max() < 2e-3


def test_blocks_cover_the_video_end_to_end(sample):
    video = Video(sample("audio").path)
    blocks = list(video.audio_blocks(block_seconds=0.3))
    assert {len(block) for block in blocks[:-1]} == {14400}
    assert sum(map(len, blocks)) == 4 * SAMPLE_RATE
    walked = np.concatenate([sound for _, sound in video.walk()])
    assert np.array_equal(np.concatenate(blocks), walked)
    part = np.concatenate(list(video.audio_blocks(start_seconds=1.5, stop_seconds=2.0)))
    assert np.abs(part - walked[72000:96000]).max() < 2e-3


def test_before_and_after_the_sound_is_silence(sample):
    video = Video(sample("audio").path)
    blocks = list(video.audio_blocks(start_seconds=-1.0, stop_seconds=6.0))
    assert len(blocks) == 7
    assert np.abs(blocks[0]).max() == 0
    assert np.abs(blocks[6]).max() == 0


def test_a_video_without_sound(sample):
    video = Video(sample("mp4").path)
    assert not video.has_audio
    assert [sound.shape for _, sound in video.walk(stop=3)] == [(0, 0)] * 3
    with pytest.raises(VideoError, match="has no sound"):
        video.audio_blocks()


def test_nonsense_is_refused(sample):
    video = Video(sample("audio").path)
    for seconds in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="at least one sample"):
            video.audio_blocks(block_seconds=seconds)


def test_sound_that_cannot_be_decoded_is_silence_and_said(odd):
    """Upstream's file with bad audio: its frames are whole."""
    video = Video(odd / "moviepy_video_with_failing_audio.mp4")
    pairs = [(frame.index, len(sound)) for frame, sound in video.walk()]
    assert [index for index, _ in pairs] == list(range(280))
    assert sum(count for _, count in pairs) == pytest.approx(11.2 * video.audio_sample_rate, abs=1)


def test_a_sound_file_with_a_cover_is_no_video():
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as out:
        sound = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    with pytest.raises(VideoError, match="no video stream; it holds only audio"):
        Video(target)


def test_real_sound_is_not_silent(clips):
    video = Video(clips / "carving_ice.mp4")
    loud = [float(np.abs(sound).max()) for _, sound in video.walk()]
    assert max(loud) > 0.01
    with av.open(str(clips / "carving_ice.mp4")) as container:
        stream = container.streams.audio[0]
        assert video.audio_sample_rate == stream.rate
        assert video.num_audio_channels == stream.channels
        bare = np.concatenate([frame.to_ndarray().T for frame in container.decode(stream)], axis=0)
    ours = np.concatenate([sound for _, sound in video.walk()])
    assert np.array_equal(ours[: len(bare)], bare[: len(ours)])


def test_damaged_sound_is_silence_and_said_once(sample):
    data = bytearray(sample("audio").path.read_bytes())
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    for packet in packets[60:90]:  # from 1.28 to 1.92 s
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    video = Video(bytes(data))
    pairs = list(video.walk())
    assert [read_barcode(frame.rgb) for frame, _ in pairs] == list(range(120))
    heard = np.concatenate([sound for _, sound in pairs])
    assert len(heard) == 4 * SAMPLE_RATE
    assert np.abs(heard[70000:85000]).max() == 0
    clean = np.concatenate([sound for _, sound in Video(sample("audio").path).walk()])
    assert np.abs(heard - clean)[:57000].max() < 2e-3
    assert np.abs(heard - clean)[100000:].max() < 2e-3  # in step again after the damage
    assert len(video.warnings) == 1
    assert "sound cannot be decoded at 1." in video.warnings[0]


def test_a_cover_picture_is_not_the_video(sample):
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as out:
        cover = out.add_stream("mjpeg", rate=25)
        cover.width = cover.height = 640
        cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 192, 144, "yuv420p"
        picture = av.VideoFrame(640, 640, "yuvj420p")
        picture.pts = 0
        out.mux(cover.encode(picture))
        for number in range(5):
            picture = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
            out.mux(video.encode(picture.reformat(format="yuv420p")))
        out.mux(video.encode())
    assert [read_barcode(frame.rgb) for frame in Video(target)] == list(range(5))
