"""Keypoint R-CNN, with random weights, against torchvision's own direct use."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab.models.pose.keypoint_rcnn import KeypointRCNN

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")

# The same layers on fewer pixels and for fewer people: a second instead of 20.
QUICK = {
    "min_size": 128, "rpn_post_nms_top_n_test": 50, "box_detections_per_img": 4,
    "box_score_thresh": 0.0,
}  # fmt: skip


def test_answers_are_those_of_direct_use(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "get_model", partial(models.get_model, **QUICK))
    torch.manual_seed(0)
    network = models.detection.keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, **QUICK
    ).eval()
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    model = vl.load_model(path, card="keypointrcnn-resnet50-fpn")
    assert isinstance(model, KeypointRCNN)
    assert model.max_people > 1
    model.least_confidence = 0.0  # random weights are sure of nobody
    rgb = vl.Video(clips / "felixchenfy_exercise.avi")[30].rgb
    people, _ = model.step(rgb, model.init_state())
    with torch.inference_mode():
        (direct,) = network([torch.from_numpy(rgb).permute(2, 0, 1).float() / 255])
    assert len(people) == len(direct["scores"]) == 4
    np.testing.assert_allclose(people[..., :2], direct["keypoints"][..., :2].numpy(), atol=1e-3)
    expected = torch.sigmoid(direct["keypoints_scores"]).numpy()
    np.testing.assert_allclose(people[..., 2], expected, atol=1e-4)


def test_only_who_is_sure_counts() -> None:
    found = {
        "scores": np.array([0.9, 0.5], dtype=np.float32),
        "keypoints": np.zeros((2, 17, 3), dtype=np.float32),
        "keypoints_scores": np.full((2, 17), 100, dtype=np.float32),
    }
    from vidlab.models.base import Provenance
    from vidlab.models.card import card_named

    card = card_named("keypointrcnn-resnet50-fpn")
    model = KeypointRCNN(
        lambda picture: found, backend="torch", card=card, variant="float", num_threads=1,
        least_confidence=card.least_confidence,
        provenance=Provenance(weights_file="", weights_sha256="", place="memory", runtime=""),
    )  # fmt: skip
    people, _ = model.step(np.zeros((8, 8, 3), dtype=np.uint8), None)
    assert people.shape == (1, 17, 3)
    assert people[0, 0, 2] == pytest.approx(1.0)
