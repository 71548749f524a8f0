"""Sequences: actions in order, exact bounds, no jumps, things in their places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab.core.errors import OptionError
from vidlab.datasets import STICK_ACTIONS, render_sequence
from vidlab.datasets.body import random_body, solve
from vidlab.datasets.choreography import Step, perform
from vidlab.datasets.rendering import _program
from vidlab.datasets.seeds import Purpose, generator


@settings(max_examples=6)
@given(st.integers(0, 2**40), st.integers(1, 4), st.sampled_from([4.0, 5.0, 7.5]))
def test_segments_and_labels_say_the_same(seed: int, num_actions: int, frame_rate: float):
    clip = render_sequence(seed, num_actions=num_actions, size_px=32, frame_rate=frame_rate)
    segments = clip.segments
    assert len(segments) == num_actions
    starts, ends = segments["start_seconds"].to_numpy(), segments["end_seconds"].to_numpy()
    assert starts[0] > 0.0
    assert ends[-1] < clip.seconds
    assert (starts[1:] > ends[:-1]).all()
    assert ((ends - starts > 2.3) & (ends - starts < 4.4)).all()
    # Bounds are on frames, and a frame's label is that of the segment around its time.
    for bound in (*starts, *ends):
        assert bound * frame_rate == pytest.approx(round(bound * frame_rate), abs=1e-4)
    expected = np.full(len(clip.rgb), -1)
    for start, end, label in segments.itertuples(index=False):
        frames = slice(round(start * frame_rate), round(end * frame_rate))
        expected[frames] = STICK_ACTIONS.index(label)
    np.testing.assert_array_equal(clip.labels, expected)
    assert clip.labels[0] == clip.labels[-1] == -1


def test_a_sequence_of_given_labels():
    labels = ["waving hand", "sitting down", "standing up"]
    clip = render_sequence(3, labels=labels, size_px=32, frame_rate=5.0)
    assert clip.segments["label"].tolist() == labels
    again = render_sequence(3, labels=labels, size_px=32, frame_rate=5.0)
    np.testing.assert_array_equal(clip.rgb, again.rgb)


@given(st.integers(0, 2**40), st.integers(1, 20))
def test_a_program_has_its_length_and_undoes_at_once(seed: int, num_actions: int):
    labels = _program(generator(seed, Purpose.PROGRAM), num_actions)
    assert len(labels) == len(set(labels)) == num_actions
    for first, second in (("sitting down", "standing up"), ("opening door", "closing door")):
        assert (first in labels) == (second in labels)
        if first in labels:
            assert labels.index(second) == labels.index(first) + 1


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.permutations(STICK_ACTIONS))
def test_nobody_jumps_from_place_to_place(seed: int, labels: list[str]):
    plan, time = [], 0.6
    for label in labels[:4]:
        plan.append(Step(label, time, time + 3.0))
        time += 4.0
    body = random_body(generator(seed, Purpose.PERSON))
    t = np.arange(0.0, time, 0.005)
    joints = solve(body, perform(body, seed, plan, t, end=time).pose)
    # m/s. Kicks and runs reach ten; a place that does not follow from the last one, hundreds.
    limits = {"head": 9.0, "pelvis": 6.0}
    limits |= {
        f"{side}_{joint}": 40.0 for side in "lr" for joint in ("elbow", "wrist", "knee", "ankle")
    }
    for name, limit in limits.items():
        speed = np.linalg.norm(np.diff(joints[name], axis=0), axis=1) / 0.005
        assert speed.max() < limit, name
    assert (joints["head"][:, 1] > 0.02).all(), "a head under the floor"


def test_what_undoes_starts_where_the_other_ended():
    body = random_body(generator(0, Purpose.PERSON))
    for first, second in (("sitting down", "standing up"), ("opening door", "closing door")):
        plan = [Step("squat", 0.5, 3.0), Step(first, 4.0, 7.0), Step(second, 7.5, 10.0)]
        t = np.linspace(7.0, 7.5, 30)
        acted = perform(body, 0, plan, t, end=10.5)
        joints = solve(body, acted.pose)
        for name in ("head", "pelvis", "l_wrist", "r_ankle"):
            assert np.ptp(joints[name], axis=0).max() < 1e-9, f"{name} moves between the two"
        shown = [size for _, size in acted.motions]
        np.testing.assert_array_equal(shown[1] + shown[2], np.ones(30))  # One chair, not two.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": []}, "labels must be a list of at least one label"),
        ({"labels": "squat"}, "labels must be a list"),
        ({"labels": ["squat", "sqat"]}, "Did you mean 'squat'"),
        ({"num_actions": 0}, "num_actions must be 1 to 20; got 0"),
        ({"num_actions": 21}, "num_actions must be 1 to 20; got 21"),
        ({"frame_rate": -1.0}, "frame_rate must be"),
        ({"seed": -3}, "seed must be"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str):
    with pytest.raises(OptionError, match=message):
        render_sequence(**{"seed": 0} | options)
