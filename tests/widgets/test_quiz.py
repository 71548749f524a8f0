"""The Python side of `Quiz`: what pages may know, choices, scores, the file. No browser."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
import threading
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
from vidlab.core.errors import LabelMapError, OptionError, PredictionsError, VidlabError
from vidlab.evaluation import Evaluation, Study
from vidlab.widgets import Quiz
from vidlab.widgets.kept import kept_quiz_html
from vidlab.widgets.quiz_questions import Answer, draw_choices
from vidlab.widgets.quiz_scores import Scores

WAIT_SECONDS = 60
LABELS = ["waving", "squat", "lunge", "push up", "clapping", "walking"]


class Page:
    """Stands for a page: asks the kernel for things, and keeps what it hears."""

    def __init__(self, shown: Quiz) -> None:
        self.shown = shown
        self.heard: list[tuple[dict[str, Any], list[bytes]]] = []
        self.changed = threading.Condition()
        self.serial = 0
        shown.send = self.hear

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        json.dumps(content, allow_nan=False)  # as the wire would have it
        with self.changed:
            self.heard.append((content, buffers or []))
            self.changed.notify_all()

    def tell(self, content: Any) -> None:
        self.shown._handle_custom_msg(content, [])

    def ask(self, op: str, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Return the answer to a request, which must come."""
        self.serial += 1
        request = str(self.serial)
        self.tell({"id": request, "op": op, **more})

        def answers() -> list[tuple[dict[str, Any], list[bytes]]]:
            return [
                each for each in self.heard
                if each[0]["id"] == request and "progress" not in each[0]
            ]  # fmt: skip

        with self.changed:
            assert self.changed.wait_for(answers, timeout=WAIT_SECONDS), f"no answer to {op}"
        [answer] = answers()
        return answer

    def result(self, op: str, **more: Any) -> dict[str, Any]:
        content, _ = self.ask(op, **more)
        assert "error" not in content, content
        return dict(content["result"])

    def reason(self, op: str, **more: Any) -> str:
        content, buffers = self.ask(op, **more)
        assert buffers == []
        return str(content["error"]["message"])

    def choices(self) -> list[str]:
        return list(self.result("question", question=self.state["at"])["choices"])

    def commit(self, label: str, sure: str = "think") -> None:
        """Commit an answer by its words, and go on."""
        at = self.state["at"]
        self.result("commit", question=at, choice=self.choices().index(label), sure=sure)
        self.result("next", question=at)

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(json.dumps(self.shown._state, allow_nan=False)))


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Quiz, Page]]]:
    """Make a quiz with a page that hears it; all of them are closed at the end."""
    made: list[Quiz] = []

    def make(videos: Any, models: Any = None, *, name: str | None = "Mina", **options: Any) -> Any:
        shown = vl.quiz(videos, models, name=name, **options)
        made.append(shown)
        return shown, Page(shown)

    yield make
    for shown in made:
        shown.close()
    for thread in threading.enumerate():
        if thread.name.startswith("vidlab-quiz"):
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()


Start = Callable[..., tuple[Quiz, Page]]


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


def a_table(truth: Sequence[str | None], **predicted: Sequence[str | None]) -> pd.DataFrame:
    """Clips that are not there, with labels and models' answers."""
    table = pd.DataFrame({"video": [f"{n}.mp4" for n in range(len(truth))], "label": truth})
    for name, labels in predicted.items():
        table[f"predicted_{name}"] = labels
        table[f"probability_{name}"] = 0.5
    return table


