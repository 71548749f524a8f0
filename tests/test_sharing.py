"""Files for other tools: each read back by its tool's reader, or by what its documentation says."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import av
import numpy as np
import pandas as pd
import pytest
import synthetic
from arithmetic import ArithmeticModel
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

import vidlab as vl
from vidlab.core.errors import LabelMapError, OptionError, PredictionsError
from vidlab.models.base import Selection
from vidlab.sharing import (
    save,
    save_fiftyone,
    save_jsonl,
    save_label_studio,
    save_vtt,
    to_segments,
)

NASTY = [
    "a \"quoted\", <b>label</b> & 'more'",
    "걷기 --> 뛰기",
    "two\nlines",
    "tab\there &amp; $x",
    "plain",
]
LABELS = vl.LabelMap(NASTY)
VIDEOS = ['he said "hi" <b>&.mp4', "비디오\n둘.mp4", "a.b.c.mp4"]
COLUMNS = ["video", "model", "start_seconds", "end_seconds", "label", "probability"]


def preds(
    probabilities, times, *, labels=LABELS, video="clip.mp4", title="torch:m (float)", **more
):
    with np.errstate(divide="ignore"):
        logits = np.log(np.asarray(probabilities, np.float32))
    return vl.Predictions(
        video=video, model="m", backend="torch", title=title, labels=labels,
        frame_index=np.arange(len(times)) * 6, time_seconds=np.asarray(times, float),
        logits=np.maximum(logits, -80), **more,
    )  # fmt: skip


def said(*ids, probability=0.9, step=0.2, **more) -> vl.Predictions:
    """Predictions whose answers are the labels `ids`, one each `step` seconds."""
    rest = (1 - probability) / (len(LABELS) - 1)
    rows = np.full((len(ids), len(LABELS)), rest)
    rows[np.arange(len(ids)), list(ids)] = probability
    return preds(rows, np.arange(len(ids)) * step, **more)


def table(*rows, **more) -> pd.DataFrame:
    """Segments of people: ``(start, end, label)``."""
    made = pd.DataFrame(rows, columns=["start_seconds", "end_seconds", "label"])
    return made.assign(**({"video": "clip.mp4"} | more))


def rows_of(segments: pd.DataFrame) -> list[tuple[float, float, str]]:
    chosen = segments[["start_seconds", "end_seconds", "label"]].round(6)
    return list(chosen.itertuples(index=False, name=None))


# ---- segments --------------------------------------------------------------------------------


def test_an_answer_holds_until_the_next_and_the_last_for_the_usual_step() -> None:
    segments = to_segments(said(4, 4, 0, 4, 4, 4))
    assert list(segments.columns) == COLUMNS
    assert rows_of(segments) == [(0.0, 0.4, "plain"), (0.4, 0.6, NASTY[0]), (0.6, 1.2, "plain")]
    assert set(segments["video"]) == {"clip.mp4"}
    assert set(segments["model"]) == {"torch:m (float)"}
    assert segments["probability"].tolist() == pytest.approx([0.9] * 3)
    assert rows_of(to_segments(said(4, 4), end_seconds=0.25)) == [(0.0, 0.25, "plain")]
    assert rows_of(to_segments(said(4), end_seconds=3)) == [(0.0, 3.0, "plain")]


def test_the_probability_is_the_mean_of_the_answers() -> None:
    rows = [[0.6, 0.4], [0.8, 0.2], [0.3, 0.7]]
    segments = to_segments(preds(rows, [0, 1, 2], labels=vl.LabelMap(["a", "b"])))
    assert segments["probability"].tolist() == pytest.approx([0.7, 0.7])


def test_the_usual_step_is_not_that_of_a_gap() -> None:
    rows = np.full((5, 5), 0.2)
    assert to_segments(preds(rows, [0, 1, 9, 10, 11]))["end_seconds"].tolist() == [12.0]


def test_answers_below_the_least_probability_end_a_stretch() -> None:
    rows = [[0.9, 0.1], [0.9, 0.1], [0.55, 0.45], [0.9, 0.1], [0.2, 0.8]]
    one = preds(rows, [0, 1, 2, 3, 4], labels=vl.LabelMap(["a", "b"]))
    found = to_segments(one, min_probability=0.6)
    assert rows_of(found) == [(0.0, 2.0, "a"), (3.0, 4.0, "a"), (4.0, 5.0, "b")]
    assert found["probability"].tolist() == pytest.approx([0.9, 0.9, 0.8])
    assert rows_of(to_segments(one, min_probability=0.6, min_seconds=2)) == [(0.0, 2.0, "a")]
    assert to_segments(one, min_probability=1).empty


def test_least_values_are_reached_in_spite_of_rounding() -> None:
    even = preds([[0.5, 0.5]] * 2, [0.3, 1.3], labels=vl.LabelMap(["a", "b"]))
    assert 2.3 - 0.3 < 2  # in floats
    found = to_segments(even, end_seconds=2.3, min_seconds=2, min_probability=0.5)
    assert rows_of(found) == [(0.3, 2.3, "a")]


# Whole numbers, so that a time is the same however it was reached.
answers = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([0.5, 0.7, 0.9])),
    min_size=2,
    max_size=12,
).filter(lambda given: any(step for step, _, _ in given[1:]))


@given(answers, st.sampled_from([0.0, 0.6, 0.8]), st.integers(0, 3))
def test_segments_are_what_was_on_at_each_instant(given_answers, least, min_seconds) -> None:
    labels = vl.LabelMap(["a", "b", "c"])
    times = np.cumsum([step for step, _, _ in given_answers])
    rows = np.array([[(1 - p) / 2] * 3 for _, _, p in given_answers])
    for row, (_, label, p) in zip(rows, given_answers, strict=True):
        row[label] = p
    one = preds(rows, times, labels=labels)
    found = to_segments(one, min_probability=least, min_seconds=min_seconds, end_seconds=99)

    # By definition: at each whole second the last answer given so far, if it is probable.
    on = []
    for second in range(99):
        latest = [each for time, each in zip(times, given_answers, strict=True) if time <= second]
        label = latest[-1][1] if latest else None
        on.append(label if latest and latest[-1][2] >= least else None)
    edges = [0, *(k for k in range(1, 99) if on[k] != on[k - 1]), 99]
    expected = [
        (float(start), float(end), labels[on[start]])
        for start, end in pairwise(edges)
        if on[start] is not None and end - start >= min_seconds
    ]
    assert rows_of(found) == expected


def test_several_predictions_come_one_after_another() -> None:
    both = [said(4, 4), said(0, 0, title="litert:m (int8)")]
    for given_both in (both, tuple(both), SimpleNamespace(predictions=both)):
        found = to_segments(given_both)
        assert found["model"].tolist() == ["torch:m (float)", "litert:m (int8)"]


def test_no_answers_make_no_segments(tmp_path: Path) -> None:
    nothing = preds(np.empty((0, 5)), [])
    segments = to_segments(nothing)
    assert list(segments.columns) == COLUMNS
    assert segments.empty
    assert segments.dtypes.equals(to_segments(said(4, 4)).dtypes)
    save_vtt(nothing, tmp_path / "v.vtt")
    assert (tmp_path / "v.vtt").read_bytes() == b"WEBVTT\n\n"
    save_label_studio(segments, tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text()) == []
    save_fiftyone(segments, tmp_path / "l.json")
    assert json.loads((tmp_path / "l.json").read_text()) == {"classes": [], "labels": {}}


def test_answers_at_one_time_only_need_an_end() -> None:
    with pytest.raises(PredictionsError, match="end_seconds"):
        to_segments(said(4))
    twice = preds(np.full((2, 5), 0.2), [1.0, 1.0])
    with pytest.raises(PredictionsError, match="one time only, 1 s"):
        to_segments(twice)
    assert rows_of(to_segments(twice, end_seconds=2.0)) == [(1.0, 2.0, NASTY[0])]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"min_probability": 1.5}, "min_probability"),
        ({"min_probability": "0.5"}, "min_probability"),
        ({"min_probability": float("nan")}, "min_probability"),
        ({"min_seconds": -1}, "min_seconds"),
        ({"min_seconds": True}, "min_seconds"),
        ({"min_seconds": float("inf")}, "min_seconds"),
        ({"end_seconds": 0.2}, "after the last answer"),
        ({"end_seconds": float("inf")}, "after the last answer"),
        ({"end_seconds": "1"}, "after the last answer"),
    ],
)
def test_options_out_of_range_are_refused(options, match) -> None:
    with pytest.raises(OptionError, match=match):
        to_segments(said(4, 4), **options)


@pytest.mark.parametrize("wrong", [None, "clip.vtt", [], [1], (each for each in ())])
def test_what_is_no_predictions_is_refused(wrong, tmp_path: Path) -> None:
    for write in (save_jsonl, save_vtt, save_fiftyone, save_label_studio):
        with pytest.raises(OptionError, match="Predictions are needed"):
            write(wrong, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": " "}, "Row 1.*blank"),
        ({"label": float("nan")}, "Row 1.*label"),
        ({"start_seconds": float("nan")}, "Row 1.*starts before it ends"),
        ({"end_seconds": 1.0}, "Row 1.*starts before it ends"),
        ({"end_seconds": float("inf")}, "Row 1.*starts before it ends"),
        ({"start_seconds": "0"}, "Row 1.*starts before it ends"),
        ({"video": None}, "Row 1.*video"),
        ({"probability": 1.1}, "Row 1.*probability"),
        ({"probability": "high"}, "Row 1.*probability"),
    ],
)
def test_rows_that_are_no_segments_are_refused(change, match, tmp_path: Path) -> None:
    rows = table((0.0, 1.0, "a"), (1.0, 2.0, "b"), probability=0.5).astype(object)
    for name, value in change.items():
        rows.at[1, name] = value
    with pytest.raises(PredictionsError, match=match):
        save_vtt(rows, tmp_path / "v.vtt")
    assert not list(tmp_path.iterdir())


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    rows = table((0.0, 1.0, "a")).rename(columns={"label": "lable"})
    with pytest.raises(PredictionsError, match=r"got .*lable.* Did you mean 'lable'\?"):
        save_vtt(rows, tmp_path / "v.vtt")


# ---- JSON lines ------------------------------------------------------------------------------


def test_json_lines_are_the_table(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    both = [
        preds(chance.dirichlet(np.ones(5), 4), np.arange(4) / 3, video=video, selection=selection)
        for video, selection in zip(VIDEOS, [Selection(), Selection(max_results=2)], strict=False)
    ]
    save_jsonl(both, tmp_path / "new" / "a.jsonl")
    assert NASTY[1].encode() in (tmp_path / "new" / "a.jsonl").read_bytes()  # for people, too
    read = pd.read_json(tmp_path / "new" / "a.jsonl", lines=True, precise_float=True)
    assert read.columns.tolist() == ["video", "model", "frame_index", "time_seconds", "top"]
    flat = read.explode("top", ignore_index=True)
    expected = pd.concat([each.table for each in both], ignore_index=True)
    for name in ("video", "frame_index", "time_seconds"):
        assert flat[name].tolist() == expected[name].tolist()
    assert flat["model"].unique().tolist() == ["torch:m (float)"]
    assert [each["label"] for each in flat["top"]] == expected["label"].tolist()
    probabilities = [each["probability"] for each in flat["top"]]
    np.testing.assert_array_equal(probabilities, expected["probability"].astype(float))


def test_json_lines_keep_empty_answers_clips_and_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    one = said(4, 0, video=name, clip_start=[0, 2], selection=Selection(score_threshold=0.95))
    save_jsonl(one, tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_bytes().decode("utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    assert [each["video"] for each in read] == [name, name]
    assert [each["clip_start"] for each in read] == [0, 2]
    assert [each["top"] for each in read] == [[], []]


def test_other_files_escape_names_that_are_no_utf8(tmp_path: Path) -> None:
    about = {"video": {"fps": 30.0}}
    one = said(4, 4, 0, video=os.fsdecode(b"caf\xe9.mp4"), made_by=about)
    assert set(to_segments(one)["video"]) == {"caf\\udce9.mp4"}
    save_vtt(one, tmp_path / "a.vtt")
    save_label_studio(one, tmp_path / "a.json")
    (task,) = json.loads((tmp_path / "a.json").read_bytes())
    assert task["data"]["name"] == "caf\\udce9.mp4"
    save_fiftyone(one, tmp_path / "b.json")
    assert "caf\\udce9" in json.loads((tmp_path / "b.json").read_bytes())["labels"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    broken = said(4, 4, selection=Selection(label_allow_list=["no such label"]))
    with pytest.raises(LabelMapError):
        save_jsonl([said(4, 4), broken], path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(PredictionsError, match="Cannot write"):
        save_jsonl(said(4, 4), tmp_path / "folder")


# ---- WebVTT ----------------------------------------------------------------------------------

_TIMING = re.compile(
    r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})"
)


def parsed_vtt(path: Path) -> list[tuple[int, int, str]]:
    """Cues as the specification's parser finds them: ``(start, end, text)``, in milliseconds."""
    text = path.read_bytes().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    header, *blocks = re.split(r"\n\n+", text.rstrip("\n"))
    assert header == "WEBVTT"
    cues = []
    for block in filter(None, blocks):
        timing, *payload = block.split("\n")
        found = _TIMING.fullmatch(timing)
        assert found is not None, timing
        h1, m1, s1, ms1, h2, m2, s2, ms2 = map(int, found.groups())
        start, end = (
            ((h1 * 60 + m1) * 60 + s1) * 1000 + ms1,
            ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2,
        )
        assert start < end
        assert len(payload) == 1
        assert "-->" not in payload[0]
        assert "<" not in payload[0]
        cues.append((start, end, html.unescape(payload[0])))
    assert cues == sorted(cues, key=lambda cue: cue[0])
    return cues


