"""Temporal detection against a slow reading of ActivityNet's definition, and segments by hand."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError

COLUMNS = ["video", "start_seconds", "end_seconds", "label"]
IOU = [0.5 + 0.05 * step for step in range(10)]


def scene(
    seed: int, *, num_videos: int = 5, has_ties: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw segments of three labels, findings near them, doubled, misplaced and out of nowhere."""
    draw = np.random.default_rng(seed)
    labels = ["run", "jump", "sit & <stand>"]
    noise = draw.choice([0.02, 0.15, 0.6])
    truth: list[Any] = []
    found: list[Any] = []
    for number in range(num_videos):
        video = f"v{number}.mp4"
        for _ in range(draw.integers(0, 5)):
            start = float(draw.uniform(0, 60))
            end = start + float(draw.uniform(1, 20))
            label = str(draw.choice(labels))
            truth.append((video, start, end, label))
            for _ in range(draw.integers(0, 4)):
                shift, stretch = draw.normal(0, noise * (end - start), 2)
                near = start + shift, max(end + shift + stretch, start + shift + 0.1)
                said = label if draw.random() < 0.8 else str(draw.choice([*labels, "never there"]))
                found.append((video, *near, said))
        for _ in range(draw.integers(0, 3)):
            start = float(draw.uniform(0, 60))
            found.append((video, start, start + 5.0, str(draw.choice(labels))))
    if not truth:
        truth.append(("v0.mp4", 1.0, 2.0, "run"))
    predicted = pd.DataFrame([found[i] for i in draw.permutation(len(found))], columns=COLUMNS)
    if has_ties:
        predicted["probability"] = draw.integers(1, 4, len(predicted)) / 4
    else:
        predicted["probability"] = draw.permutation(len(predicted)) / (len(predicted) + 1.0)
    return pd.DataFrame(truth, columns=COLUMNS), predicted


def by_definition(truth: pd.DataFrame, predicted: pd.DataFrame, iou: float) -> dict[str, float]:
    """Average precision of each label: one finding after the other, in plain Python.

    As a sum over the segments that are found: each adds its share of recall, times the best
    precision that there is from there on.
    """
    result = {}
    for label in sorted(set(truth["label"])):
        there = [row[1:] for row in truth[truth["label"] == label].itertuples()]
        found = [row[1:] for row in predicted[predicted["label"] == label].itertuples()]
        # The surest first, and of the equally sure the one that is further down.
        found = sorted(enumerate(found), key=lambda item: (item[1][4], item[0]), reverse=True)
        free = set(range(len(there)))
        hits = []
        for _, (video, start, end, _, _) in found:
            candidates = []
            for number in free:
                other, first, last, _ = there[number]
                both = min(end, last) - max(start, first)
                if other == video and both > 0:
                    share = both / ((last - first) + (end - start) - both)
                    if share >= iou:
                        candidates.append((share, number))
            hits.append(bool(candidates))
            if candidates:
                free.remove(max(candidates)[1])
        precisions = [Fraction(sum(hits[: i + 1]), i + 1) for i in range(len(hits))]
        area = sum(
            (max(precisions[i:]) for i in range(len(hits)) if hits[i]), start=Fraction(0)
        ) / len(there)
        result[label] = float(area)
    return result


@pytest.mark.parametrize("has_ties", [False, True])
def test_average_precision_is_that_of_activitynet(has_ties: bool) -> None:
    right = []
    for seed in range(120):
        truth, predicted = scene(seed, has_ties=has_ties)
        found = metrics.temporal_map(truth, predicted)
        expected = [by_definition(truth, predicted, iou) for iou in metrics.ACTIVITYNET_IOU]
        assert list(found.labels) == list(expected[0])
        np.testing.assert_allclose(
            found.ap, np.array([[each[x] for each in expected] for x in found.labels]), atol=1e-9
        )
        assert found.mean == pytest.approx(np.mean([list(each.values()) for each in expected]))
        assert found.at(0.75) == pytest.approx(np.mean(list(expected[5].values())))
        right.append(found.mean)
    # The scenes are of all kinds: else nothing would be shown.
    assert min(right) < 0.05
    assert max(right) > 0.7


