"""The Python side of `Live`: options, runs, what pages tell, clean-up. No browser."""

from __future__ import annotations

import gc
import io
import json
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import vidlab as vl
from vidlab.core.errors import LabelMapError, ModelError, OptionError
from vidlab.widgets import Live
from vidlab.widgets.kept import kept_live_html
from vidlab.widgets.payload import describe_label

WAIT_SECONDS = 60


def a_jpeg(brightness: int = 128, *, size: tuple[int, int] = (32, 24)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (brightness,) * 3).save(stream, "JPEG")
    return stream.getvalue()


class Page:
    """Stands for a page with one view: tells the kernel things, and keeps what it hears."""

    def __init__(self, live: Live, view: str = "one") -> None:
        self.live, self.view = live, view
        self.heard: list[tuple[dict[str, Any], list[bytes]]] = []
        self.changed = threading.Condition()

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        json.dumps(content, allow_nan=False)  # as the wire would have it
        with self.changed:
            self.heard.append((content, buffers or []))
            self.changed.notify_all()

    def tell(self, kind: Any, buffers: list[Any] | None = None, **more: Any) -> None:
        content = {"kind": kind, "view": self.view, **more}
        self.live._handle_custom_msg(content, buffers or [])

    def all(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            content
            for content, _ in self.heard
            if content["kind"] == kind
            and all(content.get(name) == value for name, value in wanted.items())
        ]

    def wait(self, kind: str, *, count: int = 1, **wanted: Any) -> dict[str, Any]:
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.all(kind, **wanted)) >= count, timeout=WAIT_SECONDS
            ), f"{count} of {kind} {wanted} came; heard were {self.heard[-5:]}"
            return self.all(kind, **wanted)[count - 1]

    def film(self, seconds: float, *, first: int = 0) -> None:
        """Tell of 10 frames a second, each once the one before was taken; half get an answer."""
        for number in range(first, first + round(10 * seconds)):
            before = self.live._session.num_frames
            self.tell("frame", [a_jpeg()], number=number, time_seconds=number / 10)
            self.wait("ack", number=number)
            wait_until(lambda before=before: self.live._session.num_frames > before)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Live, Page]]]:
    """Make a Live with a page that hears it; all of them are closed at the end."""
    made: list[Live] = []

    def make(*args: Any, **options: Any) -> tuple[Live, Page]:
        live = Live(*(args or [ArithmeticModel()]), **options)
        made.append(live)
        page = Page(live)
        monkeypatch.setattr(live, "send", page.hear)
        page.tell("hello")
        return live, page

    yield make
    for live in made:
        live.close()


def live_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("vidlab-")]


