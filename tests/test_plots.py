"""Every chart: that results have one, what it shows, and that it can be read."""

from __future__ import annotations

import ast
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel
from matplotlib import font_manager, pyplot
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import make_video

import vidlab as vl
from vidlab import metrics, plots
from vidlab.attribution import sampling_lab, spatial_occlusion, temporal_occlusion
from vidlab.core import fonts
from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.label_names import translated
from vidlab.core.palette import PALETTE, person_color
from vidlab.core.skeletons import COCO_17
from vidlab.evaluation import Cost, Evaluation, Study
from vidlab.models.base import Selection
from vidlab.plots import timelines
from vidlab.pose import Poses

matplotlib.use("agg")

SOURCES = Path(plots.__file__).parent.parent

#: Classes that hold what a run gave; each must be able to draw itself.
RESULTS = {
    "Comparison", "Drift", "Evaluation", "FitResult", "Heatmap", "Poses", "Predictions",
    "Reliability", "SamplingLab", "Study", "TemporalOcclusion",
}  # fmt: skip

#: Each chart, as result, method and options, with what its axes tell.
CHARTS = [
    ("Predictions", "plot", {}, "time (s)", "label"),
    ("Predictions", "plot", {"labels": "ko"}, "time (s)", "label"),
    ("Predictions", "plot", {"kind": "timeline"}, "time (s)", "probability"),
    ("Predictions", "plot", {"kind": "timeline", "labels": "ko"}, "time (s)", "probability"),
    ("Comparison", "plot", {}, "time (s)", "model"),
    ("Comparison", "plot", {"labels": "ko"}, "time (s)", "model"),
    ("Comparison", "plot_agreement", {}, "model", "model"),
    ("Evaluation", "plot", {}, "predicted", "label"),
    ("Evaluation", "plot", {"labels": "ko"}, "predicted", "label"),
    ("Reliability", "plot", {}, "confidence", "accuracy"),
    ("Study", "plot", {}, "computing time (ms per frame)", "top-1 accuracy, with 95 % interval"),
    ("Study", "plot_agreement", {}, "model", "model"),
    (
        "Study", "plot_over_time", {}, "seconds of the clip gone by (s)",
        "share of answers that are right",
    ),
    (
        "Study", "plot_reliability", {}, "probability of the answer",
        "share of answers that are right",
    ),
    ("Poses", "plot", {}, "time (s)", "mean confidence"),
    ("FitResult", "plot", {}, "epoch", "accuracy (%)"),
    ("FitResult", "plot", {"what": "loss"}, "epoch", "loss (nats)"),
    ("TemporalOcclusion", "plot", {}, "hidden stretch of the video (s)", "drop of probability"),
    (
        "TemporalOcclusion", "plot", {"labels": "ko"}, "hidden stretch of the video (s)",
        "drop of probability",
    ),
    ("Heatmap", "plot", {}, "px", "px"),
    ("Heatmap", "plot", {"labels": "ko"}, "px", "px"),
    ("SamplingLab", "plot", {}, "time (s)", "probability"),
    ("Drift", "plot", {}, "elapsed frames", "relative error of the logits"),
    ("Drift", "plot_layers", {}, "relative error", "layer"),
]  # fmt: skip

KINETICS = vl.LabelMap.named("kinetics-600")
ODD = vl.LabelMap(
    ["a $x_$ b$ {", "<b>not</b> \\frac{", "두 줄\n짜리 이름", "_hidden", "carving ice", "x" * 90]
)


def predictions(
    logits: np.ndarray, *, labels: vl.LabelMap = KINETICS, backend: str = "torch", **more: object
) -> vl.Predictions:
    return vl.Predictions(
        video="our summer holiday on the lake, seen from the hill [final] (2).mp4",
        model="movinet-a0-stream", backend=backend, title=f"{backend}:movinet-a0-stream (float)",
        labels=labels, logits=logits.astype(np.float32),
        **{"frame_index": np.arange(len(logits)) * 6,
           "time_seconds": np.arange(len(logits)) / 5} | more,
    )  # fmt: skip


