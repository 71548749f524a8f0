"""`SamplingView`: a sampling lab with a slider for each choice, and a band of how the answer moves.

All runs are in the page from the start, so it answers at once, and without a kernel too.
"""

from __future__ import annotations

import io
import operator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import traitlets
from PIL import Image

from vidlab.attribution import CROPS, SamplingLab, Setting
from vidlab.core.errors import OptionError, WidgetError, did_you_mean, refuse_unknown
from vidlab.core.label_names import check_language, translated
from vidlab.core.naming import printable
from vidlab.core.palette import PALETTE
from vidlab.widgets import kept
from vidlab.widgets.base import Widget, script, style
from vidlab.widgets.payload import describe_label

_OPTIONS = ("labels", "locale", "layout")

# Labels that the band can be shown of: those that lead in most settings.
_MAX_CURVES = 8

# Answers to the whole video that are told of each setting.
_NUM_TOP = 3


# These are checked when they are set, and not only when all that a page tells has been taken in.


class _Setting(traitlets.TraitType[Any, Any]):
    """One of the lab's settings, also by its number."""

    def validate(self, obj: Any, value: Any) -> Setting:
        settings: tuple[Setting, ...] = obj._lab.settings
        if isinstance(value, Setting):
            for each in settings:
                if value in (each, replace(each, stride=None)):
                    return each
            raise OptionError(f"The lab did not try {value}; lab.settings lists what it did.")
        try:
            number = operator.index(value)
        except TypeError:
            number = -1
        if not 0 <= number < len(settings):
            raise OptionError(
                f"setting is one of lab.settings, or its number from 0 to {len(settings) - 1}; "
                f"got {value!r:.80}."
            )
        return settings[number]


class _Number(traitlets.TraitType[Any, Any]):
    """The number of a setting, as the page tells it."""

    def validate(self, obj: Any, value: Any) -> int:
        num_settings = len(obj._lab.settings)
        if type(value) is not int or not 0 <= value < num_settings:
            raise WidgetError(
                f"Settings are numbered from 0 to {num_settings - 1}; got {value!r:.80}."
            )
        return value


class _Label(traitlets.TraitType[Any, Any]):
    """A label that has a band."""

    def validate(self, obj: Any, value: Any) -> str:
        known = [obj._lab.labels[each] for each in obj._curves]
        if value not in known:
            raise OptionError(
                f"label must lead with some setting: {', '.join(map(repr, known))}; got "
                f"{value!r:.80}.{did_you_mean(str(value), known)}"
            )
        return str(value)


