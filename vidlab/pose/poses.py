"""Poses: the keypoints of people that one model found in one video, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core import table_files
from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.naming import printable
from vidlab.core.skeletons import COCO_17, Skeleton, skeleton_named

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes

#: Columns of :attr:`Poses.table`, in order.
POSE_COLUMNS = (
    "frame_index", "time_seconds", "person", "keypoint", "x_px", "y_px", "confidence", "x", "y",
)  # fmt: skip

_FORMAT = "vidlab.poses/1"


class Poses:
    """The people that one model found on the sampled frames of one video.

    Coordinates are those of the frame as it is shown, whatever the model looked at: the first
    pixel reaches from 0 to 1.

    Args:
        video: Name of the video.
        model: Name of the model's card.
        backend: Runtime that computed them.
        title: Name that tells this model from others.
        skeleton: The keypoints.
        width_px: Width of the frames.
        height_px: Height of the frames.
        frame_index: int64 ``[N]``, increasing; the frames that were looked at, with or without
            people.
        time_seconds: float64 ``[N]``, their presentation timestamps.
        row: int64 ``[R]``, never decreasing; for each person the frame's place in `frame_index`.
        person: int64 ``[R]``; the same person keeps the same number from frame to frame.
        points: float32 ``[R, K, 3]``: x px, y px, confidence; NaN and 0 where there is none.
        latency_seconds: float32 ``[N]``, computing time per frame, without decoding.
        made_by: Model, weights hash, sampling, versions, threads; plain data.
        stopped: Why the video was not read to its end, or None.

    Raises:
        PredictionsError: The arrays do not fit together.
    """

    def __init__(
        self,
        *,
        video: str,
        model: str,
        backend: str,
        title: str,
        skeleton: Skeleton,
        width_px: int,
        height_px: int,
        frame_index: NDArray[np.int64],
        time_seconds: NDArray[np.float64],
        row: NDArray[np.int64],
        person: NDArray[np.int64],
        points: NDArray[np.float32],
        latency_seconds: NDArray[np.float32] | None = None,
        made_by: Mapping[str, Any] | None = None,
        stopped: str | None = None,
    ) -> None:
        # A file's name may be no Unicode; it is escaped only where text has to be written.
        self.video = video
        self.model, self.backend, self.title = map(printable, (model, backend, title))
        self.skeleton = skeleton
        self.width_px = width_px
        self.height_px = height_px
        self.frame_index = np.asarray(frame_index, dtype=np.int64)
        self.time_seconds = np.asarray(time_seconds, dtype=np.float64)
        self.row = np.asarray(row, dtype=np.int64)
        self.person = np.asarray(person, dtype=np.int64)
        self.points = np.asarray(points, dtype=np.float32).reshape(-1, len(skeleton), 3)
        if latency_seconds is None:
            latency_seconds = np.full(len(self.frame_index), np.nan, dtype=np.float32)
        self.latency_seconds = np.asarray(latency_seconds, dtype=np.float32)
        self.made_by: dict[str, Any] = dict(made_by or {})
        self.stopped = stopped
        self._check()

    def _check(self) -> None:
        frames, people = len(self.frame_index), len(self.row)
        if (
            self.frame_index.shape != (frames,)
            or self.time_seconds.shape != (frames,)
            or self.latency_seconds.shape != (frames,)
            or self.person.shape != (people,)
            or len(self.points) != people
        ):
            raise PredictionsError(
                f"Poses of {people} people on {frames} frames need times [{frames}] and points "
                f"[{people}, {len(self.skeleton)}, 3]; got {list(self.time_seconds.shape)} and "
                f"{list(self.points.shape)}."
            )
        if (np.diff(self.frame_index) <= 0).any():
            raise PredictionsError("frame_index must increase from frame to frame.")
        if people and ((np.diff(self.row) < 0).any() or self.row[0] < 0 or self.row[-1] >= frames):
            raise PredictionsError("row must name frames in their order.")
        keys = np.stack([self.row, self.person], axis=1)
        if len(np.unique(keys, axis=0)) != people:
            raise PredictionsError("One person is twice on the same frame.")

    @property
    def complete(self) -> bool:
        """Whether the video was read to its end."""
        return self.stopped is None

    @property
    def num_people(self) -> int:
        """Different people that were found."""
        return len(np.unique(self.person))

    @property
    def table(self) -> pd.DataFrame:
        """Tidy table, one row per frame, person and keypoint.

        Columns ``frame_index, time_seconds, person, keypoint, x_px, y_px, confidence, x, y``; the
        last two are shares of the frame's width and height. Empty where nobody was found.
        """
        import pandas as pd

        count = len(self.skeleton)
        rows = np.repeat(self.row, count)
        flat = self.points.reshape(-1, 3)
        names = np.tile(np.asarray(self.skeleton.keypoints, dtype=object), len(self.row))
        return pd.DataFrame(
            {
                "frame_index": self.frame_index[rows],
                "time_seconds": self.time_seconds[rows],
                "person": np.repeat(self.person, count),
                "keypoint": pd.Series(names, dtype="str"),
                "x_px": flat[:, 0],
                "y_px": flat[:, 1],
                "confidence": flat[:, 2],
                "x": flat[:, 0] / np.float32(self.width_px),
                "y": flat[:, 1] / np.float32(self.height_px),
            },
            columns=list(POSE_COLUMNS),
        )

    def at_frame(self, frame_index: int) -> NDArray[np.float32]:
        """Return the people on a frame that was looked at, or on the last one before it.

        Returns:
            float32 ``[P, K, 3]``: x px, y px, confidence; in the order of their numbers.
        """
        place = int(np.searchsorted(self.frame_index, frame_index, side="right")) - 1
        rows = np.flatnonzero(self.row == place) if place >= 0 else np.empty(0, dtype=np.intp)
        return self.points[rows[np.argsort(self.person[rows], kind="stable")]]

    def confidence(self) -> pd.DataFrame:
        """Return how sure the model was of each person over time: the mean over the keypoints.

        Returns:
            One row a frame, by its ``time_seconds``; one column a person, by number; NaN where
            that person was not found.
        """
        import pandas as pd

        people, columns = np.unique(self.person, return_inverse=True)
        values = np.full((len(self), len(people)), np.nan)
        values[self.row, columns] = self.points[:, :, 2].mean(axis=1)
        return pd.DataFrame(
            values,
            index=pd.Index(self.time_seconds, name="time_seconds"),
            columns=pd.Index(people, name="person"),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw :meth:`confidence`, a line a person.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.curves import draw_people

        table = self.confidence()
        return draw_people(
            ax,
            self.time_seconds,
            dict(zip(np.unique(self.person).tolist(), table.to_numpy().T, strict=True)),
            title=f"{self.title} on {self.video}",
            ylabel="mean confidence",
        )

    def mapped(self, skeleton: Skeleton | str) -> Poses:
        """Return these poses as another skeleton; see :meth:`Skeleton.mapped`."""
        to = skeleton_named(skeleton) if isinstance(skeleton, str) else skeleton
        return self.replaced(skeleton=to, points=self.skeleton.mapped(self.points, to))

    def replaced(self, **changes: Any) -> Poses:
        """Return these poses with some arguments of the constructor replaced."""
        names = (
            "video", "model", "backend", "title", "skeleton", "width_px", "height_px",
            "frame_index", "time_seconds", "row", "person", "points", "latency_seconds", "made_by",
            "stopped",
        )  # fmt: skip
        return Poses(**({name: getattr(self, name) for name in names} | changes))

    def __len__(self) -> int:
        """Return the number of frames that were looked at."""
        return len(self.frame_index)

    def __repr__(self) -> str:
        state = "" if self.complete else f", stopped: {self.stopped}"
        people = f"{self.num_people} {'person' if self.num_people == 1 else 'people'}"
        of = f" ({said})" if (said := self.made_by.get("people")) else ""
        return printable(
            f"<Poses of {self.title} on {self.video}: {len(self)} frames, {people}{of}{state}>"
        )

    # ------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one Parquet file, or the tidy table to a ``.csv``.

        Raises:
            PredictionsError: The suffix is neither, or the file cannot be written.
        """
        table_files.save(path, table=lambda: self.table, everything=self._as_arrow, what="Poses")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Poses:
        """Read back a Parquet file that :meth:`save` wrote, unchanged.

        Raises:
            PredictionsError: The file is missing, damaged, or not one of vidlab's poses.
        """
        with table_files.loading(path, format_name=_FORMAT, what="poses") as (arrow, header):
            del header["format"]
            skeleton = skeleton_named(header.pop("skeleton"))
            columns = {name: arrow[name].to_numpy() for name in ("x_px", "y_px", "confidence")}
            count = len(skeleton)
            frames = np.asarray(header.pop("frame_index"), dtype=np.int64)
            return cls(
                video=printable(header.pop("video")),
                skeleton=skeleton,
                frame_index=frames,
                row=np.searchsorted(frames, arrow["frame_index"].to_numpy()[::count]),
                person=arrow["person"].to_numpy()[::count],
                points=np.stack(list(columns.values()), axis=-1).reshape(-1, count, 3),
                **header,
            )

    def _as_arrow(self) -> tuple[pa.Table, dict[str, Any]]:
        import pyarrow as pa

        arrow = pa.Table.from_pandas(self.table, preserve_index=False)
        header = {
            "format": _FORMAT,
            "skeleton": self.skeleton.name,
            "frame_index": self.frame_index.tolist(),
            "time_seconds": self.time_seconds.tolist(),
            "latency_seconds": self.latency_seconds.tolist(),
        }
        plain = "model", "backend", "title", "width_px", "height_px", "made_by", "stopped"
        header |= {"video": printable(self.video)} | {name: getattr(self, name) for name in plain}
        return arrow, header


