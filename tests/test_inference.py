from __future__ import annotations

import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import synthetic
from arithmetic import ArithmeticModel

import vidlab as vl
import vidlab.video
from vidlab.core.errors import ModelError, OptionError, VideoError
from vidlab.inference import run
from vidlab.models.arrays import ArrayModel
from vidlab.sampling import at_rate


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    synthetic.make_video(path, kind="mp4", num_frames=100, fps=30)
    return path


def expected_logits(video: vl.Video, model: ArithmeticModel, frames: np.ndarray) -> np.ndarray:
    """The model's formula, written out once more over separately decoded frames."""
    rows = []
    for count, index in enumerate(frames, start=1):
        brightness = model.preprocessing(video[int(index)].rgb).mean()
        rows.append(brightness * np.arange(model.num_classes) / 10 + count / 100)
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("fps", [5.0, 12.5, "source"])
@pytest.mark.parametrize("chunk_frames", [1, 7, 64])
def test_every_sampled_frame_is_answered_in_order(clip: Path, fps, chunk_frames: int) -> None:
    video = vl.Video(clip)
    model = ArithmeticModel(chunk_frames=chunk_frames)
    preds = vl.predict(video, model, fps=fps, progress=False)
    frames = (
        np.arange(video.num_frames) if fps == "source" else at_rate(video.pts_seconds, float(fps))
    )
    np.testing.assert_array_equal(preds.frame_index, frames)
    np.testing.assert_array_equal(preds.time_seconds, video.pts_seconds[frames])
    np.testing.assert_allclose(preds.logits, expected_logits(video, model, frames), atol=1e-5)
    assert preds.complete
    assert max(model.chunk_sizes) <= chunk_frames
    assert (preds.latency_seconds > 0).all()


def test_the_models_own_rate_is_the_default(clip: Path) -> None:
    assert len(vl.predict(clip, ArithmeticModel(frame_rate=5.0), progress=False)) == 17
    assert len(vl.predict(clip, ArithmeticModel(frame_rate=None), progress=False)) == 100


