"""`Quiz`: a learner says what a clip shows, and only then sees what models say of it.

What the page knows is what it may know: answers, true labels and names of files stay in the
kernel until the learner has committed an answer. The trait ``_state`` has what was committed, and
so has a saved notebook. A request ``{id, op, …}`` gets one ``{id, result}``, or one
``{id, error: {type, message}}``:

=====================================  ===========================================================
``name {name}``                        the learner's name; those who have been here go on
``question {question}``                ``{choices}``, or ``{problem}``; while models are at work
                                       before that ``{id, progress}``
``clip {question}``                    ``{seconds}`` and JPEGs, or ``{problem}``
``commit {question, choice, sure}``    the answer, for good; the rest comes with ``_state``
``next {question}``                    on from a question that is answered, or has a problem
``again {}``                           all of it once more
=====================================  ===========================================================
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from vidlab.core import table_files
from vidlab.core.errors import OptionError, VideoError, WidgetError, did_you_mean, refuse_unknown
from vidlab.core.label_names import check_language, translated
from vidlab.core.labels import LabelMap
from vidlab.widgets import kept
from vidlab.widgets.base import Widget, script, style
from vidlab.widgets.media.server import failure_of
from vidlab.widgets.payload import describe_label, letter_of
from vidlab.widgets.quiz_questions import (
    Answer,
    Clip,
    Rival,
    draw_choices,
    read_clips,
    read_models,
)
from vidlab.widgets.quiz_scores import Row, Scores

if TYPE_CHECKING:
    import pandas as pd

_OPTIONS = (
    "truth", "choices", "num_choices", "name", "scores", "labels", "seed", "locale", "layout",
)  # fmt: skip

SURE = ("guess", "think", "sure")
"""How sure a learner can be."""

# As many as there are keys for.
_MAX_CHOICES = 9

_MAX_NAME_LENGTH = 60

# Labels listed of each model's answer.
_NUM_TOLD = 3

_FORMAT = "vidlab.quiz-scores/1"


@dataclass
class _Question:
    """One clip, and what is known of it.

    Attributes:
        clip: What is shown.
        label: The true label, or None.
        answer: What counts as right, as soon as it is known.
        choices: Labels to choose from, in the order shown, as soon as they are known.
        problem: Why it cannot be asked, as the page says it: "clip" or "answer"; or None.
        waiting: Requests that are answered when the models are done.
    """

    clip: Clip
    label: str | None
    answer: str | None = None
    choices: list[str] = field(default_factory=list)
    problem: str | None = None
    waiting: list[str] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return bool(self.choices) or self.problem is not None


class Quiz(Widget):
    """Shows clips one by one; learners commit what they see, then see what the models said.

    A clip plays as silent pictures. The learner chooses one of a few labels, says how sure that
    is, and commits it; that is final. Then come the models' answers, the true label where it is
    known, and the scores. Nothing needs a network.

    Before a question is committed its answers, its true label and the name of its file are in
    nothing that leaves the kernel: not on the page, not in the notebook as it is saved. That keeps
    answers from being seen, not from being looked for: whoever reads the kernel's variables finds
    them, and what a cell says in so many words (``truth=["squat"]``) stands in the notebook. Read
    true labels from a file.

    Args:
        videos: One video or path, several, or a DataFrame with ``video`` and where known
            ``start_seconds``, ``end_seconds`` (a segment of it) and ``label``, the truth; its
            columns ``predicted_NAME`` and ``probability_NAME`` are models' answers. A
            :class:`~vidlab.Study` or an :class:`~vidlab.Evaluation` has such a table.
        models: A loaded model, several, or several by name: each is run over each clip in a thread
            of its own, beginning now; leave them alone until that is done. Or what
            :func:`vidlab.predict` gave, for each model and video.
        truth: The true label of each clip, None where it is not known: in a list, or by the
            video's name. What a table says is not looked at then.
        choices: Labels to choose from, the same for each clip, in this order. None takes for each
            clip the right one, what models say and nearly say, and others at random.
        num_choices: How many to choose from, 2 to 9.
        name: The learner's name; None asks for it.
        scores: A CSV file that keeps each committed answer at once. What is in it stays, and who
            has answered a part of the same clips goes on there.
        labels: What labels are shown in: ``"ko"`` shows Korean names of those that have one. What
            is kept stays in the label map's words.
        seed: Draws the choices, the same for everybody with this seed. With None they are new each
            time, and nobody who knows the code can draw them again to see which were added.
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.
        layout: The `ipywidgets.Layout` of the widget.

    Attributes:
        name: The learner's name; None until it is known.
        attempt: Which attempt it is, from 1.
        problems: What is wrong with a question or with a model's answer to it, by the question's
            number from 1.
        locale: Language of the texts.

    Raises:
        OptionError: Neither truth nor a model is given, there are fewer than two labels to choose
            from, or an option is unknown or out of range; or the file for the scores holds
            something else or cannot be written.
        LabelMapError: One of the choices is empty, or there twice.

    Examples:
        >>> clips = vidlab.sample_videos()                                # doctest: +SKIP
        >>> quiz = vidlab.quiz(clips, model, scores="scores.csv")         # doctest: +SKIP
        >>> quiz.summary                                                  # doctest: +SKIP
    """

    _esm = script("quiz.js")
    _css = style("quiz.css")

    _info = traitlets.Dict(help="How many clips, and which models.").tag(sync=True)
    _state = traitlets.Dict(help="Where the learner is, and what was committed.").tag(sync=True)

    def __init__(
        self,
        videos: Any,
        models: Any = None,
        *,
        truth: Any = None,
        choices: Sequence[str] | None = None,
        num_choices: int = 4,
        name: str | None = None,
        scores: str | os.PathLike[str] | None = None,
        labels: str | None = None,
        seed: int | None = None,
        locale: str | None = None,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Quiz", unknown, _OPTIONS)
        self._language = check_language(labels)
        self._num_choices = _checked_num(num_choices)
        self._given_choices = _checked_choices(choices)
        self._entropy = _checked_seed(seed)
        clips, known, of_table = read_clips(videos, truth)
        self._rivals = read_models(models, clips) if models is not None else of_table
        self._questions = [_Question(*each) for each in zip(clips, known, strict=True)]
        self._pool = self._make_pool()
        self._check()
        self._scores = Scores(scores, [each.title for each in self._rivals])
        self.problems: dict[int, str] = {}
        self.name: str | None = None
        self.attempt = 1
        self._at = 0
        self._told: dict[int, dict[str, Any]] = {}
        # What models say comes from a thread; newer Jupyters hand over what the page tells in
        # a thread of its own, too.
        self._lock = threading.RLock()
        self._thinking, self._reading = _Worker("vidlab-quiz-models"), _Worker("vidlab-quiz-clips")
        if name is not None:
            self._begin(_checked_name(name))
        info = {
            "num": len(self._questions),
            "models": [
                {"title": each.title, "letter": letter_of(number)}
                for number, each in enumerate(self._rivals)
            ],
            "is_kept": scores is not None,
        }
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(_info=info, _state=self._describe(), locale=locale, **options)
        self._tell_model_id()
        self.on_msg(self._receive)
        for number in range(len(self._questions)):
            if number not in self._told:
                self._prepare(number)

    def _make_pool(self) -> list[str]:
        """Return every label that could be a choice, each once."""
        labels = [label for rival in self._rivals for label in rival.labels]
        truths = [each.label for each in self._questions if each.label is not None]
        return self._given_choices or list(dict.fromkeys([*truths, *labels]))

    def _check(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            OptionError: There is no answer to compare with, or none to choose.
        """
        truths = [each.label for each in self._questions]
        if not self._rivals and not any(truths):
            raise OptionError(
                "A quiz needs something to compare answers with: true labels (truth=, or a column "
                "'label') or models."
            )
        if len(self._pool) < 2:
            raise OptionError(
                "A choice is between 2 labels at least, and all clips have the same: give others "
                "with choices=."
            )
        for label in truths if self._given_choices else ():
            if label is not None and label not in self._given_choices:
                raise OptionError(
                    f"choices lack the true label {label!r}.{did_you_mean(label, self._pool)}"
                )
        for rival in self._rivals if self._given_choices and None in truths else ():
            if not set(rival.labels) & set(self._given_choices):
                raise OptionError(f"None of the choices is a label of {rival.title}.")

    # ---- what the user reads -----------------------------------------------------------------

    @property
    def scores(self) -> pd.DataFrame:
        """Every committed answer, those in the file for the scores first.

        Columns ``time`` (ISO 8601, UTC), ``name``, ``attempt`` and ``question`` (from 1),
        ``video, start_seconds, end_seconds``, ``label`` (the truth, where known), ``answer`` (what
        counted as right), ``choice``, ``sure`` (one of `SURE`), ``correct``; and
        ``predicted_NAME, probability_NAME, correct_NAME`` for each model.
        """
        return self._scores.table()

    @property
    def summary(self) -> pd.DataFrame:
        """The score of the learner and of each model in this attempt, on what is committed.

        Columns ``who, num_clips, num_correct, share``. A clip does not count for a model that said
        nothing of it, or does not have its label.
        """
        import pandas as pd

        table = pd.DataFrame(
            [
                (who, *_counted(self._rows(), column))
                for who, column in [
                    (self.name or "", "correct"),
                    *((each.title, f"correct_{each.title}") for each in self._rivals),
                ]
            ],
            columns=["who", "num_clips", "num_correct"],
        )
        return table.assign(share=table["num_correct"] / table["num_clips"])

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write `scores` to a ``.csv`` or ``.parquet`` file, which is replaced whole.

        Raises:
            PredictionsError: The suffix is another, or the file cannot be written.
        """
        import pyarrow as pa

        table_files.save(
            path,
            table=lambda: self.scores,
            everything=lambda: (pa.Table.from_pandas(self.scores), {"format": _FORMAT}),
            what="Scores",
        )

    def _rows(self) -> list[Row]:
        """Return what this learner has committed in this attempt."""
        return [] if self.name is None else self._scores.of(self.name).get(self.attempt, [])

    # ---- getting ready -----------------------------------------------------------------------

    def _prepare(self, number: int, *, soon: bool = False) -> None:
        """See to it that a question can be asked: at once where all is known."""
        if any(each.model is not None and number not in each.answers for each in self._rivals):
            self._thinking.do(lambda: self._think(number), soon=soon)
        else:
            self._settle(number)

    def _think(self, number: int) -> None:
        """Let the models look at a clip, in the thread."""
        if self._questions[number].is_ready:
            return
        clip = self._questions[number].clip
        name = f"clip {number + 1}"
        try:
            with clip.opened(name) as video:
                for rival in self._rivals:
                    if rival.model is not None and number not in rival.answers:
                        self._ask(rival, number, clip, video)
        except VideoError as error:
            with self._lock:
                self._questions[number].problem = "clip"
                self._note(number, str(error))
        self._settle(number)

    def _ask(self, rival: Rival, number: int, clip: Clip, video: Any) -> None:
        answer: Answer | None = None
        try:
            answer = rival.ask(clip, video)
        except VideoError:
            raise
        except Exception as error:  # one model's failure: told to the teacher, the others go on
            self._note(number, f"{rival.title}: {error}")
        with self._lock:
            rival.answers[number] = answer

    def _note(self, number: int, message: str) -> None:
        there = self.problems.get(number + 1)
        self.problems[number + 1] = message if there is None else f"{there} {message}"

    def _settle(self, number: int) -> None:
        """Decide what is right and what can be chosen, now that all answers are there."""
        question = self._questions[number]
        with self._lock:
            if not question.is_ready:
                question.answer = self._right_answer(number)
                if question.answer is None:
                    question.problem = "answer"
                    self._note(number, "No true label is known, and the models say nothing.")
                else:
                    question.choices = self._choices(number, question.answer)
            waiting, question.waiting = question.waiting, []
        for request in waiting:
            self._tell_question(request, number)

    def _right_answer(self, number: int) -> str | None:
        """Return the true label, or else what the first model says that says something."""
        label = self._questions[number].label
        if label is not None:
            return label
        for rival in self._rivals:
            said = rival.answers.get(number)
            if said is None:
                continue
            allowed = self._given_choices or said.labels
            best = next((each for each, _ in said.top(len(said.labels)) if each in allowed), None)
            if best is not None:
                return best
        return None

    def _choices(self, number: int, answer: str) -> list[str]:
        if self._given_choices:
            return list(self._given_choices)
        said = [each.answers.get(number) for each in self._rivals]
        return draw_choices(
            answer,
            [each for each in said if each is not None],
            self._pool,
            num=self._num_choices,
            language=self._language,
            # One for each clip: which of them the models are done with first decides nothing.
            random=np.random.default_rng([self._entropy, number]),
        )

    # ---- what the page asks ------------------------------------------------------------------

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        request = content.get("id") if isinstance(content, Mapping) else None
        try:
            if not isinstance(content, Mapping):
                raise WidgetError(f"A request must be a JSON object; got {content!r:.80}.")
            self._answer(str(request), content)
        except Exception as error:  # told to the page, and logged where it is a fault of ours
            self.send(failure_of(str(request), error))

    def _answer(self, request: str, content: Mapping[str, Any]) -> None:
        match content.get("op"):
            case "question":
                self._want_question(request, self._number_in(content))
                return
            case "clip":
                number = self._number_in(content)
                self._reading.do(lambda: self._tell_clip(request, number), soon=True)
                return
            case "cancel":
                return  # pictures of a clip: by the time this is heard they are on their way
            case "name":
                self._take_name(content.get("name"))
            case "commit":
                self._commit(self._number_in(content), content.get("choice"), content.get("sure"))
            case "next":
                self._go_on(self._number_in(content))
            case "again":
                self._start_again()
            case other:
                raise WidgetError(f"The quiz knows no request {other!r:.80}.")
        self._state = self._describe()
        self.send({"id": request, "result": {}})

    def _number_in(self, content: Mapping[str, Any]) -> int:
        number = content.get("question")
        if type(number) is not int or number != self._at or number >= len(self._questions):
            raise WidgetError(f"Clip {self._at + 1} is to be answered now; got {number!r:.80}.")
        if self.name is None:
            raise WidgetError("Say who you are first.")
        return number

    def _want_question(self, request: str, number: int) -> None:
        question = self._questions[number]
        with self._lock:
            is_ready = question.is_ready
            if not is_ready:
                question.waiting.append(request)
        if is_ready:
            self._tell_question(request, number)
            return
        self.send({"id": request, "progress": {"phase": "thinking"}})
        self._prepare(number, soon=True)

    def _tell_question(self, request: str, number: int) -> None:
        question = self._questions[number]
        shown = [translated(each, self._language) for each in question.choices]
        result = {"problem": question.problem} if question.problem else {"choices": shown}
        self.send({"id": request, "result": result})

    def _tell_clip(self, request: str, number: int) -> None:
        question = self._questions[number]
        result: dict[str, Any]
        pictures: list[bytes] = []
        try:
            pictures, seconds = question.clip.pictures(f"clip {number + 1}")
            result = {"seconds": seconds}
        except Exception as error:  # told to the teacher, as it may name the file
            with self._lock:
                if question.problem is None:
                    self._note(number, str(error))
                question.problem = "clip"
            result = {"problem": "clip"}
        self.send({"id": request, "result": result}, pictures)

    def _take_name(self, name: Any) -> None:
        if self.name is not None:
            raise WidgetError(f"This quiz is {self.name}'s. Run the cell again for another.")
        self._begin(_checked_name(name))

    def _commit(self, number: int, choice: Any, sure: Any) -> None:
        question = self._questions[number]
        if not question.choices or question.problem:
            raise WidgetError("This clip cannot be answered yet.")
        if type(choice) is not int or not 0 <= choice < len(question.choices):
            raise WidgetError(
                f"Choices are numbered from 0 to {len(question.choices) - 1}; got {choice!r:.80}."
            )
        if sure not in SURE:
            raise WidgetError(f"sure is one of {', '.join(SURE)}; got {sure!r:.80}.")
        with self._lock:
            if number in self._told:
                raise WidgetError("This clip is answered already, and that is final.")
            row = self._row_of(number, question.choices[choice], sure)
            self._scores.add(row)
            self._told[number] = self._reveal(number, row)

    def _go_on(self, number: int) -> None:
        if number not in self._told and not self._questions[number].problem:
            raise WidgetError("Commit an answer first.")
        self._at = self._next_after(number)

    def _start_again(self) -> None:
        if self._at < len(self._questions):
            raise WidgetError("Answer all clips first.")
        self.attempt += 1
        self._told, self._at = {}, 0

    # ---- what is committed -------------------------------------------------------------------

    def _begin(self, name: str) -> None:
        """Begin as somebody, where they were before if the file says so."""
        self.name = name
        attempts = self._scores.of(name)
        if attempts:
            self.attempt = max(attempts)
            rows = attempts[self.attempt]
            if any(not self._is_ours(row) for row in rows):
                self.attempt += 1
                rows = []
            self._told = {row["question"] - 1: self._reveal(row["question"] - 1, row)
                          for row in rows}  # fmt: skip
        self._at = self._next_after(-1)

    def _is_ours(self, row: Row) -> bool:
        """Tell whether a row of the file answers a question of this quiz."""
        number = row["question"] - 1
        if not 0 <= number < len(self._questions):
            return False
        keys = ("video", "start_seconds", "end_seconds", "label")
        there = self._facts_of(number)
        return all(row[key] == there[key] for key in keys)

    def _next_after(self, number: int) -> int:
        """Return the next question that is not answered; the number of them where none is."""
        left = range(number + 1, len(self._questions))
        return next((each for each in left if each not in self._told), len(self._questions))

    def _facts_of(self, number: int) -> Row:
        question = self._questions[number]
        return {
            "question": number + 1,
            "video": question.clip.place,
            "start_seconds": question.clip.start_seconds,
            "end_seconds": question.clip.end_seconds,
            "label": question.label,
        }

    def _row_of(self, number: int, choice: str, sure: str) -> Row:
        answer = self._questions[number].answer
        assert answer is not None, "a question without an answer has no choices"
        row: Row = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": self.name,
            "attempt": self.attempt,
            **self._facts_of(number),
            "answer": answer,
            "choice": choice,
            "sure": sure,
            "correct": choice == answer,
        }
        for rival in self._rivals:
            said = rival.answers.get(number)
            label, share = (None, None) if said is None else said.top(1)[0]
            row[f"predicted_{rival.title}"] = label
            row[f"probability_{rival.title}"] = _known(share)
            row[f"correct_{rival.title}"] = rival.is_right(number, answer)
        return row

    def _reveal(self, number: int, row: Row) -> dict[str, Any]:
        """Return what the page may know of a question that is committed."""
        question = self._questions[number]
        choices = question.choices
        if not {row["answer"], row["choice"]} <= set(choices):
            # It was committed before the kernel was restarted, with others beside it.
            choices = sorted({row["answer"], row["choice"]})
        models = []
        for rival in self._rivals:
            said = rival.answers.get(number)
            predicted, share = row[f"predicted_{rival.title}"], row[f"probability_{rival.title}"]
            top = [] if predicted is None else [(predicted, share)]
            if said is not None:
                top = [(each, _known(p)) for each, p in said.top(_NUM_TOLD)]
            models.append(
                {
                    "top": [{"label": self._look(each), "probability": p} for each, p in top],
                    "correct": row[f"correct_{rival.title}"],
                }
            )
        return {
            "choices": [self._look(each) for each in choices],
            "choice": choices.index(row["choice"]),
            "answer": choices.index(row["answer"]),
            "sure": row["sure"],
            "correct": row["correct"],
            "is_true": row["label"] is not None,
            "video": question.clip.name,
            "models": models,
        }

    def _look(self, label: str) -> dict[str, Any]:
        """Return how the page draws a label; colours are the English label's in any language."""
        return describe_label(label, 0, language=self._language)

    def _describe(self) -> dict[str, Any]:
        """Return the state as the page has it; without anything that is not committed."""
        rows = self._rows()
        columns = ["correct", *(f"correct_{each.title}" for each in self._rivals)]
        earlier = {} if self.name is None else self._scores.of(self.name)
        return {
            "name": self.name,
            "attempt": self.attempt,
            "at": self._at,
            "told": {str(number): each for number, each in sorted(self._told.items())},
            "scores": [list(_counted(rows, column)) for column in columns],
            "earlier": [
                [attempt, *_counted(earlier[attempt], "correct")]
                for attempt in sorted(earlier)
                if attempt < self.attempt
            ],
        }

    # ---- life --------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop its work, and take it off every page. Shown again, it comes back."""
        if "_thinking" in self.__dict__:  # not where an option was refused before it was made
            self._thinking.close()
            self._reading.close()
        super().close()

    def _come_back(self) -> None:
        self._tell_model_id()

    def _ipython_display_(self) -> None:
        kept.display_with_words(self, kept.kept_quiz_html)

    def __repr__(self) -> str:
        count = len(self._questions)
        return f"<Quiz of {count} {'clip' if count == 1 else 'clips'}, {len(self._told)} answered>"


