"""What a step learns from: pieces of clips in order, with the state carried and reset."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import SIZE, make_network

from vidlab.clips import DatasetClips
from vidlab.core.errors import VideoDecodeError
from vidlab.core.labels import LabelMap
from vidlab.training.features import Extractor, mean_log_probabilities
from vidlab.training.learners import HeadLearner, NetworkLearner, Task, head_views, new_head
from vidlab.training.options import Options
from vidlab.transforms import Preprocessing

PREPARE = Preprocessing(height_px=SIZE, width_px=SIZE)


class Noise:
    """Random frames: a clip for each (number of frames, class id)."""

    labels = ("one", "two", "three", "four")

    def __init__(self, clips: list[tuple[int, int]]) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        num_frames, class_id = self.clips[index]
        rng = np.random.default_rng(index)
        return rng.random((num_frames, SIZE, SIZE, 3), dtype=np.float32), class_id


def options(**changes: object) -> Options:
    values = {
        "train": "all", "mode": "stream", "loss_on": "every", "epochs": 1, "batch_size": 2,
        "learning_rate": 1e-3, "num_frames": 3, "balance": True, "precision": "float32",
        "batch_norm": "frozen", "patience": None, "seed": 0,
    }  # fmt: skip
    return Options(**(values | changes))


def task_of(clips: list[tuple[int, int]], **changes: object) -> Task:
    found = DatasetClips(Noise(clips), PREPARE, progress=False)
    return Task(
        training=(found, list(range(len(clips)))),
        validation=(found, []),
        labels=LabelMap(Noise.labels),
        options=options(**changes),
    )


def learner_of(task: Task, network: torch.nn.Module, **changes: object) -> NetworkLearner:
    about = {"augmentation": None, "num_workers": 0, "compute": contextlib.nullcontext}
    return NetworkLearner(task, network, **(about | changes))


def whole(network, task: Task, index: int) -> torch.Tensor:
    """Logits after each frame of a clip that is seen at once, from a fresh state."""
    clip = torch.from_numpy(task.clips.read(index))[None].permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        return network.step(clip, network.init_state())[0][0]


def answers_by_clip(learner: NetworkLearner, order: list[int]) -> Iterator[torch.Tensor]:
    """Put the logits of an epoch's pieces together again, clip by clip."""
    clips, length = learner.task.clips.clips, learner.task.options.num_frames
    for batch, parts in zip(learner.task.batches(0), learner.batches(0), strict=True):
        found: dict[int, list[torch.Tensor]] = {index: [] for index in batch}
        for number, (logits, targets) in enumerate(parts):
            inside = [i for i in batch if clips[i].num_frames > number * length]
            sizes = [min(length, clips[i].num_frames - number * length) for i in inside]
            for index, rows, ids in zip(
                inside, logits.split(sizes), targets.split(sizes), strict=True
            ):
                found[index].append(rows.detach())
                assert set(ids.tolist()) == {Noise.labels.index(clips[index].labels[0])}
        for index in batch:
            order.append(index)
            yield torch.cat(found[index])


# ---- state -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_logits_of_stream_training_are_those_of_the_whole_clip(batch_size: int) -> None:
    task = task_of([(7, 0), (3, 1), (8, 2), (1, 3), (6, 0)], batch_size=batch_size)
    network = make_network()
    order: list[int] = []
    for logits in answers_by_clip(learner_of(task, network), order):
        # From a fresh state: nothing of the videos before is left in it.
        torch.testing.assert_close(logits, whole(network, task, order[-1]), rtol=1e-4, atol=1e-5)
    assert sorted(order) == [0, 1, 2, 3, 4]


def test_gradients_end_where_a_state_is_carried_over() -> None:
    task = task_of([(6, 0)], batch_size=1)
    network = make_network()
    (parts,) = learner_of(task, network).batches(0)
    num_pieces = 0
    for logits, targets in parts:
        # A graph that went back into the piece before would be freed by now.
        torch.nn.functional.cross_entropy(logits, targets).backward()
        num_pieces += 1
    assert num_pieces == 2


def test_statistics_of_batch_norm_stay_as_they_are_when_frozen_and_move_when_not() -> None:
    for mode, batch_norm in (("stream", "frozen"), ("clips", "frozen"), ("clips", "update")):
        task = task_of([(4, 0), (4, 1)], mode=mode, loss_on="last", batch_norm=batch_norm)
        network = make_network()
        before = {name: value.clone() for name, value in network.named_buffers()}
        for parts in learner_of(task, network).batches(0):
            list(parts)
        same = all(torch.equal(before[name], value) for name, value in network.named_buffers())
        assert same == (batch_norm == "frozen")


