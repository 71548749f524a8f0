"""`Explorer`: what opens where, and once clicked through in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel
from browser_harness import Lab, barriers
from playwright.sync_api import expect

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.evaluation import Evaluation, Study
from vidlab.widgets import Explorer
from vidlab.widgets.on_the_way import OnTheWay, answers_on_the_way
from vidlab.widgets.payload import describe_predictions

LABELS = vl.LabelMap(["a", "b", "c"])


class OppositeModel(ArithmeticModel):
    """Says the opposite of `ArithmeticModel`: the brighter the frame, the further they part."""

    def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
        logits, state = super().step(frames, state)
        return -logits, state


FPS = 30


@pytest.fixture(scope="module")
def clip(spelled: Callable[..., Path]) -> Path:
    return spelled("mp4", num_frames=60)


@pytest.fixture
def explore() -> Iterator[Callable[..., Explorer]]:
    made: list[Explorer] = []

    def make(*args: Any, **options: Any) -> Explorer:
        made.append(Explorer(*args, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def open_row(explorer: Explorer, row: int) -> dict[str, Any]:
    """Open a row as the page does; return what it is told."""
    heard: list[dict[str, Any]] = []
    explorer.gallery.send = lambda content, _buffers=None: heard.append(content)
    explorer.gallery._handle_custom_msg({"id": "1", "op": "open", "row": row}, [])
    return heard[-1]


def a_study(path: Path, answers: dict[str, list[tuple[float, int, float]]]) -> Study:
    """A study of two clips: the whole video, and its second half; `answers` are of the second."""
    clips = pd.DataFrame(
        {
            "video": [str(path)] * 2,
            "start_seconds": [0.0, 1.0],
            "end_seconds": [2.0, 2.0],
            "label": ["a", "b"],
        }
    )
    found = {}
    for number, (name, rows) in enumerate(answers.items()):
        table = pd.DataFrame(
            [(0, 0.0, 0, 0.9), *((1, *row) for row in rows)],
            columns=["clip", "elapsed_seconds", "class_id", "probability"],
        )
        said = np.eye(3, dtype=np.float32)[[0, number % 2]] * 0.7 + 0.1
        found[name] = Evaluation(clips, said, labels=LABELS, title=name, answers=table)
    return Study(found)


ANSWERS = {
    "one": [(0.0, 0, 0.5), (0.2, 0, 0.9), (0.4, 1, 0.8), (0.6, 1, 0.9)],
    "two": [(0.0, 1, 0.9), (0.2, 1, 0.7), (0.4, 2, 0.6), (0.6, 1, 0.5)],
}


def row_of(study: Study, clip: int) -> int:
    return int(np.flatnonzero(study.clips["clip"] == clip)[0])


def test_a_studys_clip_opens_where_its_models_are_surest_of_different_labels(
    clip: Path, explore: Callable[..., Explorer]
) -> None:
    study = a_study(clip, ANSWERS)
    explorer = explore(study)
    assert explorer.player is None
    assert open_row(explorer, row_of(study, 1)) == {"id": "1", "result": {}}
    player = explorer.player
    assert explorer.children == (explorer.gallery, player)
    # Of 0.0 s (0.5), 0.2 s (0.7) and 0.4 s (0.6), each the less sure of the two.
    assert player.frame_index == FPS + 6
    assert player.selection == (FPS, 2 * FPS)
    assert player.model_names == ["one", "two"]
    for name, each in zip(ANSWERS, player.predictions, strict=True):
        assert each.table["rank"].unique().tolist() == [1]
        assert each.frame_index.tolist() == [FPS, FPS + 6, FPS + 12, FPS + 18]
        told = each.top1()
        assert told["class_id"].tolist() == [row[1] for row in ANSWERS[name]]
        np.testing.assert_allclose(told["probability"], [row[2] for row in ANSWERS[name]], 1e-5)


def test_no_divergence_is_told_of_top_labels_but_where_they_part_is(clip: Path) -> None:
    with vl.Video(clip) as video:
        found = answers_on_the_way(a_study(clip, ANSWERS), 1, video, start_seconds=1.0)
        assert isinstance(found, OnTheWay)
        content, buffers = describe_predictions(found.predictions, found, top_k=1)
        assert content["has_divergence"] is False
        assert len(buffers) == 2 * 5
        assert content["disagreements"] == [[FPS, FPS + 18]]
        same = {"one": ANSWERS["one"], "two": ANSWERS["one"]}
        agreed = answers_on_the_way(a_study(clip, same), 1, video, start_seconds=1.0)
        assert agreed is not None
        assert agreed.parting is None
        alone = a_study(clip, {"one": ANSWERS["one"]})
        assert answers_on_the_way(alone, 1, video, start_seconds=1.0) is None


def test_answers_of_whole_pieces_are_of_the_frames_before_them(clip: Path) -> None:
    pieces = {name: [(0.4, 0, 0.9), (0.8, 1, 0.9)] for name in ANSWERS}
    with vl.Video(clip) as video:
        found = answers_on_the_way(a_study(clip, pieces), 1, video, start_seconds=1.0)
        assert found is not None
        for each in found.predictions:
            assert each.frame_index.tolist() == [FPS + 12, FPS + 24]
            assert each.clip_start is not None
            assert each.clip_start.tolist() == [FPS, FPS + 13]
        # Closer to one another than frames: the last one is seen.
        close = {name: [(0.0, 0, 0.9), (0.001, 1, 0.8)] for name in ANSWERS}
        seen = answers_on_the_way(a_study(clip, close), 1, video, start_seconds=1.0)
        assert seen is not None
        assert seen.predictions[0].top1()["label"].tolist() == ["b"]


def test_models_are_asked_once_a_video_and_shown_where_they_part_furthest(
    clip: Path, explore: Callable[..., Explorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"one": ArithmeticModel(name="one"), "two": OppositeModel(name="two")}
    asked = []
    compare = vl.widgets.explorer.compare
    monkeypatch.setattr(
        vl.widgets.explorer,
        "compare",
        lambda *args, **options: asked.append(args) or compare(*args, **options),
    )
    times = {"start_seconds": [0.0, 1.0], "end_seconds": [2.0, 2.0]}
    explorer = explore(pd.DataFrame({"video": [str(clip)] * 2, **times}), models)
    for row in (0, 1):
        assert open_row(explorer, row)["result"] == {}
        player = explorer.player
        first, stop = player.selection or (0, player.video.num_frames)
        both = player.comparison
        inside = (both.frame_index >= first) & (both.frame_index < stop)
        at = both.frame_index.tolist().index(player.frame_index)
        assert inside[at]
        assert both.divergence[at] == both.divergence[inside].max()
    assert len(asked) == 1


def test_one_model_and_tables_without_labels_are_enough(
    clip: Path, explore: Callable[..., Explorer]
) -> None:
    table = pd.DataFrame({"video": [clip.name]})
    explorer = explore(table, ArithmeticModel(), folder=clip.parent)
    assert open_row(explorer, 0)["result"] == {}
    assert len(explorer.player.predictions) == 1
    assert explorer.player.selection is None
    bare = explore(table, folder=clip.parent)
    assert open_row(bare, 0)["result"] == {}
    first = bare.player
    assert first.predictions == []
    assert open_row(bare, 0)["result"] == {}
    assert first.comm is None, "the one before is closed"


def test_what_cannot_be_opened_is_told_and_leaves_what_was(
    clip: Path, explore: Callable[..., Explorer]
) -> None:
    table = pd.DataFrame(
        {"video": [str(clip), "gone.mp4", str(clip)], "start_seconds": [0, 0, 80.0]}
    )
    explorer = explore(table)
    open_row(explorer, 0)
    before = explorer.player
    assert "gone.mp4" in open_row(explorer, 1)["error"]["message"]
    assert "is no part of" in open_row(explorer, 2)["error"]["message"]
    assert explorer.player is before
    assert before.comm is not None
    with pytest.raises(OptionError, match=r"no option 'colums'.*Did you mean"):
        Explorer(table, colums=["x"])


def test_shown_again_after_close_it_comes_back(
    clip: Path, explore: Callable[..., Explorer]
) -> None:
    explorer = explore(pd.DataFrame({"video": [str(clip)]}))
    open_row(explorer, 0)
    player = explorer.player
    explorer.close()
    assert explorer.comm is explorer.gallery.comm is player.comm is None
    data = explorer._repr_mimebundle_()
    assert data["text/plain"] == repr(explorer) == "<Explorer of <Gallery of 1 clip>, none open>"
    assert explorer.children == (explorer.gallery,)
    assert explorer.comm is not None
    assert explorer.gallery.comm is not None
    assert open_row(explorer, 0)["result"] == {}
    assert explorer.player is not player


@pytest.mark.browser
def test_in_jupyterlab_a_confused_clip_opens_below(lab: Lab) -> None:
    cells = [
        """import pandas as pd