def quiz(
    videos: Any,
    models: Any = None,
    *,
    truth: Any = None,
    choices: Sequence[str] | None = None,
    num_choices: int = 4,
    name: str | None = None,
    scores: str | os.PathLike[str] | None = None,
    labels: str | None = None,
    seed: int | None = None,
    locale: str | None = None,
    layout: Any = None,
) -> Quiz:
    """Let somebody guess what clips show, before they see what models say of them.

    Args:
        videos: See :class:`Quiz`, as for all others.
        models: Loaded models, or predictions.
        truth: True labels.
        choices: Labels to choose from.
        num_choices: How many to choose from.
        name: The learner's name.
        scores: A CSV file for committed answers.
        labels: What labels are shown in.
        seed: Draws the choices.
        locale: Language of the texts.
        layout: The `ipywidgets.Layout` of the widget.

    Returns:
        The quiz, to be shown.

    Raises:
        OptionError: There is nothing to compare answers with, or an option is out of range.
    """
    return Quiz(
        videos,
        models,
        truth=truth,
        choices=choices,
        num_choices=num_choices,
        name=name,
        scores=scores,
        labels=labels,
        seed=seed,
        locale=locale,
        layout=layout,
    )


# ---------------------------------------------------------------- options


def _checked_num(given: Any) -> int:
    if type(given) is not int or not 2 <= given <= _MAX_CHOICES:
        raise OptionError(
            f"num_choices must be a whole number from 2 to {_MAX_CHOICES}; got {given!r:.80}."
        )
    return given


