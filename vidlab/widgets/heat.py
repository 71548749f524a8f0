"""Heat maps, checked and ready to be drawn: where each lies on the frame, and in which colours."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.attribution.geometry import axes_of
from vidlab.attribution.heatmap import Heatmap
from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.palette import SHARE_COLORS
from vidlab.widgets.tables import Rows, usual_step

#: From much against over nothing to much for, where values can be negative: sky blue, dark grey,
#: amber, which any eye tells apart. As in `SHARE_COLORS`, what is bright says much. Straight lines
#: in OKLCH (Ottosson 2020) from lightness 0.30 to 0.80 with chroma 0.12, at hues 240 and 70.
SIGNED_COLORS = ("#6FC8FF", "#5B91B6", "#455D6E", "#2E2E2E", "#695641", "#A98253", "#EFB062")

_NUM_STEPS = 256

# All maps of a call have one preprocessing, whose way is found by running it.
_axes_of = functools.lru_cache(maxsize=8)(axes_of)

# A map of the whole video is shown on each of its frames.
_FOR_EVER = 2**31 - 1


@dataclass(frozen=True)
class HeatLayer(Rows):
    """Heat maps of one video that are drawn to one scale, by frame.

    Attributes:
        name: What they were given as; empty where they have no name.
        maps: One a row.
        limit: The value with the last colour; above 0.
        is_signed: Whether a value is negative; the first colour is that of ``-limit`` then, and
            of 0 otherwise.
    """

    name: str
    maps: tuple[Heatmap, ...]
    limit: float
    is_signed: bool

    @property
    def colors(self) -> tuple[str, ...]:
        """Colours from the least value to the greatest, evenly far apart."""
        return SIGNED_COLORS if self.is_signed else SHARE_COLORS

    @property
    def least(self) -> float:
        """The value with the first colour."""
        return -self.limit if self.is_signed else 0.0

    def steps(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return values as steps from the first colour, 0, to the last one, 255."""
        shares = np.clip((values - self.least) / (self.limit - self.least), 0.0, 1.0)
        steps: NDArray[np.uint8] = np.rint(shares * (_NUM_STEPS - 1)).astype(np.uint8)
        return steps

    def map_at(self, frame_index: int) -> Heatmap | None:
        """Return the map that is shown with a frame."""
        rows = self.rows_at(frame_index)
        return self.maps[rows[0]] if rows else None

    def picture_of(self, heatmap: Heatmap, size: tuple[int, int], opacity: float) -> Image.Image:
        """Return one of the maps in its colours, to be laid over the whole frame.

        Args:
            heatmap: Which.
            size: Width and height of the picture, px.
            opacity: How much it covers, 0 to 1; what the model did not see is not covered.

        Returns:
            RGBA.
        """
        width, height = size
        values = heatmap.on_frame(height, width)
        seen = np.isfinite(values)
        rgba = np.zeros((height, width, 4), dtype=np.uint8)
        rgba[seen, :3] = ramp(self.colors)[self.steps(values[seen])]
        rgba[seen, 3] = round(255 * opacity)
        return Image.fromarray(rgba)


def ramp(colors: Sequence[str]) -> NDArray[np.uint8]:
    """Return the colour of each step, uint8 ``[256, 3]``."""
    stops = np.array([list(bytes.fromhex(each[1:])) for each in colors])
    places = np.linspace(0, len(colors) - 1, _NUM_STEPS)
    channels = [np.interp(places, np.arange(len(colors)), channel) for channel in stops.T]
    rgb: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return rgb


def upright(heatmap: Heatmap) -> tuple[NDArray[np.float32], tuple[float, float, float, float]]:
    """Return a map the way round that the frame is displayed, and where it lies on that.

    Returns:
        Values float32 ``[h, w]``, and left, top, width and height in px of the displayed frame;
        padding of the model's input lies outside of the frame.
    """
    preprocessing, values = heatmap.preprocessing, heatmap.values
    ways = _axes_of(preprocessing, *heatmap.frame_size_px)
    edges = []
    for axis, (way, side) in enumerate(zip(ways, preprocessing.size_px, strict=True)):
        first, last = -way.shift / way.scale, (side - way.shift) / way.scale
        if way.scale < 0:
            first, last, values = last, first, np.flip(values, axis)
        edges.append((first, last - first))
    (top, height), (left, width) = edges
    return values, (left, top, width, height)


def read_heatmaps(given: Any, *, height_px: int, width_px: int) -> tuple[HeatLayer, ...]:
    """Understand heat maps; None is none.

    Args:
        given: A `Heatmap`, a list of them, or either of these by name.
        height_px: Height of the video's frames as displayed.
        width_px: Width of them.

    Raises:
        OptionError: It is something else, the frames have another size, or of one name several
            maps are of the same frame.
    """
    if given is None:
        return ()
    named = given if isinstance(given, Mapping) else {"": given}
    if not named:
        raise OptionError("heatmaps= holds none: give some, or leave it out.")
    return tuple(_layer(str(name), each, (height_px, width_px)) for name, each in named.items())


def _layer(name: str, given: Any, size_px: tuple[int, int]) -> HeatLayer:
    maps = [given] if isinstance(given, Heatmap) else given
    is_list = isinstance(maps, list | tuple)
    if not is_list or not maps or not all(isinstance(each, Heatmap) for each in maps):
        raise OptionError(
            "heatmaps must be what vidlab.attribution.grad_cam or spatial_occlusion returned, a "
            f"list of that, or these by name; got {given!r:.80}."
        )
    for each in maps:
        if each.frame_size_px != size_px:
            raise OptionError(
                f"The heat maps are of frames of {each.frame_size_px[1]}x{each.frame_size_px[0]} "
                f"px, the video has {size_px[1]}x{size_px[0]} px. Give maps of this video."
            )
    maps = sorted(maps, key=lambda each: each.frame_index or 0)
    frames = np.array([each.frame_index or 0 for each in maps], dtype=np.int64)
    is_whole = any(each.frame_index is None for each in maps)
    if len(maps) > (1 if is_whole else len(np.unique(frames))):
        raise OptionError(
            "Of several heat maps each is of another frame. Those of several labels or models, or "
            "of the whole video, go by name: heatmaps={'squat': maps, 'lunge': other_maps}."
        )
    least = min(float(each.values.min()) for each in maps)
    limit = max(-least, *(each.top for each in maps))
    return HeatLayer(
        frame_index=frames,
        hold=_FOR_EVER if is_whole else usual_step(frames),
        name=name,
        maps=tuple(maps),
        limit=limit if limit > 0 else 1.0,
        is_signed=least < 0,
    )


def named_layer(layers: Sequence[HeatLayer], name: str) -> HeatLayer:
    """Return the heat maps of a name.

    Raises:
        OptionError: There are none.
    """
    for layer in layers:
        if layer.name == name:
            return layer
    names = [each.name for each in layers]
    raise OptionError(
        f"There are no heat maps {name!r}; there are {', '.join(map(repr, names)) or 'none'}."
        f"{did_you_mean(name, names)}"
    )
