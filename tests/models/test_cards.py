from __future__ import annotations

import pytest

from vidlab.core.errors import CardError, OptionError, UnknownModelError
from vidlab.models.card import ModelCard, card_named, cards

CARD = """
name = "m"
title = "M"
family = "movinet"
kind = "stream"
[preprocessing]
height_px = 8
width_px = 8
"""


def test_every_shipped_card_is_whole() -> None:
    assert {"movinet-a0-stream", "movinet-a5-base"} <= set(cards())
    for name, card in cards().items():
        assert card.name == name
        assert card.licence
        assert card.paper.startswith("https://")
        assert len(card.label_map(600)) == 600
        assert card.variants
        assert card.preprocessing.frame_rate is not None
        for variant in card.variants:
            assert variant.url or variant.handle or variant.same_weights_as
            if variant.url:
                assert variant.sha256
                assert len(variant.sha256) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read"),
        ('name = "m"', "lacks the table"),
        (CARD + 'resise = "fit"', "unknown field 'resise'.* Did you mean 'resize'"),
        (CARD + 'resize = "squash"', "resize must be one of"),
        (CARD.replace('kind = "stream"', 'kind = "song"'), "'stream' or 'clip'"),
        (CARD.replace('title = "M"', ""), "missing"),
        (CARD + '[[variants]]\nname = "v"', "missing"),
        ("preprocessing = 3", "cannot be read"),
    ],
)
def test_bad_cards_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        ModelCard.from_toml(text, where="m.toml")


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'movinet-a0-stream'"):
        card_named("movinet-a0-steam")
    with pytest.raises(OptionError, match=r"has no variant 'int9'.*Did you mean 'int8'"):
        card_named("movinet-a0-stream").variant("int9")


def test_a_label_map_of_another_length_is_refused() -> None:
    with pytest.raises(CardError, match="600 labels"):
        card_named("movinet-a0-stream").label_map(400)
    assert len(ModelCard.from_toml(CARD, where="m.toml").label_map(7)) == 7
