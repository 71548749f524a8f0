"""StickActions as a torch data set."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
import torch

from vidlab import datasets
from vidlab.core.errors import OptionError
from vidlab.datasets import STICK_ACTIONS, StickActions, render_clip


def halved(video: torch.Tensor) -> torch.Tensor:
    return video.float() / 2.0


def small(seeds: range = range(20, 26), **options: object) -> StickActions:
    return StickActions(seeds, size_px=32, frame_rate=2.0, num_frames=3, **options)


def test_an_item_is_the_clip_of_its_seed():
    data = small()
    assert len(data) == 6
    for index, seed in enumerate(range(20, 26)):
        video, class_id = data[index]
        clip = render_clip(seed, size_px=32, frame_rate=2.0, num_frames=3)
        assert video.dtype == torch.uint8
        np.testing.assert_array_equal(video.permute(0, 2, 3, 1).numpy(), clip.rgb)
        assert class_id == data.class_id(index) == clip.labels[0]
        assert STICK_ACTIONS[class_id] == clip.label
        np.testing.assert_array_equal(data.clip(index).rgb, clip.rgb)


def test_a_data_set_ends():
    data = small()
    with pytest.raises(IndexError):
        data[6]
    torch.testing.assert_close(data[-1][0], data[5][0])


def test_classes_are_even_without_rendering():
    data = StickActions(range(7, 7 + 5 * len(STICK_ACTIONS)))
    counts = Counter(data.class_id(index) for index in range(len(data)))
    assert counts == dict.fromkeys(range(len(STICK_ACTIONS)), 5)


def test_workers_give_what_the_data_set_holds():
    data = small(transform=halved)
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)
    videos, ids = zip(*loader, strict=True)
    torch.testing.assert_close(torch.cat(videos), torch.stack([data[i][0] for i in range(6)]))
    assert torch.cat(ids).tolist() == [data.class_id(i) for i in range(6)]


def test_it_can_be_pickled():
    again = pickle.loads(pickle.dumps(small(transform=halved)))
    torch.testing.assert_close(again[3][0], small(transform=halved)[3][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "seeds must hold at least one seed"),
        ({"seeds": [4, -2]}, "seed must be a whole number, 0 or more; got -2"),
        ({"size_px": 0}, "size_px must be"),
        ({"num_frames": 0}, "num_frames must be"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str):
    with pytest.raises(OptionError, match=message):
        StickActions(**options)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = datasets.no_such_name