def test_a_case_by_hand() -> None:
    truth = pd.DataFrame(
        [("a", 0, 10, "run"), ("a", 20, 30, "run"), ("b", 0, 10, "run"), ("b", 0, 5, "sit")],
        columns=COLUMNS,
    )
    predicted = pd.DataFrame(
        [
            ("a", 0, 10, "run", 0.9),  # found
            ("a", 1, 10, "run", 0.8),  # found already
            ("c", 0, 10, "run", 0.7),  # nothing in that video
            ("b", 0, 8, "run", 0.6),  # found up to an overlap of 0.8
            ("a", 20, 30, "sit", 0.5),  # of another label
        ],
        columns=[*COLUMNS, "probability"],
    )
    found = metrics.temporal_map(truth, predicted, iou=(0.5, 0.8, 0.9))
    assert found.labels == ("run", "sit")
    half = (1 + 2 / 4) / 3
    np.testing.assert_allclose(found.ap, [[half, half, 1 / 3], [0, 0, 0]])
    assert found.table.columns.to_list() == ["label", "ap_0.50", "ap_0.80", "ap_0.90"]
    with pytest.raises(OptionError, match=r"overlaps 0.5, 0.8, 0.9; got 0.7"):
        found.at(0.7)


def test_the_truth_finds_itself_and_nothing_finds_nothing() -> None:
    truth, predicted = scene(4)
    same = truth.assign(probability=1.0)
    assert metrics.temporal_map(truth, same).mean == 1.0
    assert metrics.temporal_map(truth, predicted[:0]).mean == 0.0
    assert metrics.temporal_map(truth, pd.DataFrame(columns=predicted.columns)).mean == 0.0
    twice = pd.concat([same, same.assign(probability=0.5)])  # wrong, but after all that is right
    assert metrics.temporal_map(truth, twice).mean == 1.0


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_order_and_scale_do_not_matter(seed: int) -> None:
    truth, predicted = scene(seed)
    draw = np.random.default_rng(seed)
    other = metrics.temporal_map(
        truth.iloc[draw.permutation(len(truth))],
        predicted.assign(probability=np.log(predicted["probability"] + 1e-3)).iloc[
            draw.permutation(len(predicted))
        ],
    )
    np.testing.assert_allclose(other.ap, metrics.temporal_map(truth, predicted).ap)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), has_ties=st.booleans())
def test_a_video_drawn_twice_counts_as_two(seed: int, has_ties: bool) -> None:
    truth, predicted = scene(seed, has_ties=has_ties)
    videos = [f"v{number}.mp4" for number in reversed(range(6))]  # one with nothing in it
    matches = metrics.match_segments(truth, predicted, videos=videos)
    assert list(matches.videos) == sorted(videos)
    np.testing.assert_array_equal(
        matches.average_precision().ap, metrics.temporal_map(truth, predicted).ap
    )
    draw = np.random.default_rng(seed)
    rows = draw.integers(0, len(matches.videos), len(matches.videos))

    def copied(table: pd.DataFrame) -> pd.DataFrame:
        copies = [
            table[table["video"] == matches.videos[row]].assign(video=f"copy {copy}")
            for copy, row in enumerate(rows)
        ]
        # Rows stay in their order, so that of the equally sure the same one goes first.
        return pd.concat(copies).sort_index(kind="stable").reset_index(drop=True)

    if not len(copied(truth)):
        assert math.isnan(matches.mean_ap(rows))
        with pytest.raises(PredictionsError, match="no segments in the truth of these"):
            matches.average_precision(rows)
        return
    expected = metrics.temporal_map(copied(truth), copied(predicted))
    found = matches.average_precision(rows)
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.ap, expected.ap, atol=1e-12)
    assert matches.mean_ap(rows) == pytest.approx(expected.mean)


def two_models(draw: np.random.Generator, videos: list[str]) -> tuple[pd.DataFrame, ...]:
    """Draw segments, and what two equally good models find of them, surer of what is nearer."""
    truth: list[Any] = []
    found: tuple[list[Any], list[Any]] = ([], [])
    for video in videos:
        for _ in range(draw.integers(0, 4)):
            start, length = draw.uniform(0, 60), draw.uniform(2, 15)
            label = str(draw.choice(["run", "sit"]))
            truth.append((video, start, start + length, label))
            for model in found:
                for _ in range(draw.integers(0, 3)):
                    first, last = draw.uniform(-0.3, 0.3, 2)
                    sure = 1 - abs(first) - abs(last) + draw.normal(0, 0.2)
                    span = start + first * length, start + (1 + last) * length
                    model.append((video, *span, label, sure))
    columns = [*COLUMNS, "probability"]
    return pd.DataFrame(truth, columns=COLUMNS), *(
        pd.DataFrame(each, columns=columns) for each in found
    )


