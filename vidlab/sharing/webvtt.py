"""WebVTT: labels as subtitles, which browsers and players show with the video.

Sections are those of the Candidate Recommendation of 4 April 2019,
https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import os
import re

from vidlab.core.errors import PredictionsError
from vidlab.core.label_names import check_language, translated
from vidlab.sharing.output import write_lines
from vidlab.sharing.segments import read_segments


def save_vtt(
    given: object,
    path: str | os.PathLike[str],
    *,
    labels: str | None = None,
) -> None:
    """Write the segments of one video as WebVTT subtitles.

    Each segment is a cue that shows its label, after its model's title where there are several
    models. Times are in milliseconds, as the format has them, and a line break in a label becomes
    a space. What ends by time 0 cannot be shown, and is left out.

    Args:
        given: Predictions, several, what has them as ``.predictions``, or a table of segments; all
            of one video.
        path: The file; missing folders are made, and the write is atomic.
        labels: Language to show them in, such as ``"ko"``; None leaves them as they are.

    Raises:
        OptionError: What was given are neither predictions nor a table, or there are no names in
            that language.
        PredictionsError: The segments are of several videos, a row of the table is no segment, or
            the file cannot be written.
    """
    check_language(labels)
    segments = read_segments(given)
    videos = sorted({each.video for each in segments})
    if len(videos) > 1:
        raise PredictionsError(
            f"Subtitles are of one video; these segments are of {len(videos)}: {videos!r:.200}. "
            "Write a file for each."
        )
    num_models = len({each.model for each in segments})
    lines = ["WEBVTT", ""]
    # Cues are in the order of their start times (section 4.1).
    for segment in sorted(segments, key=lambda each: each.start_seconds):
        if segment.end_seconds <= 0:
            continue
        start = max(0, round(segment.start_seconds * 1000))
        # A cue ends after it starts (section 4.4).
        end = max(start + 1, round(segment.end_seconds * 1000))
        text = translated(segment.label, labels)
        if num_models > 1 and segment.model is not None:
            text = f"{segment.model}: {text}"
        lines += [f"{_timestamp(start)} --> {_timestamp(end)}", _cue_text(text), ""]
    write_lines(path, lines)


def _timestamp(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"


def _cue_text(text: str) -> str:
    """Return a text as one line in which nothing is a tag, a reference or an arrow."""
    for character, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, reference)
    return re.sub(r"[\r\n]+", " ", text)
