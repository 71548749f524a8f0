"""The Python side of `Gallery`: tables, what pages tell, pictures, clean-up. No browser."""

from __future__ import annotations

import gc
import io
import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from synthetic import read_barcode

import vidlab as vl
from vidlab.core.errors import OptionError, WidgetError
from vidlab.core.label_names import translated
from vidlab.evaluation import Evaluation, Study
from vidlab.widgets import Gallery, gallery

WAIT_SECONDS = 60
FPS = 30


class Page:
    """Stands for a page: asks the kernel for things, and keeps what it hears."""

    def __init__(self, shown: Gallery) -> None:
        self.shown = shown
        self.heard: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self.order: list[str] = []
        self.changed = threading.Condition()

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        json.dumps(content, allow_nan=False)  # as the wire would have it
        with self.changed:
            self.heard[content["id"]] = content, buffers or []
            self.order.append(content["id"])
            self.changed.notify_all()

    def tell(self, content: Any) -> None:
        self.shown._handle_custom_msg(content, [])

    def ask(self, request: str, op: str, **more: Any) -> None:
        self.tell({"id": request, "op": op, **more})

    def wait(self, *requests: str) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: set(requests) <= set(self.heard), timeout=WAIT_SECONDS
            ), f"of {requests} came {self.order}"

    def pictures(self, op: str, row: int) -> list[bytes]:
        """Return the pictures of a row, which must come."""
        request = f"{op} {row}"
        self.ask(request, op, row=row)
        self.wait(request)
        content, buffers = self.heard[request]
        assert "error" not in content, content
        return buffers

    def frames(self, op: str, row: int) -> list[int]:
        """Return the numbers that the pictures of a row spell."""
        return [read_barcode(opened(each)) for each in self.pictures(op, row)]

    def reason(self, op: str, row: Any) -> str:
        """Return why there is no picture of a row."""
        self.ask("refused", op, row=row)
        self.wait("refused")
        content, buffers = self.heard.pop("refused")
        assert buffers == []
        return str(content["error"]["message"])


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Gallery, Page]]]:
    """Make a gallery with a page that hears it; all of them are closed at the end."""
    made: list[Gallery] = []

    def make(table: Any, **options: Any) -> tuple[Gallery, Page]:
        shown = Gallery(table, **options)
        made.append(shown)
        page = Page(shown)
        monkeypatch.setattr(shown, "send", page.hear)
        return shown, page

    yield make
    for shown in made:
        shown.close()
    wait_no_thread()


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What a gallery's thread opens."""
    paths: list[Path] = []

    class Noted(vl.Video):
        def __init__(self, source: Path) -> None:
            paths.append(source)
            super().__init__(source)

    monkeypatch.setattr(gallery, "Video", Noted)
    return paths


def gallery_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "vidlab-gallery"]


def wait_no_thread() -> None:
    for each in gallery_threads():
        each.join(WAIT_SECONDS)
    assert gallery_threads() == []


def column(shown: Gallery, name: str) -> list[Any]:
    """Return a column's values, as the page has them."""
    [found] = [each for each in shown._info["columns"] if each["name"] == name]
    if found["kind"] != "text":
        return list(found["values"])
    return [found["texts"][code] if code >= 0 else None for code in found["codes"]]