def check_poses(poses: object) -> Poses:
    """Return `poses`, and refuse anything else.

    Raises:
        OptionError: They are predictions of labels, for example; the message says what to do.
    """
    if isinstance(poses, Poses):
        return poses
    raise OptionError(
        "Poses are needed, as vidlab.predict(video, model) gives with a model of keypoints such as "
        f"vidlab.load_model('movenet-lightning'); got {poses!r:.200}."
    )


def from_keypoints(
    keypoints: NDArray[np.floating],
    *,
    frame_rate: float,
    width_px: int,
    height_px: int,
    skeleton: Skeleton = COCO_17,
    video: str = "",
    title: str = "keypoints",
) -> Poses:
    """Return the poses of one person whose keypoints are known on every frame.

    Args:
        keypoints: ``[T, K, 3]``: x px, y px, and confidence or COCO's visibility; 0 is not there,
            1 and above is sure.
        frame_rate: Frames a second.
        width_px: Width of the frames.
        height_px: Height of the frames.
        skeleton: The K keypoints.
        video: Name of the video.
        title: Name that tells these poses from a model's.

    Raises:
        PredictionsError: The array is of another shape, or `frame_rate` is not positive.
    """
    points = np.array(keypoints, dtype=np.float32)
    if points.ndim != 3 or points.shape[1:] != (len(skeleton), 3) or not frame_rate > 0:
        raise PredictionsError(
            f"Keypoints [T, {len(skeleton)}, 3] of {skeleton.name} at a frame rate above 0 make "
            f"poses; got {list(points.shape)} at {frame_rate}."
        )
    points[..., 2] = np.clip(points[..., 2], 0.0, 1.0)
    points[points[..., 2] == 0, :2] = np.nan
    frames = np.arange(len(points))
    return Poses(
        video=video,
        model="keypoints",
        backend="",
        title=title,
        skeleton=skeleton,
        width_px=width_px,
        height_px=height_px,
        frame_index=frames,
        time_seconds=frames / frame_rate,
        row=frames,
        person=np.zeros_like(frames),
        points=points,
    )
