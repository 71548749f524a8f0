"""The Python side of the player: options, state, questions from the page, clean-up."""

from __future__ import annotations

import ast
import gc
import io
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic import read_barcode

import vidlab as vl
from vidlab.core.errors import OptionError, WidgetError
from vidlab.core.palette import PALETTE
from vidlab.widgets import ComparisonView, Player
from vidlab.widgets import player as player_module


class Page:
    """Stands for the page: asks, and keeps what the kernel answers."""

    def __init__(self, player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
        self.player = player
        self.answers: list[tuple[dict[str, Any], list[bytes]]] = []
        self.changed = threading.Condition()
        monkeypatch.setattr(player, "send", self.hear)

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with self.changed:
            self.answers.append((content, buffers or []))
            self.changed.notify_all()

    def ask(self, op: str, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
        request = f"{op}-{len(self.answers)}"
        self.player._handle_custom_msg({"id": request, "op": op, **more}, [])
        return self.answer_to(request)

    def answer_to(self, request: str) -> tuple[dict[str, Any], list[bytes]]:
        def final() -> list[tuple[dict[str, Any], list[bytes]]]:
            return [
                (content, buffers)
                for content, buffers in self.answers
                if content["id"] == request and "progress" not in content
            ]

        with self.changed:
            assert self.changed.wait_for(final, timeout=60), "the kernel answers"
            return final()[0]


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


def test_unknown_options_are_refused_with_a_hint(video: vl.Video) -> None:
    with pytest.raises(OptionError, match=r"no option 'topk'.*Did you mean 'top_k'"):
        Player(video, topk=3)
    with pytest.raises(OptionError, match="Did you mean 'speed'"):
        Player(video, sped=3)


@pytest.mark.parametrize("top_k", [0, 21, 2.5, True, "5"])
def test_top_k_is_checked(top_k: Any, video: vl.Video) -> None:
    with pytest.raises(OptionError, match="top_k must be a whole number from 1 to 20"):
        Player(video, top_k=top_k)


@pytest.mark.parametrize("speed", [0.05, 4.5, -1])
def test_speed_is_checked(speed: float, video: vl.Video) -> None:
    with pytest.raises(OptionError, match=r"speed must be from 0\.1 to 4"):
        Player(video, speed=speed)


@pytest.mark.parametrize("given", ["predictions.parquet", 3, [1, 2], {}])
def test_what_is_not_predictions_is_refused(given: Any, video: vl.Video) -> None:
    with pytest.raises(OptionError, match="predictions must be"):
        Player(video, given)


def test_frame_and_time_follow_each_other(spelled: Callable[..., Path]) -> None:
    video = vl.Video(spelled("offset"))
    player, seen = Player(video), []
    assert (player.frame_index, player.time_seconds) == (0, pytest.approx(7.5))
    player.observe(lambda change: seen.append((change["name"], change["new"])))
    player.frame_index = 30
    assert player.time_seconds == video.pts_seconds[30]
    player.time_seconds = float(video.pts_seconds[12]) + 0.01
    assert player.frame_index == 12
    player.time_seconds = 0.0
    assert player.frame_index == 0
    assert ("frame_index", 30) in seen
    assert ("frame_index", 12) in seen
    for wrong in (-1, 60):
        with pytest.raises(OptionError, match="has frames 0 to 59"):
            player.frame_index = wrong
    assert player.frame_index == 0
    assert Player(video, frame_index=7).time_seconds == video.pts_seconds[7]
    player.time_seconds = 1000.0
    assert (player.frame_index, player.time_seconds) == (59, video.pts_seconds[59])
    with pytest.raises(OptionError, match="A time must be a number of seconds; got nan"):
        player.time_seconds = float("nan")
    assert (player.frame_index, player.time_seconds) == (59, video.pts_seconds[59])


def test_numbers_of_a_table_are_numbers(video: vl.Video) -> None:
    player = Player(video)
    player.frame_index = np.int64(7)
    player.selection = (np.int32(3), np.int64(9))
    player.speed = np.float32(0.5)
    assert (player.frame_index, player.selection, player.speed) == (7, (3, 9), 0.5)
    assert type(player.frame_index) is int


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_index", 1.5), ("frame_index", "7"), ("speed", "2"), ("threshold", "0.5"),
        ("locale", 3), ("loop", "yes"),
        ("time_seconds", "now"),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused(name: str, value: object, video: vl.Video) -> None:
    player = Player(video)
    before = getattr(player, name)
    with pytest.raises(OptionError, match="must be"):
        setattr(player, name, value)
    assert getattr(player, name) == before


def test_a_refused_player_is_not_kept(video: vl.Video) -> None:
    before = set(ipywidgets.widget._instances)
    with pytest.raises(OptionError, match="has frames 0 to 59"):
        Player(video, frame_index=9999)
    made = [each for key, each in ipywidgets.widget._instances.items() if key not in before]
    assert not [each for each in made if isinstance(each, Player)]


def test_the_selection_is_checked(video: vl.Video) -> None:
    player = Player(video)
    player.selection = (3, 9)
    assert player.selection == (3, 9)
    for wrong in ((9, 3), (0, 61), (-1, 3), (1, 2, 3), (1.0, 2.0), 5, "12"):
        with pytest.raises(OptionError, match="A selection is"):
            player.selection = wrong
    player.selection = None
    assert player.selection is None


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_the_threshold_is_checked(threshold: float, video: vl.Video) -> None:
    with pytest.raises(OptionError, match="threshold is a probability from 0 to 1, or None"):
        Player(video, threshold=threshold)


def test_the_locale_is_checked(video: vl.Video) -> None:
    assert Player(video).locale is None
    assert Player(video, locale="ko").locale == "ko"
    with pytest.raises(OptionError, match="locale must be one of en, ko, or None; got 'fr'"):
        Player(video, locale="fr")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, ["label"]), (False, []), (None, []), ("bars", ["bars"]),
        (["bars", "label"], ["label", "bars"]), (("label",), ["label"]),
    ],
)  # fmt: skip
def test_the_overlay_is_understood(given: Any, expected: list[str], video, predict_ids) -> None:
    player = Player(video, predict_ids(video, [0]), overlay=given)
    assert player.overlay == expected
    player.overlay = []
    player.overlay = given
    assert player.get_state()["overlay"] == expected


