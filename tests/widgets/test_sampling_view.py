"""The Python side of `SamplingView`: what the page is told, and what may be chosen. No browser."""

from __future__ import annotations

import copy
import gc
import io
import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from html import escape

import numpy as np
import pytest
from ipywidgets.widgets.widget import _remove_buffers
from PIL import Image

import vidlab as vl
from vidlab.attribution import CROPS, SamplingLab, Setting
from vidlab.attribution.answers import Verdict
from vidlab.attribution.sampling_lab import Run
from vidlab.core.errors import LabelMapError, OptionError, WidgetError
from vidlab.core.palette import PALETTE
from vidlab.widgets import SamplingView
from vidlab.widgets.kept import kept_sampling_html

LABELS = ("walking", "juggling balls", "<img src=x onerror=alert(1)>", "sitting down", "squat")
HTML = LABELS[2]


def a_run(first: float, step: float, leader: int, rng: np.random.Generator, num: int) -> Run:
    """Return answers of which the last ones say `leader`."""
    logits = rng.normal(size=(6, num)).astype(np.float32)
    logits[-1, leader] = 5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Run(
        time_seconds=first + step * np.arange(6),
        probabilities=probabilities.astype(np.float32),
        verdict=Verdict(probabilities[-1].astype(np.float32), logits[-1]),
    )


def a_lab(
    leaders: Sequence[int] = (1, 1, 2, 1, 2, 0), labels: Sequence[str] = LABELS
) -> SamplingLab:
    """Return a lab whose settings say these of the whole video; some begin later than others."""
    rng = np.random.default_rng(7)
    settings = [Setting(5.0, 0.0, "centre", 6), Setting(5.0, 0.5, "closer", 6)]
    settings += [Setting(2.5 + number, 0.5, "left") for number in range(len(leaders) - 2)]
    picture = io.BytesIO()
    Image.new("RGB", (320, 240), "green").save(picture, "JPEG")
    return SamplingLab(
        video="a <b>clip</b>.mp4",
        title="torch:model",
        labels=vl.LabelMap(labels),
        settings=tuple(settings[: len(leaders)]),
        runs=tuple(
            a_run(each.phase / each.fps, 1 / each.fps, leader, rng, len(labels))
            for each, leader in zip(settings, leaders, strict=False)
        ),
        span_seconds=(0.0, 2.5),
        picture=picture.getvalue(),
    )


def told(view: SamplingView) -> dict:
    """Return what the page gets, with arrays where there are buffers."""
    state, paths, buffers = _remove_buffers({"_info": copy.deepcopy(view._info)})
    json.dumps(state, allow_nan=False)  # as the wire would have it
    assert len(paths) == len(buffers) > 0
    info = dict(view._info)
    info["times"] = np.frombuffer(info["times"], "<f8")
    info["bands"] = [np.frombuffer(each, "<f4").reshape(3, -1) for each in info["bands"]]
    info["runs"] = [
        (
            np.frombuffer(each["times"], "<f8"),
            np.frombuffer(each["probabilities"], "<f4").reshape(len(info["bands"]), -1),
        )
        for each in info["runs"]
    ]
    return info


# ---- what the page is told -------------------------------------------------------------------


def test_the_page_has_the_labs_numbers() -> None:
    lab = a_lab()
    info = told(SamplingView(lab))
    # The default's label first, then those that lead in more settings.
    names = [each["label"] for each in info["labels"]]
    assert names[:3] == ["juggling balls", HTML, "walking"]
    assert len(info["bands"]) == 3
    for name, band in zip(names, info["bands"], strict=False):
        wanted = lab.band(name)
        np.testing.assert_array_equal(info["times"], wanted["time_seconds"])
        np.testing.assert_allclose(band, wanted[["low", "median", "high"]].to_numpy().T, atol=1e-7)
    for run, (times, probabilities) in zip(lab.runs, info["runs"], strict=True):
        np.testing.assert_array_equal(times, run.time_seconds)
        for name, values in zip(names, probabilities, strict=False):
            np.testing.assert_array_equal(values, run.probabilities[:, lab.labels.id_of(name)])
    for number, each in enumerate(info["settings"]):
        wanted = sorted(zip(-lab.probabilities[number], lab.labels, strict=True))[:3]
        assert [names[label] for label in each["top"]] == [name for _, name in wanted]
        assert each["probabilities"] == pytest.approx([-value for value, _ in wanted])
        setting = Setting(each["fps"], each["phase"], each["crop"], each["stride"])
        assert setting == lab.settings[number]
    assert info["span"] == [0.0, 2.5]
    assert info["picture"] == {"jpeg": lab.picture, "width": 320, "height": 240}
    assert info["crops"]["right"] == list(CROPS["right"])


