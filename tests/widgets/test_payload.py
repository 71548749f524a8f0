"""What the page is told about predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vidlab as vl
from vidlab.widgets import Player
from vidlab.widgets.kept import kept_html
from vidlab.widgets.payload import describe_predictions, top_classes


@given(hnp.arrays(np.float32, (4, 7), elements=st.sampled_from([0, 1, 2, 30])), st.integers(1, 9))
def test_the_top_classes_are_those_of_the_table(logits: np.ndarray, top_k: int) -> None:
    told = vl.Predictions(
        video="v", model="m", backend="torch", title="m", logits=logits,
        labels=vl.LabelMap([f"class {number}" for number in range(7)]),
        frame_index=np.arange(4), time_seconds=np.arange(4) / 30,
    )  # fmt: skip
    table = told.table
    best = table[table["rank"] <= top_k]
    ids, probabilities = top_classes(told, top_k)
    assert ids.ravel().tolist() == best["class_id"].tolist()
    assert probabilities.ravel().tolist() == best["probability"].tolist()


def test_labels_of_the_truth_that_a_model_cannot_say_are_told(
    spelled: Callable[..., Path], predict_ids: Callable[..., vl.Predictions]
) -> None:
    video = vl.Video(spelled("mp4"))
    first = predict_ids(video, [0, 1])
    second = predict_ids(video, [0, 1], backend="litert", labels=["action 1", "other"])
    truth = [(0.0, 0.5, "action 1"), (0.5, 1.0, "action 2"), (1.0, 1.5, "akcion 1")]
    with pytest.warns(UserWarning, match="The truth has the label") as caught:
        player = Player(video, [first, second], truth=truth)
    said = [str(each.message) for each in caught]
    assert len(said) == 2
    assert "'action 2', which is none of those that litert:m can give" in said[0]
    assert "'akcion 1', which is none of those that torch:m, litert:m can give" in said[1]
    assert "Did you mean 'action 1'?" in said[1]
    assert {each.filename for each in caught} == {__file__}
    content, _ = describe_predictions(
        player.predictions, None, top_k=2, truth=[(0, 9, "action 1"), (9, 18, "akcion 1")]
    )
    assert [each["unknown_to"] for each in content["truth"]] == [[], [0, 1]]
    html = kept_html(player)
    assert "No model has a label &#x27;akcion 1&#x27;" in html
    assert "&#x27;action 2&#x27;" not in html
