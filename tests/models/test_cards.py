from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab.core.errors import CardError, OptionError, UnknownModelError
from vidlab.core.skeletons import SKELETONS
from vidlab.models.card import (
    ModelCard,
    Variant,
    card_beside,
    card_named,
    card_path,
    cards,
    write_card,
)
from vidlab.models.lookup import PACKAGE_WEIGHTS
from vidlab.transforms import Preprocessing

NUM_CLASSES = {"kinetics-600": 600, "kinetics-400": 400, "imagenet-1k": 1000, "imagenet-1001": 1001}

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
        assert card.variants
        assert card.kind != "stream" or card.preprocessing.frame_rate is not None
        if card.training:  # by vidlab itself: the weights lie beside the card
            assert len(card.label_map(24)) == 24
            assert all((PACKAGE_WEIGHTS / each.file).exists() for each in card.variants)
            continue
        assert card.paper.startswith("https://")
        if card.kind == "pose":
            assert (card.skeleton in SKELETONS) == (card.task == "pose estimation")
            assert not card.detector or cards()[card.detector].task == "person detection"
        else:
            assert len(card.label_map(NUM_CLASSES[str(card.labels)])) in NUM_CLASSES.values()
        for variant in card.variants:
            assert variant.url or variant.handle or variant.same_weights_as
            # Of one file its publisher tells no checksum; torchvision tells the first 8 digits.
            if variant.url and name != "resnet-34-3d":
                assert variant.sha256
                assert len(variant.sha256) == (8 if variant.format == "pth" else 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read"),
        ('name = "m"', "lacks the table"),
        (CARD + 'resise = "fit"', "unknown field 'resise'.* Did you mean 'resize'"),
        (CARD + 'resize = "squash"', "resize must be one of"),
        (
            CARD.replace('kind = "stream"', 'kind = "song"'),
            "kind must be one of stream, clip, frame",
        ),
        (CARD.replace('title = "M"', ""), "missing"),
        (CARD + '[[variants]]\nname = "v"', "missing"),
        ("preprocessing = 3", "cannot be read"),
        ("labels = 3" + CARD, "cannot be read"),
        ('labels = ["a", "a"]' + CARD, "unique"),
        ("labels = []" + CARD, "at least one"),
        (CARD.replace('name = "m"', "name = 3"), "name must be a string"),
        ('num_frames = "8"' + CARD, "num_frames must be a whole number; got '8'"),
        ("accuracy = 90" + CARD, "accuracy must be a table"),
        (
            CARD.replace("height_px = ", 'frame_rate = "5"\nheight_px = '),
            "frame_rate must be a number",
        ),
        (
            CARD + '[[variants]]\nname = "v"\nprecision = "p"\nformat = "onnx"\nfile = 3',
            "file must be a string",
        ),
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


def test_a_card_may_hold_its_labels() -> None:
    card = ModelCard.from_toml('labels = ["up", "down"]' + CARD, where="m.toml")
    assert list(card.label_map(2)) == ["up", "down"]
    with pytest.raises(CardError, match="3 logits, but its label map m has 2"):
        card.label_map(3)


@pytest.mark.parametrize("name", sorted(cards()))
def test_a_shipped_card_is_the_same_when_written_and_read(name: str) -> None:
    card = card_named(name)
    assert ModelCard.from_toml(card.to_toml(), where=name) == card


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    title=_TEXT,
    labels=st.none() | st.lists(_TEXT.filter(str.strip), min_size=1, unique=True).map(tuple),
    accuracy=st.dictionaries(_TEXT, st.floats(allow_nan=False)),
    members=st.dictionaries(_TEXT, _TEXT),
    scale=st.floats(min_value=1e-30, max_value=1e30),
    size_bytes=st.none() | st.integers(0, 1 << 60),
)
def test_any_card_is_the_same_when_written_and_read(
    title, labels, accuracy, members, scale, size_bytes
) -> None:
    card = ModelCard(
        name="m",
        title=title,
        family="movinet",
        kind="clip",
        labels=labels,
        accuracy=accuracy,
        preprocessing=Preprocessing(height_px=8, width_px=9, scale=scale, mean=(0.1, 0.2, 0.3)),
        variants=(
            Variant(name="one", precision="", format="litert", file="a", size_bytes=size_bytes),
            Variant(name="two", precision="", format="savedmodel", file=title, members=members),
        ),
    )
    assert ModelCard.from_toml(card.to_toml(), where="m.toml") == card


def test_a_card_lies_beside_a_file_and_inside_a_directory(tmp_path) -> None:
    card = ModelCard.from_toml(CARD, where="m.toml")
    assert card_path(tmp_path / "a0.v2.tflite") == tmp_path / "a0.v2.toml"
    assert card_path(tmp_path) == tmp_path / "card.toml"
    for path in (tmp_path / "a.safetensors", tmp_path, tmp_path / "other.toml"):
        assert card_beside(path) is None
        written = write_card(card, path)
        assert written == card_path(path)
        assert card_beside(path) == card
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CardError, match="cannot be read"):
        card_beside(tmp_path / "a.tflite")