def shown(label: str) -> str:
    return re.sub(r"[\r\n]+", " ", label)


def test_subtitles_are_the_segments(tmp_path: Path) -> None:
    one = said(0, 1, 1, 2, 3, 4, step=0.4)
    save_vtt(one, tmp_path / "v.vtt")
    expected = [
        (round(start * 1000), round(end * 1000), shown(label))
        for start, end, label in rows_of(to_segments(one))
    ]
    assert parsed_vtt(tmp_path / "v.vtt") == expected
    # FFmpeg's reader takes the file apart, and its decoder resolves the references.
    with av.open(str(tmp_path / "v.vtt")) as container:
        packets = [each for each in container.demux(subtitles=0) if each.size]
        cues = [(each.pts, each.pts + each.duration) for each in packets]
        texts = [each.dialogue.decode() for packet in packets for each in packet.decode()]
    assert cues == [(start, end) for start, end, _ in expected]
    assert texts == [text for _, _, text in expected]


@pytest.mark.browser
def test_a_browser_shows_the_labels_as_text(tmp_path: Path, chromium: Browser) -> None:
    both = [said(*range(5), step=0.4), said(4, 4, 3, 0, 1, title="<i>int8</i>")]
    save_vtt(both, tmp_path / "v.vtt")
    expected = {
        (round(row.start_seconds, 3), round(row.end_seconds, 3), f"{row.model}: {shown(row.label)}")
        for row in to_segments(both).itertuples()
    }
    encoded = base64.b64encode((tmp_path / "v.vtt").read_bytes()).decode()
    page = chromium.new_page()
    page.set_content(
        f'<video><track kind="subtitles" src="data:text/vtt;base64,{encoded}"></video>'
    )
    cues = page.evaluate(
        """async () => {
            const element = document.querySelector('track');
            element.track.mode = 'showing';
            if (element.readyState < 2) await new Promise((resolve, reject) => {
                element.onload = resolve;
                element.onerror = () => reject(new Error('not a WebVTT file'));
            });
            return [...element.track.cues].map((cue) => {
                const shown = cue.getCueAsHTML();
                return [cue.startTime, cue.endTime, shown.textContent, shown.children.length];
            });
        }"""
    )
    page.close()
    assert {(round(start, 3), round(end, 3), text) for start, end, text, _ in cues} == expected
    assert {children for *_, children in cues} == {0}


