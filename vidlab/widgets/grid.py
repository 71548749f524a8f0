"""Several players side by side, in step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ipywidgets

from vidlab.core.errors import OptionError, refuse_unknown
from vidlab.core.naming import printable
from vidlab.widgets.kept import display_with_copy
from vidlab.widgets.links import WAYS
from vidlab.widgets.player import Player

_GAP_PX = 8
# A narrower player has no room for its controls; the columns stack instead.
_MIN_WIDTH_PX = 280
_OPTIONS = ("columns", "by", "layout")


class PlayerGrid(ipywidgets.GridBox):  # type: ignore[misc]  # ipywidgets has no types
    """Players side by side that move, play, pause and change speed together.

    Args:
        players: Two or more players.
        columns: How many beside each other, where there is room; None takes two, or three from
            five players on.
        by: ``"time"``: the same time after each video's first frame; ``"frame"``: the same frame
            number.
        layout: The `ipywidgets.Layout` of the grid, in place of its own.

    Attributes:
        players: As given.

    Raises:
        OptionError: An option is unknown or out of range, or what is given are no players.

    Examples:
        >>> PlayerGrid([Player("left.mp4"), Player("right.mp4")])  # doctest: +SKIP
    """

    def __init__(
        self,
        players: Sequence[Player],
        *,
        columns: int | None = None,
        by: str = "time",
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("PlayerGrid", unknown, _OPTIONS)
        self.players = _check_players(players)
        if by not in WAYS:
            raise OptionError(f"by must be 'time' or 'frame'; got {by!r}.")
        if columns is None:
            columns = 2 if len(self.players) < 5 else 3
        if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
            raise OptionError(f"columns must be a whole number from 1; got {columns!r}.")
        first, *others = self.players
        for other in others:
            later = other.video.start_seconds - first.video.start_seconds
            first.link(other, by=by, offset_seconds=later if by == "time" else 0.0)
        super().__init__(children=self.players, layout=layout or _layout(columns))
        for player in self.players:
            player.observe(self._follow_players, "comm")

    def _follow_players(self, _: Any) -> None:
        """Go with the last player: ipywidgets keeps what is open, and this keeps the videos."""
        if self.comm is not None and all(player.comm is None for player in self.players):
            self.close()

    def close(self) -> None:
        """Take it off every page; the players stay. Shown again, it comes back."""
        super().close()
        # ipywidgets hides the method, so that what is closed is not shown.
        self.__dict__.pop("_repr_mimebundle_", None)

    def __repr__(self) -> str:
        return printable(f"<PlayerGrid of {', '.join(each.video.name for each in self.players)}>")

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:
            self.open()  # closed before, and wanted again
        bundle = super()._repr_mimebundle_(**options)
        return None if bundle is None else {**bundle, "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        display_with_copy(self, self.players)


def _check_players(given: Any) -> list[Player]:
    players = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if len(players) < 2 or not all(isinstance(each, Player) for each in players):
        raise OptionError(
            f"PlayerGrid takes a list of two or more players; got {given!r:.80}. "
            "Make each with vidlab.Player(video, predictions)."
        )
    if len({id(each) for each in players}) < len(players):
        raise OptionError("PlayerGrid takes each player once; one is given twice.")
    return players


def _layout(columns: int) -> ipywidgets.Layout:
    gaps = math.ceil(_GAP_PX * (columns - 1) / columns)
    width = f"min(100%, max({_MIN_WIDTH_PX}px, calc({100 / columns:.4f}% - {gaps}px)))"
    return ipywidgets.Layout(
        grid_template_columns=f"repeat(auto-fill, minmax({width}, 1fr))",
        grid_gap=f"{_GAP_PX}px",
        width="100%",
    )
