"""What sampling alone does: each setting is what it says, and changes of mind are counted."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from arithmetic import ArithmeticModel
from PIL import Image
from planted import WhiteModel, dark, write
from synthetic import make_video, read_barcode

import vidlab as vl
from vidlab.attribution import CROPS, Setting, sampling_lab
from vidlab.core.errors import LabelMapError, OptionError
from vidlab.models.base import Model
from vidlab.transforms import Preprocessing

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def blinking(tmp_path_factory) -> Path:
    """Every other frame of 30, at 10 fps, has its left edge white."""
    frames = dark(30, 40, 60)
    frames[1::2, :, :6] = 255
    return write(tmp_path_factory.mktemp("blinking") / "blinking.mp4", frames)


def white_model(**options) -> WhiteModel:
    return WhiteModel(Preprocessing(height_px=20, width_px=30, frame_rate=5.0), **options)


class Remembers(ArithmeticModel):
    """Keeps what it was given."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.given: list[np.ndarray] = []

    def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
        self.given.append(frames)
        return super().step(frames, state)


@pytest.mark.parametrize("kind", ["stream", "frame", "clip"])
def test_the_default_is_what_predict_does(blinking: Path, kind: str) -> None:
    model = white_model(kind=kind, num_frames=4)
    wanted = vl.predict(blinking, model, progress=False)
    lab = sampling_lab(blinking, model, fps=(2.0,), phases=(0.5,), crops=("left",), progress=False)
    assert lab.settings == (Setting(5.0, 0.0, "centre", 2), Setting(2.0, 0.5, "left", 5))
    np.testing.assert_allclose(lab.runs[0].time_seconds, wanted.time_seconds)
    np.testing.assert_allclose(lab.runs[0].probabilities, wanted.probabilities, atol=1e-6)
    last = wanted.probabilities[-1] if kind == "stream" else wanted.probabilities.mean(axis=0)
    np.testing.assert_allclose(lab.probabilities[0], last, atol=1e-6)


@pytest.mark.parametrize(("rate", "phase"), [(4.0, 0.0), (4.0, 0.25), (7.0, 0.9), (60.0, 0.5)])
def test_frames_are_those_on_screen_at_the_instants(
    tmp_path: Path, rate: float, phase: float
) -> None:
    """Of a video of variable rate, by the definition."""
    times = make_video(tmp_path / "vfr.mp4", kind="vfr", num_frames=30)
    model = Remembers(frame_rate=5.0)
    sampling_lab(
        tmp_path / "vfr.mp4", model, fps=(rate,), phases=(phase,), crops=("centre",), progress=False
    )
    video = vl.Video(tmp_path / "vfr.mp4")
    instants = times[0] + (phase + np.arange(1000)) / rate
    instants = instants[instants < video.end_seconds - 1e-9]
    wanted = np.unique(np.searchsorted(times, instants + 1e-6, side="right") - 1)
    got = np.concatenate(model.given)[-len(wanted) :]
    for number, pixels in zip(wanted.tolist(), got, strict=True):
        np.testing.assert_array_equal(pixels, model.preprocessing(video.frame_at(number).rgb))


def test_a_setting_that_sees_other_frames_changes_the_answer(blinking: Path) -> None:
    lab = sampling_lab(blinking, white_model(), fps=(5.0, 10.0), progress=False)
    assert len(lab.settings) == 2 * 2 * 4
    # At 5 fps and phase 0, the default, the white edge is never seen.
    assert lab.default_label == "class 0"
    flips = {(row.fps, row.phase, row.crop): row for row in lab.flips.itertuples()}
    # Half a period later it always is, and at 10 fps too, unless the left is cut off.
    assert set(flips) == {
        (fps, phase, crop)
        for fps, phase in ((5.0, 0.5), (10.0, 0.0), (10.0, 0.5))
        for crop in ("centre", "left")
    }
    found = flips[5.0, 0.5, "centre"]
    assert found.label == "class 1"
    logit = 40 * 0.1 - 2  # a tenth of the picture is white
    assert found.probability == pytest.approx(np.exp(logit) / (np.exp(logit) + 2), abs=1e-3)
    assert found.default_probability == pytest.approx(1 / (np.exp(logit) + 2), abs=1e-3)


