"""`fit` as people call it: from clips of any kind to a model that is saved and predicts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LABELS, write_clip

import vidlab as vl
from vidlab.clips import SegmentClips, open_clips, read_segments
from vidlab.core.errors import (
    DatasetError,
    LabelMapError,
    MissingDependencyError,
    OptionError,
    TrainingError,
    VideoDecodeError,
)
from vidlab.models import Model
from vidlab.training import run
from vidlab.training.live import BarMonitor
from vidlab.training.split import split
from vidlab.transforms import Preprocessing

PREPARE = Preprocessing(height_px=32, width_px=32, frame_rate=5.0)

pytestmark = pytest.mark.usefixtures("quiet")


def fit(model: Model, data: object, **changes: object) -> vl.FitResult:
    """A quick fit: frames as they are, nothing shown."""
    about = {"augment": None, "epochs": 6, "progress": False, "num_threads": 1, "validation": 0.4}
    return vl.fit(model, data, **(about | changes))


def table_of(folder: Path) -> pd.DataFrame:
    segments = read_segments(folder)
    return pd.DataFrame(
        {
            "video": [str(segment.video) for segment in segments],
            "start_seconds": np.nan,
            "end_seconds": np.nan,
            "label": [segment.label for segment in segments],
        }
    )


def weights_of(model: Model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def same_weights(one: Model, other: Model) -> bool:
    a, b = weights_of(one), weights_of(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def result(tiny: Model, folder: Path, tmp_path_factory) -> vl.FitResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDLAB_QUIET", "1")
        out = tmp_path_factory.mktemp("out") / "colours"
        return fit(tiny, folder, out=out, epochs=20, augment="default")


# ---- what it gives ---------------------------------------------------------------------------


def test_the_head_learns_labels_that_are_new(result: vl.FitResult, tiny: Model) -> None:
    assert tuple(result.model.labels) == LABELS
    assert result.history["val_accuracy"].iloc[result.best_epoch - 1] >= 0.9
    assert list(result.history) == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
    ]  # fmt: skip
    assert result.history["epoch"].tolist() == list(range(1, len(result.history) + 1))
    assert len(result.validation) == 6
    assert not len(result.problems)
    assert tuple(tiny.labels) == ("one", "two", "red", "four")  # the one given is as it was
    assert weights_of(tiny)["head.classifier.weight"].shape[0] == 4


def test_only_the_head_is_other(result: vl.FitResult, tiny: Model) -> None:
    before, after = weights_of(tiny), weights_of(result.model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        f"head.{layer}.{name}" for layer in ("hidden", "classifier") for name in ("weight", "bias")
    }


def test_what_validation_measured_is_what_evaluate_finds(result: vl.FitResult) -> None:
    best = result.history.iloc[result.best_epoch - 1]
    evaluation = vl.evaluate(result.model, result.validation, progress=False)
    assert evaluation.top1 == best["val_accuracy"]
    truth = [evaluation.labels.id_of(label) for label in result.validation["label"]]
    own = evaluation.probabilities[np.arange(len(truth)), truth]
    assert -np.log(own).mean() == pytest.approx(best["val_loss"], rel=1e-3)


def test_the_files_are_a_model_that_loads_by_itself(result: vl.FitResult, folder: Path) -> None:
    path = result.path
    assert path is not None
    assert sorted(each.name for each in path.parent.iterdir() if each.name[0] != ".") == [
        "checkpoint.safetensors", "history.csv", "model.safetensors", "model.toml",
    ]  # fmt: skip
    loaded = vl.load_model(path)
    assert loaded.name == "colours"
    assert same_weights(vl.load_model(path.parent), loaded)  # the folder will do
    assert loaded.labels == result.model.labels
    assert loaded.preprocessing == result.model.preprocessing
    assert loaded.provenance.weights_sha256 == result.model.provenance.weights_sha256
    assert same_weights(loaded, result.model)
    best = result.history.iloc[result.best_epoch - 1]
    assert loaded.card.accuracy["top1"] == pytest.approx(100 * best["val_accuracy"], abs=0.01)
    video = folder / "green" / "0.mp4"
    mine = vl.predict(video, result.model, progress=False)
    theirs = vl.predict(video, loaded, progress=False)
    np.testing.assert_array_equal(mine.logits, theirs.logits)
    assert mine.top1()["label"].iloc[-1] == "green"
    pd.testing.assert_frame_equal(
        pd.read_csv(path.with_name("history.csv"))[["epoch", "loss", "val_accuracy"]],
        result.history[["epoch", "loss", "val_accuracy"]],
    )


def test_the_same_call_gives_a_finished_run_again_without_training(
    result: vl.FitResult, tiny: Model, folder: Path, monkeypatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr(run.Loop, "go", never)
    again = fit(tiny, folder, out=result.path.parent, epochs=20, augment="default")
    assert same_weights(again.model, result.model)
    pd.testing.assert_frame_equal(again.history, result.history)
    assert again.best_epoch == result.best_epoch


def test_how_it_shows_itself(result: vl.FitResult) -> None:
    assert "FitResult of colours: 3 labels" in repr(result)
    assert "validation: loss" in repr(result)
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == repr(result)
    assert bundle["text/html"].count("<svg") == 2


def test_plots(result: vl.FitResult) -> None:
    import matplotlib

    matplotlib.use("agg")
    ax = result.plot()
    accuracy = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_allclose(accuracy["validation"], 100 * result.history["val_accuracy"])
    np.testing.assert_allclose(accuracy["training"], 100 * result.history["accuracy"])
    assert ax.get_ylabel() == "accuracy (%)"
    assert result.plot(ax, what="loss") is ax
    assert ax.get_ylabel() == "loss (nats)"
    with pytest.raises(OptionError, match="what must be one of"):
        result.plot(what="speed")


# ---- every kind of data ----------------------------------------------------------------------


def test_folder_csv_table_and_dataset_teach_the_same(
    tiny: Model, folder: Path, tmp_path: Path
) -> None:
    table = table_of(folder)
    relative = table.assign(video=[str(Path(v).relative_to(folder)) for v in table["video"]])
    relative.to_csv(folder / "segments.csv", index=False)

    class Colours(torch.utils.data.Dataset):
        labels = LABELS

        def __len__(self) -> int:
            return len(table)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            video = vl.Video(table["video"][index])
            frames = np.stack([video[i].rgb for i in range(0, 8, 2)])
            return torch.from_numpy(frames), LABELS.index(table["label"][index])

    try:
        first, *others = (
            fit(tiny, data, epochs=2)
            for data in (folder, folder / "segments.csv", table, Colours())
        )
    finally:
        (folder / "segments.csv").unlink()
    for other in others:
        assert same_weights(first.model, other.model)
        assert first.history["val_loss"].tolist() == other.history["val_loss"].tolist()
    assert others[-1].validation["video"].str.startswith("item ").all()


def test_stick_actions_as_they_are(tiny: Model) -> None:
    seeds = [24 * n + label for n in range(4) for label in (0, 7)]
    dataset = vl.datasets.StickActions(seeds, size_px=32, num_frames=4)
    result = fit(tiny, dataset, epochs=1, validation=0.25, labels=["jumping jacks", "bowing"])
    assert tuple(result.model.labels) == ("jumping jacks", "bowing")
    assert sorted(result.validation["label"]) == ["bowing", "jumping jacks"]
    evaluation = vl.evaluate(result.model, dataset, progress=False)
    assert evaluation.predictions["label"].tolist() == ["bowing", "jumping jacks"] * 4
    with pytest.raises(DatasetError, match="all 1 clips are 'bowing'"):
        fit(tiny, vl.datasets.StickActions([0], size_px=32, num_frames=4))


def test_validation_with_clips_of_their_own(tiny: Model, folder: Path) -> None:
    table = table_of(folder)
    result = fit(tiny, table[table.index % 5 > 0], validation=table[table.index % 5 == 0], epochs=2)
    assert [Path(path).name for path in result.validation["video"]] == ["0.mp4"] * 3
    assert fit(tiny, folder, validation=None, epochs=2).best_epoch == 2


def test_labels_of_the_model_keep_their_order_and_their_weights(tiny: Model, folder: Path) -> None:
    table = table_of(folder).replace({"label": {"blue": "two", "green": "one"}})
    four = pd.concat([table, table[:5].assign(label="four")])
    result = fit(tiny, four, epochs=1, learning_rate=1e-9)
    assert result.model.labels == tiny.labels
    torch.testing.assert_close(
        weights_of(result.model)["head.classifier.weight"],
        weights_of(tiny)["head.classifier.weight"],
    )
    given = fit(tiny, table, labels=["red", "two", "one"], epochs=1, learning_rate=1e-9)
    assert tuple(given.model.labels) == ("red", "two", "one")
    torch.testing.assert_close(
        weights_of(given.model)["head.classifier.weight"],
        weights_of(tiny)["head.classifier.weight"][[2, 1, 0]],
    )


def test_several_segments_of_one_video(tiny: Model, tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", ["red", "blue"] * 4)
    table = pd.DataFrame(
        [("long.mp4", 0.8 * n, 0.8 * (n + 1), ("red", "blue")[n % 2]) for n in range(8)],
        columns=["video", "start_seconds", "end_seconds", "label"],
    )
    table.to_csv(tmp_path / "segments.csv", index=False)
    result = fit(tiny, tmp_path / "segments.csv", epochs=15, validation=0.25)
    assert result.history["val_accuracy"].max() == 1.0
    assert len(result.validation) == 2


# ---- every way to train ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["clips", "stream"])
def test_training_every_weight(mode: str, tiny: Model, folder: Path) -> None:
    result = fit(tiny, folder, train="all", mode=mode, epochs=2, num_frames=2)
    before, after = weights_of(tiny), weights_of(result.model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "stem.conv.weight" in changed
    assert not any("running" in name for name in changed)  # batch norm keeps its statistics
    assert result.history["loss"].iloc[-1] < result.history["loss"].iloc[0]
    # However its frames are cut, the model that was trained says the same.
    model = result.model
    clip = np.random.default_rng(0).random((7, 32, 32, 3), dtype=np.float32)
    state, rows = model.init_state(), []
    for frames in np.split(clip, [1, 3]):
        logits, state = model.step(frames, state)
        rows.append(logits)
    np.testing.assert_allclose(np.concatenate(rows)[-1], model.classify(clip[None])[0], atol=1e-4)


def test_a_stream_whose_label_changes_on_the_way(tiny: Model, tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        write_clip(tmp_path / f"{number}.mp4", ["red", "blue"], seed=number)
        rows += [(f"{number}.mp4", 0.0, 0.8, "red"), (f"{number}.mp4", 0.8, 1.6, "blue")]
    columns = ["video", "start_seconds", "end_seconds", "label"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "segments.csv", index=False)
    result = fit(tiny, tmp_path / "segments.csv", mode="stream", epochs=30, validation=0.25)
    # One clip of two segments was kept back; both are answered in one go.
    assert result.validation["label"].tolist() == ["red", "blue"]
    predictions = vl.predict(result.validation["video"][0], result.model, progress=False)
    assert predictions.top1()["label"].tolist()[3] == "red"
    assert result.history["val_accuracy"].max() == 1.0


@pytest.mark.parametrize("train", ["head", "all"])
def test_a_clip_model(train: str, tiny_base: Model, folder: Path) -> None:
    result = fit(tiny_base, folder, train=train, epochs=2)
    assert result.model.card.kind == "clip"
    assert result.model.classify(np.zeros((2, 4, 32, 32, 3), np.float32)).shape == (2, 3)


def test_runs_are_the_same_for_a_seed_and_leave_the_users_random_numbers(
    tiny: Model, folder: Path
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = fit(tiny, folder, train="all", epochs=1, augment="default")
    assert torch.equal(torch.rand(2), expected)
    assert same_weights(
        first.model, fit(tiny, folder, train="all", epochs=1, augment="default").model
    )
    other = fit(tiny, folder, train="all", epochs=1, augment="default", seed=1)
    assert not same_weights(first.model, other.model)


def test_threads_are_as_before_afterwards(tiny: Model, folder: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []

    def note(video: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return video

    try:
        fit(tiny, folder, epochs=1, num_threads=1, augment=note)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_all_is_shown_in_one_place(tiny: Model, folder: Path, monkeypatch) -> None:
    made, begun = [], []

    class Noting(BarMonitor):
        def begin(self, what: str, **about: object) -> None:
            begun.append((what, about["total"]))
            super().begin(what, **about)

    def make(*, show: bool, out: object) -> BarMonitor:
        made.append((show, out))
        return Noting(show=show)

    monkeypatch.setattr(run, "monitor", make)
    fit(tiny, folder, epochs=2, batch_size=4)
    assert made == [(False, None)]
    assert begun == [("looking at clips", 15), ("training", 6)]


def test_an_interrupt_keeps_the_best_epoch(tiny: Model, folder: Path, tmp_path: Path) -> None:
    calls = []

    def interrupt(video: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 14:  # of nine clips an epoch
            raise KeyboardInterrupt
        return video

    about = {"train": "all", "epochs": 3, "augment": interrupt, "out": tmp_path / "run"}
    result = fit(tiny, folder, checkpoint_seconds=0, **about)
    assert result.stopped == "interrupted by the user in epoch 2; the best is kept"
    assert len(result.history) == 1
    assert result.path.is_file()
    result = fit(tiny, folder, checkpoint_seconds=0, **about)
    assert result.stopped is None
    assert len(result.history) == 3


# ---- precision -------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_where_the_device_has_it_else_an_error(
    precision: str, tiny: Model, folder: Path, monkeypatch
) -> None:
    monkeypatch.setattr(run, "_computes_in", lambda *_: False)
    with pytest.raises(OptionError, match=f"precision='{precision}': cpu does not compute in it"):
        fit(tiny, folder, precision=precision)
    # Slow here, but it must come to nearly the same.
    monkeypatch.setattr(run, "_computes_in", lambda *_: True)
    about = {"train": "all", "epochs": 1, "num_frames": 2, "mode": "stream"}
    mixed = fit(tiny, folder, precision=precision, **about)
    full = fit(tiny, folder, **about)
    assert not same_weights(mixed.model, full.model)
    assert mixed.history["loss"][0] == pytest.approx(full.history["loss"][0], rel=0.05)


# ---- errors ----------------------------------------------------------------------------------


def test_one_label_is_not_enough(tiny: Model, folder: Path) -> None:
    table = table_of(folder)
    with pytest.raises(DatasetError, match="at least two labels; all 5 clips are 'blue'"):
        fit(tiny, table[:5])


def test_clips_that_cannot_be_read_are_named_and_the_rest_is_learnt(
    tiny: Model, folder: Path, tmp_path: Path
) -> None:
    table = table_of(folder)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    table.loc[1, "video"] = str(tmp_path / "broken.mp4")
    with pytest.warns(UserWarning, match=r"1 of the videos cannot be read.*broken\.mp4"):
        result = fit(tiny, table, epochs=1)
    assert result.problems["video"].tolist() == [str(tmp_path / "broken.mp4")]


def test_clips_that_turn_out_unreadable(tiny: Model, folder: Path, monkeypatch) -> None:
    read = SegmentClips.read
    lost = {0}

    def damaged(self, index: int, start: int = 0, stop: int | None = None):
        if index in lost:
            raise VideoDecodeError("it breaks off", frame_index=0)
        return read(self, index, start, stop)

    monkeypatch.setattr(SegmentClips, "read", damaged)
    for train in ("head", "all"):
        with pytest.warns(UserWarning, match=r"blue/0\.mp4: it breaks off"):
            result = fit(tiny, folder, train=train, epochs=1)
        assert result.problems["video"].tolist() == ["blue/0.mp4"]
    training, validation = split(open_clips(folder, PREPARE).clips, share=0.4, seed=0)
    lost = set(validation)
    with pytest.raises(DatasetError, match="Not one of the clips to validate with"):
        fit(tiny, folder, train="all", epochs=1)
    lost = set(training)
    with pytest.raises(TrainingError, match="Not one clip of the epoch"):
        fit(tiny, folder, train="all", epochs=1)
    lost = set(range(9))
    with pytest.raises(DatasetError, match=r"4 clips with 2 labels are left.*\n  .*it breaks off"):
        fit(tiny, folder)


def test_a_label_that_is_not_among_those_given(tiny: Model, folder: Path) -> None:
    with pytest.raises(LabelMapError, match="'green', which is not one of the 3 labels"):
        fit(tiny, folder, labels=["blue", "red", "greens"])


def test_a_learning_rate_that_is_too_high(tiny: Model, folder: Path) -> None:
    with pytest.raises(TrainingError, match="Lower learning_rate"):
        fit(tiny, folder, learning_rate=1e36)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "heads"}, "train must be one of.*Did you mean 'head'"),
        ({"mode": "video"}, "mode must be one of"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"num_frames": -1}, "num_frames must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number"),
        ({"patience": 0}, "patience must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"balance": "yes"}, "balance must be True or False"),
        ({"augment": "strong"}, "augment is"),
        ({"validation": 1.0}, "validation is a share from 0 to 0.9"),
        ({"num_workers": -1}, "num_workers must be"),
        ({"num_threads": 0}, "num_threads must be"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds must be"),
        ({"device": "abacus"}, "device='abacus' cannot be used"),
        ({"labels": "kinetics-600"}, "a list of labels"),
        ({"batch_norm": "update"}, "the head has no batch norm"),
        ({"batch_norm": "update", "train": "all", "mode": "stream"}, "a state that was carried"),
    ],
)
def test_options_out_of_range(changes, message: str, tiny: Model, folder: Path) -> None:
    with pytest.raises(OptionError, match=message):
        fit(tiny, folder, **changes)


def test_whole_numbers_of_numpy_are_whole_numbers(
    tiny: Model, folder: Path, tmp_path: Path
) -> None:
    changes = {"epochs": np.int64(1), "batch_size": np.int32(8), "patience": np.int64(3)}
    fit(tiny, folder, out=tmp_path, **changes)
    again = fit(tiny, folder, out=tmp_path, epochs=1, batch_size=8, patience=3)
    assert len(again.history) == 1


@pytest.mark.parametrize("changes", [{"mode": "stream"}, {"loss_on": "every"}])
def test_a_clip_model_has_no_stream(changes, tiny_base: Model, folder: Path) -> None:
    with pytest.raises(OptionError, match="needs a stream model"):
        fit(tiny_base, folder, **changes)


@pytest.mark.parametrize("wrong", [7, None])
def test_what_is_no_model_of_the_torch_backend(wrong: object, folder: Path) -> None:
    with pytest.raises(OptionError, match='backend="torch"'):
        fit(wrong, folder)


def test_without_torch_it_is_said_what_to_install(tiny: Model, folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r'Training needs torch.*"vidlab\[torch\]"'):
        fit(tiny, folder)