def test_an_overlay_without_data_is_refused(video, predict_ids) -> None:
    with pytest.raises(OptionError, match=r"no overlay 'lable'.*Did you mean 'label'"):
        Player(video, predict_ids(video, [0]), overlay="lable")
    with pytest.raises(OptionError, match="without boxes="):
        Player(video, predict_ids(video, [0]), overlay=["label", "boxes"])
    player = Player(video)
    with pytest.raises(OptionError, match="without predictions"):
        player.overlay = True
    with pytest.raises(OptionError, match="overlay must be True, False, or names"):
        player.overlay = 3


BOXES = pd.DataFrame(
    {"frame_index": [4, 0], "x_px": [1, 2], "y_px": [3, 4], "width_px": [5, 6],
     "height_px": [7, 8], "label": ["cat", None], "confidence": [0.5, None]}
)  # fmt: skip
POINTS = pd.DataFrame(
    {"frame_index": [0, 0, 2], "person": [1, 1, 1], "keypoint": ["nose", "left_eye", "nose"],
     "x_px": [1.0, 2.0, 3.0], "y_px": [4.0, 5.0, 6.0]}
)  # fmt: skip


def test_boxes_and_keypoints_reach_the_page(video, monkeypatch) -> None:
    page = Page(Player(video, boxes=BOXES, keypoints=POINTS), monkeypatch)
    assert page.player._info["overlays"] == ["boxes", "keypoints"]
    answer, buffers = page.ask("overlays")
    boxes, (points,) = answer["result"]["boxes"], answer["result"]["keypoints"]
    assert [label["name"] for label in boxes["labels"]] == ["cat"]
    assert boxes["labels"][0]["color"] == PALETTE.color_of("cat")
    assert boxes["hold"] == 4
    np.testing.assert_array_equal(np.frombuffer(buffers[0], np.int32), [0, 4])
    np.testing.assert_array_equal(
        np.frombuffer(buffers[1], np.float32).reshape(2, 4), [[2, 4, 6, 8], [1, 3, 5, 7]]
    )
    np.testing.assert_array_equal(np.frombuffer(buffers[2], np.float32), [np.nan, 0.5])
    np.testing.assert_array_equal(np.frombuffer(buffers[3], np.int32), [-1, 0])
    np.testing.assert_array_equal(np.frombuffer(buffers[4], np.int32), [-1, -1])
    assert points["names"] == ["nose", "left_eye"]
    assert points["skeleton"] == [[0, 1]]
    np.testing.assert_array_equal(np.frombuffer(buffers[7], np.int32), [0, 1, 0])
    np.testing.assert_array_equal(
        np.frombuffer(buffers[8], np.float32).reshape(3, 2), [[1, 4], [2, 5], [3, 6]]
    )


