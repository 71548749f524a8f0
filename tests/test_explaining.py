"""Where two recipes part, on a real frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from synthetic import make_video

import vidlab as vl
from vidlab.core.errors import OptionError, UnknownModelError
from vidlab.transforms import Preprocessing


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("explained") / "clip.mp4"
    make_video(target, num_frames=4)
    return target


def same(**changes) -> Preprocessing:
    return Preprocessing(height_px=64, width_px=64, **changes)


def wide(**changes) -> Preprocessing:
    return Preprocessing(height_px=36, width_px=48, **changes)


@pytest.mark.parametrize(
    ("first", "second", "step", "words"),
    [
        (same(), same(mirror=True), "mirror", "mirrored"),
        (same(), same(resize="crop"), "resize", "stretched"),
        (same(), same(resampling="opencv"), "resize", "by OpenCV"),
        (same(), same(channels="bgr"), "channels", "blue, green, red"),
        (same(), same(scale=1.0), "scale", "divided by 255"),
        (same(), same(mean=(0.5, 0.5, 0.5)), "mean", "less the mean 0.5"),
        (same(), same(std=(0.5, 0.5, 0.5)), "std", "standard deviation"),
        (same(resize="fit"), same(resize="fit"), None, "the same input"),
        # This frame is as wide to high as the input.
        (wide(resize="fit"), wide(), "resize", "the input is the same"),
        # Both cut the middle out of 67 px: from the second or the third pixel on.
        (
            same(resize_to_px=(67, 67)),
            same(resize_to_px=(67, 67), is_crop_rounded_down=True),
            "frame",
            "half a pixel rounded down",
        ),
        (same(mean=(0.4345,) * 3), same(mean=(0.4345001,) * 3), "mean", "0.4345001"),
        (same(scale=2.0), same(scale=1.0, std=(2.0,) * 3), "scale", "the input is the same"),
        ("tflite-raspberry-pi", "tfhub-movinet", "mirror", "mirrored"),
        ("tfhub-movinet", "movinet-plot", "resize", "stretched to 172x172 px"),
        ("opencv-activity-batch", "opencv-sample", "width", "400 px wide"),
    ],
)
def test_the_first_difference_is_named(first, second, step, words, path: Path) -> None:
    explained = vl.explain_preprocessing(path, first, second, frame_index=2)
    assert explained.first_difference == step
    assert words in explained.explain()
    different = explained.table.loc[~explained.table["same"], "step"].tolist()
    assert different[:1] == ([] if step is None else [step])


def test_what_it_shows_is_what_the_model_gets(path: Path) -> None:
    model = ArithmeticModel()
    explained = vl.explain_preprocessing(path, model, same(mirror=True), frame_index=3)
    rgb = vl.Video(path).frame_at(3).rgb
    np.testing.assert_array_equal(
        list(explained.steps[0].values())[-1].pixels, model.preprocessing(rgb)
    )
    np.testing.assert_array_equal(explained.steps[1]["mirror"].pixels, rgb[:, ::-1])
    assert explained.names == [model.title, "own preprocessing"]


def test_it_shows_itself(path: Path) -> None:
    bundle = vl.explain_preprocessing(path, "opencv-sample", "3d-resnets")._repr_mimebundle_()
    assert "They part at the step" in bundle["text/plain"]
    assert bundle["text/html"].count("<img ") == 2 + 3 + 5
    assert len(bundle["text/html"]) < 400_000


def test_a_recipe_that_does_as_the_card_says_needs_a_card_of_its_kind(path: Path) -> None:
    with pytest.raises(OptionError, match=r"movinet-a0-stream is a stream model.*model='r3d-18'"):
        vl.explain_preprocessing(path, "torchvision", "tfhub-movinet")
    explained = vl.explain_preprocessing(path, "torchvision", "tfhub-movinet", model="r3d-18")
    assert explained.first_difference == "resize"
    assert not explained.makes_same_input


def test_what_is_none_is_refused(path: Path) -> None:
    with pytest.raises(OptionError, match="No recipe"):
        vl.explain_preprocessing(path, "tfhub", "3d-resnets")
    with pytest.raises(OptionError, match="a model or a preprocessing"):
        vl.explain_preprocessing(path, 3, "3d-resnets")
    with pytest.raises(UnknownModelError):
        vl.explain_preprocessing(path, "opencv-sample", "3d-resnets", model="movinet")
