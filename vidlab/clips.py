"""Labelled clips, read as a model sees them: what training and evaluation are fed with.

They come from

* a folder of class folders, ``folder/<label>/*.mp4``;
* a CSV file, or a table, of segments: ``video, start_seconds, end_seconds, label``, times on the
  video's own clock, half-open, left empty for the video's start or end, or without the two where
  every video is one clip; in a CSV file `video` is relative to the file's folder;
* a torch ``Dataset`` of ``(frames, class id)`` with the class labels as its ``labels`` or, as in
  torchvision, its ``classes``.

Frames of a video are picked by timestamp at the model's rate and prepared by its own
preprocessing, as :func:`vidlab.predict` does.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import (
    DatasetError,
    LabelMapError,
    VideoDecodeError,
    VideoError,
    did_you_mean,
)
from vidlab.core.labels import LabelMap
from vidlab.sampling import at_rate
from vidlab.transforms import Preprocessing
from vidlab.video import Video

#: Columns of a table of segments.
SEGMENT_COLUMNS = ("video", "start_seconds", "end_seconds", "label")

#: Files of a class folder that count as videos.
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv", ".y4m",
})  # fmt: skip

# A time this little after another is the same: ffprobe and tables round to microseconds.
_SLACK_SECONDS = 1e-6

# Videos whose frame index is kept at hand: segments of one video come in a row.
_NUM_OPEN = 8

# Beginning and end of a file that tell it from another of the same size.
_SAMPLE_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of a video in which one thing is done.

    Attributes:
        video: The file.
        name: What to call it, the same on every machine.
        label: What is done.
        start_seconds: Where it begins, on the video's clock; None for the video's start.
        end_seconds: Where it has ended; None for the video's end.
    """

    video: Path
    name: str
    label: str
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames that can be read: one segment, or several that follow each other.

    Attributes:
        video: Path of the video; of an item of a dataset, its name.
        name: What to call the video, the same on every machine.
        times: Start and end of each segment, in seconds; NaN for an item of a dataset.
        labels: Label of each segment, in order.
        ends: Number of frames up to each segment's end.
        elapsed_seconds: From the clip's start to each frame; None for an item of a dataset.
    """

    video: str
    name: str
    times: tuple[tuple[float, float], ...]
    labels: tuple[str, ...]
    ends: tuple[int, ...]
    elapsed_seconds: tuple[float, ...] | None = None

    @property
    def num_frames(self) -> int:
        """How many frames, at the model's rate."""
        return self.ends[-1]

    def frame_labels(self) -> list[str]:
        """Return the label of each frame."""
        spans = pairwise((0, *self.ends))
        return [
            label
            for label, (first, last) in zip(self.labels, spans, strict=True)
            for _ in range(first, last)
        ]


