"""Languages of the widgets' texts."""

from __future__ import annotations

from vidlab.core.errors import OptionError

LOCALES = ("en", "ko")


def checked_locale(locale: str | None) -> str | None:
    """Return a widget's ``locale``; None takes the page's or the browser's.

    Raises:
        OptionError: There are no texts in that language.
    """
    if locale is not None and locale not in LOCALES:
        raise OptionError(f"locale must be one of {', '.join(LOCALES)}, or None; got {locale!r}.")
    return locale
