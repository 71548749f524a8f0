"""Drift: each figure worked out by loops, and planted faults found where they were planted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from arithmetic import ArithmeticModel
from networks import card_of, model_of, random_network

import vidlab as vl
from vidlab.core.errors import ModelError, OptionError, PredictionsError
from vidlab.models import Model

SAMPLES = vl.sample_videos()
SQUAT, WAVING = SAMPLES["squat"], SAMPLES["waving_hand"]


def drift(
    *models: Model, videos: object = SQUAT, num_frames: int | None = 6, **options
) -> vl.Drift:
    return vl.drift(videos, models, num_frames=num_frames, progress=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drift")


@pytest.fixture(scope="module")
def network_model(folder: Path) -> Model:
    return model_of(random_network(), folder)


class Told(ArithmeticModel):
    """It answers with the logits it was told, row by row."""

    def __init__(self, logits: Sequence[Sequence[float]], **about: object) -> None:
        super().__init__(num_classes=len(logits[0]), **about)
        self.logits = np.array(logits, dtype=np.float32)

    def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
        return self.logits[state : state + len(frames)], state + len(frames)


class Forgetful(Model):
    """A model whose stream state is lost before every frame."""

    def __init__(self, inner: Model) -> None:
        super().__init__(
            card=inner.card, variant="forgetful", labels=inner.labels,
            provenance=inner.provenance, num_threads=1, selection=inner.selection,
        )  # fmt: skip
        self.backend, self.inner = inner.backend, inner

    def init_state(self) -> object:
        return self.inner.init_state()

    def step(self, frames: np.ndarray, state: object) -> tuple[np.ndarray, object]:
        return self.inner.step(frames, self.inner.init_state())


# ---- what is planted is found ----------------------------------------------------------------


def test_a_model_does_not_drift_from_itself(network_model: Model) -> None:
    found = drift(network_model, network_model, videos=[SQUAT, WAVING])
    answers = found.answers
    assert len(answers) == 12
    assert answers["video"].unique().tolist() == ["squat.mp4", "waving_hand.mp4"]
    for column in ("max_logit_difference", "rms_logit_difference", "relative_error", "jsd_nats",
                   "gap"):  # fmt: skip
        assert (answers[column] == 0).all(), column
    assert (answers["cosine"] == 1).all()
    assert answers["agree"].all()
    assert (found.layers["relative_error"] == 0).all()
    assert (found.layers["cosine"] == 1).all()
    assert len(found.states)
    assert (found.states["relative_error"] == 0).all()
    assert found.flips.empty
    assert found.notes == ()
    (row,) = found.table.to_dict("records")
    assert (row["num_videos"], row["num_answers"], row["num_flips"]) == (2, 12, 0)
    assert row["agreement"] == 1.0


@pytest.mark.parametrize("number", [0, 3, 8])
def test_a_changed_weight_shows_from_its_layer_on(
    number: int, network_model: Model, tmp_path: Path
) -> None:
    network = random_network()
    layer = list(network.layers)[number]
    with torch.no_grad():
        network.layers[layer].feature.conv.weight[0] *= 1.5
    found = drift(network_model, model_of(network, tmp_path))
    layers = found.layers
    named = ["stem", *(f"layers.{name}" for name in network.layers)]
    named += ["head.project", "head.hidden", "head.classifier"]
    assert layers["layer"].tolist() == named
    first = named.index(f"layers.{layer}")
    assert (layers["relative_error"][:first] == 0).all()
    assert (layers["relative_error"][first:] > 1e-6).all()
    assert (layers["cosine"][first:] < 1).all()
    # A block's state holds what comes before its filter over time is through.
    before = [name for name in network.layers if list(network.layers).index(name) < number]
    early = found.states["state"].str.rpartition("_stream")[0].isin(before)
    assert (found.states["relative_error"][early] == 0).all()
    assert (found.states["relative_error"][~early] > 0).any()


def test_a_state_that_is_lost_drifts_ever_further(network_model: Model) -> None:
    found = drift(network_model, Forgetful(network_model), num_frames=10)
    states = found.states.pivot_table(
        index="elapsed_frames", columns="state", values="relative_error", sort=False
    )
    assert (states.loc[1] == 0).all()
    assert (states.loc[2:] > 0).all(axis=None)
    sums = states["head_pool_buffer"]
    assert (sums.diff()[1:] > 0).all()
    # One frame's mean is left of n that are much alike.
    np.testing.assert_allclose(sums, [(n - 1) / n for n in sums.index], atol=0.05)
    errors = found.answers.set_index("elapsed_frames")["relative_error"]
    assert errors[1] == 0
    assert (errors[2:] > 0).all()
    (note,) = found.notes
    assert "layers are not compared, as torch:my-model (forgetful) shows none" in note


# ---- figures ---------------------------------------------------------------------------------


def test_each_figure_is_what_plain_loops_give() -> None:
    chance = np.random.default_rng(4)
    one = chance.normal(0, 2, (6, 5)).astype(np.float32)
    other = one + chance.normal(0, 0.7, (6, 5)).astype(np.float32)
    found = vl.drift(SQUAT, {"float": Told(one), "int8": Told(other)}, num_frames=6, progress=False)
    answers = found.answers
    assert answers["elapsed_frames"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(answers["time_seconds"], np.arange(6) / 5, atol=0.05)
    assert set(answers["model"]) == {"int8"}
    assert set(answers["against"]) == {"float"}
    divergences = []
    for row, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        squares = square_a = square_b = product = largest = 0.0
        for x, y in zip(a, b, strict=True):
            squares += (y - x) ** 2
            square_a += x * x
            square_b += y * y
            product += x * y
            largest = max(largest, abs(y - x))
        p, q = ([math.exp(x) / sum(map(math.exp, logits)) for x in logits] for logits in (a, b))
        divergence = 0.0
        for x, y in zip(p, q, strict=True):
            m = (x + y) / 2
            divergence += (x * math.log(x / m) + y * math.log(y / m)) / 2
        divergences.append(divergence)
        first, second = sorted(range(5), key=lambda k: -p[k])[:2]
        said = max(range(5), key=lambda k: q[k])
        told = answers.iloc[row]
        assert told["max_logit_difference"] == pytest.approx(largest)
        assert told["rms_logit_difference"] == pytest.approx(math.sqrt(squares / 5))
        assert told["relative_error"] == pytest.approx(math.sqrt(squares / square_a))
        assert told["cosine"] == pytest.approx(product / math.sqrt(square_a * square_b))
        assert told["jsd_nats"] == pytest.approx(divergence, abs=1e-6)
        assert told["label_reference"] == f"class {first}"
        assert told["label_other"] == f"class {said}"
        assert told["agree"] == (first == said)
        assert told["margin"] == pytest.approx(p[first] - p[second], abs=1e-6)
        assert told["gap"] == pytest.approx(p[first] - p[said], abs=1e-6)
    assert 0 < answers["agree"].sum() < 6
    (row,) = found.table.to_dict("records")
    assert row["max_logit_difference"] == answers["max_logit_difference"].max()
    assert row["mean_relative_error"] == pytest.approx(sum(answers["relative_error"]) / 6)
    assert row["mean_jsd_nats"] == pytest.approx(sum(divergences) / 6, abs=1e-6)
    assert row["max_jsd_nats"] == pytest.approx(max(divergences), abs=1e-6)
    assert row["agreement"] == answers["agree"].sum() / 6


def test_final_answers_that_flip_are_told_from_near_ties() -> None:
    logarithms = np.log([[0.5, 0.3, 0.2], [0.40, 0.35, 0.25]])
    near = np.log([[0.5, 0.3, 0.2], [0.36, 0.39, 0.25]])
    far = np.log([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    found = vl.drift(
        [SQUAT, WAVING],
        {"float": Told(logarithms), "near": Told(near), "far": Told(far), "same": Told(logarithms)},
        num_frames=2,
        progress=False,
    )
    table = found.table.set_index("model")
    assert table["num_flips"].to_dict() == {"near": 2, "far": 2, "same": 0}
    assert table["num_clear_flips"].to_dict() == {"near": 0, "far": 2, "same": 0}
    assert table["agreement"].to_dict() == {"near": 0.5, "far": 0.5, "same": 1.0}
    flips = found.flips
    assert flips["model"].tolist() == ["far", "far", "near", "near"]
    assert flips["video"].tolist() == ["squat.mp4", "waving_hand.mp4"] * 2
    first = flips.iloc[0]
    assert (first["label_reference"], first["label_other"]) == ("class 0", "class 2")
    told = ["probability_reference", "probability_other", "margin", "gap"]
    assert first[told].tolist() == pytest.approx([0.40, 0.6, 0.05, 0.15])
    assert flips.iloc[2][told].tolist() == pytest.approx([0.40, 0.39, 0.05, 0.05])


def test_nothing_against_something_is_without_bounds() -> None:
    zero, one = [[0.0, 0.0]], [[3.0, 4.0]]
    found = vl.drift(
        SQUAT, {"zero": Told(zero), "one": Told(one), "zero too": Told(zero)},
        num_frames=1, progress=False,
    )  # fmt: skip
    errors = found.answers.set_index("model")
    assert errors["relative_error"].to_dict() == {"one": math.inf, "zero too": 0.0}
    assert errors["cosine"].to_dict() == {"one": 0.0, "zero too": 1.0}


@pytest.mark.parametrize("kind", ["stream", "base"])
def test_answers_are_those_of_predict(kind: str, tmp_path: Path) -> None:
    model = model_of(random_network(kind=kind), tmp_path)
    found = drift(model, model, num_frames=None)
    preds = vl.predict(SQUAT, model, progress=False)
    assert len(found.answers) == len(preds) > 1
    assert found.answers["time_seconds"].tolist() == preds.time_seconds.tolist()
    assert found.answers["label_reference"].tolist() == preds.top1()["label"].tolist()
    second, first = np.sort(preds.probabilities, axis=1)[:, -2:].T
    np.testing.assert_allclose(found.answers["margin"], first - second, rtol=1e-3)
    assert found.answers["elapsed_frames"].is_monotonic_increasing
    if kind == "base":
        assert found.states.empty
        assert found.answers["elapsed_frames"].iloc[0] == model.card.num_frames
        assert (found.layers["relative_error"] == 0).all()


def test_the_last_clip_of_a_network_of_fixed_length_is_filled_up(tmp_path: Path) -> None:
    lengths = []

    def network(clips: np.ndarray) -> np.ndarray:
        lengths.append(clips.shape)
        return clips.mean(axis=(2, 3, 4))[:, -1:] * np.ones(7, np.float32)

    model = vl.load_model(network, card=card_of(random_network(kind="base"), layout="BTHWC"))
    lengths.clear()
    found = drift(model, model, num_frames=4)
    assert found.answers["elapsed_frames"].tolist() == [4]
    assert {shape[1] for shape in lengths} == {model.card.num_frames}


def test_layers_of_one_network_alone_are_said(network_model: Model, tmp_path: Path) -> None:
    larger = model_of(random_network("a0"), tmp_path)
    name = "layers.block4_layer3"
    found = drift(larger, network_model, layers=[name], num_frames=1)
    assert found.layers.empty
    assert any(f"layer {name} is left out: not in both networks" in each for each in found.notes)


def test_layers_can_be_chosen_or_left_out(network_model: Model) -> None:
    name = "layers.block1_layer0.squeeze_excitation"
    some = drift(network_model, network_model, layers=["head.classifier", "stem"], num_frames=2)
    assert set(some.layers["layer"]) == {"head.classifier", "stem"}
    # It gives a tuple, of which the first is what goes on.
    one = drift(network_model, network_model, layers=[name], num_frames=1)
    assert one.layers["layer"].tolist() == [name]
    none = drift(network_model, network_model, layers=[], num_frames=2)
    assert none.layers.empty
    assert none.notes == ()
    hooks = [len(each._forward_hooks) for each in network_model.network.modules()]
    assert sum(hooks) == 0
    with pytest.raises(PredictionsError, match="no layers to draw"):
        none.plot_layers()
    with pytest.raises(OptionError, match=r"no layer 'stam'.*Did you mean 'stem'"):
        drift(network_model, network_model, layers=["stam"])


# ---- other runtimes --------------------------------------------------------------------------


def test_states_have_one_name_in_all_runtimes() -> None:
    models = {
        "torch": vl.load_model("stickactions-xs-stream", backend="torch"),
        "torch8": vl.load_model("stickactions-xs-stream", backend="torch", variant="int8"),
        "litert": vl.load_model("stickactions-xs-stream", backend="litert"),
        "litert8": vl.load_model("stickactions-xs-stream", backend="litert", variant="int8"),
        "tfhub": vl.load_model("stickactions-xs-stream", backend="tfhub"),
    }
    found = vl.drift(SQUAT, models, num_frames=5, progress=False)
    tables = dict(list(found.states.groupby("model", sort=False)))
    assert list(tables) == list(models)[1:]
    names = [
        *(f"block1_layer{n}_stream_buffer" for n in (0, 1)),
        *(f"block{block}_layer{n}_stream_buffer" for block in (2, 3) for n in (0, 1)),
        "block4_layer0_stream_buffer",
        "head_pool_buffer",
    ]
    for model, table in tables.items():
        assert table["state"].tolist() == names * 5, model
        assert table["elapsed_frames"].tolist() == np.repeat(np.arange(1, 6), len(names)).tolist()
        errors = table["relative_error"]
        if model.endswith("8"):
            assert 1e-3 < errors.min() < errors.max() < 0.3
        else:
            assert errors.max() < 1e-5
    told = found.table.set_index("model")
    assert (told.loc[["litert", "tfhub"], "max_logit_difference"] < 1e-3).all()
    assert (told.loc[["torch8", "litert8"], "mean_relative_error"].between(1e-3, 0.3)).all()
    assert found.layers["model"].unique().tolist() == ["torch8"]
    assert found.layers["relative_error"].between(1e-3, 0.3).all()
    silent = [note for note in found.notes if "layers are not compared" in note]
    assert [note.partition(" against")[0] for note in silent] == ["litert", "litert8", "tfhub"]


def test_what_has_no_counterpart_is_said(network_model: Model, tmp_path: Path) -> None:
    path = vl.export(network_model, tmp_path / "own.onnx", to="onnx", calibration=[SQUAT])
    found = drift(network_model, vl.load_model(path), num_frames=3)
    assert found.answers["max_logit_difference"].max() < 1e-3
    # ONNX files have the channels before the rows.
    assert found.states["state"].str.endswith("_pool_buffer").all()
    assert (found.states["relative_error"] < 1e-5).all()
    assert any("7 stream states are left out, not in both or not of one shape: "
               "block1_layer0_stream_buffer" in note for note in found.notes)  # fmt: skip
    without = drift(ArithmeticModel(), ArithmeticModel(), num_frames=3)
    assert any("gives its own no names" in note for note in without.notes)
    assert without.states.empty


def test_the_published_model_drifts_as_its_certificate_says(
    mirror: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path))
    models = {
        "torch": vl.load_model("movinet-a0-stream", backend="torch"),
        "torch8": vl.load_model("movinet-a0-stream", backend="torch", variant="int8"),
        "litert8": vl.load_model("movinet-a0-stream", backend="litert", variant="int8"),
        "tfhub": vl.load_model("movinet-a0-stream", backend="tfhub"),
    }
    videos = [clips / "WUzgd7C1pWA.mp4", clips / "basketball.mp4"]
    found = vl.drift(videos, models, num_frames=30, progress=False)
    table = found.table.set_index("model")
    # The SavedModel holds the int8 file's weights, dequantised.
    assert (found.layers["relative_error"] < 1e-6).all()
    assert table.loc["torch8", "max_logit_difference"] == 0
    assert table.loc["tfhub", "mean_relative_error"] < 1e-5
    assert 0.05 < table.loc["litert8", "mean_relative_error"] < 0.5
    assert found.flips["model"].tolist() == ["litert8"]
    assert found.flips["video"].tolist() == ["WUzgd7C1pWA.mp4"]
    assert found.flips["label_reference"].tolist() == ["jogging"]


# ---- what people see -------------------------------------------------------------------------


def test_it_tells_itself(network_model: Model) -> None:
    other = Forgetful(network_model)
    found = vl.drift(SQUAT, {"<b>a</b>": network_model, "b": other}, num_frames=2, progress=False)
    assert repr(found).startswith("<Drift from <b>a</b>: b ")
    assert "of 1 videos flip" in repr(found)
    shown = found._repr_mimebundle_()["text/html"]
    assert "<b>a</b>" not in shown
    assert "&lt;b&gt;a&lt;/b&gt;" in shown
    assert shown.count("<li>") == len(found.notes) == 1


def test_the_charts_show_median_and_most_and_every_layer(network_model: Model) -> None:
    videos = [SQUAT, WAVING, SAMPLES["jumping_jacks"]]
    found = drift(network_model, Forgetful(network_model), videos=videos, num_frames=4)
    ax = found.plot()
    (line,), (band,) = ax.get_lines(), ax.collections
    errors = found.answers.pivot_table(
        index="elapsed_frames", columns="video", values="relative_error"
    )
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(line.get_ydata()[1:], np.median(errors, axis=1)[1:])
    assert line.get_ydata()[0] == 1e-8
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(errors.max(axis=None))
    assert "3 videos" in ax.get_title()
    assert ax.get_yscale() == "log"

    twins = drift(network_model, network_model).plot_layers()
    (line,) = twins.get_lines()
    assert set(line.get_xdata()) == {1e-8}
    names = [text.get_text() for text in twins.get_yticklabels()]
    assert names[:2] == ["stem", "block0_layer0"]
    assert names[-1] == "head.classifier"
    tops = [text.get_window_extent().y0 for text in twins.get_yticklabels()]
    assert tops == sorted(tops, reverse=True)


def test_videos_of_one_name_are_told_apart(network_model: Model, tmp_path: Path) -> None:
    (tmp_path / "squat.mp4").symlink_to(WAVING)
    found = drift(
        network_model, network_model, videos=[SQUAT, tmp_path / "squat.mp4"], num_frames=1
    )
    assert found.answers["video"].tolist() == ["squat.mp4 #1", "squat.mp4 #2"]


# ---- what is refused -------------------------------------------------------------------------


def test_models_that_cannot_be_compared_are_refused(network_model: Model, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="reference and one model or more; got 1"):
        drift(network_model)
    with pytest.raises(OptionError, match="two models or more; got one"):
        vl.drift(SQUAT, network_model, progress=False)
    with pytest.raises(OptionError, match="At least one video"):
        drift(network_model, network_model, videos=[])
    with pytest.raises(OptionError, match="num_frames must be a whole number"):
        drift(network_model, network_model, num_frames=0)
    with pytest.raises(OptionError, match=r"stream model, .* a clip one"):
        drift(network_model, model_of(random_network(kind="base"), tmp_path))
    with pytest.raises(OptionError, match="different labels"):
        drift(ArithmeticModel(), ArithmeticModel(num_classes=5))
    with pytest.raises(OptionError, match=r"prepare frames differently.*prepared_by"):
        drift(ArithmeticModel(), ArithmeticModel(frame_rate=4.0))
    with pytest.raises(OptionError, match=r"networks in PyTorch.*backend='torch'"):
        drift(ArithmeticModel(), ArithmeticModel(name="b"), layers=["stem"])
    with pytest.raises(ModelError, match="not finite"):
        drift(Told([[0.0, 1.0]]), Told([[0.0, math.nan]]), num_frames=1)


def test_tables_have_their_columns_where_they_are_empty() -> None:
    found = drift(ArithmeticModel(), ArithmeticModel(), num_frames=1)
    assert found.layers.columns.tolist() == [
        "model", "against", "layer", "relative_error", "cosine",
    ]  # fmt: skip
    assert "relative_error" in found.states
    assert isinstance(found.flips, pd.DataFrame)
    assert "gap" in found.flips
