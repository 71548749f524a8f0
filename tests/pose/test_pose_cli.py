"""Poses from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic import make_video

from vidlab.cli import main
from vidlab.pose import Poses


def test_people_are_told_and_saved(
    mirror: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    clip = str(clips / "R6llTwEh07w.mp4")
    out = tmp_path / "poses.parquet"
    assert (
        main(["predict", clip, "--model", "movenet-lightning", "--fps", "1", "--out", str(out)])
        == 0
    )
    assert Poses.load(out).num_people >= 1
    make_video(tmp_path / "empty.mp4", num_frames=4)
    capsys.readouterr()
    empty = str(tmp_path / "empty.mp4")
    assert main(["predict", empty, "--model", "litert:movenet-lightning", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["people"], told["skeleton"], told["frames"]) == (0, "coco-17", 4)
