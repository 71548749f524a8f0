"""Clips for PyTorch: the right frames, at the right times, whatever the file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection
from pathlib import Path

import av
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


def write_sound(path: Path, *, layout: str, rate: int) -> Path:
    """Write ten pictures a second beside a second of `tone`, in every channel."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 192, 144
        sound = out.add_stream("pcm_s16le", rate=rate, layout=layout)
        for _ in range(10):
            picture = np.zeros((144, 192, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode())
        samples = np.round(tone(np.arange(rate) / rate) * 32767).astype(np.int16)
        packed = np.repeat(samples, sound.codec_context.channels)[None]
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = rate
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    return path


def test_sound_of_all_kinds_fits_in_a_batch(tmp_path: Path) -> None:
    from vidlab.clip_dataset import collate

    videos = [
        write_sound(tmp_path / "stereo.mov", layout="stereo", rate=44_100),
        write_sound(tmp_path / "mono.mov", layout="mono", rate=48_000),
        write_sound(tmp_path / "surround.mov", layout="5.1", rate=16_000),
        write(tmp_path / "silent"),
    ]
    dataset = vl.ClipDataset(
        videos, num_frames=10, num_clips=1, audio=True, audio_sample_rate=16_000, progress=False
    )
    batch = collate([dataset[index] for index in range(4)])
    assert batch["audio"].shape == (4, 1, 16_000)
    assert batch["sample_rate"].tolist() == [16_000] * 4
    assert batch["num_samples"].tolist() == [16_000] * 3 + [16_000 // 3]
    expected = tone(np.arange(16_000) / 16_000)
    for sound in batch["audio"][:3, 0].numpy():
        np.testing.assert_allclose(sound[200:-200], expected[200:-200], atol=2e-3)
    assert not batch["audio"][3].any()


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


def rewrite(source: Path, target: Path, change: Callable[[int, bytes], bytes]) -> Path:
    """Copy a video with the bytes of its packets changed."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(given.streams.video[0])):
            if packet.dts is None:
                continue
            changed = av.Packet(change(number, bytes(packet)))
            changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
            changed.is_keyframe, changed.stream = packet.is_keyframe, stream
            out.mux(changed)
    return target


def without_pictures(path: Path, lost: Collection[int]) -> Path:
    """Write 40 MPEG-4 frames, of which the packets of some say that nothing is coded."""
    whole = path.with_name("whole.avi")
    make_video(whole, kind="avi", num_frames=40, fps=30, options={"g": "1"})

    def change(number: int, data: bytes) -> bytes:
        # ISO/IEC 14496-2, 6.2.5: a predicted plane, its time in 5 bits, vop_coded = 0.
        head = f"0101{number % 30:05b}1011111"
        return b"\0\0\1\xb6" + int(head, 2).to_bytes(2, "big") if number in lost else data

    return rewrite(whole, path, change)


def as_in_a_worker(dataset: vl.ClipDataset) -> vl.ClipDataset:
    """Return a copy that has no video open."""
    return pickle.loads(pickle.dumps(dataset))


def assert_streamed_alike(path: Path, items: list[dict], **options: int) -> None:
    stream = vl.ClipStream([path], progress=False, **options)
    for one, other in zip(stream, items, strict=True):
        assert (one["frames"] == other["frames"]).all()
        assert one["frame_index"].tolist() == other["frame_index"].tolist()
        assert one["problem"] == other["problem"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
@pytest.mark.parametrize("lost", [range(29, 40), {20}, {13, 14, 31}])
def test_packets_without_a_picture_leave_the_one_before_on_screen(
    tmp_path: Path, lost: Collection[int], order: list[int]
) -> None:
    path = without_pictures(tmp_path / "lost.avi", lost)
    dataset = vl.ClipDataset([path], num_frames=10, progress=False)
    assert len(dataset) == 4
    shown = np.maximum.accumulate([0 if at in lost else at for at in range(40)])
    items = {index: dataset[index] for index in order}
    for index, item in items.items():
        assert numbers(item) == shown[item["frame_index"]].tolist(), index
        np.testing.assert_allclose(item["time_seconds"], item["frame_index"] / 30)
    assert_streamed_alike(path, [items[index] for index in range(4)], num_frames=10)


def test_what_is_cut_off_later_is_black_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "cut", "mpeg-ts", 90)
    dataset = vl.ClipDataset([path], num_frames=10, progress=False)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    left = as_in_a_worker(dataset)
    items = [left[index] for index in range(9)]
    assert numbers(items[0]) == list(range(10))
    assert not items[8]["frames"].any()
    assert items[8]["problem"]
    np.testing.assert_array_equal(items[8]["time_seconds"], dataset[8]["time_seconds"])


def test_what_vanishes_later_is_black_and_told(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "gone", "audio"),
        write(tmp_path / "broken"),
        write(tmp_path / "good"),
    ]
    options = {"num_frames": 40, "audio": True, "progress": False}
    stream = vl.ClipStream(paths, **options)
    expected = [item["audio"].shape for item in stream]
    paths[0].unlink()
    paths[1].write_bytes(b"no video")
    stream.dataset = as_in_a_worker(stream.dataset)
    items = list(stream)
    assert [item["audio"].shape for item in items] == expected
    for item in items[:2]:
        assert item["frames"].shape == (40, 3, 144, 192)
        assert not item["frames"].any()
        assert not item["audio"].any()
        assert item["video"] in item["problem"]
    assert numbers(items[2]) == list(range(40))
    assert items[2]["problem"] == ""
    assert stream.problems["video"].tolist() == [path.name for path in paths[:2]]
    loader = torch.utils.data.DataLoader(stream.dataset, batch_size=None, num_workers=1)
    assert [bool(item["problem"]) for item in loader] == [True, True, False]


def test_clips_beyond_damage_are_the_same_in_a_stream(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", num_frames=120)
    path = rewrite(
        whole,
        tmp_path / "damaged.mp4",
        lambda number, data: b"\xff" * len(data) if number == 40 else data,
    )
    options = {"num_frames": 8, "num_clips": 29}
    dataset = vl.ClipDataset([path], progress=False, **options)
    items = [dataset[index] for index in range(29)]
    assert numbers(items[0]) == list(range(8))
    assert numbers(items[28]) == list(range(112, 120))
    told = [item for item in items if item["problem"]]
    assert any(not item["frames"].any() for item in told)
    assert any(item["frames"][0].any() for item in told)
    assert_streamed_alike(path, items, **options)


@pytest.mark.parametrize("data", [None, [1], {"a.mp4": "jogging"}, b"a.mp4", 3.0, [None]])
def test_data_of_another_kind_are_refused(data: object) -> None:
    with pytest.raises(DatasetError, match=r"list of paths of videos; got .* of type"):
        vl.ClipDataset(data, num_frames=8, progress=False)
    with pytest.raises(DatasetError, match="list of paths"):
        vl.ClipStream(data, num_frames=8)


@pytest.mark.parametrize(
    "options",
    [{"num_frames": 0}, {"num_frames": 8, "stride": 0}, {"num_frames": 8, "num_clips": 0},
     {"num_frames": 8, "frame_rate": 0.0}, {"num_frames": 8, "audio_sample_rate": 0}],
)  # fmt: skip
def test_options_are_checked(folder: Path, options: dict) -> None:
    with pytest.raises(OptionError):
        vl.ClipDataset(folder, progress=False, **options)
