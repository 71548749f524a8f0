"""PyTorch data sets of clips of videos, decoded when they are asked for.

An item is a dictionary, which PyTorch's own collation puts into batches::

    frames         uint8 [num_frames, 3, H, W], RGB, or what `transform` makes of it
    class_id       int, -1 where there are no labels
    video          the file's name
    frame_index    int64 [num_frames], frames of the video, 0-based
    time_seconds   float64 [num_frames], their timestamps
    problem        why not every frame could be decoded; empty where all were
    audio          with `audio=True`: float32 [1, samples] in ±1, as long as the clip
    sample_rate    with `audio=True`: int, samples per second

Sound is the mean of its channels, at one rate for all videos; silence where there is none.

A frame that cannot be decoded is a copy of the clip's frame before it, or black where none was. A
video that cannot even be opened is left out and listed in `problems`, at once and not in the third
hour; one that is lost later gives black clips that say so.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from torch.nn.functional import pad
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

from vidlab.clips import (
    SEGMENT_COLUMNS,
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
from vidlab.video import Frame

if TYPE_CHECKING:
    import pandas as pd

Item = dict[str, Any]
Videos = Sequence[str | os.PathLike[str]]

# A time this little after another is the same.
_SLACK_SECONDS = 1e-6


@dataclass(frozen=True)
class _Source:
    """A video as it was found; what is read of it later is held against this."""

    path: Path
    width: int
    height: int
    pts_seconds: NDArray[np.float64]
    end_seconds: float

    def number_of(self, frame: Frame) -> int:
        """Return which frame this is, or the next one where there was none at its time.

        Reading may find fewer frames than packets promised, and number them anew.
        """
        pts, time = self.pts_seconds, frame.pts_seconds
        if frame.index < len(pts) and abs(float(pts[frame.index]) - time) <= _SLACK_SECONDS:
            return frame.index
        return int(np.searchsorted(pts, time - _SLACK_SECONDS))


@dataclass(frozen=True)
class _Place:
    """Where a clip is: a video, its frames, and the class it is of."""

    source: _Source
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
        audio: Give the sound of each clip, too, as mono.
        audio_sample_rate: Samples per second that all sound is brought to.
        progress: Show a progress bar while videos are looked at.

    Attributes:
        labels: The class labels; empty without labels.
        problems: Videos that are left out, or that this process has found damaged since: columns
            ``video, reason``. Of what a loader's workers find, the items tell.

    Raises:
        DatasetError: `data` is none of these, there is nothing to read, or no clip is left.
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
        audio_sample_rate: int = 48_000,
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
        self.audio_sample_rate = count(audio_sample_rate, "audio_sample_rate")
        segments, is_labelled = _segments_of(data)
        known = sorted({each.label for each in segments}) if is_labelled else []
        self.labels = tuple(labels or known)
        class_ids = LabelMap(self.labels) if self.labels else None
        self._videos = VideoPool()
        self._problems: dict[str, str] = {}
        self._sources: dict[Path, _Source] = {}
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
        """What is left out or damaged, and why: columns ``video, reason``."""
        return problems_table(self._problems)

    @property
    def table(self) -> pd.DataFrame:
        """The clips: columns ``video, first_frame, last_frame, class_id``."""
        import pandas as pd

        rows = [
            (str(each.source.path), int(each.frames[0]), int(each.frames[-1]), each.class_id)
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
        source = self._places[waiting[0]].source
        frames = self._read(source, np.concatenate([self._places[at].frames for at in waiting]))
        kept: dict[int, NDArray[np.uint8]] = {}
        for position, index in enumerate(waiting):
            wanted = self._places[index].frames
            problem = _keep_until(int(wanted.max()), frames, kept)
            lost = [number for number in wanted.tolist() if number not in kept]
            if lost and not problem:
                seconds = source.pts_seconds[lost[0]]
                problem = f"{source.path.name} has no frame {lost[0]} any more, at {seconds:g} s."
            if problem and len(waiting) > 1:
                # What lies beyond the damage may be good: each clip is read for itself, and so is
                # the same as when it is asked for alone.
                for each in waiting[position:]:
                    yield from self.decoded([each])
                return
            yield index, _filled(kept, wanted, source), problem
            rest = waiting[position + 1 :]
            first = min((int(self._places[at].frames.min()) for at in rest), default=0)
            for number in [number for number in kept if number < first]:
                del kept[number]

    def item(self, index: int, rgb: NDArray[np.uint8], problem: str) -> Item:
        """Return the item of a clip whose frames ``[num_frames, H, W, 3]`` are decoded."""
        place = self._places[index]
        source = place.source
        frames = torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous()
        times = source.pts_seconds[place.frames]
        item: Item = {
            "frames": frames if self.transform is None else self.transform(frames),
            "class_id": place.class_id,
            "video": place.name,
            "frame_index": torch.from_numpy(place.frames),
            "time_seconds": torch.from_numpy(times),
        }
        if self.audio:
            ends = [*source.pts_seconds[place.frames.max() + 1 :][:1], source.end_seconds]
            sound, silenced = self._sound(source.path, float(times[0]), float(ends[0]))
            item |= {"audio": sound, "sample_rate": self.audio_sample_rate}
            problem = problem or silenced
        if problem:
            self._problems.setdefault(place.name, problem)
        return item | {"problem": problem}

    def _read(
        self, source: _Source, wanted: NDArray[np.int64]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield wanted frames by their number in `source`, in order, as far as there are any.

        Where a packet turns out to hold no picture, the one before it stays on screen.

        Raises:
            VideoError: The video is gone, or is damaged here.
        """
        left = deque(np.unique(wanted).tolist())
        video = self._videos.open(source.path)
        num_frames = len(video)
        start = min(left[0], video.index_at_time(float(source.pts_seconds[left[0]])))
        shown: Frame | None = None
        for frame in video.frames(start=start):
            if len(video) != num_frames:
                break
            number = source.number_of(frame)
            while left and left[0] < number:
                missing = left.popleft()
                if shown is not None:
                    yield missing, shown.rgb
            if left and left[0] == number:
                yield left.popleft(), frame.rgb
            if not left:
                return
            shown = frame
        if len(video) != num_frames:  # its frames are numbered anew: look these up again
            yield from self._read(source, np.array(left))

    def _sound(
        self, path: Path, start_seconds: float, end_seconds: float
    ) -> tuple[torch.Tensor, str]:
        """Return the sound of a clip, float32 ``[1, samples]``, and why it is silent if lost."""
        rate = self.audio_sample_rate
        sound = torch.zeros(1, round(end_seconds * rate) - round(start_seconds * rate))
        try:
            video = self._videos.open(path)
            if video.audio_sample_rate:
                blocks = video.audio_blocks(start_seconds=start_seconds, stop_seconds=end_seconds)
                mono = [block.mean(axis=1) for block in blocks]
                heard = _resampled(mono, video.audio_sample_rate, rate)[: sound.shape[1]]
                sound[0, : len(heard)] = torch.from_numpy(heard)
        except VideoError as error:
            return sound, str(error)
        return sound, ""

    def _add(self, segment: Segment, class_id: int) -> None:
        try:
            source = self._found(segment.video)
        except VideoError as error:
            self._problems[segment.name] = str(error)
            return
        pts, end = source.pts_seconds, source.end_seconds
        start = float(pts[0]) if segment.start_seconds is None else segment.start_seconds
        stop = end if segment.end_seconds is None else min(segment.end_seconds, end)
        if stop <= max(start, float(pts[0])):
            self._problems[f"{segment.name} at {start:g} s"] = (
                f"the segment lies outside the video, which goes from {pts[0]:g} to {end:g} s"
            )
            return
        frames = sampled_frames(pts, start_seconds=start, end_seconds=stop, fps=self.frame_rate)
        for places in self._grouped(len(frames)):
            self._places.append(_Place(source, segment.name, frames[places], class_id))

    def _found(self, path: Path) -> _Source:
        if path not in self._sources:
            video = self._videos.open(path)
            self._sources[path] = _Source(
                path, video.width, video.height, video.pts_seconds, video.end_seconds
            )
        return self._sources[path]

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
        """What is left out or damaged, and why: columns ``video, reason``."""
        return self.dataset.problems

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Item]:
        worker = get_worker_info()
        number, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        by_video: dict[Path, list[int]] = {}
        for index, place in enumerate(self.dataset._places):
            by_video.setdefault(place.source.path, []).append(index)
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


