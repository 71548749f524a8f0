"""What models said, as files that other tools read: subtitles, label editors, JSON lines.

From a model's answers to stretches of one label, and on to what other people work with::

    segments = to_segments(preds, min_probability=0.3, min_seconds=0.5)   # a table

    save_vtt(segments, "clip.vtt")                     # subtitles, for any player
    save_jsonl(preds, "clip.jsonl")                    # every answer, one a line
    config = save_label_studio(segments, "tasks.json", frame_rate=30)
    save_fiftyone(segments, "labels.json", frame_rate=30)
    save(preds, "clip.vtt")                            # what the file's name tells

All but JSON lines are made of segments: a table with the columns ``video, start_seconds,
end_seconds, label``, whether of people or of `to_segments`, and where known ``model`` and
``probability``. Where predictions are handed in, `to_segments` makes their table.
`Predictions.save` writes CSV and Parquet.
"""

from __future__ import annotations

from vidlab.sharing.fiftyone import save_fiftyone
from vidlab.sharing.jsonl import save_jsonl
from vidlab.sharing.label_studio import save_label_studio
from vidlab.sharing.saving import save
from vidlab.sharing.segments import to_segments
from vidlab.sharing.webvtt import save_vtt

__all__ = [
    "save",
    "save_fiftyone",
    "save_jsonl",
    "save_label_studio",
    "save_vtt",
    "to_segments",
]
