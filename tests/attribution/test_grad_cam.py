"""Grad-CAM against what it comes to by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from arithmetic import ArithmeticModel
from networks import card_of, model_of, random_network
from planted import dark, write
from torch import Tensor, nn

import vidlab as vl
from vidlab.attribution import grad_cam
from vidlab.core.errors import ModelError, OptionError
from vidlab.models import ModelCard
from vidlab.models.base import Model
from vidlab.models.frame_cnn import FrameCNN
from vidlab.transforms import Preprocessing

TOP, LEFT, SIDE = 36, 52, 12


@pytest.fixture(scope="module")
def square(tmp_path_factory) -> Path:
    """Dark, 96x64 px, with a white square from frame 2 on; 6 frames at 5 fps."""
    frames = dark(6, 64, 96)
    frames[2:, TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 255
    return write(tmp_path_factory.mktemp("square") / "square.mp4", frames, fps=5)


class Tiny(nn.Module):
    """One convolution, a mean over all places, one linear layer."""

    def __init__(self, conv: nn.Module, *, inplace: bool = False) -> None:
        super().__init__()
        self.conv = conv
        self.act = nn.ReLU(inplace=inplace)
        self.unused, self.ignored = nn.Identity(), nn.Identity()
        self.pair = Pair()
        self.classifier = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.ignored(x)
        features = self.pair(self.act(self.conv(x)))[0]
        return self.classifier(features.mean(dim=tuple(range(2, features.ndim))))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def tiny_model(*, kind: str = "frame", inplace: bool = False, frozen: bool = False) -> Model:
    torch.manual_seed(1)
    conv = nn.Conv2d(3, 4, 3, stride=2)
    if kind == "clip":
        conv = nn.Conv3d(3, 4, (2, 3, 3), stride=(2, 2, 2))
    network = Tiny(conv, inplace=inplace)
    network.requires_grad_(not frozen)
    card = ModelCard(
        name="tiny", title="Tiny", family="own", kind=kind, num_frames=4,
        preprocessing=Preprocessing(height_px=32, width_px=48, frame_rate=5.0),
        labels=("a", "b", "c"), layout="BCTHW" if kind == "clip" else "BCHW",
    )  # fmt: skip
    return vl.load_model(network, card=card, num_threads=1)


def inputs(video: Path, model: Model) -> np.ndarray:
    return np.stack([model.preprocessing(frame.rgb) for frame in vl.Video(video).frames()])


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("layer", ["act", "conv"])
def test_of_a_picture_it_is_the_weighted_sum_of_feature_maps(
    square: Path, layer: str, frozen: bool
) -> None:
    model = tiny_model(frozen=frozen)
    found = grad_cam(square, model, label="b", layer=layer, progress=False)
    assert [each.frame_index for each in found] == list(range(6))
    weights = model.network.classifier.weight[1].detach().numpy()
    with torch.no_grad():
        before = model.network.conv(torch.from_numpy(inputs(square, model)).permute(0, 3, 1, 2))
    before = before.numpy()
    num_places = before[0, 0].size
    for each, maps in zip(found, before, strict=True):
        if layer == "act":  # d logit / d A is w / (h w), everywhere
            channel, maps = weights / num_places, np.maximum(maps, 0)
        else:  # only where the ReLU is open
            channel = weights * (maps > 0).mean(axis=(1, 2)) / num_places
        wanted = np.maximum(np.tensordot(channel, maps, axes=1), 0)
        np.testing.assert_allclose(each.grid, wanted, atol=1e-6)
    assert len({each.top for each in found}) == 1
    assert found[0].top == max(each.grid.max() for each in found)


def test_of_a_clip_one_weight_a_channel_and_frames_that_share_a_map(tmp_path: Path) -> None:
    frames = np.random.default_rng(3).integers(0, 256, (7, 8, 12, 3), dtype=np.uint8)
    video = write(tmp_path / "noise.mp4", frames.repeat(8, axis=1).repeat(8, axis=2), fps=5)
    model = tiny_model(kind="clip")
    found = grad_cam(video, model, label="b", layer="act", progress=False)
    pixels = inputs(video, model)
    weights = model.network.classifier.weight[1].detach().numpy()

    def maps_of(clip: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            x = torch.from_numpy(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))[None]
            features = model.network.act(model.network.conv(x))[0].numpy()
        return np.maximum(np.tensordot(weights / features[0].size, features, axes=1), 0)

    first, last = maps_of(pixels[:4]), maps_of(pixels[3:])
    # Two maps for four frames; frame 3 is in both clips, and in the first one first.
    wanted = [first[0], first[0], first[1], first[1], last[0], last[1], last[1]]
    assert all(each.max() > 0 for each in wanted)
    for each, grid in zip(found, wanted, strict=True):
        np.testing.assert_allclose(each.grid, grid, atol=1e-6)


def test_of_a_short_video_each_frame_has_one_map(square: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.mp4", dark(3, 64, 96), fps=5)
    assert len(grad_cam(short, tiny_model(kind="clip"), layer="conv", progress=False)) == 3


def gradient_of_head(network: nn.Module, pooled: Tensor, class_id: int) -> np.ndarray:
    pooled = pooled.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.head.classify(pooled)[class_id], pooled)
    return gradient.numpy()


@pytest.mark.parametrize("kind", ["stream", "base"])
def test_of_a_movinet(square: Path, tmp_path: Path, kind: str) -> None:
    """Its head averages the frames: all of a clip, or those so far, whose number is undone."""
    network = random_network("xs" if kind == "stream" else "a0", kind)
    model = model_of(network, tmp_path, card=card_of(network))
    found = grad_cam(square, model, label="label 3", progress=False)
    pixels = torch.from_numpy(inputs(square, model)).permute(0, 3, 1, 2)[None]
    kept: list[Tensor] = []
    network.head.project.register_forward_hook(lambda module, given, gave: kept.append(gave))
    with torch.no_grad():
        if kind == "stream":
            network.step(pixels, network.init_state())
        else:
            network(pixels)
    features = kept[0]
    pooled = features.mean(dim=(2, 3))
    num_places = features[0, 0].numel()
    assert len(found) == 6
    for place, each in enumerate(found):
        seen = place + 1 if kind == "stream" else 6
        share = num_places if kind == "stream" else 6 * num_places
        gradient = gradient_of_head(network, pooled[:seen].mean(dim=0), 3) / share
        wanted = np.maximum(np.tensordot(gradient, features[place].numpy(), axes=1), 0)
        np.testing.assert_allclose(each.grid, wanted, atol=2e-4 * found[0].top)


class White(nn.Module):
    """Its first channel sees white, its second everything; the first speaks for "white"."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, stride=4)
        with torch.no_grad():
            self.conv.weight.fill_(1 / 48)
            self.conv.bias.copy_(torch.tensor([-0.5, 0.0]))

    def forward(self, frames: Tensor) -> Tensor:
        return 100 * torch.relu(self.conv(frames)).mean(dim=(2, 3))


