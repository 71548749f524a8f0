"""Every error vidlab raises on purpose, in one tree.

::

    VidlabError
    ├── VideoError (ValueError)             a source that cannot be read as video
    │   ├── VideoNotFoundError (FileNotFoundError)
    │   ├── VideoOpenError                  not a video, or a container we cannot parse
    │   │   ├── CameraError                 a camera or stream that gives no pictures
    │   │   └── LimitError                  more than `vidlab.limits` lets in
    │   └── VideoDecodeError                opened, then failed; knows at which frame
    ├── SamplingError (ValueError)          an impossible sampling request
    ├── OptionError (ValueError)            an option out of range, or unknown
    │   └── FrameRangeError (IndexError)    a frame number that the video does not have
    ├── LabelMapError (ValueError)          a label map that cannot be used
    ├── ModelError (RuntimeError)           a model that cannot be used
    │   ├── UnknownModelError (LookupError)
    │   ├── CardError (ValueError)          a model card that cannot be read
    │   ├── WeightsError (ValueError)       weights that do not fit, or are not what they claim
    │   │   └── WeightsNotFoundError (FileNotFoundError)
    │   ├── ConversionError (ValueError)
    │   └── ExportError                     a model that cannot be written in another format
    │       └── ParityError                 answers that are not what they should be
    ├── MissingDependencyError (ImportError)
    ├── DownloadError (OSError)
    │   └── OfflineError
    ├── ClusterError (ConnectionError)      a Dask cluster that is gone
    ├── PredictionsError (ValueError)       a predictions file or table that cannot be used
    ├── DatasetError (ValueError)           labelled clips that nothing can be learnt from
    ├── TrainingError (RuntimeError)        training that cannot go on
    │   └── CheckpointError (ValueError)    a run that cannot be resumed
    └── WidgetError (RuntimeError)

Each also subclasses the builtin that fits, so ``except ValueError`` and
``except FileNotFoundError`` do what a reader expects. Messages say what was
got, what was expected and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


class VidlabError(Exception):
    """Base of every error vidlab raises on purpose."""


class VideoError(VidlabError, ValueError):
    """A source that cannot be read as video."""


class VideoNotFoundError(VideoError, FileNotFoundError):
    """There is no file at the path, or no answer at the address."""


class VideoOpenError(VideoError):
    """The source is there, but is not a video that can be parsed."""


class CameraError(VideoOpenError):
    """A camera or stream that is not there, is refused, or gives no pictures."""


class LimitError(VideoOpenError):
    """A file that asks for more than a limit; the message names it and says how to raise it."""


class VideoDecodeError(VideoError):
    """Decoding failed after the source was opened.

    Attributes:
        frame_index: Index of the first frame that could not be read; frames before
            it are good.
    """

    def __init__(self, message: str, *, frame_index: int) -> None:
        super().__init__(message)
        self.frame_index = frame_index

    def __reduce__(self) -> tuple[Callable[[str, int], VideoDecodeError], tuple[str, int]]:
        # What another process raised must come back; pickle cannot pass keywords by itself.
        return _decode_error, (str(self), self.frame_index)


def _decode_error(message: str, frame_index: int) -> VideoDecodeError:
    return VideoDecodeError(message, frame_index=frame_index)


class SamplingError(VidlabError, ValueError):
    """A sampling request that no sequence of timestamps can meet."""


class OptionError(VidlabError, ValueError):
    """An option that is unknown, or out of its range."""


class FrameRangeError(OptionError, IndexError):
    """A frame number that the video does not have."""


class LabelMapError(VidlabError, ValueError):
    """A label map that is empty, duplicated, or of the wrong length."""


class ModelError(VidlabError, RuntimeError):
    """A model that cannot be loaded or run."""


class UnknownModelError(ModelError, LookupError):
    """No card, file or directory goes by that name."""


class CardError(ModelError, ValueError):
    """A model card that is not valid."""


class WeightsError(ModelError, ValueError):
    """Weights that do not fit their model, or are not what they claim to be."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """The weights are neither given, mirrored, cached nor downloadable."""


class ConversionError(ModelError, ValueError):
    """A file whose weights cannot be carried over into a vidlab network."""


class ExportError(ModelError):
    """A model that cannot be written in another format."""


class ParityError(ExportError):
    """A model whose answers differ, where they should be the same."""


class MissingDependencyError(VidlabError, ImportError):
    """An optional dependency is not installed; the message says how to get it."""


class DownloadError(VidlabError, OSError):
    """A download that failed or did not match its checksum."""


class OfflineError(DownloadError):
    """The network cannot be reached; the message names the mirror and the file."""


class ClusterError(VidlabError, ConnectionError):
    """A Dask cluster whose scheduler is gone."""


class PredictionsError(VidlabError, ValueError):
    """A predictions file or table that vidlab did not write, or that is damaged."""


class DatasetError(VidlabError, ValueError):
    """Labelled clips that cannot be read, are too few, or do not have what is asked for."""


class TrainingError(VidlabError, RuntimeError):
    """Training that cannot go on."""


class CheckpointError(TrainingError, ValueError):
    """A checkpoint that is damaged, or of a run with other data or options."""


class WidgetError(VidlabError, RuntimeError):
    """A widget that cannot show what it was given."""


def refuse_unknown(owner: str, unknown: Iterable[str], options: Iterable[str]) -> None:
    """Refuse keyword arguments that a class or function does not take.

    Args:
        owner: Its name.
        unknown: Names that were given and are no options of it.
        options: Those it takes.

    Raises:
        OptionError: There is an unknown one; the message names the nearest that there is.
    """
    known = list(options)
    for name in unknown:
        raise OptionError(
            f"{owner} has no option {name!r}; it takes {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
