"""How training goes, while it goes: curves in a notebook, a bar in a terminal."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vidlab.core.console import in_notebook, is_quiet
from vidlab.core.console import progress as progress_bar
from vidlab.core.times import clock

Row = Mapping[str, float]

# Between two pictures: quick enough to look alive, slow enough to cost nothing.
_EVERY_SECONDS = 0.5

_WIDTH, _HEIGHT = 340, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 72, 22, 24

# Colours follow the notebook's theme; each line also has its name at its end.
_STYLE = """<style>
.vidlab-fit { --vl-ink: var(--jp-ui-font-color1, #1b1f24); --vl-muted: var(--jp-ui-font-color2,
  #57606a); --vl-line: var(--jp-border-color2, #d0d7de); --vl-one: #0072B2; --vl-two: #B84A00;
  font: 13px/1.5 system-ui, sans-serif; color: var(--vl-ink); max-width: 720px;
  font-variant-numeric: tabular-nums; }
[data-jp-theme-light="false"] .vidlab-fit, .vscode-dark .vidlab-fit, html[theme=dark] .vidlab-fit
  { --vl-ink: var(--jp-ui-font-color1, #e6edf3); --vl-muted: var(--jp-ui-font-color2, #9da7b1);
  --vl-line: var(--jp-border-color2, #3d444d); --vl-one: #56B4E9; --vl-two: #E69F00; }
.vidlab-fit .vl-charts { display: flex; flex-wrap: wrap; gap: 8px 24px; }
.vidlab-fit svg { flex: 1 1 300px; max-width: 348px; height: auto; display: block; }
.vidlab-fit text { font-size: 12px; fill: var(--vl-muted); }
.vidlab-fit .vl-bar { height: 4px; border-radius: 4px; margin: 4px 0 8px;
  background: var(--vl-line); overflow: hidden; }
.vidlab-fit .vl-bar div { height: 100%; background: var(--vl-one); }
.vidlab-fit .vl-muted { color: var(--vl-muted); }
</style>"""


class Monitor(ABC):
    """Shows what is done, how far it is, and how well it goes."""

    @abstractmethod
    def begin(self, what: str, *, total: int, done: int = 0, history: Sequence[Row] = ()) -> None:
        """Start to count up to `total`."""

    @abstractmethod
    def advance(self, *, loss: float | None = None) -> None:
        """Count one."""

    @abstractmethod
    def epoch(self, history: Sequence[Row], *, best: int) -> None:
        """Take what was measured in all epochs so far."""

    @abstractmethod
    def end(self) -> None:
        """Stop counting."""


def monitor(*, show: bool, out: str | os.PathLike[str] | None = None) -> Monitor:
    """Return what fits the place: curves in a notebook, else a bar.

    Args:
        show: Whether to show anything.
        out: The folder where the run is kept, or None.
    """
    if show and not is_quiet() and in_notebook():
        return NotebookMonitor(out)
    return BarMonitor(show=show)


class BarMonitor(Monitor):
    """A progress bar in a terminal; nothing where there is none."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._bar: Any = None
        self._figures: dict[str, str] = {}

    def begin(self, what: str, *, total: int, done: int = 0, history: Sequence[Row] = ()) -> None:
        """Draw an empty bar."""
        self._figures = _short(history[-1]) if history else {}
        self._bar = progress_bar(
            total=total, initial=done, desc=what, unit="step", disable=not self._show
        )

    def advance(self, *, loss: float | None = None) -> None:
        """Fill it a little."""
        if loss is not None:
            self._figures["loss"] = f"{loss:.3f}"
            self._bar.set_postfix(self._figures, refresh=False)
        self._bar.update()

    def epoch(self, history: Sequence[Row], *, best: int) -> None:
        """Write the figures beside it."""
        self._figures = _short(history[-1])
        self._bar.set_postfix(self._figures, refresh=False)

    def end(self) -> None:
        """Take it away."""
        self._bar.close()


class NotebookMonitor(Monitor):
    """Curves below the cell, redrawn in place.

    Where the kernel ends meanwhile they stand there as they were last, so they say when that was,
    and what is kept.

    Args:
        out: The folder where the run is kept, or None.
    """

    def __init__(self, out: str | os.PathLike[str] | None = None) -> None:
        self._kept = "Kept nowhere, as out= was not given: if the kernel ends, it begins anew."
        if out is not None:
            where = os.fspath(out)
            self._kept = f"Kept in {where}: if the kernel ends, run the cell again, and it goes on."
        self._handle: Any = None
        self._what = ""
        self._total = self._done = 0
        self._began = self._shown = 0.0
        self._first = 0
        self._history: Sequence[Row] = ()
        self._best = -1

    def begin(self, what: str, *, total: int, done: int = 0, history: Sequence[Row] = ()) -> None:
        """Show empty curves, or those of the epochs before."""
        self._what, self._total, self._done, self._first = what, total, done, done
        self._history = history
        self._began = time.perf_counter()
        self._show()

    def advance(self, *, loss: float | None = None) -> None:
        """Move the bar, not more often than one can see."""
        self._done += 1
        if time.perf_counter() - self._shown >= _EVERY_SECONDS:
            self._show()

    def epoch(self, history: Sequence[Row], *, best: int) -> None:
        """Lengthen the curves."""
        self._history, self._best = history, best
        if time.perf_counter() - self._shown >= _EVERY_SECONDS:
            self._show()

    def end(self) -> None:
        """Leave the last curves in the notebook, without the bar."""
        self._show(is_over=True)

    def _show(self, *, is_over: bool = False) -> None:
        from IPython.display import display

        took = time.perf_counter() - self._began
        status = f"{self._what}: {self._done} of {self._total}"
        if self._history:
            status = f"epoch {len(self._history)}, step {self._done} of {self._total}"
        if self._done > self._first and not is_over:
            left = took / (self._done - self._first) * (self._total - self._done)
            status += f", about {clock(left)[:-4]} left"
        if not is_over:
            status += f" (at {time.strftime('%H:%M:%S')}). {self._kept}"
        share = None if is_over else self._done / max(self._total, 1)
        html = page(self._history, best=self._best, status=status, share=share)
        bundle = {"text/html": html, "text/plain": status}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._shown = time.perf_counter()


def page(history: Sequence[Row], *, best: int, status: str = "", share: float | None = None) -> str:
    """Return the curves of a run as HTML that needs nothing from elsewhere.

    Args:
        history: A row for each epoch: ``epoch, loss, accuracy`` and maybe ``val_loss,
            val_accuracy``.
        best: Number of the best row; -1 for none.
        status: A line above.
        share: How far it is, 0 to 1; None for no bar.
    """
    parts = [_STYLE, '<div class="vidlab-fit">']
    if status:
        parts.append(f'<div class="vl-muted">{escape(status)}</div>')
    if share is not None:
        parts.append(f'<div class="vl-bar"><div style="width: {100 * share:.1f}%"></div></div>')
    if history:
        parts.append(f"<div>{escape(summary(history, best=best))}</div>")
    parts += [
        '<div class="vl-charts">',
        _chart(history, "loss", "Loss (nats)", best),
        _chart(history, "accuracy", "Accuracy (%)", best),
        "</div></div>",
    ]
    return "".join(parts)


def summary(history: Sequence[Row], *, best: int) -> str:
    """Return the last epoch's figures, and the best one's, in words."""
    last = history[-1]
    words = f"loss {last['loss']:.3f}, accuracy {100 * last['accuracy']:.1f} %"
    if "val_accuracy" in last:
        words += (
            f"; validation: loss {last['val_loss']:.3f}, accuracy "
            f"{100 * last['val_accuracy']:.1f} %"
        )
        row = history[best]
        words += f"; best {100 * row['val_accuracy']:.1f} % in epoch {row['epoch']:.0f}"
    return words


def _short(row: Row) -> dict[str, str]:
    names = {"loss": "loss", "accuracy": "acc", "val_loss": "val_loss", "val_accuracy": "val_acc"}
    return {short: f"{row[name]:.3f}" for name, short in names.items() if name in row}


def _chart(history: Sequence[Row], name: str, title: str, best: int) -> str:
    """Return one chart as SVG: training and validation, a dot where it was best."""
    scale = 100.0 if name == "accuracy" else 1.0
    lines = {
        "training": [scale * row[name] for row in history],
        "validation": [scale * row[f"val_{name}"] for row in history if f"val_{name}" in row],
    }
    values = [value for line in lines.values() for value in line]
    top = 100.0 if name == "accuracy" else _round_up(max(values, default=1.0))
    last = max(len(history), 2)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(number: int) -> float:
        return _LEFT + width * number / (last - 1)

    def y(value: float) -> float:
        return _TOP + height * (1.0 - value / top)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text x="0" y="12" style="fill: var(--vl-ink)">{escape(title)}</text>',
    ]
    for tick in (0.0, top / 2, top):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            'stroke="var(--vl-line)"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for number in (0, last - 1):
        label = f"epoch {number + 1}" if number else "1"
        parts.append(
            f'<text x="{x(number):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{label}</text>'
        )
    ends = _spread({key: y(line[-1]) for key, line in lines.items() if line})
    for colour, dash, (key, line) in zip(("one", "two"), ("", "5 3"), lines.items(), strict=True):
        if not line:
            continue
        points = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in enumerate(line))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="var(--vl-{colour})" '
            f'stroke-width="2" stroke-linejoin="round" stroke-dasharray="{dash}"/>'
            f'<text x="{x(len(line) - 1) + 6:.1f}" y="{ends[key] + 4:.1f}" '
            f'style="fill: var(--vl-{colour})">{key}</text>'
        )
        if key == "validation" and 0 <= best < len(line):
            parts.append(
                f'<circle cx="{x(best):.1f}" cy="{y(line[best]):.1f}" r="4" '
                f'fill="var(--vl-{colour})"><title>best: epoch {best + 1}</title></circle>'
            )
    parts.append("</svg>")
    return "".join(parts)


def _spread(places: dict[str, float]) -> dict[str, float]:
    """Move labels apart that would lie on each other."""
    if len(places) == 2:
        (first, a), (second, b) = sorted(places.items(), key=lambda item: item[1])
        if b - a < 13.0:
            middle = min(max((a + b) / 2, _TOP + 6.5), _HEIGHT - _BOTTOM - 6.5)
            return {first: middle - 6.5, second: middle + 6.5}
    return places


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10 and so on, or their tenths."""
    for power in range(-4, 12):
        for digit in (1, 2, 5):
            if digit * 10.0**power >= value:
                return digit * 10.0**power
    return value
