"""Counting: against a matrix filled in by hand, and against the model asked clip by clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_clip

import vidlab as vl
from vidlab.core.errors import DatasetError, LabelMapError, ModelError, OptionError
from vidlab.core.probabilities import softmax
from vidlab.evaluation import Evaluation
from vidlab.models import Model
from vidlab.models.base import Provenance, Selection
from vidlab.models.card import ModelCard

LABELS = vl.LabelMap(["cat", "dog", "bird", "fish", "cow", "ant", "bee"])

# True label and predicted one of ten clips.
PAIRS = [
    ("cat", "cat"), ("cat", "cat"), ("cat", "dog"), ("cat", "bird"),
    ("dog", "dog"), ("dog", "dog"), ("dog", "cat"),
    ("bird", "bird"), ("bird", "cow"),
    ("ant", "cat"),
]  # fmt: skip


def table(labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "video": [f"{n}.mp4" for n in range(len(labels))],
            "start_seconds": 0.0,
            "end_seconds": 1.0,
            "label": labels,
        }
    )


@pytest.fixture
def evaluation() -> Evaluation:
    probabilities = np.full((len(PAIRS), len(LABELS)), 0.05, np.float32)
    for row, (_, said) in zip(probabilities, PAIRS, strict=True):
        row[LABELS.id_of(said)] = 0.7
    return Evaluation(table([true for true, _ in PAIRS]), probabilities, labels=LABELS, title="it")


def test_the_confusion_matrix(evaluation: Evaluation) -> None:
    expected = pd.DataFrame(
        {
            "cat": [2, 1, 0, 0, 1],
            "dog": [1, 2, 0, 0, 0],
            "bird": [1, 0, 1, 0, 0],
            "cow": [0, 0, 1, 0, 0],
            "ant": [0, 0, 0, 0, 0],
        },
        index=["cat", "dog", "bird", "cow", "ant"],
    )
    pd.testing.assert_frame_equal(evaluation.confusion, expected, check_names=False)
    assert evaluation.top1 == 0.5
    assert len(evaluation) == 10


def test_each_label_by_itself(evaluation: Evaluation) -> None:
    expected = pd.DataFrame(
        {
            "label": ["cat", "dog", "bird", "cow", "ant"],
            "num": [4, 3, 2, 0, 1],
            "correct": [2, 2, 1, 0, 0],
            "precision": [2 / 4, 2 / 3, 1 / 2, 0.0, np.nan],
            "recall": [2 / 4, 2 / 3, 1 / 2, np.nan, 0.0],
            "f1": [0.5, 2 / 3, 0.5, 0.0, 0.0],
        }
    )
    pd.testing.assert_frame_equal(evaluation.per_class, expected, check_dtype=False)


def test_ranks_and_the_first_five() -> None:
    falling = np.array([0.3, 0.2, 0.15, 0.13, 0.12, 0.06, 0.04], np.float32)
    flat = np.full(7, 1 / 7, np.float32)
    evaluation = Evaluation(
        table(["cat", "cow", "ant", "bee", "dog"]),
        np.stack([falling, falling, falling, falling, flat]),
        labels=LABELS,
        title="it",
    )
    rows = evaluation.predictions
    # Of labels that are as probable, the first in the map counts as said.
    assert rows["rank"].tolist() == [1, 5, 6, 7, 2]
    assert rows["correct"].tolist() == [True, False, False, False, False]
    assert rows["predicted"].tolist() == ["cat"] * 5
    assert rows["probability"].tolist() == pytest.approx([0.3] * 4 + [1 / 7])
    assert evaluation.top1 == 0.2
    assert evaluation.top5 == 0.6
    assert list(rows) == [
        "video", "start_seconds", "end_seconds", "label", "predicted", "probability", "rank",
        "correct",
    ]  # fmt: skip


def test_how_it_shows_itself(evaluation: Evaluation) -> None:
    assert repr(evaluation) == "<Evaluation of it: 10 clips, top-1 50.0%, top-5 90.0%>"
    assert "<td>bird</td>" in evaluation._repr_mimebundle_()["text/html"]


def test_the_plot_has_every_number(evaluation: Evaluation) -> None:
    import matplotlib

    matplotlib.use("agg")
    ax = evaluation.plot()
    numbers = {text.get_position(): int(text.get_text()) for text in ax.texts}
    confusion = evaluation.confusion.to_numpy()
    expected = {(c, r): n for (r, c), n in np.ndenumerate(confusion) if n}
    assert numbers == expected
    assert [each.get_text() for each in ax.get_yticklabels()] == [
        "cat",
        "dog",
        "bird",
        "cow",
        "ant",
    ]
    assert evaluation.plot(ax) is ax


def test_arrays_that_do_not_fit_are_told() -> None:
    with pytest.raises(DatasetError, match=r"probabilities \[1, 7\]; got \[2, 7\]"):
        Evaluation(table(["cat"]), np.zeros((2, 7)), labels=LABELS, title="it")


def test_what_is_not_a_number_is_never_right() -> None:
    probabilities = np.full((3, 7), 1 / 7, np.float32)
    probabilities[1:] = np.nan
    with pytest.raises(ModelError, match=r"2 of 3 clips .* such as 1\.mp4"):
        Evaluation(table(["cat", "dog", "cat"]), probabilities, labels=LABELS, title="it")


# ---- asking a model --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos in class folders, of 40 frames and of 8, at ten a second."""
    root = tmp_path_factory.mktemp("long")
    write_clip(root / "red" / "a.mp4", ["red", "green", "blue", "red", "green"])
    write_clip(root / "two" / "b.mp4", ["blue"])
    return root


