"""What vidlab says to a person while it works: short notes and progress.

Both go to stderr, notes in a notebook to the cell's output.

Standard output is left to results, so ``vidlab … --json`` can be piped. ``VIDLAB_QUIET=1``
silences notes and bars.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any


def is_quiet() -> bool:
    """Tell whether ``VIDLAB_QUIET`` asks for silence."""
    return os.environ.get("VIDLAB_QUIET", "") not in ("", "0")


def say(message: str) -> None:
    """Print one line for the user, unless quiet."""
    if not is_quiet():
        # A notebook shows stderr on red, as if something had gone wrong.
        place = sys.stdout if in_notebook() else sys.stderr
        print(f"vidlab: {message}", file=place, flush=True)


def in_notebook() -> bool:
    """Tell whether a notebook's kernel runs this."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return hasattr(get_ipython() if get_ipython else None, "kernel")


def display_bundle(data: Mapping[str, Any], *, metadata: Mapping[str, Any] | None = None) -> None:
    """Show in a notebook's cell what is given in several MIME types, of which it takes one."""
    from IPython.display import display

    display(data, metadata=metadata, raw=True)


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    total: float | None = None,
    desc: str = "",
    unit: str = "it",
    kept: str = "",
    disable: bool = False,
    **options: Any,
) -> Any:
    """Return a tqdm bar that fits the place: HTML in a notebook, text in a terminal.

    Where stderr is neither, as in a log file, there is none. It says how quick it goes, and how
    long it will take, and is gone when all is done. In a notebook it also says what is `kept`
    where the kernel ends meanwhile: there it stands then.
    """
    is_off = disable or is_quiet()
    shared: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, **options}
    if in_notebook():
        from vidlab.core.notebook_bar import NotebookBar

        shared.pop("bar_format", None)  # a line's
        return NotebookBar(iterable, kept=kept, disable=is_off, **shared)
    from tqdm import tqdm

    return tqdm(iterable, leave=False, disable=True if is_off else None, **shared)
