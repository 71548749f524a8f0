"""StickActions on disk: what is read back is what was rendered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.datasets import (
    KEYPOINT_NAMES,
    render_clip,
    render_sequence,
    write_stick_actions,
    writing,
)

OPTIONS = {"size_px": 64, "frame_rate": 5.0, "seconds": 1.2, "num_actions": 1, "progress": False}
NAMES = ["clips/walking right/22.mp4", "clips/waving hand/23.mp4", "sequences/22.mp4"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stick") / "actions"
    return write_stick_actions(folder, seeds=[22, 23], num_sequences=1, **OPTIONS)


def rendered() -> dict[str, vl.datasets.StickClip]:
    clips = [render_clip(s, size_px=64, frame_rate=5.0, num_frames=6) for s in (22, 23)]
    sequence = render_sequence(22, num_actions=1, size_px=64, frame_rate=5.0)
    return dict(zip(NAMES, [*clips, sequence], strict=True))


def test_the_folder_holds_these_files_and_no_other(written: Path):
    files = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert files == {*NAMES, "segments.csv", "keypoints.json"}


def test_videos_are_read_back_as_rendered(written: Path):
    for name, clip in rendered().items():
        video = vl.Video(written / name)
        frames = list(video.frames())
        rgb = np.stack([frame.rgb for frame in frames])
        assert rgb.shape == clip.rgb.shape
        times = [frame.pts_seconds for frame in frames]
        np.testing.assert_allclose(times, clip.pts_seconds, atol=1e-4)
        assert np.abs(rgb.astype(int) - clip.rgb).mean() < 8.0


def test_segments_are_one_table_of_all_videos(written: Path):
    table = pd.read_csv(written / "segments.csv")
    assert table.columns.tolist() == ["video", "start_seconds", "end_seconds", "label"]
    expected = [
        (name, *row) for name, clip in rendered().items() for row in clip.segments.to_numpy()
    ]
    assert [tuple(row) for row in table.to_numpy()] == expected


def test_keypoints_are_in_cocos_form(written: Path):
    content = json.loads((written / "keypoints.json").read_text(encoding="utf-8"))
    assert set(content) == {"images", "annotations", "categories"}
    (category,) = content["categories"]
    assert (category["id"], category["name"]) == (1, "person")
    assert category["keypoints"] == list(KEYPOINT_NAMES)
    assert all(1 <= joint <= 17 for pair in category["skeleton"] for joint in pair)

    images = {image["id"]: image for image in content["images"]}
    assert len(images) == len(content["images"]) == len(content["annotations"])
    assert len({image["file_name"] for image in images.values()}) == len(images)
    assert len({each["id"] for each in content["annotations"]}) == len(images)
    clips = rendered()
    assert len(images) == sum(len(clip.rgb) for clip in clips.values())
    for each in content["annotations"]:
        image = images[each["image_id"]]
        assert (image["width"], image["height"]) == (64, 64)
        name, _, frame = image["file_name"].rpartition("#")
        truth = clips[name].keypoints[int(frame)]
        points = np.array(each["keypoints"]).reshape(17, 3)
        known = truth[:, 2] > 0
        np.testing.assert_allclose(points[known], truth[known], atol=0.006)
        assert (points[~known] == 0).all()
        assert each["num_keypoints"] == known.sum()
        np.testing.assert_allclose(each["bbox"], clips[name].boxes[int(frame)], atol=0.006)
        assert each["area"] == pytest.approx(each["bbox"][2] * each["bbox"][3], abs=1.0)
        assert (each["category_id"], each["iscrowd"]) == (1, 0)


def test_the_same_options_write_the_same_files(written: Path, tmp_path: Path):
    write_stick_actions(tmp_path, seeds=[22, 23], num_sequences=1, **OPTIONS)
    for name in (*NAMES, "segments.csv", "keypoints.json"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name


def test_a_failure_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, added = writing.VideoWriter.add, []

    def add(self: writing.VideoWriter, rgb: np.ndarray) -> None:
        if len(added) == 8:
            raise OSError("disk full")
        added.append(rgb)
        real(self, rgb)

    monkeypatch.setattr(writing.VideoWriter, "add", add)
    with pytest.raises(OSError, match="disk full"):
        write_stick_actions(tmp_path, seeds=[22, 23], **OPTIONS)
    files = [
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert files == [NAMES[0]]


def test_a_log_file_gets_no_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_stick_actions(tmp_path, seeds=[22], **OPTIONS | {"progress": True})
    assert capsys.readouterr().err == ""


def test_tables_of_an_earlier_call_do_not_outlive_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_stick_actions(tmp_path, seeds=[22], **OPTIONS)

    def add(self: writing.VideoWriter, rgb: np.ndarray) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(writing.VideoWriter, "add", add)
    with pytest.raises(OSError, match="disk full"):
        write_stick_actions(tmp_path, seeds=[22, 23], **OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "seeds must be at least one seed"),
        ({"seeds": [1, 1]}, "each once"),
        ({"seeds": [-1]}, "seed must be"),
        ({"num_sequences": 2}, "num_sequences must be 0 to the number of seeds, 1; got 2"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"size_px": 4}, "size_px must be"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str, tmp_path: Path):
    with pytest.raises(OptionError, match=message):
        write_stick_actions(tmp_path, **{"seeds": [1], "progress": False} | options)
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OptionError, match="Cannot write"):
        write_stick_actions(tmp_path / "file", seeds=[1], progress=False)
