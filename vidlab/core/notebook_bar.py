"""A progress bar in a notebook's output: plain HTML that is redrawn in place.

It is no widget: in a notebook that is opened again, or whose kernel has ended, it stands there as
it was last, and says when that was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Self

# Between two pictures: quick enough to look alive, slow enough to cost nothing.
_EVERY_SECONDS = 0.5

# Of the notebook's own colours, which follow its theme.
_STYLE = """<style>
.vidlab-progress { font: 13px/20px var(--jp-ui-font-family, system-ui, sans-serif);
  color: var(--jp-ui-font-color1, inherit); max-width: 720px; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
.vidlab-progress p { margin: -4px 0 4px; color: var(--jp-ui-font-color2, inherit); }
.vidlab-progress div { height: 4px; margin: 4px 0 8px; border-radius: 4px; overflow: hidden;
  background: var(--jp-border-color2, #8884); }
.vidlab-progress div div { height: 100%; margin: 0; background: var(--jp-brand-color1, #1976d2); }
</style>"""

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class NotebookBar:
    """What is used of tqdm's bars, as HTML: how far it is, how quick, how long it will take.

    It goes away when all is done; what was stopped before stays, and says how far it came.

    Args:
        iterable: What is gone through, or None where `update` counts.
        total: How many there are; None takes the iterable's length, where it has one.
        desc: What it is about.
        unit: What is counted.
        initial: How many were done before.
        unit_scale: Whether to say 12.3 M for 12,300,000.
        kept: What is kept where the kernel ends meanwhile, in a sentence.
        disable: Show nothing.

    Attributes:
        n: How many are done.
        total: How many there are, or None.
    """

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        total: float | None = None,
        desc: str = "",
        unit: str = "it",
        initial: float = 0.0,
        unit_scale: bool = False,
        kept: str = "",
        disable: bool = False,
    ) -> None:
        length = getattr(iterable, "__len__", None)
        if total is None and length is not None:
            total = length()
        self.n, self.total = initial, total
        self._iterable: Iterable[Any] = () if iterable is None else iterable
        self._initial = initial
        unit = unit.strip()
        # Words are counted in the plural, signs such as B are not.
        self._unit = f"{unit}s" if unit.isalpha() and unit.islower() else unit
        self._desc, self._is_scaled = desc, unit_scale
        self._is_off = disable
        self._note, self._kept = "", kept
        self._handle: Any = None
        self._began = time.monotonic()
        self._show()

    def __iter__(self) -> Iterator[Any]:
        with self:
            for each in self._iterable:
                yield each
                self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, count: float = 1) -> None:
        """Count some more as done."""
        self.n += count
        self._show_if_due()

    def set_postfix_str(self, note: str) -> None:
        """Add a note, such as how many failed."""
        self._note = note
        self._show_if_due()

    def close(self) -> None:
        """Take it away, unless it was stopped before its end."""
        if self.total and self.n < self.total:
            self._show()
        else:
            self._draw("", "")
        self._is_off = True

    def describe(self) -> str:
        """Return in words how far it is, how quick it goes, and how long it will take."""
        parts = [self._amount(self.n)]
        if self.total:
            share = min(self.n / self.total, 1.0)
            parts = [f"{self._amount(self.n, of=self.total)} ({share:.0%})"]
        took = time.monotonic() - self._began
        rate = (self.n - self._initial) / took if took > 0.0 else 0.0
        if rate > 0.0:
            slow = rate < 1.0
            parts.append(f"{self._amount(60.0 * rate if slow else rate)}/{'min' if slow else 's'}")
            if self.total and self.n < self.total:
                parts.append(f"about {_clock((self.total - self.n) / rate)} left")
        if self._note:
            parts.append(self._note)
        name = f"{self._desc}: " if self._desc not in ("", self._unit) else ""
        return f"{name}{', '.join(parts)} (at {time.strftime('%H:%M:%S')})"

    def _amount(self, value: float, *, of: float | None = None) -> str:
        """Return "3 videos", "3 of 40 videos", "1.5 videos", "12.3 MB" or "12.3 of 40.0 MB"."""
        size, letter = 1.0, ""
        if self._is_scaled:
            most = value if of is None else of
            size, letter = next((each for each in _STEPS if most >= each[0]), (1.0, ""))
        values = [each / size for each in (value, of) if each is not None]
        texts = [
            f"{each:.1f}" if letter or (each % 1.0 and each < 10) else f"{each:.0f}"
            for each in values
        ]
        return f"{' of '.join(texts)} {letter}{self._unit}"

    def _show_if_due(self) -> None:
        if time.monotonic() - self._shown >= _EVERY_SECONDS:
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        text = self.describe()
        share = min(self.n / self.total, 1.0) if self.total else 0.0
        bar = f'<div><div style="width: {share:.1%}"></div></div>' if self.total else ""
        kept = f"<p>{escape(self._kept)}</p>" if self._kept else ""
        html = f'{_STYLE}<div class="vidlab-progress">{escape(text)}{bar}{kept}</div>'
        self._draw(html, f"{text}. {self._kept}".removesuffix(". "))

    def _draw(self, html: str, text: str) -> None:
        if self._is_off:
            return
        from IPython.display import display

        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _clock(seconds: float) -> str:
    """Return "0:07", "12:34" or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
