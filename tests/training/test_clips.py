"""Where labelled clips come from, and that a model sees in them what it sees in predicting."""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from synthetic import make_video, read_barcode

import vidlab as vl
from vidlab.clips import (
    DatasetClips,
    Segment,
    SegmentClips,
    open_clips,
    piece_starts,
    read_segments,
    sampled_frames,
)
from vidlab.core.errors import DatasetError, LabelMapError, VideoDecodeError
from vidlab.core.labels import LabelMap
from vidlab.transforms import Preprocessing

# Large enough to read the barcodes.
PREPARE = Preprocessing(height_px=96, width_px=128, frame_rate=5.0)


def codes(clips: SegmentClips, index: int) -> list[int]:
    return [read_barcode((frame * 255).astype(np.uint8)) for frame in clips.read(index)]


# ---- which frames ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset", "rotated-90"])
def test_a_whole_video_is_seen_as_predict_sees_it(kind: str, tiny, tmp_path: Path) -> None:
    make_video(tmp_path / "a.mkv" if kind == "offset" else tmp_path / "a.mp4", kind=kind)
    path = next(tmp_path.iterdir())
    clips = SegmentClips([Segment(video=path, name="a", label="x")], tiny.preprocessing)
    predictions = vl.predict(path, tiny, progress=False)
    video = vl.Video(path)
    expected = np.stack([tiny.preprocessing(video[i].rgb) for i in predictions.frame_index])
    np.testing.assert_array_equal(clips.read(0), expected)
    assert clips.clips[0].num_frames == len(predictions)
    np.testing.assert_array_equal(clips.read(0, 2, 5), expected[2:5])


@given(
    steps=st.lists(st.sampled_from([0.02, 0.04, 0.1, 0.5]), min_size=1, max_size=40),
    first=st.floats(0, 8),
    start=st.floats(-1, 12),
    length=st.floats(0.05, 6),
    fps=st.sampled_from([2.0, 5.0, 30.0]),
)
def test_a_segment_gives_the_frames_on_screen_at_its_instants(
    steps, first, start, length, fps
) -> None:
    pts = first + np.concatenate([[0.0], np.cumsum(steps)])
    end = min(start + length, pts[-1] + 0.1)
    if end - max(start, pts[0]) < 1e-3:
        return
    got = sampled_frames(pts, start_seconds=start, end_seconds=end, fps=fps)
    begin = max(start, pts[0])
    # Instants a hair's breadth from a frame or the end may fall on either side of it.
    instants = [begin + k / fps for k in range(math.ceil((end - begin) * fps) + 1)]
    sure = [t for t in instants if t < end - 1e-4 and np.abs(pts - t).min() > 1e-4]
    shown = {int(np.searchsorted(pts, t, side="right")) - 1 for t in sure}
    assert shown <= set(got.tolist())
    assert len(set(got.tolist())) == len(got) >= 1
    assert all(pts[i] < end or i == got[0] for i in got)
    assert len(got) <= len(instants)


