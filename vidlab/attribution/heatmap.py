"""Heat maps: how much each place of a picture has to do with an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.attribution.answers import Seen
from vidlab.attribution.geometry import axes_of, values_at
from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError
from vidlab.core.label_names import translated
from vidlab.core.palette import SHARE_COLORS
from vidlab.models.base import Model
from vidlab.transforms import Preprocessing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = np.array([list(bytes.fromhex(each[1:])) for each in SHARE_COLORS], dtype=np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Heatmap:
    """How much each place has to do with an answer, in px of the frame as it is displayed.

    Attributes:
        grid: float32 ``[rows, cols]``, what was measured: one value for each place of a patch, or
            of a feature map.
        values: float32 ``[h, w]``, the same spread evenly over the model's input, in as many
            steps as it takes.
        what: What the values are, for people.
        label: Which label it is about.
        probability: What the model gave it with nothing hidden.
        top: The value that gets the brightest colour, the same for all maps of one call.
        frame_index: Which frame it is about; None for the whole video.
        time_seconds: Its timestamp; None for the whole video.
        picture: That frame as displayed, reduced; of the whole video the one in the middle.
        frame_size_px: Height and width of a frame as displayed.
        preprocessing: What made the model's input of it.
    """

    grid: NDArray[np.float32]
    values: NDArray[np.float32]
    what: str
    label: str
    probability: float
    top: float
    frame_index: int | None
    time_seconds: float | None
    picture: NDArray[np.uint8]
    frame_size_px: tuple[int, int]
    preprocessing: Preprocessing

    def on_frame(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the map in px of the frame as it is displayed.

        Args:
            height: Of the picture that it is to lie on, px; the whole frame, in any size.
            width: Likewise.

        Returns:
            float32 ``[height, width]``; NaN where the model's preprocessing cut the frame off.
        """
        if height < 1 or width < 1:
            raise OptionError(f"height and width must be at least 1 px; got {height}x{width}.")
        ways = axes_of(self.preprocessing, *self.frame_size_px)
        places, seen = [], []
        for way, shown, real, inside, steps in zip(
            ways, (height, width), self.frame_size_px, self.preprocessing.size_px,
            self.values.shape, strict=True,
        ):  # fmt: skip
            place = way(np.linspace(0.5, shown - 0.5, shown) * (real / shown))
            seen.append((place >= 0) & (place < inside))
            places.append(place[seen[-1]] * (steps / inside))
        out = np.full((height, width), np.nan, dtype=np.float32)
        out[np.ix_(*seen)] = values_at(self.values, *places)
        return out

    def overlay(self, rgb: NDArray[np.uint8], alpha: float = 0.5) -> NDArray[np.uint8]:
        """Return a picture with the map over it.

        From blue over green to yellow, which any eye tells apart; values below 0 are as 0. What
        the model did not see stays as it is.

        Args:
            rgb: The whole frame as displayed, in any size, uint8 ``[H, W, 3]``.
            alpha: How much the map covers, 0 to 1.

        Returns:
            uint8 ``[H, W, 3]``.

        Raises:
            OptionError: `rgb` is no such picture, or `alpha` is out of range.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise OptionError(
                f"A frame must be a uint8 array [H, W, 3]; got {rgb.dtype} {list(rgb.shape)}."
            )
        if not 0 <= alpha <= 1:
            raise OptionError(f"alpha must be from 0 to 1; got {alpha!r}.")
        heat = self.on_frame(*rgb.shape[:2])
        seen = np.isfinite(heat)
        shares = np.clip(heat[seen] / self.top, 0.0, 1.0) if self.top > 0 else 0 * heat[seen]
        stops = np.linspace(0.0, 1.0, len(_COLORS))
        colours = np.stack([np.interp(shares, stops, channel) for channel in _COLORS.T], axis=-1)
        out = rgb.copy()
        out[seen] = np.rint((1 - alpha) * rgb[seen] + alpha * colours).astype(np.uint8)
        return out

    def plot(self, ax: Axes | None = None, *, labels: str | None = None) -> Axes:
        """Draw the map over the frame, with a scale beside it.

        Args:
            ax: Where to draw; None makes a figure.
            labels: Language to write the label in, such as ``"ko"``; None leaves it as it is.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: There are no names in that language.
            MissingDependencyError: matplotlib is not installed.
        """
        name = translated(self.label, labels)
        ax = plots.axes_for(ax, height_inches=4.0)
        colors = require("matplotlib.colors", why="plot()")
        mappable = require("matplotlib.cm", why="plot()").ScalarMappable(
            norm=colors.Normalize(0.0, self.top if self.top > 0 else 1.0),
            cmap=colors.LinearSegmentedColormap.from_list("share", SHARE_COLORS),
        )
        height, width = self.frame_size_px
        ax.imshow(self.overlay(self.picture), extent=(0, width, height, 0))
        ax.set_xlabel("px")
        ax.set_ylabel("px")
        at = "whole video" if self.time_seconds is None else f"{self.time_seconds:.2f} s"
        plots.add_title(ax, f"{at}, {self.probability:.2f} for {name}")
        ax.figure.colorbar(mappable, ax=ax, label=self.what)
        plots.find_fonts(ax)
        return ax

    def __repr__(self) -> str:
        rows, columns = self.grid.shape
        of = "the whole video" if self.frame_index is None else f"frame {self.frame_index}"
        return (
            f"<Heatmap of {self.label!r} ({self.probability:.3f}) on {of}: {self.what}, "
            f"{rows}x{columns}, up to {self.grid.max():.3g}>"
        )


def heatmap_of(
    model: Model,
    seen: Seen,
    place: int | None,
    *,
    grid: NDArray[np.float32],
    values: NDArray[np.float32],
    what: str,
    label: str,
    probability: float,
    top: float,
) -> Heatmap:
    """Return a map of one of the frames that a model saw, by its place among them, or of all."""
    return Heatmap(
        grid=grid,
        values=values,
        what=what,
        label=label,
        probability=probability,
        top=top,
        frame_index=None if place is None else int(seen.frame_index[place]),
        time_seconds=None if place is None else float(seen.time_seconds[place]),
        picture=seen.pictures[len(seen.pictures) // 2 if place is None else place],
        frame_size_px=seen.size_px,
        preprocessing=model.preprocessing,
    )
