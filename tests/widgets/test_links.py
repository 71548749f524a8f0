"""Linked players, without a page: who moves with whom, and who does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.widgets import Player, links


@pytest.fixture
def players(spelled: Callable[..., Path]) -> list[Player]:
    return [Player(vl.Video(spelled("mp4"))) for _ in range(3)]


def test_linked_players_move_together_both_ways(players: list[Player]) -> None:
    one, two, three = players
    one.frame_index = 5
    one.link(two)
    assert two.frame_index == 5
    one.frame_index = 20
    assert (two.frame_index, two.time_seconds) == (20, one.time_seconds)
    two.speed = 0.5
    two.playing = True
    assert (one.speed, one.playing) == (0.5, True)
    assert three.frame_index == 0


def test_by_time_with_an_offset(spelled: Callable[..., Path]) -> None:
    here, there = Player(spelled("mp4")), Player(spelled("offset"))
    here.link(there, offset_seconds=7.5)
    here.frame_index = 30
    assert there.frame_index == 30
    assert there.time_seconds == pytest.approx(here.time_seconds + 7.5, abs=1e-3)
    there.frame_index = 12
    assert here.frame_index == 12


def test_by_frame_ends_with_the_shorter_video(spelled: Callable[..., Path]) -> None:
    long, short = Player(spelled("vfr")), Player(spelled("mp4", num_frames=10))
    long.link(short, by="frame")
    long.frame_index = 7
    assert short.frame_index == 7
    long.frame_index = 40
    assert (long.frame_index, short.frame_index) == (40, 9)


def test_three_in_a_group_and_out_again(players: list[Player]) -> None:
    one, two, three = players
    one.link(two)
    two.link(three)
    assert len({each._link["group"] for each in players}) == 1
    three.frame_index = 9
    assert (one.frame_index, two.frame_index) == (9, 9)
    two.unlink()
    assert two._link is None
    one.frame_index = 30
    assert (two.frame_index, three.frame_index) == (9, 30)
    three.unlink()
    assert one._link is None, "a group of one is none"
    assert not any(len(group) for group in links._GROUPS.values() if set(group) & set(players))


def test_what_a_page_said_is_not_echoed_to_players_on_a_page(players: list[Player]) -> None:
    one, two, three = players
    one.link(two)
    one.link(three)
    two._pages.add("page")
    one.set_state({"frame_index": 25, "time_seconds": float(one.video.pts_seconds[25])})
    assert two.frame_index == 0, "the page moves it itself"
    assert three.frame_index == 25
    one.frame_index = 26
    assert (two.frame_index, three.frame_index) == (26, 26)


def test_closing_unlinks(players: list[Player]) -> None:
    one, two, three = players
    one.link(two)
    one.link(three)
    two.close()
    one.frame_index = 3
    assert (two.frame_index, three.frame_index) == (0, 3)
    assert two._link is None


def test_wrong_links_are_refused(players: list[Player]) -> None:
    one, two, _ = players
    with pytest.raises(OptionError, match="by must be 'time' or 'frame'; got 'seconds'"):
        one.link(two, by="seconds")
    with pytest.raises(OptionError, match="linked with another player"):
        one.link(one)
    with pytest.raises(OptionError, match="linked with another player"):
        one.link("two")
    with pytest.raises(OptionError, match="offset_seconds must be a number"):
        one.link(two, offset_seconds=float("nan"))
    assert one._link is None
