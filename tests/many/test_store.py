"""How a run's files are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import vidlab as vl
from vidlab.many import store
from vidlab.many.store import Fingerprint, Store, about_answers
from vidlab.models.base import Selection

LABELS = vl.LabelMap(["ice", "걷기", "c", "d"])
FILE = Fingerprint(size_bytes=1, mtime_ns=2, sha256="0" * 64)


def answers(num: int, *, of_clips: bool) -> vl.Predictions:
    logits = np.random.default_rng(num).normal(size=(num, 4)).astype(np.float32) * 3
    frames = np.arange(num) * 6 + 6
    return vl.Predictions(
        video="clip.mp4",
        model="m",
        backend="torch",
        title="torch:m (float)",
        labels=LABELS,
        frame_index=frames,
        time_seconds=frames / 30,
        latency_seconds=np.linspace(0.001, 0.002, num, dtype=np.float32),
        logits=logits,
        clip_start=frames - 6 if of_clips else None,
        # Some answers are without any label above it.
        selection=Selection(max_results=3, score_threshold=0.6),
    )


def written(folder: Path, predictions: vl.Predictions) -> Path:
    kept = Store(folder)
    about = about_answers(predictions, is_at_end=True, fingerprint=FILE, seconds=1.0)
    kept.write_answers(predictions, model="m", about=about)
    return kept.answers_file("clip.mp4", "m")


@pytest.mark.parametrize("of_clips", [False, True])
@pytest.mark.parametrize("num", [0, 1, 6, 7, 8])
def test_answers_of_hours_are_written_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num: int, of_clips: bool
) -> None:
    predictions = answers(num, of_clips=of_clips)
    whole = written(tmp_path / "whole", predictions)
    monkeypatch.setattr(store, "_ANSWERS_AT_ONCE", 2)
    slowly = written(tmp_path / "slowly", predictions)
    assert pq.read_metadata(slowly).num_row_groups == max((num + 1) // 2, 1)
    assert pq.read_table(slowly).equals(pq.read_table(whole), check_metadata=True)
    again = vl.Predictions.load(slowly)
    np.testing.assert_array_equal(again.logits, predictions.logits)
    np.testing.assert_array_equal(again.latency_seconds, predictions.latency_seconds)
    assert again.table.equals(predictions.table)


def test_the_last_answer_of_a_stream_and_the_mean_of_clips_are_the_videos() -> None:
    stream, clips = answers(5, of_clips=False), answers(5, of_clips=True)
    end = about_answers(stream, is_at_end=True, fingerprint=FILE, seconds=1.0)
    mean = about_answers(clips, is_at_end=False, fingerprint=FILE, seconds=1.0)
    last = stream.probabilities[-1]
    assert (end["predicted"], end["probability"]) == (LABELS[int(last.argmax())], last.max())
    averaged = clips.average()
    assert mean["predicted"] == averaged.index[0]
    assert mean["probability"] == pytest.approx(averaged.iloc[0])
