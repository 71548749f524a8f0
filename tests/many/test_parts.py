from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from arithmetic import ArithmeticModel
from hypothesis import given, settings
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import OptionError, PredictionsError
from vidlab.many.parts import Part, joined, plan_parts, predict_part
from vidlab.models import Model

#: Key frames inside, B-frames, open groups, variable rate, a late start, and all that turns.
KINDS = ["mp4", "mp4-open-gop", "mp4-intra", "hevc", "vfr", "vfr-mkv", "offset", "rotated-90",
         "mirrored", "avi", "avi-h264", "gif", "mpeg-ps", "mpeg-ts", "webm"]  # fmt: skip
NUM_FRAMES = 100


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("parts")
    found = {}
    for kind in [*KINDS, "mp4-one-keyframe"]:
        found[kind] = folder / f"{kind}{synthetic.KINDS[kind].suffix}"
        synthetic.make_video(found[kind], kind=kind, num_frames=NUM_FRAMES)
    return found


@pytest.fixture(scope="module")
def shipped() -> dict[str, Model]:
    return {
        backend: vl.load_model("stickactions-xs-stream", backend=backend, num_threads=1)
        for backend in ("torch", "litert")
    }


def in_parts(path: Path, model: Model, *, seconds: float, **options) -> tuple[list, list[Part]]:
    """Answers on each part; as on other machines, each opens the video anew, and gets a copy."""
    done, carried = [], None
    parts = plan_parts(vl.Video(path), seconds=seconds)
    for part in parts:
        carried = pickle.loads(pickle.dumps(carried))
        (answers,), carried = predict_part(vl.Video(path), [model], part, carried, **options)
        done.append(answers)
    return done, parts


def check_same(got: vl.Predictions, whole: vl.Predictions) -> None:
    np.testing.assert_array_equal(got.frame_index, whole.frame_index)
    np.testing.assert_array_equal(got.time_seconds, whole.time_seconds)
    np.testing.assert_array_equal(got.logits, whole.logits)
    assert (got.clip_start is None) == (whole.clip_start is None)
    if got.clip_start is not None:
        np.testing.assert_array_equal(got.clip_start, whole.clip_start)
    assert (got.video, got.title, got.stopped) == (whole.video, whole.title, whole.stopped)
    for same in ("model", "sampling", "preprocessing", "num_threads", "answers_per_call"):
        assert got.made_by[same] == whole.made_by[same]


class TestPlan:
    """Where a video is divided."""

    @pytest.mark.parametrize("seconds", [0.05, 0.7, 1.0, 1.9, 5.0, 1e9])
    @pytest.mark.parametrize("kind", ["mp4", "mp4-open-gop", "vfr", "offset", "webm"])
    def test_borders_are_the_key_frames_nearest_to_the_multiples(self, clips, kind, seconds):
        video = vl.Video(clips[kind])
        parts = plan_parts(video, seconds=seconds)
        keys = [i for i, frame in enumerate(video) if frame.is_keyframe]
        assert len(keys) > 2
        offsets = video.pts_seconds[keys] - video.pts_seconds[0]
        wanted = {0}
        for k in range(1, math.ceil(video.duration_seconds / seconds)):
            wanted.add(keys[int(np.argmin(np.abs(offsets - k * seconds)))])
        assert [part.first_frame for part in parts] == sorted(wanted)

    @pytest.mark.parametrize("kind", KINDS)
    def test_parts_are_all_frames_once(self, clips, kind):
        video = vl.Video(clips[kind])
        parts = plan_parts(video, seconds=0.5)
        frames = [i for part in parts for i in range(part.first_frame, part.stop_frame)]
        assert frames == list(range(video.num_frames))
        assert [part.index for part in parts] == list(range(len(parts)))
        for part in parts:
            assert part.first_seconds == video.pts_seconds[part.first_frame]

    def test_one_key_frame_is_one_part(self, clips):
        assert len(plan_parts(vl.Video(clips["mp4-one-keyframe"]), seconds=0.5)) == 1

    @pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, None, "60", True])
    def test_a_length_that_is_none_is_refused(self, clips, wrong):
        with pytest.raises(OptionError, match="seconds must be a positive"):
            plan_parts(vl.Video(clips["mp4"]), seconds=wrong)