texts = st.text(
    st.one_of(st.sampled_from('&<>-;"\n\r#a 걷'), st.characters(codec="utf-8")), min_size=1
).filter(lambda text: bool(text.strip()))


@given(st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=60)
def test_any_label_is_one_cue(tmp_path_factory, labels: list[str]) -> None:
    path = tmp_path_factory.mktemp("vtt") / "v.vtt"
    save_vtt(table(*((k, k + 1.0, label) for k, label in enumerate(labels))), path)
    assert parsed_vtt(path) == [
        (k * 1000, k * 1000 + 1000, shown(label)) for k, label in enumerate(labels)
    ]


def test_times_fit_into_subtitles(tmp_path: Path) -> None:
    rows = table(
        (86399.9996, 360_000.0, "long"), (3.0001, 3.0002, "short"), (-1.0, 0.5, "cut"),
        (-2.0, -1.0, "gone"), (-2.0, 0.0, "gone too"),
    )  # fmt: skip
    save_vtt(rows, tmp_path / "v.vtt")
    assert parsed_vtt(tmp_path / "v.vtt") == [
        (0, 500, "cut"), (3000, 3001, "short"), (86_400_000, 360_000_000, "long")
    ]  # fmt: skip
    assert "24:00:00.000 --> 100:00:00.000" in (tmp_path / "v.vtt").read_text()