def test_without_boxes_and_keypoints_the_page_is_told_so(video, monkeypatch) -> None:
    answer, buffers = Page(Player(video), monkeypatch).ask("overlays")
    nothing = {"boxes": None, "keypoints": [], "gaps": None, "curves": [], "heat": []}
    assert answer["result"] == nothing
    assert buffers == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": [1]}, "boxes must be a DataFrame with the columns frame_index, x_px"),
        ({"boxes": BOXES.rename(columns={"width_px": "widht_px"})}, "Is it 'widht_px'"),
        ({"boxes": BOXES.rename(columns={"label": "lable"})}, "'lable'.*Did you mean 'label'"),
        ({"boxes": BOXES.assign(x_px="left")}, "'x_px' must hold a finite number"),
        ({"boxes": BOXES.assign(frame_index=[0.5, 1])}, "whole numbers from 0"),
        ({"boxes": BOXES.assign(width_px=-1)}, "at least 0"),
        ({"boxes": BOXES.assign(confidence=2)}, "'confidence' must be from 0 to 1"),
        ({"keypoints": POINTS.drop(columns="person")}, "person is missing"),
        ({"keypoints": POINTS, "skeleton": [("nose", "toe")]}, "names 'toe', which is no"),
        ({"keypoints": POINTS, "skeleton": ["nose"]}, "pairs of keypoint names"),
        ({"skeleton": [("a", "b")]}, "give keypoints="),
        ({"truth": 3}, "truth must be a DataFrame"),
        ({"truth": [(2, 1, "cat")]}, "starts before it ends"),
        ({"truth": [(2, 1)]}, "truth must be a DataFrame"),
        ({"truth": pd.DataFrame({"start_seconds": [0]})}, "end_seconds, label are missing"),
    ],
)
def test_wrong_annotations_are_named(options: Any, message: str, video: vl.Video) -> None:
    with pytest.raises(OptionError, match=message):
        Player(video, **options)


@pytest.mark.parametrize(
    "truth",
    [
        [(0.5, 1.0, "action 5"), (0.0, 0.5, "action 1")],
        pd.DataFrame(
            {"label": ["action 1", "action 5"], "start_seconds": [0, 0.5], "end_seconds": [0.5, 1]}
        ),
    ],
)
def test_truth_is_told_in_frames(truth: Any, video, predict_ids, monkeypatch) -> None:
    page = Page(Player(video, predict_ids(video, [1, 2]), truth=truth), monkeypatch)
    assert page.player._info["has_truth"]
    result = page.ask("predictions")[0]["result"]
    names = [label["name"] for label in result["labels"]]
    told = [(each["start"], each["stop"], names[each["label"]]) for each in result["truth"]]
    assert told == [(0, 15, "action 1"), (15, 30, "action 5")]
    assert all(result["labels"][each["label"]]["color"] for each in result["truth"])


def test_truth_about_other_videos_is_left_out(video, monkeypatch) -> None:
    table = pd.DataFrame(
        {
            "video": [f"folder/{video.name}", "other.mp4"],
            "start_seconds": [0.0, 0.0],
            "end_seconds": [0.5, 2.0],
            "label": ["cat", "dog"],
        }
    )
    result = Page(Player(video, truth=table), monkeypatch).ask("predictions")[0]["result"]
    assert [label["name"] for label in result["labels"]] == ["cat"]
    with pytest.raises(OptionError, match=r"names other\.mp4"):
        Player(video, truth=table[1:])


def test_one_label_may_be_true_for_all(video, monkeypatch) -> None:
    result = Page(Player(video, truth="cat"), monkeypatch).ask("predictions")[0]["result"]
    assert result["truth"] == [{"start": 0, "stop": 60, "label": 0, "unknown_to": []}]


def test_selected_rows(video, predict_ids) -> None:
    one, two = predict_ids(video, [0, 1, 2, 3]), predict_ids(video, [3, 2, 1, 0], backend="litert")
    player = Player(video, [one, two])
    assert player.selected.empty
    assert list(player.selected.columns) == list(one.table.columns)
    player.selection = (5, 15)
    chosen = player.selected
    assert set(chosen["frame_index"]) == {5, 10}
    assert chosen[chosen["rank"] == 1]["label"].tolist() == [
        "action 1", "action 2", "action 2", "action 1",
    ]  # fmt: skip
    assert Player(video).selected.empty