def drifting(seed: int, num_frames: int = 150) -> np.ndarray:
    """Return logits of a video in which one thing after another is seen, and some noise."""
    logits = np.random.default_rng(seed).normal(0, 2, (num_frames, len(KINETICS)))
    for number, start in enumerate(range(0, num_frames, 15)):
        logits[start : start + 20, 37 * number] += 9
    return logits


def evaluation(seed: int, labels: vl.LabelMap, *, num_clips: int = 200) -> Evaluation:
    chance = np.random.default_rng(seed)
    truth = np.arange(num_clips) % len(labels)
    logits = chance.normal(0, 1, (num_clips, len(labels)))
    logits[np.arange(num_clips), truth] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    clips = pd.DataFrame(
        {
            "video": [f"{clip % 40}.mp4" for clip in range(num_clips)],
            "start_seconds": 0.0,
            "end_seconds": 3.0,
            "label": [labels[i] for i in truth],
        }
    )
    answers = pd.DataFrame(
        {
            "clip": np.repeat(np.arange(num_clips), 6),
            "elapsed_seconds": np.tile(np.arange(6) / 2, num_clips),
            "class_id": chance.integers(0, len(labels), 6 * num_clips),
            "probability": chance.uniform(0.2, 1, 6 * num_clips),
        }
    )
    return Evaluation(
        clips,
        probabilities.astype(np.float32),
        labels=labels,
        title="torch:movinet-a0-stream (float)",
        answers=answers,
        cost=Cost(ms_per_frame=3.0 + seed, size_mb=5.0, num_threads=2, runtime="torch"),
    )


def two_people() -> Poses:
    """Return two people on 40 frames, the second on every other one of 30 only."""
    row = np.sort(np.concatenate([np.arange(40), np.arange(0, 30, 2)]))
    person = np.where(np.diff(row, prepend=-1) > 0, 0, 1)
    points = np.random.default_rng(0).uniform(0.2, 0.9, (len(row), len(COCO_17), 3))
    return Poses(
        video="two.mp4", model="movenet-multipose", backend="litert", title="litert:movenet",
        skeleton=COCO_17, width_px=100, height_px=80, frame_index=np.arange(40),
        time_seconds=np.arange(40) / 10, row=row, person=person, points=points,
    )  # fmt: skip


