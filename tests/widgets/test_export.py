"""Exports: the right frames at the right times, with sound and overlays, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from synthetic import read_barcode

import vidlab as vl
from vidlab.core.errors import FrameRangeError, OptionError, VideoDecodeError
from vidlab.widgets import Player
from vidlab.widgets.export import export as export_all
from vidlab.widgets.export import snapshot as snapshot_all


def export(player: Player, path: Path, **options: Any) -> Path:
    defaults = dict.fromkeys(("start", "stop", "overlay", "width_px"))
    return export_all(player, path, **(defaults | {"progress": False} | options))


def snapshot(player: Player, frame_index: int | None = None, **options: Any) -> Any:
    return snapshot_all(player, frame_index, **({"width_px": None, "overlay": None} | options))


@pytest.fixture
def player(spelled: Callable[..., Path], predict_ids: Callable[..., Any]) -> Player:
    video = vl.Video(spelled("mp4"))
    return Player(video, predict_ids(video, [0, 1, 2, 3] * 3))


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset", "rotated-90", "avi", "hevc"])
def test_mp4_holds_the_same_frames_at_the_same_times(kind, spelled, tmp_path: Path) -> None:
    source = vl.Video(spelled(kind))
    made = vl.Video(export(Player(source), tmp_path / "out.mp4"))
    assert [read_barcode(frame.rgb) for frame in made] == list(range(60))
    np.testing.assert_allclose(
        made.pts_seconds, source.pts_seconds - source.pts_seconds[0], atol=1e-3
    )
    assert made.duration_seconds == pytest.approx(source.duration_seconds, abs=2e-3)
    assert (made.width, made.height) == (source.width, source.height)


def test_sound_stays_in_step(spelled, tmp_path: Path) -> None:
    source = vl.Video(spelled("audio"))
    made = vl.Video(export(Player(source), tmp_path / "out.mp4", start=15))
    start = source.pts_seconds[15]
    before = np.concatenate(list(source.audio_blocks(start_seconds=start)))[:, 0]
    after = np.concatenate(list(made.audio_blocks()))[:, 0]
    assert len(after) == pytest.approx(len(before), abs=64)
    span = slice(2000, min(len(before), len(after)) - 2000)
    assert np.corrcoef(before[span], after[span])[0, 1] > 0.98


def test_sound_of_a_rate_that_aac_lacks_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(path, "w") as container:
        pictures = container.add_stream("libx264", rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=22_254, layout="mono")
        tone = np.sin(np.arange(22_254) * 2 * np.pi * 440 / 22_254) * 12_000
        samples = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], "s16", "mono")
        samples.sample_rate, samples.pts = 22_254, 0
        container.mux(sound.encode(samples))
        black = np.zeros((64, 64, 3), np.uint8)
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(black)))
        container.mux(pictures.encode())
    made = vl.Video(export(Player(vl.Video(path)), tmp_path / "out.mp4"))
    assert made.audio_sample_rate == 48_000
    heard = np.concatenate(list(made.audio_blocks()))[4000:40_000, 0]
    loudest = np.abs(np.fft.rfft(heard)).argmax() * 48_000 / len(heard)
    assert loudest == pytest.approx(440, abs=5)


@pytest.mark.parametrize("stop", [3.0, "5"])
def test_frames_are_whole_numbers(stop: object, player: Player, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="whole numbers of frames"):
        export(player, tmp_path / "out.mp4", start=1, stop=stop)
    assert not list(tmp_path.iterdir())


def test_the_selection_is_exported(player: Player, tmp_path: Path) -> None:
    player.selection = (10, 20)
    for name in ("out.mp4", "out.gif"):
        made = vl.Video(export(player, tmp_path / name))
        assert [read_barcode(frame.rgb) for frame in made] == list(range(10, 20))
    made = vl.Video(export(player, tmp_path / "late.mp4", start=57))
    assert [read_barcode(frame.rgb) for frame in made] == [57, 58, 59]


def test_overlays_are_burned_in(player: Player, tmp_path: Path) -> None:
    plain = np.asarray(snapshot(player, 7), np.int16)
    np.testing.assert_array_equal(plain, player.video.frame_at(7).rgb)
    labelled = np.asarray(snapshot(player, 7, overlay="label"), np.int16)
    changed = np.abs(labelled - plain).max(axis=2) > 0
    assert changed.any()
    assert not changed[: 144 // 2].any(), "the label is at the bottom"
    path = export(player, tmp_path / "out.mp4", start=7, stop=8, overlay=["label"])
    made = vl.Video(path).frame_at(0).rgb.astype(np.int16)
    assert np.abs(made - labelled).mean() < np.abs(made - plain).mean() / 2


def test_snapshot_takes_the_frame_on_screen_at_any_width(player: Player) -> None:
    player.frame_index = 33
    picture = snapshot(player, width_px=400)
    assert picture.size == (400, 300)
    assert picture.mode == "RGB"
    assert read_barcode(np.asarray(picture)) == 33
    with pytest.raises(FrameRangeError, match="has frames 0 to 59"):
        snapshot(player, 60)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("out.avi", {}, r"writes \.mp4 .* or \.gif; got 'out.avi'"),
        ("out", {}, r"writes \.mp4 .* or \.gif; got 'out'"),
        ("out.mp4", {"start": 9, "stop": 9}, "0 <= start < stop <= 60"),
        ("out.mp4", {"stop": 61}, "0 <= start < stop <= 60"),
        ("out.mp4", {"start": -1}, "0 <= start < stop <= 60"),
        ("out.mp4", {"width_px": 5}, "width_px must be a whole number from 16"),
        ("out.mp4", {"width_px": 50.5}, "width_px must be a whole number from 16"),
        ("out.mp4", {"overlay": "lable"}, "Did you mean 'label'"),
        ("out.mp4", {"overlay": "boxes"}, "boxes"),
    ],
)
def test_wrong_options_are_refused(name, options, message, player, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        export(player, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_the_old_file(player, monkeypatch, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"the old file")
    walk = player.video.walk

    def damaged(**options: Any) -> Any:
        for pair in walk(**options):
            if pair[0].index == 3:
                raise VideoDecodeError("damaged here", frame_index=3)
            yield pair

    monkeypatch.setattr(player.video, "walk", damaged)
    with pytest.raises(VideoDecodeError, match="damaged here"):
        export(player, target)
    assert target.read_bytes() == b"the old file"
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_odd_widths_are_padded_not_cut(spelled, tmp_path: Path) -> None:
    source = vl.Video(spelled("mp4", size=(190, 144)))
    made = vl.Video(export(Player(source), tmp_path / "out.mp4", stop=3, width_px=95))
    assert made.width == 96
    small = np.asarray(snapshot(Player(source), 2, width_px=95))
    assert np.abs(small.astype(int) - made.frame_at(2).rgb[: small.shape[0], :95]).mean() < 8
