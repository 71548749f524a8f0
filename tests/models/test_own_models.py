"""Models that are nobody's but the user's: weights with a card beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import vidlab as vl
from vidlab.core.errors import CardError, OptionError, WeightsError
from vidlab.core.files import sha256_of
from vidlab.models.card import ModelCard, Variant, card_named, card_path, write_card
from vidlab.models.convert import save_safetensors
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.transforms import Preprocessing

CARD = ModelCard(
    name="workshop-dances",
    title="Dances of the workshop",
    family="movinet",
    kind="stream",
    labels=("polka", "waltz", "탱고"),
    preprocessing=Preprocessing(height_px=64, width_px=48, resize="crop", frame_rate=7.5),
)


def save(path: Path, *, half: bool = False, card: ModelCard | None = CARD, **config) -> MoViNet:
    """Write a random network of three classes, and the card that goes with it."""
    torch.manual_seed(0)
    network = MoViNet(MovinetConfig.official("a0", "stream", num_classes=3, **config)).eval()
    save_safetensors(path, network.config, network.state_dict(), half=half)
    if card is not None:
        variant = Variant(
            name="own",
            precision="float16" if half else "float32",
            format="safetensors",
            file=path.name,
            sha256=sha256_of(path),
        )
        write_card(replace(card, variants=(variant,)), path)
    return network


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save(tmp_path / "dances.safetensors")
    return tmp_path / "dances.safetensors"


def test_weights_with_a_card_load_by_path(weights: Path) -> None:
    model = vl.load_model(weights)
    assert model.title == "torch:workshop-dances (own)"
    assert model.card == replace(CARD, variants=model.card.variants)
    assert list(model.labels) == ["polka", "waltz", "탱고"]
    assert model.preprocessing == CARD.preprocessing
    frames = np.zeros((2, 64, 48, 3), np.float32)
    assert model.step(frames, model.init_state())[0].shape == (2, 3)


def test_what_is_given_wins_over_the_card(weights: Path) -> None:
    assert list(vl.load_model(weights, labels=["a", "b", "c"]).labels) == ["a", "b", "c"]
    other = replace(CARD, name="other", labels=None)
    model = vl.load_model(weights, card=other)
    assert model.name == "other"
    assert model.labels[0] == "class 0"


def test_other_weights_under_a_cards_name_are_refused(weights: Path) -> None:
    save_safetensors(weights, MovinetConfig("a0"), {})
    with pytest.raises(WeightsError, match=r"not what its card.*checksum from the card dances\.t"):
        vl.load_model(weights)


def test_a_renamed_pair_is_known(weights: Path) -> None:
    card_path(weights).rename(weights.with_name("new.toml"))
    model = vl.load_model(weights.rename(weights.with_name("new.safetensors")))
    assert model.title == "torch:workshop-dances (own)"


def test_a_card_may_say_nothing_of_the_file(weights: Path) -> None:
    write_card(CARD, weights)
    assert vl.load_model(weights).title == "torch:workshop-dances (dances)"


def test_what_lies_beside_must_be_a_card_of_this_model(weights: Path) -> None:
    write_card(replace(CARD, kind="clip"), weights)
    with pytest.raises(OptionError, match="is a stream model; workshop-dances is not"):
        vl.load_model(weights)
    write_card(replace(CARD, labels=("one", "two")), weights)
    with pytest.raises(CardError, match="3 logits"):
        vl.load_model(weights)
    card_path(weights).write_text("[tool]\nx = 1\n")
    with pytest.raises(CardError, match="lacks the table 'preprocessing'"):
        vl.load_model(weights)


def test_a_card_of_any_name_may_hold_any_network(tmp_path: Path) -> None:
    card = replace(CARD, name="movinet-a0-stream-dances")
    save(tmp_path / "b.safetensors", card=card, se_type="none", activation="relu6")
    assert vl.load_model(tmp_path / "b.safetensors").name == card.name
    with pytest.raises(OptionError, match="another"):
        vl.load_model(tmp_path / "b.safetensors", card=card_named("movinet-a1-stream"))


def test_half_precision_takes_half_the_space_and_computes_in_single(tmp_path: Path) -> None:
    network = save(tmp_path / "single.safetensors")
    save(tmp_path / "half.safetensors", half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "single")]
    assert 0.5 <= sizes[0] / sizes[1] <= 0.51
    model = vl.load_model(tmp_path / "half.safetensors")
    for name, value in model.network.state_dict().items():
        expected = network.state_dict()[name]
        assert value.dtype == expected.dtype
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)