def _segments_of(data: object) -> tuple[list[Segment], bool]:
    """Return the segments, and whether they have labels."""
    import pandas as pd

    if isinstance(data, (str, os.PathLike, pd.DataFrame)):
        return read_segments(data), True
    wrong: object = data
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        if not data:
            raise DatasetError("The list of videos is empty.")
        strangers = [each for each in data if not isinstance(each, (str, os.PathLike))]
        if not strangers:
            paths = [Path(each).expanduser() for each in data]
            return [Segment(video=path, name=path.name, label="") for path in paths], False
        wrong = strangers[0]
    inside = "" if wrong is data else " in a list"
    raise DatasetError(
        "Clips are of a folder of class folders, a CSV file, a DataFrame with the columns "
        f"{', '.join(SEGMENT_COLUMNS)}, or a list of paths of videos; got {repr(wrong)[:80]}, "
        f"of type {type(wrong).__name__}{inside}."
    )


def _keep_until(
    last: int,
    frames: Iterator[tuple[int, NDArray[np.uint8]]],
    kept: dict[int, NDArray[np.uint8]],
) -> str:
    """Add frames to `kept` up to the last that is needed; return what went wrong."""
    try:
        while max(kept, default=-1) < last:
            number, rgb = next(frames)
            kept[number] = rgb
    except StopIteration:
        pass  # the caller sees what is missing
    except VideoError as error:
        return str(error)
    return ""


def _filled(
    kept: dict[int, NDArray[np.uint8]], wanted: NDArray[np.int64], source: _Source
) -> NDArray[np.uint8]:
    """Return frames uint8 ``[T, H, W, 3]``; for one that is missing, the one before it."""
    last = np.zeros((source.height, source.width, 3), np.uint8)
    pictures = []
    for number in wanted.tolist():
        last = kept.get(number, last)
        pictures.append(last)
    return np.stack(pictures)


def _resampled(blocks: list[NDArray[np.float32]], rate: int, target: int) -> NDArray[np.float32]:
    """Return mono sound ``[samples]`` of `rate`, in blocks, at the rate `target`."""
    sound = np.concatenate([np.zeros(0, np.float32), *blocks])
    if rate == target or not len(sound):
        return sound
    frame = AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler("fltp", "mono", target)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])
