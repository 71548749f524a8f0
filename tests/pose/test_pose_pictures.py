"""A picture is a video of one frame: people are found on it as on that frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vidlab as vl
from vidlab.models import LoadedModel


@pytest.fixture
def model(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    return vl.load_model("movenet-lightning")


@pytest.fixture
def clip(clips: Path) -> Path:
    """A clip that shows somebody from its first frame."""
    return clips / "mmaction2_demo_skeleton.mp4"


def test_a_picture_is_as_the_frame_it_was_made_of(
    model: LoadedModel, clip: Path, tmp_path: Path
) -> None:
    of_clip = vl.predict(clip, model, fps=1, progress=False)
    Image.fromarray(vl.Video(clip)[0].rgb).save(tmp_path / "picture.png")
    poses = vl.predict(tmp_path / "picture.png", model, progress=False)
    assert isinstance(poses, vl.pose.Poses)
    assert (len(poses), poses.num_people) == (1, 1)
    assert (poses.width_px, poses.height_px) == (of_clip.width_px, of_clip.height_px)
    assert poses.frame_index.tolist() == [0]
    np.testing.assert_array_equal(poses.at_frame(0), of_clip.at_frame(0))
    assert poses.table["x_px"].between(0, poses.width_px).all()
