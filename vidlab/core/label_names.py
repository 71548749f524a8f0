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
from collections.abc import Hashable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, overload

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.labels import LabelMap

if TYPE_CHECKING:
    import pandas as pd

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


@overload
def translate_labels(what: str, *, labels: str | None = "ko") -> str: ...
@overload
def translate_labels(
    what: LabelMap | list[str] | tuple[str, ...], *, labels: str | None = "ko"
) -> list[str]: ...
@overload
def translate_labels(what: pd.DataFrame, *, labels: str | None = "ko") -> pd.DataFrame: ...
def translate_labels(
    what: str | Sequence[str] | pd.DataFrame, *, labels: str | None = "ko"
) -> str | list[str] | pd.DataFrame:
    """Return labels, or a table, with the labels' names in another language.

    Of a table, names are put into the columns ``label``, ``predicted`` and ``truth``, those of
    single models, such as ``label_torch`` or ``predicted_torch``, and into rows or columns that
    are named after labels, as in ``Evaluation.confusion``. Such a table is for people: vidlab's
    own functions want the one with the label map's words.

    Args:
        what: A table, a label map, several labels or one.
        labels: Language of the names; None is ``"en"``, which leaves everything as it is.

    Returns:
        A new table; a list of names for a label map or several labels; a name for one. What has
        no name stays as it is.

    Raises:
        OptionError: There are no names in that language, or `what` is something else.

    Examples:
        >>> translate_labels(["carving ice", "my own label"])
        ['얼음 조각하기', 'my own label']
    """
    language = check_language(labels)
    if isinstance(what, str):
        return translated(what, language)
    if isinstance(what, Sequence) and all(isinstance(label, str) for label in what):
        return [translated(label, language) for label in what]
    import pandas as pd

    if not isinstance(what, pd.DataFrame):
        raise OptionError(
            "A DataFrame, a label map, a list of labels or one label can be translated; got "
            f"{type(what).__name__}. Of a single column: table['label'].map(translate_labels)."
        )
    table = what.copy()
    if language == "en":
        return table
    for place, name in enumerate(table.columns):
        if _holds_labels(name):
            # By its place, for names may be there twice.
            cells = table.iloc[:, place].map(lambda value: _named(value, language))
            table.isetitem(place, cells.array)
    table.index = _named_axis(table.index, language)
    table.columns = _named_axis(table.columns, language)
    return table


def _holds_labels(name: Hashable) -> bool:
    """Return whether vidlab's tables have labels in what they call so."""
    return isinstance(name, str) and (
        name in ("label", "predicted", "truth") or name.startswith(("label_", "predicted_"))
    )


def _named_axis(axis: pd.Index[Any], language: str) -> pd.Index[Any]:
    """Return rows' or columns' names with those of its levels translated that are of labels."""
    if not any(map(_holds_labels, axis.names)):
        return axis
    import pandas as pd

    levels = [
        level.map(lambda value: _named(value, language)) if _holds_labels(name) else level
        for name, level in zip(
            axis.names, map(axis.get_level_values, range(axis.nlevels)), strict=True
        )
    ]
    return levels[0] if axis.nlevels == 1 else pd.MultiIndex.from_arrays(levels)


def _named(value: Any, language: str) -> Any:
    """Return a cell's name, or what else is in it."""
    return translated(value, language) if isinstance(value, str) else value


@functools.cache
def _known(language: str) -> dict[str, str]:
    """Return the names in a language by label; none in English."""
    if language == "en":
        return {}
    file = resources.files("vidlab.core") / f"label_names_{language}.tsv"
    return dict(line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
