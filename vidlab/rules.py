"""Rules on what is seen: when a label stays probable, and whether one thing follows another.

The same rules run on recorded predictions and on a live camera. Hands washed for two seconds::

    washed = Rule("washing hands", probability=0.6, for_seconds=2)
    find_events(preds, washed)               # a table: when it was seen, and since when

Glove on, then patient touched within 30 s, else alert::

    procedure = Rule("putting on glove").then("touching patient", within_seconds=30)
    events = find_events(preds, [washed, procedure])
    events[events["kind"] == "missed"]       # the alerts

As text, for a command line or a file of settings::

    parse_rule("washing hands >= 0.6 for 2 s every 60 s")
    parse_rule("putting on glove >= 0.5, then touching patient >= 0.5 within 30 s")

While answers still come, a `Watcher` takes them one after another::

    watcher = Watcher([washed, procedure], {model.title: model.labels})
    for event in watcher.push(model.title, time_seconds, probabilities):
        print(event)

All times are those of the video, in seconds. A computer's clock plays no part, so that a slow one
sees the same events.
"""

from __future__ import annotations

import heapq
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import LabelMapError, OptionError, PredictionsError, did_you_mean
from vidlab.core.label_names import translated
from vidlab.core.labels import LabelMap
from vidlab.core.numbers import is_number
from vidlab.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["seen", "done", "missed", "open"]

# Timestamps are rounded to microseconds, and their differences stray by less: 2.3 s is 2 s after
# 0.3 s, though not in floats.
_SLACK_SECONDS = 1e-6


@dataclass(frozen=True)
class Rule:
    """Something that is to be seen: a label that stays probable for a while.

    It is seen once its label's probability was at least `probability` at every answer over at
    least `for_seconds`, from the first such answer to the present one; with 0 s one answer is
    enough. Each such stretch is seen once; the first answer below ends it. A stretch in a
    cool-down is seen when the cool-down ends, if it lasts till then.

    ``str(rule)`` is what `parse_rule` reads.

    Attributes:
        label: A label of the model, such as ``"washing hands"``.
        probability: Least probability, from 0 to 1.
        for_seconds: How long the label must stay that probable.
        cooldown_seconds: For how long after it was seen it is not seen again.
        model: Title of a model or name of its card, for a rule on this model only; None for a rule
            that runs for each model that knows the label, on its own.
        name: What its events call it; None for ``str(rule)``.

    Raises:
        OptionError: The label, model or name is blank, or a number is out of range.
    """

    label: str
    _: KW_ONLY
    probability: float = 0.5
    for_seconds: float = 0.0
    cooldown_seconds: float = 0.0
    model: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        _check_text(self.label, "label")
        if self.model is not None:
            _check_text(self.model, "model")
        if self.name is not None:
            _check_text(self.name, "name")
        if not is_number(self.probability) or not 0 <= self.probability <= 1:
            raise OptionError(
                f"probability must be a number between 0 and 1; got {self.probability!r}."
            )
        # Without the sign of -0.0, which no text would give back.
        object.__setattr__(self, "probability", abs(float(self.probability)))
        for what in ("for_seconds", "cooldown_seconds"):
            object.__setattr__(self, what, _seconds(getattr(self, what), what))

    def then(self, rule: str | Rule, *, within_seconds: float, name: str | None = None) -> Sequel:
        """Return the sequence of this rule and one that is to be seen after it.

        Args:
            rule: What is to follow; a label stands for a `Rule` without options.
            within_seconds: How soon it must be seen after this one was.
            name: What the sequence's events call it; None for its parts, as text.

        Raises:
            OptionError: `rule` is neither a label nor a `Rule`, is for another model, or
                `within_seconds` is not positive.
        """
        return Sequel((self, _as_part(rule)), (within_seconds,), name=name)

    @property
    def title(self) -> str:
        """What its events call it."""
        return self.name or str(self)

    def __str__(self) -> str:
        text = f"{_written(self.label)} >= {_shortest(self.probability)}"
        if self.for_seconds:
            text += f" for {_shortest(self.for_seconds)} s"
        if self.cooldown_seconds:
            text += f" every {_shortest(self.cooldown_seconds)} s"
        return text


