from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vidlab as vl
from vidlab.core.errors import OptionError, PredictionsError

LABELS = vl.LabelMap(["a", "b", "c"])


def preds(logits, *, backend: str = "torch", frames=None, labels=LABELS, video="v.mp4", **more):
    logits = np.asarray(logits, dtype=np.float32)
    frames = np.arange(len(logits)) * 6 if frames is None else np.asarray(frames)
    return vl.Predictions(
        video=video, model="m", backend=backend, title=f"{backend}:m", labels=labels,
        frame_index=frames, time_seconds=frames / 30, logits=logits, **more,
    )  # fmt: skip


def certain(*ids: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[list(ids)] * 60


def test_divergence_in_closed_form() -> None:
    same = vl.Comparison([preds(certain(0)), preds(certain(0), backend="litert")])
    np.testing.assert_allclose(same.divergence, [0.0], atol=1e-6)
    apart = vl.Comparison([preds(certain(0)), preds(certain(1), backend="litert")])
    np.testing.assert_allclose(apart.divergence, [np.log(2)], rtol=1e-5)
    three = vl.Comparison([preds(certain(i), backend=str(i)) for i in range(3)])
    np.testing.assert_allclose(three.divergence, [np.log(3)], rtol=1e-5)


@given(hnp.arrays(np.float32, (2, 5, 3), elements=st.floats(-20, 20, width=32)))
def test_divergence_equals_scipys_definition(logits: np.ndarray) -> None:
    first, second = preds(logits[0]), preds(logits[1], backend="litert")
    both = vl.Comparison([first, second])
    p, q = first.probabilities.astype(float), second.probabilities.astype(float)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.nansum(np.where(p > 0, p * np.log(p / middle), 0), axis=1)
        right = np.nansum(np.where(q > 0, q * np.log(q / middle), 0), axis=1)
    np.testing.assert_allclose(both.divergence, (left + right) / 2, atol=1e-5)
    swapped = vl.Comparison([second, first])
    np.testing.assert_allclose(both.divergence, swapped.divergence, atol=1e-6)
    assert (both.divergence <= np.log(2) + 1e-5).all()


@pytest.mark.parametrize("spread", [0.0, 0.1, 3.0, 30.0])
def test_divergence_is_exact_to_a_millionth(spread: float) -> None:
    chance = np.random.default_rng(0)
    labels = vl.LabelMap([f"class {number}" for number in range(600)])
    logits = chance.normal(0, spread, (3, 200, 600))
    several = vl.Comparison(
        [preds(each, backend=str(at), labels=labels) for at, each in enumerate(logits)]
    )
    p = np.stack([each.probabilities.astype(np.float64) for each in several.predictions])

    def entropy(distributions: np.ndarray) -> np.ndarray:
        logs = np.log(distributions, out=np.zeros_like(distributions), where=distributions > 0)
        return -(distributions * logs).sum(axis=-1)

    expected = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)  # Lin, 1991
    np.testing.assert_allclose(several.divergence, expected, rtol=0, atol=1e-6)


def test_disagreements_are_the_stretches_where_labels_differ() -> None:
    first = preds(certain(0, 0, 1, 1, 0, 2))
    second = preds(certain(0, 1, 1, 0, 2, 2), backend="litert")
    both = vl.Comparison([first, second])
    assert both.names == ["torch", "litert"]
    assert both.table["agree"].tolist() == [True, False, True, False, False, True]
    found = both.disagreements()
    assert found["start_frame"].tolist() == [6, 18]
    assert found["end_frame"].tolist() == [12, 30]
    assert found["start_seconds"].tolist() == pytest.approx([0.2, 0.6])
    assert found["end_seconds"].tolist() == pytest.approx([0.4, 1.0])
    assert found["num_answers"].tolist() == [1, 2]
    assert found["label_torch"].tolist() == ["a", "b"]
    assert found["label_litert"].tolist() == ["b", "a"]


def test_a_disagreement_at_the_end_ends_after_one_spacing() -> None:
    both = vl.Comparison([preds(certain(0, 0)), preds(certain(0, 1), backend="litert")])
    row = both.disagreements().iloc[0]
    assert row["end_seconds"] == pytest.approx(0.4)
    assert row["end_frame"] == 12


