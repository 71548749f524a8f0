"""PyTorch data sets of clips of videos, decoded when they are asked for.

An item is a dictionary, which PyTorch's own collation puts into batches::

    frames         uint8 [num_frames, 3, H, W], RGB, or what `transform` makes of it
    class_id       int, -1 where there are no labels
    video          the file's name
    frame_index    int64 [num_frames], frames of the video, 0-based
    time_seconds   float64 [num_frames], their timestamps
    problem        why not every frame could be decoded; empty where all were
    audio          with `audio=True`: float32 [channels, samples], as long as the clip
    sample_rate    with `audio=True`: int, samples per second

A frame that cannot be decoded is a copy of the one before it, or black where none was. A video that
cannot even be opened is left out and listed in `problems`, at once and not in the third hour.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

from vidlab.clips import (
    Segment,
    VideoPool,
    problems_table,
    read_segments,
    sampled_frames,
    warn_of_problems,
)
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import DatasetError, OptionError, VideoError
from vidlab.core.labels import LabelMap
from vidlab.models.base import count
from vidlab.sampling import uniform_clips, windows
from vidlab.video import Video

if TYPE_CHECKING:
    import pandas as pd

Item = dict[str, Any]
Videos = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class _Place:
    """Where a clip is: a video, its frames, and the class it is of."""

    path: Path
    name: str
    frames: NDArray[np.int64]
    class_id: int


class ClipDataset(Dataset[Item]):
    """Clips of `num_frames` frames, from a folder, a table, or a list of videos.

    Args:
        data: A folder of class folders, a CSV file or a DataFrame of segments (``video,
            start_seconds, end_seconds, label``), or a list of videos without labels.
        num_frames: Frames in a clip.
        stride: Frames from one of a clip to the next, at `frame_rate` where that is given.
        frame_rate: Frames per second to look at; None takes every frame.
        num_clips: Clips of each segment, spread evenly; None puts them end to end.
        labels: Class labels in the order of class ids; None takes those in `data`, sorted.
        transform: Applied to the frames; it must be picklable for a loader with workers.
        audio: Give the sound of each clip, too.
        progress: Show a progress bar while videos are looked at.

    Attributes:
        labels: The class labels; empty without labels.
        problems: Videos that are left out: columns ``video, reason``.

    Raises:
        DatasetError: There is nothing to read, or no clip is left.
        LabelMapError: A label is not one of `labels`.
        OptionError: An option is out of its range.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | pd.DataFrame | Videos,
        *,
        num_frames: int,
        stride: int = 1,
        frame_rate: float | None = None,
        num_clips: int | None = None,
        labels: Sequence[str] | None = None,
        transform: Callable[[torch.Tensor], Any] | None = None,
        audio: bool = False,
        progress: bool = True,
    ) -> None:
        self.num_frames = count(num_frames, "num_frames")
        self.stride = count(stride, "stride")
        self.num_clips = None if num_clips is None else count(num_clips, "num_clips")
        if frame_rate is not None and not 0.0 < frame_rate <= 1000.0:
            raise OptionError(f"frame_rate must be between 0 and 1000; got {frame_rate!r}.")
        self.frame_rate = frame_rate
        self.transform = transform
        self.audio = audio
        segments, is_labelled = _segments_of(data)
        known = sorted({each.label for each in segments}) if is_labelled else []
        self.labels = tuple(labels or known)
        class_ids = LabelMap(self.labels) if self.labels else None
        self._videos = VideoPool()
        self._problems: dict[str, str] = {}
        self._places: list[_Place] = []
        for segment in progress_bar(
            segments, desc="looking at videos", unit="segment", disable=not progress
        ):
            class_id = class_ids.id_of(segment.label) if class_ids and is_labelled else -1
            self._add(segment, class_id)
        if not self._places:
            listed = "; ".join(f"{name}: {why}" for name, why in list(self._problems.items())[:5])
            raise DatasetError(f"Not one clip of {self.num_frames} frames can be read. {listed}")
        warn_of_problems(self._problems, stacklevel=2)

    @property
    def problems(self) -> pd.DataFrame:
        """What is left out, and why: columns ``video, reason``."""
        return problems_table(self._problems)

    @property
    def table(self) -> pd.DataFrame:
        """The clips: columns ``video, first_frame, last_frame, class_id``."""
        import pandas as pd

        rows = [
            (str(each.path), int(each.frames[0]), int(each.frames[-1]), each.class_id)
            for each in self._places
        ]
        return pd.DataFrame(rows, columns=["video", "first_frame", "last_frame", "class_id"])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Item:
        """Decode a clip; see the module."""
        ((_, rgb, problem),) = self.decoded([index])
        return self.item(index, rgb, problem)

    def decoded(self, indices: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8], str]]:
        """Decode clips of one video in one go, however they overlap.

        Args:
            indices: Which clips, all of the same video.

        Yields:
            In the order of their last frames, for each its index, its frames uint8
            ``[num_frames, H, W, 3]``, and why some of them are copies.
        """
        waiting = sorted(indices, key=lambda index: self._places[index].frames.max())
        video = self._videos.open(self._places[indices[0]].path)
        frames = self._read(video, np.concatenate([self._places[at].frames for at in waiting]))
        kept: dict[int, NDArray[np.uint8]] = {}
        problem = ""
        while waiting:
            wanted = self._places[waiting[0]].frames
            while not problem and (not kept or max(kept) < wanted.max()):
                number, rgb, problem = next(frames)
                if rgb is not None:
                    kept[number] = rgb
            yield waiting.pop(0), _filled(kept, wanted, video), problem
            first = min((int(self._places[at].frames.min()) for at in waiting), default=0)
            # One before the first is kept, to fill a gap with.
            for number in sorted(kept)[:-1]:
                if number < first:
                    del kept[number]

    def item(self, index: int, rgb: NDArray[np.uint8], problem: str) -> Item:
        """Return the item of a clip whose frames ``[num_frames, H, W, 3]`` are decoded."""
        place = self._places[index]
        video = self._videos.open(place.path)
        frames = torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous()
        times = video.pts_seconds[place.frames]
        item: Item = {
            "frames": frames if self.transform is None else self.transform(frames),
            "class_id": place.class_id,
            "video": place.name,
            "frame_index": torch.from_numpy(place.frames),
            "time_seconds": torch.from_numpy(times),
            "problem": problem,
        }
        if self.audio:
            after = int(place.frames.max()) + 1
            end = float(video.pts_seconds[after]) if after < len(video) else video.end_seconds
            item["audio"] = _sound(video, float(times[0]), end)
            item["sample_rate"] = video.audio_sample_rate or 0
        return item

    @staticmethod
    def _read(
        video: Video, wanted: NDArray[np.int64]
    ) -> Iterator[tuple[int, NDArray[np.uint8] | None, str]]:
        """Yield wanted frames, and at the end why there are no more."""
        numbers = set(wanted.tolist())
        try:
            for frame in video.frames(start=min(numbers), stop=max(numbers) + 1):
                if frame.index in numbers:
                    yield frame.index, frame.rgb, ""
        except VideoError as error:
            yield -1, None, str(error)
        yield -1, None, f"{video.name} ends before frame {max(numbers)}."

    def _add(self, segment: Segment, class_id: int) -> None:
        try:
            video = self._videos.open(segment.video)
            pts, end = video.pts_seconds, video.end_seconds
        except VideoError as error:
            self._problems[segment.name] = str(error)
            return
        start = float(pts[0]) if segment.start_seconds is None else segment.start_seconds
        stop = end if segment.end_seconds is None else min(segment.end_seconds, end)
        if stop <= max(start, float(pts[0])):
            self._problems[f"{segment.name} at {start:g} s"] = (
                f"the segment lies outside the video, which goes from {pts[0]:g} to {end:g} s"
            )
            return
        frames = sampled_frames(pts, start_seconds=start, end_seconds=stop, fps=self.frame_rate)
        for places in self._grouped(len(frames)):
            self._places.append(_Place(segment.video, segment.name, frames[places], class_id))

    def _grouped(self, total: int) -> list[NDArray[np.int64]]:
        # A segment that is shorter than a clip is filled up with its last frame.
        if self.num_clips is not None:
            return uniform_clips(
                total, self.num_frames, num_clips=self.num_clips, stride=self.stride
            )
        found = windows(total, self.num_frames, stride=self.stride)
        return found or windows(total, self.num_frames, stride=self.stride, tail="pad")


