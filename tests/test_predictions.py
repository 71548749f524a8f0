from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vidlab as vl
from vidlab.core.errors import LabelMapError, OptionError, PredictionsError
from vidlab.core.probabilities import softmax
from vidlab.models.base import Selection
from vidlab.predictions import TABLE_COLUMNS

LABELS = vl.LabelMap(["ice", 'a "quoted", <b>label</b>', "걷기", "d"])


def make(logits: np.ndarray, **options) -> vl.Predictions:
    count = len(logits)
    about = {
        "video": "clip.mp4",
        "model": "m",
        "backend": "torch",
        "title": "torch:m (float)",
        "labels": LABELS,
        "frame_index": np.arange(count) * 6,
        "time_seconds": 0.53 + np.arange(count) / 5,
        "latency_seconds": np.linspace(0.001, 0.002, count, dtype=np.float32),
        "made_by": {"num_threads": 2, "preprocessing": {"mean": [0.0, 0.0, 0.0]}},
    }
    return vl.Predictions(logits=logits, **(about | options))


logit_arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(-50, 50, width=32)
)
selections = st.one_of(
    st.builds(
        Selection,
        max_results=st.one_of(st.none(), st.integers(1, 9)),
        score_threshold=st.floats(0, 1),
        label_allow_list=st.one_of(
            st.none(), st.lists(st.sampled_from(list(LABELS)), min_size=1, unique=True)
        ),
    ),
    st.builds(
        Selection, label_deny_list=st.lists(st.sampled_from(list(LABELS)), max_size=3, unique=True)
    ),
)