def wait_until(holds: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(WAIT_SECONDS * 100):
        if holds():
            return
        done.wait(0.01)
    pytest.fail("it did not come to be")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k must be a whole number from 1 to 20; got 0"),
        ({"top_k": True}, "top_k must be a whole number"),
        ({"height_px": 16}, "height_px must be a whole number from 64 to 1080; got 16"),
        ({"labels": "kr"}, "in 'en' or 'ko'; got 'kr'.*Did you mean 'ko'"),
        ({"locale": "fr"}, "locale must be one of en, ko, or None; got 'fr'"),
        ({"rule": "class 1"}, "Live has no option 'rule'.*Did you mean 'rules'"),
        ({"source": "ftp://there/x.mp4"}, "rtsp:// and http"),
        ({"reset_after_pause": -1}, "reset_after_pause"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Live(ArithmeticModel(), **options)


def test_models_and_rules_are_checked_in_the_cell(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="answers whole clips"):
        Live(ArithmeticModel(kind="clip"))
    with pytest.raises(OptionError, match="At least one model"):
        Live([])
    with pytest.raises(OptionError, match="different titles"):
        Live([ArithmeticModel(), ArithmeticModel()])
    with pytest.raises(LabelMapError, match="Did you mean 'class 1'"):
        Live(ArithmeticModel(), rules=vl.Rule("clas 1"))
    (tmp_path / "there").write_text("")
    with pytest.raises(OptionError, match=r"new folder|something in"):
        Live(ArithmeticModel(), record=tmp_path)
    (tmp_path / "session.json").write_text("{}")
    with pytest.raises(OptionError, match=r"vidlab\.Recording\(.*\) opens what is there"):
        Live(ArithmeticModel(), record=tmp_path)


@pytest.mark.parametrize(
    ("locale", "kept", "unkept"),
    [
        ("en", "What was recorded is kept", "Nothing was recorded"),
        ("ko", "기록한 것은", "기록하지 않았습니다"),
    ],
)
def test_a_saved_notebook_says_where_its_recording_is(
    locale: str, kept: str, unkept: str, tmp_path: Path
) -> None:
    folder = tmp_path / "<b>'rec"
    live = Live(ArithmeticModel(), record=folder, locale=locale)
    html = kept_live_html(live)
    assert kept in html
    assert escape(f"vl.Recording({str(folder)!r})") in html
    assert "<b>" not in html
    assert f'data-vidlab-kept="{live.model_id}"' in html
    assert live._info["model_id"] == live.model_id
    plain = kept_live_html(Live(ArithmeticModel(), locale=locale))
    assert unkept in plain
    assert "Recording" not in plain


def test_what_it_says_of_itself(opened: Callable[..., tuple[Live, Page]]) -> None:
    live, page = opened([ArithmeticModel(), ArithmeticModel(name="others")], locale="ko")
    assert repr(live) == "<Live: 2 models, source camera>"
    data = live._repr_mimebundle_()[0]
    assert data["text/plain"] == repr(live)
    assert set(data) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert live._info["models"] == ["arithmetic:sums (exact)", "arithmetic:others (exact)"]
    assert page.wait("state")["state"] == "idle"
    assert (live.answers, len(live.events), live.running) == ({}, 0, False)
    assert list(live.stats["answers"]) == [0, 0]


def test_frames_are_answered_and_counted(opened: Callable[..., tuple[Live, Page]]) -> None:
    rule = vl.Rule("class 3", probability=0.26, for_seconds=0.5, name="bright")
    live, page = opened(ArithmeticModel(), rules=rule, top_k=2)
    answers: list[Any] = []
    events: list[Any] = []
    stop = live.on_answer(answers.append)
    live.on_event(events.append)
    seen: list[bool] = []
    live.observe(lambda change: seen.append(change["new"]), "running")
    page.tell("start")
    assert page.wait("state", run=1)["owner"] == "one"
    page.film(2)
    answer = page.wait("answer", count=5)
    assert (answer["run"], answer["model"], answer["view"], answer["epoch"]) == (1, 0, "one", 0)
    assert answer["time_seconds"] == pytest.approx(answer["number"] / 10)
    assert [each["name"] for each in answer["top"]] == ["class 3", "class 2"]
    assert answer["top"][0]["color"].startswith("#")
    assert answer["top"][1]["color"] is None, "it never led"
    event = page.wait("event")["event"]
    assert (event["rule"], event["kind"], event["model"]) == (
        "bright", "seen", "arithmetic:sums (exact)",
    )  # fmt: skip
    assert list(live.events["rule"]) == ["bright"]
    assert [each.rule for each in events] == ["bright"]
    assert live.answers["arithmetic:sums (exact)"][0][0] == "class 3"
    told = [{"median_ms": 80.5, "p95_ms": 120, "count": 9}]
    page.tell("told", on_screen=told)
    stats = live.stats.iloc[0]
    assert (stats["on_screen_median_ms"], stats["on_screen_p95_ms"]) == (80.5, 120)
    assert stats["answers"] == len(answers) == len(page.all("answer"))
    stop()
    page.tell("stop")
    assert page.wait("state", state="stopped", owner="one")
    wait_until(lambda: not live.running)
    assert seen == [True, False]
    assert len(answers) == stats["answers"], "the function was taken off"
    assert live_threads() == []


def test_labels_are_shown_in_korean_and_kept_as_they_are(
    opened: Callable[..., tuple[Live, Page]], tmp_path: Path
) -> None:
    model = ArithmeticModel()
    model.labels = vl.LabelMap(["a", "b", "<b>c</b>", "squat"])
    rules = [vl.Rule("squat", probability=0.26), vl.Rule("squat", probability=0.26, name="squat!")]
    live, page = opened(model, rules=rules, labels="ko", record=tmp_path / "kept")
    answers: list[Any] = []
    live.on_answer(answers.append)
    page.tell("start")
    page.film(2)
    first, second, *_ = page.wait("answer", count=3)["top"]
    assert (first["name"], first["label"]) == ("스쿼트하기", "squat")
    assert second["name"] == second["label"] == "<b>c</b>"
    # It looks as it does in English.
    for each in (first, second):
        rank = None if each["color"] is None else 0
        assert {**each, "name": each["label"]} == {
            **describe_label(each["label"], rank),
            "label": each["label"],
            "probability": each["probability"],
        }
    page.wait("event", count=2)
    told = [content["event"] for content in page.all("event")]
    assert {(each["rule"], each["label"]) for each in told} == {
        ("스쿼트하기 >= 0.26", "스쿼트하기"), ("squat!", "스쿼트하기")
    }  # fmt: skip
    page.tell("stop")
    wait_until(lambda: not live.running)
    # In Python and on the disk are the model's words.
    assert {label for (label, _), *_ in (each.top for each in answers)} == {"squat"}
    assert live.answers[model.title][0][0] == "squat"
    assert set(live.events["label"]) == {"squat"}
    assert set(live.events["rule"]) == {"squat >= 0.26", "squat!"}
    kept = vl.Recording(tmp_path / "kept")
    assert set(kept.predictions[0].table["label"]) == set(model.labels)
    assert set(kept.events["label"]) == {"squat"}


def test_reset_begins_a_new_epoch(opened: Callable[..., tuple[Live, Page]]) -> None:
    live, page = opened()
    page.tell("start")
    page.film(1)
    page.tell("reset")
    page.film(1, first=10)
    page.wait("answer", epoch=1)
    live.reset()
    page.film(1, first=20)
    page.wait("answer", epoch=2)
    assert list(live.stats["resets"]) == [2]


def test_it_starts_anew(opened: Callable[..., tuple[Live, Page]], tmp_path: Path) -> None:
    live, page = opened(ArithmeticModel(), record=tmp_path / "kept")
    page.tell("start")
    page.film(1)
    live.stop()
    assert not live.running
    assert len(vl.Recording(tmp_path / "kept").frames) == 10
    page.tell("start")
    assert "something in" in page.wait("error", view="one")["message"]
    assert not live.running
    page.tell("hello")
    assert page.all("state")[-1]["state"] == "stopped"


def test_python_starts_the_camera_where_it_is_shown(
    opened: Callable[..., tuple[Live, Page]],
) -> None:
    live, page = opened()
    other = Page(live, "two")
    other.tell("hello")
    live.start()
    assert page.wait("open")["view"] == "two", "the newest page"
    assert not live.running
    other.tell("start")
    assert page.wait("state", run=1)["owner"] == "two"
    live.start()
    assert len(page.all("open")) == 1
    # Frames of a page that has not the camera are taken off its hands, and not looked at.
    page.tell("frame", [a_jpeg()], number=0, time_seconds=0)
    page.wait("ack", view="one", number=0)
    assert live._session.num_frames == 0
    # Another page takes over.
    page.tell("start")
    assert page.wait("state", run=2)["owner"] == "one"
    page.tell("bye")
    wait_until(lambda: not live.running)
    other.tell("bye")
    live.start()
    other.tell("hello")
    assert page.wait("open", count=2)["view"] == "two", "as soon as it is shown"


def test_only_the_newest_frame_reaches_the_models(
    opened: Callable[..., tuple[Live, Page]],
) -> None:
    looked = threading.Event()
    go_on = threading.Event()

    class Slow(ArithmeticModel):
        def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
            looked.set()
            assert go_on.wait(WAIT_SECONDS)
            return super().step(frames, state)

    live, page = opened(Slow())
    page.tell("start")
    page.film(0.2)
    assert looked.wait(WAIT_SECONDS)
    page.film(6, first=2)  # all are taken at once, whatever the model does
    go_on.set()
    first, newest = (page.wait("answer", count=count)["number"] for count in (1, 2))
    assert (first, newest) == (0, 60), "61 only shows that 60 was the one that is due"
    assert list(live.stats["dropped"]) == [29]


def test_a_source_of_the_kernel_shows_pictures_no_faster_than_they_are_shown(
    opened: Callable[..., tuple[Live, Page]], spelled: Callable[..., Path]
) -> None:
    live, page = opened(
        ArithmeticModel(), spelled("mp4", num_frames=90), height_px=64, reset_on_cut=False
    )
    assert live._info["name"].endswith(".mp4")
    live.start()
    page.wait("state", state="ended")
    first = page.wait("picture")
    assert len(page.all("picture")) == 1, "the page has not shown it"
    _, buffers = next(each for each in page.heard if each[0] is first)
    assert Image.open(io.BytesIO(buffers[0])).size == (85, 64)
    assert len(page.all("answer")) >= 14
    assert {each["view"] for each in page.all("answer")} == {None}
    assert not live.running
    page.tell("start")
    page.tell("ack", number=first["number"])
    page.wait("picture", run=2)
    page.tell("stop")
    wait_until(lambda: not live.running)


def test_what_a_callback_raises_ends_the_run_and_is_shown(
    opened: Callable[..., tuple[Live, Page]],
) -> None:
    live, page = opened()

    def wrong(answer: Any) -> None:
        raise ValueError("not in my house")

    live.on_answer(wrong)
    page.tell("start")
    page.film(0.2)
    assert "not in my house" in page.wait("state", state="failed")["message"]
    wait_until(lambda: not live_threads())
    assert not live.running
    with pytest.raises(OptionError, match="on_event takes a function"):
        live.on_event("print")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
KINDS = ("hello", "bye", "start", "stop", "reset", "frame", "told", "ack", "nonsense", None, 3)


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(KINDS),
                "view": st.sampled_from(["one", "two"]) | ANYTHING,
                "number": st.integers(-2, 5) | ANYTHING,
                "time_seconds": st.floats(0, 10) | ANYTHING,
                "on_screen": ANYTHING,
            },
        )
        | ANYTHING,
        max_size=8,
    ),
    buffers=st.lists(
        st.sampled_from([a_jpeg(), a_jpeg()[:200], memoryview(a_jpeg()), b"", b"GIF89a"])
        | ANYTHING,
        max_size=2,
    ),
)
def test_no_message_raises_into_the_kernel(messages: list[Any], buffers: list[Any]) -> None:
    live = Live(ArithmeticModel())
    heard: list[dict[str, Any]] = []
    live.send = lambda content, buffers=None: heard.append(content)
    try:
        for content in messages:
            live._handle_custom_msg(content, buffers)
        assert not [each for each in heard if "Traceback" in str(each.get("message"))]
        assert live.stats is not None
    finally:
        live.close()
    assert live_threads() == []


