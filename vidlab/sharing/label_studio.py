"""Label Studio: what models said as a first draft, for people to look through and correct.

Tasks and predictions are as https://labelstud.io/guide/predictions says, and regions and
configuration as https://labelstud.io/tags/timelinelabels and https://labelstud.io/tags/video do.
That frames count from 1 and that a range has its last frame in it is how the editor itself handles
them (``fullFrameRange`` and single frames in its Video tag).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from vidlab.core.errors import PredictionsError
from vidlab.sharing.frames import frame_range, frame_rates
from vidlab.sharing.output import as_json, write_lines
from vidlab.sharing.segments import Segment, read_segments

# Characters that XML 1.0 has no way to write (production 2, "Char").
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def save_label_studio(
    given: object,
    path: str | os.PathLike[str],
    *,
    frame_rate: float | Mapping[str, float] | None = None,
    address: Callable[[str], str] | None = None,
) -> str:
    """Write segments as tasks that Label Studio imports.

    A task is a video, with a prediction for each model, or one for segments without a model. The
    task's data are ``video`` (its address), ``name`` and ``fps``. Ranges are in frames, as the
    editor has them: from 1, with both ends in them, at a constant rate.

    Args:
        given: Predictions, several, what has them as ``.predictions``, or a table of segments.
        path: The JSON file; missing folders are made, and the write is atomic.
        frame_rate: Frames per second: of all videos, or by name. Predictions that were made on a
            whole video know it.
        address: From a video's name to where Label Studio finds it, such as
            ``"/data/local-files/?d=clips/a.mp4"``; by default the name itself.

    Returns:
        The labelling configuration for the project, as XML. It has the labels that occur; add
        those that people may need to correct them.

    Raises:
        OptionError: What was given are neither predictions nor a table, or a frame rate is not
            known, or none.
        PredictionsError: A row of the table is no segment, a label has a character that XML cannot
            have, or the file cannot be written.
    """
    segments = read_segments(given)
    rates = frame_rates(given, segments, frame_rate)
    configuration = _configuration(dict.fromkeys(each.label for each in segments))
    tasks = []
    for video, of_video in _grouped(segments, "video").items():
        data = {
            "video": video if address is None else address(video),
            "name": video,
            "fps": rates[video],
        }
        tasks.append({"data": data, "predictions": list(_predictions(of_video, rates[video]))})
    write_lines(path, [as_json(tasks)])
    return configuration


def _grouped(segments: Iterable[Segment], field: str) -> dict[Any, list[Segment]]:
    groups: dict[Any, list[Segment]] = {}
    for each in segments:
        groups.setdefault(getattr(each, field), []).append(each)
    return groups


def _predictions(segments: list[Segment], frame_rate: float) -> Iterator[dict[str, Any]]:
    for number, (model, of_model) in enumerate(_grouped(segments, "model").items()):
        prediction: dict[str, Any] = {} if model is None else {"model_version": model}
        known = [each.probability for each in of_model if each.probability is not None]
        if known:
            prediction["score"] = sum(known) / len(known)
        prediction["result"] = [
            _region(each, f"{number}-{row}", frame_rate) for row, each in enumerate(of_model)
        ]
        yield prediction


def _region(segment: Segment, region_id: str, frame_rate: float) -> dict[str, Any]:
    start, end = frame_range(segment, frame_rate)
    region = {
        "id": region_id,
        "from_name": "label",
        "to_name": "video",
        "type": "timelinelabels",
        "value": {
            "ranges": [{"start": start, "end": end}],
            "timelinelabels": [segment.label],
        },
    }
    return region if segment.probability is None else region | {"score": segment.probability}


def _configuration(labels: Iterable[str]) -> str:
    rows = []
    for label in labels:
        if _NOT_IN_XML.search(label):
            raise PredictionsError(
                f"The label {label!r} has a character that XML cannot have, so Label Studio's "
                "configuration cannot name it. Rename the label."
            )
        rows.append(f"    <Label value={quoteattr(label)}/>\n")
    return (
        "<View>\n"
        '  <TimelineLabels name="label" toName="video">\n'
        f"{''.join(rows)}"
        "  </TimelineLabels>\n"
        '  <Video name="video" value="$video" frameRate="$fps"/>\n'
        "</View>\n"
    )