def prepared(model: Model, path: Path) -> np.ndarray:
    video = vl.Video(path)
    return np.stack([model.preprocessing(video[i].rgb) for i in range(0, len(video), 2)])


@pytest.mark.parametrize("at", [None, "end", "mean"])
def test_a_stream_model_is_asked_from_a_fresh_state(at, tiny: Model, long: Path) -> None:
    evaluation = vl.evaluate(tiny, long, at=at, progress=False)
    assert evaluation.predictions["label"].tolist() == ["red", "two"]
    for row, name in zip(evaluation.probabilities, ("red/a.mp4", "two/b.mp4"), strict=True):
        logits, _ = tiny.step(prepared(tiny, long / name), tiny.init_state())
        answers = softmax(logits)
        expected = answers.mean(axis=0) if at == "mean" else answers[-1]
        np.testing.assert_allclose(row, expected, atol=1e-4)


def test_a_clip_longer_than_what_is_read_at_once(tiny: Model, tmp_path: Path) -> None:
    write_clip(tmp_path / "red" / "a.mp4", ["red", "green", "blue"], frames_each=60)
    evaluation = vl.evaluate(tiny, tmp_path, progress=False)
    logits, _ = tiny.step(prepared(tiny, tmp_path / "red" / "a.mp4"), tiny.init_state())
    np.testing.assert_allclose(evaluation.probabilities[0], softmax(logits)[-1], atol=1e-4)


@pytest.mark.parametrize("at", [None, "end", "mean"])
def test_a_clip_model_is_asked_piece_by_piece(at, tiny_base: Model, long: Path) -> None:
    evaluation = vl.evaluate(tiny_base, long, at=at, progress=False)
    frames = prepared(tiny_base, long / "red" / "a.mp4")
    # Four frames a piece, and one more piece that ends with the clip.
    pieces = [frames[start : start + 4] for start in (0, 4, 8, 12, 16)]
    answers = softmax(np.concatenate([tiny_base.classify(piece[None]) for piece in pieces]))
    expected = answers[-1] if at == "end" else answers.mean(axis=0)
    np.testing.assert_allclose(evaluation.probabilities[0], expected, atol=1e-5)


def test_segments_of_one_video_each_start_afresh(tiny: Model, long: Path) -> None:
    segments = pd.DataFrame(
        {
            "video": str(long / "red" / "a.mp4"),
            "start_seconds": [0.0, 1.6, 2.4],
            "end_seconds": [0.8, 2.4, 4.0],
            "label": ["red", "two", "red"],
        }
    )
    evaluation = vl.evaluate(tiny, segments, progress=False)
    frames = prepared(tiny, long / "red" / "a.mp4")
    for row, (start, stop) in zip(
        evaluation.probabilities, ((0, 4), (8, 12), (12, 20)), strict=True
    ):
        logits, _ = tiny.step(frames[start:stop], tiny.init_state())
        np.testing.assert_allclose(row, softmax(logits)[-1], atol=1e-4)


def test_any_backend_is_asked_through_what_all_models_offer(long: Path) -> None:
    class Counter(Model):
        """Says how many frames it has seen: a model of no framework."""

        backend = "none"
        chunk_frames = 3

        def __init__(self) -> None:
            card = ModelCard(
                name="counter", title="Counter", family="", kind="stream",
                preprocessing=vl.models.card.Preprocessing(
                    height_px=4, width_px=4, frame_rate=5.0
                ),
            )  # fmt: skip
            about = Provenance(weights_file="", weights_sha256="", place="memory", runtime="none")
            super().__init__(
                card=card, variant="none", labels=vl.LabelMap(["red", "two"]), provenance=about,
                num_threads=1, selection=Selection(),
            )  # fmt: skip

        def init_state(self) -> int:
            return 0

        def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
            seen = state + np.arange(1, len(frames) + 1)
            return np.stack([np.log(seen), np.zeros(len(seen))], 1), state + len(frames)

    evaluation = vl.evaluate(Counter(), long, progress=False)
    np.testing.assert_allclose(evaluation.probabilities[:, 0], [20 / 21, 4 / 5], rtol=1e-5)


def test_a_label_that_the_model_lacks(tiny: Model, folder: Path) -> None:
    with pytest.raises(LabelMapError, match=r"blue/0\.mp4 is labelled 'blue'"):
        vl.evaluate(tiny, folder, progress=False)


def test_what_cannot_be_read_is_left_out_and_told(tiny: Model, long: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    segments = pd.DataFrame(
        {
            "video": [str(long / "red" / "a.mp4")] * 2 + [str(tmp_path / "bad.mp4")],
            "start_seconds": np.nan,
            "end_seconds": np.nan,
            "label": ["red", "two", "red"],
        }
    )
    with pytest.warns(UserWarning, match=r"bad\.mp4"):
        evaluation = vl.evaluate(tiny, segments, progress=False)
    assert len(evaluation) == 2
    assert evaluation.problems["video"].tolist() == [str(tmp_path / "bad.mp4")]
    assert "1 with problems" in repr(evaluation)


def test_options_that_make_no_sense(tiny: Model, long: Path) -> None:
    with pytest.raises(OptionError, match='at must be "end", "mean" or None'):
        vl.evaluate(tiny, long, at="start", progress=False)
    with pytest.raises(OptionError, match="A loaded model is needed"):
        vl.evaluate("movinet-a0-stream", long)