def test_segments_of_one_video_are_cut_at_their_times(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", num_frames=90, fps=30)
    table = pd.DataFrame(
        {
            "video": [str(tmp_path / "a.mp4")] * 2,
            "start_seconds": [0.5, 2.0],
            "end_seconds": [1.5, 99.0],
            "label": ["x", "y"],
        }
    )
    clips = open_clips(table, PREPARE, progress=False)
    assert codes(clips, 0) == [15, 21, 27, 33, 39]
    assert codes(clips, 1) == [60, 66, 72, 78, 84]
    assert clips.clips[1].times == ((2.0, pytest.approx(3.0)),)
    every = open_clips(table, Preprocessing(height_px=96, width_px=128), progress=False)
    assert codes(every, 0) == list(range(15, 45))


def test_joined_segments_are_one_clip_where_no_gap_is_between_them(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", num_frames=120, fps=30)
    rows = [(2.0, 3.0, "z"), (0.0, 1.0, "x"), (1.0, 1.5, "y"), (3.0, 4.0, "x")]
    table = pd.DataFrame(
        [(str(tmp_path / "a.mp4"), *row) for row in rows],
        columns=["video", "start_seconds", "end_seconds", "label"],
    )
    clips = open_clips(table, PREPARE, join=True, progress=False)
    first, second = clips.clips
    assert (first.labels, first.ends) == (("x", "y"), (5, 8))
    assert first.frame_labels() == ["x"] * 5 + ["y"] * 3
    assert (second.labels, second.ends) == (("z", "x"), (5, 10))
    assert codes(clips, 0) == list(range(0, 45, 6))
    assert len(open_clips(table, PREPARE, progress=False)) == 4
    back = clips.table()
    expected = table.sort_values("start_seconds", ignore_index=True)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False)
    assert clips.table([1])["label"].tolist() == ["z", "x"]


def test_a_clip_model_sees_pieces_that_cover_the_clip() -> None:
    assert piece_starts(3, 4) == [0]
    assert piece_starts(8, 4) == [0, 4]
    assert piece_starts(10, 4) == [0, 4, 6]


# ---- folders and tables ----------------------------------------------------------------------


def test_class_folders(folder: Path) -> None:
    segments = read_segments(folder)
    assert [segment.name for segment in segments[:2]] == ["blue/0.mp4", "blue/1.mp4"]
    assert [segment.label for segment in segments] == ["blue"] * 5 + ["green"] * 5 + ["red"] * 5


def test_what_is_no_class_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no class folders"):
        read_segments(tmp_path)
    (tmp_path / "clips" / "waving").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.mp4").write_bytes(b"")
    (tmp_path / "segments.csv").write_text("video\n")
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(DatasetError, match=r"without a video: clips\..*segments\.csv"):
        read_segments(tmp_path)
    with pytest.raises(DatasetError, match="no folder and no CSV file"):
        read_segments(tmp_path / "absent")


def test_a_csv_file_is_read_as_text_relative_to_its_folder(tmp_path: Path) -> None:
    text = "﻿label,video,start_seconds,end_seconds,note\nNone,a/b.mp4,,1.5,x\n007,c.mp4,2, ,\n"
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    one, two = read_segments(tmp_path / "table.csv")
    assert one.video == tmp_path / "a" / "b.mp4"
    assert (one.name, one.label) == ("a/b.mp4", "None")
    assert (one.start_seconds, one.end_seconds) == (None, 1.5)
    assert (two.label, two.start_seconds, two.end_seconds) == ("007", 2.0, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [""]}, "row 0: label is empty"),
        ({"video": [None]}, "row 0: video is empty"),
        ({"start_seconds": ["soon"]}, "start_seconds must be a number of seconds; got 'soon'"),
        ({"start_seconds": [5.0]}, "ends after it starts; got 5.0 to 2.0 s"),
        ({"end_seconds": [math.inf]}, "end_seconds must be finite"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(change, message: str) -> None:
    row = {"video": ["a.mp4"], "start_seconds": [0.0], "end_seconds": [2.0], "label": ["x"]}
    with pytest.raises(DatasetError, match=message):
        read_segments(pd.DataFrame(row | change))


def test_what_is_missing_in_a_table_of_any_kind_is_missing() -> None:
    table = pd.DataFrame(
        {
            "video": [Path("a.mp4"), Path("b.mp4")],
            "start_seconds": [0, None],
            "end_seconds": np.array([1, np.nan], np.float32),
            "label": [1, 2],
        }
    )
    for kind in (table, table.convert_dtypes()):
        _, last = read_segments(kind)
        assert (last.label, last.start_seconds, last.end_seconds) == ("2", None, None)
    for nothing in (pd.NA, None, math.nan, np.float32("nan"), pd.NaT):
        with pytest.raises(DatasetError, match="row 1: label is empty"):
            read_segments(table.assign(label=pd.Series(["x", nothing], dtype=object)))


def test_what_spreadsheets_and_hands_write(tmp_path: Path) -> None:
    path = tmp_path / "내 표.csv"
    text = 'video, start_seconds, end_seconds, label\n~가.mp4, 0, 1.5, "걷기, 뛰기"\n'
    path.write_text(text, encoding="utf-8")
    (segment,) = read_segments(path)
    assert segment.video == tmp_path / "~가.mp4"
    assert (segment.label, segment.end_seconds) == ("걷기, 뛰기", 1.5)
    path.write_text(text, encoding="cp949")
    with pytest.raises(DatasetError, match=r"is not UTF-8 text .* Save it as UTF-8"):
        read_segments(path)
    path.write_text(text.replace(",", ";"), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lacks the columns .* it has video; start_seconds"):
        read_segments(path)


def test_a_column_that_is_there_twice_is_told() -> None:
    row = {"video": ["a.mp4"], "start_seconds": [0.0], "end_seconds": [2.0], "label": ["x"]}
    twice = pd.concat([pd.DataFrame(row), pd.DataFrame({"label": ["y"]})], axis=1)
    with pytest.raises(DatasetError, match="the column label more than once"):
        read_segments(twice)


def test_a_label_is_the_same_however_its_letters_are_put_together(tmp_path: Path) -> None:
    # As some file systems write names: every letter in parts.
    folder = tmp_path / unicodedata.normalize("NFD", "왼손 들기")
    folder.mkdir()
    (folder / "a.mp4").touch()
    assert folder.name != "왼손 들기"
    assert [each.label for each in read_segments(tmp_path)] == ["왼손 들기"]
    row = {"video": ["a"], "start_seconds": None, "end_seconds": None, "label": [folder.name]}
    assert read_segments(pd.DataFrame(row))[0].label == "왼손 들기"


def test_a_table_needs_its_columns_and_a_row() -> None:
    with pytest.raises(DatasetError, match="lacks the columns end_seconds, label"):
        read_segments(pd.DataFrame({"video": ["a"], "start_seconds": [0]}))
    columns = ["video", "start_seconds", "end_seconds", "label"]
    with pytest.raises(DatasetError, match="no rows"):
        read_segments(pd.DataFrame(columns=columns))


def test_whole_videos_need_no_times(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("label,video\nwave,a.mp4\n", encoding="utf-8")
    whole = Segment(video=tmp_path / "a.mp4", name="a.mp4", label="wave")
    assert read_segments(path) == [whole]
    assert read_segments(pd.DataFrame({"video": ["a"], "label": ["x"]}))[0].end_seconds is None
    # Of a column that is only called otherwise, nobody may think that it was followed.
    for wrong in ("start", "End (s)", "end_second"):
        path.write_text(f"video,label,{wrong}\na.mp4,wave,3\n", encoding="utf-8")
        with pytest.raises(DatasetError, match=r"lacks the columns start_seconds, end_seconds"):
            read_segments(path)


@pytest.mark.parametrize("kind", ["mp4", "vfr", "offset"])
def test_elapsed_time_is_that_of_the_frames(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.mkv" if kind == "offset" else "a.mp4")
    make_video(path, kind=kind)
    prepare = Preprocessing(height_px=8, width_px=8)  # every frame
    clips = SegmentClips([Segment(video=path, name="a", label="x")], prepare)
    video = vl.Video(path)
    np.testing.assert_allclose(
        clips.clips[0].elapsed_seconds, video.pts_seconds - video.pts_seconds[0]
    )
    # From the segment's start, when the first picture had been on screen for a while already.
    start = float(video.pts_seconds[2]) + 0.001
    part = Segment(video=path, name="a", label="x", start_seconds=start)
    elapsed = SegmentClips([part], prepare).clips[0].elapsed_seconds
    np.testing.assert_allclose(elapsed, np.maximum(video.pts_seconds[2:] - start, 0))


def test_data_of_another_kind_is_refused() -> None:
    with pytest.raises(DatasetError, match="got int"):
        open_clips(7, PREPARE)


# ---- what cannot be read ---------------------------------------------------------------------


def mixed(tmp_path: Path, good: int, broken: int) -> list[Segment]:
    make_video(tmp_path / "good.mp4", num_frames=30)
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    return [
        Segment(video=tmp_path / f"{name}.mp4", name=f"{name} {n}", label=f"label {n % 2}")
        for name, number in (("good", good), ("broken", broken))
        for n in range(number)
    ]


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    segments = [
        *mixed(tmp_path, 4, 1),
        Segment(video=tmp_path / "absent.mp4", name="absent", label="label 0"),
        Segment(
            video=tmp_path / "good.mp4", name="late", label="label 1",
            start_seconds=50.0, end_seconds=60.0,
        ),
    ]  # fmt: skip
    clips = SegmentClips(segments, PREPARE, progress=False)
    assert len(clips) == 4
    assert set(clips.problems) == {"broken 0", "absent", "late at 50 s"}
    assert "goes from 0 to 1 s" in clips.problems["late at 50 s"]


def test_too_few_that_can_be_read_are_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"3 of 5 clips cannot be read.*\n  broken 0: "):
        SegmentClips(mixed(tmp_path, 2, 3), PREPARE, progress=False)


def test_a_label_without_a_clip_left_is_an_error(tmp_path: Path) -> None:
    segments = [
        *mixed(tmp_path, 6, 0),
        Segment(video=tmp_path / "broken.mp4", name="b", label="rare"),
    ]
    with pytest.raises(DatasetError, match="none is left of 'rare'"):
        SegmentClips(segments, PREPARE, progress=False)


def test_damage_within_a_clip_is_noted_and_the_last_good_frame_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(tmp_path / "a.mp4", num_frames=60, fps=30)
    clips = SegmentClips(
        [Segment(video=tmp_path / "a.mp4", name="a", label="x")], PREPARE, progress=False
    )
    frames = vl.Video.frames

    def damaged(self, *, start=0, stop=None):
        for frame in frames(self, start=start, stop=stop):
            if frame.index >= 20:
                raise VideoDecodeError("it breaks off", frame_index=20)
            yield frame

    monkeypatch.setattr(vl.Video, "frames", damaged)
    assert codes(clips, 0) == [0, 6, 12, 18, 18, 18, 18, 18, 18, 18]
    assert clips.problems == {"a": "it breaks off"}
    with pytest.raises(VideoDecodeError):
        clips.read(0, 5, 8)


# ---- datasets --------------------------------------------------------------------------------


class Items:
    """A dataset as people write one."""

    labels = ("up", "down")

    def __init__(self, items: list[object]) -> None:
        self.items = items
        self.num_reads = 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> object:
        self.num_reads += 1
        return self.items[index]


def test_a_dataset_of_either_layout_is_prepared_like_a_video() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (3, 50, 40, 3), dtype=np.uint8)
    prepare = Preprocessing(height_px=20, width_px=30)
    expected = np.stack([prepare(frame) for frame in rgb])
    videos = torch.from_numpy(rgb).permute(0, 3, 1, 2)
    clips = open_clips(
        Items([(rgb, 1), (videos, torch.tensor(0)), (expected, 1)]), prepare, progress=False
    )
    assert isinstance(clips, DatasetClips)
    assert [clip.labels for clip in clips.clips] == [("down",), ("up",), ("down",)]
    assert [clip.num_frames for clip in clips.clips] == [3, 3, 3]
    for index in range(3):
        np.testing.assert_array_equal(clips.read(index), expected)
        np.testing.assert_array_equal(clips.read(index, 1, 2), expected[1:2])


def test_a_dataset_that_tells_class_and_length_is_not_read_beforehand() -> None:
    dataset = Items([(np.zeros((3, 8, 8, 3), np.uint8), 1)] * 2)
    dataset.num_frames, dataset.class_id = 3, lambda index: 1 - index
    clips = DatasetClips(dataset, Preprocessing(height_px=8, width_px=8), progress=False)
    assert dataset.num_reads == 0
    assert [clip.labels for clip in clips.clips] == [("down",), ("up",)]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((np.zeros((3, 8, 8, 3), np.uint8), 2), "class id from 0 to 1; got 2"),
        (np.zeros((3, 8, 8, 3), np.uint8), "must be \\(frames, class id\\)"),
        ((np.zeros((3, 9, 8, 3), np.float32), 0), "float and prepared, with 8 rows"),
        ((np.zeros((8, 8, 3), np.uint8), 0), r"got uint8 \[8, 8, 3\]"),
        ((np.full((3, 8, 8, 3), np.nan, np.float32), 0), "Frames of item 0 .* not numbers"),
    ],
)
def test_an_item_of_another_form_is_told(item: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_clips(Items([item]), Preprocessing(height_px=8, width_px=8), progress=False).read(0)


def test_class_ids_of_the_items_are_not_taken_for_their_labels() -> None:
    for ids in ([0, 1], np.array([0, 1])):
        dataset = Items([(np.zeros((3, 8, 8, 3), np.uint8), class_id) for class_id in ids])
        dataset.labels, dataset.classes = ids, ["up", "down"]
        clips = open_clips(dataset, Preprocessing(height_px=8, width_px=8), progress=False)
        assert [clip.labels for clip in clips.clips] == [("up",), ("down",)]


# ---- labels and fingerprints -----------------------------------------------------------------


def test_a_label_that_the_model_lacks_is_told_with_the_nearest(folder: Path) -> None:
    clips = open_clips(folder, PREPARE, progress=False)
    with pytest.raises(LabelMapError, match=r"blue/0\.mp4 is labelled 'blue'.*'blues'"):
        clips.check_labels(LabelMap(["blues", "green", "red"]))


def test_a_fingerprint_tells_clips_labels_and_files_apart(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", num_frames=30)

    def fingerprint(**change: object) -> str:
        options = {"video": tmp_path / "a.mp4", "name": "a", "label": "x"} | change
        return SegmentClips([Segment(**options)], PREPARE, progress=False).fingerprint()

    first = fingerprint()
    assert first == fingerprint()
    others = [fingerprint(label="y"), fingerprint(end_seconds=0.5), fingerprint(name="b")]
    make_video(tmp_path / "a.mp4", num_frames=30, options={"crf": "30"})
    others.append(fingerprint())
    assert len({first, *others}) == 5