def test_subtitles_may_be_in_korean_and_tell_models_apart(tmp_path: Path) -> None:
    labels = vl.LabelMap([*NASTY[:2], "waving hand", "c", "carving ice"])
    one, other = said(4, 0, labels=labels), said(2, 2, labels=labels, title="int8")
    save_vtt(one, tmp_path / "v.vtt", labels="ko")
    # What has no Korean name stays as it is.
    assert [text for *_, text in parsed_vtt(tmp_path / "v.vtt")] == ["얼음 조각하기", NASTY[0]]
    save_vtt([one, other], tmp_path / "v.vtt", labels="ko")
    assert parsed_vtt(tmp_path / "v.vtt") == [
        (0, 200, "torch:m (float): 얼음 조각하기"),
        (0, 400, "int8: 손 흔들기"),
        (200, 400, f"torch:m (float): {NASTY[0]}"),
    ]
    of_people = table((0.0, 1.0, "waving hand"), model=None)
    save_vtt(pd.concat([to_segments(one), of_people]), tmp_path / "v.vtt", labels="ko")
    assert "손 흔들기" in [text for *_, text in parsed_vtt(tmp_path / "v.vtt")]
    before = (tmp_path / "v.vtt").read_bytes()
    with pytest.raises(OptionError, match="in 'en' or 'ko'; got 'fr'"):
        save_vtt(one, tmp_path / "v.vtt", labels="fr")
    assert (tmp_path / "v.vtt").read_bytes() == before


