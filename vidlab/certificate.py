"""Parity: does a model answer the same however it is run, and does its export answer as it does?

    certificate = certify(model, exported, videos=["clip.mp4"])
    certificate.passed
    certificate.save("model.certificate.json")     # and model.certificate.png

On real frames it looks for the faults that make a streaming model bad frame by frame: a scaling
that one side lacks, a stream state that is lost between calls or kept between videos, and weights
that were carried over wrongly.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import vidlab
from vidlab.core.errors import OptionError, ParityError
from vidlab.core.files import atomic_write
from vidlab.core.fonts import font_for
from vidlab.core.palette import PALETTE, ink_on
from vidlab.core.probabilities import softmax
from vidlab.inference import Source, as_video
from vidlab.models.base import LoadedModel, Model, check_model
from vidlab.sampling import at_rate

MAX_LOGIT_DIFFERENCE = 1e-3
"""What rounding may come to in float32; a ten-thousandth of logits beyond 10."""

MIN_AGREEMENT = 0.9
"""Share of answers whose top-1 label a model of fewer bits must keep, but for near ties."""

NEAR_TIE = 0.1
"""Two labels tie where the reference gives them probabilities that differ by up to this."""

MAX_MEAN_JSD_NATS = 0.1
"""Jensen-Shannon divergence, on average over the answers, that fewer bits may come to."""

MAX_RELATIVE_ERROR = 0.5
"""Error of the logits, as a share of the logits themselves, that fewer bits may come to.

