"""What stays in a notebook without a kernel."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel
from PIL import Image
from synthetic import read_barcode

import vidlab as vl
from vidlab.core.palette import PALETTE
from vidlab.evaluation import Evaluation
from vidlab.models.base import Selection
from vidlab.video.posters import posters
from vidlab.widgets import Explorer, Gallery, Player, PlayerGrid, kept
from vidlab.widgets.kept import kept_html

# What JupyterLab's sanitizer leaves in an output that it does not trust.
ALLOWED = {
    "p": set(), "br": set(), "div": {"data-vidlab-kept"}, "img": {"alt", "title", "src"},
    "table": set(), "thead": set(), "tbody": set(), "tr": set(), "th": set(), "td": set(),
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def pictures(self) -> list[Image.Image]:
        found = [attrs["src"] or "" for tag, attrs in self.tags if tag == "img"]
        assert all(source.startswith("data:image/") for source in found)
        return [
            Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in found
        ]


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is displayed, as the notebook gets it."""
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append(data))
    return shown


def test_a_player_shows_itself_and_leaves_a_copy(video, predict_ids, displayed) -> None:
    player = Player(video, predict_ids(video, [0, 1]))
    player._ipython_display_()
    live, copy = displayed
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/plain"] == repr(player)
    assert "text/html" not in live
    assert list(copy) == ["text/html"]
    assert f'data-vidlab-kept="{player.model_id}"' in copy["text/html"]


def test_a_comparison_leaves_a_copy_too(video, predict_ids, displayed) -> None:
    told = [predict_ids(video, [0, 1]), predict_ids(video, [0, 2], backend="litert")]
    vl.Comparison(told, video=video)._ipython_display_()
    assert "divergence" in displayed[1]["text/html"]
    del displayed[:]
    vl.Comparison(told)._ipython_display_()
    (table,) = displayed
    assert "<table" in table["text/html"]


def test_a_grid_leaves_a_copy_of_each_player(video, displayed) -> None:
    grid = PlayerGrid([Player(video), Player(video)])
    grid._ipython_display_()
    ids = re.findall('data-vidlab-kept="([^"]+)"', displayed[1]["text/html"])
    assert ids == [each.model_id for each in grid.players]


def test_it_needs_neither_style_nor_script(video, predict_ids) -> None:
    read = Reader(kept_html(Player(video, predict_ids(video, [0, 1, 2]), truth="action 1")))
    for tag, attrs in read.tags:
        assert tag in ALLOWED
        assert set(attrs) <= ALLOWED[tag]
    assert all("alt" in attrs for tag, attrs in read.tags if tag == "img")


def test_texts_are_escaped(video) -> None:
    named = vl.Video(video.source, name="<b>&.mp4")
    labels = ["<script>alert(1)</script>", "b"]
    told = vl.Predictions(
        video=named.name, model="m", backend="torch", title="<i>m</i>", labels=vl.LabelMap(labels),
        frame_index=[0, 5], time_seconds=video.pts_seconds[[0, 5]], logits=[[4, 0], [4, 0]],
    )  # fmt: skip
    html = kept_html(Player(named, told))
    for raw in ("<script>", "<b>", "<i>"):
        assert raw not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 0.982" in html


def test_the_table_says_what_each_model_said_when(video, predict_ids) -> None:
    told = [predict_ids(video, [1] * 6 + [2] * 6), predict_ids(video, [3], backend="litert")]
    text = Reader(kept_html(Player(video, told))).text
    assert "00:00.000torch:maction 1 0." in text
    assert "litert:maction 3 0." in text
    assert "action 2 0." in text


def test_a_player_alone_says_how_to_get_predictions(video) -> None:
    assert "vidlab.predict(video, model)" in kept_html(Player(video))
    assert "재생하려면" in kept_html(Player(video, locale="ko"))


def test_the_bands_have_the_colours_of_the_labels(video, predict_ids) -> None:
    labels = ["kept one", "kept two", "kept three"]
    told = predict_ids(video, [0] * 6 + [1] * 6, labels=labels)
    read = Reader(kept_html(Player(video, told, truth=[(1.0, 2.0, "kept three")])))
    timeline = next(each for each in read.pictures if each.width == 960).convert("RGB")

    def color_at(seconds: float, row: int) -> str:
        x = 24 + seconds / video.end_seconds * (timeline.width - 24)
        return "#{:02X}{:02X}{:02X}".format(*timeline.getpixel((int(x), row * 26 + 1)))

    assert color_at(0.5, 1) == PALETTE.color_of("kept one")
    assert color_at(1.5, 1) == PALETTE.color_of("kept two")
    assert color_at(1.5, 0) == PALETTE.color_of("kept three")
    assert color_at(0.5, 0) == "#FFFFFF"


def test_a_label_that_is_denied_is_in_no_band(video, predict_ids) -> None:
    labels = ["kept one", "kept two"]
    told = predict_ids(video, [0] * 6 + [1] * 6, labels=labels)
    told.selection = Selection(label_deny_list=("kept one",), score_threshold=0.5)
    assert [label for _, _, label in kept._stretches(told)] == ["kept two"]


