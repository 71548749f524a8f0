"""People's keypoints, checked and ready to be drawn: one layer a model, and how far they part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.skeletons import limbs_among
from vidlab.pose.distances import same_people
from vidlab.pose.poses import Poses
from vidlab.widgets.tables import (
    Rows,
    codes,
    confidence,
    numbers,
    persons,
    sorted_table,
    usual_step,
)

_COLUMNS = ("frame_index", "person", "keypoint", "x_px", "y_px")
_EXTRAS = ("confidence",)

# How far apart a point of which a model was less sure is says nothing.
_SURE = 0.2

COLORED_BY = ("person", "confidence", "model")
"""What a skeleton's colour may tell."""


@dataclass(frozen=True)
class Keypoints(Rows):
    """Keypoints of people on frames, by frame, as one model found them.

    Attributes:
        title: Name of the model.
        person: int64 ``[N]``.
        names: Different keypoints.
        keypoint: int64 ``[N]``, number in `names`.
        xy_px: float64 ``[N, 2]``, px of the displayed frame.
        confidence: float64 ``[N]``, NaN where there is none.
        skeleton: Pairs of numbers in `names` that a line joins.
    """

    title: str
    person: NDArray[np.int64]
    names: tuple[str, ...]
    keypoint: NDArray[np.int64]
    xy_px: NDArray[np.float64]
    confidence: NDArray[np.float64]
    skeleton: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Gaps(Rows):
    """How far the first two models' keypoints of the same people are apart.

    Attributes:
        names: Different keypoints, in the first skeleton's order.
        keypoint: int64 ``[N]``, number in `names`.
        from_px: float64 ``[N, 2]``, where the first model has it.
        to_px: float64 ``[N, 2]``, where the second one has it.
    """

    names: tuple[str, ...]
    keypoint: NDArray[np.int64]
    from_px: NDArray[np.float64]
    to_px: NDArray[np.float64]


@dataclass(frozen=True)
class Bodies:
    """All keypoints that a player draws.

    Attributes:
        layers: One a model, drawn over one another.
        gaps: Between the first two, where they are poses; or None.
    """

    layers: tuple[Keypoints, ...]
    gaps: Gaps | None


def read_keypoints(given: Any, skeleton: Any) -> Bodies | None:
    """Understand keypoints; None stays None.

    Args:
        given: A table, the poses that a model found, or several of them, in a list or by name.
        skeleton: Pairs of keypoint names; None takes those that the names are known to have.

    Raises:
        OptionError: It is something else, a column is missing, misspelt or holds something else,
            the skeleton names a keypoint that a table does not, or poses are of several videos.
    """
    if given is None:
        if skeleton is not None:
            raise OptionError("A skeleton joins keypoints, and there are none: give keypoints=.")
        return None
    named = _named(given)
    layers = tuple(_layer(name, each, skeleton) for name, each in named)
    poses = [each for _, each in named[:2] if isinstance(each, Poses)]
    return Bodies(layers, _gaps(*poses) if len(poses) == 2 else None)


def _named(given: Any) -> list[tuple[str, Any]]:
    if isinstance(given, Mapping):
        named = [(str(name), each) for name, each in given.items()]
    else:
        several = list(given) if isinstance(given, list | tuple) else [given]
        named = [(getattr(each, "title", ""), each) for each in several]
    if not named:
        raise OptionError("keypoints= holds none: give poses, a table, or leave it out.")
    return named


def _layer(title: str, given: Any, skeleton: Any) -> Keypoints:
    if isinstance(given, Poses):
        table = given.table[[*_COLUMNS, *_EXTRAS]]
        given = table[table["confidence"] > 0]  # the others have no place
    table = sorted_table(given, "keypoints", _COLUMNS, _EXTRAS)
    keypoint, names = codes(table["keypoint"])
    if (keypoint < 0).any():
        raise OptionError("keypoints: column 'keypoint' has rows without a name.")
    frames = numbers(table, "keypoints", "frame_index").astype(np.int64)
    return Keypoints(
        title=title,
        frame_index=frames,
        person=persons(table["person"]),
        names=names,
        keypoint=keypoint,
        xy_px=np.stack([numbers(table, "keypoints", name) for name in ("x_px", "y_px")], axis=1),
        confidence=confidence(table, "keypoints"),
        skeleton=_skeleton(skeleton, names),
        hold=usual_step(frames),
    )


def _skeleton(given: Any, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    number = {name: index for index, name in enumerate(names)}
    if given is None:
        return tuple((number[a], number[b]) for a, b in limbs_among(names))
    pairs = []
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise OptionError(f"A skeleton is pairs of keypoint names; got {given!r}.")
    for pair in given:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise OptionError(f"A skeleton is pairs of keypoint names; got {pair!r}.")
        for name in pair:
            if name not in number:
                raise OptionError(
                    f"The skeleton names {name!r}, which is no keypoint of the table."
                    f"{did_you_mean(str(name), names)}"
                )
        pairs.append((number[pair[0]], number[pair[1]]))
    return tuple(pairs)


def _gaps(one: Poses, other: Poses) -> Gaps:
    same = same_people(one, other)
    sure = np.minimum(same.points[..., 2], same.other_points[..., 2]) >= _SURE
    person, keypoint = np.nonzero(sure)
    frames = one.frame_index[one.row[same.row[person]]]
    used, number = np.unique(keypoint, return_inverse=True)
    return Gaps(
        frame_index=frames,
        hold=usual_step(frames),
        names=tuple(one.skeleton.keypoints[each] for each in used),
        keypoint=number.astype(np.int64),
        from_px=same.points[person, keypoint, :2].astype(np.float64),
        to_px=same.other_points[person, keypoint, :2].astype(np.float64),
    )
