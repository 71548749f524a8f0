"""What all widgets share: their files, the language of their texts, closing and coming back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vidlab.core.errors import OptionError

LOCALES = ("en", "ko")

# Traits that a page only reads: set by one, they would mislead every other page, and vidlab itself.
_KERNEL_ONLY = frozenset({"_annotation", "_info", "_link", "_state"})

_STATIC = Path(__file__).parent / "static"


def script(name: str) -> str:
    """Return the text of a bundle in ``static``.

    anywidget wants text, not a path: of files it keeps a watch that never lets a widget go.
    """
    return (_STATIC / name).read_text("utf-8")


def style(name: str | None = None) -> str:
    """Return the style of all widgets, which is the player's, and what a file adds to it."""
    names = ["player.css", *([] if name is None else [name])]
    return "\n".join((_STATIC / each).read_text("utf-8") for each in names)


class _Locale(traitlets.TraitType[Any, Any]):
    """A language that there are texts in, or None."""

    default_value = None

    def validate(self, obj: Any, value: Any) -> Any:
        if value is not None and value not in LOCALES:
            raise OptionError(
                f"locale must be one of {', '.join(LOCALES)}, or None; got {value!r}."
            )
        return value


class Widget(anywidget.AnyWidget):
    """A widget of vidlab's.

    Attributes:
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.
    """

    locale = _Locale(help="Language of the texts; None takes the page's or the browser's.").tag(
        sync=True
    )

    def set_state(self, sync_data: Any) -> None:
        """Take over what the page says, but of what only the kernel knows."""
        own = {name: value for name, value in sync_data.items() if name not in _KERNEL_ONLY}
        super().set_state(own)

    def close(self) -> None:
        """Stop its work, and take it off every page. Shown again, it comes back."""
        super().close()
        # ipywidgets hides the method, so that what is closed is not shown.
        self.__dict__.pop("_repr_mimebundle_", None)

    # What the page needs before it has asked; each widget tags its own.
    _info: dict[str, Any]

    def _tell_model_id(self) -> None:
        # anywidget hands the page no id, and the page hides the static copy that bears it.
        self._info = {**self._info, "model_id": self.model_id}

    def _come_back(self) -> None:
        """Take up the work again, where it was closed and is wanted again."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:
            self.open()
            self._come_back()
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self)}, metadata