def drift() -> vl.Drift:
    """Return two models' errors against a third: 20 answers to each of two videos, 60 layers."""
    chance = np.random.default_rng(0)
    models = ["litert:movinet-a0-stream (int8)", "torch:movinet-a0-stream (int8)"]
    pair = {"against": "torch:movinet-a0-stream (float)"}
    answers = pd.DataFrame(
        [
            {"model": model, "video": video, "elapsed_frames": frame, **pair}
            for model in models
            for video in ("a.mp4", "b.mp4")
            for frame in range(1, 21)
        ]
    )
    layers = pd.DataFrame(
        [
            {"model": models[1], "layer": f"layers.block{block}_layer{layer}", **pair}
            for block in range(6)
            for layer in range(10)
        ]
    )
    return vl.Drift(
        answers=answers.assign(relative_error=chance.lognormal(-3, 1, len(answers))),
        layers=layers.assign(relative_error=chance.lognormal(-3, 1, len(layers))),
        finals=pd.DataFrame(),
        states=pd.DataFrame(),
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """One of each class of results."""
    video = tmp_path_factory.mktemp("plots") / "clip.mp4"
    make_video(video, num_frames=60, fps=15, size=(64, 48))
    model = ArithmeticModel(kind="clip", num_frames=4)
    model.labels = vl.LabelMap(KINETICS[:4])
    labels = vl.LabelMap(KINETICS[60:72])
    first, second = predictions(drifting(1)), predictions(drifting(2), backend="litert")
    evaluations = {
        name: evaluation(seed, labels)
        for seed, name in enumerate(
            ("torch:movinet-a0-stream (float)", "litert:movinet-a0-stream (int8)", "images only"), 1
        )
    }
    epochs = np.arange(1, 9)
    history = pd.DataFrame(
        {
            "epoch": epochs, "loss": 2.0 / epochs, "accuracy": 1 - 0.6 / epochs,
            "val_loss": 2.5 / epochs, "val_accuracy": 1 - 0.8 / epochs, "learning_rate": 0.1,
            "seconds": epochs * 2.0,
        }
    )  # fmt: skip
    return {
        "Predictions": first,
        "Comparison": vl.Comparison([first, second]),
        "Evaluation": evaluations["images only"],
        "Reliability": evaluations["images only"].reliability,
        "Study": Study(evaluations),
        "Poses": two_people(),
        "FitResult": vl.FitResult(
            model=model, history=history, best_epoch=8, path=None, validation=pd.DataFrame(),
            problems=pd.DataFrame(), seconds=16.0, stopped=None,
        ),
        "TemporalOcclusion": temporal_occlusion(video, model, progress=False),
        "Heatmap": spatial_occlusion(video, model, patch_px=4, progress=False),
        "SamplingLab": sampling_lab(video, model, progress=False),
        "Drift": drift(),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _no_figure_stays() -> Iterator[None]:
    pyplot.close("all")  # those of other tests
    yield
    pyplot.close("all")


# ---- every chart -----------------------------------------------------------------------------


def charts_in_the_sources() -> set[tuple[str, str]]:
    """Return each public class's methods that draw: those called plot, or plot_ and what."""
    return {
        (item.name, method.name)
        for path in SOURCES.rglob("*.py")
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(item, ast.ClassDef) and not item.name.startswith("_")
        for method in item.body
        if isinstance(method, ast.FunctionDef)
        and (method.name == "plot" or method.name.startswith("plot_"))
    }


def test_every_result_has_a_chart_and_every_chart_is_looked_at() -> None:
    found = charts_in_the_sources()
    assert {name for name, method in found if method == "plot"} == RESULTS
    assert {(name, method) for name, method, *_ in CHARTS} == found


@pytest.mark.parametrize(("name", "method", "options", "xlabel", "ylabel"), CHARTS)
def test_a_chart_behaves_and_can_be_read(
    name: str,
    method: str,
    options: dict[str, str],
    xlabel: str,
    ylabel: str,
    results: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a chart shows or closes nothing by itself")

    draw: Callable[..., Axes] = getattr(results[name], method)
    monkeypatch.setattr(pyplot, "show", never)
    settings = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of letters that a font lacks
        own = draw(**options)
        assert isinstance(own, Axes)
        assert pyplot.get_fignums() == [own.figure.number]
        check_readable(own.figure)
        figure = paper(7, 5)
        given = figure.subplots()
        assert draw(given, **options) is given
        check_readable(figure)
    assert pyplot.get_fignums() == [own.figure.number]
    assert dict(matplotlib.rcParams) == settings
    for ax in (own, given):
        assert (ax.get_xlabel(), ax.get_ylabel()) == (xlabel, ylabel)


def paper(width: float, height: float) -> Figure:
    """Return a figure of so many inches that pyplot does not know of."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def written(figure: Figure) -> list[Text]:
    """Return the texts that can be seen."""
    texts: list[Text] = []
    for ax in figure.axes:
        texts += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [text for tick in ticks for text in (tick.label1, tick.label2)]
        if legend := ax.get_legend():
            texts += legend.get_texts()
    return [text for text in texts if text.get_visible() and text.get_text()]


def check_readable(figure: Figure) -> None:
    """Check that all texts are on the paper, none is on another, and none is tiny."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = written(figure)
    assert len(texts) > 6
    boxes = [text.get_window_extent(renderer) for text in texts]
    edge = figure.bbox.padded(1.0)
    for text, box in zip(texts, boxes, strict=True):
        assert min(box.x0 - edge.x0, edge.x1 - box.x1) >= 0, f"off the paper: {text}"
        assert min(box.y0 - edge.y0, edge.y1 - box.y1) >= 0, f"off the paper: {text}"
        assert text.get_fontsize() >= 6, f"tiny: {text}"
    for (one, first), (other, second) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        if min(across, down) <= 1.0:
            continue
        assert one.get_rotation() == other.get_rotation() == 45, f"{one} is on {other}"
        # Slanted in parallel: their lines must be as far apart as letters are high.
        (x0, y0), (x1, y1) = (
            text.get_transform().transform(text.get_position()) for text in (one, other)
        )
        apart = abs((y1 - y0) - (x1 - x0)) / math.sqrt(2)
        letters = one.get_fontsize() * figure.dpi / 72
        assert apart >= letters, f"{one} is on {other}"


def test_the_check_finds_what_cannot_be_read() -> None:
    for spoil in (
        lambda ax: ax.text(0.5, 0.5, "on") and ax.text(0.5, 0.5, "another"),
        lambda ax: ax.text(0.99, 0.5, "off the paper").set_in_layout(False),
        lambda ax: ax.text(0.5, 0.5, "tiny", fontsize=3),
        lambda ax: ax.set_xticks(np.arange(40) / 40, ["labels"] * 40, rotation=45),
    ):
        figure = paper(4, 3)
        ax = figure.subplots()
        check_readable(figure)
        spoil(ax)
        with pytest.raises(AssertionError, match=r"is on|off the|tiny"):
            check_readable(figure)


@pytest.mark.parametrize("language", [None, "ko"])
@pytest.mark.parametrize("num_labels", [2, 12, 13, 20, 21, 30, 31, 90])
def test_confusions_of_any_size_can_be_read(num_labels: int, language: str | None) -> None:
    labels = vl.LabelMap(KINETICS[200 : 200 + num_labels])
    check_readable(evaluation(0, labels, num_clips=40 * num_labels).plot(labels=language).figure)


def test_two_models_with_long_names_can_be_read() -> None:
    long = [predictions(drifting(at), backend=f"backend {at} of a long name") for at in (1, 2)]
    both = vl.Comparison(long)
    for ax in (both.plot(), both.plot_agreement()):
        check_readable(ax.figure)
        # What tells them apart is left.
        names = [text.get_text() for text in ax.get_yticklabels()]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ["heatmap", "timeline"])
def test_labels_that_are_no_plain_words_are_drawn_as_they_are(kind: str) -> None:
    logits = np.repeat(np.eye(len(ODD)), 4, axis=0) * 9
    ax = predictions(logits, labels=ODD).plot(kind=kind)
    check_readable(ax.figure)
    texts = {text.get_text() for text in written(ax.figure)}
    for part in (r"a \$x_\$ b\$ {", r"<b>not</b> \frac{", "두 줄 짜리 이름", "_hidden", "xxx…xxx"):
        assert any(part in text for text in texts), part


# ---- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "wanted"),
    [
        ("carving ice", 11, "carving ice"),
        ("carving ice", 10, "carvin…ice"),
        ("torch:movinet-a0-stream (int8)", 16, "torch:movi…int8)"),
        ("얼음 조각하기", 13, "얼음 조각하기"),
        ("얼음 조각하기", 12, "얼음 조각…기"),
        ("one\n  two\tthree ", 20, "one two three"),
        ("cost: $5, $6", 20, r"cost: \$5, \$6"),
        ("", 5, ""),
    ],
)
def test_texts_are_shortened_in_the_middle(text: str, columns: int, wanted: str) -> None:
    assert plots.shown(text, columns=columns) == wanted


def has_hangul(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


@pytest.mark.parametrize(
    ("name", "method", "options"),
    [chart[:3] for chart in CHARTS if chart[2].get("labels") == "ko"],
)
def test_korean_labels_have_a_font_with_their_letters(
    name: str, method: str, options: dict[str, str], results: dict[str, object]
) -> None:
    if not any("cjk" in path.stem.lower() for path in fonts.installed_fonts()):
        pytest.skip("no Korean font is installed: apt-get install fonts-noto-cjk")
    ax = getattr(results[name], method)(**options)
    usual = font_manager.findfont(font_manager.FontProperties())
    korean = 0
    for text in written(ax.figure):
        path = font_manager.findfont(text.get_fontproperties())
        font = font_manager.get_font(path)
        assert all(ord(letter) in font.get_charmap() for letter in text.get_text() if letter > " ")
        korean += has_hangul(text.get_text())
        assert has_hangul(text.get_text()) or text.get_weight() == "bold" or path == usual
        assert not any(label in text.get_text() for label in KINETICS)
    assert korean


def test_a_font_that_is_not_there_is_told_once_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, results: dict[str, object]
) -> None:
    monkeypatch.setattr(fonts, "installed_fonts", lambda: ())
    fonts._path_for.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ax = results["Comparison"].plot(labels="ko")
    fonts._path_for.cache_clear()
    ours = [str(each.message) for each in told if "No installed font" in str(each.message)]
    assert len(ours) == 1
    assert "Install one, such as Noto Sans CJK" in ours[0]
    # One font for all of them: what it needs are the letters of them all.
    korean = [text.get_text() for text in written(ax.figure) if has_hangul(text.get_text())]
    assert len(korean) > 2
    assert repr("".join(sorted(set("".join(korean)) - {" "}))[:20]) in ours[0]


@pytest.mark.parametrize(
    "name", ["Predictions", "Comparison", "Evaluation", "TemporalOcclusion", "Heatmap"]
)
def test_an_unknown_language_is_refused_before_there_is_a_figure(
    name: str, results: dict[str, object]
) -> None:
    with pytest.raises(OptionError, match=r"'kr'.*Did you mean 'ko'"):
        results[name].plot(labels="kr")
    assert not pyplot.get_fignums()


def test_colours_are_the_labels_own_in_any_language(results: dict[str, object]) -> None:
    both = results["Comparison"]
    for language in (None, "ko"):
        legend = both.plot(labels=language).get_legend()
        shades = {
            text.get_text(): to_hex(handle.get_facecolor()).upper()
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        }
        for label in both.table["label_torch"].value_counts().index[:3]:
            name = f"{PALETTE.letter_of(label)}  {plots.shown(translated(label, language))}"
            assert shades[name] == PALETTE.color_of(label)


# ---- what is drawn ---------------------------------------------------------------------------


def test_the_heat_map_holds_the_labels_most_probable_on_average() -> None:
    preds = predictions(drifting(3), selection=Selection(label_deny_list=[KINETICS[0]]))
    curves = preds.curves(5)
    mean = preds.average().drop(KINETICS[0])
    assert curves.columns.tolist() == mean.index[:5].tolist()
    for label in curves:
        np.testing.assert_array_equal(
            curves[label], preds.probabilities[:, KINETICS.id_of(str(label))]
        )
    ax = preds.plot(top_k=5)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), curves.to_numpy().T)
    assert mesh.get_clim() == (0.0, 1.0)
    edges = mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, [*preds.time_seconds, preds.time_seconds[-1] + 0.2])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [plots.shown(str(label)) for label in curves]
    tops = [text.get_window_extent().y0 for text in ax.get_yticklabels()]
    assert tops == sorted(tops, reverse=True)
    assert len(predictions(drifting(3)[:, :4], labels=vl.LabelMap(KINETICS[:4])).curves().T) == 4
    with pytest.raises(OptionError, match="top_k"):
        preds.plot(top_k=0)