@dataclass(frozen=True)
class Sequel:
    """Rules that are to be seen one after another, each soon enough after the one before.

    `Rule.then` makes it. Glove on, then patient touched within 30 s, else alert::

        Rule("putting on glove").then("touching patient", within_seconds=30)

    Once the first part is seen, the sequence waits for the second. If that is seen in time it
    waits for the third, and so on; with the last part it is ``"done"``. Where a part is not seen
    in time, the sequence is ``"missed"``: the alert. After either it waits for the first part
    again. If the first part is seen again meanwhile, the waiting goes on from the first time.

    A part is seen when its `Rule` is, once it lasted `for_seconds`, and at a later answer than
    the part before. Something that was seen before its turn counts when it is seen anew. What
    the first part's cool-down holds back starts no sequence.

    Attributes:
        parts: Two or more rules.
        within_seconds: For each part but the first, how soon it must be seen after the one before.
        name: What its events call it; None for its parts, as text.

    Raises:
        OptionError: The parts are for different models, a time is not positive, or the numbers of
            parts and times do not fit.
    """

    parts: tuple[Rule, ...]
    within_seconds: tuple[float, ...]
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len(self.within_seconds) != len(self.parts) - 1:
            raise OptionError(
                f"A sequence needs two or more rules, and a time for each but the first; got "
                f"{len(self.parts)} rules and {len(self.within_seconds)} times. Make it with "
                "Rule(...).then(..., within_seconds=...)."
            )
        if self.name is not None:
            _check_text(self.name, "name")
        within = tuple(_seconds(each, "within_seconds") for each in self.within_seconds)
        if not all(within):
            raise OptionError("within_seconds must be more than 0: parts come one after another.")
        object.__setattr__(self, "within_seconds", within)
        models = {part.model for part in self.parts} - {None}
        if len(models) > 1:
            raise OptionError(
                "The rules of a sequence are for one model; got "
                f"{' and '.join(sorted(map(repr, models)))}."
            )

    def then(self, rule: str | Rule, *, within_seconds: float, name: str | None = None) -> Sequel:
        """Return this sequence with one more part; see `Rule.then`."""
        parts = (*self.parts, _as_part(rule))
        return Sequel(parts, (*self.within_seconds, within_seconds), name=name)

    @property
    def model(self) -> str | None:
        """The model it is for, which any of its parts may name, or None."""
        return next((part.model for part in self.parts if part.model is not None), None)

    @property
    def title(self) -> str:
        """What its events call it."""
        return self.name or self._joined([part.title for part in self.parts])

    def __str__(self) -> str:
        return self._joined([str(part) for part in self.parts])

    def _joined(self, parts: Sequence[str]) -> str:
        return parts[0] + "".join(
            f", then {part} within {_shortest(seconds)} s"
            for part, seconds in zip(parts[1:], self.within_seconds, strict=True)
        )


AnyRule: TypeAlias = Rule | Sequel


def shown_titles(rules: Iterable[AnyRule], labels: str | None) -> dict[str, str]:
    """Return by each rule's title what people read for it, with its labels in their language.

    Names that rules were given stay as they are.

    Args:
        rules: Rules.
        labels: Language of the labels; None leaves them as they are.

    Raises:
        OptionError: There are no names in that language.
    """

    def shown(rule: Rule) -> Rule:
        return replace(rule, label=translated(rule.label, labels))

    return {
        rule.title: (
            shown(rule)
            if isinstance(rule, Rule)
            else replace(rule, parts=tuple(map(shown, rule.parts)))
        ).title
        for rule in rules
    }