# ---- tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (pd.DataFrame({"vidoe": ["a"]}), {}, "needs a column 'video' with paths; it has vidoe"),
        (pd.DataFrame(), {}, "it has none"),
        ("clips.csv", {}, "a DataFrame with a column 'video', a Study or an Evaluation; got str"),
        (pd.DataFrame([["a", "b"]], columns=["video"] * 2), {}, "'video' more than once"),
        (pd.DataFrame({"video": ["a"], "end_seconds": ["1 s"]}), {}, "numbers; it holds '1 s'"),
        (
            pd.DataFrame({"video": ["a"], "start_seconds": [pd.Timedelta(1, "s")]}),
            {},
            "'start_seconds' must hold numbers",
        ),
        (
            pd.DataFrame({"video": ["a"], "predicted_x": ["b"], "probability_x": ["high"]}),
            {},
            "'probability_x' must hold numbers; it holds 'high'",
        ),
        (
            pd.DataFrame({"video": ["a"], "predicted": ["b"], "correct": [2]}),
            {},
            "'correct' must hold True and False; it holds 2, too",
        ),
        (pd.DataFrame({"video": ["a"], "size": [1]}), {"columns": ["sise"]}, "mean 'size'"),
        (pd.DataFrame({"video": ["a"]}), {"locale": "fr"}, "locale must be one of en, ko"),
        (pd.DataFrame({"video": ["a"]}), {"labels": "kr"}, "shown in 'en' or 'ko'; got 'kr'"),
        (pd.DataFrame({"video": ["a"]}), {"foldr": "x"}, "no option 'foldr'.*Did you mean"),
    ],
)
def test_what_cannot_be_shown_is_refused(table: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Gallery(table, **options)


def test_every_column_is_told_with_what_it_holds(show: Callable[..., Any]) -> None:
    table = pd.DataFrame(
        {
            "video": ["a.mp4", None, "a.mp4"],
            "label": ["waving", float("nan"), "squat"],
            "share": np.float32([0.984, np.nan, np.inf]),
            "count": pd.array([3, None, 2**40], dtype="Int64"),
            "seen": pd.Series([True, None, False], dtype=object),
            "kind": pd.Categorical(["x", None, "y"]),
            "more": pd.Series([[1], {"a": 2}, None], dtype=object),
            "wave": [1 + 2j] * 3,
            "empty": [None] * 3,
            7: [1.5, 2.0, 1e-9],
        }
    )
    table.index = pd.Index(["p", "p", "q"])
    shown, _ = show(table)
    info = json.loads(json.dumps(shown._info, allow_nan=False))
    assert info["num_rows"] == 3
    kinds = {each["name"]: each["kind"] for each in info["columns"]}
    assert kinds == {
        "video": "text", "label": "text", "share": "number", "count": "number", "seen": "flag",
        "kind": "text", "more": "text", "wave": "text", "empty": "text", "7": "number",
    }  # fmt: skip
    assert column(shown, "video") == ["a.mp4", None, "a.mp4"]
    assert column(shown, "label") == ["waving", None, "squat"]
    assert column(shown, "share") == [0.984, None, None]
    assert column(shown, "count") == [3, None, 2**40]
    assert column(shown, "seen") == [True, None, False]
    assert column(shown, "kind") == ["x", None, "y"]
    assert column(shown, "more") == ["[1]", "{'a': 2}", None]
    assert column(shown, "empty") == [None] * 3
    assert column(shown, "7") == [1.5, 2.0, 1e-9]
    assert [each["name"] for each in info["labels"]] == ["squat", "waving"]


def test_names_that_are_not_unicode_reach_page_and_disk(show: Callable[..., Any]) -> None:
    names = pd.Series([os.fsdecode(b"not\xffthere.mp4")], dtype=object)
    shown, page = show(pd.DataFrame({"video": names, "seen_at": names}))
    assert column(shown, "seen_at") == ["not?there.mp4"]
    assert column(shown, "video") == ["not?there.mp4"]
    assert "udcff" in page.reason("thumbnail", 0)


def test_many_labels_take_no_colours(show: Callable[..., Any]) -> None:
    few, many = ([f"colourless {number}" for number in range(count)] for count in (26, 27))
    assert len(show(pd.DataFrame({"video": few, "label": few}))[0]._info["labels"]) == 26
    assert show(pd.DataFrame({"video": many, "label": many}))[0]._info["labels"] == []


def test_labels_have_names_in_another_language_and_stay_what_they_are(
    show: Callable[..., Any],
) -> None:
    table = pd.DataFrame(
        {
            "video": ["a", "b"],
            "label": ["carving ice", "my own"],
            "predicted": ["my own", "squat"],
            "place": ["carving ice", "tap dancing"],
        }
    )
    shown, _ = show(table, labels="ko")
    names = {each: translated(each, "ko") for each in ("carving ice", "squat")}
    assert shown._info["names"] == names
    assert "carving ice" not in names.values()
    assert column(shown, "label") == ["carving ice", "my own"]
    described = {each["name"]: each["letter"] for each in shown._info["labels"]}
    assert set(described) == {"carving ice", "my own", "squat"}
    pd.testing.assert_frame_equal(shown.shown, table)
    plain, _ = show(table)
    assert plain._info["names"] == {}
    assert {each["name"]: each["letter"] for each in plain._info["labels"]} == described


def test_right_is_told_or_compared(show: Callable[..., Any]) -> None:
    table = pd.DataFrame(
        {
            "video": list("abc"),
            "label": ["x", "y", None],
            "predicted_one": ["x", "x", "x"],
            "predicted_other": ["x", "y", None],
            "correct_other": [False, True, None],
            "correct_if": [1.5, 2.5, 3.5],  # of no model: a column as any other
        }
    )
    shown, _ = show(table)
    assert column(shown, "correct_one") == [True, False, None]
    assert column(shown, "correct_other") == [False, True, None]
    assert column(shown, "correct_if") == [1.5, 2.5, 3.5]
    assert shown._info["models"] == [
        {
            "title": "one", "letter": "A", "predicted": "predicted_one",
            "probability": None, "correct": "correct_one",
        },
        {
            "title": "other", "letter": "B", "predicted": "predicted_other",
            "probability": None, "correct": "correct_other",
        },
    ]  # fmt: skip
    assert "correct_one" not in shown.shown.columns


def an_evaluation(title: str, seed: int) -> Evaluation:
    clips = pd.DataFrame(
        {
            "video": [f"{number}.mp4" for number in range(4)],
            "start_seconds": 0.0,
            "end_seconds": [1.0, 2.0, 3.0, 4.0],
            "label": ["waving", "squat", "waving", "squat"],
        }
    )
    probabilities = np.random.default_rng(seed).dirichlet([1, 1], size=4).astype(np.float32)
    labels = vl.LabelMap(["waving", "squat"])
    return Evaluation(clips, probabilities, labels=labels, title=title)


def test_studies_and_evaluations_are_shown_by_their_tables(show: Callable[..., Any]) -> None:
    one, other = an_evaluation("one", 1), an_evaluation("other", 2)
    shown, _ = show(one)
    pd.testing.assert_frame_equal(shown.shown, one.predictions)
    assert [each["title"] for each in shown._info["models"]] == ["one"]
    study = Study({"float": one, "int8": other})
    shown, _ = show(study)
    pd.testing.assert_frame_equal(shown.shown, study.clips)
    assert [each["title"] for each in shown._info["models"]] == ["float", "int8"]
    assert shown._info["divergence"] == "jsd_nats"
    told = column(shown, "correct_int8")
    assert told == study.clips["correct_int8"].tolist()


def test_an_empty_table_and_one_column_are_enough(show: Callable[..., Any]) -> None:
    empty, page = show(pd.DataFrame({"video": []}))
    assert len(empty.shown) == len(empty.selected) == 0
    assert repr(empty) == "<Gallery of 0 clips>"
    assert "numbered from 0 to -1" in page.reason("thumbnail", 0)
    bare, _ = show(pd.DataFrame({"video": ["a"]}))
    assert repr(bare) == "<Gallery of 1 clip>"
    assert bare._info["models"] == []
    assert bare._info["label"] is None


# ---- what pages tell -------------------------------------------------------------------------


def test_selected_and_shown_are_rows_of_the_table(show: Callable[..., Any]) -> None:
    table = pd.DataFrame({"video": list("abcd"), "n": [1, 2, 3, 4]}, index=[10, 10, 30, 40])
    given = table.copy()
    shown, _ = show(table)
    heard: list[pd.DataFrame] = []
    shown.observe(lambda change: heard.append(change["new"]), "selected")
    pd.testing.assert_frame_equal(shown.shown, given)
    pd.testing.assert_frame_equal(shown.selected, given.iloc[:0])
    table["n"] = 0  # what is done with it afterwards is the user's own matter
    shown.set_state({"_selected": [2, 0], "_shown": [3, 1], "_query": {"search": "x"}})
    pd.testing.assert_frame_equal(shown.selected, given.iloc[[0, 2]])
    pd.testing.assert_frame_equal(shown.shown, given.iloc[[3, 1]])
    assert [each is shown.selected for each in heard] == [True]
    shown.set_state({"_selected": [], "_shown": None})
    assert [len(each) for each in heard] == [2, 0]
    pd.testing.assert_frame_equal(shown.shown, given)


@pytest.mark.parametrize(
    "rows", [[2], [-1], [0, 0], [True], [0.0], ["0"], "0", {"0": 1}, 0, [None], [[0]]]
)
@pytest.mark.parametrize("trait", ["_selected", "_shown"])
def test_rows_that_are_none_change_nothing(rows: Any, trait: str, show: Callable[..., Any]) -> None:
    shown, _ = show(pd.DataFrame({"video": list("ab")}))
    shown.set_state({"_selected": [1], "_shown": [1]})
    with pytest.raises(WidgetError, match=r"Rows are a list|Each row is named once"):
        shown.set_state({trait: rows})
    assert shown.selected["video"].tolist() == shown.shown["video"].tolist() == ["b"]


def test_opened_rows_are_told_until_it_is_stopped(show: Callable[..., Any]) -> None:
    table = pd.DataFrame({"video": list("abc"), "n": [1, 2, 3]}, index=[5, 6, 7])
    shown, page = show(table)
    heard: list[pd.Series] = []
    page.ask("0", "open", row=0)
    stop = shown.on_open(heard.append)
    page.ask("1", "open", row=2)
    stop()
    stop()
    page.ask("2", "open", row=1)
    page.wait("0", "1", "2")
    assert [(each.name, each.video, each.n) for each in heard] == [(7, "c", 3)]

    def fail(_row: pd.Series) -> None:
        raise ValueError("not in my house")

    shown.on_open(fail)
    assert "ValueError: not in my house" in page.reason("open", 0)
    with pytest.raises(OptionError, match="on_open takes a function of the row; got 'print'"):
        shown.on_open("print")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.sampled_from(["1", "2"]) | ANYTHING,
                "op": st.sampled_from(["thumbnail", "preview", "cancel", "open", "read", None]),
                "row": st.integers(-2, 3) | ANYTHING,
                "requests": st.lists(st.sampled_from(["1", "2"])) | ANYTHING,
            },
        )
        | ANYTHING,
        max_size=6,
    )
)
def test_no_message_raises_into_the_kernel(messages: list[Any]) -> None:
    shown = Gallery(pd.DataFrame({"video": ["nothing.mp4", None]}))
    heard: list[dict[str, Any]] = []
    shown.send = lambda content, buffers=None: heard.append(content)
    try:
        for content in messages:
            shown._handle_custom_msg(content, [])
    finally:
        shown.close()
        wait_no_thread()
    faults = [each for each in heard if "went wrong in the kernel" in str(each.get("error"))]
    assert faults == []