def test_intervals_of_a_difference_hold_nought_as_often_as_they_say() -> None:
    draw = np.random.default_rng(0)
    videos = [f"v{number}" for number in range(40)]
    held, times = 0, 150
    for seed in range(times):
        truth, *models = two_models(draw, videos)
        a, b = (metrics.match_segments(truth, each, videos=videos) for each in models)
        found = metrics.cluster_bootstrap(
            metrics.difference(a.mean_ap, b.mean_ap), videos, num_resamples=150, seed=seed
        )
        assert found.estimate == pytest.approx(
            metrics.temporal_map(truth, models[0]).mean
            - metrics.temporal_map(truth, models[1]).mean
        )
        held += 0.0 in found
    # Three standard errors of a share.
    assert held / times == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / times))


def test_segments_that_make_no_sense_are_refused() -> None:
    truth, predicted = scene(2)
    with pytest.raises(PredictionsError, match="What was found lacks probability"):
        metrics.temporal_map(truth, truth)
    with pytest.raises(PredictionsError, match="The truth lacks video, label"):
        metrics.temporal_map(truth.drop(columns=["video", "label"]), predicted)
    with pytest.raises(PredictionsError, match="The truth has no segments"):
        metrics.temporal_map(truth[:0], predicted)
    for value in (np.nan, np.inf, None):
        with pytest.raises(PredictionsError, match=r"What was found: probability is \w+ in row 1"):
            metrics.temporal_map(truth, with_cell(predicted, "probability", value))
    with pytest.raises(PredictionsError, match="The truth: start_seconds are numbers"):
        metrics.temporal_map(with_cell(truth, "start_seconds", "soon"), predicted)
    with pytest.raises(PredictionsError, match="The truth: label is missing in row 1"):
        metrics.temporal_map(with_cell(truth, "label", None), predicted)
    with pytest.raises(PredictionsError, match="The truth, row 1: a segment ends after it starts"):
        metrics.temporal_map(with_cell(truth, "end_seconds", truth["start_seconds"][1]), predicted)
    for iou in ((), (0.0, 0.5), (0.5, 1.1), (np.nan,)):
        with pytest.raises(OptionError, match="iou are overlaps"):
            metrics.temporal_map(truth, predicted, iou=iou)
    videos = [f"v{number}.mp4" for number in range(5)]
    with pytest.raises(PredictionsError, match="The choice of videos has the class id 99"):
        metrics.match_segments(truth, predicted, videos=videos).mean_ap([99])
    with pytest.raises(PredictionsError, match=r"1 with segments are not among them, .*'v0.mp4'"):
        metrics.match_segments(truth, predicted, videos=videos[1:])


