"""Names of labels in other languages than English, for whoever reads a chart or a page.

A label is what a model's label map calls a class: it is in tables and files, and has a colour. Its
name is what people see instead. Names are shown and never looked up: two labels that say the same,
such as ``"tying tie"`` of Kinetics-400 and ``"tying necktie"`` of Kinetics-600, share theirs.

There are Korean names of all classes of Kinetics-400, Kinetics-600 and StickActions. They were
made for vidlab, from the English labels alone, and are not official. ImageNet's labels are in
English only, and so are those of label maps that people bring along.

A label is known by its spelling, whichever label map it is from. So two of ImageNet's things,
``"punching bag"`` and ``"vault"``, get the names of Kinetics' actions.
"""

from __future__ import annotations

import functools
from importlib import resources

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.labels import LabelMap

LANGUAGES = ("en", "ko")
"""What names can be in, as ISO 639 codes: English, which is the labels themselves, and Korean."""


def check_language(language: str | None) -> str:
    """Return a language that there are names in; None is ``"en"``.

    Raises:
        OptionError: There are no names in it.
    """
    if language is None:
        return "en"
    if language not in LANGUAGES:
        raise OptionError(
            f"Labels can be shown in {' or '.join(map(repr, LANGUAGES))}; got {language!r}."
            + did_you_mean(str(language), LANGUAGES)
        )
    return language


def translated(label: str, language: str | None) -> str:
    """Return a label's name in a language, or the label itself where that is not known.

    `is_translated` tells which of the two it is.

    Args:
        label: Spelled as in its label map.
        language: One of `LANGUAGES`; None is ``"en"``, which leaves every label as it is.

    Raises:
        OptionError: There are no names in that language.

    Examples:
        >>> translated("carving ice", "ko")
        '얼음 조각하기'
        >>> translated("my own label", "ko")
        'my own label'
    """
    return _known(check_language(language)).get(label, label)


def is_translated(label: str, language: str | None) -> bool:
    """Return whether `translated` knows a label's name; in English it knows every one.

    Raises:
        OptionError: There are no names in that language.
    """
    checked = check_language(language)
    return checked == "en" or label in _known(checked)


def names(labels: LabelMap, language: str | None) -> list[str]:
    """Return the names of a label map's labels, by class id; labels without one stay as they are.

    Raises:
        OptionError: There are no names in that language.
    """
    return [translated(label, language) for label in labels]


@functools.cache
def _known(language: str) -> dict[str, str]:
    """Return the names in a language by label; none in English."""
    if language == "en":
        return {}
    file = resources.files("vidlab.core") / f"label_names_{language}.tsv"
    return dict(line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