class TestSameAsWhole:
    """Parts, joined, are what predict returns, bit by bit."""

    @pytest.mark.parametrize("kind", [*KINDS, "mp4-one-keyframe"])
    @pytest.mark.parametrize("fps", [None, 12.5, "source"])
    def test_on_every_kind_of_video(self, clips, kind, fps):
        model = ArithmeticModel(chunk_frames=7)
        whole = vl.predict(clips[kind], model, fps=fps, progress=False)
        done, parts = in_parts(clips[kind], model, seconds=0.6, fps=fps)
        check_same(joined(done), whole)
        assert joined(done).made_by["num_parts"] == len(parts)

    @pytest.mark.parametrize("fps", [1, 2, 5])
    def test_the_last_frame_is_shown_for_as_long_as_it_says(self, tmp_path, fps):
        path = tmp_path / "last.mp4"
        synthetic.make_video(path, kind="vfr", num_frames=NUM_FRAMES, seed=4)
        video = vl.Video(path)
        last = video.last_frame()
        assert last.duration_seconds > 10 * (last.pts_seconds - video[-2].pts_seconds)
        whole = vl.predict(path, ArithmeticModel(), fps=fps, progress=False)
        assert whole.frame_index[-1] == last.index
        done, parts = in_parts(path, ArithmeticModel(), seconds=1, fps=fps)
        assert len(parts) > 2
        check_same(joined(done), whole)

    @settings(max_examples=25)
    @given(
        kind=st.sampled_from(["mp4", "mp4-open-gop", "vfr", "offset", "rotated-90"]),
        seconds=st.floats(0.1, 6),
        fps=st.one_of(st.just("source"), st.floats(0.3, 60)),
        backend=st.sampled_from(["torch", "litert"]),
    )
    def test_with_shipped_models(self, clips, shipped, kind, seconds, fps, backend):
        whole = vl.predict(clips[kind], shipped[backend], fps=fps, progress=False)
        done, _ = in_parts(clips[kind], shipped[backend], seconds=seconds, fps=fps)
        check_same(joined(done), whole)

    @pytest.mark.parametrize("hop", [None, 1, 3, 9])
    @pytest.mark.parametrize("num_frames", [4, 50, 500])
    @pytest.mark.parametrize("kind", ["mp4", "vfr"])
    def test_clips_go_over_the_borders(self, clips, kind, num_frames, hop):
        model = ArithmeticModel(kind="clip", num_frames=num_frames)
        whole = vl.predict(clips[kind], model, fps=20, hop=hop, progress=False)
        done, parts = in_parts(clips[kind], model, seconds=0.5, fps=20, hop=hop)
        assert len(parts) > 2
        check_same(joined(done), whole)

    def test_several_models_share_one_decoding(self, clips, shipped):
        models = [*shipped.values(), ArithmeticModel(kind="clip", num_frames=3, frame_rate=2.0)]
        video, carried, done = vl.Video(clips["mp4"]), None, []
        for part in plan_parts(video, seconds=1):
            answers, carried = predict_part(video, models, part, carried)
            done.append(answers)
        for model, parts in zip(models, zip(*done, strict=True), strict=True):
            check_same(joined(parts), vl.predict(clips["mp4"], model, progress=False))

    def test_a_part_decodes_no_other_frames(self, clips, monkeypatch):
        video = vl.Video(clips["mp4"])
        first, second, *_ = plan_parts(video, seconds=1)
        _, carried = predict_part(video, [ArithmeticModel()], first)
        seen, make = [], video._frame

        def noted(picture, index, pts):
            seen.append(index)
            return make(picture, index, pts)

        monkeypatch.setattr(video, "_frame", noted)
        predict_part(video, [ArithmeticModel()], second, carried)
        assert seen == list(range(second.first_frame, second.stop_frame))

    def test_a_part_can_be_saved(self, clips, tmp_path):
        """What is done of a video outlives the process."""
        model = ArithmeticModel()
        done, _ = in_parts(clips["mp4"], model, seconds=1)
        for number, answers in enumerate(done):
            answers.save(tmp_path / f"{number}.parquet")
        again = [vl.Predictions.load(path) for path in sorted(tmp_path.iterdir())]
        check_same(joined(again), vl.predict(clips["mp4"], model, progress=False))