@pytest.mark.parametrize("row", [2, -1, True, 0.0, "0", None, "/etc/passwd", ["0"]])
@pytest.mark.parametrize("op", ["thumbnail", "preview", "open"])
def test_only_rows_of_the_table_are_read(
    op: str, row: Any, show: Callable[..., Any], opens: list[Path]
) -> None:
    _, page = show(pd.DataFrame({"video": list("ab")}))
    assert "Rows are numbered from 0 to 1" in page.reason(op, row)
    assert opens == []


# ---- pictures --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(spelled: Callable[..., Path]) -> Path:
    """60 frames at 30 fps, 2 s."""
    return spelled("mp4-one-keyframe")


def rows_of(path: Path, segments: Sequence[tuple[float | None, float | None]]) -> pd.DataFrame:
    table = pd.DataFrame(segments, columns=["start_seconds", "end_seconds"])
    return table.assign(video=path.name)


def test_pictures_are_of_the_middle_and_evenly_over_the_clip(
    clip: Path, show: Callable[..., Any]
) -> None:
    start = vl.Video(clip).start_seconds
    segments = [
        (None, None),
        (start + 1, start + 2),
        (None, start + 1),
        (start + 1, None),
        (start + 0.5, start + 0.52),
        (start - 5, start + 99),
    ]
    _, page = show(rows_of(clip, segments), folder=clip.parent)
    expected = [(0, 60), (30, 60), (0, 30), (30, 60), (15, 15.6), (0, 60)]
    for row, (first, last) in enumerate(expected):
        assert page.frames("thumbnail", row) == [int((first + last) / 2)]
        part = (last - first) / 10
        numbers = [int(first + part * (k + 0.5)) for k in range(10)]
        assert page.frames("preview", row) == list(dict.fromkeys(numbers))


