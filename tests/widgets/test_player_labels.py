"""Labels in another language: on the page and in pictures, and nowhere in the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.palette import PALETTE
from vidlab.widgets import ComparisonView
from vidlab.widgets.annotations import read_boxes
from vidlab.widgets.kept import kept_html
from vidlab.widgets.payload import describe_overlays, describe_predictions

LABELS = ["carving ice", "zumba", "my own label"]
KOREAN = ["얼음 조각하기", "줌바 댄스 추기", "my own label"]


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


@pytest.fixture
def told(video: vl.Video, predict_ids: Callable[..., vl.Predictions]) -> vl.Predictions:
    return predict_ids(video, [0, 0, 1, 1, 2, 2, 2], labels=LABELS)


def test_the_page_gets_names_with_the_labels_own_colours(
    video: vl.Video, told: vl.Predictions
) -> None:
    truth = [(0, 9, "zumba")]
    plain, data = describe_predictions([told], None, top_k=3, truth=truth)
    named, same = describe_predictions([told], None, top_k=3, truth=truth, language="ko")
    assert data == same
    assert {each["name"] for each in plain["labels"]} == set(LABELS)
    assert [each["name"] for each in named["labels"]] == [
        KOREAN[LABELS.index(each["name"])] for each in plain["labels"]
    ]
    for one, other in zip(plain["labels"], named["labels"], strict=True):
        assert one | {"name": ""} == other | {"name": ""}
        assert one["color"] == PALETTE.color_of(one["name"])
    assert named["truth"] == plain["truth"]


def test_boxes_are_named_too(video: vl.Video) -> None:
    boxes = pd.DataFrame(
        {"frame_index": [0], "x_px": [20.0], "y_px": [30.0], "width_px": [90.0],
         "height_px": [60.0], "label": ["zumba"]}
    )  # fmt: skip
    content, _ = describe_overlays(read_boxes(boxes), None, language="ko")
    (label,) = content["boxes"]["labels"]
    assert (label["name"], label["color"]) == ("줌바 댄스 추기", PALETTE.color_of("zumba"))
    shown = [
        np.asarray(vl.Player(video, boxes=boxes, overlay="boxes", labels=language).snapshot(0))
        for language in (None, "ko")
    ]
    assert (shown[0] != shown[1]).any()


@pytest.mark.parametrize("overlay", ["label", "caption", "bars"])
def test_pictures_have_them_in_the_same_colours(
    video: vl.Video, told: vl.Predictions, overlay: str
) -> None:
    def shown(language: str | None) -> np.ndarray:
        player = vl.Player(video, told, overlay=overlay, labels=language)
        return np.asarray(player.snapshot(0, width_px=640), dtype=np.int16)

    english, korean = shown("en"), shown("ko")
    assert (english == shown(None)).all()
    assert (english != korean).any()
    if overlay != "caption":
        color = list(bytes.fromhex(PALETTE.color_of("carving ice")[1:]))
        for picture in (english, korean):
            assert (np.abs(picture - color).max(axis=2) <= 3).any()


def test_what_stays_in_a_notebook_has_them_and_python_does_not(
    video: vl.Video, told: vl.Predictions
) -> None:
    with pytest.warns(UserWarning, match="'jumping jacks', which is none of those"):
        player = vl.Player(video, told, labels="ko", truth=[(0, 1, "jumping jacks")])
    html = kept_html(player)
    for label, name in zip(LABELS[:2], KOREAN, strict=False):
        assert name in html
        assert label not in html
    assert "my own label" in html
    assert "팔 벌려 뛰기" in html
    assert "jumping jacks" not in html
    player.selection = (0, 60)
    assert set(player.selected["label"]) == set(LABELS)
    assert "my own label" in repr(player)


def test_the_saved_page_has_them(video: vl.Video, told: vl.Predictions, tmp_path: Path) -> None:
    page = vl.Player(video, told, labels="ko").save_html(tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert KOREAN[0].encode("ascii", "backslashreplace").decode() in text
    assert "carving ice" not in text


def test_a_language_without_names_is_refused(video: vl.Video, told: vl.Predictions) -> None:
    with pytest.raises(OptionError, match="'en' or 'ko'; got 'kr'"):
        vl.Player(video, told, labels="kr")
    with pytest.raises(OptionError, match="'en' or 'ko'; got 'kr'"):
        vl.Annotator(video, LABELS, label_language="kr")


def test_views_of_comparisons_take_them(
    video: vl.Video, predict_ids: Callable[..., vl.Predictions]
) -> None:
    both = vl.Comparison(
        [
            predict_ids(video, [0, 1, 2], labels=LABELS),
            predict_ids(video, [0, 0, 2], labels=LABELS, backend="litert"),
        ],
        video=video,
    )
    assert KOREAN[1] in kept_html(ComparisonView(both, labels="ko"))


def test_an_annotator_shows_names_and_keeps_labels(
    spelled: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Path(shutil.copy(spelled("mp4"), tmp_path / "clip.mp4"))
    out = tmp_path / "segments.csv"
    out.write_text(
        "video,start_seconds,end_seconds,label\nother.mp4,0,1,jumping jacks\n", encoding="utf-8"
    )
    annotator = vl.Annotator(clip, LABELS, out=out, label_language="ko")
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(annotator, "send", lambda content, *_: answers.append(content))
    message = {"id": "1", "op": "annotate", "segments": [[0, 1, "zumba"]]}
    annotator._handle_custom_msg(message, [])
    assert answers[0]["result"]["refused"] == ""
    assert annotator.labels == (*LABELS, "jumping jacks")
    assert annotator.segments["label"].tolist() == ["zumba"]
    assert "zumba" in out.read_text(encoding="utf-8")
    page = annotator._annotation
    assert page["segments"] == [[0.0, 1.0, "zumba"]]
    assert [each["value"] for each in page["labels"]] == [*LABELS, "jumping jacks"]
    assert [each["name"] for each in page["labels"]] == [*KOREAN, "팔 벌려 뛰기"]
    assert page["labels"][1]["color"] == PALETTE.color_of("zumba")
    assert page["added"] == ["팔 벌려 뛰기"]
    annotator._handle_custom_msg(message | {"segments": [[0, 1, "줌바 댄스 추기"]]}, [])
    assert "There is no label '줌바 댄스 추기' to give." in answers[1]["result"]["refused"]
    with pytest.raises(OptionError, match="label_language"):
        vl.Annotator(clip, "ko", out=out)
