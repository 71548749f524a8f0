"""Clips for PyTorch: the right frames, at the right times, whatever the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import KINDS, make_video, read_barcode, steps_of, tone

import vidlab as vl
from vidlab.core.errors import DatasetError, LabelMapError, OptionError

torch = pytest.importorskip("torch")


def write(path: Path, kind: str = "mp4", num_frames: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.with_suffix(KINDS[kind].suffix)
    make_video(target, kind=kind, num_frames=num_frames, fps=30)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two labels, three videos, of 40 frames at 30 a second."""
    root = tmp_path_factory.mktemp("clips")
    write(root / "jogging" / "one")
    write(root / "jogging" / "둘")
    write(root / "squat" / "three", "vfr")
    return root


def numbers(item: dict) -> list[int]:
    return [read_barcode(frame.permute(1, 2, 0).numpy()) for frame in item["frames"]]


def test_clips_lie_end_to_end(folder: Path) -> None:
    dataset = vl.ClipDataset(folder, num_frames=16, progress=False)
    assert dataset.labels == ("jogging", "squat")
    assert len(dataset) == 6
    for item in (dataset[index] for index in range(6)):
        assert item["frames"].dtype == torch.uint8
        assert numbers(item) == item["frame_index"].tolist()
        assert item["problem"] == ""
    assert [dataset[at]["frame_index"][0].item() for at in range(6)] == [0, 16] * 3
    assert [dataset[at]["class_id"] for at in range(6)] == [0, 0, 0, 0, 1, 1]


def test_clips_are_spread_with_strides(folder: Path) -> None:
    dataset = vl.ClipDataset(folder, num_frames=5, stride=3, num_clips=3, progress=False)
    starts = [0, 13, 27]
    assert [dataset[at]["frame_index"].tolist() for at in range(3)] == [
        [start + 3 * k for k in range(5)] for start in starts
    ]


def test_times_are_the_containers_own(folder: Path) -> None:
    dataset = vl.ClipDataset([folder / "squat" / "three.mp4"], num_frames=40, progress=False)
    video = vl.Video(folder / "squat" / "three.mp4")
    np.testing.assert_array_equal(dataset[0]["time_seconds"].numpy(), video.pts_seconds)
    assert dataset[0]["class_id"] == -1
    assert dataset.labels == ()
    assert len(steps_of("vfr", num_frames=40)) >= 40


def test_a_rate_is_kept_by_timestamps(folder: Path) -> None:
    path = folder / "jogging" / "one.mp4"
    item = vl.ClipDataset([path], num_frames=6, frame_rate=5.0, progress=False)[0]
    assert numbers(item) == [0, 6, 12, 18, 24, 30]


def test_segments_of_a_table_are_kept_to(folder: Path) -> None:
    table = pd.DataFrame(
        {
            "video": [str(folder / "jogging" / "one.mp4")] * 2,
            "start_seconds": [0.5, 0.0],
            "end_seconds": [1.0, None],
            "label": ["squat", "jogging"],
        }
    )
    dataset = vl.ClipDataset(table, num_frames=15, labels=["squat", "jogging"], progress=False)
    assert numbers(dataset[0]) == list(range(15, 30))
    assert dataset[0]["class_id"] == 0
    assert len(dataset) == 3
    with pytest.raises(LabelMapError, match="jogging"):
        vl.ClipDataset(table, num_frames=15, labels=["squat"], progress=False)


def test_what_is_shorter_than_a_clip_is_filled_up(folder: Path) -> None:
    path = folder / "jogging" / "one.mp4"
    item = vl.ClipDataset([path], num_frames=50, progress=False)[0]
    assert numbers(item) == [*range(40), *[39] * 10]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stream_gives_the_same_items(folder: Path, num_workers: int) -> None:
    options = {"num_frames": 8, "num_clips": 9, "progress": False}
    dataset = vl.ClipDataset(folder, **options)
    stream = vl.ClipStream(folder, **options)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=num_workers)
    streamed = {(each["video"], each["frame_index"][0].item()): each for each in loader}
    assert len(streamed) == len(stream) == len(dataset) == 27
    for item in (dataset[at] for at in range(len(dataset))):
        twin = streamed[item["video"], item["frame_index"][0].item()]
        assert (twin["frames"] == item["frames"]).all()
        assert twin["class_id"] == item["class_id"]


def test_workers_give_batches(folder: Path) -> None:
    dataset = vl.ClipDataset(
        folder,
        num_frames=8,
        transform=lambda frames: frames[:, :, ::4, ::4].float(),
        progress=False,
    )
    batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    assert batch["frames"].shape[:3] == (4, 8, 3)
    assert batch["frames"].dtype == torch.float32
    assert batch["frame_index"].shape == (4, 8)


def test_sound_goes_with_the_frames(tmp_path: Path) -> None:
    from vidlab.clip_dataset import collate

    name = next(name for name, kind in KINDS.items() if kind.has_audio)
    path = write(tmp_path / "sounding", name, 60)
    dataset = vl.ClipDataset([path], num_frames=20, num_clips=3, audio=True, progress=False)
    video = vl.Video(path)
    for item in (dataset[at] for at in range(3)):
        rate = item["sample_rate"]
        start = item["time_seconds"][0].item()
        assert item["audio"].shape[1] == pytest.approx(20 / video.fps * rate, abs=2)
        middle = slice(rate // 10, rate // 2)
        expected = tone(start + np.arange(item["audio"].shape[1]) / rate)[middle]
        heard = item["audio"][0].numpy()[middle]
        assert np.corrcoef(heard, expected)[0, 1] > 0.95
    batch = collate([dataset[0], dataset[2]])
    assert batch["audio"].shape[2] == batch["num_samples"].max()
    silent = vl.ClipDataset([write(tmp_path / "mute")], num_frames=8, audio=True, progress=False)
    assert silent[0]["audio"].shape == (0, 0)


def test_what_cannot_be_opened_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "good")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.warns(UserWarning, match=r"bad\.mp4"):
        dataset = vl.ClipDataset([good, tmp_path / "bad.mp4"], num_frames=16, progress=False)
    assert dataset.problems["video"].tolist() == ["bad.mp4"]
    assert len(dataset) == 2
    with pytest.raises(DatasetError, match=r"bad\.mp4"):
        vl.ClipDataset([tmp_path / "bad.mp4"], num_frames=16, progress=False)


def test_damage_is_filled_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "damaged", "mpeg-ts", 90)
    whole = vl.ClipDataset([path], num_frames=90, progress=False)[0]["frames"]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    dataset = vl.ClipDataset([path], num_frames=90, progress=False)
    item = dataset[0]
    count = len(np.unique(item["frame_index"].numpy()))
    assert 20 < count < 90
    assert (item["frames"][: count - 5] == whole[: count - 5]).all()
    assert (item["frames"][count:] == item["frames"][count - 1]).all()


@pytest.mark.parametrize(
    "options",
    [{"num_frames": 0}, {"num_frames": 8, "stride": 0}, {"num_frames": 8, "num_clips": 0},
     {"num_frames": 8, "frame_rate": 0.0}],
)  # fmt: skip
def test_options_are_checked(folder: Path, options: dict) -> None:
    with pytest.raises(OptionError):
        vl.ClipDataset(folder, progress=False, **options)