# ---- what can be asked -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("videos", "options", "message"),
    [
        ([], {"truth": []}, "at least one video; got none"),
        ("a.mp4", {}, "something to compare answers with"),
        (3, {}, "a video or its path, a list of them, .* got int"),
        ([3], {}, "got int"),
        ("http://there/a.mp4", {"truth": "a", "choices": ["a", "b"], "seed": -1}, "seed must be"),
        ("a.mp4", {"truth": "a"}, "between 2 labels at least"),
        (["a.mp4", "b.mp4"], {"truth": ["a"]}, "each of the 2 clips.*got 1 of them"),
        (["a.mp4"], {"truth": [" "]}, "not empty; got ' '"),
        (["a.mp4"], {"truth": {"b.mp4": "a"}}, "none of the videos. Did you mean 'a.mp4'"),
        ("a.mp4", {"truth": "sqat", "choices": ["squat", "b"]}, "lack .*Did you mean 'squat'"),
        ("a.mp4", {"truth": "a", "choices": "ab"}, "a list of labels; got 'ab'"),
        ("a.mp4", {"truth": "a", "choices": ["a"]}, "2 labels at least"),
        ("a.mp4", {"truth": "a", "num_choices": 1}, "whole number from 2 to 9; got 1"),
        ("a.mp4", {"truth": "a", "num_choices": True}, "whole number from 2 to 9; got True"),
        ("a.mp4", {"truth": "a", "locale": "fr", "choices": ["a", "b"]}, "locale must be one of"),
        ("a.mp4", {"truth": "a", "labels": "fr", "choices": ["a", "b"]}, "shown in 'en' or 'ko'"),
        ("a.mp4", {"truth": "a", "choices": ["a", "b"], "name": " "}, "1 to 60 characters"),
        ("a.mp4", {"models": "movinet"}, "loaded ones, such as .* got 'movinet'"),
        (pd.DataFrame({"vidoe": ["a"]}), {}, "one column 'video' with paths; it has vidoe"),
        (pd.DataFrame({"video": ["a", None], "label": "b"}), {}, "no video in row 1"),
        (
            pd.DataFrame({"video": ["a"], "label": "b", "start_seconds": ["soon"]}),
            {},
            "numbers in row 0; got 'soon'",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(
    videos: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        vl.quiz(videos, **options)


def test_choices_are_different_and_options_known() -> None:
    with pytest.raises(LabelMapError, match="appears more than once"):
        vl.quiz("a.mp4", truth="a", choices=["a", "a"])
    with pytest.raises(OptionError, match=r"no option 'thruth'.*Did you mean 'truth'"):
        Quiz("a.mp4", thruth="a")


def test_truth_comes_by_place_by_name_or_from_the_table(start: Start) -> None:
    samples = vl.sample_videos()
    names = [path.name for path in samples.values()]
    by_name = {"squat": "a", "waving_hand.mp4": "b", str(samples["at_home"]): "c"}
    quiz, _ = start(samples, truth=by_name)
    found = {q.clip.name: q.label for q in quiz._questions if q.label is not None}
    assert found == {"squat.mp4": "a", "waving_hand.mp4": "b", "at_home.mp4": "c"}
    assert [q.clip.name for q in quiz._questions] == names
    quiz, _ = start(["a.mp4", Path("b.mp4")], truth=["a", None], choices=["a", "b"])
    assert [q.label for q in quiz._questions] == ["a", None]
    segments = samples.segments
    quiz, _ = start(segments)
    assert [q.label for q in quiz._questions] == segments["label"].tolist()
    assert [q.clip.end_seconds for q in quiz._questions] == segments["end_seconds"].tolist()


def test_studies_bring_their_models_answers(start: Start) -> None:
    clips = a_table(["waving", "squat"]).assign(start_seconds=0.0, end_seconds=1.0)
    labels = vl.LabelMap(LABELS)
    share = np.full((2, len(LABELS)), 0.02, np.float32)
    share[:, 0] = 0.9
    one = Evaluation(clips, share, labels=labels, title="one")
    for videos, title in [(one, "model"), (Study({"float": one, "int8": one}), "float")]:
        quiz, page = start(videos, num_choices=2)
        page.commit(quiz._questions[0].label or "")
        assert page.state["told"]["0"]["models"][0]["top"][0]["label"]["name"] == "waving"
        assert quiz._info["models"][0]["title"] == title
        assert f"correct_{title}" in quiz.scores


# ---- choices ---------------------------------------------------------------------------------


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[str], list[str], int, int]:
    pool = draw(st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=12, unique=True))
    return pool, draw(st.lists(st.sampled_from(pool), max_size=3)), draw(
        st.integers(2, 9)
    ), draw(st.integers(0, 9))  # fmt: skip


def near(*labels: str) -> list[Answer]:
    return [Answer([each], np.array([1.0])) for each in labels]


@given(drawn())
def test_choices_have_the_right_one_once_and_tell_nothing_by_their_order(
    given_: tuple[list[str], list[str], int, int],
) -> None:
    pool, said, num, seed = given_

    def choose(answer: str, num: int) -> list[str]:
        return draw_choices(
            answer, near(*said), pool, num=num, language=None, random=np.random.default_rng(seed)
        )

    chosen = choose(pool[0], num)
    assert pool[0] in chosen
    assert len(set(chosen)) == len(chosen) == min(num, len(pool))
    assert set(chosen) <= set(pool)
    # What is on the list stands where it stands, whichever is right.
    assert choose(pool[-1], len(pool)) == choose(pool[0], len(pool))


def test_choices_are_what_models_say_and_nearly_say_before_others() -> None:
    said = Answer(LABELS, np.array([0.1, 0.5, 0.3, 0.05, 0.03, 0.02]))
    pool = [f"other {n}" for n in range(600)]
    for seed in range(20):
        random = np.random.default_rng(seed)
        chosen = draw_choices("waving", [said], pool, num=4, language=None, random=random)
        assert {"waving", "squat", "lunge"} < set(chosen)
    # No two are shown by the same words.
    twins = ["tying tie", "tying necktie"]
    random = np.random.default_rng(0)
    assert len(draw_choices(twins[0], [], [*twins, "x"], num=3, language="en", random=random)) == 3
    assert set(draw_choices(twins[0], [], [*twins, "x"], num=3, language="ko", random=random)) == {
        twins[0],
        "x",
    }


def test_a_seed_gives_everybody_the_same_and_none_gives_new_ones(start: Start) -> None:
    pool = [f"label {n}" for n in range(50)]

    def choices(**options: Any) -> list[list[str]]:
        quiz, _ = start(a_table(pool), **options)
        return [each.choices for each in quiz._questions]

    assert choices(seed=5) == choices(seed=5)
    assert choices(seed=5) != choices(seed=6)
    assert choices() != choices()


def test_given_choices_are_shown_as_given(start: Start) -> None:
    _, page = start(a_table(["squat", "lunge"]), choices=LABELS)
    assert page.choices() == LABELS
    page.commit("squat")
    assert page.choices() == LABELS


def test_beside_it_stays_where_answers_are_kept(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_options: shown.append(data))
    quiz, _ = start(a_table(["squat", "lunge"]), scores=tmp_path / "<b>.csv")
    quiz.close()  # it comes back as another
    quiz._ipython_display_()
    live, copy = shown
    assert "application/vnd.jupyter.widget-view+json" in live
    assert f'data-vidlab-kept="{quiz.model_id}"' in copy["text/html"]
    assert quiz._info["model_id"] == quiz.model_id
    assert "clips: 2." in copy["text/html"]
    assert f"{tmp_path}/&lt;b&gt;.csv" in copy["text/html"]


# ---- what pages may know ---------------------------------------------------------------------


def everything(quiz: Quiz, page: Page) -> bytes:
    """Return all that left the kernel, without the random ids of widgets."""
    data, _ = quiz._repr_mimebundle_()
    state = {name: value for name, value in quiz.get_state().items() if name != "layout"}
    shown = {name: value for name, value in data.items() if "widget-view" not in name}
    left = [state, shown, kept_quiz_html(quiz), repr(quiz), page.heard[:]]
    return json.dumps(left, default=repr).replace(str(quiz.model_id), "").encode()


def test_nothing_that_leaves_the_kernel_depends_on_what_is_right(start: Start) -> None:
    left: list[bytes] = []
    for truth, said in [
        (["squat", "lunge"], ["lunge", "lunge"]),
        (["lunge", "squat"], ["waving", "squat"]),
        ([None, "waving"], ["clapping", None]),
    ]:
        quiz, page = start(a_table(truth, m=said), choices=LABELS, name=None)
        page.result("name", name="Mina")
        page.result("question", question=0)
        page.reason("question", question=1)
        assert page.result("clip", question=0) == {"problem": "clip"}
        left.append(everything(quiz, page))
    assert left[0] == left[1] == left[2]
    # The same with choices that are drawn: only the list of them can be another one.
    left.clear()
    for truth in (["squat"], ["lunge"]):
        table = a_table(truth, m=["squat" if truth == ["lunge"] else "lunge"])
        quiz, page = start(table, seed=3)
        page.result("question", question=0)
        left.append(everything(quiz, page))
    assert left[0] == left[1]


def test_names_of_files_come_with_the_answer(
    start: Start, spelled: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "secret-squat.mp4"
    shutil.copy(spelled("mp4"), path)
    quiz, page = start([path, path, "secret-gone.mp4"], truth=["squat"] * 3, choices=LABELS)
    page.result("question", question=0)
    page.ask("clip", question=0)
    assert b"secret" not in everything(quiz, page)
    page.commit("squat")
    assert page.state["told"]["0"]["video"] == "secret-squat.mp4"
    page.commit("squat")
    # Not even of the one that is broken.
    before = len(page.heard)
    assert page.result("clip", question=2) == {"problem": "clip"}
    assert "secret" not in json.dumps([content for content, _ in page.heard[before:]])
    assert "clip 3 cannot be opened" in quiz.problems[3]


def test_answers_come_with_the_commit_and_no_earlier(start: Start) -> None:
    quiz, page = start(a_table(["squat", "lunge"], m=["squat", "clapping"]), choices=LABELS)
    assert page.state["told"] == {}
    page.result("commit", question=0, choice=2, sure="guess")
    [told] = page.state["told"].values()
    assert [told["choice"], told["answer"], told["correct"]] == [2, 1, False]
    assert [each["name"] for each in told["choices"]] == LABELS
    assert told["models"][0]["correct"] is True
    assert "clapping" not in json.dumps(told["models"])
    assert repr(quiz) == "<Quiz of 2 clips, 1 answered>"
    # What is committed stays so.
    assert "final" in page.reason("commit", question=0, choice=1, sure="sure")
    assert len(quiz.scores) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"op": "commit", "question": 1, "choice": 0, "sure": "sure"}, "Clip 1 is to be answered"),
        ({"op": "commit", "question": 0, "choice": 9, "sure": "sure"}, "0 to 5; got 9"),
        ({"op": "commit", "question": 0, "choice": True, "sure": "sure"}, "0 to 5; got True"),
        ({"op": "commit", "question": 0, "choice": -1, "sure": "sure"}, "0 to 5; got -1"),
        ({"op": "commit", "question": 0, "choice": 0, "sure": "very"}, "guess, think, sure"),
        ({"op": "next", "question": 0}, "Commit an answer first"),
        ({"op": "next", "question": True}, "Clip 1 is to be answered"),
        ({"op": "question", "question": "0"}, "Clip 1 is to be answered"),
        ({"op": "again"}, "Answer all clips first"),
        ({"op": "name", "name": "Other"}, "This quiz is Mina's"),
        ({"op": "answers"}, "no request 'answers'"),
    ],
)
def test_requests_are_checked(request_: dict[str, Any], message: str, start: Start) -> None:
    quiz, page = start(a_table(["squat", "lunge"]), choices=LABELS)
    before = page.state
    assert message in page.reason(**request_)
    assert page.state == before
    assert len(quiz.scores) == 0


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
OPS = ["name", "question", "clip", "commit", "next", "again", "cancel", None]


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.sampled_from(["1", "2"]) | ANYTHING,
                "op": st.sampled_from(OPS) | ANYTHING,
                "question": st.integers(-1, 3) | ANYTHING,
                "choice": st.integers(-1, 6) | ANYTHING,
                "sure": st.sampled_from(["guess", "sure"]) | ANYTHING,
                "name": st.text(max_size=3) | ANYTHING,
            },
        )
        | ANYTHING,
        max_size=8,
    ),
    name=st.sampled_from([None, "Mina"]),
)
def test_no_message_is_a_fault_of_the_kernel(messages: list[Any], name: str | None) -> None:
    quiz = vl.quiz(a_table(["squat", "lunge"]), choices=LABELS, name=name)
    page = Page(quiz)
    try:
        for content in messages:
            page.tell(content)
        assert len(quiz.scores) == len(quiz.scores.drop_duplicates(["attempt", "question"]))
    finally:
        quiz.close()
    faults = [each for each, _ in page.heard if "went wrong in the kernel" in str(each)]
    assert faults == []


