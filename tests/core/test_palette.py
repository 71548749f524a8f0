from __future__ import annotations

import re

from vidlab.core.palette import OKABE_ITO, Palette, color


def test_a_label_keeps_its_colour_and_letter() -> None:
    palette = Palette()
    first = palette.assign(["a", "b", "c"])
    assert list(first.values()) == list(OKABE_ITO[:3])
    palette.assign(["z", "c"])
    assert palette.assign(["c", "a", "b"]) == first
    assert [palette.letter_of(label) for label in "abc"] == ["A", "B", "C"]


def test_many_labels_get_different_colours_and_letters() -> None:
    colors = [color(rank) for rank in range(60)]
    assert len(set(colors)) == 60
    assert all(re.fullmatch("#[0-9A-F]{6}", item) for item in colors)
    palette = Palette()
    letters = {palette.letter_of(str(number)) for number in range(60)}
    assert len(letters) == 60
