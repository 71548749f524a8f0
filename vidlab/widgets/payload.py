"""What the page is told about predictions: a little JSON, and arrays as binary buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.label_names import translated
from vidlab.core.palette import PALETTE, ink_on
from vidlab.widgets.heat import HeatLayer, upright

if TYPE_CHECKING:
    from vidlab.comparison import Comparison
    from vidlab.predictions import Predictions
    from vidlab.widgets.annotations import Boxes
    from vidlab.widgets.curves import Curve
    from vidlab.widgets.keypoints import Bodies

NUM_PATTERNS = 6
"""Textures the page knows: plain, "/", "\\", dots, "-", "x"."""

NUM_CURVES = 5
"""Probability curves a single model gets: more cannot be told apart."""


def letter_of(model_index: int) -> str:
    """Return the capital letter that stands for the n-th model on the page."""
    return chr(ord("A") + model_index % 26)


def top_classes(
    predictions: Predictions, top_k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the most probable classes of each sampled frame, as the table would have them.

    Args:
        predictions: With their own options (allow and deny lists, threshold, maximum).
        top_k: How many at most.

    Returns:
        Class ids int64 ``[N, k]`` (-1 where an option leaves no answer) and their
        probabilities float32 ``[N, k]``.
    """
    selection = predictions.selection
    allowed = np.asarray(selection.class_ids(predictions.labels), dtype=np.int64)
    k = min(top_k, selection.max_results or len(allowed), len(allowed))
    left = predictions.probabilities[:, allowed]
    every = np.arange(len(left))
    order = np.empty((len(left), k), dtype=np.int64)
    chosen = np.empty((len(left), k), dtype=np.float32)
    # A few maxima are found sooner than all is sorted; of equal ones, the first in the map.
    for rank in range(k):
        order[:, rank] = left.argmax(axis=1)
        chosen[:, rank] = left[every, order[:, rank]]
        left[every, order[:, rank]] = -1.0
    ids = np.where(chosen >= selection.score_threshold, allowed[order], -1)
    return ids, chosen


