from __future__ import annotations

import gc
import io
import itertools
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from PIL import Image

import vidlab as vl
from vidlab.core.errors import LabelMapError, ModelError, OptionError
from vidlab.live import FileSource, LiveAnswer, LiveSession, PushedSource
from vidlab.live.session import _Cuts
from vidlab.rules import RuleEvent, event_table
from vidlab.sampling import at_rate

WAIT_SECONDS = 60.0


def grey(level: int) -> np.ndarray:
    return np.full((16, 16, 3), level, dtype=np.uint8)


class HeldModel(ArithmeticModel):
    """Answers only when it is let."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.begins = threading.Semaphore(0)
        self.may_answer = threading.Semaphore(0)

    def step(self, frames, state):
        self.begins.release()
        assert self.may_answer.acquire(timeout=WAIT_SECONDS)
        return super().step(frames, state)


class Pushing:
    """A session whose frames a test hands over, each when it says."""

    def __init__(self, models: object, **options: object) -> None:
        self.source = PushedSource()
        self.session = LiveSession(self.source, models, **options)
        self.answers: list[LiveAnswer] = []
        self._came = threading.Condition()
        self.session.on_answer = self._take
        self._arrived = threading.Semaphore(0)
        self.session.on_frame = lambda _: self._arrived.release()

    def _take(self, answer: LiveAnswer) -> None:
        with self._came:
            self.answers.append(answer)
            self._came.notify_all()

    def push(self, level: int, time_seconds: float, **more: object) -> None:
        """Hand a frame over, and wait until the session has it."""
        self.source.push_rgb(grey(level), time_seconds=time_seconds, **more)
        assert self._arrived.acquire(timeout=WAIT_SECONDS)

    def wait_for(self, num_answers: int) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.answers) >= num_answers, WAIT_SECONDS)

    def __enter__(self) -> Pushing:
        self.session.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.source.end()
        if kind is None:
            assert self.session.join(WAIT_SECONDS)
        else:
            self.session._stop.set()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [each for each in set(threading.enumerate()) - before if each.name.startswith("vidlab")]
    assert not left


pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture(scope="module")
def workout() -> Path:
    return vl.sample_videos()["jumping_jacks"]


# ---- the same answers as predict's -------------------------------------------------------------


@pytest.mark.parametrize("speed", [1.0, 8.0, 50.0])
def test_a_file_played_live_is_answered_as_predict_does(workout: Path, speed: float) -> None:
    model = vl.load_model("stickactions-xs-stream", backend="litert", variant="int8")
    preds = vl.predict(workout, model, progress=False)
    session = LiveSession(FileSource(workout, speed=speed), model, reset_on_cut=False)
    answers: list[LiveAnswer] = []
    session.on_answer = answers.append
    with session:
        assert session.join(WAIT_SECONDS)
    assert session.state == "ended"
    stats = session.stats()[0]
    assert stats.answers == len(answers)
    # Which frames are due never depends on how fast the model is: only what is dropped of them.
    assert stats.answers + stats.dropped == len(preds)
    seen = [answer.frame_index for answer in answers]
    assert set(seen) <= set(preds.frame_index.tolist())
    assert len(seen) >= 2
    video = vl.Video(workout)
    state = model.init_state()
    for answer in answers:
        pixels = model.preprocessing(video[answer.frame_index].rgb)
        logits, state = model.step(pixels[None], state)
        np.testing.assert_array_equal(answer.logits, logits[0])
        assert answer.time_seconds == video.pts_seconds[answer.frame_index]
        assert answer.top[0][0] == model.labels[int(logits[0].argmax())]
    if not stats.dropped:
        np.testing.assert_array_equal(np.stack([each.logits for each in answers]), preds.logits)


def test_the_rate_is_kept_by_timestamps() -> None:
    rng = np.random.default_rng(3)
    times = np.round(np.cumsum(rng.uniform(0.005, 0.3, size=80)), 3)
    times -= times[0]
    with Pushing(ArithmeticModel(frame_rate=5.0), reset_on_cut=False) as live:
        due = iter(at_rate(times, 5.0).tolist())
        expected, num = [], 0
        wanted = next(due)
        for index, seconds in enumerate(times):
            live.push(100, float(seconds))
            if index - 1 == wanted:
                expected.append(wanted)
                wanted = next(due, -2)
                num += 1
                live.wait_for(num)
    seen = [answer.frame_index for answer in live.answers]
    assert seen == at_rate(times, 5.0).tolist()
    assert [answer.time_seconds for answer in live.answers] == times[seen].tolist()
    assert live.session.stats()[0].dropped == 0


def test_each_model_has_its_own_rate() -> None:
    models = [ArithmeticModel(name="two", frame_rate=2.0), ArithmeticModel(name="ten")]
    models[1].preprocessing = ArithmeticModel(frame_rate=10.0).preprocessing
    with Pushing(models) as live:
        for index in range(41):
            live.push(100, index / 20)
            live.wait_for((index + 9) // 10 + (index + 1) // 2)
    by_title = {
        title: [answer.frame_index for answer in each]
        for title, each in itertools.groupby(
            sorted(live.answers, key=lambda answer: answer.title), lambda answer: answer.title
        )
    }
    assert by_title["arithmetic:two (exact)"] == [0, 10, 20, 30, 40]
    assert by_title["arithmetic:ten (exact)"] == list(range(0, 41, 2))


# ---- never behind ------------------------------------------------------------------------------


def test_only_the_newest_frame_waits() -> None:
    model = HeldModel(frame_rate=None)
    with Pushing(model, reset_on_cut=False) as live:
        live.push(10, 0.0)
        live.push(20, 0.1)  # the first frame is due now
        assert model.begins.acquire(timeout=WAIT_SECONDS)
        for index in range(2, 12):
            live.push(10 * index, index / 10)
        model.may_answer.release(100)
        live.wait_for(2)
    assert [answer.frame_index for answer in live.answers[:2]] == [0, 10]
    stats = live.session.stats()[0]
    assert (stats.answers, stats.dropped) == (3, 9)  # 0, 10 and 11, the last
    assert live.session.num_frames == 12


def test_a_slow_model_slows_only_itself() -> None:
    slow, quick = HeldModel(name="slow"), ArithmeticModel(name="quick")
    with Pushing([slow, quick], fps="source", reset_on_cut=False) as live:
        for index in range(30):
            live.push(index, index / 10)
            live.wait_for(index)  # the quick one goes on, though the slow one has not answered
        assert {answer.title for answer in live.answers} == {"arithmetic:quick (exact)"}
        slow.may_answer.release(100)
        live.wait_for(29 + 2)
    stats = {each.title: each for each in live.session.stats()}
    assert stats["arithmetic:quick (exact)"].dropped == 0
    assert stats["arithmetic:quick (exact)"].answers == 30
    assert stats["arithmetic:slow (exact)"].answers == 3  # the first, the newest since, the last
    assert stats["arithmetic:slow (exact)"].dropped == 27


def test_latencies_and_rates_are_told() -> None:
    with Pushing(ArithmeticModel(frame_rate=None)) as live:
        assert np.isnan(live.session.stats()[0].median_ms)
        for index in range(10):
            live.push(50, index / 10)
            live.wait_for(index)
    stats = live.session.stats()[0]
    assert stats.answers == 10
    assert 0 < stats.model_ms < stats.median_ms <= stats.p95_ms
    arrived = [answer.arrived_seconds for answer in live.answers]
    assert arrived == sorted(arrived)
    late = [1000 * (each.answered_seconds - each.arrived_seconds) for each in live.answers]
    assert stats.median_ms == pytest.approx(np.median(late))
    assert stats.p95_ms == pytest.approx(np.percentile(late, 95))
    answered = [each.answered_seconds for each in live.answers]
    assert stats.rate_fps == pytest.approx(9 / (answered[-1] - answered[0]))


def test_what_was_looked_at_is_let_go() -> None:
    """No frame is kept, however long the session goes on."""
    frames: list[weakref.ref[object]] = []
    with Pushing(ArithmeticModel(frame_rate=None)) as live:
        take = live.session.on_frame
        live.session.on_frame = lambda frame: (frames.append(weakref.ref(frame)), take(frame))
        for index in range(50):
            live.push(50, index / 10)
            live.wait_for(index)
        gc.collect()
        assert sum(frame() is not None for frame in frames) <= 3


# ---- the state ---------------------------------------------------------------------------------


def count_seen(answer: LiveAnswer) -> int:
    """How many frames the arithmetic model had seen: its logit of class 0 says so."""
    return round(float(answer.logits[0]) * 100)


def test_reset_begins_anew() -> None:
    with Pushing(ArithmeticModel(frame_rate=None)) as live:
        for index in range(6):
            if index == 3:
                live.session.reset()
            live.push(50, index / 10)
            live.wait_for(index)
    assert [count_seen(answer) for answer in live.answers] == [1, 2, 3, 1, 2, 3]
    assert [answer.epoch for answer in live.answers] == [0, 0, 0, 1, 1, 1]
    assert live.session.stats()[0].resets == 1


@pytest.mark.parametrize(("option", "expected"), [(None, [1, 2, 3, 4]), (2.0, [1, 2, 1, 2])])
def test_a_long_pause_resets_if_asked(option: float | None, expected: list[int]) -> None:
    with Pushing(ArithmeticModel(frame_rate=None), reset_after_pause=option) as live:
        for number, seconds in enumerate([0.0, 0.5, 3.0, 4.0]):
            live.push(50, seconds)
            live.wait_for(number)
    assert [count_seen(answer) for answer in live.answers] == expected


@pytest.mark.parametrize(("option", "expected"), [(True, [1, 2, 1, 2]), (False, [1, 2, 3, 4])])
def test_a_cut_resets(option: bool, expected: list[int]) -> None:
    with Pushing(ArithmeticModel(frame_rate=None), reset_on_cut=option) as live:
        for number, level in enumerate([20, 22, 200, 201]):
            live.push(level, number / 5)
            live.wait_for(number)
    assert [count_seen(answer) for answer in live.answers] == expected


def test_cuts_are_found_between_clips_and_not_within(clips: Path) -> None:
    looked_at = {}
    for path in [*clips.glob("*.mp4"), *vl.sample_videos().values()]:
        video = vl.Video(path)
        wanted = set(at_rate(video.pts_seconds, 5.0).tolist())
        looked_at[path.stem] = [
            np.asarray(Image.fromarray(frame.rgb).resize((172, 172)))
            for frame in video.frames(stop=200)
            if frame.index in wanted
        ]
    # One clip begins with a black picture.
    within = {stem: sum(map(_Cuts().is_cut, frames)) for stem, frames in looked_at.items()}
    assert {stem: num for stem, num in within.items() if num} == {"carving_ice": 1}
    pairs = list(itertools.permutations(looked_at, 2))
    found = 0
    for one, other in pairs:
        cuts = _Cuts()
        cuts.is_cut(looked_at[one][-1])
        found += cuts.is_cut(looked_at[other][0])
    assert found / len(pairs) > 0.97


# ---- rules -------------------------------------------------------------------------------------


def test_rules_are_followed_live_as_on_what_was_recorded(tmp_path: Path) -> None:
    model = vl.load_model("stickactions-xs-stream", backend="litert", variant="int8")
    door = vl.Rule("opening door", probability=0.3, for_seconds=1.0)
    rules = [
        door,
        vl.Rule("waving hand", probability=0.3).then(door, within_seconds=60.0),
        vl.Rule("waving hand", probability=0.3).then("clapping", within_seconds=0.1),
    ]
    source = FileSource(home(), speed=20.0)
    session = LiveSession(source, model, rules=rules, record=tmp_path / "recording")
    heard: list[RuleEvent] = []
    session.on_event = heard.append
    with session:
        assert session.join(WAIT_SECONDS)
    assert {"seen", "done", "missed"} == {event.kind for event in heard}
    assert list(session.events) == heard
    recording = vl.Recording(tmp_path / "recording")
    assert recording.events.equals(event_table(heard))
    again = vl.find_events(recording, rules)
    order = ["time_seconds", "rule", "kind"]
    live = event_table(heard).sort_values(order, ignore_index=True)
    assert again.sort_values(order, ignore_index=True).equals(live)


def home() -> Path:
    return vl.sample_videos()["at_home"]


def test_what_is_missed_waits_for_a_model_that_is_busy() -> None:
    """A model that is late may still have seen it in time."""
    model = HeldModel(frame_rate=None)
    bright = vl.Rule("class 3", probability=0.28)  # reached by white, not by black
    rule = vl.Rule("class 3", probability=0.2).then(bright, within_seconds=1.0)
    with Pushing(model, rules=rule, reset_on_cut=False) as live:
        model.may_answer.release()
        live.push(0, 0.0)
        live.push(255, 0.5)
        live.wait_for(1)
        live.push(0, 0.9)  # the white one is due now, and the model holds it
        for _ in range(2):
            assert model.begins.acquire(timeout=WAIT_SECONDS)
        for tenths in range(10, 40):
            live.push(0, tenths / 10)
        assert not live.session.events
        model.may_answer.release(100)
    assert [event.kind for event in live.session.events][:1] == ["done"]


def test_what_is_missed_is_told_though_nothing_is_answered() -> None:
    slow_rate = ArithmeticModel(frame_rate=0.1)
    rule = vl.Rule("class 3", probability=0.2).then(
        vl.Rule("class 3", probability=0.9), within_seconds=1.0
    )
    with Pushing(slow_rate, rules=rule) as live:
        live.push(0, 0.0)
        for tenths in range(1, 101):
            live.push(0, tenths / 10)
        live.wait_for(1)
        for tenths in range(101, 121):
            live.push(0, tenths / 10)
        assert [event.kind for event in live.session.events] == ["missed"]


def test_a_label_that_no_model_knows_is_told_before_the_start() -> None:
    with pytest.raises(LabelMapError, match="class 1"):
        LiveSession(PushedSource(), ArithmeticModel(), rules=vl.Rule("clas 1"))


# ---- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["on_frame", "on_answer", "on_event", "model"])
def test_what_a_callback_raises_ends_the_session(where: str) -> None:
    class Broken(ArithmeticModel):
        def step(self, frames, state):
            raise RuntimeError("broken")

    def fail(_: object) -> None:
        raise RuntimeError("broken")

    model = Broken() if where == "model" else ArithmeticModel()
    session = LiveSession(
        FileSource(home(), speed=20.0), model, rules=vl.Rule("class 0", probability=0.0)
    )
    if where != "model":
        setattr(session, where, fail)
    session.start()
    with pytest.raises(RuntimeError, match="broken"):
        session.join(WAIT_SECONDS)
    assert session.state == "failed"
    assert session.message == "broken"
    assert not session.running


def test_stop_ends_it_at_once_and_a_session_runs_once() -> None:
    session = LiveSession(FileSource(home()), ArithmeticModel())  # half a minute of video
    assert session.state == "waiting"
    assert not session.running
    session.start()
    session.stop()
    assert session.state == "stopped"
    assert not session.running
    session.stop()  # again does nothing
    with pytest.raises(OptionError, match="runs once"):
        session.start()


def test_stop_may_be_called_from_a_callback() -> None:
    session = LiveSession(FileSource(home()), ArithmeticModel())
    session.on_answer = lambda _: session.stop()
    session.start()
    assert session.join(WAIT_SECONDS)
    assert session.state == "stopped"


def test_states_are_told_in_order() -> None:
    told: list[str] = []
    with Pushing(ArithmeticModel()) as live:
        live.session.on_state = lambda: told.append(live.session.state)
        live.push(5, 0.0)
    assert told == ["running", "ended"]


def test_a_damaged_picture_is_one_picture_less() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    whole = stream.getvalue()
    with Pushing(ArithmeticModel(frame_rate=None)) as live:
        for index, data in enumerate([whole, whole[: len(whole) // 2], whole]):
            live.source.push(data, time_seconds=index / 10)
            assert live._arrived.acquire(timeout=WAIT_SECONDS)
    assert live.session.state == "ended"
    assert [answer.frame_index for answer in live.answers] == [0, 2]
    assert live.session.num_damaged == 1


def test_no_frame_at_all_is_an_end_too() -> None:
    with Pushing(ArithmeticModel()) as live:
        pass
    assert live.session.state == "ended"
    assert live.session.num_frames == 0


@pytest.mark.parametrize(
    ("models", "error", "words"),
    [
        ([], OptionError, "at least one"),
        ([ArithmeticModel(kind="clip")], ModelError, "whole clips"),
        (["movinet-a0-stream"], OptionError, "loaded model"),
        ([ArithmeticModel(), ArithmeticModel()], OptionError, "different titles"),
    ],
)
def test_models_that_cannot_answer_live(models: list[object], error: type, words: str) -> None:
    with pytest.raises(error, match=f"(?i){words}"):
        LiveSession(PushedSource(), models)


@pytest.mark.parametrize(
    "options", [{"fps": 0}, {"fps": "fast"}, {"reset_after_pause": 0.0}, {"reset_after_pause": -1}]
)
def test_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        LiveSession(PushedSource(), ArithmeticModel(), **options)
