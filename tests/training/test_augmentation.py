"""Clips are varied as a whole, the same way each time, and not mirrored where labels have sides."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pytest
import torch

from vidlab.core.errors import OptionError
from vidlab.training.augmentation import Augmentation, default_augmentation, describe
from vidlab.transforms import Preprocessing

PREPARE = Preprocessing(height_px=24, width_px=32)
LABELS = ["jumping", "waving"]
_IN_PARTS = unicodedata.normalize("NFD", "왼손")


def still(num_frames: int = 5, *, seed: int = 0) -> torch.Tensor:
    """The same picture over and over, prepared."""
    picture = torch.rand(1, 24, 32, 3, generator=torch.Generator().manual_seed(seed))
    return picture.expand(num_frames, -1, -1, -1).contiguous()


@pytest.fixture
def default() -> Augmentation:
    return Augmentation(default_augmentation(LABELS, PREPARE), PREPARE)


def test_all_frames_of_a_clip_change_alike(default: Augmentation) -> None:
    for seed in range(8):
        changed = default(still(), 0, seed)
        assert changed.shape == still().shape
        assert not torch.equal(changed[0], still()[0])
        for frame in changed:
            assert torch.equal(frame, changed[0])


def test_pieces_of_a_clip_change_as_the_whole(default: Augmentation) -> None:
    frames = torch.rand(6, 24, 32, 3, generator=torch.Generator().manual_seed(1))
    whole = default(frames, 3, 4)
    parts = torch.cat([default(part, 3, 4) for part in frames.split([1, 2, 3])])
    assert torch.equal(parts, whole)


def test_a_seed_gives_one_change_whatever_was_drawn_before(default: Augmentation) -> None:
    first = default(still(), 1, 2)
    torch.rand(3), random.random(), np.random.rand()
    assert torch.equal(default(still(), 1, 2), first)
    assert not torch.equal(default(still(), 1, 3), first)


def test_the_random_numbers_outside_go_on_as_if_nothing_was_drawn(default: Augmentation) -> None:
    def draw() -> list[float]:
        return [float(torch.rand(())), random.random(), float(np.random.rand())]

    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    expected = draw()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    default(still(), 1)
    assert draw() == expected


def test_a_function_sees_frames_from_0_to_1_whatever_the_model_takes() -> None:
    prepare = Preprocessing(
        height_px=24, width_px=32, scale=127.5, mean=(1.0, 0.9, 1.1), std=(1.0, 2.0, 0.5)
    )
    rgb = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    frames = torch.from_numpy(prepare(rgb))[None]
    seen = []

    def note(video: torch.Tensor) -> torch.Tensor:
        seen.append(video)
        return video

    same = Augmentation(note, prepare)(frames, 0)
    torch.testing.assert_close(seen[0], torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255.0)
    torch.testing.assert_close(same, frames)


def test_a_function_that_changes_nothing_leaves_every_bit() -> None:
    assert torch.equal(Augmentation(lambda video: video, PREPARE)(still(), 0), still())


@pytest.mark.parametrize("wrong", [lambda video: video[:, :1], lambda video: video.numpy()])
def test_a_function_that_gives_something_else_is_told(wrong) -> None:
    with pytest.raises(OptionError, match=r"augment must return a tensor.*\[5, 3, 24, 32\]"):
        Augmentation(wrong, PREPARE)(still(), 0)


# ---- mirrors ---------------------------------------------------------------------------------


def share_mirrored(labels: list[str]) -> float:
    """How often a picture that is bright on the left comes out bright on the right."""
    change = Augmentation(default_augmentation(labels, PREPARE), PREPARE)
    picture = torch.zeros(1, 24, 32, 3)
    picture[:, :, :16] = 1.0
    means = [change(picture, seed).mean(dim=(0, 1, 3)) for seed in range(30)]
    return float(np.mean([float(each[-4:].mean()) > float(each[:4].mean()) for each in means]))


@pytest.mark.parametrize(
    "label",
    [
        "walking left",
        "Right_turn",
        "spin clockwise",
        "turning anticlockwise",
        "왼손 들기",
        "右折",
        _IN_PARTS,
    ],
)
def test_labels_with_a_side_are_not_mirrored_and_that_is_said(label: str, capsys) -> None:
    assert share_mirrored(["jumping", label]) == 0.0
    assert f"not mirrored in training, because of labels such as {label!r}" in (
        capsys.readouterr().err
    )


def test_others_are_mirrored_half_of_the_time(capsys) -> None:
    assert 0.2 < share_mirrored(["bright lights", "leftover cooking", "copyright"]) < 0.8
    assert capsys.readouterr().err == ""


# ---- telling one from another ----------------------------------------------------------------


def test_what_an_augmentation_is_can_be_told_in_every_process() -> None:
    from torchvision.transforms import v2

    assert describe("default") != describe(None)
    blur = v2.GaussianBlur(3)
    assert describe(blur) == describe(v2.GaussianBlur(3)) != describe(v2.GaussianBlur(5))
    one, other, third = lambda x: x + 1, lambda x: x + 1, lambda x: x * 2
    assert describe(one) == describe(other) != describe(third)
    much, little = lambda x: x * 0.5, lambda x: x * 0.25
    assert describe(much) != describe(little)

    def by(factor: float):
        return lambda x: [y * factor for y in x]

    assert describe(by(2)) == describe(by(2)) != describe(by(3))
    assert describe(lambda x: sorted(x, key=lambda y: y + 1)) != describe(
        lambda x: sorted(x, key=lambda y: y - 1)
    )

    class Change:
        def __call__(self, video):
            return video

    assert describe(Change()) == describe(Change())