def test_the_timeline_is_as_high_as_the_top_label_is_probable(results: dict[str, object]) -> None:
    preds = results["Predictions"]
    ax = preds.plot(kind="timeline")
    top = preds.top1()
    drawn = {to_hex(patch.get_facecolor()).upper(): patch.get_data() for patch in ax.patches}
    assert len(drawn) == top["label"].nunique()
    for label, rows in top.groupby("label"):
        heights = drawn[PALETTE.color_of(str(label))].values
        assert np.flatnonzero(np.isfinite(heights)).tolist() == rows.index.tolist()
        np.testing.assert_array_equal(heights[rows.index], rows["probability"])
    with pytest.raises(OptionError, match=r"kind must be .*Did you mean 'timeline'"):
        preds.plot(kind="timelines")


def test_a_lane_a_model_over_their_divergence(results: dict[str, object]) -> None:
    both = results["Comparison"]
    ax = both.plot()
    *bands, strip = [patch.get_data() for patch in ax.patches]
    for row, name in enumerate(both.names):
        lane = [band for band in bands if band.baseline == row - 0.4]
        covered = sum(np.isfinite(band.values).astype(int) for band in lane)
        assert (covered == 1).all()
        assert len(lane) == both.table[f"label_{name}"].nunique()
    heights = (strip.baseline - strip.values) / 0.8
    divergence = both.divergence
    np.testing.assert_allclose(heights, divergence / divergence.max(), atol=1e-5)
    assert f"{divergence.max():.2g} nats" in ax.get_yticklabels()[-1].get_text()
    names = [text.get_text() for text in ax.get_yticklabels()][:-1]
    assert names == both.names
    assert ax.yaxis_inverted()