class Clips(ABC):
    """Labelled clips and how to read them.

    Attributes:
        clips: Those that can be read.
        labels: Every label there is, in the order of class ids where there is one, else sorted.
        problems: What could not be read, or not in full, and why, by the video's name.
    """

    clips: list[Clip]
    labels: tuple[str, ...]

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    @abstractmethod
    def read(self, index: int, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return frames `start` to `stop` (not included) of a clip, prepared for the model.

        What damage hides is filled with the last frame before it.

        Returns:
            float32 ``[T, height_px, width_px, 3]``.

        Raises:
            VideoError: Not one of them can be read.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that is another where clips, labels or files are others."""

    def __len__(self) -> int:
        return len(self.clips)

    def table(self, indices: Iterable[int] | None = None) -> pd.DataFrame:
        """Return clips as a table, one row a segment; None for all of them."""
        chosen = self.clips if indices is None else [self.clips[index] for index in indices]
        rows = [
            (clip.video, *times, label)
            for clip in chosen
            for times, label in zip(clip.times, clip.labels, strict=True)
        ]
        kinds = {"video": "str", "start_seconds": "float64", "end_seconds": "float64"}
        return pd.DataFrame(rows, columns=SEGMENT_COLUMNS).astype({**kinds, "label": "str"})

    def check_labels(self, labels: LabelMap) -> None:
        """Refuse clips whose label the model does not have.

        Raises:
            LabelMapError: With the nearest label there is.
        """
        for clip in self.clips:
            for label in clip.labels:
                if label not in labels:
                    raise LabelMapError(
                        f"{clip.name} is labelled {label!r}, which is not one of the "
                        f"{len(labels)} labels of {labels.name}." + did_you_mean(label, labels)
                    )


def open_clips(
    data: object,
    preprocessing: Preprocessing,
    *,
    join: bool = False,
    progress: bool = True,
) -> Clips:
    """Find the clips in `data`, of whichever kind it is.

    Args:
        data: Folder, CSV file, table or dataset; see the module.
        preprocessing: The model's.
        join: Make one clip of segments of a video that follow each other without a gap.
        progress: Show a progress bar while videos are looked at.

    Raises:
        DatasetError: It is none of these, is empty, or most of it cannot be read.
    """
    if isinstance(data, Clips):
        return data
    if isinstance(data, (str, os.PathLike, pd.DataFrame)):
        return SegmentClips(read_segments(data), preprocessing, join=join, progress=progress)
    if all(hasattr(data, name) for name in ("__len__", "__getitem__")) and _labels_of(data):
        return DatasetClips(data, preprocessing, progress=progress)
    raise DatasetError(
        "Clips are a folder of class folders, a CSV file, a DataFrame with the columns "
        f"{', '.join(SEGMENT_COLUMNS)}, or a dataset of (frames, class id) with labels; got "
        f"{type(data).__name__}."
    )


def problems_table(problems: Mapping[str, str]) -> pd.DataFrame:
    """Return what could not be read as a table: columns ``video, reason``."""
    return pd.DataFrame(
        {
            "video": pd.Series(list(problems), dtype="str"),
            "reason": pd.Series(list(problems.values()), dtype="str"),
        }
    )


def warn_of_problems(problems: Mapping[str, str], *, stacklevel: int) -> None:
    """Warn of clips that cannot be read, and name the first few."""
    if problems:
        first = "; ".join(f"{name}: {why}" for name, why in list(problems.items())[:3])
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        warnings.warn(
            f"{len(problems)} of the videos cannot be read in full and are left out where they "
            f"cannot: {first}{more}",
            stacklevel=stacklevel + 1,
        )


# ---------------------------------------------------------------- where segments come from


def read_segments(data: str | os.PathLike[str] | pd.DataFrame) -> list[Segment]:
    """Read segments from a folder of class folders, a CSV file or a table.

    Raises:
        DatasetError: There are none, a column is missing, or a row makes no sense.
    """
    if isinstance(data, pd.DataFrame):
        return _segments_of_table(data, folder=Path(), what="The table")
    path = Path(data).expanduser()
    if path.is_dir():
        return _segments_of_folder(path)
    if not path.is_file():
        raise DatasetError(
            f"There is no folder and no CSV file {str(path)!r}. Give a folder with one folder of "
            f"videos for each label, or a CSV file with the columns {', '.join(SEGMENT_COLUMNS)}."
        )
    try:
        # As text, and nothing taken for missing: a label may be "None".
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig"
        )
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{str(path)!r} is not UTF-8 text ({error}). Save it as UTF-8, which spreadsheets call "
            '"CSV UTF-8".'
        ) from error
    except (ValueError, OSError) as error:
        raise DatasetError(f"{str(path)!r} cannot be read as a CSV file: {error}.") from error
    return _segments_of_table(table, folder=path.parent, what=repr(path.name))


def _segments_of_folder(folder: Path) -> list[Segment]:
    segments = []
    empty = []
    for inside in sorted(folder.iterdir()):
        if not inside.is_dir() or inside.name.startswith("."):
            continue
        videos = sorted(
            path
            for path in inside.iterdir()
            if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
        )
        segments += [
            Segment(video=path, name=f"{inside.name}/{path.name}", label=_label(inside.name))
            for path in videos
        ]
        if not videos:
            empty.append(inside.name)
    hint = (
        f" There is a {(folder / 'segments.csv').name} in it: pass that file."
        if (folder / "segments.csv").is_file()
        else ""
    )
    if not segments:
        raise DatasetError(
            f"{str(folder)!r} holds no class folders with videos. One folder for each label is "
            f"expected, as in {folder.name}/waving/one.mp4.{hint}"
        )
    if empty:
        raise DatasetError(
            f"{str(folder)!r} holds folders without a video: {', '.join(empty)}. Each folder in it "
            f"is taken for a label; move these elsewhere, or fill them.{hint}"
        )
    return segments


def _segments_of_table(table: pd.DataFrame, *, folder: Path, what: str) -> list[Segment]:
    columns = [str(column) for column in table.columns]
    is_timed = any(column.lower().startswith(("start", "end")) for column in columns)
    if not is_timed and {"video", "label"} <= set(columns):  # whole videos
        table = table.assign(start_seconds=None, end_seconds=None)
        columns += ["start_seconds", "end_seconds"]
    missing = [column for column in SEGMENT_COLUMNS if column not in columns]
    if missing:
        raise DatasetError(
            f"{what} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"segments have {', '.join(SEGMENT_COLUMNS)}, and it has {', '.join(columns)}."
        )
    for column in SEGMENT_COLUMNS:
        if columns.count(column) > 1:
            raise DatasetError(f"{what} has the column {column} more than once.")
    if not len(table):
        raise DatasetError(f"{what} has no rows.")
    segments = []
    for row, (video, start, end, label) in enumerate(
        table[list(SEGMENT_COLUMNS)].itertuples(index=False, name=None)
    ):
        where = f"{what}, row {row}"
        name = _text(video, f"{where}: video")
        start_seconds = _seconds(start, f"{where}: start_seconds")
        end_seconds = _seconds(end, f"{where}: end_seconds")
        if start_seconds is not None and end_seconds is not None and end_seconds <= start_seconds:
            raise DatasetError(
                f"{where}: a segment ends after it starts; got {start_seconds} to {end_seconds} s."
            )
        segments.append(
            Segment(
                video=folder / (Path(name).expanduser() if name.startswith("~/") else name),
                name=name.replace("\\", "/"),
                label=_label(_text(label, f"{where}: label")),
                start_seconds=start_seconds,
                end_seconds=end_seconds,
            )
        )
    return segments


def _label(text: str) -> str:
    """Return a label in the one spelling that typed ones have: file systems may take it apart."""
    return unicodedata.normalize("NFC", text)


def _text(value: object, what: str) -> str:
    text = "" if _is_missing(value) else str(value).strip()
    if not text:
        raise DatasetError(f"{what} is empty.")
    return text


def _is_missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _seconds(value: object, what: str) -> float | None:
    if _is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DatasetError(f"{what} must be a number of seconds; got {value!r}.") from None
    if math.isnan(seconds):
        return None
    if math.isinf(seconds):
        raise DatasetError(f"{what} must be finite; got {value!r}.")
    return seconds


# ---------------------------------------------------------------- clips of videos


class SegmentClips(Clips):
    """Clips of segments of videos.

    Videos that cannot be opened, and segments that lie outside theirs, are left out and listed in
    `problems`.

    Args:
        segments: The segments.
        preprocessing: The model's.
        join: Make one clip of segments of a video that follow each other without a gap.
        progress: Show a progress bar.

    Raises:
        DatasetError: More than half of the segments cannot be read, or all of a label.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        preprocessing: Preprocessing,
        *,
        join: bool = False,
        progress: bool = True,
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.labels = tuple(sorted({segment.label for segment in segments}))
        self.clips = []
        self._paths: list[Path] = []
        self._indices: list[NDArray[np.int64]] = []
        self._videos = VideoPool()
        by_video: dict[Path, list[Segment]] = {}
        for segment in segments:
            by_video.setdefault(segment.video, []).append(segment)
        num_lost = 0
        bar = progress_bar(
            by_video.items(), desc="looking at videos", unit="video", disable=not progress
        )
        for path, of_video in bar:
            num_lost += self._add_video(path, of_video, join)
        self._check_enough(len(segments), num_lost)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return frames of a clip; see :meth:`Clips.read`."""
        wanted = self._indices[index][start:stop]
        prepare = self.preprocessing
        pixels = np.empty((len(wanted), prepare.height_px, prepare.width_px, 3), np.float32)
        num = 0
        video = self._videos.open(self._paths[index])
        try:
            for frame in video.frames(start=int(wanted[0]), stop=int(wanted[-1]) + 1):
                if frame.index == wanted[num]:
                    pixels[num] = prepare(frame.rgb)
                    num += 1
        except VideoError as error:
            self.problems.setdefault(self.clips[index].name, str(error))
            if num == 0:
                raise
        if num == 0:
            raise VideoDecodeError(
                f"{video.name} ends before frame {wanted[0]}.", frame_index=int(wanted[0])
            )
        pixels[num:] = pixels[num - 1]
        return pixels

    def fingerprint(self) -> str:
        """Return a hash of labels, times and files."""
        digest = hashlib.sha256(json.dumps(self.labels).encode())
        for clip, path, indices in zip(self.clips, self._paths, self._indices, strict=True):
            about = [clip.name, clip.labels, clip.ends, _file_fingerprint(path)]
            digest.update(json.dumps(about).encode())
            digest.update(indices.tobytes())
        return digest.hexdigest()

    def _add_video(self, path: Path, segments: list[Segment], join: bool) -> int:
        """Add a video's segments; return how many could not be."""
        try:
            video = self._videos.open(path)
            pts, end = video.pts_seconds, video.end_seconds
        except VideoError as error:
            self.problems[segments[0].name] = str(error)
            return len(segments)
        num_lost = 0
        spans: list[list[tuple[Segment, float, float]]] = []
        timed = [
            (
                float(pts[0]) if segment.start_seconds is None else segment.start_seconds,
                end if segment.end_seconds is None else min(segment.end_seconds, end),
                segment,
            )
            for segment in segments
        ]
        for first, last, segment in sorted(timed, key=lambda each: each[0]):
            if last - first <= _SLACK_SECONDS or last <= pts[0]:
                self.problems[f"{segment.name} at {first:g} s"] = (
                    f"the segment lies outside the video, which goes from {pts[0]:g} to {end:g} s"
                )
                num_lost += 1
            elif join and spans and abs(spans[-1][-1][2] - first) <= _SLACK_SECONDS:
                spans[-1].append((segment, first, last))
            else:
                spans.append([(segment, first, last)])
        for span in spans:
            self._add(path, span, pts)
        return num_lost

    def _add(
        self, path: Path, span: list[tuple[Segment, float, float]], pts: NDArray[np.float64]
    ) -> None:
        start, end = span[0][1], span[-1][2]
        indices = sampled_frames(
            pts, start_seconds=start, end_seconds=end, fps=self.preprocessing.frame_rate
        )
        ends = np.searchsorted(pts[indices], [last - _SLACK_SECONDS for _, _, last in span])
        ends[-1] = len(indices)
        # A segment between two instants has no frame.
        parts = [
            ((first, last), segment.label, int(end))
            for (segment, first, last), end, num in zip(
                span, ends, np.diff(ends, prepend=0), strict=True
            )
            if num > 0
        ]
        self._paths.append(path)
        self._indices.append(indices)
        self.clips.append(
            Clip(
                video=str(path),
                name=span[0][0].name,
                times=tuple(times for times, _, _ in parts),
                labels=tuple(label for _, label, _ in parts),
                ends=tuple(end for _, _, end in parts),
                elapsed_seconds=tuple(np.maximum(pts[indices] - start, 0.0).tolist()),
            )
        )

    def _check_enough(self, num_segments: int, num_lost: int) -> None:
        left = {label for clip in self.clips for label in clip.labels}
        lost = [label for label in self.labels if label not in left]
        if not lost and num_lost * 2 <= num_segments:
            return
        listed = "\n".join(f"  {name}: {why}" for name, why in list(self.problems.items())[:10])
        more = f"\n  and {len(self.problems) - 10} more" if len(self.problems) > 10 else ""
        none = f", and none is left of {', '.join(map(repr, lost))}" if lost else ""
        raise DatasetError(
            f"{num_lost} of {num_segments} clips cannot be read{none}. Replace these or take them "
            f"out:\n{listed}{more}"
        )


class VideoPool:
    """Opens videos and keeps the last few, with their frame indexes."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, Video] = OrderedDict()

    def open(self, path: Path) -> Video:
        """Return a video, opened now or before."""
        if path in self._open:
            self._open.move_to_end(path)
        else:
            self._open[path] = Video(path)
            if len(self._open) > _NUM_OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[path]

    def __getstate__(self) -> dict[str, Any]:
        # A worker process opens its own: containers cannot be shared.
        return {"_open": OrderedDict()}


def sampled_frames(
    pts_seconds: NDArray[np.float64],
    *,
    start_seconds: float,
    end_seconds: float,
    fps: float | None,
) -> NDArray[np.int64]:
    """Return the frames on screen at ``start + k / fps`` before the end; every frame for None.

    For a whole video these are the frames that :func:`vidlab.predict` looks at.
    """
    first = max(0, int(np.searchsorted(pts_seconds, start_seconds + _SLACK_SECONDS, "right")) - 1)
    last = max(first + 1, int(np.searchsorted(pts_seconds, end_seconds - _SLACK_SECONDS)))
    if fps is None:
        return np.arange(first, last, dtype=np.int64)
    # The frame on screen at the start came before it; the instants count from the start.
    shown = np.maximum(pts_seconds[first:last], start_seconds)
    return first + at_rate(shown, fps, end_seconds=max(end_seconds, float(shown[-1])))


def piece_starts(num_frames: int, length: int) -> list[int]:
    """Return where pieces of `length` start that cover a clip; the last may overlap."""
    if num_frames <= length:
        return [0]
    starts = list(range(0, num_frames - length + 1, length))
    return starts if starts[-1] + length == num_frames else [*starts, num_frames - length]


def _file_fingerprint(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(_SAMPLE_BYTES))
        stream.seek(max(0, size - _SAMPLE_BYTES))
        digest.update(stream.read(_SAMPLE_BYTES))
    return f"{size}:{digest.hexdigest()}"


# ---------------------------------------------------------------- clips of a dataset


class DatasetClips(Clips):
    """Clips of a torch ``Dataset`` (or any sequence) of ``(frames, class id)``.

    Frames are ``[T, H, W, 3]`` or ``[T, 3, H, W]``, in an array or a tensor: uint8 ones are
    prepared as a video's are, float ones must be prepared already. They are taken to be at the
    model's frame rate.

    Args:
        dataset: It has ``labels`` or ``classes``, in the order of class ids. Where it also has
            ``class_id(index)`` and ``num_frames``, the same for all items, it need not be read
            through beforehand.
        preprocessing: The model's.
        progress: Show a progress bar.

    Raises:
        DatasetError: It is empty, or an item is not of that form.
    """

    def __init__(
        self, dataset: Any, preprocessing: Preprocessing, *, progress: bool = True
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.preprocessing = preprocessing
        self.labels = tuple(LabelMap(_labels_of(dataset)))
        if not len(dataset):
            raise DatasetError("The dataset is empty.")
        self._last: tuple[int, NDArray[np.float32]] | None = None
        ids, lengths = self._ids_and_lengths(progress)
        self.clips = [
            Clip(
                video=f"item {index}",
                name=f"item {index}",
                times=((math.nan, math.nan),),
                labels=(self.labels[class_id],),
                ends=(length,),
            )
            for index, (class_id, length) in enumerate(zip(ids, lengths, strict=True))
        ]

    def read(self, index: int, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return frames of an item; see :meth:`Clips.read`."""
        if self._last is None or self._last[0] != index:
            self._last = (index, self._prepared(index))
        return self._last[1][start:stop]

    def fingerprint(self) -> str:
        """Return a hash of labels, class ids and lengths."""
        about = [type(self.dataset).__name__, self.labels]
        items = [[clip.labels, clip.ends] for clip in self.clips]
        return hashlib.sha256(json.dumps([about, items]).encode()).hexdigest()

    def _ids_and_lengths(self, progress: bool) -> tuple[list[int], list[int]]:
        number = len(self.dataset)
        tell, length = (
            getattr(self.dataset, "class_id", None),
            getattr(self.dataset, "num_frames", 0),
        )
        if callable(tell) and isinstance(length, int) and length > 0:
            ids = [self._class_id(tell(index), f"item {index}") for index in range(number)]
            return ids, [length] * number
        found: list[tuple[int, int]] = []
        for index in progress_bar(
            range(number), desc="looking at clips", unit="clip", disable=not progress
        ):
            frames, class_id = self._item(index)
            found.append((self._class_id(class_id, f"item {index}"), len(frames)))
        return [each[0] for each in found], [each[1] for each in found]

    def _item(self, index: int) -> tuple[Any, Any]:
        item = self.dataset[index]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise DatasetError(
                "An item of the dataset must be (frames, class id); item "
                f"{index} is of {type(item).__name__}."
            )
        return item[0], item[1]

    def _class_id(self, value: Any, what: str) -> int:
        try:
            class_id = int(value)
        except (TypeError, ValueError):
            class_id = -1
        if not 0 <= class_id < len(self.labels):
            raise DatasetError(
                f"{what} must have a class id from 0 to {len(self.labels) - 1}; got {value!r}."
            )
        return class_id

    def _prepared(self, index: int) -> NDArray[np.float32]:
        frames = np.asarray(self._item(index)[0])
        size = (self.preprocessing.height_px, self.preprocessing.width_px, 3)
        if frames.ndim == 4 and frames.shape[3] != 3 and frames.shape[1] == 3:
            frames = frames.transpose(0, 2, 3, 1)
        if frames.ndim == 4 and len(frames) and frames.shape[3] == 3:
            if frames.dtype == np.uint8:
                return np.stack([self.preprocessing(np.ascontiguousarray(f)) for f in frames])
            if np.issubdtype(frames.dtype, np.floating) and frames.shape[1:] == size:
                if not np.isfinite(frames).all():
                    raise DatasetError(f"Frames of item {index} hold values that are not numbers.")
                return np.ascontiguousarray(frames, dtype=np.float32)
        raise DatasetError(
            f"Frames of item {index} must be uint8 [T, H, W, 3] or [T, 3, H, W], or float and "
            f"prepared, with {size[0]} rows and {size[1]} columns; got {frames.dtype} "
            f"{list(frames.shape)}."
        )


def _labels_of(dataset: object) -> list[str]:
    """Return the labels that a dataset states, in the order of class ids."""
    for name in ("labels", "classes"):
        labels = getattr(dataset, name, None)
        # Some keep the class id of each item in `labels`.
        if isinstance(labels, (list, tuple, LabelMap)) and isinstance(next(iter(labels), 0), str):
            return list(labels)
    return []