def test_no_band_has_a_hole_though_settings_begin_later() -> None:
    lab = a_lab()
    info = told(SamplingView(lab))
    assert lab.runs[1].time_seconds[0] > info["times"][0]
    assert np.isnan(lab.runs[1].held(info["times"], 0)[0])
    assert all(np.isfinite(band).all() for band in info["bands"])


def test_labels_that_lead_are_coloured_and_others_grey() -> None:
    lab = a_lab()
    info = told(SamplingView(lab))
    for number, each in enumerate(info["labels"]):
        color = PALETTE.color_of(each["label"]) if number < 3 else None
        assert each["color"] == color
        assert bool(each["letter"]) == (number < 3)


def test_labels_are_shown_in_another_language_and_stay_what_they_are() -> None:
    lab = a_lab()
    korean = SamplingView(lab, labels="ko")
    first, second, *_ = told(korean)["labels"]
    assert (first["label"], first["name"]) == ("juggling balls", "공 저글링하기")
    assert (second["label"], second["name"]) == (HTML, HTML)
    english = told(SamplingView(lab, labels="en"))["labels"][0]
    assert english == {**first, "name": "juggling balls"}
    assert korean.label == "juggling balls"


def test_a_lab_of_one_setting() -> None:
    lab = a_lab(leaders=(4,))
    info = told(SamplingView(lab))
    assert len(info["settings"]) == len(info["bands"]) == 1
    low, median, high = info["bands"][0]
    np.testing.assert_array_equal(low, high)
    np.testing.assert_array_equal(median, info["runs"][0][1][0])


def test_a_model_of_two_labels_tells_two() -> None:
    info = told(SamplingView(a_lab(leaders=(1, 0), labels=("no", "yes"))))
    assert [each["top"] for each in info["settings"]] == [[0, 1], [1, 0]]


def test_no_more_than_eight_labels_have_a_band() -> None:
    labels = [f"label {number}" for number in range(12)]
    lab = a_lab(leaders=[*range(10), 9], labels=labels)
    view = SamplingView(lab)
    info = told(view)
    assert len(info["bands"]) == 8
    assert [each["label"] for each in info["labels"][:2]] == ["label 0", "label 9"]
    # One that leads, but too seldom, still has its colour in the cells.
    assert info["labels"][9]["color"] is not None
    with pytest.raises(OptionError, match="must lead"):
        view.label = info["labels"][9]["label"]


# ---- what may be chosen ----------------------------------------------------------------------


def test_settings_are_chosen_by_themselves_or_by_number() -> None:
    lab = a_lab()
    view = SamplingView(lab)
    seen: list[Setting] = []
    view.observe(lambda change: seen.append(change["new"]), "setting")
    assert view.setting == lab.settings[0]
    view.setting = np.int64(2)
    assert (view.setting, view._setting) == (lab.settings[2], 2)
    view.setting = lab.settings[3]
    assert view._setting == 3
    view.setting = Setting(5.0, 0.5, "closer")  # its stride is not known beforehand
    assert (view.setting, view._setting) == (lab.settings[1], 1)
    view.set_state({"_setting": 4})  # as the page does
    assert view.setting == lab.settings[4]
    assert seen == [lab.settings[number] for number in (2, 3, 1, 4)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (6, "from 0 to 5; got 6"),
        (-1, "got -1"),
        ("centre", "got 'centre'"),
        (None, "got None"),
        (Setting(5.0, 0.25, "centre"), "did not try 5 fps, phase 0.25, centre"),
        (Setting(5.0, 0.0, "centre", 7), "did not try"),
    ],
)
def test_what_is_no_setting_is_refused(bad: object, words: str) -> None:
    view = SamplingView(a_lab())
    with pytest.raises(OptionError, match=words):
        view.setting = bad
    assert view._setting == 0