class TestDamage:
    """A broken video ends where it breaks."""

    @pytest.fixture(params=["inside", "border"])
    def cut(self, clips, tmp_path, request) -> Path:
        """A packet of nothing but zeros: of some frame, or of a key frame that starts a part."""
        path = tmp_path / "cut.mp4"
        data = bytearray(clips["mp4"].read_bytes())
        with vl.Video(clips["mp4"]).open_container() as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [packet for packet in packets if packet.is_keyframe]
        broken = keys[2] if request.param == "border" else packets[70]
        data[broken.pos : broken.pos + broken.size] = bytes(broken.size)
        path.write_bytes(data)
        return path

    @pytest.mark.parametrize("seconds", [0.5, 1, 10])
    def test_what_came_before_is_kept(self, cut, seconds):
        model = ArithmeticModel(chunk_frames=7)
        with pytest.warns(UserWarning, match="damaged at frame"):
            whole = vl.predict(cut, model, fps="source", progress=False)
        done, carried, video = [], None, vl.Video(cut)
        for part in plan_parts(video, seconds=seconds):
            (answers,), carried = predict_part(video, [model], part, carried, fps="source")
            done.append(answers)
            if not answers.complete:
                break
        check_same(joined(done), whole)
        assert "damaged" in whole.stopped

    def test_a_part_of_which_nothing_can_be_read_answers_for_what_waits(self, clips, cut):
        model = ArithmeticModel(chunk_frames=50)
        good, broken = vl.Video(clips["mp4"]), vl.Video(cut)
        first, second, third, *_ = plan_parts(good, seconds=1)
        _, carried = predict_part(good, [model], first, fps="source")
        (before,), carried = predict_part(good, [model], second, carried, fps="source")
        assert before.frame_index.tolist() == list(range(50))
        (answers,), _ = predict_part(broken, [model], third, carried, fps="source")
        whole = vl.predict(clips["mp4"], model, fps="source", progress=False)
        num = len(answers)
        assert num >= 10
        assert "damaged at frame" in answers.stopped
        np.testing.assert_array_equal(answers.frame_index, np.arange(50, 50 + num))
        np.testing.assert_array_equal(answers.logits, whole.logits[50 : 50 + num])

    def test_ctrl_c_leaves_no_half_part(self, clips):
        class Interrupted(ArithmeticModel):
            def step(self, frames, state):
                raise KeyboardInterrupt

        video = vl.Video(clips["mp4"])
        with pytest.raises(KeyboardInterrupt):
            predict_part(video, [Interrupted()], plan_parts(video, seconds=1)[0])


class TestRefusals:
    """What does not fit together is told, not computed."""

    def test_parts_run_in_order(self, clips):
        video, model = vl.Video(clips["mp4"]), ArithmeticModel()
        first, second, third, *_ = plan_parts(video, seconds=1)
        with pytest.raises(OptionError, match="goes on from the part before it"):
            predict_part(video, [model], second)
        _, carried = predict_part(video, [model], first)
        with pytest.raises(OptionError, match=r"starts at frame 60.*starts at frame 30"):
            predict_part(video, [model], third, carried)
        with pytest.raises(OptionError, match="2 models go on from as many; got 1"):
            predict_part(video, [model, model], second, carried)

    def test_a_plan_of_a_longer_video_is_refused(self, clips):
        video = vl.Video(clips["mp4"])
        (part,) = plan_parts(video, seconds=1e6)
        with pytest.raises(OptionError, match="the video has 100"):
            predict_part(video, [ArithmeticModel()], replace(part, stop_frame=101))

    def test_what_cannot_be_joined(self, clips):
        done, _ = in_parts(clips["mp4"], ArithmeticModel(), seconds=1)
        other, _ = in_parts(clips["vfr"], ArithmeticModel(), seconds=1e6)
        named, _ = in_parts(clips["mp4"], ArithmeticModel(name="other"), seconds=1)
        whole = vl.predict(clips["mp4"], ArithmeticModel(), progress=False)
        for wrong, message in [
            ([], "got none"),
            (done[:-1], r"the part from frame 90 on is missing"),
            (done[1:], "the part from frame 0 on is expected; got the one of frames 30 to 59"),
            ([done[0], *done[2:]], "the part from frame 30 on is expected"),
            ([*done, done[0]], "no part more is expected"),
            ([*done, *other], "Parts are joined of one video"),
            ([done[0], *named[1:]], "Parts are joined of one video and model"),
            ([whole], "not of one part"),
        ]:
            with pytest.raises(PredictionsError, match=message):
                joined(wrong)