def test_the_planted_place_is_hot_on_the_frame(square: Path) -> None:
    card = ModelCard(
        name="white", title="White", family="own", kind="frame", labels=("white", "any"),
        preprocessing=Preprocessing(height_px=32, width_px=32, resize="crop", frame_rate=5.0),
    )  # fmt: skip
    model = vl.load_model(White(), card=card, num_threads=1)
    found = grad_cam(square, model, label="white", layer="conv", progress=False)
    assert found[0].grid.max() == 0
    heat = found[3].on_frame(64, 96)
    rows, columns = np.nonzero(heat > 0.5 * np.nanmax(heat))
    assert rows.mean() == pytest.approx(TOP + SIDE / 2, abs=4)  # one place is 8 px of the frame
    assert columns.mean() == pytest.approx(LEFT + SIDE / 2, abs=4)
    assert np.isnan(heat[:, :15]).all()


def test_the_label_is_the_models_own_and_the_model_is_left_as_it_was(square: Path) -> None:
    model = tiny_model()
    before = vl.predict(square, model, progress=False)
    found = grad_cam(square, model, layer=model.network.act, progress=False)
    assert found[0].label == before.average().index[0]
    assert found[0].probability == pytest.approx(before.average().iloc[0], abs=1e-6)
    assert not any(module._forward_hooks for module in model.network.modules())
    assert all(parameter.grad is None for parameter in model.network.parameters())
    after = vl.predict(square, model, progress=False)
    np.testing.assert_array_equal(after.logits, before.logits)


def test_what_follows_may_work_in_place(square: Path) -> None:
    wanted = grad_cam(square, tiny_model(), layer="conv", label="a", progress=False)
    got = grad_cam(square, tiny_model(inplace=True), layer="conv", label="a", progress=False)
    for one, other in zip(wanted, got, strict=True):
        np.testing.assert_allclose(other.grid, one.grid, atol=1e-7)


def test_the_last_block_is_known_of_the_usual_networks(square: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    pixels = Preprocessing(height_px=32, width_px=32, frame_rate=5.0)
    about = {"name": "own", "title": "Own", "family": "own", "preprocessing": pixels}
    torch.manual_seed(0)
    cases = {
        (4, 2): (torchvision.models.video.r3d_18(num_classes=3), "clip"),
        (1, 1): (torchvision.models.mobilenet_v3_small(num_classes=3), "frame"),
    }
    for network, kind in cases.values():
        card = ModelCard(kind=kind, num_frames=6, **about)
        found = grad_cam(square, vl.load_model(network, card=card), progress=False)
        assert len(found) == 6
        assert found[0].grid.shape == ((2, 2) if kind == "clip" else (1, 1))
    own = FrameCNN(3, channels=(4, 8))
    card = ModelCard(kind="frame", **about)
    assert grad_cam(square, vl.load_model(own, card=card), progress=False)[0].grid.shape == (8, 8)


def test_the_shipped_picture_model_has_maps(square: Path) -> None:
    model = vl.load_model("stickactions-pictures", backend="torch", num_threads=1)
    found = grad_cam(square, model, progress=False)
    assert found[0].grid.shape == (4, 4)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (None, "known: give layer=.* it has conv, act, unused, ignored, pair, classifier"),
        ("acr", "no layer 'acr'.* Did you mean 'act'"),
        ("unused", "does not go through"),
        ("ignored", "does not go through"),
        ("pair", "one tensor; a Pair gives a tuple"),
        ("classifier", r"gives \[1, 3\]"),
        (nn.ReLU(), "must be a module of this Tiny"),
    ],
)
def test_layers_that_have_no_feature_map_are_refused(
    square: Path, layer: object, words: str
) -> None:
    model = tiny_model()
    with pytest.raises(OptionError, match=words):
        grad_cam(square, model, layer=layer, progress=False)
    assert not any(module._forward_hooks for module in model.network.modules())


def test_other_backends_are_refused(square: Path) -> None:
    with pytest.raises(ModelError, match=r"backend='torch'.*spatial_occlusion"):
        grad_cam(square, ArithmeticModel(), progress=False)
