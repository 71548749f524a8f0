"""Players that move, play and change speed together.

Each player of a group shows ``common time + its own offset_seconds`` (or the same frame
number). Where a page shows several players of a group, the page keeps them in step; Python
moves those that no page shows, and all of them where a value is set in Python.
"""

from __future__ import annotations

import math
import uuid
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vidlab.core.errors import OptionError

if TYPE_CHECKING:
    from vidlab.widgets.player import Player

WAYS = ("time", "frame")
"""What linked players have in common."""

_GROUPS: dict[str, weakref.WeakSet[Player]] = {}


def link(first: Player, other: Player, *, by: str, offset_seconds: float) -> None:
    """Put two players into one group, the first one's if it has one, and move the other.

    Args:
        first: Stays where it is.
        other: Leaves the group it is in.
        by: ``"time"`` or ``"frame"``; the whole group goes by it from now on.
        offset_seconds: How much later the other's time is, with ``by="time"``.

    Raises:
        OptionError: `other` is no other player, `by` is something else, or `offset_seconds` is
            no number.
    """
    if not hasattr(other, "_link") or first is other:
        raise OptionError(f"A player is linked with another player; got {other!r:.80}.")
    if by not in WAYS:
        raise OptionError(f"by must be 'time' or 'frame'; got {by!r}.")
    if not isinstance(offset_seconds, int | float) or not math.isfinite(offset_seconds):
        raise OptionError(f"offset_seconds must be a number of seconds; got {offset_seconds!r}.")
    unlink(other)
    known = _link_of(first) or {"group": uuid.uuid4().hex, "by": by, "offset_seconds": 0.0}
    group, shift = known["group"], float(known["offset_seconds"]) + float(offset_seconds)
    members = _GROUPS.setdefault(group, weakref.WeakSet())
    members.update((first, other))
    first.set_trait("_link", known)
    other.set_trait("_link", {"group": group, "by": by, "offset_seconds": shift})
    for member in list(members):
        member.set_trait("_link", {**member._link, "by": by})
    _lead(first, other, ("frame_index", "speed", "playing"))


def unlink(player: Player) -> None:
    """Take a player out of its group; a group of one is none."""
    known = _link_of(player)
    if known is None:
        return
    members = _GROUPS.get(known["group"], weakref.WeakSet())
    members.discard(player)
    player.set_trait("_link", None)
    if len(members) == 1:
        unlink(next(iter(members)))
    elif not members:
        _GROUPS.pop(known["group"], None)


def follow(leader: Player, names: Sequence[str]) -> None:
    """Let the other players of a player's group take over what it changed.

    What a page said it has told the other players that are on a page sooner than Python could;
    an echo would make them jump.

    Args:
        leader: Whose traits changed.
        names: Any of ``"frame_index"``, ``"playing"``, ``"speed"``.
    """
    known = _link_of(leader)
    if known is None or leader._is_led:
        return
    for other in list(_GROUPS.get(known["group"], ())):
        if other is not leader and not (leader._hears_page and other._pages):
            _lead(leader, other, names)


def _link_of(player: Player) -> dict[str, Any] | None:
    return player._link


def _lead(leader: Player, other: Player, names: Sequence[str]) -> None:
    other._is_led = True
    try:
        for name in names:
            if name == "frame_index":
                other.frame_index = _frame_in_step(other, leader)
            else:
                other.set_trait(name, getattr(leader, name))
    finally:
        other._is_led = False


def _frame_in_step(player: Player, leader: Player) -> int:
    """Return the frame that a player shows when another of its group shows its own."""
    if player._link["by"] == "frame":
        return min(leader.frame_index, player.video.num_frames - 1)
    shift = float(player._link["offset_seconds"]) - float(leader._link["offset_seconds"])
    return player.video.index_at_time(leader.time_seconds + shift)
