"""Whatever shows labels can show them in another language, and the word for it is ``labels=``."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vidlab as vl
from vidlab import sharing, widgets
from vidlab.live import headless

SOURCES = Path(vl.__file__).parent

#: What shows no labels, so that there is nothing to translate.
WITHOUT_LABELS = {
    # Of models and their layers, of answers that are right, and of people.
    "Comparison.plot_agreement", "Drift.plot", "Drift.plot_layers", "FitResult.plot", "Poses.plot",
    "Reliability.plot", "Study.plot", "Study.plot_agreement", "Study.plot_over_time",
    "Study.plot_reliability",
    # The players in it have their own.
    "PlayerGrid",
    # Data, in the label map's words.
    "save", "save_fiftyone", "save_jsonl", "save_label_studio",
}  # fmt: skip

#: Where ``labels`` are what can be said, the language has the name it has on the command line.
OTHER_WORD = {"Annotator": "label_language"}


def is_drawing(name: str) -> bool:
    return name in ("plot", "report") or name.startswith("plot_")


def methods_that_draw() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public class's methods that make charts and reports, wherever it lives."""
    for path in sorted(SOURCES.rglob("*.py")):
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(item, ast.ClassDef) or item.name.startswith("_"):
                continue
            for method in item.body:
                if isinstance(method, ast.FunctionDef) and is_drawing(method.name):
                    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
                    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
                    cls = getattr(module, item.name)
                    yield f"{item.name}.{method.name}", getattr(cls, method.name)


def all_that_shows() -> dict[str, Callable[..., Any]]:
    """Return charts, reports, widgets, and what writes answers for people or other tools."""
    report = importlib.import_module("vidlab.report")
    written = {name: getattr(sharing, name) for name in sharing.__all__ if name.startswith("save")}
    return {
        **dict(methods_that_draw()),
        **{name: getattr(report, name) for name in report.__all__},
        **{name: getattr(widgets, name) for name in widgets.__all__},
        **written,
        "vidlab live": headless.run,
    }


def options_of(shown: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return what it takes; a widget hands on what it does not know to what it is made of."""
    if not inspect.isclass(shown):
        return dict(inspect.signature(shown).parameters)
    taken: dict[str, inspect.Parameter] = {}
    for cls in shown.__mro__:
        if cls.__module__.startswith("vidlab.") and "__init__" in vars(cls):
            options = inspect.signature(vars(cls)["__init__"]).parameters
            taken = {**options, **taken}
            if not any(each.kind is each.VAR_KEYWORD for each in options.values()):
                break
    return taken


SHOWN = all_that_shows()


def test_what_shows_labels_is_found() -> None:
    assert {
        "Predictions.plot", "Comparison.plot", "Comparison.report", "Evaluation.plot",
        "Heatmap.plot", "TemporalOcclusion.plot", "Study.report", "Player", "ComparisonView",
        "Gallery", "Live", "write_report", "write_study_report", "save_vtt", "vidlab live",
    } <= set(SHOWN)  # fmt: skip
    assert set(SHOWN) >= WITHOUT_LABELS


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_labels_are_shown_in_the_language_that_is_asked_for(name: str) -> None:
    taken = options_of(SHOWN[name])
    assert "language" not in taken, "in all of vidlab the word is labels="
    word = OTHER_WORD.get(name, "labels")
    if name in WITHOUT_LABELS:
        assert word not in taken
        return
    option = taken.get(word)
    assert option is not None, f"{name} shows labels, and cannot show them in Korean"
    assert option.kind is option.KEYWORD_ONLY
    assert option.default is None
    assert option.annotation == "str | None"
    if word in inspect.signature(SHOWN[name]).parameters:
        assert f"    {word}: " in (inspect.getdoc(SHOWN[name]) or ""), "it is told of"


def test_no_public_function_has_another_word_for_it() -> None:
    for name in vl.__all__:
        public = getattr(vl, name)
        if inspect.isfunction(public) or inspect.isclass(public):
            assert "language" not in options_of(public), name