def test_subtitles_are_of_one_video(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"are of 2: \['a.mp4', 'b.mp4'\]"):
        save_vtt([said(4, 4, video="a.mp4"), said(4, 4, video="b.mp4")], tmp_path / "v.vtt")
    assert not list(tmp_path.iterdir())


# ---- Label Studio ----------------------------------------------------------------------------


def check_label_studio(tasks: list, configuration: str) -> None:
    """Check what https://labelstud.io/guide/predictions and the tags' pages ask for."""
    view = ElementTree.fromstring(configuration)
    control, video = view.find("TimelineLabels"), view.find("Video")
    labels = [each.attrib["value"] for each in control.findall("Label")]
    assert control.attrib["toName"] == video.attrib["name"]
    assert len(set(labels)) == len(labels)
    for task in tasks:
        for attribute in ("value", "frameRate"):  # both are read from the task's data
            assert video.attrib[attribute].removeprefix("$") in task["data"]
        assert task["data"]["fps"] > 0
        ids = [region["id"] for each in task["predictions"] for region in each["result"]]
        assert len(set(ids)) == len(ids)
        for prediction in task["predictions"]:
            assert 0 <= prediction.get("score", 0) <= 1
            assert set(prediction) <= {"model_version", "score", "result"}
            for region in prediction["result"]:
                assert region["type"] == control.tag.lower()
                assert region["from_name"] == control.attrib["name"]
                assert region["to_name"] == video.attrib["name"]
                assert set(region["value"]["timelinelabels"]) <= set(labels)
                (one,) = region["value"]["ranges"]
                assert isinstance(one["start"], int)
                assert 1 <= one["start"] <= one["end"]