import vidlab as vl
rows = [(str(path), start, start + 1.0, name.replace("_", " "))
        for name, path in vl.sample_videos().items() if name in ("squat", "sitting_down")
        for start in (0.0, 1.0, 2.0)]
table = pd.DataFrame(rows, columns=["video", "start_seconds", "end_seconds", "label"])
models = {"float": vl.load_model("stickactions-xs-stream", backend="litert"),
          "pictures": vl.load_model("stickactions-pictures", backend="torch")}
study = vl.evaluate(models, table, progress=False)
explorer = vl.Explorer(study, labels="ko")
explorer""",
    ]
    notebook = lab.open(lab.write_notebook("explorer.ipynb", cells), height=1400)
    notebook.run_all()
    root = notebook.page.locator(".vidlab-gallery")
    root.get_by_role("button", name="Confusion", exact=True).click()
    root.get_by_role("combobox", name="Model of the confusion matrix").select_option(index=1)
    root.locator("[role=gridcell]:not(:empty)").first.click()
    expect(root.locator(".vl-confusion-chosen")).to_be_visible()
    root.locator(".vl-card").first.dblclick()
    player = notebook.page.locator(".vidlab-player[data-frame]")
    expect(player).to_have_count(1, timeout=60_000)
    start, stop = notebook.evaluate_in_kernel("explorer.player.selection")
    frame = notebook.evaluate_in_kernel("explorer.player.frame_index")
    assert start <= frame < stop
    expect(player).to_have_attribute("data-frame", str(frame))
    shown = notebook.evaluate_in_kernel("explorer.gallery.shown['label'].tolist()")
    assert set(shown) <= {"squat", "sitting down"}
    # The gallery keeps to its height, whatever is open in it.
    box, below = root.bounding_box(), player.bounding_box()
    assert box is not None
    assert below is not None
    assert box["y"] + box["height"] <= below["y"] + 1
    assert root.evaluate("(root) => root.scrollHeight <= root.clientHeight + 1")
    assert barriers(notebook.page, ".vidlab-gallery") == []
    assert notebook.messages == []
    notebook.close()
