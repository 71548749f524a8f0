"""How right keypoints are: average precision as COCO measures it, PCK and PCKh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import DatasetError, OptionError
from vidlab.core.skeletons import COCO_17, Skeleton

if TYPE_CHECKING:
    import pandas as pd

# Lin et al., COCO: similarities from 0.50 to 0.95, recalls in hundredths, sizes in px², and how
# many people of a picture count.
_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_SIZES = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_MOST_PEOPLE = 20
_TINY = np.spacing(1)

Coco = Mapping[str, Any]


@dataclass(frozen=True)
class KeypointScores:
    """Average precision and recall over object keypoint similarities, from 0 to 1.

    -1 stands for what nobody was there to measure by.

    Attributes:
        ap: Mean over similarities from 0.50 to 0.95, in steps of 0.05.
        ap50: At 0.50.
        ap75: At 0.75.
        ap_medium: Of people of 32² to 96² px.
        ap_large: Of larger ones.
        ar: Mean recall over the similarities.
        ar50: Recall at 0.50.
        ar75: Recall at 0.75.
        ar_medium: Recall of medium people.
        ar_large: Recall of large people.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float


def average_precision(
    truth: Coco, found: Sequence[Mapping[str, Any]], *, skeleton: Skeleton = COCO_17
) -> KeypointScores:
    """Score people that were found against those that are there, as COCO's evaluation does.

    Args:
        truth: COCO's keypoint annotations: ``images`` and ``annotations``, the latter with
            ``image_id, keypoints, area, bbox, num_keypoints`` and, if set, ``iscrowd``.
        found: COCO's keypoint results: ``image_id, keypoints, score`` each.
        skeleton: Which has sigmas; its keypoints are those of both.

    Raises:
        OptionError: Nobody measured sigmas for the skeleton.
        DatasetError: Something lacks a field, or has another number of keypoints, or is of an image
            that `truth` does not have.
    """
    if not skeleton.sigmas:
        raise OptionError(
            f"{skeleton.name} has no sigmas, which its similarity needs; map the poses to coco-17."
        )
    images = [_field(image, "id", "An image of the truth") for image in truth.get("images", ())]
    there = _by_image(truth.get("annotations", ()), images, "The truth")
    here = _by_image(found, images, "What was found")
    variances = (2.0 * np.array(skeleton.sigmas)) ** 2
    pictures = [
        _Picture([_Truth.of(each, skeleton) for each in there[image]],
                 [_Found.of(each, skeleton) for each in here[image]], variances)
        for image in images
    ]  # fmt: skip
    precision, recall = {}, {}
    for size, limits in _SIZES.items():
        precision[size], recall[size] = _accumulated([each.matched(limits) for each in pictures])
    by_threshold = {round(float(t), 2): number for number, t in enumerate(_THRESHOLDS)}
    half, three_quarters = by_threshold[0.5], by_threshold[0.75]
    return KeypointScores(
        ap=_mean(precision["all"]),
        ap50=_mean(precision["all"][half]),
        ap75=_mean(precision["all"][three_quarters]),
        ap_medium=_mean(precision["medium"]),
        ap_large=_mean(precision["large"]),
        ar=_mean(recall["all"]),
        ar50=_mean(recall["all"][half]),
        ar75=_mean(recall["all"][three_quarters]),
        ar_medium=_mean(recall["medium"]),
        ar_large=_mean(recall["large"]),
    )


@dataclass(frozen=True)
class _Truth:
    points: NDArray[np.float64]  # [K, 3]: x, y, visibility
    area: float
    box: tuple[float, float, float, float]
    is_crowd: bool

    @classmethod
    def of(cls, annotation: Mapping[str, Any], skeleton: Skeleton) -> _Truth:
        what = "An annotation"
        left, top, width, height = _field(annotation, "bbox", what)
        return cls(
            points=_points(annotation, skeleton, what),
            area=float(_field(annotation, "area", what)),
            box=(float(left), float(top), float(width), float(height)),
            is_crowd=bool(annotation.get("iscrowd", 0)),
        )

    @property
    def is_ignored(self) -> bool:
        """Whether finding it, or not, says nothing: a crowd, or nobody whose joints are known."""
        return self.is_crowd or not (self.points[:, 2] > 0).any()


