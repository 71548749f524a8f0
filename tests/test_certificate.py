"""The parity certificate passes what is right, and finds each fault that is planted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import card_of, model_of, random_network
from PIL import Image

import vidlab as vl
from vidlab.certificate import Certificate, Check, certify
from vidlab.core.errors import OptionError, ParityError
from vidlab.models import Model
from vidlab.models.card import write_card


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def reference(folder: Path) -> Model:
    return model_of(random_network(), folder)


@pytest.fixture(scope="module")
def exported_path(folder: Path, reference: Model) -> Path:
    return vl.export(reference, folder / "own.onnx", to="onnx", calibration=sample("squat"))


@pytest.fixture
def exported(exported_path: Path) -> Model:
    return vl.load_model(exported_path)


def sample(*names: str) -> list[Path]:
    return [vl.sample_videos()[name] for name in names]


def checked(
    reference: Model, exported: Model | None = None, names: Sequence[str] = ("squat",), **options
) -> Certificate:
    return certify(reference, exported, videos=sample(*names), max_frames=10, **options)


def failed(certificate: Certificate) -> list[str]:
    return [f"{check.model.partition(':')[0]}: {check.name}" for check in certificate.checks
            if not check.passed]  # fmt: skip


class Faulty(Model):
    """A model with a fault of its runtime's wrapper."""

    def __init__(self, inner: Model) -> None:
        super().__init__(
            card=inner.card, variant=inner.variant, labels=inner.labels,
            provenance=inner.provenance, num_threads=1, selection=inner.selection,
        )  # fmt: skip
        self.backend, self.inner = inner.backend, inner
        self.kept = None

    def init_state(self):
        return self.inner.init_state()

    def step(self, frames, state):
        logits, self.kept = self.inner.step(frames, state)
        return logits, self.kept


class ForgetsToReset(Faulty):
    """The state of the video before is where the next one starts."""

    def init_state(self):
        return self.inner.init_state() if self.kept is None else self.kept


class KeepsItsOwnState(Faulty):
    """It passes over the state it is given."""

    def step(self, frames, state):
        return super().step(frames, self.init_state() if self.kept is None else self.kept)


class LosesItsState(Faulty):
    """Each call starts anew."""

    def step(self, frames, state):
        return super().step(frames, self.init_state())


class ForgetsEveryFrame(Faulty):
    """Its state is lost inside, however it is called."""

    def step(self, frames, state):
        answers = [self.inner.step(frame[None], self.inner.init_state()) for frame in frames]
        return np.concatenate([logits for logits, _ in answers]), state


class DividesAgain(Faulty):
    """Frames that are 0 to 1 already are divided once more."""

    def step(self, frames, state):
        return super().step(frames / np.float32(255), state)


class GivesNaN(Faulty):
    """The last logit of the last frame is not a number."""

    def step(self, frames, state):
        logits, state = super().step(frames, state)
        logits[-1, -1] = np.nan
        return logits, state


def test_a_good_export_passes(reference: Model, exported: Model) -> None:
    certificate = checked(reference, exported, ["squat", "waving_hand"])
    assert failed(certificate) == []
    assert certificate.verdict == "passed"
    certificate.require()
    assert certificate.num_frames == 20
    names = [check.name for check in certificate.checks]
    for words in ("whole clip", "chunks", "single frames", "second run", "PyTorch"):
        assert any(words in name for name in names), words
    assert {check.measured for check in certificate.checks if check.at_least} == {1.0}


@pytest.mark.parametrize("fault", [ForgetsToReset, KeepsItsOwnState])
def test_a_state_that_is_not_reset_fails(
    fault: type[Faulty], reference: Model, exported: Model
) -> None:
    for models in ([fault(reference)], [reference, fault(exported)]):
        certificate = checked(*models)
        backend = models[-1].backend
        assert f"{backend}: second run against the first, logits" in failed(certificate)
        with pytest.raises(ParityError, match=r"not reset between videos: init_state\(\)"):
            certificate.require()


def test_a_state_that_is_not_reset_fails_on_the_second_video_too(
    reference: Model, exported: Model
) -> None:
    # By the logits themselves: the first video is right, the second starts from the first.
    certificate = checked(reference, ForgetsToReset(exported), ["squat", "waving_hand"])
    assert "onnx: logits against PyTorch's" in failed(certificate)


def test_a_state_that_is_lost_between_calls_fails(reference: Model, exported: Model) -> None:
    certificate = checked(LosesItsState(reference))
    assert "torch: single frames against all frames at once, logits" in failed(certificate)
    assert "torch: chunks against all frames at once, logits" in failed(certificate)
    with pytest.raises(ParityError, match="lost from one step to the next"):
        certificate.require()


