"""Frames with their overlays burned in, as a picture or a video file."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError
from vidlab.core.files import as_path, atomic_write, check_writable
from vidlab.video.writer import GifWriter, VideoWriter
from vidlab.widgets.annotations import overlay_names
from vidlab.widgets.drawing import Overlays, as_rgb

if TYPE_CHECKING:
    from vidlab.widgets.player import Player

_SUFFIXES = (".mp4", ".gif")
_MAX_WIDTH_PX = 16_384


def snapshot(
    player: Player,
    frame_index: int | None,
    *,
    width_px: int | None,
    overlay: bool | str | Sequence[str] | None,
) -> Image.Image:
    """Return a frame with overlays; see `Player.snapshot`."""
    frame = player.video.frame_at(player.frame_index if frame_index is None else frame_index)
    size = _size(player, width_px)
    names = _names(player, overlay)
    return _overlays(player).draw(_scaled(frame.rgb, size), frame.index, names)


def export(
    player: Player,
    path: str | os.PathLike[str],
    *,
    start: int | None,
    stop: int | None,
    overlay: bool | str | Sequence[str] | None,
    width_px: int | None,
    progress: bool,
) -> Path:
    """Write frames with overlays; see `Player.export`."""
    target = as_path(path)
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise OptionError(
            f"export writes .mp4 (H.264 with sound) or .gif; got {target.name!r}. "
            "Name the file so, for example 'out.mp4'."
        )
    size, names = _size(player, width_px), _names(player, overlay)
    first, last = _range(player, start, stop)
    check_writable(target)
    try:
        with atomic_write(target) as stream:
            writer = _writer(player, stream, suffix, first=first, last=last, size=size)
            with writer:
                _write_frames(player, writer, first, last, size, names, progress)
    except OSError as error:
        if isinstance(error, ValueError):
            raise  # a VideoError, which says what it is about
        raise OptionError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


def _writer(
    player: Player, stream: Any, suffix: str, *, first: int, last: int, size: tuple[int, int]
) -> VideoWriter | GifWriter:
    video = player.video
    times = video.pts_seconds[first:last]
    end = float(video.pts_seconds[last]) if last < video.num_frames else video.end_seconds
    if suffix == ".gif":
        return GifWriter(stream, times=times, end_seconds=end, width=size[0], height=size[1])
    return VideoWriter(
        stream, times=times, end_seconds=end, width=size[0], height=size[1],
        sample_rate=video.audio_sample_rate if video.has_audio else None,
        num_channels=video.num_audio_channels,
    )  # fmt: skip


def _write_frames(
    player: Player, writer: VideoWriter | GifWriter, first: int, last: int,
    size: tuple[int, int], names: Sequence[str], progress: bool,
) -> None:  # fmt: skip
    overlays = _overlays(player)
    walk = player.video.walk(start=first, stop=last)
    with (
        closing(walk),
        progress_bar(total=last - first, desc="export", unit="frame", disable=not progress) as bar,
    ):
        for frame, samples in walk:
            picture = overlays.draw(_scaled(frame.rgb, size), frame.index, names)
            writer.add(as_rgb(picture), samples)
            bar.update(1)


def _overlays(player: Player) -> Overlays:
    return Overlays(
        player.predictions, top_k=player._top_k, boxes=player._boxes, bodies=player._bodies,
        heat=player._heat_shown, heat_opacity=player.heatmap_opacity,
        keypoint_color=player.keypoint_color,
        size=(player.video.width, player.video.height), threshold=player.threshold,
        language=player._language,
    )  # fmt: skip


def _names(player: Player, overlay: bool | str | Sequence[str] | None) -> list[str]:
    """Return the overlays to draw, checked as the trait is."""
    if overlay is None:
        return list(player.overlay)
    names = overlay_names(overlay)
    player._check_overlay(names)
    return names


def _size(player: Player, width_px: int | None) -> tuple[int, int]:
    video = player.video
    if width_px is None:
        return video.width, video.height
    if (
        isinstance(width_px, bool)
        or not isinstance(width_px, int | np.integer)
        or not 16 <= width_px <= _MAX_WIDTH_PX
    ):
        raise OptionError(
            f"width_px must be a whole number from 16 to {_MAX_WIDTH_PX}; got {width_px!r}."
        )
    return int(width_px), max(1, round(video.height * int(width_px) / video.width))


def _scaled(rgb: Any, size: tuple[int, int]) -> Image.Image:
    picture = Image.fromarray(rgb)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _range(player: Player, start: int | None, stop: int | None) -> tuple[int, int]:
    selected = player.selection if start is None and stop is None else None
    count = player.video.num_frames
    first, last = selected or (0 if start is None else start, count if stop is None else stop)
    try:
        first, last = operator.index(first), operator.index(last)
    except TypeError:
        raise OptionError(
            f"start and stop are whole numbers of frames; got start={start!r}, stop={stop!r}. "
            "The frame at a time is video.index_at_time(seconds)."
        ) from None
    if not 0 <= first < last <= count:
        raise OptionError(
            f"export needs 0 <= start < stop <= {count} in {player.video.name}; got "
            f"start={first}, stop={last}."
        )
    return first, last
