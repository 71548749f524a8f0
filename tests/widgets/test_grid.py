"""Several players side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.widgets import Player, PlayerGrid


@pytest.fixture
def players(spelled: Callable[..., Path]) -> list[Player]:
    return [Player(spelled("mp4")), Player(spelled("offset")), Player(spelled("mp4"))]


def test_players_move_together_from_their_first_frames(players: list[Player]) -> None:
    grid = PlayerGrid(players)
    assert list(grid.children) == players
    players[0].frame_index = 30
    assert [each.frame_index for each in players] == [30, 30, 30]
    players[1].frame_index = 12
    assert [each.frame_index for each in players] == [12, 12, 12]
    players[2].speed = 0.5
    assert [each.speed for each in players] == [0.5] * 3


def test_players_may_be_linked_by_frame(players: list[Player]) -> None:
    PlayerGrid(players, by="frame")
    players[1].frame_index = 7
    assert [each.frame_index for each in players] == [7, 7, 7]
    assert {each._link["by"] for each in players} == {"frame"}


def test_it_has_as_many_columns_as_asked(players: list[Player]) -> None:
    columns = PlayerGrid(players, columns=3).layout.grid_template_columns
    assert "33.3333%" in columns
    assert PlayerGrid(players, layout={"width": "500px"}).layout.width == "500px"


@pytest.mark.parametrize("columns", [0, 1.5, True, "2"])
def test_columns_are_checked(columns: Any, players: list[Player]) -> None:
    with pytest.raises(OptionError, match="columns must be a whole number from 1"):
        PlayerGrid(players, columns=columns)


def test_what_is_no_players_is_refused(players: list[Player], spelled) -> None:
    for wrong in (players[:1], [spelled("mp4")] * 2, "ab", None):
        with pytest.raises(OptionError, match="two or more players"):
            PlayerGrid(wrong)
    with pytest.raises(OptionError, match="once"):
        PlayerGrid([players[0], players[0]])
    with pytest.raises(OptionError, match=r"no option 'colums'.*Did you mean 'columns'"):
        PlayerGrid(players, colums=2)
    with pytest.raises(OptionError, match="by must be"):
        PlayerGrid(players, by="second")
    assert all(each._link is None for each in players)


def test_it_goes_with_its_last_player(players: list[Player]) -> None:
    grid = PlayerGrid(players)
    for player in players[:-1]:
        player.close()
    assert grid.comm is not None
    players[-1].close()
    assert grid.comm is None


def test_it_comes_back_after_closing(players: list[Player]) -> None:
    grid = PlayerGrid(players)
    grid.close()
    bundle = grid._repr_mimebundle_()
    assert bundle["text/plain"] == repr(grid)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert vl.PlayerGrid is PlayerGrid


def test_a_name_that_is_no_utf8_can_be_shown(players: list[Player]) -> None:
    players[0].video.name = "walk\udcff.mp4"
    repr(PlayerGrid(players)).encode()
