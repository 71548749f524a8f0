"""Names for several things side by side: no longer than what tells them apart."""

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
