"""The models that come with vidlab: trained by the project, the same on every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.probabilities import softmax
from vidlab.datasets import STICK_ACTIONS, TIME_ONLY_PAIRS, StickActions, label_of
from vidlab.models.base import Model
from vidlab.models.card import card_named, cards
from vidlab.models.loading import KINETICS_MODEL, SHIPPED_MODEL
from vidlab.models.lookup import PACKAGE_WEIGHTS

VIDEO_MODELS = ("stickactions-a0-stream", "stickactions-xs-stream")
PICTURES = "stickactions-pictures"
SHIPPED = (*VIDEO_MODELS, PICTURES)
# Of neither training nor the figures in the cards.
SEEDS = range(6_500_000, 6_500_096)


@pytest.fixture(autouse=True)
def no_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDLAB_MODELS", raising=False)
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_what_was_measured_and_how(name: str) -> None:
    card = card_named(name)
    assert card.labels == "stick-actions"
    assert card.accuracy.keys() == {"top1", "top5", "pairs", "pairs_shuffled"}
    assert card.training["command"] == "make train-default"
    for key in ("seeds", "held_out_seeds", "pair_seeds", "time", "machine"):
        assert card.training[key]
    if name == PICTURES:
        assert abs(card.accuracy["pairs"] - 50) < 8, "one picture cannot tell"
        return
    int8 = card.variant("int8")
    assert int8.top1 is not None
    assert abs(int8.top1 - card.accuracy["top1"]) <= 1.5
    assert card.accuracy["pairs_shuffled"] < 60


def test_the_default_is_as_good_as_it_should_be() -> None:
    accuracy = card_named(SHIPPED_MODEL).accuracy
    assert accuracy["top1"] >= 95
    assert accuracy["pairs"] >= 90


@pytest.mark.parametrize("name", SHIPPED)
def test_everything_of_a_card_is_here_and_loads(name: str) -> None:
    for variant in card_named(name).variants:
        assert (PACKAGE_WEIGHTS / variant.file).exists()
        backend = {"savedmodel": "tfhub", "safetensors": "torch"}.get(
            variant.format, variant.format
        )
        model = vl.load_model(name, backend=backend, variant=variant.name)
        assert model.provenance.place == "package"
        assert tuple(model.labels) == STICK_ACTIONS


def test_nothing_lies_among_the_weights_that_no_card_names() -> None:
    named = {variant.file for card in cards().values() for variant in card.variants}
    assert {path.name for path in PACKAGE_WEIGHTS.iterdir()} <= named


@pytest.mark.parametrize("name", VIDEO_MODELS)
def test_the_runtimes_agree(name: str) -> None:
    """Float ones to rounding; 8-bit ones on the label, but for what was a near tie."""
    reference = vl.load_model(name, backend="torch")
    others = {
        "savedmodel": vl.load_model(name, backend="tfhub"),
        "litert": vl.load_model(name, backend="litert", variant="litert"),
        "int8": vl.load_model(name, backend="litert", variant="int8"),
    }
    for sample in ("workout", "at_home"):
        video = vl.Video(vl.sample_videos()[sample])
        wanted = vl.predict(video, reference, progress=False)
        for variant, model in others.items():
            got = vl.predict(video, model, progress=False)
            if variant != "int8":
                np.testing.assert_allclose(got.logits, wanted.logits, atol=2e-3, rtol=1e-4)
                continue
            same = got.logits.argmax(axis=1) == wanted.logits.argmax(axis=1)
            assert same.mean() > 0.9


@pytest.mark.parametrize("name", VIDEO_MODELS)
def test_what_the_card_says_is_so(name: str) -> None:
    """On other clips than those of the card, so within what chance allows of 96."""
    model = vl.load_model(name, backend="torch")
    stated = card_named(name).accuracy["top1"] / 100
    found = vl.evaluate(model, StickActions(SEEDS), progress=False)
    spread = (stated * (1 - stated) / len(SEEDS)) ** 0.5
    assert found.top1 >= stated - 3.5 * spread - 0.01


def test_it_looks_at_time() -> None:
    """Right in order, guessing when shuffled, wrong backwards; a model of pictures guesses."""
    other = {a: b for pair in TIME_ONLY_PAIRS for a, b in (pair, pair[::-1])}
    seeds = [seed for seed in range(6_600_000, 6_600_288) if label_of(seed) in other]

    def share_right(
        model: Model, change: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> float:
        torch.manual_seed(0)
        found = vl.evaluate(model, StickActions(seeds, transform=change), progress=False)
        pairs = [(label, other[label]) for label in found.predictions["label"]]
        ids = np.array([[found.labels.id_of(label) for label in pair] for pair in pairs])
        own, its_other = np.take_along_axis(found.probabilities, ids, axis=1).T
        return float((own > its_other).mean())

    video, pictures = vl.load_model(SHIPPED_MODEL, backend="torch"), vl.load_model(PICTURES)
    assert share_right(video) >= 0.85
    assert share_right(video, lambda frames: frames[torch.randperm(len(frames))]) < 0.66
    assert share_right(video, lambda frames: frames.flip(0)) <= 0.15
    assert 0.34 < share_right(pictures) < 0.66


def test_the_picture_model_is_the_same_in_every_form() -> None:
    frames = np.random.default_rng(0).random((4, 112, 112, 3), dtype=np.float32)
    answers = [
        softmax(vl.load_model(PICTURES, backend=backend, variant=variant).step(frames, None)[0])
        for backend, variant in (("torch", "float"), ("keras", "keras"), ("keras", "h5"))
    ]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-5)


def test_the_default_is_what_is_here(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vl.default_model() == SHIPPED_MODEL
    assert vl.default_model("torch", "tfhub", "litert") == SHIPPED_MODEL
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    assert vl.default_model("torch", "tfhub", "litert") == KINETICS_MODEL
    assert vl.default_model("onnx") == SHIPPED_MODEL, "no file of Kinetics' is an ONNX one"
    with pytest.raises(OptionError, match="backend must be one of"):
        vl.default_model("tensorrt")
