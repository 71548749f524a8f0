"""What a stream model says on the way, at the end, on average, and to the whole clip at once."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel

import vidlab as vl
from vidlab.core.errors import DatasetError, PredictionsError
from vidlab.datasets import StickActions
from vidlab.evaluation import Evaluation, Study
from vidlab.models import Model

LABELS = vl.LabelMap(["a", "b", "c"])

# Each clip's label, the labels on its way, and the label of the mean over them.
CLIPS = [
    ("a", "aaaa", "a"),
    ("b", "aabb", "a"),
    ("c", "ccba", "c"),
    ("b", "abab", "b"),
    ("a", "a", "b"),
]


def told() -> Evaluation:
    """Answers half a second apart, the first after half a second."""
    answers = pd.DataFrame(
        [
            {"clip": clip, "elapsed_seconds": 0.5 + place / 2, "class_id": "abc".index(letter),
             "probability": 0.5}
            for clip, (_, way, _) in enumerate(CLIPS)
            for place, letter in enumerate(way)
        ]
    )  # fmt: skip
    clips = pd.DataFrame(
        {
            "video": [f"{clip}.mp4" for clip in range(len(CLIPS))],
            "start_seconds": 0.0,
            "end_seconds": 2.0,
            "label": [label for label, *_ in CLIPS],
        }
    )
    ends, means = (
        np.array([np.where(np.arange(3) == "abc".index(each), 0.6, 0.2) for each in letters])
        for letters in ([way[-1] for _, way, _ in CLIPS], [mean for *_, mean in CLIPS])
    )
    return Evaluation(
        clips, ends, labels=LABELS, title="told", answers=answers, mean_probabilities=means
    )


def test_each_clip_is_told_as_counted_by_hand() -> None:
    table = told().streaming()
    assert table["label"].tolist() == ["a", "b", "c", "b", "a"]
    assert table["first_label"].tolist() == ["a", "a", "c", "a", "a"]
    assert table["end_label"].tolist() == ["a", "b", "a", "b", "a"]
    assert table["mean_label"].tolist() == ["a", "a", "c", "b", "b"]
    assert table["first_correct"].tolist() == [True, False, True, False, True]
    assert table["end_correct"].tolist() == [True, True, False, True, True]
    assert table["mean_correct"].tolist() == [True, False, True, True, False]
    np.testing.assert_array_equal(table["seconds_to_right"], [0.5, 1.5, math.nan, 2.0, 0.5])
    np.testing.assert_allclose(table["stable_share"], [0, 2 / 3, 1, 1, 0])


def test_the_summary_is_of_the_table() -> None:
    assert told().streaming_summary() == pytest.approx(
        {
            "first_top1": 3 / 5,
            "end_top1": 4 / 5,
            "mean_top1": 3 / 5,
            "mean_agreement": 2 / 5,
            "seconds_to_right": 1.0,  # the middle of 0.5, 0.5, 1.5 and 2.0
            "stable_share": 2 / 3,
        }
    )


def test_a_study_tells_both_ends_and_means() -> None:
    row = Study({"told": told()}).table.iloc[0]
    assert (row["end_top1"], row["mean_top1"]) == (0.8, 0.6)


def test_answers_that_are_not_known_are_not_made_up() -> None:
    known = told()
    clips = known.predictions[["video", "start_seconds", "end_seconds", "label"]]
    about = {"labels": LABELS, "title": "it"}
    for given, words in (
        ({"answers": known.answers}, "no mean over the answers"),
        ({"mean_probabilities": known.mean_probabilities}, "only the answers at the clips' ends"),
    ):
        lacking = Evaluation(clips, known.probabilities, **about, **given)
        with pytest.raises(PredictionsError, match=words):
            lacking.streaming()
        assert "end_top1" not in Study({"it": lacking}).table
    with pytest.raises(DatasetError, match=r"a row for each clip, \[5, 3\]; got \[4, 3\]"):
        Evaluation(clips, known.probabilities, **about, mean_probabilities=known.probabilities[:4])


def prepared(model: Model, frames: object) -> np.ndarray:
    """Return frames of a dataset, uint8 ``[T, 3, H, W]``, as the model takes them."""
    return np.stack([model.preprocessing(rgb) for rgb in np.moveaxis(np.asarray(frames), 1, -1)])


@pytest.mark.parametrize("at", ["end", "mean"])
def test_means_and_ends_are_those_of_the_answers(at: str) -> None:
    model = vl.load_model("stickactions-xs-stream", backend="torch")
    data = StickActions(range(8_000_000, 8_000_006))
    evaluation = vl.evaluate(model, data, at=at, progress=False)
    table = evaluation.streaming()
    for clip, (frames, truth) in enumerate(data[i] for i in range(len(data))):
        pixels = prepared(model, frames)
        logits, _ = model.step(pixels, model.init_state())
        rows = [[math.exp(x) / sum(map(math.exp, row)) for x in row] for row in logits.tolist()]
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        kept = evaluation.mean_probabilities
        assert kept is not None
        np.testing.assert_allclose(kept[clip], mean, atol=1e-6)
        expected = rows[-1] if at == "end" else mean
        np.testing.assert_allclose(evaluation.probabilities[clip], expected, atol=1e-6)
        said = {"first": rows[0], "end": rows[-1], "mean": mean}
        for which, row in said.items():
            best = max(range(len(row)), key=row.__getitem__)
            assert table.loc[clip, f"{which}_label"] == model.labels[best]
            assert table.loc[clip, f"{which}_correct"] == (best == truth)


@pytest.mark.parametrize("backend", ["torch", "litert"])
def test_the_last_answer_is_the_one_to_the_whole_clip_in_one_call(backend: str) -> None:
    """A stream model is causal: how a clip is split changes nothing."""
    model = vl.load_model("stickactions-xs-stream", backend=backend)
    data = StickActions(range(8_000_000, 8_000_008))
    evaluation = vl.evaluate(model, data, progress=False)
    whole = []
    for frames, _ in (data[i] for i in range(len(data))):
        pixels = prepared(model, frames)
        logits = model.classify(pixels[None])[0].astype(np.float64)
        whole.append(np.exp(logits) / np.exp(logits).sum())
    np.testing.assert_allclose(evaluation.probabilities, whole, atol=1e-5)
    labels = [model.labels[int(row.argmax())] for row in whole]
    assert evaluation.streaming()["end_label"].tolist() == labels


def test_clip_models_have_ends_and_means_too() -> None:
    model = ArithmeticModel(kind="clip", num_frames=4, num_classes=24)
    model.labels = vl.LabelMap.named("stick-actions")
    evaluation = vl.evaluate(model, StickActions(range(3)), progress=False)
    table = evaluation.streaming()
    assert len(table) == 3
    assert table["stable_share"].between(0, 1).all()
    np.testing.assert_array_equal(evaluation.mean_probabilities, evaluation.probabilities)