def test_ten_thousand_rows_of_noise_stay_small(video) -> None:
    rng = np.random.default_rng(0)
    labels = [f"noise {number}" for number in range(60)]
    told = [
        vl.Predictions(
            video=video.name, model="m", backend=backend, title=backend, labels=vl.LabelMap(labels),
            frame_index=np.arange(10_000), time_seconds=np.arange(10_000) / 30,
            logits=rng.normal(size=(10_000, 60)),
        )
        for backend in ("torch", "tfhub", "litert")
    ]  # fmt: skip
    assert len(kept_html(Player(video, told))) < 300_000


def test_pictures_of_noise_stay_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (1, 360, 1280, 3), dtype=np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise[0]).save(picture, "PNG")
    html = kept_html(Player(vl.Video(picture.getvalue(), name="noise")))
    assert len(html) * 8 < 300_000


def test_posters_are_what_is_on_screen_at_their_times(spelled) -> None:
    video = vl.Video(spelled("offset", num_frames=60))
    found = posters(video, 8, height_px=video.height)
    assert not video.is_indexed
    assert len(found) == 8
    for each in found:
        assert read_barcode(each.rgb) == video.index_at_time(each.time_seconds)
    times = [each.time_seconds for each in found]
    assert times == sorted(times)
    assert times[-1] > video.start_seconds + video.duration_seconds * 0.7


def test_a_file_that_has_gone_still_leaves_its_table(tmp_path, spelled, predict_ids) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes(spelled("mp4").read_bytes())
    video = vl.Video(path)
    player = Player(video, predict_ids(video, [0, 1]))
    path.unlink()
    read = Reader(kept_html(player))
    assert "action 0" in read.text


# ---- galleries and explorers -----------------------------------------------------------------

SAID = pd.DataFrame(
    {"video": ["a.mp4"] * 3, "predicted_<b>one": ["x"] * 3, "predicted_two": ["y"] * 3}
)


@pytest.mark.parametrize(
    ("show", "locale", "words"),
    [
        (Gallery, None, ["Gallery, clips: 3. Run the cell to see them.", "Models: <b>one, two"]),
        (Gallery, "ko", ["갤러리: 클립 3개. 보려면 셀을 실행하세요.", "모델: <b>one, two"]),
        (Explorer, "en", ["Explorer, clips: 3. Run the cell to see", "Models: <b>one, two"]),
        (Explorer, "ko", ["탐색기: 클립 3개. 열어 보려면 셀을", "모델: <b>one, two"]),
    ],
)
def test_a_gallery_leaves_how_much_is_in_it(show, locale, words, displayed) -> None:
    shown = show(SAID, locale=locale)
    shown._ipython_display_()
    live, copy = displayed
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.model_id
    assert live["text/plain"] == repr(shown)
    assert list(copy) == ["text/html"]
    read = Reader(copy["text/html"])
    assert {tag for tag, _ in read.tags} == {"style", "div", "p"}
    assert all(each in read.text for each in words)
    # The page hides it while a gallery is there: an explorer's, too.
    gallery = shown.gallery if show is Explorer else shown
    assert ("div", {"data-vidlab-kept": gallery.model_id}) in read.tags
    assert gallery._info["model_id"] == gallery.model_id


def test_of_a_model_without_a_name_none_is_told() -> None:
    answers = pd.DataFrame({"video": ["a.mp4"], "predicted": ["x"]})
    assert "Models" not in kept.kept_gallery_html(Gallery(SAID[["video"]]))
    assert "Models" not in kept.kept_gallery_html(Gallery(answers))
    assert "Models" not in kept.kept_explorer_html(Explorer(answers))
    clips = pd.DataFrame(
        {"video": ["a.mp4"], "start_seconds": [0.0], "end_seconds": [1.0], "label": ["x"]}
    )
    said = np.array([[0.9, 0.1]], np.float32)
    evaluation = Evaluation(clips, said, labels=vl.LabelMap(["x", "y"]), title="torch:m")
    assert "Models: torch:m<" in kept.kept_gallery_html(Gallery(evaluation))


def test_an_explorer_tells_which_models_are_asked_where_none_has_answered() -> None:
    clips, model = SAID[["video"]], ArithmeticModel(name="own")
    for models, words in (
        (model, "Models: arithmetic:own (exact)<"),
        ([model], "Models: arithmetic:own (exact)<"),
        ({"first": model, "second": model}, "Models: first, second<"),
    ):
        assert words in kept.kept_explorer_html(Explorer(clips, models))
    assert "Models: &lt;b&gt;one, two<" in kept.kept_explorer_html(Explorer(SAID, model))


def test_a_gallerys_rows_go_to_the_page_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(Gallery, "send_state", lambda self, key=None: sent.append(key))
    gallery = Gallery(SAID)
    assert "_info" not in sent
    assert gallery._info["model_id"] == gallery.model_id is not None