@dataclass(frozen=True)
class _Found:
    points: NDArray[np.float64]
    score: float

    @classmethod
    def of(cls, result: Mapping[str, Any], skeleton: Skeleton) -> _Found:
        what = "A result"
        return cls(_points(result, skeleton, what), float(_field(result, "score", what)))

    @property
    def area(self) -> float:
        """Of the box around its keypoints."""
        width, height = np.ptp(self.points[:, :2], axis=0)
        return float(width * height)


@dataclass(frozen=True)
class _Matches:
    """Of one picture: for each similarity and person found, best first, what came of it."""

    scores: NDArray[np.float64]  # [D]
    is_matched: NDArray[np.bool_]  # [T, D]
    is_ignored: NDArray[np.bool_]  # [T, D]
    num_there: int


class _Picture:
    def __init__(
        self, there: list[_Truth], found: list[_Found], variances: NDArray[np.float64]
    ) -> None:
        order = np.argsort([-each.score for each in found], kind="stable")[:_MOST_PEOPLE]
        self._there = there
        self._found = [found[place] for place in order]
        self._alike = np.array(
            [[_similarity(each, truth, variances) for truth in there] for each in self._found]
        ).reshape(len(self._found), len(there))

    def matched(self, limits: tuple[float, float]) -> _Matches:
        """Pair people found with those that are there, the surest first."""
        least, most = limits
        ignored = np.array(
            [each.is_ignored or not least <= each.area <= most for each in self._there], dtype=bool
        )
        order = np.argsort(ignored, kind="stable")
        shape = (len(_THRESHOLDS), len(self._found))
        is_matched, is_ignored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for row, threshold in enumerate(_THRESHOLDS):
            taken = np.zeros(len(self._there), dtype=bool)
            for column in range(len(self._found)):
                best, match = min(float(threshold), 1 - 1e-10), -1
                for place in order:
                    if taken[place] and not self._there[place].is_crowd:
                        continue
                    if match >= 0 and not ignored[match] and ignored[place]:
                        break  # somebody who counts was found: those who do not come after
                    if self._alike[column, place] < best:
                        continue
                    best, match = float(self._alike[column, place]), int(place)
                if match >= 0:
                    taken[match] = True
                    is_matched[row, column] = True
                    is_ignored[row, column] = ignored[match]
        outside = np.array([not least <= each.area <= most for each in self._found], dtype=bool)
        is_ignored |= ~is_matched & outside
        return _Matches(
            scores=np.array([each.score for each in self._found]),
            is_matched=is_matched,
            is_ignored=is_ignored,
            num_there=int((~ignored).sum()),
        )


def _similarity(found: _Found, truth: _Truth, variances: NDArray[np.float64]) -> float:
    is_known = truth.points[:, 2] > 0
    if is_known.any():
        away = found.points[is_known, :2] - truth.points[is_known, :2]
        variances = variances[is_known]
    else:  # far from a box of nobody known is somebody else
        left, top, width, height = truth.box
        x, y = found.points[:, 0], found.points[:, 1]
        away = np.stack(
            [
                np.maximum(0, left - width - x) + np.maximum(0, x - (left + 2 * width)),
                np.maximum(0, top - height - y) + np.maximum(0, y - (top + 2 * height)),
            ],
            axis=-1,
        )
    error = (away**2).sum(axis=-1) / variances / (truth.area + _TINY) / 2.0
    return float(np.exp(-error).mean())