def test_on_frame_calls_until_it_is_stopped(video: vl.Video) -> None:
    player, seen = Player(video), []
    stop = player.on_frame(seen.append)
    player.frame_index = 4
    player.set_state({"frame_index": 9, "time_seconds": 0.3})
    stop()
    stop()
    player.frame_index = 5
    assert seen == [4, 9]
    with pytest.raises(OptionError, match="on_frame takes a function"):
        player.on_frame(3)


def test_linked_by_time(spelled: Callable[..., Path]) -> None:
    first, second = Player(spelled("mp4")), Player(spelled("offset"))
    first.link(second, offset_seconds=7.5)
    first.frame_index = 30
    assert second.time_seconds == pytest.approx(first.time_seconds + 7.5, abs=0.02)
    second.frame_index = 10
    assert first.time_seconds == pytest.approx(second.time_seconds - 7.5, abs=0.05)
    second.speed = 2.0
    first.playing = True
    assert (first.speed, second.playing) == (2.0, True)
    first.unlink()
    first.frame_index = 0
    assert second.frame_index == 10
    assert second._link is None


def test_linked_by_frame_stays_within_the_shorter_video(spelled) -> None:
    long, short = Player(spelled("mp4")), Player(spelled("mp4", num_frames=24))
    long.frame_index = 40
    long.link(short, by="frame")
    assert short.frame_index == 23
    short.frame_index = 3
    assert long.frame_index == 3


def test_what_a_page_says_is_not_echoed_to_players_on_a_page(spelled) -> None:
    first, shown, unseen = (Player(spelled("mp4")) for _ in range(3))
    first.link(shown, by="frame")
    first.link(unseen, by="frame")
    shown._pages.add("page")
    first.set_state({"frame_index": 7, "time_seconds": 7 / 30})
    assert (shown.frame_index, unseen.frame_index) == (0, 7)
    first.frame_index = 9
    assert (shown.frame_index, unseen.frame_index) == (9, 9)


def test_impossible_links_are_refused(video: vl.Video) -> None:
    player = Player(video)
    for other in (player, 3):
        with pytest.raises(OptionError, match="linked with another player"):
            player.link(other)
    with pytest.raises(OptionError, match="by must be 'time' or 'frame'"):
        player.link(Player(video), by="second")
    with pytest.raises(OptionError, match="offset_seconds must be a number"):
        player.link(Player(video), offset_seconds=float("nan"))


def test_the_page_knows_the_id_of_its_widget(video: vl.Video) -> None:
    player = Player(video)
    assert player._info["model_id"] == player.model_id
    player.close()
    player._repr_mimebundle_()
    assert player._info["model_id"] == player.model_id is not None


def test_state_from_the_page_needs_no_index(video: vl.Video, monkeypatch) -> None:
    player = Player(video)
    monkeypatch.setattr(vl.Video, "pts_seconds", property(lambda self: pytest.fail("indexed")))
    player.set_state({"frame_index": 5, "time_seconds": 0.1, "playing": True})
    assert (player.frame_index, player.time_seconds, player.playing) == (5, 0.1, True)


def test_making_a_player_reads_no_index(video: vl.Video, monkeypatch) -> None:
    monkeypatch.setattr(vl.Video, "_make_index", lambda self: pytest.fail("indexed"))
    assert "mp4" in repr(Player(video))


def test_the_bytes_come_in_pieces(video: vl.Video, monkeypatch) -> None:
    page = Page(Player(video), monkeypatch)
    opened, buffers = page.ask("open", page="a")
    result = opened["result"]
    assert result["how"] == "direct"
    np.testing.assert_array_equal(np.frombuffer(buffers[0]), video.pts_seconds)
    data = b""
    while len(data) < result["num_bytes"]:
        _, (piece,) = page.ask("read", token=result["token"], offset=len(data), length=5000)
        assert 0 < len(piece) <= 5000
        data += piece
    assert data == Path(video.source).read_bytes()


def test_no_bytes_of_the_video_are_in_the_state(spelled: Callable[..., Path]) -> None:
    path = spelled("mp4")
    player = Player(path.read_bytes(), layout={"width": "300px"})
    state = player.get_state()
    assert path.read_bytes()[:64] not in repr(state).encode()
    assert [key for key, value in state.items() if isinstance(value, bytes)] == ["_poster"]
    assert not state["_poster"], "comes once the player is displayed"
    sizes = {key: len(repr(value)) for key, value in state.items() if key not in ("_esm", "_css")}
    assert sum(sizes.values()) < 4000


