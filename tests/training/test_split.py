"""Which clips are kept back for validation."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab.clips import Clip
from vidlab.training.split import split


def clip(video: str, *labels: str) -> Clip:
    return Clip(
        video=video, name=video, times=tuple((n, n + 1.0) for n in range(len(labels))),
        labels=labels, ends=tuple(range(1, len(labels) + 1)),
    )  # fmt: skip


@given(
    numbers=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 99),
)
def test_each_label_keeps_its_share_back(numbers: list[int], share: float, seed: int) -> None:
    clips = [clip(f"{k}/{n}", f"label {k}") for k, num in enumerate(numbers) for n in range(num)]
    training, validation = split(clips, share=share, seed=seed)
    assert sorted(training + validation) == list(range(len(clips)))
    held = Counter(clips[index].labels[0] for index in validation)
    for k, num in enumerate(numbers):
        assert held[f"label {k}"] == (min(max(1, round(share * num)), num - 1) if num > 1 else 0)
    assert split(clips, share=share, seed=seed) == (training, validation)


def test_another_seed_is_another_split() -> None:
    clips = [clip(f"{n}", f"label {n % 2}") for n in range(40)]
    assert split(clips, share=0.2, seed=0) != split(clips, share=0.2, seed=1)


def test_no_share_keeps_nothing_back() -> None:
    clips = [clip(f"{n}", f"label {n % 2}") for n in range(4)]
    assert split(clips, share=0.0, seed=0) == ([0, 1, 2, 3], [])


def test_clips_of_one_video_stay_together() -> None:
    clips = [clip(f"video {n // 4}", f"label {n % 2}") for n in range(40)]
    training, validation = split(clips, share=0.2, seed=3)
    assert validation
    assert not {clips[i].video for i in training} & {clips[i].video for i in validation}


@pytest.mark.parametrize("seed", range(10))
def test_the_video_with_most_clips_is_not_kept_back(seed: int) -> None:
    videos = [("long", 40), ("a", 2), ("b", 2), ("c", 2), ("d", 2)]
    clips = [clip(name, f"label {n % 2}") for name, num in videos for n in range(num)]
    training, validation = split(clips, share=0.2, seed=seed)
    assert len(training) >= 40
    assert len(validation) >= 2


def test_one_video_is_divided_clip_by_clip_and_that_is_said(capsys) -> None:
    clips = [clip("video", f"label {n % 2}") for n in range(10)]
    training, validation = split(clips, share=0.2, seed=0)
    assert len(validation) == 2
    assert {clips[i].labels for i in validation} == {("label 0",), ("label 1",)}
    assert len(training) == 8
    assert "one video are on both sides" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(5))
def test_a_label_never_loses_its_last_clip(seed: int) -> None:
    clips = [clip("a", "x", "y"), clip("b", "x"), clip("c", "x"), clip("d", "z"), clip("e", "z")]
    training, _ = split(clips, share=0.4, seed=seed)
    assert {label for i in training for label in clips[i].labels} == {"x", "y", "z"}