# ---- scores ----------------------------------------------------------------------------------


@given(
    clips=st.lists(
        st.tuples(
            st.sampled_from(LABELS),
            st.none() | st.sampled_from(LABELS),
            st.none() | st.sampled_from(LABELS),
            st.sampled_from(LABELS),
            st.sampled_from(["guess", "think", "sure"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_scores_are_counted_as_anybody_would(clips: list[tuple[str, Any, Any, str, str]]) -> None:
    truth, one, other, chosen, sure = zip(*clips, strict=True)
    table = a_table(truth, one=one, other=other)
    quiz = vl.quiz(table, choices=LABELS, name="Mina")
    page = Page(quiz)
    try:
        for choice, each in zip(chosen, sure, strict=True):
            page.commit(choice, each)
        summary = quiz.summary.set_index("who")
        for who, said in [("Mina", chosen), ("one", one), ("other", other)]:
            counted = [(a, b) for a, b in zip(said, truth, strict=True) if a is not None]
            right = sum(a == b for a, b in counted)
            assert summary.loc[who, ["num_clips", "num_correct"]].tolist() == [len(counted), right]
            if counted:
                assert summary.loc[who, "share"] == right / len(counted)
        scores = quiz.scores
        assert scores["choice"].tolist() == list(chosen)
        assert scores["sure"].tolist() == list(sure)
        assert scores["correct"].tolist() == [a == b for a, b in zip(chosen, truth, strict=True)]
        assert page.state["scores"] == quiz.summary[["num_clips", "num_correct"]].values.tolist()
    finally:
        quiz.close()


def test_without_truth_the_first_model_is_right(start: Start) -> None:
    table = a_table([None, None, "squat"], a=["lunge", None, "lunge"], b=["squat", "waving", None])
    quiz, page = start(table, choices=LABELS)
    for choice in ("lunge", "waving", "squat"):
        page.commit(choice)
    told = page.state["told"]
    assert [told[n]["is_true"] for n in "012"] == [False, False, True]
    assert quiz.scores["answer"].tolist() == ["lunge", "waving", "squat"]
    assert quiz.scores["label"].isna().tolist() == [True, True, False]
    assert quiz.summary["num_correct"].tolist() == [3, 1, 1]
    assert quiz.summary["num_clips"].tolist() == [3, 2, 2]


def test_a_model_without_the_label_is_neither_right_nor_wrong(
    start: Start, video: vl.Video, predict_ids: Callable[..., vl.Predictions]
) -> None:
    said = predict_ids(video, [0, 3])
    quiz, page = start(video, said, truth="something else", num_choices=3)
    assert "action 3" in page.choices(), "a stream's answer is its last"
    page.commit("something else")
    assert quiz.summary["num_clips"].tolist() == [1, 0]
    assert page.state["told"]["0"]["models"][0]["correct"] is None


def test_another_attempt_leaves_the_earlier_ones(start: Start) -> None:
    quiz, page = start(a_table(["squat", "lunge"]), choices=LABELS)
    page.commit("squat")
    page.commit("squat")
    page.result("again")
    assert page.state["told"] == {}
    assert page.state["earlier"] == [[1, 2, 1]]
    assert page.state["at"] == 0
    page.commit("squat")
    assert quiz.scores[["attempt", "question"]].values.tolist() == [[1, 1], [1, 2], [2, 1]]
    assert quiz.summary["num_clips"].tolist() == [1]


# ---- the file --------------------------------------------------------------------------------


def test_scores_are_on_the_disk_at_once_and_go_on_after_a_restart(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "scores.csv"
    table = a_table(["squat", "lunge", "waving"], m=["squat", "squat", None])
    _, page = start(table, choices=LABELS, scores=path)
    page.commit("squat", "sure")
    kept = path.read_bytes()
    [row] = csv.DictReader(io.StringIO(kept.decode()))
    assert row["name"] == "Mina"
    assert [row["choice"], row["sure"], row["correct"], row["correct_m"]] == [
        "squat", "sure", "True", "True",
    ]  # fmt: skip
    # The kernel is gone; another one goes on, by the name that the page tells.
    again, page = start(table, scores=path, name=None)
    assert page.state["name"] is None
    page.result("name", name="  Mina ")
    assert page.state["at"] == 1
    told = page.state["told"]["0"]
    assert told["choices"][told["answer"]]["name"] == "squat"
    assert told["models"][0]["top"][0]["probability"] == 0.5
    page.commit("lunge")
    page.commit("waving")
    assert path.read_bytes().startswith(kept)
    assert again.summary["num_correct"].tolist() == [3, 1]
    # All is answered: another attempt, and somebody else, begin anew.
    done, page = start(table, scores=path)
    assert page.state["at"] == 3
    page.result("again")
    assert done.attempt == 2
    _, page = start(table, scores=path, name="Jun")
    assert page.state["at"] == 0
    assert page.state["told"] == {}


def test_other_clips_are_another_attempt(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    _, page = start(a_table(["squat", "lunge"]), scores=path)
    page.commit("squat")
    for other in (a_table(["lunge", "squat"]), a_table(["squat"]).assign(video="z.mp4")):
        quiz, page = start(other, choices=LABELS, scores=path)
        assert [quiz.attempt, page.state["at"]] == [2, 0]


def test_two_kernels_with_one_file_take_nothing_from_each_other(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "scores.csv"
    pages = [
        start(a_table(["squat", "lunge"]), scores=path, name=name)[1] for name in ("Mina", "Jun")
    ]
    for label in ("squat", "lunge"):
        for page in pages:
            page.commit(label)
    table = pd.read_csv(path)
    assert table["name"].tolist() == ["Mina", "Jun"] * 2


def test_a_line_that_somebody_left_open_is_ended(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    _, page = start(a_table(["squat", "lunge"]), scores=path)
    page.commit("squat")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    page.commit("lunge")
    assert pd.read_csv(path)["choice"].tolist() == ["squat", "lunge"]


@given(
    texts=st.lists(
        st.text(st.characters(blacklist_categories=("Cs",)), min_size=1), min_size=4, max_size=4
    ),
    share=st.none() | st.floats(0, 1),
    correct=st.none() | st.booleans(),
    start_seconds=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_kept_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    share: float | None,
    correct: bool | None,
    start_seconds: float | None,
) -> None:
    path = tmp_path_factory.mktemp("kept") / "scores.csv"
    name, video, label, model = texts
    row = {
        "time": "2026-01-01T00:00:00+00:00", "name": name, "attempt": 1, "question": 3,
        "video": video, "start_seconds": start_seconds, "end_seconds": None, "label": None,
        "answer": label, "choice": label, "sure": "sure", "correct": True,
        f"predicted_{model}": label, f"probability_{model}": share, f"correct_{model}": correct,
    }  # fmt: skip
    Scores(path, [model]).add(row)
    assert Scores(path, [model]).rows == [row]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,label\na,b\n", "does not hold the answers of such a quiz: it has 'label'|lacks"),
        ("{HEAD},predicted_other\n", "has 'predicted_other'.*another file"),
        ("{HEAD}\n1,2,3\n", "line 2: 12 values are expected.*got 3"),
        (
            "{HEAD}\nt,Mina,one,1,v,,,,a,a,sure,True\n",
            "attempt: int is expected; got 'one'",
        ),
        ("{HEAD}\nt,Mina,,1,v,,,,a,a,sure,True\n", "line 2: attempt: int is expected; got ''"),
        ("{HEAD}\nt,Mina,1,1,v,inf,,,a,a,sure,True\n", "start_seconds: a finite number"),
        ("{HEAD}\nt,Mina,1,1,v,,,,a,a,sure,yes\n", "correct: bool is expected; got 'yes'"),
        ('{HEAD}\n"open\n', "cannot be read as a CSV file"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file"),
    ],
)
def test_files_of_something_else_are_left_as_they_are(
    text: str | bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "scores.csv"
    head = (
        "time,name,attempt,question,video,start_seconds,end_seconds,label,answer,choice,sure,"
        "correct"
    )
    data = text if isinstance(text, bytes) else text.replace("{HEAD}", head).encode()
    path.write_bytes(data)
    with pytest.raises(OptionError, match=message):
        vl.quiz(a_table(["squat", "lunge"]), scores=path)
    assert path.read_bytes() == data
    with pytest.raises(VidlabError, match="it is a directory"):
        vl.quiz(a_table(["squat", "lunge"]), scores=tmp_path)


def test_what_cannot_be_kept_is_not_committed(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    quiz, page = start(a_table(["squat", "lunge"]), choices=LABELS, scores=folder / "scores.csv")
    folder.rmdir()
    reason = page.reason("commit", question=0, choice=1, sure="sure")
    assert "could not be kept in 'scores.csv'" in reason
    assert page.state["told"] == {}
    assert len(quiz.scores) == 0
    folder.mkdir()
    page.commit("squat")
    assert len(pd.read_csv(folder / "scores.csv")) == 1


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """A process may write so much and no more, as on a disk that is full."""
    path = tmp_path / "scores.csv"
    program = f"""
import resource
from vidlab.core.errors import OptionError
from vidlab.widgets.quiz_scores import Scores
row = dict.fromkeys(
    "time name video start_seconds end_seconds label answer choice sure".split(), None)
row |= {{"attempt": 1, "question": 1, "correct": True, "video": "v" * 40}}
scores = Scores({str(path)!r}, [])
scores.add(row)
size = scores.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
try:
    scores.add(row)
except OptionError as error:
    print(error)
print(len(scores.rows), scores.path.stat().st_size - size)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said, left = done.stdout.splitlines()
    assert "could not be kept in 'scores.csv'" in said
    assert left == "1 0"
    assert len(Scores(path, []).rows) == 1


def test_scores_are_exported(start: Start, tmp_path: Path) -> None:
    quiz, page = start(a_table(["squat", "lunge"], m=["squat", None]), choices=LABELS)
    page.commit("squat")
    page.commit("squat")
    quiz.export(tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "all.parquet"), quiz.scores, check_dtype=False
    )
    quiz.export(tmp_path / "all.csv")
    assert pd.read_csv(tmp_path / "all.csv")["choice"].tolist() == ["squat"] * 2
    with pytest.raises(PredictionsError, match="Scores are saved as"):
        quiz.export(tmp_path / "all.xlsx")


def test_labels_are_shown_in_korean_and_kept_in_their_own_words(start: Start) -> None:
    table = a_table(["squat", "lunge"], m=["lunge", "lunge"])
    quiz, page = start(table, choices=["squat", "lunge", "my own"], labels="ko")
    assert page.choices() == [vl.translate_labels("squat"), vl.translate_labels("lunge"), "my own"]
    page.result("commit", question=0, choice=0, sure="sure")
    assert quiz.scores["choice"].tolist() == ["squat"]
    told = page.state["told"]["0"]
    assert told["choices"][0]["name"] == vl.translate_labels("squat")
    _, page = start(table, choices=["squat", "lunge", "my own"])
    page.result("commit", question=0, choice=0, sure="sure")
    for name in ("color", "letter"):
        assert page.state["told"]["0"]["choices"][0][name] == told["choices"][0][name]


# ---- clips -----------------------------------------------------------------------------------


def frames_of(buffers: Sequence[bytes]) -> list[int]:
    return [
        read_barcode(np.asarray(Image.open(io.BytesIO(each)).convert("RGB"))) for each in buffers
    ]


def test_pictures_go_evenly_over_the_clip(start: Start, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=120)
    table = pd.DataFrame(
        {"video": [str(path)] * 3, "label": "a", "start_seconds": [None, 1, 9.0]}
    ).assign(end_seconds=[None, 2, 10.0])
    quiz, page = start(table, choices=["a", "b"])
    content, buffers = page.ask("clip", question=0)
    assert content["result"] == {"seconds": pytest.approx(4)}
    numbers = frames_of(buffers)
    assert len(numbers) == 32, "8 a second"
    assert set(np.diff(numbers)) <= {3, 4}
    page.commit("a")
    content, buffers = page.ask("clip", question=1)
    assert content["result"] == {"seconds": pytest.approx(1)}
    numbers = frames_of(buffers)
    assert len(numbers) == 8
    assert numbers[0] in range(30, 34)
    assert numbers[-1] in range(56, 60)
    page.commit("a")
    # A segment that is no part of the video can be gone past, and does not count.
    assert page.result("clip", question=2) == {"problem": "clip"}
    assert "outside clip 3, which lasts" in quiz.problems[3]
    assert "cannot be answered" in page.reason("commit", question=2, choice=0, sure="sure")
    page.result("next", question=2)
    assert page.state["at"] == 3
    assert quiz.summary["num_clips"].tolist() == [2]


def test_long_clips_get_fewer_pictures_a_second(start: Start, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=450)
    _, page = start(path, truth="a", choices=["a", "b"])
    content, buffers = page.ask("clip", question=0)
    assert content["result"] == {"seconds": pytest.approx(15)}
    numbers = frames_of(buffers)
    assert len(numbers) == 80
    assert numbers[0] < 6
    assert numbers[-1] > 443


# ---- models ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Any:
    return vl.load_model("stickactions-a0-stream")


def test_models_think_while_the_learner_looks(start: Start, model: Any) -> None:
    samples = vl.sample_videos()
    names = ["squat", "waving_hand"]
    quiz, page = start([samples[each] for each in names], {"tiny": model}, num_choices=3)
    for name in names:
        page.commit(page.choices()[0])
        expected = vl.predict(samples[name], model, progress=False)
        told = page.state["told"][str(names.index(name))]["models"][0]["top"]
        best = np.argsort(-expected.probabilities[-1], kind="stable")[:3]
        assert [each["label"]["name"] for each in told] == [model.labels[int(n)] for n in best]
        assert [each["probability"] for each in told] == pytest.approx(
            expected.probabilities[-1][best].tolist(), abs=1e-5
        )
    assert quiz._info["models"] == [{"title": "tiny", "letter": "A"}]


def test_a_segment_is_judged_by_itself(start: Start, model: Any) -> None:
    samples = vl.sample_videos()
    part = samples.segments.query("video == 'workout.mp4'").assign(video=str(samples["workout"]))
    quiz, page = start(part, model)
    evaluated = vl.evaluate(model, part, progress=False)
    for _ in range(len(part)):
        page.commit(page.choices()[0])
    assert quiz.scores[f"predicted_{model.name}"].tolist() == (
        evaluated.predictions["predicted"].tolist()
    )
    assert quiz.scores[f"probability_{model.name}"].to_numpy() == pytest.approx(
        evaluated.predictions["probability"].to_numpy(), abs=1e-4
    )


def test_one_models_failure_is_told_to_the_teacher_alone(start: Start, model: Any) -> None:
    class Broken:
        name, backend, title = "broken", "torch", "broken"
        labels, card, selection = model.labels, model.card, model.selection

    squat = vl.sample_videos()["squat"]
    quiz, page = start([squat, "gone.mp4"], [model, Broken()], truth=["squat", None])
    page.commit("squat")
    assert "broken: A loaded model is needed" in quiz.problems[1]
    assert quiz.summary["num_clips"].tolist() == [1, 1, 0]
    assert page.result("question", question=1) == {"problem": "clip"}
    assert "clip 2 cannot be opened" in quiz.problems[2]


def test_predictions_are_found_by_their_video(
    start: Start, tmp_path: Path, video: vl.Video, predict_ids: Callable[..., vl.Predictions]
) -> None:
    one = predict_ids(video, [1, 2])
    other = predict_ids(video, [3, 4], backend="litert")
    clips = predict_ids(video, [5, 5, 6], every=1, clip_start=[0, 0, 0], backend="onnx")
    quiz, page = start([video], [one, [other], clips])
    page.commit(page.choices()[0])
    assert [each["title"] for each in quiz._info["models"]] == ["torch:m", "litert:m", "onnx:m"]
    said = [quiz.scores[f"predicted_{name}"][0] for name in ("torch:m", "litert:m", "onnx:m")]
    assert said == ["action 2", "action 4", "action 5"], "of clips, the mean"
    with pytest.raises(OptionError, match=r"no predictions of gone.mp4; it has those of"):
        vl.quiz(["gone.mp4"], one)
    with pytest.raises(OptionError, match=r"several are called same.mp4"):
        vl.quiz(["a/same.mp4", "b/same.mp4"], predict_ids(video, [1], video_name="same.mp4"))
    with pytest.raises(OptionError, match="'both' is one loaded model, or predictions"):
        vl.quiz([video], {"both": [one, object()]})
    with pytest.raises(OptionError, match="None of the choices is a label of"):
        vl.quiz([video], one, choices=["x", "y"])


def test_closing_comes_back_when_shown(start: Start) -> None:
    quiz, page = start(a_table(["squat", "lunge"]), choices=LABELS)
    page.commit("squat")
    quiz.close()
    data, _ = quiz._repr_mimebundle_()
    assert data["text/plain"] == "<Quiz of 2 clips, 1 answered>"
    page.commit("lunge")
    assert len(quiz.scores) == 2
