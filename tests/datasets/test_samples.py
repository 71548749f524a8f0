"""The sample videos: there, small, and as their table says."""

from __future__ import annotations

import importlib.util
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab.core.errors import VideoNotFoundError
from vidlab.datasets import STICK_ACTIONS, samples
from vidlab.datasets.actions import REVERSED_FROM
from vidlab.datasets.rendering import _clip_scene

ROOT = Path(__file__).resolve().parents[2]


def test_every_video_opens_and_holds_its_segments():
    videos = vl.sample_videos()
    assert {"jumping_jacks", "sitting_down", "standing_up", "workout", "at_home"} <= set(videos)
    for path in videos.values():
        video = vl.Video(path)
        rows = videos.segments[videos.segments["video"] == path.name]
        assert len(rows)
        assert set(rows["label"]) <= set(STICK_ACTIONS)
        assert (rows["start_seconds"] >= 0).all()
        assert (rows["start_seconds"] < rows["end_seconds"]).all()
        assert (rows["end_seconds"] <= video.duration_seconds + 0.05).all()


def test_clips_hold_one_action_and_sequences_several():
    videos = vl.sample_videos()
    counts = videos.segments.groupby("video").size()
    assert (counts == 1).sum() >= 8
    for name in ("workout", "at_home"):
        assert counts[f"{name}.mp4"] >= 5
        assert 20.0 <= vl.Video(videos[name]).duration_seconds <= 35.0


def test_clips_are_what_the_script_makes():
    path = ROOT / "scripts" / "make_data.py"
    spec = importlib.util.spec_from_file_location("make_data", path)
    make_data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_data)
    videos = vl.sample_videos()
    assert set(videos) == {*make_data.CLIPS, *make_data.SEQUENCES}
    for name, (seed, label) in make_data.CLIPS.items():
        video = vl.Video(videos[name])
        rate, count = make_data.OTHERWISE.get(name, (make_data.FRAME_RATE, make_data.NUM_FRAMES))
        assert (video.num_frames, round(video.fps, 3)) == (count, rate)
        first = _clip_scene(seed, label, make_data.CLIP_PX, rate, count).frame(0)
        stored = video[count - 1 if label in REVERSED_FROM else 0].rgb
        assert np.abs(stored.astype(int) - first).mean() < 6.0, name


def test_they_are_small():
    assert sum(path.stat().st_size for path in vl.sample_videos().folder.iterdir()) < 10e6


def test_the_list_says_what_is_in_it():
    videos = vl.sample_videos()
    text = repr(videos)
    assert text.startswith(f"{len(videos)} sample videos in {videos.folder}")
    assert "  workout            jumping jacks, squat, lunge" in text


def test_an_unknown_name_is_an_error_that_helps():
    videos = vl.sample_videos()
    with pytest.raises(VideoNotFoundError, match="Did you mean 'workout'"):
        videos["workuot"]
    assert "workuot" not in videos
    assert videos.get("workuot") is None


def test_the_wheel_carries_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["data"]
    shutil.copytree(ROOT / "data", tmp_path / target)
    monkeypatch.setattr(samples.resources, "files", lambda name: tmp_path / name)
    assert vl.sample_videos().folder == tmp_path / "vidlab" / "data"

    shutil.rmtree(tmp_path / target)
    with pytest.raises(VideoNotFoundError, match="has no sample videos"):
        vl.sample_videos()
