"""Networks of any make: torchvision's, ONNX files, 8-bit picture models, one's own.

Where real weights cannot be had they are random, and the answers are compared with the library's
own direct use of the same network.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidlab as vl
from vidlab.core.errors import CardError, ModelError, OptionError, WeightsError
from vidlab.core.files import sha256_of
from vidlab.core.probabilities import softmax
from vidlab.models import loading, registry
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


@pytest.fixture
def weights(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights by name are those of the mirror."""
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))


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


def test_a_file_by_another_name_is_known_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torchvision's cards have the beginning of it."""
    torch.manual_seed(0)
    network = torchvision.models.get_model("r3d_18", weights=None)
    torch.save(network.state_dict(), tmp_path / "renamed.pth")
    card = card_named("r3d-18")
    pinned = replace(
        card.variants[0],
        sha256=sha256_of(tmp_path / "renamed.pth")[:8],
        size_bytes=(tmp_path / "renamed.pth").stat().st_size,
    )
    known = {**cards(), "r3d-18": replace(card, variants=(pinned,))}
    monkeypatch.setattr(loading, "cards", lambda: known)
    model = vl.load_model(tmp_path / "renamed.pth")
    assert (model.name, model.variant) == ("r3d-18", "float")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = torchvision.models.get_model("r3d_18", weights=None)
    torch.save(network.state_dict(), tmp_path / "r3d.pth")
    with pytest.raises(WeightsError, match="mc3_18"):
        vl.load_model(tmp_path / "r3d.pth", card="mc3-18")
    with pytest.raises(OptionError, match="Build the network"):
        vl.load_model(tmp_path / "r3d.pth", card="movinet-a0-base")
    with pytest.raises(OptionError, match="Pass the name of the card"):
        vl.load_model(tmp_path / "r3d.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(WeightsError, match="is damaged"):
        vl.load_model(tmp_path / "broken.pth", card="r3d-18")


# ---------------------------------------------------------------- pictures


@pytest.mark.usefixtures("weights")
def test_mobilenet_knows_grace_hoppers_uniform(odd: Path) -> None:
    model = vl.load_model("mobilenet-v2")
    best = vl.predict(odd / "img_grace_hopper.bmp", model, progress=False).top1()
    assert best["label"].tolist() == ["military uniform"]
    assert best["probability"].item() > 0.5


@pytest.mark.usefixtures("weights")
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


PICTURE_CARD = replace(
    CARD, kind="frame", layout="BHWC", preprocessing=vl.Preprocessing(height_px=8, width_px=8)
)


@pytest.fixture(scope="module")
def brightness_files(tmp_path_factory) -> tuple[Any, dict[str, Path]]:
    """A small network with a softmax, and LiteRT files of it: float, and 8-bit throughout."""
    keras, tf = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(3, activation="softmax", kernel_initializer="random_normal"),
        ]
    )
    network.layers[-1].kernel.assign(network.layers[-1].kernel * 40)
    folder = tmp_path_factory.mktemp("litert")
    values = np.random.default_rng(0)

    def samples():
        for level in np.linspace(0, 1, 50):
            picture = np.clip(level + 0.2 * values.normal(size=(1, 8, 8, 3)), 0, 1)
            yield [picture.astype(np.float32)]

    files = {}
    for name, dtype in (("float", None), ("int8", tf.int8), ("uint8", tf.uint8)):
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if dtype is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = samples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = dtype
        files[name] = folder / f"{name}.tflite"
        files[name].write_bytes(converter.convert())
    return network, files


@pytest.mark.parametrize("backend", ["litert", "openvino"])
@pytest.mark.parametrize("name", ["float", "int8", "uint8"])
def test_codes_stand_for_values_and_probabilities_stay_so(
    brightness_files, name: str, backend: str
) -> None:
    network, files = brightness_files
    model = vl.load_model(files[name], backend=backend, card=PICTURE_CARD)
    assert model.card.output == "probabilities"
    pictures = np.random.default_rng(1).random((5, 8, 8, 3)).astype(np.float32)
    pictures *= np.linspace(0.2, 1, 5, dtype=np.float32)[:, None, None, None]
    logits, _ = model.step(pictures, model.init_state())
    expected = np.asarray(network(pictures))
    assert np.ptp(expected, axis=0).max() > 0.1, "nothing to tell apart"
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-4 if name == "float" else 0.04)