def test_pictures_are_small_and_keep_their_shape(
    spelled: Callable[..., Path], show: Callable[..., Any]
) -> None:
    large, small = spelled("mp4", size=(640, 480)), spelled("mp4", size=(96, 64))
    _, page = show(pd.DataFrame({"video": [str(large), str(small)]}))
    [picture], [little] = (page.pictures("thumbnail", row) for row in (0, 1))
    assert opened(picture).shape == (180, 240, 3)
    assert opened(little).shape == (64, 96, 3)
    assert len(picture) < 20_000


def test_why_there_is_no_picture_is_told(
    clip: Path, show: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "words.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    videos = [None, "gone.mp4", "words.mp4", "empty.mp4", ".", str(clip), str(clip)]
    times = {"start_seconds": [None] * 5 + [7, 1.5], "end_seconds": [None] * 5 + [8, 0.5]}
    _, page = show(pd.DataFrame({"video": videos, **times}), folder=tmp_path)
    reasons = [page.reason("thumbnail", row) for row in range(7)]
    assert "names no video in this row" in reasons[0]
    assert "There is no file" in reasons[1]
    assert "gone.mp4" in reasons[1]
    assert "words.mp4" in reasons[2]
    assert "empty.mp4" in reasons[3]
    assert "folder" in reasons[4] or "directory" in reasons[4]
    assert f"segment (7.000 to 8.000 s) is no part of {clip.name}, which lasts" in reasons[5]
    assert "segment (1.500 to 0.500 s) is no part" in reasons[6]
    assert [page.reason("preview", row) for row in range(7)] == reasons


def test_what_is_before_the_damage_is_previewed(
    spelled: Callable[..., Path], show: Callable[..., Any], tmp_path: Path
) -> None:
    data = bytearray(spelled("mp4-intra").read_bytes())
    middle = len(data) * 6 // 10
    data[middle:-4000] = bytes(len(data) - 4000 - middle)
    (tmp_path / "damaged.mp4").write_bytes(data)
    _, page = show(pd.DataFrame({"video": ["damaged.mp4"]}), folder=tmp_path)
    numbers = page.frames("preview", 0)
    whole = [3, 9, 15, 21, 27, 33, 39, 45, 51, 57]
    assert 0 < len(numbers) < len(whole)
    assert numbers == whole[: len(numbers)]


def note_reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the frames that are read from now on."""
    read: list[int] = []
    frame_at = vl.Video.frame_at
    monkeypatch.setattr(
        vl.Video, "frame_at", lambda self, index: read.append(index) or frame_at(self, index)
    )
    return read


def test_nothing_is_read_before_it_is_asked_for_and_nothing_twice(
    clip: Path, show: Callable[..., Any], opens: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = note_reading(monkeypatch)
    # Row 1 is row 0 again: another row, the same clip.
    _, page = show(rows_of(clip, [(None, None)] * 2 + [(0.0, 1.0)]), folder=clip.parent)
    assert (opens, gallery_threads()) == ([], [])
    [first] = page.pictures("thumbnail", 0)
    assert read == [30]
    assert page.pictures("thumbnail", 1) == page.pictures("thumbnail", 0) == [first]
    assert (read, opens) == ([30], [clip])
    page.pictures("preview", 2)
    assert (len(read), opens) == (11, [clip]), "one file, opened once"


def test_what_is_kept_is_bounded(
    clip: Path, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [(each / 10, each / 10 + 0.5) for each in range(12)]
    shown, page = show(rows_of(clip, segments), folder=clip.parent)
    size = len(page.pictures("thumbnail", 0)[0])
    monkeypatch.setattr(gallery, "_CACHE_BYTES", 4 * size)
    read = note_reading(monkeypatch)
    for row in range(12):
        page.pictures("thumbnail", row)
        if row > 1:
            page.heard.clear()
            page.pictures("thumbnail", 1)  # wanted often, so kept
    assert len(read) == 11, "each once, but for the first, which was there"
    made = shown._pictures._made
    assert sum(len(each) for pictures in made.values() for each in pictures) <= 4 * size
    assert sum(len(each) for pictures in made.values() for each in pictures) == (
        shown._pictures._num_bytes
    )
    kept = [each.start_seconds for each, _ in made]
    assert {0.1, 1.1} <= set(kept)
    assert 0.0 not in kept


class Gate:
    """Lets the thread that decodes wait until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.read: list[int] = []
        frame_at = vl.Video.frame_at

        def wait_here(video: vl.Video, index: int) -> Any:
            self.read.append(index)
            self.reached.set()
            assert self.open.wait(WAIT_SECONDS)
            return frame_at(video, index)

        monkeypatch.setattr(vl.Video, "frame_at", wait_here)


def test_previews_come_first_and_what_was_called_off_never(
    clip: Path, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [(each / 10, each / 10 + 0.5) for each in range(6)]
    _, page = show(rows_of(clip, segments), folder=clip.parent)
    gate = Gate(monkeypatch)
    page.ask("busy", "thumbnail", row=0)
    assert gate.reached.wait(WAIT_SECONDS)
    for row in (1, 2, 3):
        page.ask(f"thumbnail {row}", "thumbnail", row=row)
    page.ask("preview 4", "preview", row=4)
    page.ask("preview 5", "preview", row=5)
    page.ask("", "cancel", requests=["thumbnail 2", "busy", "unknown"])
    gate.open.set()
    page.wait("thumbnail 3")
    assert page.order == ["preview 5", "preview 4", "thumbnail 1", "thumbnail 3"]
    # Asked for again, what was called off comes.
    assert page.pictures("thumbnail", 0)


def test_what_is_known_waits_for_nothing_and_is_read_once(
    clip: Path, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rows 1 and 2 are the same clip.
    _, page = show(rows_of(clip, [(0, 1), (1, 2), (1, 2)]), folder=clip.parent)
    page.pictures("thumbnail", 0)
    gate = Gate(monkeypatch)
    page.ask("busy", "thumbnail", row=1)
    page.ask("again", "thumbnail", row=2)
    assert gate.reached.wait(WAIT_SECONDS)
    page.ask("known", "thumbnail", row=0)
    page.wait("known")
    assert "busy" not in page.heard
    gate.open.set()
    page.wait("busy", "again")
    assert gate.read == [45]


def test_a_preview_that_is_called_off_stops_midway(
    clip: Path, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, page = show(rows_of(clip, [(None, None)]), folder=clip.parent)
    gate = Gate(monkeypatch)
    page.ask("unwanted", "preview", row=0)
    assert gate.reached.wait(WAIT_SECONDS)
    page.ask("", "cancel", requests=["unwanted"])
    gate.open.set()
    page.pictures("thumbnail", 0)
    assert gate.read == [3, 30], "one picture of ten, and the thumbnail"
    assert "unwanted" not in page.heard


# ---- life ------------------------------------------------------------------------------------


def test_the_thread_ends_with_its_files_closed(
    clip: Path, show: Callable[..., Any], opens: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[vl.Video] = []
    close = vl.Video.close
    monkeypatch.setattr(vl.Video, "close", lambda self: closed.append(self) or close(self))
    monkeypatch.setattr(gallery, "_IDLE_SECONDS", 0.01)
    monkeypatch.setattr(gallery, "_NUM_OPEN", 2)
    others = [clip.parent / f"copy {number}.mp4" for number in range(3)]
    for each in others:
        each.write_bytes(clip.read_bytes())
    _, page = show(pd.DataFrame({"video": [str(each) for each in others]}))
    for row in range(3):
        page.pictures("thumbnail", row)
    wait_no_thread()
    assert (sorted(opens), len(closed)) == (others, 3)
    # And it starts again.
    assert page.pictures("preview", 0)


def test_few_videos_are_open_at_a_time(
    clip: Path, show: Callable[..., Any], opens: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = vl.Video.close
    monkeypatch.setattr(vl.Video, "close", lambda self: closed.append(self.name) or close(self))
    monkeypatch.setattr(gallery, "_IDLE_SECONDS", 1e6)
    monkeypatch.setattr(gallery, "_NUM_OPEN", 2)
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (clip.parent / name).write_bytes(clip.read_bytes())
    videos = ["a.mp4", "b.mp4", "a.mp4", "c.mp4", "a.mp4"]
    table = pd.DataFrame({"video": videos, "start_seconds": [0.1 * n for n in range(5)]})
    _, page = show(table, folder=clip.parent)
    for row in range(5):
        page.pictures("thumbnail", row)
    assert [each.name for each in opens] == ["a.mp4", "b.mp4", "c.mp4"]
    assert closed == ["b.mp4"], "the one not wanted for longest"


def test_nothing_is_left_after_close(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Gallery(pd.DataFrame({"video": [str(clip)] * 3}))
    page = Page(shown)
    monkeypatch.setattr(shown, "send", page.hear)
    monkeypatch.setattr(gallery, "_IDLE_SECONDS", 1e6)
    gate = Gate(monkeypatch)
    page.ask("busy", "preview", row=0)
    page.ask("queued", "thumbnail", row=1)
    assert gate.reached.wait(WAIT_SECONDS)
    shown.close()
    gate.open.set()
    wait_no_thread()
    assert page.heard == {}
    gone = weakref.ref(shown), weakref.ref(shown._pictures)
    monkeypatch.undo()
    del shown, page
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_shown_again_after_close_it_comes_back(
    clip: Path, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, page = show(pd.DataFrame({"video": [str(clip)]}))
    read = note_reading(monkeypatch)
    page.pictures("thumbnail", 0)
    shown.close()
    data, _metadata = shown._repr_mimebundle_()
    assert data["text/plain"] == "<Gallery of 1 clip>"
    page.heard.clear()
    assert page.pictures("thumbnail", 0)
    assert read == [30, 30], "nothing was kept"


def test_the_page_has_one_module_that_writes_text_only() -> None:
    source = Gallery._esm
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert risky not in source
    assert "import " not in source.replace("@import", "")
