"""Networks of any make: torchvision's, ONNX files, 8-bit picture models, one's own.

Where real weights cannot be had they are random, and the answers are compared with the library's
own direct use of the same network.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab.core.errors import CardError, ModelError, OptionError, WeightsError
from vidlab.models import registry
from vidlab.models.card import ModelCard, card_named, cards
from vidlab.recipes import recipe_named

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

LABELS = ("squat", "jogging", "lunge")
CARD = vl.ModelCard(
    name="mine",
    title="Mine",
    family="own",
    kind="clip",
    num_frames=8,
    labels=LABELS,
    preprocessing=vl.Preprocessing(height_px=32, width_px=40, frame_rate=5.0),
)
VIDEO_CARDS = [
    card.name for card in cards().values() if card.family == "torchvision" and card.kind == "clip"
]


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> vl.Video:
    """Ten seconds of a real video."""
    return vl.Video(shared_data / "clips" / "WUzgd7C1pWA.mp4")


def frames_of(video: vl.Video, indices: np.ndarray) -> np.ndarray:
    wanted = set(indices.tolist())
    here = {
        frame.index: frame.rgb
        for frame in video.frames(start=min(wanted), stop=max(wanted) + 1)
        if frame.index in wanted
    }
    return np.stack([here[index] for index in indices.tolist()])


# ---------------------------------------------------------------- torchvision


def test_every_video_model_of_torchvision_has_a_card() -> None:
    assert sorted(VIDEO_CARDS) == [
        "mc3-18", "mvit-v1-b", "mvit-v2-s", "r2plus1d-18", "r3d-18", "s3d",
        "swin3d-b", "swin3d-s", "swin3d-t",
    ]  # fmt: skip
    table = vl.list_models()
    assert table.loc[table["name"] == "r3d-18", "top1"].item() == pytest.approx(63.2)


@pytest.mark.parametrize("name", VIDEO_CARDS)
def test_torchvisions_models_answer_as_torchvision_uses_them(
    name: str, clip: vl.Video, tmp_path: Path
) -> None:
    card = card_named(name)
    torch.manual_seed(0)
    network = torchvision.models.get_model(name.replace("-", "_"), weights=None).eval()
    path = tmp_path / f"{name}.pth"
    torch.save(network.state_dict(), path)
    model = vl.load_model(path, card=card)
    assert list(model.labels)[:2] == ["abseiling", "air drumming"]

    first = recipe_named("torchvision").clips(clip, card)[0]
    rgb = frames_of(clip, first)
    logits = model.classify(np.stack([model.preprocessing(each) for each in rgb])[None])[0]

    weights = torchvision.models.get_model_weights(name.replace("-", "_")).DEFAULT
    with torch.inference_mode():
        prepared = weights.transforms()(torch.from_numpy(rgb).permute(0, 3, 1, 2))
        expected = network(prepared[None])[0].numpy()
    spread = expected.max() - expected.min()
    # A pixel of a half may be rounded either way: at most one in a thousand is.
    assert np.abs(logits - expected).max() < 1e-2 * spread
    with torch.inference_mode():
        pixels = np.stack([model.preprocessing(each) for each in rgb])
        same_pixels = torch.from_numpy(pixels).permute(3, 0, 1, 2)[None]
        np.testing.assert_allclose(logits, network(same_pixels)[0].numpy(), atol=1e-4)
    assert (np.abs(prepared.permute(1, 2, 3, 0).numpy() - pixels) > 1e-4).mean() < 1e-3


def test_a_whole_video_is_judged_by_its_clips(clip: vl.Video, tmp_path: Path) -> None:
    network = torchvision.models.get_model("r3d_18", weights=None)
    torch.save(network.state_dict(), tmp_path / "r3d.pth")
    model = vl.load_model(tmp_path / "r3d.pth", card="r3d-18")
    predictions = vl.predict(clip, model, recipe="torchvision", progress=False)
    assert len(predictions) == 5
    assert predictions.average().sum() == pytest.approx(1.0, abs=1e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = torchvision.models.get_model("r3d_18", weights=None)
    torch.save(network.state_dict(), tmp_path / "r3d.pth")
    with pytest.raises(WeightsError, match="mc3_18"):
        vl.load_model(tmp_path / "r3d.pth", card="mc3-18")
    with pytest.raises(OptionError, match="Build the network"):
        vl.load_model(tmp_path / "r3d.pth", card="movinet-a0-base")
    with pytest.raises(OptionError, match="Name the card"):
        vl.load_model(tmp_path / "r3d.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(WeightsError, match="does not hold"):
        vl.load_model(tmp_path / "broken.pth", card="r3d-18")


# ---------------------------------------------------------------- pictures


def test_mobilenet_knows_grace_hoppers_uniform(odd: Path) -> None:
    model = vl.load_model("mobilenet-v2")
    best = vl.predict(odd / "img_grace_hopper.bmp", model, progress=False).top1()
    assert best["label"].tolist() == ["military uniform"]
    assert best["probability"].item() > 0.5


def test_a_video_goes_picture_by_picture(clip: vl.Video) -> None:
    model = vl.load_model("mobilenet-v2")
    predictions = vl.predict(clip, model, fps=1, progress=False)
    assert len(predictions) == 11
    smooth = predictions.smoothed(5)
    flicker = [np.abs(np.diff(item.probabilities, axis=0)).sum() for item in (predictions, smooth)]
    assert flicker[1] < flicker[0]


def test_torchvisions_picture_models(clip: vl.Video, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision.models.get_model("mobilenet_v3_large", weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "m.pth")
    model = vl.load_model(tmp_path / "m.pth", card="mobilenet-v3-large")
    rgb = clip.frame_at(30).rgb
    logits, _ = model.step(model.preprocessing(rgb)[None], model.init_state())
    from PIL import Image

    weights = torchvision.models.get_model_weights("mobilenet_v3_large").IMAGENET1K_V2
    with torch.inference_mode():
        expected = network(weights.transforms()(Image.fromarray(rgb))[None])[0].numpy()
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


# ---------------------------------------------------------------- ONNX, by two runtimes


class Block(torch.nn.Module):
    """Two 3-D convolutions around a shortcut, as in ResNet-34."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        conv, norm = torch.nn.Conv3d, torch.nn.BatchNorm3d
        self.first = conv(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = norm(channels)
        self.second = conv(channels, channels, 3, padding=1, bias=False)
        self.norm2 = norm(channels)
        self.short = torch.nn.Identity()
        if stride != 1 or channels_in != channels:
            self.short = torch.nn.Sequential(
                conv(channels_in, channels, 1, stride=stride, bias=False), norm(channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.first(x)))
        return torch.relu(self.norm2(self.second(y)) + self.short(x))


def resnet34_3d(num_classes: int) -> torch.nn.Module:
    torch.manual_seed(0)
    stem = [
        torch.nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False),
        torch.nn.BatchNorm3d(64),
        torch.nn.ReLU(),
        torch.nn.MaxPool3d(3, stride=2, padding=1),
    ]
    blocks, channels_in = [], 64
    for channels, number in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for place in range(number):
            stride = 2 if place == 0 and channels > 64 else 1
            blocks.append(Block(channels_in, channels, stride))
            channels_in = channels
    head = [torch.nn.AvgPool3d((1, 4, 4)), torch.nn.Flatten(), torch.nn.Linear(512, num_classes)]
    return torch.nn.Sequential(*stem, *blocks, *head).eval()