def test_a_piece_that_cannot_be_read_takes_only_its_own_clip_out(monkeypatch) -> None:
    task = task_of([(7, 0), (7, 1), (7, 2)], batch_size=3)
    network = make_network()
    read = task.clips.read

    def damaged(index: int, start: int = 0, stop: int | None = None):
        if index == 1 and start == 3:
            raise VideoDecodeError("it breaks off", frame_index=3)
        return read(index, start, stop)

    monkeypatch.setattr(task.clips, "read", damaged)
    (parts,) = learner_of(task, network).batches(0)
    pieces = list(parts)
    assert [len(logits) for logits, _ in pieces] == [9, 6, 2]
    rest = [index for index in task.batches(0)[0] if index != 1]
    for row, index in zip(pieces[2][0], rest, strict=True):
        torch.testing.assert_close(row, whole(network, task, index)[6], rtol=1e-4, atol=1e-5)
    assert task.clips.problems == {"item 1": "it breaks off"}


# ---- what the loss is on ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "loss_on", "expected"),
    [("clips", "last", 1), ("clips", "every", 3), ("stream", "last", 1), ("stream", "every", 7)],
)
def test_frames_that_the_loss_is_on(mode: str, loss_on: str, expected: int) -> None:
    task = task_of([(7, 2)], mode=mode, loss_on=loss_on)
    (parts,) = learner_of(task, make_network()).batches(0)
    answers = list(parts)
    assert sum(len(targets) for _, targets in answers) == expected
    assert {int(each) for _, targets in answers for each in targets} == {2}


def test_a_shorter_clip_of_a_batch_is_asked_at_its_own_end() -> None:
    task = task_of([(2, 0), (3, 1)], mode="clips", loss_on="last")
    network = make_network()
    (parts,) = learner_of(task, network).batches(0)
    ((logits, targets),) = list(parts)
    for row, class_id, index in zip(logits, targets, task.batches(0)[0], strict=True):
        assert int(class_id) == index
        torch.testing.assert_close(row, whole(network, task, index)[-1], rtol=1e-4, atol=1e-5)


def test_a_long_clip_is_seen_in_another_piece_each_epoch() -> None:
    task = task_of([(50, 0), (50, 1)], mode="clips", loss_on="last", num_frames=4)
    starts = {task.window(task.clips.clips[0], epoch, 0) for epoch in range(20)}
    assert len(starts) > 10
    assert all(stop == start + 4 <= 50 for start, stop in starts)
    assert task.window(task.clips.clips[0], 3, 0) == task.window(task.clips.clips[0], 3, 0)


def test_a_clip_model_answers_once() -> None:
    task = task_of([(5, 2), (3, 1)], mode="clips", loss_on="last", num_frames=3)
    network = make_network("base")
    (parts,) = learner_of(task, network).batches(0)
    ((logits, targets),) = list(parts)
    assert logits.shape == (2, 4)
    assert sorted(targets.tolist()) == [1, 2]


def test_what_a_clip_model_says_of_a_clip_does_not_depend_on_those_beside_it() -> None:
    task = task_of(
        [(2, 0), (6, 1), (2, 2), (4, 3)], mode="clips", loss_on="last", num_frames=6, batch_size=4
    )
    network = make_network("base")
    (parts,) = learner_of(task, network).batches(0)
    ((logits, targets),) = list(parts)
    for row, class_id, index in zip(logits, targets, task.batches(0)[0], strict=True):
        assert int(class_id) == index
        clip = torch.from_numpy(task.clips.read(index))[None].permute(0, 1, 4, 2, 3)
        with torch.no_grad():
            torch.testing.assert_close(row, network(clip)[0], rtol=1e-4, atol=1e-5)


def test_an_epoch_can_be_begun_at_any_batch() -> None:
    task = task_of([(4, 0), (5, 1), (6, 2), (3, 3), (7, 0)])
    learner = learner_of(task, make_network())
    everything = [[logits for logits, _ in parts] for parts in learner.batches(1)]
    rest = [[logits for logits, _ in parts] for parts in learner.batches(1, 2)]
    assert len(everything) == learner.num_batches == 3
    assert len(rest) == 1
    for got, expected in zip(rest[0], everything[2], strict=True):
        assert torch.equal(got, expected)