Of a picture in which little moves, a model that forgets every frame says the same label; its logits
are off by 0.8 and more of their size. 8-bit integers come to 0.04 to 0.4.
"""

MAX_PIXEL = 10.0
"""No usual scaling gives larger inputs; 0 to 255 is none at all."""

MAX_PIXEL_DIFFERENCE = 1e-5
"""How much two preparations of one frame may differ."""

# However a video is split into calls, the answers are the same; these lengths, over and over.
_CHUNKS = (1, 5, 2, 7)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was measured.

    Attributes:
        name: What, in a few words.
        model: Title of the model it is about.
        measured: The figure.
        threshold: What it may come to.
        at_least: The threshold is a lower one.
        hint: What is wrong where it fails.
    """

    name: str
    model: str
    measured: float
    threshold: float
    at_least: bool = False
    hint: str = ""

    @property
    def passed(self) -> bool:
        """Whether the figure is within its threshold; what is not a number never is."""
        if self.at_least:
            return self.measured >= self.threshold
        return self.measured <= self.threshold

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{self.name}: {self.measured:.3g}, {sign} {self.threshold:.3g} is needed"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The answers on one video.

    Attributes:
        video: Its name.
        pictures: A few frames, uint8 ``[H, W, 3]``.
        labels: The reference's top-1 label of each answer, and its exported form's.
    """

    video: str
    pictures: tuple[NDArray[np.uint8], ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What :func:`certify` found.

    Attributes:
        models: What runs, and from which weights: title, file, SHA-256, runtime.
        checks: What was measured.
        traces: The answers, video by video.
        num_frames: Frames that were looked at, over all videos.
        created: When, in UTC.
    """

    models: tuple[dict[str, str], ...]
    checks: tuple[Check, ...]
    traces: tuple[Trace, ...]
    num_frames: int
    created: str

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> str:
        """``"passed"`` or ``"failed"``."""
        return "passed" if self.passed else "failed"

    def require(self) -> None:
        """Do nothing where every check passed.

        Raises:
            ParityError: A check failed; the message says which, by how much, and what to do.
        """
        failed = [check for check in self.checks if not check.passed]
        if failed:
            lines = [f"{check.model}: {check}. {check.hint}".rstrip() for check in failed]
            raise ParityError(
                f"{len(failed)} of {len(self.checks)} parity checks failed.\n  "
                + "\n  ".join(lines)
            )

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as plain data."""
        return {
            "verdict": self.verdict,
            "models": list(self.models),
            "videos": [trace.video for trace in self.traces],
            "num_frames": self.num_frames,
            "checks": [
                {
                    "name": check.name,
                    "model": check.model,
                    "passed": check.passed,
                    "measured": _finite(check.measured),
                    "at_least" if check.at_least else "at_most": check.threshold,
                }
                for check in self.checks
            ],
            "labels": {trace.video: [list(row) for row in trace.labels] for trace in self.traces},
            "vidlab_version": vidlab.__version__,
            "created": self.created,
        }

    def picture(self) -> Image.Image:
        """Draw it: the verdict, some frames, what each model said, and the figures."""
        return _draw(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the figures to `path`, which ends in ``.json``, and the picture beside it.

        Raises:
            OptionError: `path` has another suffix.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise OptionError(f"A certificate ends in .json; got {path.name!r}.")
        with atomic_write(path) as stream:
            text = json.dumps(self.as_dict(), ensure_ascii=False, indent=1)
            stream.write(text.encode("utf-8") + b"\n")
        with atomic_write(path.with_suffix(".png")) as stream:
            small = self.picture().quantize(256, dither=Image.Dither.NONE)
            small.save(stream, "PNG", optimize=True)


def certify(
    reference: LoadedModel,
    exported: LoadedModel | None = None,
    *,
    videos: Sequence[Source],
    max_frames: int = 24,
    is_exact: bool | None = None,
) -> Certificate:
    """Compare a model with itself, run in several ways, and with its export.

    Args:
        reference: The PyTorch model.
        exported: The same on another runtime; None looks at `reference` alone.
        videos: Real ones; the frames are those that `reference` is fed at its own rate.
        max_frames: Frames of each video at most, from its start.
        is_exact: The export computes in float32, so that its logits must be the same; False goes
            by its labels and probabilities. None asks its card.

    Returns:
        What was measured; its ``require()`` raises where a check failed.

    Raises:
        OptionError: There are no videos, or none of two frames or more for a stream model; or the
            models are of different kinds, or have different labels.
        VideoError: A video cannot be read.
    """
    reference = check_model(reference)
    exported = None if exported is None else check_model(exported)
    models = [reference] if exported is None else [reference, exported]
    if not videos:
        raise OptionError("A certificate needs at least one video; got none.")
    if exported is not None and exported.card.kind != reference.card.kind:
        raise OptionError(
            f"{reference.title} is a {reference.card.kind} model, {exported.title} a "
            f"{exported.card.kind} one; their answers cannot be compared."
        )
    if exported is not None and list(exported.labels) != list(reference.labels):
        raise OptionError(
            f"{reference.title} and {exported.title} have different labels; their answers cannot "
            "be compared."
        )
    frames = [
        read_frames(source, reference.preprocessing.frame_rate, max_frames) for source in videos
    ]
    if reference.card.kind == "stream" and all(len(pictures) < 2 for _, pictures in frames):
        raise OptionError(
            "A stream state shows from the second frame on; give a longer video, or more frames."
        )
    answers = {model: _answers(model, [pictures for _, pictures in frames]) for model in models}
    checks = [check for model in models for check in answers[model].checks()]
    if exported is not None:
        if is_exact is None:
            is_exact = _is_exact(exported)
        checks += _parity(answers[reference], answers[exported], is_exact=is_exact)
    return Certificate(
        models=tuple(_about(model) for model in models),
        checks=tuple(checks),
        traces=tuple(
            Trace(
                video=name,
                pictures=tuple(pictures[:: max(1, len(pictures) // 6)][:6]),
                labels=tuple(
                    tuple(model.labels[i] for i in answers[model].logits[number].argmax(axis=1))
                    for model in models
                ),
            )
            for number, (name, pictures) in enumerate(frames)
        ),
        num_frames=sum(len(pictures) for _, pictures in frames),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read_frames(
    source: Source, fps: float | None, max_frames: int
) -> tuple[str, list[NDArray[np.uint8]]]:
    """Return a video's name and its first frames as a model is fed them.

    Args:
        source: A video, or anything one can be made from.
        fps: Frames a second to take; None for every frame.
        max_frames: How many at most.

    Returns:
        The name, and frames uint8 ``[H, W, 3]``.

    Raises:
        VideoError: It cannot be read.
    """
    video = as_video(source)
    wanted = np.arange(len(video))
    if fps is not None:
        wanted = at_rate(video.pts_seconds, fps, end_seconds=video.end_seconds)
    kept = set(wanted[:max_frames].tolist())
    frames = video.frames(stop=max(kept) + 1)
    return video.name, [frame.rgb for frame in frames if frame.index in kept]


@dataclass
class _Answers:
    """What a model says on each video, logits ``[num_answers, num_classes]``.

    Attributes:
        model: Who is asked.
        pixels: What it is fed.
        logits: In one go.
        again: Once more.
        otherwise: In other ways, by name, with what in `logits` they must be like.
    """

    model: Model
    pixels: list[NDArray[np.float32]]
    logits: list[NDArray[np.float32]]
    again: list[NDArray[np.float32]]
    otherwise: dict[str, tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]]

    @property
    def tolerance(self) -> float:
        """What rounding may come to."""
        largest = max(float(np.abs(logits).max()) for logits in self.logits)
        return MAX_LOGIT_DIFFERENCE * max(1.0, largest / 10)

    def checks(self) -> list[Check]:
        """Compare the ways of running it."""
        title, tolerance = self.model.title, self.tolerance
        found = [
            Check(
                name="largest input",
                model=title,
                measured=float(np.max([np.abs(pixels).max() for pixels in self.pixels])),
                threshold=MAX_PIXEL,
                hint="Pixels are not scaled: set scale = 255.0 in the model's card.",
            )
        ]
        for name, (other, like) in self.otherwise.items():
            found.append(
                Check(
                    name=f"{name} against all frames at once, logits",
                    model=title,
                    measured=_difference(other, like),
                    threshold=tolerance,
                    hint="Its stream state is lost from one step to the next.",
                )
            )
        found.append(
            Check(
                name="second run against the first, logits",
                model=title,
                measured=_difference(self.again, self.logits),
                threshold=tolerance,
                hint="Its stream state is not reset between videos: init_state() must start anew.",
            )
        )
        return found


def _answers(model: Model, videos: Sequence[Sequence[NDArray[np.uint8]]]) -> _Answers:
    clips = [np.stack([model.preprocessing(rgb) for rgb in frames]) for frames in videos]
    whole_clips = [model.classify(clip[None]) for clip in clips]
    if model.card.kind != "stream":
        again = [model.classify(clip[None]) for clip in clips]
        return _Answers(model, clips, whole_clips, again, {})
    logits = [_steps(model, clip, (len(clip),)) for clip in clips]
    again = [_steps(model, clip, (len(clip),)) for clip in clips]
    otherwise = {
        "whole clip": (whole_clips, [each[-1:] for each in logits]),
        "chunks": ([_steps(model, clip, _CHUNKS) for clip in clips], logits),
        "single frames": ([_steps(model, clip, (1,)) for clip in clips], logits),
    }
    return _Answers(model, clips, logits, again, otherwise)


def _steps(model: Model, clip: NDArray[np.float32], lengths: Sequence[int]) -> NDArray[np.float32]:
    """Return the logits of a video from its start, in calls of `lengths` frames, over and over."""
    state, first = model.init_state(), 0
    parts: list[NDArray[np.float32]] = []
    while first < len(clip):
        length = lengths[len(parts) % len(lengths)]
        logits, state = model.step(clip[first : first + length], state)
        parts.append(logits)
        first += length
    return np.concatenate(parts)


def _parity(reference: _Answers, exported: _Answers, *, is_exact: bool) -> list[Check]:
    title = exported.model.title
    same_size = reference.pixels[0].shape == exported.pixels[0].shape
    found = [
        Check(
            name="inputs against PyTorch's",
            model=title,
            measured=_difference(reference.pixels, exported.pixels) if same_size else math.inf,
            threshold=MAX_PIXEL_DIFFERENCE,
            hint="Its card prepares frames in another way (scale, mean, std, size or resize).",
        )
    ]
    hint = "Its weights, its scaling or its stream state are not the original's."
    difference = _difference if is_exact else _relative_error
    found.append(
        Check(
            name=f"{'logits' if is_exact else 'relative error of logits'} against PyTorch's",
            model=title,
            measured=difference(exported.logits, reference.logits),
            threshold=reference.tolerance if is_exact else MAX_RELATIVE_ERROR,
            hint=hint,
        )
    )
    expected, got = (softmax(np.concatenate(each.logits)) for each in (reference, exported))
    rows = np.arange(len(expected))
    gap = expected.max(axis=1) - expected[rows, got.argmax(axis=1)]
    found += [
        Check(
            name=f"top-1 labels as PyTorch's, ties within {NEAR_TIE:g}",
            model=title,
            measured=float((gap <= NEAR_TIE).mean()),
            threshold=MIN_AGREEMENT,
            at_least=True,
            hint=hint,
        ),
        Check(
            name="mean Jensen-Shannon divergence from PyTorch, nats",
            model=title,
            measured=float(_divergence(expected, got).mean()),
            threshold=MAX_MEAN_JSD_NATS,
            hint=hint,
        ),
    ]
    return found


def _divergence(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon divergence of each pair of rows, in nats."""
    p, q = one.astype(np.float64), other.astype(np.float64)
    return np.maximum(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0.0)


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(-(p * logs).sum(axis=1))