def test_pixels_for_which_there_are_no_codes_are_refused(brightness_files) -> None:
    raw = replace(PICTURE_CARD, preprocessing=replace(PICTURE_CARD.preprocessing, scale=1.0))
    with pytest.raises(OptionError, match="prepares 0 to 255"):
        vl.load_model(brightness_files[1]["int8"], card=raw)


@pytest.mark.usefixtures("weights")
def test_the_same_pictures_on_two_runtimes(odd: Path) -> None:
    best = [
        vl.predict(odd / "img_grace_hopper.bmp", model, progress=False).top1()
        for model in (vl.load_model(f"{each}:mobilenet-v2") for each in ("litert", "openvino"))
    ]
    assert best[0]["label"].item() == best[1]["label"].item()
    assert best[0]["probability"].item() == pytest.approx(best[1]["probability"].item(), abs=0.05)


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


def exported(network: torch.nn.Module, path: Path, *, batch: int | None, names: str) -> Path:
    """Write a network that takes clips as an ONNX file, for a batch of one size or of any."""
    taken, given = names.split()
    torch.onnx.export(
        network.eval(), (torch.zeros(batch or 1, 3, 8, 32, 40),), str(path), dynamo=False,
        input_names=[taken], output_names=[given],
        dynamic_axes=None if batch else {taken: {0: "batch"}, given: {0: "batch"}},
    )  # fmt: skip
    return path


@pytest.mark.parametrize("batch", [None, 1, 4])
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_anybodys_onnx_file_answers_in_probabilities(
    batch: int | None, backend: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(Tutorial(), torch.nn.Softmax(dim=1))
    # The names are those of vidlab's own exports, which these are not.
    path = exported(network, tmp_path / "n.onnx", batch=batch, names="image logits")
    model = vl.load_model(path, backend=backend, card=CARD)
    clips = np.random.default_rng(0).random((6, 8, 32, 40, 3), dtype=np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(clips).permute(0, 4, 1, 2, 3)).numpy()
    np.testing.assert_allclose(softmax(model.classify(clips)), expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["onnx", "opencv", "openvino"])
def test_a_wrong_layout_is_told_by_every_runtime(backend: str, tmp_path: Path) -> None:
    path = exported(Tutorial(), tmp_path / "n.onnx", batch=None, names="image logits")
    with pytest.raises(ModelError, match="cannot take what its card says"):
        vl.load_model(path, backend=backend, card=replace(CARD, layout="BTHWC"))


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_frames": "16"}, {"num_frames": 0}, {"kind": "film"}, {"output": "scores"},
        {"preprocessing": {"height_px": 8}}, {"clips_per_video": 0}, {"name": 3},
    ],
    ids=str,
)  # fmt: skip
def test_a_card_says_at_once_what_is_wrong_with_it(wrong: dict[str, object]) -> None:
    with pytest.raises(CardError, match=next(iter(wrong))):
        replace(CARD, **wrong)


def test_what_is_no_card_is_refused() -> None:
    with pytest.raises(OptionError, match=r"vidlab\.ModelCard"):
        vl.load_model(Tutorial(), card={"name": "mine"})
    with pytest.raises(OptionError, match="3 channels"):
        vl.Preprocessing(height_px=8, width_px=8, mean=(0.5, 0.5))


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


def test_a_plug_in_may_read_directories(plug_in, tmp_path: Path) -> None:
    code = PLUG_IN.replace('path.suffix == ".constants"', '(path / "it.constants").is_file()')
    plug_in("vidlab_plug_good", code.replace("opening.path,", 'opening.path / "it.constants",'))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "it.constants").write_text("1 5 2")
    assert vl.load_model(tmp_path / "model", card=CARD).backend == "constant"


def test_a_plug_in_may_lack_what_it_needs(plug_in) -> None:
    plug_in("vidlab_plug_good", PLUG_IN.replace('"numpy"', '"nowhere.to_be_found"'))
    assert not registry.backends()["constant"].is_installed


def test_a_broken_plug_in_is_told_and_hurts_nobody(plug_in) -> None:
    plug_in("vidlab_plug_broken", "raise ImportError('it wants more')")
    plug_in("vidlab_plug_other", "BACKEND = 'no backend'")
    with pytest.warns(UserWarning, match="vidlab_plug") as warned:
        assert "torch" in registry.backends()
    told = sorted(str(each.message) for each in warned)
    assert any("it wants more" in each for each in told)
    assert any("is no vidlab Backend" in each for each in told)