def test_models_that_agree_are_not_blown_up() -> None:
    same = vl.Comparison([predictions(drifting(1)), predictions(drifting(1), backend="litert")])
    strip = same.plot().patches[-1].get_data()
    np.testing.assert_allclose(strip.values, strip.baseline, atol=0.01)


def test_an_answer_holds_until_the_next_one() -> None:
    np.testing.assert_allclose(
        timelines.bounds_of(np.array([1.0, 1.5, 1.5, 2.5])), [1.0, 1.5, 1.5, 2.5, 3.25]
    )
    assert timelines.bounds_of(np.array([4.0])).tolist() == [4.0, 5.0]
    for kind in ("heatmap", "timeline"):
        check_readable(predictions(drifting(1)[:1]).plot(kind=kind).figure)


def test_where_there_is_nothing_to_draw_that_is_said(results: dict[str, object]) -> None:
    empty = predictions(np.empty((0, len(KINETICS))))
    both = vl.Comparison([empty, predictions(drifting(1), backend="litert")])
    for draw in (empty.plot, both.plot, both.plot_agreement):
        with pytest.raises(PredictionsError, match="to draw"):
            draw()
    assert empty.curves().shape == (0, 8)
    known = results["Evaluation"]
    unmeasured = Evaluation(
        known._clips,
        known.probabilities,
        labels=known.labels,
        title="it",
    )
    with pytest.raises(PredictionsError, match="ms_per_frame of it is not known"):
        Study({"it": unmeasured}).plot()
    assert not pyplot.get_fignums()


