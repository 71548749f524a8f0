"""vl.export and vidlab export: files, cards, names, and nothing left where something fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import card_of, model_of, random_network

import vidlab as vl
from vidlab import exporting
from vidlab.cli import main
from vidlab.core.errors import (
    ExportError,
    MissingDependencyError,
    OptionError,
    ParityError,
    VideoError,
)
from vidlab.models import Model
from vidlab.models.card import card_beside, write_card
from vidlab.models.convert import save_safetensors
from vidlab.models.export import TARGETS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model_of(random_network(), tmp_path_factory.mktemp("own"))


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Export to the fastest form into an empty folder."""

    def run(model: Model, name: str = "out/own.onnx", **options) -> Path:
        options = {"to": "onnx", "calibration": vl.sample_videos()["squat"], **options}
        return vl.export(model, tmp_path / name, **options)

    return run


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_an_export_loads_by_its_path_with_the_models_names(
    model: Model, export: Callable[..., Path]
) -> None:
    path = export(model)
    assert names_in(path.parent) == [
        "own.onnx", "own.onnx.certificate.json", "own.onnx.certificate.png", "own.toml",
    ]  # fmt: skip
    exported = vl.load_model(path)
    assert exported.title == "onnx:my-model (float)"
    assert exported.labels == model.labels
    assert exported.preprocessing == model.preprocessing
    assert exported.card.variants[0].sha256 == exported.provenance.weights_sha256
    told = json.loads((path.parent / "own.onnx.certificate.json").read_text())
    assert told["verdict"] == "passed"


def test_a_savedmodel_holds_its_card_and_certificate(
    model: Model, export: Callable[..., Path], tmp_path: Path
) -> None:
    # Over another one: replaced as a whole.
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/stray"):
        (tmp_path / "saved" / name).write_text("old")
    path = export(model, "saved", to="savedmodel")
    assert "variables/stray" not in names_in(path)
    assert {"card.toml", "certificate.json", "certificate.png", "saved_model.pb"} <= set(
        names_in(path)
    )
    assert names_in(path.parent) == ["saved", *(f"saved/{name}" for name in names_in(path))]
    exported = vl.load_model(path)
    assert exported.title == "tfhub:my-model (float)"
    assert exported.labels == model.labels
    variant = exported.card.variants[0]
    assert {"saved_model.pb", "variables/variables.index"} <= set(variant.members)
    assert not {"card.toml", "certificate.json"} & set(variant.members)
    again = vl.load_model(path, backend="torch")
    frames = np.random.default_rng(0).random((3, 34, 41, 3), dtype=np.float32)
    expected, _ = model.step(frames, model.init_state())
    np.testing.assert_allclose(again.step(frames, again.init_state())[0], expected, atol=1e-5)


def test_8_bit_integers_are_calibrated_on_the_sample_videos(
    model: Model, export: Callable[..., Path]
) -> None:
    path = export(model, "own-int8.tflite", to="litert-int8", calibration=None)
    exported = vl.load_model(path)
    assert exported.title == "litert:my-model (int8)"
    assert exported.card.variants[0].precision == "int8"


def test_forms_of_one_model_share_a_card(model: Model, export: Callable[..., Path]) -> None:
    first = export(model, certificate=False)
    twin = first.with_name("twin.onnx")
    twin.write_bytes(first.read_bytes())
    twin.with_suffix(".toml").write_bytes(first.with_suffix(".toml").read_bytes())
    export(model, certificate=False)
    card = card_beside(first)
    assert card is not None
    assert [variant.file for variant in card.variants] == ["own.onnx"]
    # As a safetensors file with the same name would be.
    other = replace(card.variants[0], file="twin.onnx", name="twin")
    write_card(replace(card, variants=(other,), accuracy={"top1": 50.0}), first)
    export(model, certificate=False)
    card = card_beside(first)
    assert card is not None
    assert [variant.file for variant in card.variants] == ["twin.onnx", "own.onnx"]
    assert card.accuracy == {"top1": 50.0}
    assert vl.load_model(first).variant == "float"

    write_card(replace(card, name="another", variants=(other,)), first)
    before = first.read_bytes()
    with pytest.raises(OptionError, match=r"card of another model, twin\.onnx"):
        export(model)
    assert first.read_bytes() == before