@dataclass(frozen=True, kw_only=True)
class RuleEvent:
    """Something that a rule found.

    Attributes:
        rule: The rule's name, or else its text.
        kind: ``"seen"`` by a `Rule`; ``"done"``, ``"missed"`` (an alert) or ``"open"`` (the answers
            ended while there was time left) by a `Sequel`.
        label: The label that was seen; for ``"missed"`` and ``"open"`` the one that was not.
        probability: Its probability at that answer; None where it was not seen.
        start_seconds: When the stretch began; for a sequence that of its first part.
        time_seconds: When it was decided: time of the answer; for ``"missed"`` when the time ran
            out, for ``"open"`` that of the last answer.
        model: Title of the model.
    """

    rule: str
    kind: Kind
    label: str
    probability: float | None
    start_seconds: float
    time_seconds: float
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as for JSON."""
        return asdict(self)


class Watcher:
    """Rules at work: fed one answer after another, it tells what they find.

    Each model's answers come in order of time; which model's come first makes no difference to
    what is found. Not for several threads at once.

    Args:
        rules: A rule, or several.
        labels_of: For each model's title its label map.

    Raises:
        LabelMapError: A label that no model knows; the message names the nearest.
        OptionError: A rule is none, or is for a model that is not there.
    """

    def __init__(
        self, rules: AnyRule | Iterable[AnyRule], labels_of: Mapping[str, LabelMap]
    ) -> None:
        self._num_labels = {title: len(labels) for title, labels in labels_of.items()}
        self._followers: dict[str, list[_Follower]] = {title: [] for title in labels_of}
        self._last_seconds = dict.fromkeys(labels_of, -math.inf)
        for rule in _as_rules(rules):
            for title in _titles_for(rule, labels_of):
                self._followers[title].append(_Follower(rule, title, labels_of[title]))

    def push(
        self, title: str, time_seconds: float, probabilities: NDArray[np.float32]
    ) -> list[RuleEvent]:
        """Take a model's next answer; return what is decided by it, in order.

        Args:
            title: The model's.
            time_seconds: Time in the video; never before that model's last answer.
            probabilities: float32 ``[num_classes]``.

        Raises:
            OptionError: The model is not one that is watched, the time falls back, or there is
                not one probability per label.
        """
        followers = self._of(title)
        if not is_number(time_seconds) or not self._last_seconds[title] <= time_seconds < math.inf:
            raise OptionError(
                f"Times never fall back: {title} answered at {time_seconds!r} s, which must be "
                f"finite and not before {self._last_seconds[title]} s."
            )
        if np.shape(probabilities) != (self._num_labels[title],):
            raise OptionError(
                f"{title} has {self._num_labels[title]} labels and as many probabilities, in one "
                f"row; got {list(np.shape(probabilities))}."
            )
        time = self._last_seconds[title] = float(time_seconds)
        missed = _missed(followers, time)
        seen = (follower.push(time, probabilities) for follower in followers)
        return missed + [event for event in seen if event is not None]

    def advance(self, time_seconds: float) -> list[RuleEvent]:
        """Return what is missed by now, where the video goes on and no answer comes.

        Args:
            time_seconds: Time in the video up to which no more answers will come.
        """
        return _missed(self._all(), time_seconds)

    def reset(self, title: str) -> None:
        """End a model's stretches, as after a cut: what it sees next begins anew.

        Cool-downs go on, and sequences go on waiting for their next part.

        Raises:
            OptionError: The model is not one that is watched.
        """
        for follower in self._of(title):
            follower.reset()

    def finish(self) -> list[RuleEvent]:
        """Return the sequences that still wait, which are ``"open"``, and let go of them."""
        found = (each.finish(self._last_seconds[each.title]) for each in self._all())
        return _in_order(event for event in found if event is not None)

    def _of(self, title: str) -> list[_Follower]:
        if title not in self._followers:
            raise OptionError(
                f"No model {title!r} is watched; there are {', '.join(self._followers)}."
                + did_you_mean(title, self._followers)
            )
        return self._followers[title]

    def _all(self) -> list[_Follower]:
        return [follower for each in self._followers.values() for follower in each]


class _Follower:
    """One rule on the answers of one model; a `Rule` is followed as a sequence of one part."""

    def __init__(self, rule: AnyRule, title: str, labels: LabelMap) -> None:
        self.title = title
        self._rule = rule.title
        self._parts = _parts(rule)
        self._within = rule.within_seconds if isinstance(rule, Sequel) else ()
        self._stretches = [_Stretch(part, labels.id_of(part.label)) for part in self._parts]
        self._wait_for_first()

    def push(self, time: float, probabilities: NDArray[np.float32]) -> RuleEvent | None:
        # Every part is followed all the time: what was seen before its turn is not seen anew.
        starts = [stretch.push(time, probabilities) for stretch in self._stretches]
        start = starts[self._turn]
        if start is None:
            return None
        if self._turn == 0:
            self._start_seconds = start
        if self._turn < len(self._within):
            self.deadline_seconds = time + self._within[self._turn]
            self._turn += 1
            return None
        probability = float(probabilities[self._stretches[-1].class_id])
        return self._event("done" if self._within else "seen", time, probability)

    def miss(self) -> RuleEvent:
        return self._event("missed", self.deadline_seconds)

    def finish(self, time: float) -> RuleEvent | None:
        return self._event("open", time) if self._turn else None

    def reset(self) -> None:
        for stretch in self._stretches:
            stretch.end()

    def _event(self, kind: Kind, time: float, probability: float | None = None) -> RuleEvent:
        event = RuleEvent(
            rule=self._rule,
            kind=kind,
            label=self._parts[self._turn].label,
            probability=probability,
            start_seconds=self._start_seconds,
            time_seconds=time,
            model=self.title,
        )
        self._wait_for_first()
        return event

    def _wait_for_first(self) -> None:
        self._turn = 0
        self._start_seconds = math.nan
        self.deadline_seconds = math.inf


class _Stretch:
    """How long one label has been probable enough."""

    def __init__(self, rule: Rule, class_id: int) -> None:
        self.class_id = class_id
        # As a float32, as the answers are: the nearest one to 0.7 is below 0.7.
        self._probability = np.float32(rule.probability)
        self._for_seconds = rule.for_seconds - _SLACK_SECONDS
        self._cooldown_seconds = rule.cooldown_seconds - _SLACK_SECONDS
        self._seen_seconds = -math.inf
        self._start_seconds: float | None = None
        self._was_seen = False

    def push(self, time: float, probabilities: NDArray[np.float32]) -> float | None:
        """Return when the stretch began that is seen with this answer, or None."""
        if not probabilities[self.class_id] >= self._probability:
            self.end()
            return None
        if self._start_seconds is None:
            self._start_seconds = time
        if (
            self._was_seen
            or time - self._start_seconds < self._for_seconds
            or time - self._seen_seconds < self._cooldown_seconds
        ):
            return None
        self._was_seen = True
        self._seen_seconds = time
        return self._start_seconds

    def end(self) -> None:
        self._start_seconds = None
        self._was_seen = False


def find_events(predictions: object, rules: AnyRule | Iterable[AnyRule]) -> pd.DataFrame:
    """Run rules over recorded answers.

    What is found is what a `Watcher` finds that was fed the same answers; what still waits at
    their end is ``"open"``. A clip's answer counts for the clip's last frame. Where a recording
    says that a model's state was set back (``.epochs``), stretches end, as they did then.

    Args:
        predictions: Predictions, several of one video, or what has them as ``.predictions``: a
            comparison, a recording.
        rules: A rule, or several.

    Returns:
        One row per event, in order of time: ``rule, kind, label, probability, start_seconds,
        time_seconds, model``, as in `RuleEvent`; NaN where there is no probability. Of models
        with the same title, the second and later are ``"<title> #2"`` and so on.

    Raises:
        OptionError: What was given are no predictions, or no rules, or a rule is for a model that
            is not there.
        LabelMapError: A label that no model knows.
        PredictionsError: The predictions are of different videos.
    """
    given = _as_predictions(predictions)
    titles = [each.title for each in given]
    numbers = [titles[: place + 1].count(title) for place, title in enumerate(titles)]
    names = [
        title if number == 1 else f"{title} #{number}"
        for title, number in zip(titles, numbers, strict=True)
    ]
    watcher = Watcher(rules, {name: each.labels for name, each in zip(names, given, strict=True)})
    epochs = getattr(predictions, "epochs", None) or [None] * len(given)
    found = [_pushed(watcher, *each) for each in zip(names, given, epochs, strict=True)]
    found.append(watcher.finish())
    return event_table(heapq.merge(*found, key=lambda event: event.time_seconds))


def event_table(events: Iterable[RuleEvent]) -> pd.DataFrame:
    """Return events as a table, one row each, in the order given.

    Returns:
        Columns ``rule, kind, label, probability, start_seconds, time_seconds, model``, as in
        `RuleEvent`; NaN where there is no probability.
    """
    import pandas as pd

    types = {
        "rule": "str", "kind": "str", "label": "str", "probability": "float64",
        "start_seconds": "float64", "time_seconds": "float64", "model": "str",
    }  # fmt: skip
    rows = [event.as_dict() for event in events]
    return pd.DataFrame(rows, columns=list(types)).astype(types)


_FORM = (
    "'washing hands >= 0.6', with ' for 2 s' and ' every 60 s' where wanted, or "
    "'A >= 0.5, then B >= 0.6 for 1 s within 30 s'"
)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# Labels may have anything in them, ">= 0.5" even; the last such is the rule's.
_BARE = r'(?!")(?:(?!,\s*then\b).)+?'
_PART = re.compile(
    rf"(?P<label>{_QUOTED}|{_BARE})\s*>=\s*(?P<probability>{_NUMBER})"
    rf"(?:\s+for\s+(?P<for_seconds>{_NUMBER})\s*s)?"
    rf"(?:\s+every\s+(?P<cooldown_seconds>{_NUMBER})\s*s)?"
    rf"(?:\s+within\s+(?P<within_seconds>{_NUMBER})\s*s)?"
    r"(?:,\s*then\s+|\Z)"
)


def parse_rule(text: str) -> AnyRule:
    """Read a rule as people write it, and as ``str(rule)`` does.

    ``"washing hands >= 0.6"`` with, where wanted, ``for 2 s`` and ``every 60 s`` (the cool-down)
    after it, in this order. A sequence is ``"A >= 0.5, then B >= 0.6 for 1 s within 30 s"``, and
    may go on. Labels are written as they are: ``shooting goal (soccer)``. One that begins with
    a quote, or has ``", then"`` in it, is written as a JSON string.

    Args:
        text: The rule.

    Returns:
        A `Rule`, or a `Sequel` where there is a ``then``.

    Raises:
        OptionError: The text is no rule, or a number is out of range.
    """
    if not isinstance(text, str):
        raise OptionError(f"A rule as text is needed, such as {_FORM}; got {text!r:.200}.")
    rules: list[Rule] = []
    within: list[float] = []
    left = text.strip()
    while left or not rules:
        part = _PART.match(left)
        # Only what comes after something has a time to come in.
        if part is None or (part["within_seconds"] is not None) != bool(rules):
            raise OptionError(f"A rule is written as {_FORM}; got {text!r:.200}.")
        options: dict[str, Any] = {
            what: float(part[what])
            for what in ("probability", "for_seconds", "cooldown_seconds")
            if part[what] is not None
        }
        rules.append(Rule(_read(part["label"]), **options))
        if part["within_seconds"] is not None:
            within.append(float(part["within_seconds"]))
        left = left[part.end() :]
    return Sequel(tuple(rules), tuple(within)) if within else rules[0]


def _written(label: str) -> str:
    """Return a label as `parse_rule` reads it."""
    if re.fullmatch(_BARE, label) and label == label.strip():
        return label
    return json.dumps(label, ensure_ascii=False)


def _read(label: str) -> str:
    if not label.startswith('"'):
        return label
    try:
        return str(json.loads(label))
    except ValueError as error:
        raise OptionError(
            f"A label in quotes is a JSON string; {label} is none: {error}."
        ) from error


def _shortest(number: float) -> str:
    return repr(number).removesuffix(".0")


def _pushed(
    watcher: Watcher, title: str, predictions: Predictions, epochs: NDArray[np.int64] | None
) -> list[RuleEvent]:
    if epochs is None:
        epochs = np.zeros(len(predictions), dtype=np.int64)
    found: list[RuleEvent] = []
    epoch = 0
    for time, row, now in zip(
        predictions.time_seconds.tolist(), predictions.probabilities, epochs.tolist(), strict=True
    ):
        if now != epoch:
            watcher.reset(title)
            epoch = now
        found += watcher.push(title, time, row)
    return found


def _missed(followers: Iterable[_Follower], time: float) -> list[RuleEvent]:
    late = [each for each in followers if time > each.deadline_seconds + _SLACK_SECONDS]
    return _in_order(each.miss() for each in late)


def _in_order(events: Iterable[RuleEvent]) -> list[RuleEvent]:
    return sorted(events, key=lambda event: event.time_seconds)


def _as_rules(rules: AnyRule | Iterable[AnyRule]) -> list[AnyRule]:
    given: list[Any] = (
        list(rules)
        if isinstance(rules, Iterable) and not isinstance(rules, (str, Mapping))
        else [rules]
    )
    for rule in given:
        if not isinstance(rule, (Rule, Sequel)):
            raise OptionError(
                "A rule is needed, such as vidlab.Rule('washing hands', probability=0.6); got "
                f"{rule!r:.200}. vidlab.rules.parse_rule reads one from a text."
            )
    return given


def _parts(rule: AnyRule) -> tuple[Rule, ...]:
    return rule.parts if isinstance(rule, Sequel) else (rule,)


def _as_part(rule: str | Rule) -> Rule:
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, str):
        return Rule(rule)
    raise OptionError(f"A label or a Rule is needed as the next part; got {rule!r:.200}.")


def _as_predictions(predictions: object) -> list[Predictions]:
    inner = getattr(predictions, "predictions", predictions)
    given: list[Any] = list(inner) if isinstance(inner, (list, tuple)) else [inner]
    wrong = [each for each in given if not isinstance(each, Predictions)]
    if wrong or not given:
        raise OptionError(
            "Rules run over Predictions, which vidlab.predict gives for a model that answers with "
            f"labels, or over several; got {(wrong or [predictions])[0]!r:.200}."
        )
    videos = sorted({each.video for each in given})
    if len(videos) > 1:
        raise PredictionsError(
            f"The predictions are of different videos: {videos}. Run the rules on each by itself."
        )
    return given


# A title is "litert:movinet-a0-stream (int8)", and what was done to the answers may follow.
_TITLE = re.compile(r"[^:]+:(?P<card>.+) \(")


def _titles_for(rule: AnyRule, labels_of: Mapping[str, LabelMap]) -> list[str]:
    """Return the titles of the models that a rule runs for.

    Raises:
        OptionError: It is for a model that is not there.
        LabelMapError: No model knows its labels.
    """
    cards = {title: found["card"] for title in labels_of if (found := _TITLE.match(title))}
    asked = [title for title in labels_of if rule.model in (None, title, cards.get(title))]
    if not asked:
        raise OptionError(
            f"The rule {rule.title!r} is for the model {rule.model!r}; there are "
            f"{', '.join(labels_of) or 'none'}." + did_you_mean(rule.model or "", labels_of)
        )
    labels = [part.label for part in _parts(rule)]
    for label in labels:
        if not any(label in labels_of[title] for title in asked):
            maps = sorted({labels_of[title].name for title in asked})
            known = dict.fromkeys(each for title in asked for each in labels_of[title])
            raise LabelMapError(
                f"{label!r} is not one of the labels of {', '.join(maps)}."
                + did_you_mean(label, known)
            )
    titles = [title for title in asked if all(label in labels_of[title] for label in labels)]
    if not titles:
        raise LabelMapError(
            f"A sequence is seen by one model; none of {', '.join(asked)} knows all labels of "
            f"{rule.title!r}."
        )
    return titles


def _check_text(value: object, what: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise OptionError(f"{what} must be a text that is not blank; got {value!r:.200}.")


def _seconds(value: object, what: str) -> float:
    """Return `value` as a float, and refuse what is no time that can pass."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise OptionError(
            f"{what} must be a number of seconds, finite and not negative; got {value!r}."
        )
    return abs(float(value))