def test_label_studio_gets_a_task_per_video_and_a_prediction_per_model(tmp_path: Path) -> None:
    given_preds = [
        said(4, number, number, video=video, title=title, probability=probability)
        for number, video in enumerate(VIDEOS)
        for title, probability in (("float", 0.9), ("int8", 0.8))
    ]
    configuration = save_label_studio(given_preds, tmp_path / "t.json", frame_rate=30)
    tasks = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    check_label_studio(tasks, configuration)
    assert [task["data"] for task in tasks] == [
        {"video": video, "name": video, "fps": 30.0} for video in VIDEOS
    ]
    for number, task in enumerate(tasks):
        assert [each["model_version"] for each in task["predictions"]] == ["float", "int8"]
        assert [each["score"] for each in task["predictions"]] == pytest.approx([0.9, 0.8])
        for prediction, probability in zip(task["predictions"], (0.9, 0.8), strict=True):
            first, second = prediction["result"]
            assert first["value"]["ranges"] == [{"start": 1, "end": 6}]
            assert first["value"]["timelinelabels"] == ["plain"]
            assert second["value"]["ranges"] == [{"start": 7, "end": 18}]
            assert second["value"]["timelinelabels"] == [NASTY[number]]
            assert second["score"] == pytest.approx(probability)


def test_label_studio_takes_what_people_marked(tmp_path: Path) -> None:
    rows = table((0.5, 1.0, NASTY[0]), (1.0, 1.5, "b"), probability=[np.nan, 0.25])
    rows["video"] = [Path("a") / "b.mp4", Path("c.mp4")]
    configuration = save_label_studio(
        rows,
        tmp_path / "t.json",
        frame_rate={"a/b.mp4": 10, "c.mp4": 29.97, "other.mp4": -1},
        address=lambda name: f"/data/local-files/?d={name}",
    )
    tasks = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    check_label_studio(tasks, configuration)
    first, second = tasks
    assert first["data"] == {"video": "/data/local-files/?d=a/b.mp4", "name": "a/b.mp4", "fps": 10}
    (prediction,) = first["predictions"]
    assert set(prediction) == {"result"}  # neither a model nor a probability is known
    assert "score" not in prediction["result"][0]
    assert prediction["result"][0]["value"]["ranges"] == [{"start": 6, "end": 10}]
    assert second["data"]["fps"] == 29.97
    assert second["predictions"][0]["score"] == 0.25


