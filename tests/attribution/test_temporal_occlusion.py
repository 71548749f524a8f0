"""Which seconds decide: planted ones are found, whatever the model and the filling."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from arithmetic import ArithmeticModel
from planted import WhiteModel, dark, write

import vidlab as vl
from vidlab.attribution import temporal_occlusion
from vidlab.attribution.filling import filled
from vidlab.core.errors import LabelMapError, OptionError
from vidlab.core.probabilities import softmax
from vidlab.datasets import render_sequence
from vidlab.datasets.writing import write_video
from vidlab.transforms import Preprocessing
from vidlab.widgets.annotations import read_truth
from vidlab.widgets.curves import read_curves

matplotlib.use("Agg")

# White from 3.0 to before 4.0 s of 6.3 s, at 10 frames a second.
FLASH = slice(30, 40)


@pytest.fixture(scope="module")
def flash(tmp_path_factory) -> Path:
    frames = dark(63, 32, 48)
    frames[FLASH, 4:20, 4:20:2] = 255  # stripes: what is hidden by taking detail away, too
    return write(tmp_path_factory.mktemp("flash") / "flash.mp4", frames)


def stripes_model(**options) -> WhiteModel:
    return WhiteModel(Preprocessing(height_px=32, width_px=48, frame_rate=5.0), **options)


@pytest.mark.parametrize("fill", ["blur", "freeze", "gray"])
@pytest.mark.parametrize(
    "options", [{}, {"chunk_frames": 3}, {"kind": "frame"}, {"kind": "clip", "num_frames": 7}]
)
def test_the_planted_second_is_rank_1(flash: Path, options: dict, fill: str) -> None:
    found = temporal_occlusion(
        flash, stripes_model(**options), label="class 1", fill=fill, progress=False
    )
    best = found.table.set_index("rank").loc[1]
    assert (best["start_seconds"], best["end_seconds"]) == (3.0, 4.0)
    assert best["drop"] > 0.05
    assert best["probability"] == pytest.approx(found.probability - best["drop"])
    far = found.table[(found.table["end_seconds"] <= 3) | (found.table["start_seconds"] >= 4)]
    # Frozen, what comes right after the flash shows it longer, which costs less than nothing.
    assert far["drop"].max() < 0.2 * best["drop"]


def test_windows_cover_the_video_and_the_last_ends_with_it(flash: Path) -> None:
    table = temporal_occlusion(flash, stripes_model(), progress=False).table
    np.testing.assert_allclose(table["start_seconds"], np.arange(12) / 2)
    np.testing.assert_allclose(table["end_seconds"], [*(np.arange(11) / 2 + 1), 6.3])
    assert sorted(table["rank"]) == list(range(1, 13))
    by_rank = table.sort_values("rank")["drop"].to_numpy()
    assert (np.diff(by_rank) <= 0).all()


def test_windows_between_two_sampled_frames_are_left_out(flash: Path) -> None:
    table = temporal_occlusion(
        flash, stripes_model(), window_seconds=0.1, hop_seconds=0.1, fps=2, progress=False
    ).table
    np.testing.assert_allclose(table["start_seconds"], np.arange(13) / 2)


@pytest.mark.parametrize("kind", ["stream", "frame", "clip"])
def test_it_is_what_hiding_the_frames_one_by_one_gives(flash: Path, kind: str) -> None:
    """Against running the whole changed video, with a model whose answers hang on every frame."""
    model = ArithmeticModel(kind=kind, num_frames=5, chunk_frames=3)
    frames = [frame for frame in vl.Video(flash).frames() if frame.index % 2 == 0]  # 5 a second
    pixels = np.stack([model.preprocessing(frame.rgb) for frame in frames])
    times = np.array([frame.pts_seconds for frame in frames])

    def answer(given: np.ndarray) -> np.ndarray:
        if kind != "clip":
            logits = model.step(given, 0)[0]
            return softmax(logits[-1:] if kind == "stream" else logits).mean(axis=0)
        starts = [*range(0, 26, 5), 27]  # of 32 frames
        return softmax(model.classify(np.stack([given[s : s + 5] for s in starts]))).mean(axis=0)

    found = temporal_occlusion(flash, model, fill="gray", progress=False)
    class_id = int(answer(pixels).argmax())
    assert found.label == model.labels[class_id]
    assert found.probability == pytest.approx(answer(pixels)[class_id], abs=1e-6)
    for row in found.table.itertuples():
        changed = pixels.copy()
        hidden = (times > row.start_seconds - 1e-6) & (times < row.end_seconds - 1e-6)
        changed[hidden] = 0.5
        assert row.probability == pytest.approx(answer(changed)[class_id], abs=1e-6)


def test_a_stream_model_goes_on_from_the_state_before(flash: Path) -> None:
    model = stripes_model()
    found = temporal_occlusion(flash, model, progress=False)
    num = len(found.frame_index)
    starts = np.searchsorted(found.time_seconds, found.table["start_seconds"] - 1e-6)
    assert sum(model.chunk_sizes) == num + (num - starts).sum()


def test_only_clips_that_changed_are_run_again(flash: Path) -> None:
    model = stripes_model(kind="clip", num_frames=4)
    temporal_occlusion(flash, model, window_seconds=0.8, hop_seconds=0.8, progress=False)
    # 32 frames are 8 clips, and each window is one of them.
    assert model.chunk_sizes == [4] * (8 + 8)


def test_where_the_probability_is_sure_the_logit_ranks(flash: Path) -> None:
    found = temporal_occlusion(
        flash, stripes_model(base=60.0), label="class 1", fill="gray", progress=False
    )
    assert found.probability == 1.0
    assert (found.table["drop"] == 0).all()
    best = found.table.set_index("rank").loc[1]
    assert best["start_seconds"] == 3.0
    assert best["logit_drop"] > 1


def test_the_decisive_window_of_an_action_lies_in_its_segment(tmp_path: Path) -> None:
    """With the shipped model, for each of three actions that the video shows once."""
    labels = ["waving hand", "jumping jacks", "sitting down"]
    clip = render_sequence(3, labels=labels, size_px=112, frame_rate=5.0)
    write_video(tmp_path / "three.mp4", clip)
    model = vl.load_model("stickactions-xs-stream", backend="torch", num_threads=1)
    for row in clip.segments.itertuples():
        found = temporal_occlusion(
            tmp_path / "three.mp4", model, label=row.label, hop_seconds=1.0, progress=False
        )
        best = found.table.set_index("rank").loc[1]
        middle = (best["start_seconds"] + best["end_seconds"]) / 2
        assert row.start_seconds <= middle <= row.end_seconds, row.label


def test_segments_and_curve_are_what_the_player_takes(flash: Path) -> None:
    found = temporal_occlusion(flash, stripes_model(), label="class 1", fill="gray", progress=False)
    segments = found.segments()
    assert segments["label"].tolist() == ["class 1"]
    assert segments["start_seconds"][0] <= 3.0 < 4.0 <= segments["end_seconds"][0]
    truth = read_truth(segments, video=found.video)
    assert truth is not None
    curve = found.curve()
    (line,) = read_curves(curve)
    assert line.name == "drop"
    # The mean of the two windows that hide the frame at 3.4 s: from 2.5 and from 3.0 s on.
    drops = found.table.set_index("start_seconds")["drop"]
    at = curve.set_index("frame_index")["drop"]
    assert at[34] == pytest.approx((drops[2.5] + drops[3.0]) / 2)
    assert at[0] == pytest.approx(drops[0.0])


def test_segments_are_joined_where_they_touch_and_none_where_nothing_costs(flash: Path) -> None:
    found = temporal_occlusion(
        flash, stripes_model(), label="class 1", fill="gray", hop_seconds=1.0, progress=False
    )
    table = found.table
    table["drop"] = np.array([1.0, 0.6, 0.1, 0.5, 0.4, -1.0, 0.2])
    assert found.segments()[["start_seconds", "end_seconds"]].to_numpy().tolist() == [
        [0.0, 2.0],
        [3.0, 4.0],
    ]
    table["drop"] = -table["drop"].abs()
    assert found.segments().empty
    assert list(found.segments().columns) == ["start_seconds", "end_seconds", "label"]


def test_freeze_takes_the_frame_before_or_else_the_one_after() -> None:
    pixels = np.arange(4, dtype=np.float32)[:, None, None, None] * np.ones((1, 6, 6, 3), np.float32)
    preprocessing = Preprocessing(height_px=6, width_px=6)
    for (start, stop), kept in {(1, 3): 0, (2, 4): 1, (0, 2): 2, (0, 4): 0}.items():
        got = filled(pixels, start, stop, "freeze", preprocessing)
        np.testing.assert_array_equal(got, np.full((stop - start, 6, 6, 3), kept, np.float32))


def test_gray_is_gray_before_scaling_and_blur_keeps_flat_pictures() -> None:
    preprocessing = Preprocessing(height_px=9, width_px=12, mean=(0.4, 0.5, 0.6), std=(0.1,) * 3)
    flat = np.full((2, 9, 12, 3), 0.25, np.float32)
    gray = filled(flat, 0, 1, "gray", preprocessing)
    np.testing.assert_allclose(gray[0, 4, 4], [1.0, 0.0, -1.0], atol=1e-5)
    np.testing.assert_allclose(filled(flat, 0, 2, "blur", preprocessing), flat, atol=1e-6)


def test_blur_is_a_gaussian_mean() -> None:
    scipy = pytest.importorskip("scipy.ndimage")
    picture = np.random.default_rng(1).random((1, 56, 70, 3), dtype=np.float32)
    got = filled(picture, 0, 1, "blur", Preprocessing(height_px=56, width_px=70))
    wanted = scipy.gaussian_filter(picture[0], sigma=(2.5, 2.5, 0), truncate=8)
    inside = np.s_[20:-20, 20:-20]  # at the edges the mean is of what is there
    np.testing.assert_allclose(got[0][inside], wanted[inside], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window_seconds": 0}, "window_seconds must be a positive"),
        ({"hop_seconds": float("nan")}, "hop_seconds must be a positive"),
        ({"hop_seconds": 2.0}, "at most window_seconds"),
        ({"fill": "grey"}, "Did you mean 'gray'"),
        ({"fps": -1}, "fps must be"),
    ],
)
def test_wrong_options_are_refused(flash: Path, options: dict, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        temporal_occlusion(flash, stripes_model(), progress=False, **options)


def test_a_label_that_is_none_is_refused_before_the_video_is_read() -> None:
    with pytest.raises(LabelMapError, match="class 1"):
        temporal_occlusion("absent.mp4", stripes_model(), label="clas 1")


def test_it_is_drawn_with_korean_labels(flash: Path) -> None:
    model = stripes_model()
    model.labels = vl.LabelMap(["걷기", "손 흔들기", "앉기"])
    found = temporal_occlusion(flash, model, label="손 흔들기", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of letters that a font lacks
        ax = found.plot()
        ax.figure.savefig("/dev/null", format="png")
    assert "손 흔들기" in ax.get_title()
    assert found.plot(ax) is ax
    assert ax.figure.get_size_inches()[0] == 7
    matplotlib.pyplot.close("all")
    assert "손 흔들기" in found._repr_mimebundle_()["text/html"]


def test_a_name_that_is_no_unicode_is_escaped_where_it_is_shown(flash: Path) -> None:
    found = temporal_occlusion(flash, stripes_model(), progress=False)
    odd = replace(found, video="caf\udce9\x07<b>.mp4")
    assert odd.video == "caf\udce9\x07<b>.mp4"
    shown = odd._repr_mimebundle_()
    # As `Predictions` shows it: what can be written stays as it is.
    assert " on caf\\udce9\x07<b>.mp4: " in shown["text/plain"] == repr(odd)
    assert " on caf\\udce9\x07&lt;b>.mp4: " in shown["text/html"]