def describe_predictions(
    predictions: Sequence[Predictions],
    comparison: Comparison | None,
    *,
    top_k: int,
    truth: Sequence[tuple[int, int, str]] = (),
    language: str | None = None,
) -> tuple[dict[str, Any], list[bytes]]:
    """Return the answer to the page's ``predictions`` request.

    The JSON names the labels once; arrays refer to them by number. Per model five buffers
    follow: frame index int32 ``[N]``, seconds float64 ``[N]``, top labels int32 ``[N, k]``,
    top probabilities float32 ``[N, k]``, curves float32 ``[L, N]``; a sixth where a model answers
    clips (``has_clips``), the first frame of each, int32 ``[N]``. Where models are compared
    and their divergence is known (``has_divergence``), the comparison's grid follows: seconds
    float64 ``[N]``, divergence float32 ``[N]``.

    Args:
        predictions: One per model.
        comparison: The same side by side, or None.
        top_k: Labels told for each frame.
        truth: Known segments ``(start, stop, label)`` in frames, half-open.
        language: What labels' names are shown in; None is as they are.
    """
    tops = [top_classes(each, top_k) for each in predictions]
    # Labels that lead somewhere get colours, those on screen longest first.
    seconds_led: dict[str, int] = {}
    for each, (ids, _) in zip(predictions, tops, strict=True):
        for class_id in ids[:, 0] if ids.shape[1] else ():
            if class_id >= 0:
                label = each.labels[int(class_id)]
                seconds_led[label] = seconds_led.get(label, 0) + 1
    colored = sorted(seconds_led, key=lambda label: -seconds_led[label])
    curves = [_curve_ids(ids, each) if len(predictions) == 1 else []
              for each, (ids, _) in zip(predictions, tops, strict=True)]  # fmt: skip
    for each, class_ids in zip(predictions, curves, strict=True):
        colored += [each.labels[i] for i in class_ids if each.labels[i] not in seconds_led]
    colored = list(dict.fromkeys([*colored, *(label for _, _, label in truth)]))

    names: dict[str, int] = {}
    models: list[dict[str, Any]] = []
    buffers: list[bytes] = []
    for index, (each, (ids, chosen)) in enumerate(zip(predictions, tops, strict=True)):
        number = np.full(len(each.labels) + 1, -1, dtype=np.int32)  # the last stays -1
        for class_id in {*np.unique(ids).tolist(), *curves[index]} - {-1}:
            number[class_id] = names.setdefault(each.labels[class_id], len(names))
        models.append(
            {
                "title": each.title,
                "letter": letter_of(index),
                "k": ids.shape[1],
                "curves": [int(number[i]) for i in curves[index]],
                "has_clips": each.clip_start is not None,
            }
        )
        buffers += [
            each.frame_index.astype("<i4").tobytes(),
            each.time_seconds.astype("<f8").tobytes(),
            number[ids].astype("<i4").tobytes(),
            chosen.astype("<f4").tobytes(),
            each.probabilities[:, curves[index]].T.astype("<f4").tobytes(),
        ]
        if each.clip_start is not None:
            buffers.append(each.clip_start.astype("<i4").tobytes())
    ranks = {label: rank for rank, label in enumerate(colored)}
    PALETTE.assign(colored)
    known = [
        {
            "start": start,
            "stop": stop,
            "label": names.setdefault(label, len(names)),
            # Models that cannot say it are neither right nor wrong.
            "unknown_to": [i for i, each in enumerate(predictions) if label not in each.labels],
        }
        for start, stop, label in truth
    ]
    labels = [describe_label(name, ranks.get(name), language=language) for name in names]
    # NaN where only top labels are known.
    has_divergence = comparison is not None and not np.isnan(comparison.divergence).any()
    content: dict[str, Any] = {
        "models": models, "labels": labels, "disagreements": [], "truth": known,
        "has_divergence": has_divergence,
    }  # fmt: skip
    if comparison is not None:
        if has_divergence:
            buffers += [
                comparison.time_seconds.astype("<f8").tobytes(),
                comparison.divergence.astype("<f4").tobytes(),
            ]
        found = comparison.disagreements()
        content["disagreements"] = [
            [int(start), int(stop)]
            for start, stop in zip(found["start_frame"], found["end_frame"], strict=True)
        ]
    return content, buffers