RESNET_CARD = replace(
    CARD,
    name="resnet-34-3d",
    labels="kinetics-400",
    num_frames=16,
    preprocessing=vl.Preprocessing(height_px=112, width_px=112),
)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory) -> tuple[torch.nn.Module, Path]:
    network = resnet34_3d(400)
    path = tmp_path_factory.mktemp("onnx") / "resnet-34_kinetics.onnx"
    example = torch.zeros(1, 3, 16, 112, 112)
    torch.onnx.export(network, (example,), str(path), dynamo=False)
    return network, path


def test_three_runtimes_agree_on_a_3d_resnet(resnet, clip: vl.Video) -> None:
    network, path = resnet
    models = {
        "torch": vl.load_model(network, card=RESNET_CARD),
        "onnx": vl.load_model(path, card=RESNET_CARD),
        "opencv": vl.load_model(path, card=RESNET_CARD, backend="opencv"),
    }
    assert [model.backend for model in models.values()] == list(models)
    short = clip.pts_seconds[40]
    assert short > 1
    got = {
        name: vl.predict(clip, model, recipe="opencv-activity-batch", fps=None, progress=False)
        for name, model in models.items()
    }
    spread = np.ptp(got["torch"].logits)
    for name in ("onnx", "opencv"):
        np.testing.assert_array_equal(got[name].frame_index, got["torch"].frame_index)
        assert np.abs(got[name].logits - got["torch"].logits).max() < 1e-3 * max(1.0, spread)


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no network")
    for backend in ("onnx", "opencv"):
        with pytest.raises(WeightsError):
            vl.load_model(path, card=RESNET_CARD, backend=backend)


# ---------------------------------------------------------------- one's own