def test_the_reliability_curve_leaves_out_empty_bins() -> None:
    probabilities = np.array([[0.92, 0.08], [0.95, 0.05], [0.6, 0.4], [0.55, 0.45]])
    found = metrics.reliability(probabilities, [0, 1, 0, 0], num_bins=10)
    ax = found.plot()
    diagonal, curve = ax.get_lines()
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(curve.get_xydata(), [[0.575, 1.0], [0.935, 0.5]])
    behind = next(other for other in ax.figure.axes if other is not ax)
    assert [bar.get_height() for bar in behind.patches] == found.count.tolist()
    assert ax.get_zorder() > behind.get_zorder()
    assert f"{found.ece:.3f}" in ax.get_title()


def test_agreement_is_written_into_its_cells(results: dict[str, object]) -> None:
    for name in ("Comparison", "Study"):
        ax = results[name].plot_agreement()
        table = results[name].agreement
        cells = {text.get_position(): float(text.get_text()) for text in ax.texts}
        expected = {(c, r): share for (r, c), share in np.ndenumerate(table.to_numpy())}
        assert cells == pytest.approx(expected, abs=0.0051)
        np.testing.assert_array_equal(ax.images[0].get_array(), table)


def test_a_line_joins_the_models_that_none_beats() -> None:
    names = ["slow and good", "fast and bad", "slower and worse", "as fast and worse"]
    cost = np.array([20.0, 4.0, 25.0, 4.0])
    accuracy = np.array([0.9, 0.6, 0.8, 0.5])
    unbeaten = np.array([True, True, False, False])
    nothing = np.full(4, np.nan)
    from vidlab.plots.tradeoffs import draw_tradeoff

    ax = draw_tradeoff(
        None, names, cost, accuracy, nothing, nothing, unbeaten, xlabel="cost", ylabel="accuracy"
    )
    assert ax.get_lines()[0].get_xydata().tolist() == [[4.0, 0.6], [20.0, 0.9]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == names
    check_readable(ax.figure)


def test_people_have_gaps_where_they_are_not_seen() -> None:
    poses = two_people()
    table = poses.confidence()
    assert table[0].notna().all()
    assert np.flatnonzero(table[1].notna()).tolist() == list(range(0, 30, 2))
    for frame, who, points in zip(poses.row, poses.person, poses.points, strict=True):
        assert table[who].iloc[frame] == pytest.approx(points[:, 2].mean())
    first, second = poses.plot().get_lines()
    assert [first.get_color(), second.get_color()] == [person_color(0), person_color(1)]
    np.testing.assert_array_equal(first.get_ydata(), table[0])
    np.testing.assert_array_equal(second.get_ydata(), table[1])
    nobody = poses.replaced(row=[], person=[], points=[])
    assert not nobody.plot().get_lines()