class ClipStream(IterableDataset[Item]):
    """The streaming twin of `ClipDataset`: one clip after the other, each video decoded once.

    Workers share the videos among them. Items are as those of `ClipDataset`, in the order of the
    videos; clips that overlap are cut from frames that are decoded once.

    Args:
        data: As for `ClipDataset`.
        options: As for `ClipDataset`.
    """

    def __init__(
        self, data: str | os.PathLike[str] | pd.DataFrame | Videos, **options: Any
    ) -> None:
        self.dataset = ClipDataset(data, **options)
        self.labels = self.dataset.labels

    @property
    def problems(self) -> pd.DataFrame:
        """What is left out, and why: columns ``video, reason``."""
        return self.dataset.problems

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Item]:
        worker = get_worker_info()
        number, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        by_video: dict[Path, list[int]] = {}
        for index, place in enumerate(self.dataset._places):
            by_video.setdefault(place.path, []).append(index)
        for indices in list(by_video.values())[number::of]:
            for index, rgb, problem in self.dataset.decoded(indices):
                yield self.dataset.item(index, rgb, problem)


def collate(items: Sequence[Item]) -> Item:
    """Put items into a batch where clips have sound: the shorter ones end in silence.

    Pass it as a ``DataLoader``'s ``collate_fn``; without sound PyTorch's own will do.

    Returns:
        As items, each with a first dimension for the batch; and ``num_samples``, int64, how much
        of each ``audio`` is sound.
    """
    lengths = [each["audio"].shape[1] for each in items]
    batch: Item = default_collate(
        [
            each | {"audio": pad(each["audio"], (0, max(lengths) - length))}
            for each, length in zip(items, lengths, strict=True)
        ]
    )
    return batch | {"num_samples": torch.tensor(lengths)}