def describe_overlays(
    boxes: Boxes | None,
    bodies: Bodies | None,
    curves: Sequence[Curve] = (),
    heat: Sequence[HeatLayer] = (),
    *,
    language: str | None = None,
) -> tuple[dict[str, Any], list[bytes]]:
    """Return the answer to the page's ``overlays`` request.

    Buffers of the boxes: frame index int32 ``[N]``, left, top, width and height in px float32
    ``[N, 4]``, confidence float32 ``[N]``, label int32 ``[N]``, person int32 ``[N]``. Of each layer
    of keypoints: frame index, person and keypoint int32 ``[M]``, place in px float32 ``[M, 2]``,
    confidence float32 ``[M]``. Of the gaps between two layers: frame index and keypoint int32
    ``[G]``, both places in px float32 ``[G, 2]``. Of each line of each curve: frame index int32
    ``[L]``, values float32 ``[L]``. Of each layer of heat maps: frame index int32 ``[H]``, and the
    maps one after the other, uint8, from the least value to the greatest. Of what is not there, the
    content says None or nothing, and no buffer comes.

    Args:
        boxes: Of any frames.
        bodies: Likewise.
        curves: Likewise.
        heat: Likewise.
        language: What labels' names are shown in; None is as they are.
    """
    content: dict[str, Any] = {
        "boxes": None, "keypoints": [], "gaps": None, "curves": [], "heat": [],
    }  # fmt: skip
    buffers: list[bytes] = []
    if boxes is not None:
        content["boxes"] = {
            "labels": [_describe_box_label(name, language) for name in boxes.labels],
            "hold": boxes.hold,
        }
        buffers += [
            boxes.frame_index.astype("<i4").tobytes(),
            boxes.xywh_px.astype("<f4").tobytes(),
            boxes.confidence.astype("<f4").tobytes(),
            boxes.label.astype("<i4").tobytes(),
            boxes.person.astype("<i4").tobytes(),
        ]
    for layer in bodies.layers if bodies is not None else ():
        content["keypoints"].append(
            {
                "title": layer.title,
                "names": list(layer.names),
                "skeleton": [list(pair) for pair in layer.skeleton],
                "hold": layer.hold,
            }
        )
        buffers += [
            layer.frame_index.astype("<i4").tobytes(),
            layer.person.astype("<i4").tobytes(),
            layer.keypoint.astype("<i4").tobytes(),
            layer.xy_px.astype("<f4").tobytes(),
            layer.confidence.astype("<f4").tobytes(),
        ]
    gaps = bodies.gaps if bodies is not None else None
    if gaps is not None:
        content["gaps"] = {"names": list(gaps.names), "hold": gaps.hold}
        buffers += [
            gaps.frame_index.astype("<i4").tobytes(),
            gaps.keypoint.astype("<i4").tobytes(),
            gaps.from_px.astype("<f4").tobytes(),
            gaps.to_px.astype("<f4").tobytes(),
        ]
    for curve in curves:
        content["curves"].append(
            {
                "name": curve.name,
                "low": curve.low,
                "high": curve.high,
                "lines": [{"person": each.person, "hold": each.hold} for each in curve.lines],
            }
        )
        for line in curve.lines:
            buffers.append(line.frame_index.astype("<i4").tobytes())
            buffers.append(line.values.astype("<f4").tobytes())
    for heat_layer in heat:
        told, grids = _describe_heat(heat_layer, language)
        content["heat"].append(told)
        buffers += [heat_layer.frame_index.astype("<i4").tobytes(), grids]
    return content, buffers


def _describe_box_label(name: str, language: str | None) -> dict[str, Any]:
    PALETTE.assign([name])
    return describe_label(name, 0, language=language)


def _describe_heat(layer: HeatLayer, language: str | None) -> tuple[dict[str, Any], bytes]:
    maps, grids = [], []
    for each in layer.maps:
        values, xywh_px = upright(each)
        grids.append(layer.steps(values).tobytes())
        maps.append(
            {
                "rows": values.shape[0],
                "columns": values.shape[1],
                "xywh": xywh_px,
                "what": each.what,
                "label": translated(each.label, language),
                "probability": each.probability,
            }
        )
    content = {
        "name": layer.name, "hold": layer.hold, "least": layer.least, "most": layer.limit,
        "colors": layer.colors, "maps": maps,
    }  # fmt: skip
    return content, b"".join(grids)


def _curve_ids(ids: NDArray[np.int64], predictions: Predictions) -> list[int]:
    """Return the classes worth a curve: those that lead, then those that came nearest."""
    shown = np.unique(ids)
    shown = shown[shown >= 0]
    if not len(shown):
        return []
    leads = np.array([(ids[:, 0] == class_id).sum() for class_id in shown])
    peaks = predictions.probabilities[:, shown].max(axis=0)
    best = np.lexsort((-peaks, -leads))[:NUM_CURVES]
    # A class that never got near anything is a flat line at zero.
    return [int(shown[i]) for i in best if leads[i] or peaks[i] >= 0.05]


def describe_label(label: str, rank: int | None, *, language: str | None = None) -> dict[str, Any]:
    """Return how the page draws a label; without a rank it never leads, and stays grey.

    Args:
        label: As its label map has it, which gives it its colour and letter.
        rank: How many others are shown longer.
        language: What its name is shown in; None is as it is.
    """
    name = translated(label, language)
    if rank is None:
        return {"name": name, "letter": "", "color": None, "ink": "", "pattern": 0}
    color = PALETTE.color_of(label)
    return {
        "name": name,
        # Small, as capitals are the models'.
        "letter": PALETTE.letter_of(label).lower(),
        "color": color,
        "ink": ink_on(color),
        # The label on screen longest is plain; the others can be told from it without colour.
        "pattern": rank % NUM_PATTERNS,
    }