def test_published_figures_are_not_those_of_fewer_bits(
    tmp_path: Path, export: Callable[..., Path]
) -> None:
    network = random_network()
    model = model_of(network, tmp_path, card=card_of(network, accuracy={"top1": 90.0}))
    assert vl.load_model(export(model, certificate=False)).card.accuracy == {"top1": 90.0}
    path = export(model, "m.tflite", to="litert-int8", certificate=False)
    assert vl.load_model(path).card.accuracy == {}


def test_a_card_with_a_wrong_scale_leaves_nothing(
    model: Model, export: Callable[..., Path], tmp_path: Path, monkeypatch
) -> None:
    def write_wrong(card, path):
        unscaled = replace(card.preprocessing, scale=1.0)
        return write_card(replace(card, preprocessing=unscaled), path)

    monkeypatch.setattr(exporting, "write_card", write_wrong)
    with pytest.raises(ParityError, match=r"parity checks failed[\s\S]*scale = 255\.0"):
        export(model, "own.onnx")
    assert names_in(tmp_path) == []


def test_a_state_that_is_not_reset_leaves_what_was_there(
    model: Model, export: Callable[..., Path], tmp_path: Path, monkeypatch
) -> None:
    export(model)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names_in(tmp_path / "out")}

    def load_forgetful(*args, **options):
        exported = vl.load_model(*args, **options)
        step, kept = exported.step, []
        exported.init_state = lambda: kept[-1] if kept else type(exported).init_state(exported)

        def remember(frames, state):
            logits, state = step(frames, state)
            kept.append(state)
            return logits, state

        exported.step = remember
        return exported

    monkeypatch.setattr(exporting, "load_model", load_forgetful)
    with pytest.raises(ParityError, match="not reset between videos"):
        export(model)
    after = {name: (tmp_path / "out" / name).read_bytes() for name in names_in(tmp_path / "out")}
    assert after == before


def test_a_converter_that_fails_leaves_nothing(
    model: Model, export: Callable[..., Path], tmp_path: Path, monkeypatch
) -> None:
    import onnx

    def refuse(*args, **options):
        raise onnx.checker.ValidationError("no such operator")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ExportError, match="no such operator"):
        export(model, "own.onnx")
    assert names_in(tmp_path) == []


def test_an_old_certificate_does_not_outlive_its_file(
    model: Model, export: Callable[..., Path]
) -> None:
    path = export(model)
    export(model, certificate=False)
    assert names_in(path.parent) == ["own.onnx", "own.toml"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "tflite"}, "one of litert, litert-int8, savedmodel, onnx"),
        ({"to": "litert-int9"}, "Did you mean 'litert-int8'"),
        ({"name": "own.tflite"}, r"must end in \.onnx"),
        ({"name": "own.onnx", "to": "litert"}, r"must end in \.tflite"),
        ({"calibration": []}, "empty list"),
        ({"name": "full", "to": "savedmodel"}, "is no SavedModel"),
        ({"name": "full/kept.txt", "to": "savedmodel"}, "is no SavedModel"),
        ({"name": "full/kept.txt/own.onnx"}, "Cannot write"),
    ],
)
def test_bad_requests_are_refused(
    options: dict, message: str, model: Model, export: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    with pytest.raises(OptionError, match=message):
        export(model, **options)
    assert names_in(tmp_path) == ["full", "full/kept.txt"]


@pytest.mark.parametrize("to", ["litert-int8", "savedmodel"])
def test_a_base_model_goes_into_other_forms(
    to: str, export: Callable[..., Path], tmp_path: Path
) -> None:
    model = model_of(random_network(kind="base"), tmp_path)
    exported = vl.load_model(export(model, f"base{TARGETS[to].suffix}", to=to))
    clip = np.random.default_rng(0).random((1, 5, 34, 41, 3), dtype=np.float32)
    expected = model.classify(clip)
    error = np.linalg.norm(exported.classify(clip) - expected) / np.linalg.norm(expected)
    assert error < (0.3 if to == "litert-int8" else 1e-4)


def test_what_fit_gives_can_be_exported(
    model: Model, export: Callable[..., Path], tmp_path: Path, capsys
) -> None:
    class Bright(list):
        labels = ("dark", "bright")

    data = Bright((np.full((4, 34, 41, 3), 60 + 120 * (i % 2), np.uint8), i % 2) for i in range(8))
    fitted = vl.fit(
        model,
        data,
        out=tmp_path / "fitted",
        epochs=2,
        validation=None,
        augment=None,
        progress=False,
    )
    exported = vl.load_model(export(fitted.model))
    assert list(exported.labels) == ["dark", "bright"]
    frames = np.random.default_rng(0).random((3, 34, 41, 3), dtype=np.float32)
    expected, _ = fitted.model.step(frames, fitted.model.init_state())
    np.testing.assert_allclose(exported.step(frames, exported.init_state())[0], expected, atol=1e-4)
    # As a shell sees it: the file that fit wrote.
    target = str(tmp_path / "again.onnx")
    argv = ["export", str(fitted.path), "--to", "onnx", "--out", target]
    assert main([*argv, "--calibration", str(vl.sample_videos()["squat"])]) == 0
    again = vl.load_model(target)
    np.testing.assert_allclose(again.step(frames, again.init_state())[0], expected, atol=1e-4)


def test_without_torch_nothing_is_looked_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("VIDLAB_MODELS", raising=False)
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r'Exporting needs torch.*"vidlab\[torch\]"'):
        vl.export("movinet-a0-stream", tmp_path / "a0.onnx", to="onnx")