def with_cell(table: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    changed = table.astype({column: object})
    changed.loc[1, column] = value
    return changed


# ---------------------------------------------------------------- from answers to segments


def one_label(shares: list[float]) -> np.ndarray:
    return np.column_stack([shares, 1 - np.array(shares)])


def spans(table: pd.DataFrame, label: str = "run") -> list[tuple[float, float]]:
    rows = table[table["label"] == label]
    return list(zip(rows["start_seconds"].round(9), rows["end_seconds"].round(9), strict=True))


def test_answers_hold_until_the_next() -> None:
    times = [0.0, 1.0, 2.0, 4.0, 5.0]
    probabilities = one_label([0.2, 0.6, 0.9, 0.1, 0.7])
    table = metrics.segments_of(
        times, probabilities, labels=["run", "sit"], video="a.mp4", end_seconds=5.5
    )
    assert table.columns.to_list() == [*COLUMNS, "probability"]
    assert table["video"].unique().tolist() == ["a.mp4"]
    assert spans(table) == [(1.0, 4.0), (5.0, 5.5)]
    assert spans(table, "sit") == [(0.0, 1.0), (4.0, 5.0)]
    assert table["start_seconds"].is_monotonic_increasing
    run = table[table["label"] == "run"]
    np.testing.assert_allclose(run["probability"], [(0.6 * 1 + 0.9 * 2) / 3, 0.7])
    # Without an end, the last answer holds for the usual time: the median of 1, 1, 2 and 1 s.
    usual = metrics.segments_of(times, probabilities, labels=["run", "sit"], video="a.mp4")
    assert spans(usual)[-1] == (5.0, 6.0)


def test_gaps_are_closed_before_short_segments_go() -> None:
    times = np.arange(10) / 10
    probabilities = one_label([0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1])

    def found(**options: float) -> list[tuple[float, float]]:
        return spans(
            metrics.segments_of(
                times, probabilities, labels=["run", "sit"], video="a", end_seconds=1.0, **options
            )
        )

    assert found() == [(0.0, 0.1), (0.2, 0.3), (0.6, 0.7)]
    assert found(max_gap_seconds=0.1) == [(0.0, 0.3), (0.6, 0.7)]  # 0.2 - 0.1 > 0.1 in floats
    assert found(max_gap_seconds=0.3) == [(0.0, 0.7)]
    assert found(min_seconds=0.2) == []
    assert found(min_seconds=0.3, max_gap_seconds=0.1) == [(0.0, 0.3)]
    assert found(threshold=0.95) == []
    assert found(threshold=0.0) == [(0.0, 1.0)]
    joined = metrics.segments_of(
        times, probabilities, labels=["run", "sit"], video="a", max_gap_seconds=0.1
    )
    assert joined["probability"][0] == pytest.approx((0.9 + 0.1 + 0.9) / 3)


@given(
    steps=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
    threshold=st.sampled_from([0.2, 0.5]),
)
def test_segments_are_where_a_label_is_probable(
    steps: list[int], seed: int, threshold: float
) -> None:
    """Looked at in the middle of every tenth of a second."""
    draw = np.random.default_rng(seed)
    ticks = np.cumsum([0, *steps[1:]])
    probabilities = draw.dirichlet([0.7] * 3, len(steps))
    end = int(ticks[-1]) + 2
    table = metrics.segments_of(
        ticks / 10, probabilities, labels=["a", "b", "c"], video="v",
        end_seconds=end / 10, threshold=threshold,
    )  # fmt: skip
    assert (table["end_seconds"] > table["start_seconds"]).all()
    for tick in range(end):
        middle = (tick + 0.5) / 10
        holding = max(i for i, each in enumerate(ticks) if each <= tick)
        expected = {
            label
            for label, share in zip("abc", probabilities[holding], strict=True)
            if share >= threshold
        }
        here = table[(table["start_seconds"] < middle) & (middle < table["end_seconds"])]
        assert sorted(here["label"]) == sorted(expected)
    for label in "abc":  # those of a label do not touch
        rows = table[table["label"] == label]
        assert (rows["start_seconds"].to_numpy()[1:] > rows["end_seconds"].to_numpy()[:-1]).all()


def test_found_segments_are_scored_as_they_are() -> None:
    truth = pd.DataFrame([("a", 1.0, 3.0, "run")], columns=COLUMNS)
    found = metrics.segments_of(
        [0.0, 1.0, 2.0, 3.0], one_label([0.1, 0.9, 0.8, 0.2]), labels=["run", "sit"], video="a"
    )
    assert metrics.temporal_map(truth, found).mean == 1.0
    nothing = metrics.segments_of(
        [0.0, 1.0], one_label([0.5, 0.5]), labels=["run", "sit"], video="a", threshold=0.9
    )
    assert len(nothing) == 0
    assert metrics.temporal_map(truth, nothing).mean == 0.0


def test_answers_that_make_no_sense_are_refused() -> None:
    good = {"labels": ["run", "sit"], "video": "a"}
    half = one_label([0.5, 0.5])
    with pytest.raises(PredictionsError, match="Times never go back"):
        metrics.segments_of([1.0, 0.0], half, **good)
    with pytest.raises(PredictionsError, match="time_seconds 1, probabilities 2"):
        metrics.segments_of([1.0], half, **good)
    with pytest.raises(PredictionsError, match="take the softmax"):
        metrics.segments_of([0.0, 1.0], half * 4, **good)
    with pytest.raises(OptionError, match="got 1 labels for 2 columns"):
        metrics.segments_of([0.0, 1.0], half, labels=["run"], video="a")
    with pytest.raises(OptionError, match="give end_seconds"):
        metrics.segments_of([0.0], half[:1], **good)
    for end in (1.0, math.nan, math.inf):
        with pytest.raises(OptionError, match="end_seconds must be after the last answer"):
            metrics.segments_of([0.0, 1.0], half, end_seconds=end, **good)
    for name in ("threshold", "min_seconds", "max_gap_seconds"):
        for value in (-0.1, math.nan):
            with pytest.raises(OptionError, match=f"{name} must be"):
                metrics.segments_of([0.0, 1.0], half, **good, **{name: value})