@pytest.mark.parametrize(("stride", "phase", "first"), [(1, 0.5, 0), (4, 0.0, 0), (5, 0.5, 2)])
def test_a_stride_takes_every_nth_frame(
    tmp_path: Path, stride: int, phase: float, first: int
) -> None:
    """However unevenly they come."""
    make_video(tmp_path / "vfr.mp4", kind="vfr", num_frames=30)
    model = Remembers(frame_rate=5.0)
    lab = sampling_lab(
        tmp_path / "vfr.mp4", model, strides=(stride,), phases=(phase,), crops=("centre",),
        progress=False,
    )  # fmt: skip
    video = vl.Video(tmp_path / "vfr.mp4")
    wanted = range(first, 30, stride)
    assert lab.settings[1] == Setting(video.fps / stride, phase, "centre", stride)
    # The default goes by time, and takes now more and now fewer.
    assert lab.settings[0] == Setting(5.0, 0.0, "centre", None)
    assert lab.table["stride"].isna().tolist() == [True, False]
    got = np.concatenate(model.given)[-len(wanted) :]
    for number, pixels in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(pixels, model.preprocessing(video.frame_at(number).rgb))
    np.testing.assert_allclose(lab.runs[1].time_seconds, video.pts_seconds[first::stride])


def test_a_clip_models_stride_is_within_a_clip(blinking: Path) -> None:
    model = white_model(kind="clip", num_frames=4)
    lab = sampling_lab(
        blinking, model, strides=(3,), phases=(0.0,), crops=("centre",), progress=False
    )
    # 10 frames: clips of 4 end with the 4th, the 8th and the last of them.
    np.testing.assert_allclose(lab.runs[1].time_seconds, np.array([9, 21, 27]) / 10)


def test_a_stride_that_is_the_default_is_not_run_again(blinking: Path) -> None:
    lab = sampling_lab(
        blinking, white_model(), strides=(1, 2, 4), phases=(0.0,), crops=("centre",),
        progress=False,
    )  # fmt: skip
    assert [(each.fps, each.stride) for each in lab.settings] == [(5.0, 2), (10.0, 1), (2.5, 4)]
    assert str(lab.settings[2]) == "2.5 fps, stride 4, phase 0, centre"


def test_a_model_without_a_rate_sees_every_frame(tmp_path: Path) -> None:
    make_video(tmp_path / "vfr.mp4", kind="vfr", num_frames=30)
    model = ArithmeticModel(frame_rate=None)
    lab = sampling_lab(
        tmp_path / "vfr.mp4", model, fps=(3.0,), phases=(0.0,), crops=("centre",), progress=False
    )
    assert lab.settings[0].stride == 1
    wanted = vl.predict(tmp_path / "vfr.mp4", model, progress=False)
    np.testing.assert_allclose(lab.runs[0].time_seconds, wanted.time_seconds)
    np.testing.assert_allclose(lab.runs[0].probabilities, wanted.probabilities, atol=1e-6)


def test_it_keeps_a_picture_from_the_middle(tmp_path: Path) -> None:
    make_video(tmp_path / "cfr.mp4", num_frames=30, size=(640, 480))
    model = ArithmeticModel(frame_rate=None)
    lab = sampling_lab(
        tmp_path / "cfr.mp4", model, phases=(0.0,), crops=("centre",), progress=False
    )
    video = vl.Video(tmp_path / "cfr.mp4")
    assert lab.span_seconds == (video.start_seconds, video.end_seconds)
    picture = np.asarray(Image.open(io.BytesIO(lab.picture)))
    assert picture.shape == (240, 320, 3)
    assert read_barcode(picture) == 15


def test_the_table_is_tidy(blinking: Path) -> None:
    lab = sampling_lab(blinking, white_model(), fps=(5.0,), crops=("centre",), progress=False)
    table = lab.table
    names = ["fps", "stride", "phase", "crop", "label", "probability", "top1"]
    assert list(table.columns) == names == list(lab.flips.columns)[:5] + names[5:]
    assert table["stride"].tolist() == [2] * 4
    assert table["label"].tolist() == ["class 0", "class 1"] * 2
    assert table["top1"].tolist() == [True, False, False, True]
    assert table["phase"].tolist() == [0.0, 0.0, 0.5, 0.5]
    assert "1 of 2 settings" in repr(lab)
    assert "class 1" in lab._repr_mimebundle_()["text/html"]


def test_a_name_that_is_no_unicode_is_escaped_where_it_is_shown(blinking: Path) -> None:
    lab = sampling_lab(blinking, white_model(), fps=(5.0,), crops=("centre",), progress=False)
    odd = replace(lab, video="caf\udce9\x07<b>.mp4")
    assert odd.video == "caf\udce9\x07<b>.mp4"
    shown = odd._repr_mimebundle_()
    assert " on caf\\udce9\x07<b>.mp4: " in shown["text/plain"] == repr(odd)
    assert " on caf\\udce9\x07&lt;b>.mp4: " in shown["text/html"]


