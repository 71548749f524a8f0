"""Why two recipes give a model different pixels: the same frame, step by step, side by side."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.core.images import data_url, png
from vidlab.inference import Source, as_video
from vidlab.models.base import LoadedModel, check_model
from vidlab.models.card import ModelCard, card_named
from vidlab.models.loading import KINETICS_MODEL
from vidlab.recipes import AS_CARD, Recipe, recipe_named
from vidlab.transforms import Preprocessing, Step, StepKind

if TYPE_CHECKING:
    import pandas as pd

# So that all steps of most recipes are in a notebook's width.
_PICTURE_PX = 96

Way = str | Recipe | LoadedModel | Preprocessing


def explain_preprocessing(
    video: Source,
    first: Way,
    second: Way,
    *,
    model: LoadedModel | ModelCard | str = KINETICS_MODEL,
    frame_index: int | None = None,
) -> PreprocessingComparison:
    """Take a frame through two recipes, and find the first step where they part.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        first: Name of a recipe, or a model or preprocessing whose way it is.
        second: Likewise.
        model: What the recipes prepare for, which says how large the input is, and all the rest
            where a recipe prepares as the model's card says.
        frame_index: The frame; None takes the one in the middle, for many videos begin in black.

    Returns:
        The steps of both, which show themselves in a notebook.

    Raises:
        VideoError: The frame cannot be read.
        OptionError: There is no such recipe, or it prepares as the card says of a model of a kind
            that it is not for.
        UnknownModelError: There is no such model.
    """
    card = card_named(model) if isinstance(model, str) else model
    card = check_model(card).card if isinstance(card, LoadedModel) else card
    video = as_video(video)
    rgb = video.frame_at(len(video) // 2 if frame_index is None else frame_index).rgb
    return PreprocessingComparison(
        rgb, [(_name(way), _preprocessing(way, card)) for way in (first, second)]
    )


class PreprocessingComparison:
    """What two recipes do to one frame.

    Attributes:
        names: What they are called.
        rgb: The frame, uint8 ``[H, W, 3]``.
        steps: For each recipe its steps, by their kind.
        first_difference: The kind of the first step where they part; None where they agree.
        makes_same_input: Whether the inputs are equal, to the last bit.
    """

    def __init__(self, rgb: NDArray[np.uint8], ways: Sequence[tuple[str, Preprocessing]]) -> None:
        self.rgb = rgb
        self.names = [name for name, _ in ways]
        self.steps: list[dict[StepKind, Step]] = [
            # Copied: a step may change the picture of the one before in place.
            {step.kind: step._replace(pixels=step.pixels.copy()) for step in way.steps(rgb)}
            for _, way in ways
        ]
        self._differing: list[StepKind] = []
        first: NDArray[Any] = rgb
        second: NDArray[Any] = rgb
        self.makes_same_input = True
        for kind in self._kinds():
            were_same = self.makes_same_input
            first, second = (
                steps[kind].pixels if kind in steps else before
                for steps, before in zip(self.steps, (first, second), strict=True)
            )
            self.makes_same_input = np.array_equal(first, second)
            words = self._words(kind)
            if words[0] != words[1] or (were_same and not self.makes_same_input):
                self._differing.append(kind)
        self.first_difference = self._differing[0] if self._differing else None

    @property
    def table(self) -> pd.DataFrame:
        """Each step: columns ``step``, one for each recipe with what it does, and ``same``.

        ``same`` says that a step does the same in both, and makes equal pictures of equal ones.
        """
        import pandas as pd

        rows = [(kind, *self._words(kind), kind not in self._differing) for kind in self._kinds()]
        return pd.DataFrame(rows, columns=["step", *self.names, "same"])

    def explain(self) -> str:
        """Return in a sentence where they part."""
        if self.first_difference is None:
            return f"{' and '.join(self.names)} make the same input of this frame."
        words = self._words(self.first_difference)
        said = [f"{name}: {text}" for name, text in zip(self.names, words, strict=True)]
        end = " In the end the input is the same." if self.makes_same_input else ""
        return f"They part at the step '{self.first_difference}'. {'; '.join(said)}.{end}"

    def _kinds(self) -> list[StepKind]:
        return [kind for kind in get_args(StepKind) if any(kind in steps for steps in self.steps)]

    def _words(self, kind: StepKind) -> list[str]:
        return [steps[kind].words if kind in steps else "nothing" for steps in self.steps]

    def __repr__(self) -> str:
        return f"<{self.explain()}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        width = len(self._kinds()) + 1
        rows = "".join(
            f"<tr><th colspan='{width}' style='text-align:left'>{html.escape(name)}</th></tr>"
            f"<tr>{self._pictures(steps)}</tr>"
            for name, steps in zip(self.names, self.steps, strict=True)
        )
        page = (
            f"<p>{html.escape(self.explain())}</p>"
            "<div style='overflow-x:auto'><table class='vl-steps'>"
            f"{rows}</table></div>"
        )
        return {"text/plain": repr(self), "text/html": page}

    def _pictures(self, steps: dict[StepKind, Step]) -> str:
        cells = [self._cell("the frame", self.rgb, False)]
        for kind in self._kinds():
            if kind in steps:
                cells.append(
                    self._cell(steps[kind].words, steps[kind].pixels, kind == self.first_difference)
                )
            else:
                cells.append("<td></td>")
        return "".join(cells)

    def _cell(self, words: str, pixels: NDArray[Any], is_first: bool) -> str:
        picture, span = _visible(pixels)
        border = "3px solid #d55e00" if is_first else "1px solid #8888"
        return (
            "<td style='text-align:center;vertical-align:top;padding:4px'>"
            f"<img alt='{html.escape(words)}' src='{data_url(png(picture), mime='image/png')}' "
            f"style='max-height:{_PICTURE_PX}px;max-width:{_PICTURE_PX}px;border:{border}'>"
            f"<div style='max-width:{_PICTURE_PX}px'>{html.escape(words)}<br>{span}</div>"
            "</td>"
        )


def _name(way: Way) -> str:
    if isinstance(way, str):
        return way
    if isinstance(way, Recipe):
        return way.name
    return way.title if isinstance(way, LoadedModel) else "own preprocessing"


def _preprocessing(way: Way, card: ModelCard) -> Preprocessing:
    if isinstance(way, str):
        way = recipe_named(way)
    if isinstance(way, Recipe):
        if way.pixels is AS_CARD and card.kind not in way.kinds:
            raise OptionError(
                f"The recipe {way.name!r} prepares as the card of a {' or '.join(way.kinds)} model "
                f"says; {card.name} is a {card.kind} model. Name one, such as model='r3d-18'."
            )
        return way.preprocessing(card)
    if isinstance(way, LoadedModel):
        return check_model(way).preprocessing
    if not isinstance(way, Preprocessing):
        raise OptionError(
            f"A recipe's name, a model or a preprocessing is needed; got {type(way).__name__}."
        )
    return way


def _visible(pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Return a picture that shows the values, and their span in words."""
    low, high = float(pixels.min()), float(pixels.max())
    span = f"{low:.3g} to {high:.3g}"
    if low >= 0.0 and high > 1.0:
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8), span
    if low >= 0.0:
        return np.rint(pixels * 255.0).astype(np.uint8), span
    spread = max(high - low, 1e-6)
    return np.rint((pixels - low) / spread * 255.0).astype(np.uint8), span
