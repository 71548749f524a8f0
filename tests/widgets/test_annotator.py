"""The Python side of the annotator: what it reads and writes, refuses, and tells the page."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vidlab as vl
from vidlab.clips import SEGMENT_COLUMNS, read_segments
from vidlab.core.errors import DatasetError, LabelMapError, OptionError
from vidlab.widgets import Annotator
from vidlab.widgets.kept import kept_html
from vidlab.widgets.segments import COLUMNS, SegmentFile

LABELS = ["squat", "lunge"]
HEADER = "video,start_seconds,end_seconds,label\n"


@pytest.fixture
def clip(spelled: Callable[..., Path], tmp_path: Path) -> Path:
    """A video of 2 s at 30 frames a second, beside where its segments go."""
    return Path(shutil.copy(spelled("mp4"), tmp_path / "clip.mp4"))


class Page:
    """Stands for the page: says what is marked, and hears what is kept."""

    def __init__(self, annotator: Annotator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.annotator = annotator
        self.answers: list[dict[str, Any]] = []
        monkeypatch.setattr(annotator, "send", lambda content, *_: self.answers.append(content))

    def mark(self, segments: Any) -> dict[str, Any]:
        message = {"id": "1", "op": "annotate", "segments": segments}
        self.annotator._handle_custom_msg(message, [])
        return self.answers[-1]["result"]


def times_of(annotator: Annotator) -> list[tuple[float, float, str]]:
    return list(annotator.segments[list(COLUMNS[1:])].itertuples(index=False, name=None))


def test_each_change_is_saved_and_fit_reads_it(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "marks" / "segments.csv"
    annotator = vl.Annotator(clip, LABELS, out=out)
    assert not out.exists()
    page = Page(annotator, monkeypatch)
    result = page.mark([[1.0, 1 + 1 / 3, "lunge"], [0, 0.5, "squat"]])
    assert result["refused"] == ""
    assert result["kept"] == annotator._annotation
    assert out.read_text(encoding="utf-8") == (
        f"{HEADER}../clip.mp4,0.0,0.5,squat\n../clip.mp4,1.0,1.333333,lunge\n"
    )
    for data in (annotator.out, annotator.segments):
        found = read_segments(data)
        assert [(each.start_seconds, each.end_seconds, each.label) for each in found] == [
            (0.0, 0.5, "squat"), (1.0, 1.333333, "lunge"),
        ]  # fmt: skip
        assert {each.video.resolve() for each in found} == {clip}
    assert page.mark([])["kept"]["segments"] == []
    assert out.read_text(encoding="utf-8") == HEADER
    assert COLUMNS == SEGMENT_COLUMNS


def test_the_file_is_where_one_goes_on(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "segments.csv"
    vl.Annotator(clip, LABELS, out=out).segments = [(0.5, 1, "squat")]
    again = vl.Annotator(vl.Video(clip), LABELS, out=out)
    assert times_of(again) == [(0.5, 1.0, "squat")]
    assert again.get_state()["_annotation"]["segments"] == [[0.5, 1.0, "squat"]]
    assert repr(again) == "<Annotator of clip.mp4, 1 segment in segments.csv>"
    kept = kept_html(again)
    assert "marked" in kept
    assert "segments.csv" in kept
    assert "No predictions yet" not in kept


def test_what_others_wrote_stays(clip: Path, tmp_path: Path) -> None:
    """Rows of other videos, further columns, their order and odd labels."""
    out = tmp_path / "segments.csv"
    others = [
        ["other.mp4", "00.50", "", "a, \"quoted\" label", "Kim"],
        ["gone/한국어.mp4", "x", "y", "jumping", ""],
    ]  # fmt: skip
    ours = [["clip.mp4", "", "0.5", "squat", "Lee"], ["./clip.mp4", "1.50", "1.75", "lunge", "Lee"]]
    with out.open("w", encoding="utf-8-sig", newline="") as stream:
        rows = [[*COLUMNS, "by"], others[0], *ours, others[1]]
        csv.writer(stream).writerows(rows)
    annotator = vl.Annotator(clip, LABELS, out=out)
    assert annotator.labels == ("squat", "lunge", 'a, "quoted" label', "jumping")
    assert annotator._annotation["added"] == ['a, "quoted" label', "jumping"]
    assert times_of(annotator) == [(0.0, 0.5, "squat"), (1.5, 1.75, "lunge")]
    annotator.segments = [(1.5, 1.75, "lunge"), (0.25, 1, "lunge")]
    with out.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            [*COLUMNS, "by"], others[0], ["clip.mp4", "0.25", "1.0", "lunge", ""], ours[1],
            others[1],
        ]  # fmt: skip


def test_what_others_write_meanwhile_is_not_lost(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "segments.csv"
    ours = vl.Annotator(clip, LABELS, out=out)
    ours.segments = [(0, 0.5, "squat"), (1, 1.5, "squat")]
    theirs = vl.Annotator(shutil.copy(clip, tmp_path / "other.mp4"), LABELS, out=out)
    theirs.segments = [(0, 1, "lunge")]
    twin = vl.Annotator(clip, [*LABELS, "hop"], out=out)
    twin.segments = [*times_of(twin), (1.5, 2, "hop")]
    # What is taken away here is gone; what was added there is taken over.
    ours.segments = [(0, 0.5, "squat")]
    assert times_of(ours) == [(0.0, 0.5, "squat"), (1.5, 2.0, "hop")]
    assert ours.labels == ("squat", "lunge", "hop")
    assert [(each.name, each.label) for each in read_segments(out)] == [
        ("clip.mp4", "squat"), ("clip.mp4", "hop"), ("other.mp4", "lunge"),
    ]  # fmt: skip
    out.unlink()
    ours.segments = [(0, 0.5, "squat")]
    assert out.read_text(encoding="utf-8") == f"{HEADER}clip.mp4,0.0,0.5,squat\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("video,start,end,label\nclip.mp4,0,1,squat\n", "lacks the columns start_seconds, end"),
        (f"{HEADER}clip.mp4,0,1\n", "line 2: 4 values are expected"),
        (f"{HEADER}clip.mp4,0,1,squat\nclip.mp4,1,zero,squat\n", "line 3: a segment starts before"),
        (f"{HEADER}clip.mp4,1,0.5,squat\n", "line 2: a segment starts before it ends"),
        (f"{HEADER}clip.mp4,0,1, \n", "line 2: a label is a text"),
        (f"{HEADER}clip.mp4,300,400,squat\n", "is outside clip.mp4, which goes from 0 to 2 s"),
        (f'{HEADER}clip.mp4,0,1,"squat\n', "cannot be read as a CSV file"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file"),
    ],
)
def test_a_damaged_file_is_refused_and_left_alone(
    text: str | bytes, said: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "segments.csv"
    data = text if isinstance(text, bytes) else text.encode()
    annotator = vl.Annotator(clip, LABELS, out=out)
    out.write_bytes(data)
    with pytest.raises(DatasetError, match=said):
        vl.Annotator(clip, LABELS, out=out)
    # Damaged while it is used: what is marked is kept, and said not to be saved.
    kept = Page(annotator, monkeypatch).mark([[0, 1, "squat"]])
    assert said in kept["refused"]
    assert said in kept["kept"]["error"]
    assert kept["kept"]["segments"] == [[0.0, 1.0, "squat"]]
    assert out.read_bytes() == data
    out.unlink()
    with pytest.raises(DatasetError):
        annotator.segments = [(0, 1, 3)]
    annotator.segments = annotator.segments
    assert annotator._annotation["error"] == ""
    assert out.read_text(encoding="utf-8") == f"{HEADER}clip.mp4,0.0,1.0,squat\n"


def test_what_cannot_be_written_is_kept_and_said(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "marks" / "segments.csv"
    annotator = vl.Annotator(clip, LABELS, out=out)
    annotator.segments = [(0, 1, "squat")]
    before = out.read_bytes()

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    page = Page(annotator, monkeypatch)
    with monkeypatch.context() as full:
        full.setattr("os.fsync", refuse)
        result = page.mark([[0, 0.5, "lunge"]])
        assert "No space left on device" in result["refused"]
        with pytest.raises(OptionError, match="No space left"):
            annotator.segments = [(0, 0.5, "lunge")]
    assert times_of(annotator) == [(0.0, 0.5, "lunge")]
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]
    assert page.mark([[0, 0.5, "lunge"]])["refused"] == ""
    assert read_segments(out)[0].label == "lunge"


@pytest.mark.parametrize(
    "said",
    [
        None, 3, "squat", [3], [[0, 1]], [[0, 1, "squat", 2]], [[1, 0, "squat"]], [[0, 0, "squat"]],
        [["zero", 1, "squat"]], [[0, 10**400, "squat"]], [[0, 1, ""]], [[0, 1, ["squat"]]],
        [[5, 6, "squat"]], [[0, 1, "unheard of"]], {"0": 1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(
    said: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotator = vl.Annotator(clip, LABELS, out=tmp_path / "segments.csv")
    annotator.segments = [(0, 1, "squat")]
    before = annotator.out.read_bytes()
    result = Page(annotator, monkeypatch).mark(said)
    assert result["refused"]
    assert result["kept"]["segments"] == [[0.0, 1.0, "squat"]]
    assert result["kept"]["error"] == ""
    assert annotator.out.read_bytes() == before


def test_tables_are_checked(clip: Path, tmp_path: Path) -> None:
    annotator = vl.Annotator(clip, LABELS, out=tmp_path / "marks" / "segments.csv")
    table = pd.DataFrame({"start_seconds": [0.5, None], "end_seconds": [1, None], "label": "hop"})
    annotator.segments = table
    assert times_of(annotator) == [(0.0, 2.0, "hop"), (0.5, 1.0, "hop")]
    assert annotator.labels == (*LABELS, "hop")
    for name in (str(clip), "../clip.mp4"):
        annotator.segments = table.assign(video=name)
    with pytest.raises(DatasetError, match=r"of clip\.mp4; the table has segments of 'other"):
        annotator.segments = table.assign(video="other.mp4")
    with pytest.raises(DatasetError, match="start_seconds is missing"):
        annotator.segments = table.rename(columns={"start_seconds": "start"})
    assert len(annotator.segments) == 2


def test_changes_are_told(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotator = vl.Annotator(clip, LABELS, out=tmp_path / "segments.csv")
    seen: list[tuple[str, int]] = []
    annotator.observe(lambda change: seen.append((change["type"], len(change["old"]))), "segments")
    stop = annotator.on_change(lambda table: seen.append((table["label"][0], len(table))))
    Page(annotator, monkeypatch).mark([[0, 1, "squat"]])
    stop()
    stop()
    annotator.segments = []
    assert seen == [("change", 0), ("squat", 1), ("change", 1)]
    with pytest.raises(OptionError, match="a function of the segments"):
        annotator.on_change(3)  # type: ignore[arg-type]


def test_options_are_checked(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "segments.csv"
    with pytest.raises(OptionError, match="labels is a list of names"):
        vl.Annotator(clip, "squat", out=out)
    for labels in ([], ["squat", " squat"], [""], [3]):
        with pytest.raises(LabelMapError):
            vl.Annotator(clip, labels, out=out)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"no option 'spede'.*Did you mean 'speed'"):
        vl.Annotator(clip, LABELS, out=out, spede=2)
    with pytest.raises(OptionError, match="is a directory"):
        vl.Annotator(clip, LABELS, out=tmp_path)
    with pytest.raises(OptionError, match="is not a file"):
        vl.Annotator(clip.read_bytes(), LABELS, out=out)
    annotator = vl.Annotator(clip, vl.LabelMap(LABELS), out=out, speed=2, locale="ko")
    assert (annotator.speed, annotator.locale, annotator.out) == (2, "ko", out)
    assert not out.exists()


def test_the_first_ten_labels_have_a_key(clip: Path, tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(12)]
    annotator = vl.Annotator(clip, labels, out=tmp_path / "segments.csv")
    letters = [label["letter"] for label in annotator._annotation["labels"]]
    assert letters == [*"1234567890", "", ""]


def test_a_saved_page_shows_what_is_marked(clip: Path, tmp_path: Path) -> None:
    annotator = vl.Annotator(clip, LABELS, out=tmp_path / "segments.csv")
    annotator.segments = [(0, 1, "squat")]
    html = annotator.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"has_truth": true' in html
    assert '"truth": [{"start": 0, "stop": 30' in html


def test_a_linked_video_keeps_its_own_name(clip: Path, tmp_path: Path) -> None:
    """A link to a video is another place; a folder reached by a link is the same one."""
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.mp4"
    link.symlink_to(clip)
    (tmp_path / "again").symlink_to(tmp_path / "folder")
    annotator = vl.Annotator(link, LABELS, out=tmp_path / "again" / "segments.csv")
    annotator.segments = [(0, 1, "squat")]
    assert read_segments(annotator.out)[0].name == "link.mp4"
    assert times_of(vl.Annotator(clip, LABELS, out=annotator.out)) == [(0.0, 1.0, "squat")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 1_900_000),
            st.integers(1, 3_000_000),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip),
        ),
        max_size=6,
    )
)
def test_what_is_written_is_read(rows: list[tuple[int, int, str]], clip: Path) -> None:
    """By the annotator and by `fit`'s reader, to the microsecond, whatever the label."""
    segments = sorted(
        (start / 1e6, (start + length) / 1e6, label.strip()) for start, length, label in rows
    )
    out = clip.with_name("any.csv")
    out.unlink(missing_ok=True)
    with vl.Video(clip) as video:
        assert SegmentFile(out, video).write(segments) == segments
        assert SegmentFile(out, video).read() == segments
    if segments:
        found = read_segments(out)
        assert [(each.start_seconds, each.end_seconds, each.label) for each in found] == segments
