"""What the browser gets shows the frames that Python sees, at the same times."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic import KINDS, read_barcode

import vidlab as vl
from vidlab.core.errors import WidgetError
from vidlab.widgets import media
from vidlab.widgets.media import Plan, Playable, Stopped, plan_playback, prepare

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MKV = "matroska,webm"


@pytest.mark.parametrize(
    ("codec", "container", "pixel_format", "more", "how", "mime"),
    [
        ("h264", MP4, "yuv420p", {}, "direct", "video/mp4"),
        ("h264", MP4, "yuvj420p", {}, "direct", "video/mp4"),
        ("av1", MP4, "yuv420p", {}, "direct", "video/mp4"),
        ("vp9", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("vp8", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("av1", MKV, "yuv420p", {}, "direct", "video/webm"),
        ("h264", MKV, "yuv420p", {}, "remux", "video/mp4"),
        ("h264", "mpegts", "yuv420p", {}, "remux", "video/mp4"),
        ("h264", "avi", "yuv420p", {}, "remux", "video/mp4"),
        ("vp8", MP4, "yuv420p", {}, "remux", "video/webm"),
        ("h264", MP4, "yuv420p", {"start_seconds": 0.5}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"start_seconds": -0.5}, "remux", "video/mp4"),
        ("h264", MP4, "yuv420p", {"is_remote": True}, "remux", "video/mp4"),
        ("vp9", MKV, "yuv420p", {"has_alpha": True}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p", {"rotation": 90}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv420p10le", {}, "transcode", "video/mp4"),
        ("h264", MP4, "yuv444p", {}, "transcode", "video/mp4"),
        ("hevc", MP4, "yuv420p", {}, "transcode", "video/mp4"),
        ("mpeg4", "avi", "yuv420p", {}, "transcode", "video/mp4"),
        ("mpeg2video", "mpeg", "yuv420p", {}, "transcode", "video/mp4"),
        ("gif", "gif", "bgra", {}, "transcode", "video/mp4"),
    ],
)
def test_what_goes_as_it_is(codec, container, pixel_format, more, how, mime) -> None:
    facts = {"rotation": 0, "start_seconds": 0.0} | more
    plan = plan_playback(codec=codec, container=container, pixel_format=pixel_format, **facts)
    assert (plan.how, plan.mime) == (how, mime)
    assert bool(plan.why) == (how != "direct"), "the page says why, if not as it is"


def make(path: Path, **options) -> tuple[vl.Video, Playable, list[tuple[str, float | None]]]:
    video, told = vl.Video(path), []
    playable = prepare(
        video, on_progress=lambda *what: told.append(what), stop=threading.Event(), **options
    )
    return video, playable, told


def copy_of(playable: Playable, folder: Path) -> vl.Video:
    path = folder / ("copy.webm" if playable.plan.mime == "video/webm" else "copy.mp4")
    pieces = range(0, playable.num_bytes, 1000)
    path.write_bytes(b"".join(playable.read(offset, 1000) for offset in pieces))
    return vl.Video(path)


EXPECTED = {
    "mp4": "direct", "vfr": "direct", "webm": "direct", "vp8": "direct",
    "av1": "direct", "audio": "direct", "anamorphic": "direct",
    "vfr-mkv": "remux", "offset": "remux", "mpeg-ts": "remux",
    "mp4-open-gop": "transcode", "hevc": "transcode", "rotated-90": "transcode",
    "rotated-180": "transcode", "avi": "transcode", "gif": "transcode", "mpeg-ps": "transcode",
}  # fmt: skip


@pytest.mark.parametrize("kind", EXPECTED)
def test_frames_and_times_are_pythons(kind: str, spelled, tmp_path: Path) -> None:
    assert kind in KINDS
    video, playable, told = make(spelled(kind))
    assert playable.plan.how == EXPECTED[kind]
    assert told[0] == ("indexing", None)
    made = copy_of(playable, tmp_path)
    assert [read_barcode(frame.rgb) for frame in made] == list(range(60))
    np.testing.assert_array_equal(playable.times, video.pts_seconds)
    np.testing.assert_allclose(
        made.pts_seconds, playable.times - playable.offset_seconds, atol=1e-3
    )
    assert (playable.width, playable.height) == (video.width, video.height)
    playable.close()


def test_a_transcoded_copy_seeks_fast_and_starts_at_once(spelled, tmp_path: Path) -> None:
    _, playable, told = make(spelled("hevc"))
    made = copy_of(playable, tmp_path)
    with av.open(str(made.source)) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert np.diff([*keyframes, len(packets)]).max() <= media.KEYFRAME_EVERY
    data = playable.read(0, playable.num_bytes)
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes before the pictures"
    fractions = [fraction for phase, fraction in told if phase == "transcoding"]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
    playable.close()


def test_transcoding_keeps_the_sound(spelled, tmp_path: Path) -> None:
    video, playable, _ = make(spelled("audio"), transcode=True)
    assert playable.plan.how == "transcode"
    made = copy_of(playable, tmp_path)
    assert made.has_audio
    before = np.concatenate(list(video.audio_blocks()))[:, 0]
    after = np.concatenate(list(made.audio_blocks()))[:, 0]

    # AAC is lossy and shifts phases: the loudness of each tenth of a second is what must stay.
    def loudness(samples: np.ndarray) -> np.ndarray:
        whole = len(samples) // 4800 * 4800
        return np.sqrt((samples[:whole].reshape(-1, 4800) ** 2).mean(axis=1))

    np.testing.assert_allclose(loudness(after)[1:-1], loudness(before)[1:-1], rtol=0.1)
    playable.close()


def test_odd_sizes_are_padded_not_stretched(spelled, tmp_path: Path) -> None:
    video, playable, _ = make(spelled("gif", size=(191, 143)))
    assert (video.width, video.height) == (191, 143)
    assert (playable.width, playable.height) == (192, 144)
    rgb = copy_of(playable, tmp_path).frame_at(7).rgb
    assert read_barcode(rgb[:143, :191]) == 7
    # The padding repeats the edge, so nothing foreign can bleed into the picture.
    np.testing.assert_allclose(rgb[143].astype(int), rgb[142].astype(int), atol=12)
    playable.close()


def test_a_damaged_file_plays_as_far_as_it_goes(odd: Path) -> None:
    video, playable, _ = make(odd / "decord_corrupted.mp4", transcode=True)
    frames, good = vl.Video(odd / "decord_corrupted.mp4").frames(), 0
    with contextlib.suppress(vl.VidlabError):
        while next(frames, None) is not None:
            good += 1
    assert 0 < good < video.num_frames
    assert len(playable.times) == good
    assert f"{good} of {video.num_frames}" in playable.warning
    playable.close()


def test_stopping_leaves_nothing_behind(spelled, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    video, stop = vl.Video(spelled("hevc")), threading.Event()

    def on_progress(phase: str, fraction: float | None) -> None:
        if phase == "transcoding" and fraction and fraction > 0.3:
            assert list(tmp_path.iterdir()), "the copy is written where temporary files go"
            stop.set()

    with pytest.raises(Stopped):
        prepare(video, on_progress=on_progress, stop=stop)
    assert list(tmp_path.iterdir()) == []


def test_closing_removes_the_copy(spelled, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, playable, _ = make(spelled("offset"))
    assert len(list(tmp_path.iterdir())) == 1
    playable.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WidgetError, match="Run the cell again"):
        playable.read(0, 10)


def test_no_room_for_a_copy_says_so(spelled, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media, "_transcode", full)
    with pytest.raises(WidgetError, match=r"No space left.*TMPDIR"):
        make(spelled("hevc"))


def test_a_copy_that_would_show_other_frames_is_not_used(spelled, monkeypatch) -> None:
    monkeypatch.setattr(media, "_remux", lambda *_: None)
    _, playable, _ = make(spelled("offset"))
    assert playable.plan.how == "transcode"
    assert playable.offset_seconds == pytest.approx(7.5)
    playable.close()


@pytest.mark.parametrize("given", ["bytes", "file"])
def test_bytes_and_file_objects_play(given: str, spelled) -> None:
    path = spelled("mp4")
    with path.open("rb") as stream:
        video = vl.Video(path.read_bytes() if given == "bytes" else stream)
        playable = prepare(video, on_progress=lambda *_: None, stop=threading.Event())
        assert playable.read(0, playable.num_bytes) == path.read_bytes()
        assert playable.plan == Plan("direct", "video/mp4")
        playable.close()
        assert read_barcode(video.frame_at(5).rgb) == 5, "the video is not closed with it"