class Tutorial(torch.nn.Module):
    """A small Conv3d network, as tutorials have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv3d(3, 4, 3, padding=1)
        self.classifier = torch.nn.Linear(4 * 8 * 4 * 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.max_pool3d(torch.relu(self.conv(x)), (1, 8, 8))
        return self.classifier(x.flatten(1))


def test_a_network_of_ones_own(clip: vl.Video) -> None:
    torch.manual_seed(0)
    network = Tutorial()
    model = vl.load_model(network, card=CARD, labels=LABELS)
    assert model.title == "torch:mine (own)"
    predictions = vl.predict(clip, model, progress=False)
    clips = predictions.frame_index[:3]
    assert len(predictions) >= 6
    frames = recipe_named("tfhub-movinet").frame_indices(clip, CARD)
    assert set(clips.tolist()) <= set(frames.tolist())
    pixels = np.random.default_rng(0).random((1, 8, 32, 40, 3), dtype=np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels).permute(0, 4, 1, 2, 3)).numpy()
    np.testing.assert_allclose(model.classify(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("layout", ["BCTHW", "BTCHW", "BTHWC"])
def test_a_function_is_given_its_axes_in_its_order(layout: str) -> None:
    seen = []

    def brightness(clips: np.ndarray) -> np.ndarray:
        seen.append(clips.shape)
        return np.tile(clips.reshape(len(clips), -1).mean(axis=1), (3, 1)).T

    model = vl.load_model(brightness, card=replace(CARD, layout=layout))
    sizes = {"B": 2, "T": 8, "C": 3, "H": 32, "W": 40}
    model.classify(np.zeros((2, 8, 32, 40, 3), dtype=np.float32))
    assert seen[-1] == tuple(sizes[axis] for axis in layout)


def test_a_wrong_shape_says_what_was_expected() -> None:
    card = replace(CARD, num_frames=16)
    with pytest.raises(ModelError, match=r"BCTHW \[1, 3, 16, 32, 40\].*num_frames"):
        vl.load_model(Tutorial(), card=card)
    with pytest.raises(ModelError, match=r"logits \[1, number of classes\]"):
        vl.load_model(lambda clips: clips.mean(), card=CARD)
    with pytest.raises(CardError, match="kind is 'clip' or 'frame'"):
        vl.load_model(Tutorial(), card=replace(CARD, kind="stream"))
    with pytest.raises(CardError, match="BTHWC"):
        vl.load_model(Tutorial(), card=replace(CARD, layout="TBCHW"))
    with pytest.raises(OptionError, match="Pass its card"):
        vl.load_model(Tutorial())
    with pytest.raises(CardError, match="gives 3 logits"):
        vl.load_model(Tutorial(), card=replace(CARD, labels=("a", "b")))


# ---------------------------------------------------------------- side by side


def test_two_models_of_different_labels_side_by_side(clip: vl.Video) -> None:
    models = [
        vl.load_model(Tutorial(), card=CARD),
        vl.load_model(Tutorial(), card=replace(CARD, labels=("Jogging", "squat", "hopping"))),
    ]
    with pytest.raises(vl.VidlabError, match="labels="):
        vl.compare(clip, dict(zip("ab", models, strict=True)), progress=False)
    labels = vl.LabelMap(["jogging", "squat"], name="both")
    both = vl.compare(clip, dict(zip("ab", models, strict=True)), labels=labels, progress=False)
    assert list(both.labels) == ["jogging", "squat", "unmapped"]
    for item in both.predictions:
        np.testing.assert_allclose(item.probabilities.sum(axis=1), 1.0, atol=1e-4)
        assert item.made_by["bridged_from"]


# ---------------------------------------------------------------- plug-ins


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install packages with an entry point each; then forget them."""

    def install(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vidlab.backends]\n{name} = {name}:BACKEND\n")
        registry.backends.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    registry.backends.cache_clear()
    for name in list(sys.modules):
        if name.startswith("vidlab_plug_"):
            del sys.modules[name]


PLUG_IN = """
import numpy as np
from vidlab.models.arrays import ArrayModel
from vidlab.models.registry import Backend

def recognises(path):
    return "constants" if path.suffix == ".constants" else None

def open_model(opening):
    card = opening.known_card()
    logits = np.loadtxt(opening.path, ndmin=1)
    about = opening.about(card, num_classes=len(logits), runtime="constants 1")
    return ArrayModel(lambda batch: np.tile(logits, (len(batch), 1)), backend="constant", **about)

BACKEND = Backend(name="constant", module="numpy", formats=("constants",),
                  opener="vidlab_plug_good:open_model", recognises=recognises)
"""


def test_another_package_brings_a_backend(plug_in, tmp_path: Path, clip: vl.Video) -> None:
    plug_in("vidlab_plug_good", PLUG_IN)
    weights = tmp_path / "weights.constants"
    weights.write_text("1 5 2")
    model = vl.load_model(weights, card=CARD)
    assert model.backend == "constant"
    labels = vl.predict(clip, model, progress=False).top1()["label"]
    assert set(labels) == {"jogging"}
    assert vl.load_model(f"constant:{weights}", card=CARD).backend == "constant"
    variant = replace(card_named("movinet-a0-stream").variants[0], format="constants")
    text = replace(CARD, variants=(variant,)).to_toml()
    assert ModelCard.from_toml(text, where="test").variants[0].format == "constants"


def test_a_broken_plug_in_is_told_and_hurts_nobody(plug_in) -> None:
    plug_in("vidlab_plug_broken", "raise ImportError('it wants more')")
    plug_in("vidlab_plug_other", "BACKEND = 'no backend'")
    with pytest.warns(UserWarning, match="vidlab_plug") as warned:
        assert "torch" in registry.backends()
    told = sorted(str(each.message) for each in warned)
    assert any("it wants more" in each for each in told)
    assert any("is no vidlab Backend" in each for each in told)