def test_labels_that_xml_cannot_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"'a\\x1bb' has a character"):
        save_label_studio(table((0.0, 1.0, "a\x1bb")), tmp_path / "t.json", frame_rate=30)
    assert not list(tmp_path.iterdir())


@given(st.lists(texts, min_size=1, max_size=4, unique=True))
@settings(max_examples=60)
def test_any_other_label_is_the_same_in_tasks_and_configuration(
    tmp_path_factory, labels: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tasks") / "t.json"
    rows = table(*((k, k + 1.0, label) for k, label in enumerate(labels)))
    try:
        configuration = save_label_studio(rows, path, frame_rate=30)
    except PredictionsError:
        with pytest.raises(ElementTree.ParseError):
            ElementTree.fromstring(f"<a>{html.escape(''.join(labels))}</a>")
        return
    tasks = json.loads(path.read_text(encoding="utf-8"))
    check_label_studio(tasks, configuration)
    found = [each["value"]["timelinelabels"] for each in tasks[0]["predictions"][0]["result"]]
    assert found == [[label] for label in labels]


# ---- FiftyOne --------------------------------------------------------------------------------


def imported(path: Path, videos: list[str]) -> list[tuple[str, str, list[int], float | None]]:
    """Do what ``FiftyOneTemporalDetectionDatasetImporter`` does with a file and a folder."""
    read = json.loads(path.read_text(encoding="utf-8"))
    paths = {os.path.normpath(os.path.splitext(name)[0]): name for name in videos}  # noqa: PTH122
    return [
        (
            name if os.path.isabs(name) else paths[name],  # noqa: PTH117
            read["classes"][each["label"]],
            each["support"],
            each.get("confidence"),
        )
        for name, detections in read["labels"].items()
        for each in detections
    ]


def test_fiftyone_finds_videos_labels_and_frames(tmp_path: Path) -> None:
    given_preds = [said(4, number, number, video=video) for number, video in enumerate(VIDEOS)]
    save_fiftyone(given_preds, tmp_path / "labels.json", frame_rate=30)
    found = imported(tmp_path / "labels.json", VIDEOS)
    assert [each[:3] for each in found] == [
        row
        for number, video in enumerate(VIDEOS)
        for row in ((video, "plain", [1, 6]), (video, NASTY[number], [7, 18]))
    ]
    assert [each[3] for each in found] == pytest.approx([0.9] * 6)


def test_fiftyone_knows_videos_in_folders_and_by_their_whole_path(tmp_path: Path) -> None:
    videos = ["walk/./a.mp4", "run/a.mp4", "/clips/a.mp4"]
    rows = pd.concat([table((0.0, 1.0, "a"), video=video) for video in videos])
    save_fiftyone(rows, tmp_path / "labels.json", frame_rate=10)
    found = imported(tmp_path / "labels.json", videos)
    assert found == [(video, "a", [1, 10], None) for video in videos]


def test_fiftyone_cannot_tell_videos_apart_by_their_suffix(tmp_path: Path) -> None:
    rows = pd.concat([table((0.0, 1.0, "a"), video=video) for video in ("a.mp4", "a.webm")])
    with pytest.raises(PredictionsError, match=r"'a.mp4' from 'a.webm'"):
        save_fiftyone(rows, tmp_path / "labels.json", frame_rate=10)
    with pytest.raises(PredictionsError, match=r"of 2: \['int8', 'torch:m \(float\)'\]"):
        save_fiftyone([said(4, 4), said(4, 4, title="int8")], tmp_path / "l.json", frame_rate=10)
    assert not list(tmp_path.iterdir())


# ---- frames ----------------------------------------------------------------------------------


def ranges_of(rows: pd.DataFrame, folder: Path, frame_rate) -> list[tuple[int, int]]:
    save_fiftyone(rows, folder / "labels.json", frame_rate=frame_rate)
    return [tuple(each[2]) for each in imported(folder / "labels.json", ["clip.mp4"])]


@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True).map(sorted),
    st.sampled_from([10, 24000 / 1001, 25, 29.97, 30000 / 1001, 60]),
    st.integers(3, 9),
)
@settings(max_examples=60)
def test_segments_on_frames_have_exactly_those(tmp_path_factory, cuts, fps, digits) -> None:
    """Tables round times, to milliseconds or finer."""
    folder = tmp_path_factory.mktemp("frames")
    rows = table(
        *((round(a / fps, digits), round(b / fps, digits), "a") for a, b in pairwise(cuts))
    )
    assert ranges_of(rows, folder, fps) == [(a + 1, b) for a, b in pairwise(cuts)]


