"""What the page is told about predictions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vidlab as vl
from vidlab.widgets.payload import top_classes


@given(hnp.arrays(np.float32, (4, 7), elements=st.sampled_from([0, 1, 2, 30])), st.integers(1, 9))
@settings(deadline=None)
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