@pytest.mark.parametrize(
    ("number", "time_seconds", "picture", "message"),
    [
        (-1, 0, a_jpeg(), "number of 0 or more; got -1"),
        ("7", 0, a_jpeg(), "number of 0 or more; got '7'"),
        (1, math.nan, a_jpeg(), "finite number; got nan"),
        (1, "now", a_jpeg(), "finite number; got 'now'"),
        (1, 0, b"no picture", "A JPEG, PNG or WebP picture is needed"),
        (1, 0, a_jpeg(size=(5000, 8)), "at most 4096 px a side; got 5000x8"),
        (1, 0, bytes(20_000_001), "at most 20000000 bytes; got 20000001"),
        (1, 0, 10**10, "comes with one picture"),
    ],
)
def test_a_bad_frame_is_told_and_changes_nothing(
    number: Any, time_seconds: Any, picture: Any, message: str,
    opened: Callable[..., tuple[Live, Page]],
) -> None:  # fmt: skip
    live, page = opened()
    page.tell("start")
    page.tell("frame", [picture], number=number, time_seconds=time_seconds)
    assert message in page.wait("error", view="one")["message"]
    assert live.running
    page.film(0.5)
    assert page.wait("answer")


def test_a_damaged_picture_is_left_out(opened: Callable[..., tuple[Live, Page]]) -> None:
    live, page = opened()
    page.tell("start")
    whole = a_jpeg(size=(256, 256))
    page.tell("frame", [whole[: len(whole) // 2]], number=0, time_seconds=0)
    page.wait("ack", number=0)
    wait_until(lambda: live._session.num_frames == 1)
    page.film(1, first=1)
    assert page.wait("answer")["number"] > 0
    assert live._session.num_damaged == 1


def test_nothing_is_left_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_threads()
    model = ArithmeticModel()
    live = Live(model)
    page = Page(live)
    monkeypatch.setattr(live, "send", page.hear)
    page.tell("hello")
    page.tell("start")
    page.film(1)
    live.close()
    assert live_threads() == before
    gone = weakref.ref(live), weakref.ref(live._session)
    monkeypatch.undo()
    del live, page
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_the_page_has_one_module() -> None:
    assert "import " not in Live._esm.replace("@import", "")