class SamplingView(Widget):
    """Shows how a model's answer moves with the choice of frames and pixels.

    The band lies between the least and the greatest probability that any setting gives a label;
    the line in it is the setting that the sliders, or the cells below, choose.

    Args:
        lab: What :func:`vidlab.attribution.sampling_lab` returned.
        labels: Language to show labels in, such as ``"ko"``; None leaves them as they are.
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.
        layout: The `ipywidgets.Layout` of the widget.

    Attributes:
        setting: The one that is shown, a :class:`~vidlab.attribution.Setting` of the lab; can be
            observed, and set, also by its number. One without a stride is the first that has its
            rate, phase and crop.
        label: The one whose band is shown, in the label map's own words; can be observed, and set
            to any that leads with some setting.
        locale: Language of the texts.

    Raises:
        OptionError: `lab` is something else, there is no such setting or label, or an option is
            unknown.

    Examples:
        >>> lab = vidlab.attribution.sampling_lab(video, model)  # doctest: +SKIP
        >>> view = SamplingView(lab)                             # doctest: +SKIP
        >>> view.setting = lab.settings[3]                       # doctest: +SKIP
    """

    _esm = script("sampling.js")
    _css = style("sampling.css")

    setting = _Setting(help="The setting that is shown.")
    label = _Label(help="The label whose band is shown.").tag(sync=True)
    _setting = _Number(0, help="Number of the setting that is shown.").tag(sync=True)
    _info = traitlets.Dict(help="All that the page shows.").tag(sync=True)

    def __init__(
        self,
        lab: SamplingLab,
        *,
        labels: str | None = None,
        locale: str | None = None,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("SamplingView", unknown, _OPTIONS)
        if not isinstance(lab, SamplingLab):
            raise OptionError(
                "A sampling view is of what vidlab.attribution.sampling_lab(video, model) returns; "
                f"got {type(lab).__name__}."
            )
        self._lab = lab
        self._curves = _leading(lab)[:_MAX_CURVES]
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(
            _info=_describe(lab, self._curves, check_language(labels)),
            setting=lab.settings[0],
            label=lab.default_label,
            locale=locale,
            **options,
        )
        self._tell_model_id()

    @traitlets.observe("setting")
    def _tell_setting(self, change: Any) -> None:
        self._setting = self._lab.settings.index(change["new"])

    @traitlets.observe("_setting")
    def _take_setting(self, change: Any) -> None:
        self.setting = self._lab.settings[change["new"]]

    # ---- life --------------------------------------------------------------------------------

    def _come_back(self) -> None:
        self._tell_model_id()

    def _ipython_display_(self) -> None:
        kept.display_with_words(self, kept.kept_sampling_html)

    def __repr__(self) -> str:
        lab, number = self._lab, self._setting
        said = lab.labels[int(lab.probabilities[number].argmax())]
        return printable(
            f"<SamplingView of {lab.title} on {lab.video}: {said!r} with {self.setting}>"
        )


def _leading(lab: SamplingLab) -> list[int]:
    """Return the classes that come first with any setting: the default's, then the commonest."""
    best = lab.probabilities.argmax(axis=1).tolist()
    return sorted(dict.fromkeys(best), key=lambda each: (each != best[0], -best.count(each)))


def _describe(lab: SamplingLab, curves: list[int], language: str) -> dict[str, Any]:
    """Return what the page shows: words and small numbers as they are, arrays as buffers.

    Labels are numbered, those with a band first. ``times`` is where any setting answers, float64
    ``[T]``; of each label with a band there are its least, middle and greatest probability then,
    float32 ``[3, T]``. Each run has the ``times`` of its answers, float64 ``[A]``, and what they
    give the labels with a band, float32 ``[L, A]``.
    """
    probabilities = lab.probabilities
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :_NUM_TOP]
    leading = _leading(lab)
    # Labels that lead somewhere get colours.
    PALETTE.assign([lab.labels[each] for each in leading])
    numbers = {
        class_id: number
        for number, class_id in enumerate(dict.fromkeys([*leading, *top.ravel().tolist()]))
    }
    labels = []
    for class_id, number in numbers.items():
        label = lab.labels[class_id]
        shown = describe_label(label, number if number < len(leading) else None)
        labels.append({**shown, "label": label, "name": translated(label, language)})
    bands = [lab.band(lab.labels[each]) for each in curves]
    with Image.open(io.BytesIO(lab.picture)) as picture:
        width, height = picture.size
    return {
        "title": lab.title,
        "video": printable(lab.video),
        "span": list(lab.span_seconds),
        "picture": {"jpeg": lab.picture, "width": width, "height": height},
        "crops": {name: list(place) for name, place in CROPS.items()},
        "labels": labels,
        "settings": [
            {
                **asdict(setting),
                "top": [numbers[each] for each in ids],
                "probabilities": probabilities[place, ids].tolist(),
            }
            for place, (setting, ids) in enumerate(zip(lab.settings, top.tolist(), strict=True))
        ],
        "times": bands[0]["time_seconds"].to_numpy().astype("<f8").tobytes(),
        "bands": [
            band[["low", "median", "high"]].to_numpy().T.astype("<f4").tobytes() for band in bands
        ],
        "runs": [
            {
                "times": run.time_seconds.astype("<f8").tobytes(),
                "probabilities": run.probabilities[:, curves].T.astype("<f4").tobytes(),
            }
            for run in lab.runs
        ],
    }