def _checked_seed(given: Any) -> int:
    """Return a seed, or for None a number that nobody knows."""
    if given is None:
        return secrets.randbits(128)
    if type(given) is not int or given < 0:
        raise OptionError(f"seed must be a whole number of at least 0, or None; got {given!r:.80}.")
    return given


def _checked_choices(given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise OptionError(f"choices is a list of labels; got {given!r:.80}.")
    if len(given) < 2:
        raise OptionError(f"choices are 2 labels at least; got {given!r:.80}.")
    return list(LabelMap(given))


def _checked_name(given: Any) -> str:
    name = " ".join(given.split()) if isinstance(given, str) else ""
    if not 0 < len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
        raise OptionError(
            f"A name is a text of 1 to {_MAX_NAME_LENGTH} characters; got {given!r:.80}."
        )
    return name


def _known(share: float | None) -> float | None:
    """Return a probability with the digits that it has, None for NaN, which JSON has not."""
    return None if share is None or share != share else round(share, 6)


def _counted(rows: Sequence[Row], column: str) -> tuple[int, int]:
    """Return how many of the rows count, and how many of these are right."""
    counted = [row[column] for row in rows if row[column] is not None]
    return len(counted), sum(counted)


# ---------------------------------------------------------------- work


class _Worker:
    """Does one thing after the other in a thread, which ends when there is nothing to do.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._jobs: list[Callable[[], None]] = []
        self._is_running = False

    def do(self, job: Callable[[], None], *, soon: bool) -> None:
        """Do something, after all the rest or, soon, before it."""
        with self._lock:
            self._jobs.insert(0 if soon else len(self._jobs), job)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Forget what is not begun."""
        with self._lock:
            self._jobs.clear()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._is_running = False
                    return
                job = self._jobs.pop(0)
            job()
