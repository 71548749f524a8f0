"""One colour a label, the same in every widget, chart and report of a session.

The first labels get the Okabe-Ito colours, which people with any colour vision tell apart
(Okabe and Ito, 2008, "Color Universal Design"); later ones get evenly light hues, a golden angle
apart in OKLCH. A letter goes with each colour, so that colour never speaks alone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable

#: Okabe and Ito's colours, in the order in which they are handed out; black is left to text.
OKABE_ITO = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442",
)  # fmt: skip

#: The same colours for people and their skeletons, those first that are seen on most pictures.
PERSON_COLORS = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2",
)  # fmt: skip

#: From little to much, told apart by any eye: the upper part of viridis (van der Walt and Smith).
SHARE_COLORS = ("#3B528B", "#21918C", "#5EC962", "#FDE725")

_GOLDEN_ANGLE_DEGREES = 137.50776


class Palette:
    """Hands out colours in order of first appearance and never takes one back."""

    def __init__(self) -> None:
        self._ranks: dict[str, int] = {}
        self._lock = threading.Lock()

    def color_of(self, label: str) -> str:
        """Return the label's colour as ``#RRGGBB``."""
        return color(self._rank(label))

    def letter_of(self, label: str) -> str:
        """Return the label's letter: A to Z, then A2, B2 and so on."""
        rank = self._rank(label)
        letter = chr(ord("A") + rank % 26)
        return letter if rank < 26 else f"{letter}{rank // 26 + 1}"

    def assign(self, labels: Iterable[str]) -> dict[str, str]:
        """Return the colours of several labels, new ones in the given order."""
        return {label: self.color_of(label) for label in labels}

    def _rank(self, label: str) -> int:
        with self._lock:
            return self._ranks.setdefault(label, len(self._ranks))


#: The palette that all of a session's displays share.
PALETTE = Palette()


def person_color(number: int) -> str:
    """Return the colour of a person, or of a model's skeletons, by number."""
    return PERSON_COLORS[max(number, 0) % len(PERSON_COLORS)]


def share_color(share: float) -> str:
    """Return the colour of a share from 0 to 1; NaN counts as 1."""
    place = (1.0 if math.isnan(share) else min(max(share, 0.0), 1.0)) * (len(SHARE_COLORS) - 1)
    below = min(int(place), len(SHARE_COLORS) - 2)
    low, high = (_rgb(SHARE_COLORS[each]) for each in (below, below + 1))
    mixed = (round(a + (place - below) * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{value:02X}" for value in mixed)


def _rgb(shade: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(shade.removeprefix("#"))
    return red, green, blue


def color(rank: int) -> str:
    """Return the colour of the label that came as number `rank`, 0-based."""
    if rank < len(OKABE_ITO):
        return OKABE_ITO[rank]
    extra = rank - len(OKABE_ITO)
    hue = math.radians((40.0 + extra * _GOLDEN_ANGLE_DEGREES) % 360.0)
    lightness = (0.68, 0.56, 0.78)[extra % 3]
    return _oklch_to_hex(lightness, 0.11, hue)


def ink_on(background: str) -> str:
    """Return black or white, whichever is easier to read on a colour (WCAG 2.2: at least 4.5)."""
    red, green, blue = (_linear(int(background[at : at + 2], 16) / 255) for at in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Contrast with black is (L + .05) / .05, with white 1.05 / (L + .05).
    return "#000000" if (luminance + 0.05) ** 2 >= 0.05 * 1.05 else "#ffffff"


def _linear(encoded: float) -> float:
    return encoded / 12.92 if encoded <= 0.04045 else float(((encoded + 0.055) / 1.055) ** 2.4)


def _oklch_to_hex(lightness: float, chroma: float, hue: float) -> str:
    # Ottosson, "A perceptual color space for image processing" (2020).
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{_srgb_byte(value):02X}" for value in linear)


def _srgb_byte(linear: float) -> int:
    value = min(max(linear, 0.0), 1.0)
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)