def test_a_segment_has_a_frame_however_short_it_is(tmp_path: Path) -> None:
    rows = table((0.501, 0.502, "a"), (-1.0, 0.3, "b"), (-2.0, -1.0, "c"))
    assert ranges_of(rows, tmp_path, 10) == [(6, 6), (1, 3), (1, 1)]


@pytest.mark.parametrize("rate", [None, 0, -30, float("nan"), float("inf"), "30", {"b.mp4": 30}])
def test_a_frame_rate_is_needed(rate, tmp_path: Path) -> None:
    for write in (save_fiftyone, save_label_studio):
        with pytest.raises(OptionError, match=r"frames per second of 'clip\.mp4'"):
            write(table((0.0, 1.0, "a")), tmp_path / "file.json", frame_rate=rate)
    for made_by in ({}, {"video": {"fps": None}}, {"video": "clip.mp4"}):
        with pytest.raises(OptionError, match="frame_rate="):
            save_fiftyone(said(4, 4, made_by=made_by), tmp_path / "file.json")
    assert not list(tmp_path.iterdir())


def test_predictions_know_the_frame_rate_of_their_video(tmp_path: Path) -> None:
    synthetic.make_video(tmp_path / "v.mp4", num_frames=20, fps=10, size=(32, 32))
    model = ArithmeticModel()
    one = vl.predict(tmp_path / "v.mp4", model, progress=False)
    both = vl.compare(tmp_path / "v.mp4", [model, ArithmeticModel(name="other")], progress=False)
    for given_preds, num_models in ((one, 1), (both, 2)):
        configuration = save(given_preds, tmp_path / "t.json", format="label-studio")
        (task,) = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
        check_label_studio([task], configuration)
        assert task["data"] == {"video": "v.mp4", "name": "v.mp4", "fps": 10.0}
        assert len(task["predictions"]) == num_models
        for prediction in task["predictions"]:
            ends = [each["value"]["ranges"][0]["end"] for each in prediction["result"]]
            assert ends[-1] == 20


# ---- one call --------------------------------------------------------------------------------


def test_the_name_tells_the_format(tmp_path: Path) -> None:
    one = said(4, 4, 0, made_by={"video": {"fps": 30.0}})
    for name, format, write in (
        ("a.JSONL", None, save_jsonl),
        ("a.vtt", None, save_vtt),
        ("a.txt", "jsonl", save_jsonl),
        ("a.txt", "vtt", save_vtt),
        ("a.json", "fiftyone", save_fiftyone),
        ("a.json", "label-studio", save_label_studio),
    ):
        assert save(one, str(tmp_path / name), format=format) == write(one, tmp_path / "other")
        assert (tmp_path / name).read_bytes() == (tmp_path / "other").read_bytes()
        assert (tmp_path / name).stat().st_size > 50


@pytest.mark.parametrize(
    ("name", "format", "match"),
    [
        ("a.json", None, "does not tell its format.*label-studio, fiftyone"),
        ("a.csv", None, r"Predictions\.save writes \.csv"),
        ("a.vtt", "labelstudio", "Did you mean 'label-studio'"),
        ("a.vtt", 3, "format must be one of"),
    ],
)
def test_a_format_that_is_not_known_is_refused(name, format, match, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=match):
        save(said(4, 4), tmp_path / name, format=format)
    assert not list(tmp_path.iterdir())
