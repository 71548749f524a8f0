"""What StickActions people do: the labels, which pairs only time tells apart, what mirrors what."""

from __future__ import annotations

from vidlab.core.labels import LabelMap

STICK_ACTIONS: tuple[str, ...] = tuple(LabelMap.named("stick-actions"))
"""Every label; its place is its class id. Names are those of Kinetics-600 where it has one."""

TIME_ONLY_PAIRS: tuple[tuple[str, str], ...] = (
    ("sitting down", "standing up"),
    ("opening door", "closing door"),
    ("walking left", "moonwalking right"),
    ("walking right", "moonwalking left"),
)
"""Pairs whose second is drawn as the first played backwards: no set of frames without its order
tells them apart."""

MIRRORED_LABELS: dict[str, str] = {
    "walking left": "walking right",
    "walking right": "walking left",
    "moonwalking left": "moonwalking right",
    "moonwalking right": "moonwalking left",
}
"""What a label becomes in a mirrored picture; labels that are not here stay as they are."""

REVERSED_FROM: dict[str, str] = {second: first for first, second in TIME_ONLY_PAIRS}
"""From a label that is drawn backwards to the label whose motion it is."""