def test_a_state_that_is_lost_inside_fails_with_fewer_bits_too(
    mirror: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Little moves in this video: a model that forgets every frame says nearly the same labels.
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path))
    model = vl.load_model("torch:movinet-a0-stream")
    videos = [clips / "R6llTwEh07w.mp4"]
    forgetful = certify(model, ForgetsEveryFrame(model), videos=videos, is_exact=False)
    assert failed(forgetful) == ["torch: relative error of logits against PyTorch's"]


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_card_with_a_wrong_scale_fails(
    is_exact: bool, reference: Model, exported: Model, exported_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(exported_path.read_bytes())
    unscaled = replace(exported.card.preprocessing, scale=1.0)
    write_card(replace(exported.card, preprocessing=unscaled), path)
    certificate = checked(reference, vl.load_model(path), is_exact=is_exact)
    assert {"onnx: largest input", "onnx: inputs against PyTorch's"} <= set(failed(certificate))
    with pytest.raises(ParityError, match=r"set scale = 255\.0"):
        certificate.require()


def test_a_scaling_that_both_lack_fails(reference: Model) -> None:
    unscaled = replace(reference.preprocessing, scale=1.0)
    wrong = card_of(reference.network, preprocessing=unscaled)
    certificate = checked(type(reference)(
        reference.network, card=wrong, variant="own", labels=reference.labels,
        provenance=reference.provenance, num_threads=1, selection=reference.selection,
    ))  # fmt: skip
    assert failed(certificate) == ["torch: largest input"]


def test_a_scaling_in_the_wrapper_fails(reference: Model, exported: Model) -> None:
    certificate = checked(reference, DividesAgain(exported))
    assert failed(certificate) == ["onnx: logits against PyTorch's"]


def test_other_weights_fail(reference: Model, exported: Model, tmp_path: Path) -> None:
    network = random_network()
    with torch.no_grad():
        network.head.classifier.weight[0] += 1
    certificate = checked(model_of(network, tmp_path), exported)
    assert "onnx: logits against PyTorch's" in failed(certificate)


def test_what_is_not_a_number_fails(reference: Model, exported: Model, tmp_path: Path) -> None:
    certificate = checked(reference, GivesNaN(exported))
    assert "onnx: logits against PyTorch's" in failed(certificate)
    certificate.save(tmp_path / "nan.json")
    text = (tmp_path / "nan.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_fewer_bits_go_by_labels_and_probabilities(reference: Model, exported: Model) -> None:
    class Noisy(Faulty):
        def step(self, frames, state):
            logits, state = super().step(frames, state)
            return logits + np.float32(0.01) * np.arange(7, dtype=np.float32), state

    noisy = Noisy(exported)
    assert failed(checked(reference, noisy)) == ["onnx: logits against PyTorch's"]
    assert failed(checked(reference, noisy, is_exact=False)) == []


def test_fewer_bits_that_say_something_else_fail(reference: Model, exported: Model) -> None:
    class Sure(Faulty):
        def step(self, frames, state):
            logits, state = super().step(frames, state)
            return 20 * np.roll(logits, 1, axis=1) / np.abs(logits).max(), state

    sure = Sure(exported)
    with pytest.raises(ParityError, match="Jensen-Shannon"):
        checked(reference, sure, is_exact=False).require()


@pytest.mark.parametrize(
    ("measured", "at_least", "passed"),
    [(0.5, False, True), (1.5, False, False), (0.5, True, False), (1.5, True, True),
     (float("nan"), False, False), (float("nan"), True, False)],
)  # fmt: skip
def test_a_check_knows_its_side(measured: float, at_least: bool, passed: bool) -> None:
    check = Check(name="c", model="m", measured=measured, threshold=1.0, at_least=at_least)
    assert check.passed is passed


def test_a_certificate_is_kept_as_figures_and_a_picture(
    reference: Model, exported: Model, tmp_path: Path
) -> None:
    certificate = checked(reference, exported, ["squat", "waving_hand"])
    certificate.save(tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert told["verdict"] == "passed"
    assert told["videos"] == ["squat.mp4", "waving_hand.mp4"]
    assert [model["title"] for model in told["models"]] == [reference.title, exported.title]
    assert told["models"][1]["weights_sha256"] == exported.provenance.weights_sha256
    assert len(told["checks"]) == len(certificate.checks)
    assert all(("at_most" in check) != ("at_least" in check) for check in told["checks"])
    assert [len(row) for row in told["labels"]["squat.mp4"]] == [10, 10]
    assert str(tmp_path) not in (tmp_path / "c.json").read_text()
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width == 840
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20
    assert (tmp_path / "c.png").stat().st_size < 150_000
    with pytest.raises(OptionError, match=r"ends in \.json"):
        certificate.save(tmp_path / "c.txt")


def test_base_models_are_compared_clip_by_clip(tmp_path: Path) -> None:
    model = model_of(random_network(kind="base"), tmp_path)
    path = vl.export(model, tmp_path / "base.onnx", to="onnx", calibration=sample("squat"))
    certificate = checked(model, vl.load_model(path))
    assert failed(certificate) == []
    assert not any("single frames" in check.name for check in certificate.checks)
    assert [len(row) for row in certificate.traces[0].labels] == [1, 1]


def test_bad_requests_are_refused(reference: Model, exported: Model, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least one video"):
        certify(reference, exported, videos=[])
    with pytest.raises(OptionError, match="loaded model is needed"):
        certify("movinet", videos=sample("squat"))
    base = model_of(random_network(kind="base"), tmp_path)
    with pytest.raises(OptionError, match="cannot be compared"):
        certify(reference, base, videos=sample("squat"))
    with pytest.raises(OptionError, match="from the second frame on"):
        certify(reference, exported, videos=sample("squat"), max_frames=1)
    exported.labels = vl.LabelMap(list(exported.labels)[::-1])
    with pytest.raises(OptionError, match="different labels"):
        certify(reference, exported, videos=sample("squat"))
