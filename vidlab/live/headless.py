"""A live session in a terminal: lines on standard output, notes on standard error.

As JSON, each line is an object with ``kind`` (``"answer"``, ``"event"`` or ``"state"``) and
``wall``, the time of day in UTC. Nothing of Jupyter, and no table library, is loaded for it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from vidlab.core.console import say
from vidlab.core.errors import OptionError
from vidlab.core.label_names import check_language, translated
from vidlab.rules import shown_titles

if TYPE_CHECKING:
    from vidlab.live.session import LiveAnswer, LiveSession
    from vidlab.rules import RuleEvent

_OVER = ("ended", "stopped", "failed")


def run(
    session: LiveSession,
    *,
    as_json: bool = False,
    seconds: float | None = None,
    labels: str | None = None,
) -> None:
    """Run a session until it ends, and print what it finds.

    Ctrl-C and SIGTERM stop it: what it records is finished, and its threads have ended. A second
    one ends the process there and then. To be called in the main thread.

    Args:
        session: What to run; its callbacks are replaced.
        as_json: Print every answer, event and change of state as JSON, one a line; otherwise a line
            where a model's best label changes, and one for each event.
        seconds: Stop after so many seconds; None goes on to the end.
        labels: Language to print labels in, such as ``"ko"``; None, and JSON, leave them as they
            are.

    Raises:
        OptionError: `seconds` is not positive, or more than a thread can wait; or there are no
            names in that language.
        VidlabError: What ended the session, if it was neither its end nor a wish.
        BrokenPipeError: Nobody reads standard output any more.
    """
    if seconds is not None and not 0 < seconds <= threading.TIMEOUT_MAX:
        raise OptionError(f"A number of seconds above 0 is needed; got {seconds!r}.")
    # Unlike an Event, it can be told something by a signal's handler at any moment.
    is_over: SimpleQueue[None] = SimpleQueue()
    printer = _Printer(session, as_json=as_json, labels=labels)

    def note_state() -> None:
        printer.state()
        if session.state in _OVER:
            is_over.put(None)

    session.on_answer = printer.answer
    session.on_event = printer.event
    session.on_state = note_state
    with _stop_on_signals(is_over):
        with session:
            titles = ", ".join(model.title for model in session.models)
            say(f"{titles} on {session.source.name}; Ctrl-C stops")
            with suppress(Empty):
                is_over.get(timeout=seconds)
        # A slow model's call may take longer than a session waits for it.
        session.join()
    _summarize(session)


@contextmanager
def _stop_on_signals(is_over: SimpleQueue[None]) -> Iterator[None]:
    is_asked = False

    def ask(number: int, _frame: object) -> None:
        nonlocal is_asked
        if is_asked:
            os._exit(128 + number)
        is_asked = True
        is_over.put(None)

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Printer:
    """Prints what a session finds; its methods are called in the session's threads."""

    def __init__(self, session: LiveSession, *, as_json: bool, labels: str | None) -> None:
        self._session = session
        self._as_json = as_json
        self._labels = check_language(labels)
        self._rules = shown_titles(session.rules, labels)
        self._lock = threading.Lock()
        self._best: dict[int, str] = {}
        self._was_lost = False

    def answer(self, answer: LiveAnswer) -> None:
        if self._as_json:
            self._print_json(
                "answer",
                model=answer.title,
                frame_index=answer.frame_index,
                time_seconds=answer.time_seconds,
                arrived_seconds=answer.arrived_seconds,
                answered_seconds=answer.answered_seconds,
                latency_ms=1000 * answer.latency_seconds,
                epoch=answer.epoch,
                top=[{"label": label, "probability": each} for label, each in answer.top],
            )
            return
        for label, probability in answer.top[:1]:  # a model's options may leave none
            if self._best.get(answer.track) != label:
                self._best[answer.track] = label
                name = translated(label, self._labels)
                self._print_text(f"{self._whose(answer.title)}{name} {probability:.0%}")

    def event(self, event: RuleEvent) -> None:
        if self._as_json:
            found = event.as_dict()
            self._print_json("event", event=found.pop("kind"), **found)
        else:
            self._print_text(f"{self._whose(event.model)}[{event.kind}] {self._rules[event.rule]}")

    def state(self) -> None:
        session = self._session
        # Where nobody reads any more, the next answer finds out and ends the session.
        with suppress(OSError):
            if self._as_json:
                self._print_json("state", state=session.state, message=session.message)
            if session.state == "lost":
                self._was_lost = True
                say(session.message)
            elif self._was_lost and session.state == "running":
                self._was_lost = False
                say(f"{session.source.name} is back")

    def _whose(self, title: str) -> str:
        return f"{title}: " if len(self._session.models) > 1 else ""

    def _print_json(self, kind: str, **what: Any) -> None:
        wall = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._print(json.dumps({"kind": kind, "wall": wall, **what}, ensure_ascii=False))

    def _print_text(self, text: str) -> None:
        self._print(f"{datetime.now():%H:%M:%S}  {text}")

    def _print(self, line: str) -> None:
        with self._lock:  # one line is one line, whoever prints
            print(line, flush=True)


def _summarize(session: LiveSession) -> None:
    damaged = f", {session.num_damaged} of them damaged" if session.num_damaged else ""
    say(f"{session.num_frames} frames{damaged} in {session.since_start():.1f} s")
    for each in session.stats():
        if not each.answers:
            say(f"{each.title}: no answers")
            continue
        rate = f", {each.rate_fps:.1f} a second" if each.answers > 1 else ""
        say(
            f"{each.title}: {each.answers} answers{rate}, {each.dropped} frames dropped; "
            f"{each.median_ms:.0f} ms from frame to answer (95 %: {each.p95_ms:.0f} ms)"
        )