def test_labels_are_those_that_lead() -> None:
    view = SamplingView(a_lab())
    assert view.label == "juggling balls"
    seen: list[str] = []
    view.observe(lambda change: seen.append(change["new"]), "label")
    view.label = HTML
    view.set_state({"label": "walking"})
    assert seen == [HTML, "walking"]
    with pytest.raises(OptionError, match="Did you mean 'juggling balls'"):
        view.label = "jugling balls"
    with pytest.raises(OptionError, match="must lead with some setting"):
        view.label = "squat"
    assert view.label == "walking"


def test_messages_from_the_page_are_checked() -> None:
    view = SamplingView(a_lab())
    for bad in (6, -1, True, "1", None, 1.0):
        with pytest.raises(WidgetError, match=f"from 0 to 5; got {bad!r}"):
            view.set_state({"_setting": bad})
    for wrong in ("nothing", 3, None):
        with pytest.raises(OptionError, match="must lead"):
            view.set_state({"label": wrong})
    assert (view._setting, view.label) == (0, "juggling balls")


def test_wrong_options_are_refused() -> None:
    lab = a_lab()
    with pytest.raises(OptionError, match="sampling_lab"):
        SamplingView("clip.mp4")
    with pytest.raises(OptionError, match="locale"):
        SamplingView(lab, locale="fr")
    with pytest.raises(OptionError, match="'kr'"):
        SamplingView(lab, labels="kr")
    with pytest.raises(OptionError, match="labels"):
        SamplingView(lab, label="ko")
    with pytest.raises(LabelMapError):
        lab.band("nothing")


# ---- life ------------------------------------------------------------------------------------


def test_it_says_what_it_is() -> None:
    view = SamplingView(a_lab(), layout={"width": "500px"})
    view.setting = 2
    words = f"<SamplingView of torch:model on a <b>clip</b>.mp4: {HTML!r} with 2.5 fps, "
    assert repr(view) == f"{words}phase 0.5, left>"
    data, _metadata = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert view.layout.width == "500px"


def test_beside_it_stays_what_it_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_options: shown.append(data))
    view = SamplingView(a_lab((2, 1, 2)))
    view.close()  # it comes back as another
    view._ipython_display_()
    live, kept = shown
    assert "application/vnd.jupyter.widget-view+json" in live
    assert f'data-vidlab-kept="{view.model_id}"' in kept["text/html"]
    assert view._info["model_id"] == view.model_id
    assert f"“{escape(HTML)}”, as the default one does: 2 of 3." in kept["text/html"]
    assert "torch:model on a &lt;b&gt;clip&lt;/b&gt;.mp4." in kept["text/html"]


def test_a_name_that_is_no_unicode_is_escaped_where_it_is_shown() -> None:
    view = SamplingView(replace(a_lab(), video="caf\udce9\x07.mp4"))
    assert "on caf\\udce9\x07.mp4: " in repr(view)
    assert view._info["video"] == "caf\\udce9\x07.mp4"
    assert "on caf\\udce9\x07.mp4." in kept_sampling_html(view)


def test_closed_it_goes_and_shown_again_it_comes_back() -> None:
    view = SamplingView(a_lab())
    view.setting = 3
    view.close()
    data, _metadata = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view)
    assert view._setting == 3
    assert view.comm is not None
    view.close()
    gone = weakref.ref(view)
    del view
    gc.collect()
    assert gone() is None
