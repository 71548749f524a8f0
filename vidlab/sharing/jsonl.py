"""JSON lines: every answer, one a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from vidlab.predictions import Predictions
from vidlab.sharing.output import as_json, write_lines
from vidlab.sharing.segments import as_predictions


def save_jsonl(predictions: object, path: str | os.PathLike[str]) -> None:
    """Write every answer as a JSON object, one a line, in UTF-8 (https://jsonlines.org).

    Each has ``video, model`` (its title), ``frame_index`` (from 0), ``time_seconds`` and ``top``:
    a list of ``{"label", "probability"}``, best first, as many as the predictions' options leave;
    answers on clips also have ``clip_start``, the clip's first frame.

    Args:
        predictions: Predictions, several, or what has them as ``.predictions``: a comparison, a
            recording.
        path: The file; missing folders are made, and the write is atomic.

    Raises:
        OptionError: What was given are no predictions.
        PredictionsError: The file cannot be written.
    """
    given = as_predictions(predictions)
    write_lines(path, (as_json(answer) for each in given for answer in _answers(each)))


def _answers(predictions: Predictions) -> Iterator[dict[str, Any]]:
    selection, labels = predictions.selection, predictions.labels
    allowed = selection.class_ids(labels)
    for row, probabilities in enumerate(predictions.probabilities):
        answer: dict[str, Any] = {
            "video": predictions.video,
            "model": predictions.title,
            "frame_index": int(predictions.frame_index[row]),
            "time_seconds": float(predictions.time_seconds[row]),
        }
        if predictions.clip_start is not None:
            answer["clip_start"] = int(predictions.clip_start[row])
        top = selection.top(labels, probabilities, allowed)
        yield answer | {"top": [{"label": label, "probability": each} for label, each in top]}