@given(logit_arrays, selections)
def test_the_table_is_what_the_options_say(logits: np.ndarray, selection: Selection) -> None:
    preds = make(logits, selection=selection)
    table = preds.table
    assert tuple(table.columns) == TABLE_COLUMNS
    assert (table["probability"] >= selection.score_threshold).all()
    if selection.label_allow_list is not None:
        assert set(table["label"]) <= set(selection.label_allow_list)
    if selection.label_deny_list is not None:
        assert not set(table["label"]) & set(selection.label_deny_list)
    for _, rows in table.groupby("frame_index"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["probability"].is_monotonic_decreasing
        assert len(rows) <= (selection.max_results or 4)
    for row in table.itertuples():
        frame = row.frame_index // 6
        assert row.label == LABELS[row.class_id]
        assert row.logit == logits[frame, row.class_id]
        assert row.time_seconds == preds.time_seconds[frame]


@given(logit_arrays, selections, st.one_of(st.none(), st.just("stopped at frame 3")))
@settings(max_examples=50)
def test_one_parquet_file_keeps_everything(tmp_path_factory, logits, selection, stopped) -> None:
    preds = make(logits, selection=selection, stopped=stopped)
    path = tmp_path_factory.mktemp("parquet") / "p.parquet"
    preds.save(path)
    again = vl.Predictions.load(path)
    pd.testing.assert_frame_equal(again.table, preds.table)
    np.testing.assert_array_equal(again.logits, preds.logits)
    np.testing.assert_array_equal(again.frame_index, preds.frame_index)
    np.testing.assert_array_equal(again.time_seconds, preds.time_seconds)
    np.testing.assert_array_equal(again.latency_seconds, preds.latency_seconds)
    for name in ("video", "model", "backend", "title", "made_by", "stopped", "selection"):
        assert getattr(again, name) == getattr(preds, name)
    assert again.labels == preds.labels


def test_the_parquet_file_reads_as_the_tidy_table_elsewhere(tmp_path: Path) -> None:
    preds = make(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
    preds.save(tmp_path / "p.parquet")
    read = pd.read_parquet(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(read[list(TABLE_COLUMNS)], preds.table, check_dtype=False)


def test_latency_may_be_unknown(tmp_path: Path) -> None:
    preds = make(np.zeros((2, 4), np.float32), latency_seconds=None)
    preds.save(tmp_path / "p.parquet")
    again = vl.Predictions.load(tmp_path / "p.parquet")
    assert len(again) == 2
    assert np.isnan(again.latency_seconds).all()


def test_which_frames_an_answer_was_given_for_is_kept(tmp_path: Path) -> None:
    preds = make(np.zeros((3, 4), np.float32), clip_start=np.array([0, 2, 8]))
    preds.save(tmp_path / "p.parquet")
    again = vl.Predictions.load(tmp_path / "p.parquet")
    np.testing.assert_array_equal(again.clip_start, [0, 2, 8])
    np.testing.assert_array_equal(again.smoothed(2).clip_start, [0, 2, 8])
    make(np.zeros((3, 4), np.float32)).save(tmp_path / "p.parquet")
    assert vl.Predictions.load(tmp_path / "p.parquet").clip_start is None
    for wrong in ([0, 2], [0, 7, 8]):
        with pytest.raises(PredictionsError, match="clip_start"):
            make(np.zeros((3, 4), np.float32), clip_start=np.array(wrong))


def test_clips_may_end_on_one_frame(tmp_path: Path) -> None:
    logits = np.eye(4, dtype=np.float32)[[0, 1, 1, 2]] * [[9], [9], [0], [9]]
    about = {"frame_index": np.array([5, 7, 7, 7]), "clip_start": np.array([0, 1, 2, 2])}
    preds = make(logits, **about, selection=Selection(max_results=2, score_threshold=0.5))
    assert preds.table["class_id"].tolist() == [0, 1, 2]  # of the third answer nothing is left
    assert preds.at_frame(7)["class_id"].tolist() == [2]
    assert preds.at_frame(6)["class_id"].tolist() == [0]
    np.testing.assert_allclose(
        preds.average()[list(LABELS)], softmax(np.float32(logits)).mean(axis=0), rtol=1e-6
    )
    preds.save(tmp_path / "p.parquet")
    again = vl.Predictions.load(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(again.table, preds.table)
    for name in ("logits", "frame_index", "clip_start", "latency_seconds"):
        np.testing.assert_array_equal(getattr(again, name), getattr(preds, name))
    with pytest.raises(PredictionsError, match="must increase"):
        make(logits, frame_index=about["frame_index"])
    with pytest.raises(PredictionsError, match="never go back"):
        make(logits, frame_index=np.array([5, 7, 6, 7]), clip_start=np.zeros(4, np.int64))


def test_csv_is_the_table(tmp_path: Path) -> None:
    preds = make(np.zeros((2, 4), np.float32))
    preds.save(tmp_path / "p.csv")
    read = pd.read_csv(tmp_path / "p.csv")
    assert read["label"].tolist() == preds.table["label"].tolist()


def test_a_name_that_is_no_utf8_is_kept_and_escaped_where_it_is_written(tmp_path: Path) -> None:
    name, escaped = "caf\udce9.mp4", "caf\\udce9.mp4"
    found = make(np.eye(4, dtype=np.float32), video=name, made_by={"video": {"name": name}})
    assert found.video == name
    for each in (found, make(np.empty((0, 4), np.float32), video=name)):
        assert f"on {escaped}" in repr(each)
    for kind in ("heatmap", "timeline"):
        ax = found.plot(kind=kind)
        assert ax.get_title() == f"torch:m (float) on {escaped}"
        ax.figure.savefig(tmp_path / "chart.png")
    found.save(tmp_path / "found.parquet")
    loaded = vl.Predictions.load(tmp_path / "found.parquet")
    assert loaded.video == escaped
    assert loaded.made_by == found.made_by
    found.save(tmp_path / "found.csv")
    assert set(pd.read_csv(tmp_path / "found.csv")["video"]) == {escaped}


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "p.parquet"
    make(np.zeros((2, 4), np.float32)).save(path)
    before = path.read_bytes()
    broken = make(np.ones((3, 4), np.float32), made_by={"not json": object()})
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["p.parquet"]


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    with pytest.raises(PredictionsError, match="Cannot read"):
        vl.Predictions.load(path)
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(PredictionsError, match="Cannot read"):
        vl.Predictions.load(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(PredictionsError, match="not one of vidlab's"):
        vl.Predictions.load(path)
    with pytest.raises(PredictionsError, match=r"\.parquet"):
        make(np.zeros((1, 4), np.float32)).save(tmp_path / "p.json")


def test_softmax_does_not_overflow() -> None:
    """The official sample's own softmax does: it does not subtract the maximum."""
    probabilities = softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32))
    np.testing.assert_allclose(probabilities, [[0.5, 0.5, 0.0]])


@given(hnp.arrays(np.float32, (5, 7), elements=st.floats(-80, 80, width=32)))
def test_probabilities_sum_to_one_and_keep_the_order(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    best = probabilities[np.arange(5), logits.argmax(axis=1)]
    np.testing.assert_array_equal(best, probabilities.max(axis=1))


def test_an_answer_holds_until_the_next() -> None:
    preds = make(np.eye(4, dtype=np.float32)[:3] * 9, frame_index=np.array([2, 8, 14]))
    assert preds.at_frame(1).empty
    assert preds.at_frame(2)["label"][0] == "ice"
    assert preds.at_frame(13)["label"][0] == LABELS[1]
    assert preds.at_frame(10_000)["label"][0] == "걷기"


def test_the_table_cannot_be_changed_from_outside() -> None:
    preds = make(np.zeros((1, 4), np.float32))
    table = preds.table
    table["label"] = "changed"
    assert "changed" not in set(preds.table["label"])


@pytest.mark.parametrize(
    "options",
    [
        {"max_results": 0},
        {"max_results": 1.5},
        {"score_threshold": 1.1},
        {"label_allow_list": "carving ice"},
        {"label_allow_list": ("a",), "label_deny_list": ("b",)},
    ],
)
def test_bad_options_are_refused(options: dict) -> None:
    with pytest.raises(OptionError):
        Selection(**options)


def test_unknown_and_exhausting_label_lists_are_refused() -> None:
    with pytest.raises(LabelMapError, match="Did you mean 'ice'"):
        Selection(label_allow_list=("icee",)).class_ids(LABELS)
    with pytest.raises(OptionError, match="no class"):
        Selection(label_deny_list=tuple(LABELS)).class_ids(LABELS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_seconds": np.zeros(3)},
        {"logits": np.zeros((2, 5), np.float32)},
        {"frame_index": np.array([6, 6])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(wrong: dict) -> None:
    with pytest.raises(PredictionsError):
        make(**({"logits": np.zeros((2, 4), np.float32)} | wrong))


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Silent damage would be other numbers under the same record."""
    preds = make(np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    path = tmp_path / "p.parquet"
    preds.save(path)
    good = path.read_bytes()
    for place in range(8, len(good) // 2, 37):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        try:
            again = vl.Predictions.load(path)
        except PredictionsError:
            continue
        np.testing.assert_array_equal(again.logits, preds.logits)
        pd.testing.assert_frame_equal(again.table, preds.table)


def test_logits_that_are_no_numbers_are_refused() -> None:
    logits = np.zeros((3, 4), np.float32)
    logits[1, 2] = np.nan
    with pytest.raises(PredictionsError, match=r"not finite, first on frame 6 of clip\.mp4"):
        make(logits)


def test_all_classes_can_be_asked_for() -> None:
    assert Selection(max_results=3).updated(max_results="all").max_results is None
    assert Selection().updated(max_results=np.int64(2)).max_results == 2


def test_a_newer_label_list_replaces_the_older() -> None:
    denied = Selection(label_deny_list=("ice",))
    assert denied.updated(label_allow_list=["d"]).label_deny_list is None


def test_a_path_that_is_none_is_told() -> None:
    with pytest.raises(OptionError, match="A path was expected; got 3"):
        make(np.zeros((1, 4), np.float32)).save(3)  # type: ignore[arg-type]


def test_smoothing_averages_probabilities_with_those_before() -> None:
    predictions = make(np.random.default_rng(0).normal(0, 3, (6, 4)).astype(np.float32))
    smooth = predictions.smoothed(3)
    raw = predictions.probabilities
    for row in range(6):
        expected = raw[max(0, row - 2) : row + 1].mean(axis=0)
        np.testing.assert_allclose(smooth.probabilities[row], expected, rtol=1e-5)
    np.testing.assert_array_equal(smooth.frame_index, predictions.frame_index)
    assert "mean of 3" in smooth.title
    np.testing.assert_allclose(predictions.smoothed(99).probabilities[-1], raw.mean(axis=0), 1e-5)
    with pytest.raises(OptionError):
        predictions.smoothed(0)