def test_workers_read_the_same(monkeypatch) -> None:
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 5.0)
    task = task_of([(4, 0), (5, 1), (6, 2)])
    network = make_network()
    here = [logits for parts in learner_of(task, network).batches(0) for logits, _ in parts]
    learner = learner_of(task, network, num_workers=2)
    for epoch in (0, 0):  # the workers stay for the next epoch
        there = [logits for parts in learner.batches(epoch) for logits, _ in parts]
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


# ---- balance ---------------------------------------------------------------------------------


def test_rare_labels_weigh_more() -> None:
    clips = [(4, 0)] * 6 + [(4, 1)] * 2 + [(4, 3)]
    weights = task_of(clips, mode="clips", loss_on="last").class_weights()
    torch.testing.assert_close(weights, torch.tensor([9 / 18, 9 / 6, 0.0, 9 / 3]))
    frames = task_of([(8, 0), (2, 1)], loss_on="every").class_weights()
    torch.testing.assert_close(frames, torch.tensor([10 / 16, 10 / 4, 0.0, 0.0]))
    # Of clips that are longer than a piece only a piece is asked.
    pieces = task_of([(30, 0), (2, 1)], mode="clips", loss_on="every", num_frames=6).class_weights()
    torch.testing.assert_close(pieces, torch.tensor([8 / 12, 8 / 4, 0.0, 0.0]))
    assert torch.equal(task_of(clips, balance=False).class_weights(), torch.ones(4))


# ---- the head alone --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stream", "base"])
def test_features_make_the_networks_own_logits(kind: str) -> None:
    task = task_of([(20, 0), (2, 1)], mode="clips", loss_on="last", num_frames=20)
    network = make_network(kind)
    extractor = Extractor(network, num_frames=20)
    for index in (0, 1):
        ((features, ids),) = head_views(task, extractor, index, augmentation=None, num_views=1)
        assert ids.tolist() == [index]
        clip = torch.from_numpy(task.clips.read(index))[None].permute(0, 1, 4, 2, 3)
        with torch.no_grad():
            torch.testing.assert_close(
                network.head.classify(features), network(clip), rtol=1e-3, atol=1e-4
            )


def test_features_of_a_stream_are_those_after_each_frame() -> None:
    # Longer than what is read at once, and than what goes through the network at once.
    task = task_of([(70, 1)], loss_on="every")
    network = make_network()
    extractor = Extractor(network, num_frames=3)
    ((features, ids),) = head_views(task, extractor, 0, augmentation=None, num_views=1)
    assert ids.tolist() == [1] * 70
    with torch.no_grad():
        got = network.head.classify(features)
    torch.testing.assert_close(got, whole(network, task, 0), rtol=1e-3, atol=1e-4)


def test_only_the_head_is_in_a_head_learner() -> None:
    task = task_of([(3, 0)], train="head", mode="clips", loss_on="last")
    network = make_network()
    features = torch.rand(1, network.config.head_channels)
    learner = HeadLearner(
        task,
        network,
        views={0: [(features, torch.tensor([2]))]},
        answers=[(features, 3), (features.repeat(2, 1), 1)],
        compute=contextlib.nullcontext,
    )
    (((logits, targets),),) = [list(parts) for parts in learner.batches(0)]
    with torch.no_grad():
        assert torch.equal(logits, network.head.classify(features))
    assert targets.tolist() == [2]
    found, ids = learner.validate()
    assert ids.tolist() == [3, 1]
    torch.testing.assert_close(found[0], found[1])
    assert {name.partition(".")[0] for name, _ in learner.module.named_parameters()} == {
        "hidden",
        "classifier",
    }


def test_several_pieces_count_by_their_mean_probability() -> None:
    logits = [torch.tensor([[0.0, 1.0], [3.0, 0.0]]), torch.tensor([[2.0, 2.0]])]
    expected = torch.stack([each.softmax(dim=1).mean(dim=0) for each in logits])
    torch.testing.assert_close(mean_log_probabilities(logits).exp(), expected.double())


def test_a_new_head_keeps_what_is_known_of_labels() -> None:
    network = make_network()
    old = network.head.classifier
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    new_head(network, LabelMap(["a", "b", "c", "d"]), LabelMap(["x", "c", "a"]), seed=0)
    assert torch.equal(torch.rand(3), expected)  # the user's random numbers are not drawn from
    new = network.head.classifier
    assert new.weight.shape == (3, old.weight.shape[1])
    assert torch.equal(new.weight[1:], old.weight[[2, 0]])
    assert torch.equal(new.bias[1:], old.bias[[2, 0]])
    assert 0 < float(new.weight[0].detach().std()) < 0.05