def test_what_cannot_be_exported_is_refused(
    model: Model, export: Callable[..., Path], tmp_path: Path
) -> None:
    exported = vl.load_model(export(model, certificate=False))
    with pytest.raises(OptionError, match="backend='torch'"):
        export(exported, "again.onnx")
    with pytest.raises(VideoError):
        export(model, "video.onnx", calibration=tmp_path / "absent.mp4")
    assert not (tmp_path / "video.onnx").exists()


def test_the_command_names_what_it_writes(
    model: Model, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    network = random_network()
    model_of(network, tmp_path)
    write_card(card_of(network), tmp_path / "own.safetensors")
    video = str(vl.sample_videos()["squat"])
    assert main(["export", "own.safetensors", "--to", "onnx", "--calibration", video]) == 0
    assert "wrote" in capsys.readouterr().err
    assert vl.load_model("my-model.onnx").num_classes == 7
    argv = ["export", "own.safetensors", "--to", "onnx", "--out", "b.onnx", "--no-certificate"]
    assert main(argv) == 0
    assert not (tmp_path / "b.onnx.certificate.json").exists()
    assert main(["export", "own.safetensors", "--to", "keras"]) == 2
    assert "one of litert" in capsys.readouterr().err


def test_the_command_takes_card_and_labels_of_weights_that_have_none(tmp_path: Path) -> None:
    network = random_network("a0")
    save_safetensors(tmp_path / "mine.safetensors", network.config, network.state_dict())
    names = [f"gesture {number}" for number in range(7)]
    (tmp_path / "labels.txt").write_text("\n".join(names))
    target = tmp_path / "mine.onnx"
    argv = ["export", str(tmp_path / "mine.safetensors"), "--to", "onnx", "--out", str(target)]
    assert main([*argv, "--no-certificate"]) == 2
    argv += ["--card", "movinet-a0-stream", "--labels", str(tmp_path / "labels.txt")]
    assert main([*argv, "--no-certificate"]) == 0
    exported = vl.load_model(target)
    assert list(exported.labels) == names
    assert exported.preprocessing.height_px == 172
    assert exported.card.accuracy == {}  # the card's was measured with other weights


def test_the_published_weights_are_the_same_in_every_form(
    mirror: Path, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "cache"))
    model = vl.load_model("torch:movinet-a0-stream")
    seen = [clips / "carving_ice.mp4", clips / "flipping_a_pancake.mkv"]
    expected = vl.predict(clips / "R6llTwEh07w.mp4", model, progress=False)
    answers = {}
    for to in ("litert", "litert-int8"):
        path = vl.export(model, tmp_path / f"{to}.tflite", to=to, calibration=seen)
        exported = vl.load_model(path)
        assert exported.name == "movinet-a0-stream"
        assert exported.labels == model.labels
        answers[to] = vl.predict(clips / "R6llTwEh07w.mp4", exported, progress=False)
    np.testing.assert_allclose(answers["litert"].logits, expected.logits, atol=1e-3)
    agrees = answers["litert-int8"].logits.argmax(axis=1) == expected.logits.argmax(axis=1)
    assert agrees.mean() >= 0.9
    ratio = (tmp_path / "litert-int8.tflite").stat().st_size / (
        tmp_path / "litert.tflite"
    ).stat().st_size
    assert ratio < 0.3