@pytest.mark.parametrize("kind", ["vfr", "offset", "rotated-90", "gif", "avi"])
def test_other_kinds_of_video(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"clip{synthetic.KINDS[kind].suffix}"
    synthetic.make_video(path, kind=kind, num_frames=40)
    video = vl.Video(path)
    preds = vl.predict(video, ArithmeticModel(), progress=False)
    np.testing.assert_array_equal(preds.frame_index, at_rate(video.pts_seconds, 5.0))
    np.testing.assert_array_equal(preds.time_seconds, video.pts_seconds[preds.frame_index])


def test_stream_gives_the_same_answers_one_by_one(clip: Path) -> None:
    preds = vl.predict(clip, ArithmeticModel(), progress=False)
    answers = list(vl.stream(clip, ArithmeticModel()))
    np.testing.assert_array_equal([item.frame_index for item in answers], preds.frame_index)
    np.testing.assert_allclose([item.logits for item in answers], preds.logits, atol=1e-6)
    for item in answers:
        rows = preds.table[preds.table["frame_index"] == item.frame_index]
        assert [label for label, _ in item.top] == rows["label"].tolist()


def test_stream_takes_frames_from_anywhere(clip: Path) -> None:
    frames = list(vl.Video(clip).frames())
    answers = list(vl.stream(iter(frames), ArithmeticModel(), fps="source", max_results=2))
    assert [item.frame_index for item in answers] == list(range(100))
    assert all(len(item.top) == 2 for item in answers)


def test_a_stream_that_is_left_stops_its_thread(clip: Path) -> None:
    answers = vl.stream(clip, ArithmeticModel(), fps="source")
    next(answers)
    answers.close()
    assert not [t for t in threading.enumerate() if t.name == "vidlab-decode"]


def test_several_models_share_one_decoding_and_keep_their_rates(clip: Path) -> None:
    models = [ArithmeticModel(frame_rate=5.0), ArithmeticModel(frame_rate=2.0, chunk_frames=4)]
    both = run(clip, models, progress=False)
    for model, preds in zip(models, both, strict=True):
        alone = vl.predict(
            clip, ArithmeticModel(frame_rate=model.preprocessing.frame_rate), progress=False
        )
        np.testing.assert_array_equal(preds.frame_index, alone.frame_index)
        np.testing.assert_allclose(preds.logits, alone.logits, atol=1e-6)


def test_a_broken_frame_keeps_what_was_done(odd: Path) -> None:
    with pytest.warns(UserWarning, match="decord_corrupted.mp4"):
        preds = vl.predict(
            odd / "decord_corrupted.mp4", ArithmeticModel(), fps="source", progress=False
        )
    assert not preds.complete
    assert 20 <= len(preds) <= 30
    assert preds.stopped
    again = preds.table["frame_index"].unique()
    np.testing.assert_array_equal(again, np.arange(len(preds)))


def test_ctrl_c_keeps_what_was_done(clip: Path) -> None:
    class Interrupted(ArithmeticModel):
        def step(self, frames, state):
            if state >= 30:
                raise KeyboardInterrupt
            return super().step(frames, state)

    with pytest.warns(UserWarning, match="interrupted by the user"):
        preds = vl.predict(clip, Interrupted(), fps="source", progress=False)
    np.testing.assert_array_equal(preds.frame_index, np.arange(30))
    assert "interrupted" in (preds.stopped or "")
    assert not [t for t in threading.enumerate() if t.name == "vidlab-decode"]


def test_a_failing_model_ends_the_decoding_too(clip: Path) -> None:
    class Failing(ArithmeticModel):
        def step(self, frames, state):
            raise ModelError("out of order")

    with pytest.raises(ModelError, match="out of order"):
        vl.predict(clip, Failing(), progress=False)
    assert not [t for t in threading.enumerate() if t.name == "vidlab-decode"]


def test_decoding_does_not_run_far_ahead(clip: Path) -> None:
    """Memory must not grow with the video: the decoder waits for a slow model."""
    seen = []

    class Slow(ArithmeticModel):
        def step(self, frames, state):
            if state == 0:
                time.sleep(0.5)
                seen.append(counted[0])
            return super().step(frames, state)

    counted = [0]

    class Counting(vl.Video):
        def frames(self, **options):
            for frame in super().frames(**options):
                counted[0] += 1
                yield frame

    vl.predict(Counting(clip), Slow(), fps="source", progress=False)
    assert seen[0] < 60
    assert counted[0] == 100


def test_a_video_that_cannot_be_read_at_all_is_an_error(odd: Path) -> None:
    with pytest.raises(VideoError):
        vl.predict(odd / "streamio_broken.mp4", ArithmeticModel(), progress=False)


def test_options_of_the_official_sample(clip: Path) -> None:
    model = ArithmeticModel(max_results=3, score_threshold=0.2)
    preds = vl.predict(clip, model, progress=False)
    assert preds.table["rank"].max() == 3
    assert preds.table["probability"].min() >= 0.2
    only = vl.predict(clip, model, label_allow_list=["class 0"], score_threshold=0.0,
                      progress=False)  # fmt: skip
    assert set(only.table["label"]) == {"class 0"}
    without = vl.predict(clip, model, label_deny_list=["class 3"], progress=False)
    assert "class 3" not in set(without.table["label"])


class TestClips:
    """Clip models answer once per clip."""

    def test_end_to_end_with_a_last_overlapping_clip(self, clip: Path) -> None:
        model = ArithmeticModel(kind="clip", num_frames=4, frame_rate=5.0)
        preds = vl.predict(clip, model, progress=False)
        sampled = at_rate(vl.Video(clip).pts_seconds, 5.0)
        assert len(sampled) == 17
        np.testing.assert_array_equal(preds.frame_index, sampled[[3, 7, 11, 15, 16]])
        np.testing.assert_array_equal(preds.clip_start, sampled[[0, 4, 8, 12, 13]])
        video = vl.Video(clip)
        clip_frames = [model.preprocessing(video[int(i)].rgb) for i in sampled[13:17]]
        np.testing.assert_allclose(preds.logits[-1], np.mean(clip_frames) * np.arange(4), atol=1e-5)

    def test_a_hop_makes_rolling_clips(self, clip: Path) -> None:
        model = ArithmeticModel(kind="clip", num_frames=4, frame_rate=5.0)
        preds = vl.predict(clip, model, hop=1, progress=False)
        sampled = at_rate(vl.Video(clip).pts_seconds, 5.0)
        np.testing.assert_array_equal(preds.frame_index, sampled[3:])
        np.testing.assert_array_equal(preds.clip_start, sampled[:-3])

    def test_a_video_shorter_than_a_clip_is_one_short_clip(self, clip: Path) -> None:
        model = ArithmeticModel(kind="clip", num_frames=50, frame_rate=5.0)
        assert len(vl.predict(clip, model, progress=False)) == 1

    def test_a_network_of_a_fixed_length_gets_the_last_frame_again(self, clip: Path) -> None:
        known = ArithmeticModel(kind="clip", num_frames=20, frame_rate=5.0)
        clips = []

        def network(batch: np.ndarray) -> np.ndarray:
            clips.append(batch.transpose(0, 2, 3, 4, 1)[0])
            return batch.reshape(1, 3, 20 * 8 * 8).mean(axis=2)  # fails with any other number

        model = ArrayModel(
            network, backend="own", card=known.card, variant="own", num_threads=1,
            labels=vl.LabelMap(["r", "g", "b"]), provenance=known.provenance,
            selection=known.selection,
        )  # fmt: skip
        preds = vl.predict(clip, model, progress=False)
        video = vl.Video(clip)
        sampled = at_rate(video.pts_seconds, 5.0)
        expected = [model.preprocessing(video[int(i)].rgb) for i in [*sampled, *sampled[[-1] * 3]]]
        np.testing.assert_allclose(clips[0], expected, atol=1e-6)
        assert preds.frame_index.tolist() == [sampled[-1]]
        assert preds.made_by["sampling"] == {"fps": 5.0, "repeats_of_last_frame": 3}
        long = vl.predict(clip, model, fps=10, progress=False)
        assert len(long) == 2
        assert long.made_by["sampling"] == {"fps": 10.0}

    def test_they_cannot_stream(self, clip: Path) -> None:
        with pytest.raises(ModelError, match=r"use predict\(\)"):
            vl.stream(clip, ArithmeticModel(kind="clip"))


@pytest.mark.parametrize("fps", [0, -1, 2000, "all", True, float("nan")])
def test_bad_rates_are_refused(clip: Path, fps) -> None:
    with pytest.raises(OptionError, match="fps must be"):
        vl.predict(clip, ArithmeticModel(), fps=fps, progress=False)


def test_a_hop_for_a_streaming_model_is_refused(clip: Path) -> None:
    """A sampling option must never be ignored without a word."""
    with pytest.raises(OptionError, match="hop is for clip models"):
        vl.predict(clip, ArithmeticModel(), hop=2, progress=False)


def test_what_made_it_is_recorded(clip: Path, tmp_path: Path) -> None:
    preds = vl.predict(clip, ArithmeticModel(), fps=10, progress=False)
    made_by = preds.made_by
    assert made_by["sampling"] == {"fps": 10.0}
    assert made_by["num_threads"] == 1
    assert made_by["model"]["weights_sha256"] == "0" * 64
    assert made_by["video"]["name"] == "clip.mp4"
    assert {"python", "vidlab", "numpy", "av"} <= set(made_by["versions"])
    preds.save(tmp_path / "p.parquet")
    assert vl.Predictions.load(tmp_path / "p.parquet").made_by.keys() == made_by.keys()


def test_no_warning_when_all_is_well(clip: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vl.predict(clip, ArithmeticModel(), progress=False)


def test_compare_decodes_once_and_shows_both(clip: Path) -> None:
    both = vl.compare(
        clip, {"one": ArithmeticModel(), "two": ArithmeticModel(chunk_frames=4)}, progress=False
    )
    assert both.names == ["one", "two"]
    assert both.table["agree"].all()
    assert both.divergence.max() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(OptionError, match="at least two models"):
        vl.compare(clip, [ArithmeticModel()])


def test_the_bar_bears_a_header_that_states_too_little(clip: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    video = vl.Video(clip)
    for stated in (0.5, None, 1e6):
        video.stated_duration_seconds = stated
        assert vl.predict(video, ArithmeticModel()).complete
    assert "s of video" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [None, "litert:movinet-a0-stream", 3])
def test_what_is_no_model_is_told(clip: Path, wrong) -> None:
    for call in (
        lambda: vl.predict(clip, wrong),
        lambda: vl.stream(clip, wrong),
        lambda: vl.compare(clip, [wrong, wrong]),
    ):
        with pytest.raises(OptionError, match="A loaded model is needed"):
            call()


@pytest.mark.parametrize("wrong", [5, [5], {"a": "tfhub-movinet"}, b"tfhub-movinet"])
def test_what_is_no_recipe_is_told(clip: Path, wrong) -> None:
    with pytest.raises(OptionError, match=r"recipe= takes the name of a recipe.*got"):
        vl.predict(clip, ArithmeticModel(), recipe=wrong, progress=False)


def test_what_is_no_video_is_told() -> None:
    with pytest.raises(OptionError, match="an iterable of frames"):
        vl.stream(None, ArithmeticModel())  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="iterable of video frames"):
        list(vl.stream([1, 2], ArithmeticModel()))  # type: ignore[list-item]


def test_a_stream_leaves_the_callers_frames_open(clip: Path) -> None:
    frames = vl.Video(clip).frames()
    answers = vl.stream(frames, ArithmeticModel(), fps="source")
    next(answers)
    answers.close()
    assert isinstance(next(frames), vl.video.Frame)


def test_ctrl_c_between_two_statements_keeps_whole_answers(clip: Path) -> None:
    """Whichever the signal hits while an answer is noted, the arrays fit together."""
    from vidlab.core.growing import GrowingRows

    def interrupted_after(num_lines: int) -> vl.Predictions:
        left = num_lines

        def trace(frame, event, _):
            nonlocal left
            if frame.f_code is not GrowingRows.add.__code__:
                return None
            left -= event == "line"
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return vl.predict(clip, ArithmeticModel(chunk_frames=8), fps="source", progress=False)
        finally:
            sys.settrace(before)

    whole = vl.predict(clip, ArithmeticModel(), fps="source", progress=False)
    lengths = set()
    for num_lines in range(60):
        with pytest.warns(UserWarning, match="interrupted"):
            kept = interrupted_after(num_lines)
        assert kept.frame_index.tolist() == whole.frame_index[: len(kept)].tolist()
        np.testing.assert_array_equal(kept.time_seconds, whole.time_seconds[: len(kept)])
        np.testing.assert_array_equal(kept.logits, whole.logits[: len(kept)])
        assert (kept.latency_seconds >= 0).all()
        lengths.add(len(kept))
    assert lengths >= {0, 8, 16, 24}


def test_an_interrupted_run_does_not_read_on_for_its_record(clip: Path) -> None:
    class Interrupted(ArithmeticModel):
        def step(self, frames, state):
            raise KeyboardInterrupt

    video = vl.Video(clip)
    with pytest.warns(UserWarning, match="interrupted"):
        preds = vl.predict(video, Interrupted(), progress=False)
    assert preds.made_by["video"]["fps"] is None
    assert not video.is_indexed