@pytest.mark.parametrize(
    ("op", "more", "message"),
    [
        ("read", {"token": "x", "offset": 0, "length": 10}, "let go while it was loading"),
        ("sing", {}, "knows no request 'sing'"),
    ],
)
def test_errors_reach_the_page(op, more, message, video, monkeypatch) -> None:
    answer, _ = Page(Player(video), monkeypatch).ask(op, **more)
    assert answer["error"]["type"] == "WidgetError"
    assert message in answer["error"]["message"]


@pytest.mark.parametrize(("offset", "length"), [(-1, 10), (0, 0), (0, 1 << 30)])
def test_pieces_are_bounded(offset: int, length: int, video, monkeypatch) -> None:
    page = Page(Player(video), monkeypatch)
    token = page.ask("open", page="a")[0]["result"]["token"]
    answer, _ = page.ask("read", token=token, offset=offset, length=length)
    assert "A piece has 1 to" in answer["error"]["message"]


def test_an_unexpected_error_is_a_sentence_too(video, monkeypatch, caplog) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(player_module, "describe_predictions", broken)
    answer, _ = Page(Player(video), monkeypatch).ask("predictions")
    assert answer["error"]["message"] == (
        "Something went wrong in the kernel: ZeroDivisionError: division by zero"
    )
    assert "player failed" in caplog.text


def test_what_browsers_do_not_play_comes_in_transcoded_segments(spelled, monkeypatch) -> None:
    page = Page(Player(spelled("hevc")), monkeypatch)
    opened, (times, starts) = page.ask("open", page="a")
    result = opened["result"]
    assert (result["how"], result["delivery"], result["codec"]) == ("transcode", "segments", "HEVC")
    assert len(np.frombuffer(times)) == 60
    assert np.frombuffer(starts, np.int32)[0] == 0
    told = [content["progress"]["phase"] for content, _ in page.answers if "progress" in content]
    assert told[0] == "indexing"
    with Image.open(io.BytesIO(page.player._poster)) as poster:
        assert read_barcode(np.asarray(poster)) == 0
    answer, (piece,) = page.ask("segment", token=result["token"], number=0)
    assert answer["result"]["number"] == 0
    assert piece[4:8] == b"ftyp"


def test_two_pages_share_one_copy_and_the_last_lets_it_go(spelled, monkeypatch) -> None:
    page = Page(Player(spelled("hevc")), monkeypatch)
    token = page.ask("open", page="a")[0]["result"]["token"]
    assert page.ask("open", page="b")[0]["result"]["token"] == token
    page.player._handle_custom_msg({"op": "release", "page": "a"}, [])
    assert "result" in page.ask("segment", token=token, number=0)[0]
    page.player._handle_custom_msg({"op": "release", "page": "b"}, [])
    assert "let go" in page.ask("segment", token=token, number=0)[0]["error"]["message"]
    assert page.ask("open", page="a")[0]["result"]["token"] != token


def test_closing_lets_the_video_go(spelled, monkeypatch) -> None:
    page = Page(Player(spelled("hevc")), monkeypatch)
    token = page.ask("open", page="a")[0]["result"]["token"]
    page.player.close()
    assert "let go" in page.ask("segment", token=token, number=0)[0]["error"]["message"]


def test_what_is_not_wanted_any_more_gets_no_answer(video, monkeypatch) -> None:
    player = Player(video)
    cancelled: list[list[str]] = []
    monkeypatch.setattr(player._media, "cancel", cancelled.append)
    player._handle_custom_msg({"op": "cancel", "requests": ["1", "2"]}, [])
    assert cancelled == [["1", "2"]]


def test_shown_again_after_closing_it_comes_back(video: vl.Video) -> None:
    player = Player(video)
    player.close()
    assert player.comm is None
    data, _ = player._repr_mimebundle_()
    assert player.comm is not None
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_cell_that_runs_again_closes_what_it_made_before(video, monkeypatch) -> None:
    run = ["cell", "first"]
    monkeypatch.setattr(player_module, "_current_cell", lambda: tuple(run))
    early, late, kept = Player(video), Player(video), Player(video)
    for each in (early, late, kept):
        each._handle_custom_msg({"id": "1", "op": "predictions", "page": "p"}, [])
    early._handle_custom_msg({"op": "release", "page": "p"}, [])
    assert early.comm is not None, "the same run may show it again"
    run[1] = "second"
    fresh = Player(video)
    assert early.comm is None
    assert late.comm is not None, "a page still shows it"
    late._handle_custom_msg({"op": "release", "page": "p"}, [])
    assert late.comm is None
    assert kept.comm is not None
    fresh._handle_custom_msg({"op": "release", "page": "p"}, [])
    assert fresh.comm is not None