def _segments_of(
    data: str | os.PathLike[str] | pd.DataFrame | Videos,
) -> tuple[list[Segment], bool]:
    """Return the segments, and whether they have labels."""
    if isinstance(data, Sequence) and not isinstance(data, str):
        paths = [Path(each).expanduser() for each in data]
        if not paths:
            raise DatasetError("The list of videos is empty.")
        return [Segment(video=path, name=path.name, label="") for path in paths], False
    return read_segments(data), True


def _filled(
    kept: dict[int, NDArray[np.uint8]], wanted: NDArray[np.int64], video: Video
) -> NDArray[np.uint8]:
    """Return frames uint8 ``[T, H, W, 3]``; for one that is missing, the one before it."""
    before = [number for number in kept if number <= wanted[0]]
    last = kept[max(before)] if before else np.zeros((video.height, video.width, 3), np.uint8)
    pictures = []
    for number in wanted.tolist():
        last = kept.get(number, last)
        pictures.append(last)
    return np.stack(pictures)


def _sound(video: Video, start_seconds: float, end_seconds: float) -> torch.Tensor:
    """Return the sound of a clip, float32 ``[channels, samples]``; no channels without sound."""
    if not video.has_audio:
        return torch.zeros((0, 0))
    blocks = video.audio_blocks(start_seconds=start_seconds, stop_seconds=end_seconds)
    return torch.from_numpy(np.concatenate(list(blocks))).T.contiguous()