@pytest.mark.parametrize("crop", CROPS)
def test_a_crop_is_cut_out_of_the_frame(blinking: Path, crop: str) -> None:
    model = Remembers(frame_rate=5.0)
    sampling_lab(blinking, model, fps=(5.0,), phases=(0.0,), crops=(crop,), progress=False)
    rows, columns = {
        "centre": (slice(None), slice(None)),
        "closer": (slice(4, 36), slice(6, 54)),
        "left": (slice(4, 36), slice(0, 48)),
        "right": (slice(4, 36), slice(12, 60)),
        "up": (slice(0, 32), slice(6, 54)),
        "down": (slice(8, 40), slice(6, 54)),
    }[crop]
    rgb = np.ascontiguousarray(vl.Video(blinking).frame_at(28).rgb[rows, columns])
    np.testing.assert_array_equal(model.given[-1][-1], model.preprocessing(rgb))


def test_the_band_is_what_the_settings_say_by_then(blinking: Path) -> None:
    model = ArithmeticModel(frame_rate=2.0)
    lab = sampling_lab(
        blinking, model, fps=(2.0, 3.0), phases=(0.0, 0.7), crops=("centre", "left"), progress=False
    )
    band = lab.band("class 3")
    every = sorted({time for run in lab.runs for time in run.time_seconds})
    assert band["time_seconds"].tolist() == every
    for row in band.itertuples():
        said = [
            run.probabilities[run.time_seconds <= row.time_seconds, 3][-1]
            for run in lab.runs
            if run.time_seconds[0] <= row.time_seconds
        ]
        assert (row.low, row.high) == (min(said), max(said))
        assert row.median == pytest.approx(np.median(said))
    assert lab.band().equals(lab.band(lab.default_label))
    with pytest.raises(LabelMapError):
        lab.band("class 9")


def test_by_itself_it_takes_half_and_twice_the_rate(blinking: Path) -> None:
    lab = sampling_lab(blinking, white_model(), phases=(0.0,), crops=("centre",), progress=False)
    assert [each.fps for each in lab.settings] == [5.0, 2.5, 10.0]
    model = ArithmeticModel(frame_rate=None)
    lab = sampling_lab(blinking, model, phases=(0.0,), crops=("centre",), progress=False)
    assert [each.fps for each in lab.settings] == [10.0, 5.0, 20.0]
    wanted = vl.predict(blinking, model, progress=False)
    np.testing.assert_allclose(lab.runs[0].probabilities, wanted.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fps": ()}, "fps must have at least one"),
        ({"fps": (0.0,)}, "fps must be positive"),
        ({"phases": (1.0,)}, "from 0 to below 1"),
        ({"crops": ("center",)}, "Did you mean 'centre'"),
        ({"fps": (0.1,), "phases": (0.5,)}, "is over, after 3 s"),
        ({"strides": ()}, "strides must have at least one"),
        ({"strides": (1.5,)}, "whole numbers, 1 or more; got 1.5"),
        ({"strides": (0,)}, "whole numbers, 1 or more; got 0"),
        ({"strides": (80,), "phases": (0.5,)}, "is over, after 30 frames"),
        ({"strides": (1,), "fps": (5.0,)}, "not both"),
    ],
)
def test_wrong_options_are_refused(blinking: Path, options: dict, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        sampling_lab(blinking, white_model(), progress=False, **options)


def test_it_is_drawn(blinking: Path) -> None:
    model: Model = white_model()
    model.labels = vl.LabelMap(["걷기", "손 흔들기", "앉기"])
    lab = sampling_lab(blinking, model, progress=False)
    ax = lab.plot()
    ax.figure.savefig("/dev/null", format="png")
    assert ax.get_title() == "6 of 24 settings do not say 걷기"
    assert lab.plot(ax, label="앉기") is ax
    model.labels = vl.LabelMap(["<b>", "juggling balls", "sitting down"])
    lab = sampling_lab(blinking, model, fps=(5.0,), progress=False)
    ax = lab.plot(label="juggling balls", labels="ko")
    assert ax.get_title().endswith(" of 8 settings do not say 공 저글링하기")
    with pytest.raises(OptionError, match="'ko'"):
        lab.plot(labels="kr")
    matplotlib.pyplot.close("all")