def test_what_the_page_is_told(video, predict_ids, monkeypatch) -> None:
    one = predict_ids(video, [0, 0, 1, 1, 1])
    two = predict_ids(video, [0, 0, 1, 2, 2], backend="litert")
    page = Page(Player(video, [one, two], top_k=3), monkeypatch)
    answer, buffers = page.ask("predictions")
    result = answer["result"]
    assert [model["letter"] for model in result["models"]] == ["A", "B"]
    assert len(buffers) == 2 * 5 + 2
    names = [label["name"] for label in result["labels"]]
    np.testing.assert_array_equal(np.frombuffer(buffers[0], np.int32), [0, 5, 10, 15, 20])
    np.testing.assert_array_equal(np.frombuffer(buffers[1]), video.pts_seconds[:25:5])
    for start, each in ((0, one), (5, two)):
        top = np.frombuffer(buffers[start + 2], np.int32).reshape(5, 3)
        probability = np.frombuffer(buffers[start + 3], np.float32).reshape(5, 3)
        expected = each.top1()
        assert [names[i] for i in top[:, 0]] == expected["label"].tolist()
        np.testing.assert_allclose(probability[:, 0], expected["probability"])
    comparison = vl.Comparison([one, two])
    np.testing.assert_array_equal(np.frombuffer(buffers[-1], np.float32), comparison.divergence)
    found = comparison.disagreements()
    assert result["disagreements"] == [[found["start_frame"][0], found["end_frame"][0]]]
    leading = {"action 0", "action 1", "action 2"}
    for label in result["labels"]:
        if label["name"] in leading:
            assert label["color"] == PALETTE.color_of(label["name"])
            assert label["letter"]
        else:
            assert label["color"] is None


def test_table_options_rule_what_is_shown(video, predict_ids, monkeypatch) -> None:
    from vidlab.models.base import Selection

    told = predict_ids(video, [0, 1, 2])
    told.selection = Selection(label_deny_list=("action 1",), score_threshold=0.5)
    _, buffers = Page(Player(video, told, top_k=2), monkeypatch).ask("predictions")
    top = np.frombuffer(buffers[2], np.int32).reshape(3, 2)
    assert (top[1] == -1).all(), "denied, and nothing else is above the threshold"
    assert (top[[0, 2], 0] >= 0).all()
    assert (top[:, 1] == -1).all()


def contrast(first: str, second: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_on_colours_can_be_read(video, predict_ids, monkeypatch) -> None:
    labels = [f"reading test {number}" for number in range(40)]
    told = predict_ids(video, [n % 40 for n in range(60)], every=1, labels=labels)
    answer, _ = Page(Player(video, told), monkeypatch).ask("predictions")
    colored = [label for label in answer["result"]["labels"] if label["color"]]
    assert len(colored) == 40
    assert all(contrast(label["color"], label["ink"]) >= 4.5 for label in colored)
    assert len({label["letter"] for label in colored}) == 40


def test_comparison_view(video, predict_ids) -> None:
    told = [predict_ids(video, [0, 1]), predict_ids(video, [0, 2], backend="litert")]
    without = vl.Comparison(told)
    with pytest.raises(WidgetError, match="Give it: ComparisonView"):
        ComparisonView(without)
    assert ComparisonView(without, video=video, top_k=2).comparison is without
    with pytest.raises(OptionError, match="ComparisonView shows a Comparison; got Predictions"):
        ComparisonView(told[0])
    with pytest.raises(OptionError, match=r"ComparisonView has no option 'vidoe'.*'video'"):
        ComparisonView(without, video=video, vidoe=video)
    view = ComparisonView(vl.Comparison(told, video=video))
    assert view._info["models"] == ["torch", "litert"]


BUNDLES = sorted((Path(player_module.__file__).parent / "static").glob("*.js"))


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_the_front_end_writes_text_only(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for risky in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
    ):
        assert risky not in source
    assert "import " not in source.replace("@import", ""), "one self-contained module"


def test_the_module_names_no_framework() -> None:
    for path in Path(player_module.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not names & {"torch", "tensorflow", "matplotlib"}


def test_a_closed_player_is_let_go() -> None:
    player = Player(vl.sample_videos()["squat"])
    kept = weakref.ref(player)
    player.close()
    del player
    gc.collect()
    assert kept() is None