def test_small_divergences_can_be_left_out() -> None:
    close = np.array([[0.1, 0.0, -9.0]], np.float32)
    both = vl.Comparison([preds(close), preds(close[:, [1, 0, 2]], backend="litert")])
    assert len(both.disagreements()) == 1
    assert both.disagreements(min_jsd_nats=0.1).empty
    assert list(both.disagreements(min_jsd_nats=0.1).columns) == list(both.disagreements().columns)


def test_agreement_is_a_matrix_of_shares() -> None:
    both = vl.Comparison(
        [
            preds(certain(0, 0, 1, 1)),
            preds(certain(0, 0, 1, 2), backend="litert"),
            preds(certain(0, 1, 2, 0), backend="tfhub"),
        ]
    )
    assert both.agreement.loc["torch", "litert"] == 0.75
    assert both.agreement.loc["tfhub", "torch"] == 0.25
    assert (np.diag(both.agreement) == 1.0).all()


def test_models_with_different_rates_share_a_grid() -> None:
    dense = preds(certain(0, 1, 2, 0), frames=[0, 3, 6, 9])
    sparse = preds(certain(1, 2), backend="litert", frames=[2, 6])
    both = vl.Comparison([dense, sparse])
    assert both.frame_index.tolist() == [2, 3, 6, 9]
    assert both.table["label_torch"].tolist() == ["a", "b", "c", "a"]
    assert both.table["label_litert"].tolist() == ["b", "b", "c", "c"]


def test_latency_is_summarised_over_calls_after_the_first() -> None:
    seconds = np.array([0.5, 0.5, 0.001, 0.001, 0.003, 0.003], np.float32)
    first = preds(
        certain(0, 0, 0, 0, 0, 0), latency_seconds=seconds, made_by={"answers_per_call": 2}
    )
    both = vl.Comparison([first, preds(certain(0, 0, 0, 0, 0, 0), backend="litert")])
    row = both.latency.set_index("model").loc["torch"]
    assert row["answers_per_call"] == 2
    assert row["first_call_ms"] == pytest.approx(1000.0)
    assert row["mean_ms"] == pytest.approx(2.0)
    assert row["median_ms"] == pytest.approx(2.0)
    assert np.isnan(both.latency.set_index("model").loc["litert", "mean_ms"])


def test_names_are_as_short_as_they_can_be() -> None:
    same = [preds(certain(0)), preds(certain(0))]
    assert vl.Comparison(same).names == ["torch:m #1", "torch:m #2"]
    assert vl.Comparison(same, names=["one", "two"]).names == ["one", "two"]
    with pytest.raises(OptionError, match="different names"):
        vl.Comparison(same, names=["one", "one"])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(OptionError, match="at least two"):
        vl.Comparison([preds(certain(0))])
    with pytest.raises(PredictionsError, match="different videos"):
        vl.Comparison([preds(certain(0)), preds(certain(0), video="w.mp4")])
    other = vl.LabelMap(["a", "b", "x"], name="other")
    with pytest.raises(PredictionsError, match="different label maps"):
        vl.Comparison([preds(certain(0)), preds(certain(0), labels=other)])


def test_bridges_that_do_not_fit_are_refused_before_the_video_is_read(tmp_path: Path) -> None:
    models = [ArithmeticModel(name="one"), ArithmeticModel(name="two")]
    labels = models[0].labels
    other = vl.LabelMap(["a", "b", "c", "d"], name="other")
    good = vl.LabelBridge(labels, labels)
    for second, told in (
        (vl.LabelBridge(other, labels), "does not start from the labels of arithmetic:two"),
        (vl.LabelBridge(labels, other), "different label maps"),
    ):
        with pytest.raises(PredictionsError, match=told):
            vl.compare(tmp_path / "none.mp4", models, labels=[good, second])


def test_nothing_to_compare_is_an_empty_table() -> None:
    empty = np.empty((0, 3), np.float32)
    both = vl.Comparison([preds(empty), preds(empty, backend="litert")])
    assert both.table.empty
    assert both.disagreements().empty
    assert "no" in repr(both)
