"""Steps, chunks and whole clips agree; the fast form agrees with the plain one; errors say why."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab.core.errors import OptionError
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.models.movinet.spec import ACTIVATIONS, CONV_TYPES, SE_TYPES, same_padding


def make(size: str = "a0", kind: str = "stream", **options: object) -> MoViNet:
    """A network whose every layer matters: no zero scales, no trivial norms."""
    torch.manual_seed(0)
    model = MoViNet(MovinetConfig.official(size, kind, num_classes=12, **options)).eval()
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("scale") or name.endswith(("running_mean", "norm.bias")):
                value.uniform_(0.1, 0.3)
            elif name.endswith(("running_var", "norm.weight")):
                value.uniform_(0.5, 1.5)
    return model


def clip_of(num_frames: int, rows: int = 34, columns: int = 41, batch: int = 1) -> torch.Tensor:
    return torch.rand(
        batch, num_frames, 3, rows, columns, generator=torch.Generator().manual_seed(1)
    )


def in_steps(network, clip, lengths):
    state, parts = network.init_state(clip.shape[0]), []
    for frames in clip.split(lengths, dim=1):
        logits, state = network.step(frames, state)
        parts.append(logits)
    return torch.cat(parts, dim=1), state


def assert_close(got: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-4) -> None:
    assert got.shape == expected.shape
    assert float((got - expected).norm() / expected.norm()) <= tolerance


KINDS = [
    {"se_type": "none", "activation": "relu6"},
    {"se_type": "2plus3d"},
    {"conv_type": "3d", "se_type": "3d", "activation": "swish", "gating_activation": "sigmoid"},
    {"conv_type": "3d_2plus1d", "se_type": "2d", "positional_encoding": True},
]
_NETWORKS = {str(kind): make(**kind) for kind in KINDS}


@settings(max_examples=25)
@given(
    kind=st.sampled_from(KINDS),
    fast=st.booleans(),
    batch=st.integers(1, 2),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
@torch.no_grad()
def test_however_a_clip_is_split_the_logits_are_the_same(kind, fast, batch, lengths) -> None:
    model = _NETWORKS[str(kind)]
    network = model.for_inference() if fast else model
    clip = clip_of(sum(lengths), batch=batch)
    together, state_together = in_steps(network, clip, [sum(lengths)])
    split, state_split = in_steps(network, clip, lengths)
    assert_close(split, together)
    assert_close(together[:, -1], model(clip))
    assert state_split.keys() == state_together.keys()
    assert int(state_split["frame_count"]) == sum(lengths)
    for name, value in state_split.items():
        torch.testing.assert_close(value, state_together[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("num_frames", [1, 2, 9])
@torch.no_grad()
def test_a_step_leaves_the_state_it_was_given(fast: bool, num_frames: int) -> None:
    model = _NETWORKS[str(KINDS[1])]
    network = model.for_inference() if fast else model
    _, state = in_steps(network, clip_of(3), [3])
    before = {name: value.clone() for name, value in state.items()}
    first, after = network.step(clip_of(num_frames), state)
    kept = {name: value.clone() for name, value in after.items()}
    network.step(clip_of(2), after)
    again, _ = network.step(clip_of(num_frames), state)
    assert torch.equal(first, again)
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert all(torch.equal(after[name], kept[name]) for name in kept)


@torch.no_grad()
def test_a_step_leaves_the_frames_it_was_given() -> None:
    frames = clip_of(2).permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    before = frames.clone()
    fast = _NETWORKS[str(KINDS[1])].for_inference()
    fast.step(frames, fast.init_state())
    assert torch.equal(frames, before)


@torch.no_grad()
def test_videos_in_a_batch_do_not_mix() -> None:
    network = _NETWORKS[str(KINDS[2])].for_inference()
    clip = clip_of(5, batch=3)
    together, _ = in_steps(network, clip, [2, 3])
    for i in range(3):
        alone, _ = in_steps(network, clip[i : i + 1], [2, 3])
        assert_close(together[i : i + 1], alone)


@torch.no_grad()
def test_plain_and_fast_can_carry_each_others_state() -> None:
    for model in _NETWORKS.values():
        fast, clip = model.for_inference(), clip_of(6)
        expected, _ = in_steps(model, clip, [6])
        first, state = fast.step(clip[:, :2], model.init_state())
        second, state = model.step(clip[:, 2:5], state)
        third, _ = fast.step(clip[:, 5:], state)
        assert_close(torch.cat([first, second, third], dim=1), expected)


@pytest.mark.parametrize(
    ("conv_type", "se_type", "activation"),
    list(itertools.product(CONV_TYPES, SE_TYPES, ACTIVATIONS))[::3],
)
@pytest.mark.parametrize("kind", ["base", "stream"])
@torch.no_grad()
def test_the_fast_form_computes_the_same(kind, conv_type, se_type, activation) -> None:
    model = make("a0", kind, conv_type=conv_type, se_type=se_type, activation=activation)
    clip = clip_of(4)
    assert_close(model.for_inference()(clip), model(clip))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 17), (33, 64), (172, 172)])
@torch.no_grad()
def test_pictures_of_any_size_will_do(size: tuple[int, int]) -> None:
    model = _NETWORKS[str(KINDS[0])]
    clip = clip_of(3, *size)
    expected, _ = in_steps(model, clip, [3])
    got, _ = in_steps(model.for_inference(), clip, [1, 2])
    assert_close(got, expected)


@torch.no_grad()
def test_without_onednn_the_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidlab.models.movinet.fast._ONEDNN", False)
    for model in _NETWORKS.values():
        clip = clip_of(4, 70, 99)
        got, _ = in_steps(model.for_inference(), clip, [3, 1])
        assert_close(got, in_steps(model, clip, [4])[0])


@torch.no_grad()
def test_the_fast_form_keeps_the_weights_it_was_made_from() -> None:
    model = make("a0", "base")
    fast, clip = model.for_inference(), clip_of(2)
    before = fast(clip)
    for parameter in model.parameters():
        parameter.add_(1.0)
    assert torch.equal(fast(clip), before)


def test_gradients_reach_every_parameter() -> None:
    model = make("a0", "stream", positional_encoding=True)
    model(clip_of(4)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@given(st.integers(1, 40), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_same_padding_places_the_windows_as_tensorflow_does(length, kernel, stride) -> None:
    before, after = same_padding(length, kernel, stride)
    num_out = (length + before + after - kernel) // stride + 1
    assert num_out == int(np.ceil(length / stride))
    assert 0 <= after - before <= 1


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (np.zeros((1, 1, 3, 8, 8), np.float32), "torch tensor"),
        (torch.zeros(1, 3, 8, 8), "frames[None]"),
        (torch.zeros(1, 1, 8, 8, 3), "permute"),
        (torch.zeros(1, 0, 3, 8, 8), "none of them 0"),
        (torch.zeros(1, 1, 4, 8, 8), "RGB"),
        (torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8), "255"),
        (torch.zeros(1, 1, 3, 8, 8, dtype=torch.float64), "float32"),
    ],
)
@pytest.mark.parametrize("fast", [False, True])
def test_wrong_frames_are_refused(frames, says: str, fast: bool) -> None:
    model = _NETWORKS[str(KINDS[0])]
    network = model.for_inference() if fast else model
    with pytest.raises(OptionError, match=says.replace("[", r"\[")):
        network.step(frames, network.init_state())
    with pytest.raises(OptionError):
        network(frames)


@torch.no_grad()
def test_wrong_states_are_refused() -> None:
    model = _NETWORKS[str(KINDS[1])]
    _, state = model.step(clip_of(2), model.init_state())
    with pytest.raises(OptionError, match="batch or picture size"):
        model.step(clip_of(1, batch=2), state)
    with pytest.raises(OptionError, match="batch or picture size"):
        model.step(clip_of(1, rows=90), state)
    with pytest.raises(OptionError, match="another model"):
        _NETWORKS[str(KINDS[0])].step(clip_of(1), state)
    for missing in ("block1_layer0_past_1", "block1_layer0_past_2", "head_pool_sum"):
        with pytest.raises(OptionError, match=missing):
            model.step(clip_of(1), {k: v for k, v in state.items() if k != missing})
    with pytest.raises(OptionError, match="init_state"):
        model.step(clip_of(1), None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="batch_size"):
        model.init_state(0)


def test_base_models_have_no_steps() -> None:
    model = make("a0", "base")
    with pytest.raises(OptionError, match="no state"):
        model.init_state()
    with pytest.raises(OptionError, match="whole clip"):
        model.step(clip_of(1), {})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": "a9"}, "a0, a1"),
        ({"size": "a0", "conv_type": "2plus1"}, "Did you mean '2plus1d'"),
        ({"size": "a0", "se_type": None}, "se_type"),
        ({"size": "a0", "activation": "relu"}, "relu6"),
        ({"size": "a0", "num_classes": 0}, "num_classes"),
        ({"size": "a0", "positional_encoding": True}, "stream"),
        ({"size": "a0", "causal": 1}, "True or False"),
    ],
)
def test_wrong_configurations_are_refused(options: dict, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        MovinetConfig(**options)


def test_configurations_go_through_json() -> None:
    config = MovinetConfig.official("A3", "stream", num_classes=7)
    assert config.positional_encoding
    assert MovinetConfig.from_json(config.to_json()) == config
    for text in ("", "[]", "{}", '{"size": "a0", "depth": 3}', '{"size": 3}', "[" * 100_000):
        with pytest.raises(OptionError):
            MovinetConfig.from_json(text)