def _accumulated(
    pictures: Sequence[_Matches],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision ``[T, 101]`` and recall ``[T]``, -1 where nobody is there."""
    precision = np.full((len(_THRESHOLDS), len(_RECALLS)), -1.0)
    recall = np.full(len(_THRESHOLDS), -1.0)
    num_there = sum(each.num_there for each in pictures)
    if not num_there:
        return precision, recall
    order = np.argsort(-np.concatenate([each.scores for each in pictures]), kind="stable")
    is_matched = np.concatenate([each.is_matched for each in pictures], axis=1)[:, order]
    counts = ~np.concatenate([each.is_ignored for each in pictures], axis=1)[:, order]
    right = np.cumsum(is_matched & counts, axis=1, dtype=np.float64)
    wrong = np.cumsum(~is_matched & counts, axis=1, dtype=np.float64)
    for row in range(len(_THRESHOLDS)):
        recalls = right[row] / num_there
        precisions = right[row] / (right[row] + wrong[row] + _TINY)
        precisions = np.maximum.accumulate(precisions[::-1])[::-1]
        places = np.searchsorted(recalls, _RECALLS, side="left")
        reached = places < len(precisions)
        precision[row] = 0.0
        precision[row, reached] = precisions[places[reached]]
        recall[row] = recalls[-1] if len(recalls) else 0.0
    return precision, recall


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def _by_image(
    items: Sequence[Mapping[str, Any]], images: Sequence[Any], what: str
) -> dict[Any, list[Mapping[str, Any]]]:
    grouped: dict[Any, list[Mapping[str, Any]]] = {image: [] for image in images}
    for item in items:
        image = _field(item, "image_id", what)
        if image not in grouped:
            raise DatasetError(f"{what} has image_id {image!r}, which is no image of the truth.")
        grouped[image].append(item)
    return grouped


def _points(item: Mapping[str, Any], skeleton: Skeleton, what: str) -> NDArray[np.float64]:
    values = np.asarray(_field(item, "keypoints", what), dtype=np.float64)
    if values.shape != (3 * len(skeleton),):
        raise DatasetError(
            f"{what} has {values.size} numbers of keypoints; {skeleton.name} has "
            f"{3 * len(skeleton)}: x, y and visibility of each."
        )
    return values.reshape(-1, 3)


def _field(item: Mapping[str, Any], name: str, what: str) -> Any:
    try:
        return item[name]
    except KeyError:
        raise DatasetError(f"{what} lacks {name!r}.") from None


# ---------------------------------------------------------------- PCK


def correct_keypoints(
    found: NDArray[np.floating],
    truth: NDArray[np.floating],
    *,
    skeleton: Skeleton,
    reference_px: NDArray[np.floating] | None = None,
    share: float = 0.2,
) -> pd.Series[float]:
    """Return the share of keypoints that are near enough to where they are: PCK, and PCKh.

    PCK (Yang & Ramanan 2013) asks for 0.2 of the torso, from the left shoulder to the right hip;
    PCKh (Andriluka et al. 2014) for 0.5 of the head, whose size is to be given as `reference_px`.

    Args:
        found: ``[N, K, 2 or 3]``: x and y in px of each person; NaN counts as wrong.
        truth: ``[N, K, 3]``: x, y, visibility of the same people; 0 is left out.
        skeleton: The keypoints of both.
        reference_px: ``[N]``, each person's size; None measures the torso.
        share: Of it, within which a keypoint is right.

    Returns:
        One value a keypoint, then ``"all"``: their mean over all that are visible. NaN where none
        is.

    Raises:
        OptionError: The arrays do not fit, or `share` is not positive.
    """
    import pandas as pd

    found, truth = np.asarray(found, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if found.shape[:2] != truth.shape[:2] or truth.shape[1:] != (len(skeleton), 3):
        raise OptionError(
            f"found [N, {len(skeleton)}, 2 or 3] and truth [N, {len(skeleton)}, 3] are of the same "
            f"people; got {list(found.shape)} and {list(truth.shape)}."
        )
    if share <= 0:
        raise OptionError(f"share must be positive; got {share}.")
    is_known = truth[..., 2] > 0
    if reference_px is None:
        shoulder, hip = skeleton.index("left_shoulder"), skeleton.index("right_hip")
        reference_px = np.linalg.norm(truth[:, shoulder, :2] - truth[:, hip, :2], axis=-1)
        is_known &= (is_known[:, shoulder] & is_known[:, hip])[:, None]  # else no size is known
    away = np.linalg.norm(found[..., :2] - truth[..., :2], axis=-1)
    with np.errstate(invalid="ignore"):
        is_right = away <= share * np.asarray(reference_px, dtype=np.float64)[:, None]
    counts = is_known.sum(axis=0)
    shares = np.where(counts > 0, (is_right & is_known).sum(axis=0) / np.maximum(counts, 1), np.nan)
    every = (is_right & is_known).sum() / counts.sum() if counts.sum() else np.nan
    return pd.Series([*shares, every], index=[*skeleton.keypoints, "all"], name=f"PCK@{share:g}")
