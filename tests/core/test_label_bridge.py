"""Carrying probabilities over from one label map to another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import LabelMapError

SOURCE = vl.LabelMap(["Curling (hair)", "tying tie", "jogging", "gargling", "smiling"])
TARGET = vl.LabelMap(["jogging", "curling hair", "tying necktie", "running"])


def test_counterparts_are_found_by_spelling_and_by_kinetics_own_renaming() -> None:
    bridge = vl.LabelBridge(SOURCE, TARGET)
    assert bridge.counterparts == {"tying tie": "tying necktie", "jogging": "jogging"}
    bridge = vl.LabelBridge(vl.LabelMap(["Jogging!", "Curling  hair"]), TARGET)
    assert bridge.counterparts == {"Jogging!": "jogging", "Curling  hair": "curling hair"}


def test_of_two_that_are_spelled_alike_neither_is_taken() -> None:
    target = vl.LabelMap(["curling (hair)", "curling (sport)"])
    assert vl.LabelBridge(vl.LabelMap(["Curling"]), target).counterparts == {}
    assert vl.LabelBridge(vl.LabelMap(["curling (hair)"]), target).counterparts == {
        "curling (hair)": "curling (hair)"
    }


def test_mapping_adds_and_takes_away() -> None:
    bridge = vl.LabelBridge(SOURCE, TARGET, mapping={"smiling": "running", "jogging": None})
    assert bridge.counterparts == {"tying tie": "tying necktie", "smiling": "running"}
    assert bridge.unmapped == ["Curling (hair)", "jogging", "gargling"]
    carried = bridge(np.array([0.1, 0.2, 0.3, 0.15, 0.25], dtype=np.float32))
    np.testing.assert_allclose(carried, [0.0, 0.0, 0.2, 0.25, 0.55], atol=1e-6)
    assert list(bridge.labels) == [*TARGET, "unmapped"]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_probabilities_still_sum_to_one(seed: int, rows: int) -> None:
    bridge = vl.LabelBridge("kinetics-400", "kinetics-600")
    logits = np.random.default_rng(seed).normal(0, 4, (rows, 400))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    carried = bridge(probabilities.astype(np.float32))
    assert carried.shape == (rows, 601)
    np.testing.assert_allclose(carried.sum(axis=1), 1.0, atol=1e-5)
    assert (carried >= 0).all()


def test_kinetics_400_to_600() -> None:
    bridge = vl.LabelBridge("kinetics-400", "kinetics-600")
    assert len(bridge.counterparts) == 379
    assert len(set(bridge.counterparts.values())) == 379
    assert bridge.counterparts["skiing crosscountry"] == "skiing crosscountry"
    assert "gargling" in bridge.unmapped
    assert {each: to for each, to in bridge.counterparts.items() if "American" in each} == {
        "passing American football (in game)": "passing American football (in game)",
        "passing American football (not in game)": "passing american football (not in game)",
    }


def test_kinetics_600_to_400_is_the_way_back() -> None:
    there = vl.LabelBridge("kinetics-400", "kinetics-600").counterparts
    back = vl.LabelBridge("kinetics-600", "kinetics-400").counterparts
    assert back == {to: label for label, to in there.items()}
    assert back["inflating balloons"] == "balloon blowing"


@pytest.mark.parametrize(
    ("label", "target", "counterpart"),
    [
        ("Curling (Sport)", ["curling (hair)", "curling (sport)"], "curling (sport)"),
        ("curling (sport)", ["curling", "Curling (sport)"], "Curling (sport)"),
        ("curling (sport)", ["curling", "shaving"], "curling"),
        ("curling", ["curling (sport)", "shaving"], "curling (sport)"),
        ("passing (in game)", ["passing (not in game)"], None),
        ("(a)", ["(z)"], None),
        ("???", ["!!!"], None),
    ],
)
def test_case_comes_before_brackets(label: str, target: list[str], counterpart: str | None) -> None:
    bridge = vl.LabelBridge(vl.LabelMap([label]), vl.LabelMap(target))
    assert bridge.counterparts.get(label) == counterpart


@pytest.mark.parametrize("mapping", [["a", "b"], "jogging", 3])
def test_a_mapping_that_is_none_is_refused(mapping: object) -> None:
    with pytest.raises(LabelMapError, match=r"'Curling \(hair\)': 'jogging'.*; got .* of type"):
        vl.LabelBridge(SOURCE, TARGET, mapping=mapping)


@pytest.mark.parametrize("labels", [["jogging"], None])
def test_labels_that_are_no_map_are_refused(labels: object) -> None:
    with pytest.raises(LabelMapError, match="source must be a LabelMap"):
        vl.LabelBridge(labels, TARGET)
    with pytest.raises(LabelMapError, match="target must be a LabelMap"):
        vl.LabelBridge(SOURCE, labels)


@pytest.mark.parametrize("mapping", [{"joging": "running"}, {"jogging": "runing"}])
def test_labels_that_are_none_are_refused(mapping: dict[str, str]) -> None:
    with pytest.raises(LabelMapError, match="Did you mean"):
        vl.LabelBridge(SOURCE, TARGET, mapping=mapping)


def test_probabilities_of_another_model_are_refused() -> None:
    with pytest.raises(LabelMapError, match="5 labels"):
        vl.LabelBridge(SOURCE, TARGET)(np.ones((2, 4), dtype=np.float32))
