"""Text of any kind given to what reads rules, cards and label maps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import CardError, LabelMapError, OptionError
from vidlab.models.card import ModelCard, Variant
from vidlab.rules import parse_rule
from vidlab.transforms import Preprocessing

_PARTS = st.sampled_from(
    ["squat", ">=", ">", "0.5", "1e999", "nan", "-1", "for", "2 s", "every", "within", ", then",
     '"a, then b"', '"\\ud800"', '"', "\\", "s", "1" * 400, ".", "", "한국어", "\0"]
)  # fmt: skip
_TEXTS = st.text(max_size=60) | st.lists(_PARTS, max_size=12).map(" ".join)

_VALUES = st.recursive(
    st.sampled_from(["0", "-1", "1e400", "nan", "-inf", "true", '""', '"clip"', '"../../x"',
                     '"\\u0000"', "9" * 30, "2000-01-01", "[]", "[0.5, 0.5, 0.5]", "{}"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
    | inner.map(lambda each: f"{{name = {each}}}"),
    max_leaves=4,
)  # fmt: skip
_KEYS = sorted(
    {each.name for cls in (ModelCard, Preprocessing, Variant) for each in dataclasses.fields(cls)}
    | {"preprocesing", "labels_file"}
)
_LINES = st.builds(lambda key, value: f"{key} = {value}", st.sampled_from(_KEYS), _VALUES)
_CARDS = st.lists(
    _LINES | st.sampled_from(["[preprocessing]", "[[variants]]", "[members]", "x.y.z = 1"]),
    max_size=12, unique_by=lambda line: line.partition(" ")[0],
).map("\n".join)  # fmt: skip
_START = 'name = "mine"\ntitle = "Mine"\nfamily = "own"\nkind = "clip"\nnum_frames = 16\n'


@given(_TEXTS)
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except OptionError:
        return
    assert parse_rule(str(rule)) == rule


@given(st.sampled_from(["", _START]), _CARDS)
def test_any_text_is_a_card_or_refused(start: str, lines: str) -> None:
    try:
        card = ModelCard.from_toml(start + lines, where="here")
    except CardError:
        return
    assert ModelCard.from_toml(card.to_toml(), where="again") == card


@settings(max_examples=50)
@given(st.binary(max_size=80) | st.text(st.characters(codec="utf-8"), max_size=80).map(str.encode))
def test_any_bytes_are_a_label_map_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path: Path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_bytes(data)
    try:
        labels = vl.LabelMap.from_file(path)
    except LabelMapError:
        return
    assert len(labels) > 0