def _difference(one: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> float:
    # Not Python's max, which passes over what is not a number.
    return float(np.max([np.abs(a - b).max() for a, b in zip(one, other, strict=True)]))


def _relative_error(
    one: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]
) -> float:
    got, expected = np.concatenate(one), np.concatenate(other)
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def _is_exact(model: Model) -> bool:
    named = [variant for variant in model.card.variants if variant.name == model.variant]
    return all(variant.precision == "float32" for variant in named)


def _about(model: Model) -> dict[str, str]:
    return {
        "title": model.title,
        "weights_file": model.provenance.weights_file,
        "weights_sha256": model.provenance.weights_sha256,
        "runtime": model.provenance.runtime,
    }


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


# ---------------------------------------------------------------- the picture

_WIDTH_PX, _MARGIN_PX, _LINE_PX, _TEXT_PX = 840, 16, 20, 13
_PICTURES_PX, _BAND_PX = 72, 22
_INK, _GREY, _PAPER = "#1a1a1a", "#595959", "#ffffff"
_GOOD, _BAD = "#007a55", "#b3400a"
_MAX_TRACES = 3


def _draw(certificate: Certificate) -> Image.Image:
    traces = certificate.traces[:_MAX_TRACES]
    num_models = len(certificate.models)
    height = (
        2 * _MARGIN_PX
        + (3 + num_models) * _LINE_PX
        + len(traces) * (2 * _LINE_PX + _PICTURES_PX + num_models * (_BAND_PX + 2))
        + (len(certificate.checks) + 1) * _LINE_PX
    )
    image = Image.new("RGB", (_WIDTH_PX, height), _PAPER)
    pen = _Pen(image)
    pen.verdict(certificate)
    for letter, about in zip("AB", certificate.models, strict=False):
        pen.text(f"{letter}  {about['title']}   {about['runtime']}")
        pen.down(_LINE_PX)
    for trace in traces:
        pen.trace(trace)
    pen.down(_LINE_PX)
    for check in certificate.checks:
        pen.check(check, "AB"[[each["title"] for each in certificate.models].index(check.model)])
    return image


