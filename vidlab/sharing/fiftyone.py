"""FiftyOne: labels as a data set of temporal detections.

The format is ``FiftyOneTemporalDetectionDataset``, as in "FiftyOneTemporalDetectionDataset" of
https://docs.voxel51.com/user_guide/import_datasets.html; that ranges are inclusive and count from 1
says ``fiftyone.core.labels.TemporalDetection``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidlab.core.errors import PredictionsError
from vidlab.sharing.frames import frame_range, frame_rates
from vidlab.sharing.output import as_json, write_lines
from vidlab.sharing.segments import Segment, read_segments


def save_fiftyone(
    given: object,
    path: str | os.PathLike[str],
    *,
    frame_rate: float | Mapping[str, float] | None = None,
) -> None:
    """Write segments as the ``labels.json`` of a data set that FiftyOne imports.

    The videos stay where they are::

        save_fiftyone(preds, "labels.json")
        fiftyone.Dataset.from_dir(
            dataset_type=fiftyone.types.FiftyOneTemporalDetectionDataset,
            labels_path="labels.json",
            data_path="clips",                        # a folder with the videos, and nothing else
        )

    FiftyOne finds a video by its name without the suffix, or by its absolute path. Ranges are in
    frames, from 1 and with both ends in them, at a constant rate; ``confidence`` is the
    probability.

    Args:
        given: Predictions, what has them as ``.predictions``, or a table of segments; of one
            model.
        path: The JSON file; missing folders are made, and the write is atomic.
        frame_rate: Frames per second: of all videos, or by name. Predictions that were made on a
            whole video know it.

    Raises:
        OptionError: What was given are neither predictions nor a table, or a frame rate is not
            known, or none.
        PredictionsError: The segments are of several models, two videos differ in their suffix
            only, a row of the table is no segment, or the file cannot be written.
    """
    segments = read_segments(given)
    rates = frame_rates(given, segments, frame_rate)
    models = {each.model for each in segments}
    if len(models) > 1:
        raise PredictionsError(
            f"FiftyOne reads the labels of one model from a file; these are of {len(models)}: "
            f"{sorted(map(str, models))!r:.200}. Write a file for each, and import each into a "
            "label_field of its own."
        )
    ids = _ids(rates)
    classes = list(dict.fromkeys(each.label for each in segments))
    class_ids = {label: number for number, label in enumerate(classes)}
    labels: dict[str, list[dict[str, Any]]] = {video_id: [] for video_id in ids.values()}
    for each in segments:
        labels[ids[each.video]].append(_detection(each, class_ids[each.label], rates[each.video]))
    write_lines(path, [as_json({"classes": classes, "labels": labels})])


def _ids(videos: Mapping[str, float]) -> dict[str, str]:
    """Return the name under which FiftyOne finds each video."""
    ids = {
        video: video if Path(video).is_absolute() else os.path.normpath(_without_suffix(video))
        for video in videos
    }
    taken: dict[str, str] = {}
    for video, video_id in ids.items():
        if video_id in taken:
            raise PredictionsError(
                f"FiftyOne cannot tell {taken[video_id]!r} from {video!r}: it knows a video by its "
                "name without the suffix. Rename one of them."
            )
        taken[video_id] = video
    return ids


def _without_suffix(video: str) -> str:
    # As FiftyOne does it; pathlib thinks otherwise of a dot at the end.
    return os.path.splitext(video)[0]  # noqa: PTH122


def _detection(segment: Segment, class_id: int, frame_rate: float) -> dict[str, Any]:
    detection = {"label": class_id, "support": list(frame_range(segment, frame_rate))}
    if segment.probability is None:
        return detection
    return detection | {"confidence": segment.probability}
