"""One call for every format."""

from __future__ import annotations

import os
from collections.abc import Callable

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.files import as_path
from vidlab.sharing.fiftyone import save_fiftyone
from vidlab.sharing.jsonl import save_jsonl
from vidlab.sharing.label_studio import save_label_studio
from vidlab.sharing.webvtt import save_vtt

_WRITERS: dict[str, Callable[..., str | None]] = {
    "jsonl": save_jsonl,
    "vtt": save_vtt,
    "label-studio": save_label_studio,
    "fiftyone": save_fiftyone,
}


def save(
    predictions: object, path: str | os.PathLike[str], *, format: str | None = None
) -> str | None:
    """Write predictions in the format that the file's name tells.

    Args:
        predictions: Predictions, several, or what has them as ``.predictions``: a comparison, a
            recording.
        path: Where to; ``.jsonl`` and ``.vtt`` tell the format.
        format: ``"jsonl"``, ``"vtt"``, ``"label-studio"`` or ``"fiftyone"``; None to go by the
            name. The last two are both ``.json``.

    Returns:
        Label Studio's labelling configuration, as `save_label_studio` does; None for the others.

    Raises:
        OptionError: The format is unknown, or the name tells none; or as the format's function.
        PredictionsError: As the format's function.
    """
    suffix = as_path(path).suffix.lower()
    if format is None and suffix in (".jsonl", ".vtt"):
        format = suffix.removeprefix(".")
    if format is None:
        raise OptionError(
            f"The name {as_path(path).name!r} does not tell its format. Name it .jsonl or .vtt, or "
            f"say format=, one of {', '.join(_WRITERS)}; Predictions.save writes .csv and .parquet."
        )
    if format not in _WRITERS:
        raise OptionError(
            f"format must be one of {', '.join(_WRITERS)}; got {format!r}."
            + did_you_mean(str(format), _WRITERS)
        )
    return _WRITERS[format](predictions, path)