class _Pen:
    """Writes from the top of a picture downwards."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._y = _MARGIN_PX

    def down(self, px: int) -> None:
        self._y += px

    def text(
        self, text: str, *, x: int = _MARGIN_PX, ink: str = _INK, size: int = _TEXT_PX,
        anchor: str = "lm", y: int | None = None,
    ) -> None:  # fmt: skip
        middle = self._y + _LINE_PX // 2 if y is None else y
        self._draw.text((x, middle), text, fill=ink, font=font_for(text, size), anchor=anchor)

    def verdict(self, certificate: Certificate) -> None:
        word = certificate.verdict.upper()
        box = (_MARGIN_PX, self._y, _MARGIN_PX + 92, self._y + 26)
        self._draw.rounded_rectangle(box, 4, fill=_GOOD if certificate.passed else _BAD)
        self.text(word, x=_MARGIN_PX + 46, y=self._y + 13, ink="#ffffff", anchor="mm", size=15)
        count = len(certificate.traces)
        videos = f"{count} video{'s' if count != 1 else ''}"
        self.text(
            f"parity on {certificate.num_frames} frames of {videos}   {certificate.created}",
            x=_MARGIN_PX + 106, y=self._y + 13, ink=_GREY,
        )  # fmt: skip
        self.down(2 * _LINE_PX)

    def trace(self, trace: Trace) -> None:
        self.down(_LINE_PX // 2)
        self.text(trace.video, ink=_GREY)
        self.down(_LINE_PX)
        x = _MARGIN_PX
        for rgb in trace.pictures:
            picture = Image.fromarray(rgb)
            width = round(picture.width * _PICTURES_PX / picture.height)
            if x + width > _WIDTH_PX - _MARGIN_PX:
                break
            self._image.paste(picture.resize((width, _PICTURES_PX)), (x, self._y))
            x += width + 4
        self.down(_PICTURES_PX + 4)
        for letter, labels in zip("AB", trace.labels, strict=False):
            self._band(letter, labels)
        self.down(_LINE_PX // 2 - 4)

    def _band(self, letter: str, labels: Sequence[str]) -> None:
        left = _MARGIN_PX + 20
        self.text(letter, y=self._y + _BAND_PX // 2, ink=_GREY)
        edges = np.linspace(left, _WIDTH_PX - _MARGIN_PX, len(labels) + 1).round().astype(int)
        starts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
        for first, last in zip(starts, [*starts[1:], len(labels)], strict=True):
            color = PALETTE.color_of(labels[first])
            box = (int(edges[first]), self._y, int(edges[last]) - 2, self._y + _BAND_PX)
            self._draw.rectangle(box, fill=color)
            font = font_for(labels[first], _TEXT_PX)
            if font.getlength(labels[first]) + 8 < box[2] - box[0]:
                middle = self._y + _BAND_PX // 2
                self.text(labels[first], x=box[0] + 4, y=middle, ink=ink_on(color))
        self.down(_BAND_PX + 2)

    def check(self, check: Check, letter: str) -> None:
        sign = "at least" if check.at_least else "at most"
        self.text(f"{letter}  {check.name}")
        self.text(f"{check.measured:.3g}", x=_WIDTH_PX - 230, anchor="rm")
        self.text(f"{sign} {check.threshold:.3g}", x=_WIDTH_PX - 210, ink=_GREY)
        ink = _GOOD if check.passed else _BAD
        word = "passed" if check.passed else "FAILED"
        self.text(word, x=_WIDTH_PX - _MARGIN_PX, ink=ink, anchor="rm")
        self.down(_LINE_PX)
