"""Names: no longer than what tells several things apart; and such as can be written anywhere."""

from __future__ import annotations

from collections.abc import Sequence


def shortest_names(candidates: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each of several things.

    Args:
        candidates: For each thing its names, from the shortest to the fullest, equally many.

    Returns:
        The first of the names that are all different; else the fullest ones, numbered from 1.
    """
    for names in zip(*candidates, strict=True):
        if len(set(names)) == len(names):
            return list(names)
    return [f"{each[-1]} #{number}" for number, each in enumerate(candidates, start=1)]


def printable(text: str) -> str:
    """Return text that can be written anywhere: what is no Unicode in a file's name is escaped.

    Raises:
        TypeError: It is no text.
    """
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")
