"""Pose models against the exact truth of StickActions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab import pose
from vidlab.core.errors import DatasetError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    vl.datasets.write_stick_actions(folder, seeds=range(3), progress=False)
    return folder


def test_the_truth_is_perfect(drawn: Path) -> None:
    truth = json.loads((drawn / "keypoints.json").read_text())
    results = [each | {"score": 1.0} for each in truth["annotations"] if each["num_keypoints"]]
    assert pose.average_precision(truth, results).ap == pytest.approx(1.0)


def test_movenet_finds_drawn_people(
    drawn: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    model = vl.load_model("movenet-lightning")
    truth = json.loads((drawn / "keypoints.json").read_text())
    results = []
    for path in sorted(drawn.rglob("*.mp4")):
        poses = vl.predict(path, model, fps="source", progress=False)
        results += pose.results_for(poses, truth)
    scores = pose.average_precision(truth, results)
    # It never saw drawn people: it finds them roughly, not exactly.
    assert 0.05 < scores.ap50 < 1.0
    with pytest.raises(DatasetError, match="no image of"):
        pose.results_for(poses.replaced(video="other.mp4"), truth)
    nobody = poses.replaced(
        row=np.empty(0, dtype=int), person=np.empty(0, dtype=int), points=np.empty((0, 17, 3))
    )
    assert pose.results_for(nobody, truth) == []
