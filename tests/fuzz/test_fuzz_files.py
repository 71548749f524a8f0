"""Damaged files of every kind: read, or refused with a reason; never a crash, a hang, a flood."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mutate
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from planted_faults import GROWTH_BYTES
from targets import TARGETS, WEIGHTS, Target, read_model

import vidlab as vl
from vidlab.clips import read_segments
from vidlab.core.errors import (
    LabelMapError,
    ModelError,
    OptionError,
    PredictionsError,
    VideoDecodeError,
    VidlabError,
    WeightsError,
)
from vidlab.many.listing import list_videos
from vidlab.models import trial
from vidlab.video.index import FrameIndex
from vidlab.widgets.annotations import read_boxes
from vidlab.widgets.quiz_questions import read_clips


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good files."""
    folder = tmp_path_factory.mktemp("good")
    mutate.make_good_files(folder)
    return folder


def test_damaged_files_are_read_or_refused(good: Path, pytestconfig: pytest.Config) -> None:
    num_cases = pytestconfig.getoption("--fuzz-cases")
    findings, outcomes = mutate.run_cases(range(num_cases), good)
    assert not findings, "\n".join(map(str, findings))
    assert outcomes.total() == num_cases
    told = {outcome.rpartition(": ")[2] for outcome in outcomes}
    assert told == {"read", "refused"}  # else the damage is too little, or too much


@pytest.mark.parametrize(
    "target",
    [each for each in TARGETS if each.group not in ("keras", "savedmodel")],
    ids=lambda each: each.name,
)
def test_good_files_are_read(good: Path, target: Target) -> None:
    target.read(mutate.good_file(target, good))


def test_a_case_is_always_the_same(good: Path, tmp_path: Path) -> None:
    for number in range(0, 200, 7):
        first, again = (mutate.write_case(number, good, tmp_path).read_bytes() for _ in range(2))
        assert first == again


# ---- the driver notices ----------------------------------------------------------------------


def test_what_breaks_the_promise_is_found() -> None:
    """Each in its own way, in one run; the cases after it are read all the same."""
    done = subprocess.run(
        [sys.executable, mutate.__file__, "--cases", "7", "--seconds", "2"],
        env=os.environ
        | {"VIDLAB_FUZZ_TARGETS": "planted_faults", "VIDLAB_FUZZ_GROWTH_BYTES": str(GROWTH_BYTES)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    for told in (
        "case 0 (crashes): crash", f"ended with -{signal.SIGSEGV.value}",
        "case 1 (computes): ",  # a crash by SIGXCPU; a hang where the machine is very busy
        "case 2 (waits): hang", "case 3 (fills): memory", "case 4 (fails): traceback",
        "KeyError: 'planted'", "1 refuses: refused", "1 reads: read", "7 cases", "5 findings",
    ):  # fmt: skip
        assert told in done.stdout


# ---- files that end the process --------------------------------------------------------------


def _named(name: str) -> Target:
    return next(each for each in TARGETS if each.name == name)


def _unpinned(name: str, tmp_path: Path) -> tuple[Path, Callable[[Path], object]]:
    """Return a file that works and that no card of vidlab's knows, and what reads it."""
    target = _named(name)
    path = tmp_path / f"mine{target.suffix}"
    target.make(path)
    if name == "litert":
        path.write_bytes(path.read_bytes() + bytes(16))
    return path, target.read


def _with(monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    """Let the process that tries files do something first."""
    monkeypatch.setattr(trial, "_PROGRAM", f"{trial._PROGRAM}\n{harm}\n")


@pytest.mark.parametrize("name", ["litert", "onnx in opencv"])
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "status -11"),
        ("import os; os.abort()", "status -6"),
        ("resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "status -"),
    ],
)
def test_a_file_that_ends_the_process_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, told: str
) -> None:
    path, read = _unpinned(name, tmp_path)
    monkeypatch.setattr(trial, "_survived", set())
    with monkeypatch.context() as patched:
        _with(patched, harm)
        for _ in range(2):  # a refusal is not forgotten for a success
            with pytest.raises(WeightsError, match=f"made to do harm.*{told}"):
                read(path)
    read(path)
    _with(monkeypatch, harm)
    read(path)  # tried once already


@pytest.mark.parametrize("name", ["pytorch", "old pytorch", "torchvision"])
def test_a_pickle_that_ends_the_process_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = _unpinned(name, tmp_path)
    monkeypatch.setattr(trial, "_survived", set())
    monkeypatch.setitem(trial._IMPORTS, "PyTorch", "import os")  # it takes seconds
    with monkeypatch.context() as patched:
        _with(patched, "os.abort()")
        with pytest.raises(VidlabError, match="made to do harm: PyTorch ended with status -6"):
            read(path)
    read(path)


def test_a_pinned_litert_file_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, "import os; os.abort()")
    read_model("litert")(WEIGHTS / "stickactions-xs-stream-int8.tflite")


@pytest.mark.parametrize("operation", [b"Flatten", b"GlobalAveragePool"])
def test_operations_whose_names_end_opencv_end_nothing_here(
    operation: bytes, tmp_path: Path
) -> None:
    """OpenCV 5.0.0 reads a null pointer where an unknown operation's name is no text."""
    path, read = _unpinned("onnx in opencv", tmp_path)
    path.write_bytes(path.read_bytes().replace(operation, b"\xe5" + operation[1:]))
    with pytest.raises(WeightsError, match=r"made to do harm: OpenCV|OpenCV cannot read"):
        read(path)


# ---- what was found, each in its smallest form -----------------------------------------------


def _changed(name: str, tmp_path: Path, file: str, change: Callable[[bytes], bytes]) -> Path:
    """Return a folder of a target, packed, with one of its files changed."""
    target = _named(name)
    target.make(tmp_path / "good.zip")
    shutil.unpack_archive(tmp_path / "good.zip", tmp_path / "folder")
    (path,) = (tmp_path / "folder").rglob(file)
    path.write_bytes(change(path.read_bytes()))
    shutil.make_archive(str(tmp_path / "changed"), "zip", tmp_path / "folder")
    return tmp_path / "changed.zip"


def _as_json(change: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    """Return what changes a JSON file's value in place."""

    def changed(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return changed


def _with_header(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return what changes the header of vidlab's in a Parquet file."""

    def changed(data: bytes) -> bytes:
        table, out = pq.read_table(io.BytesIO(data)), io.BytesIO()
        header = change(table.schema.metadata[b"vidlab"])
        pq.write_table(table.replace_schema_metadata({b"vidlab": header}), out)
        return out.getvalue()

    return changed


def _says_of_first(**values: object) -> Callable[[bytes], bytes]:
    return _as_json(lambda value: value["tracks"][0].update(values))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("videos.json", lambda data: b"[1]"),
        ("videos.json", lambda data: b'[{"video": "a"}]'),
        ("videos.json", lambda data: b'[{"video": 1, "path": "a"}]'),
        ("videos.json", lambda data: b'[{"video": "a", "path": "a", "x": "\\ud800"}]'),
        ("videos.json", lambda data: b"[" * 2000),
        ("manifest.json", _as_json(lambda value: value.pop("models"))),
        ("manifest.json", _as_json(lambda value: value.update(models={}))),
        ("manifest.json", _as_json(lambda value: value["models"].update(first=3))),
        ("manifest.json", _as_json(lambda value: value["models"]["first"].pop("selection"))),
        ("manifest.json", _as_json(lambda value: value.pop("options"))),
        ("b-*.json", _as_json(lambda value: value.pop("reason"))),
        ("b-*.json", _as_json(lambda value: value.update(reason=["x"]))),
        ("b-*.json", _as_json(lambda value: value.update(attempts=None))),
        ("model=first/*.parquet", lambda data: b""),
        ("model=first/*.parquet", lambda data: data[:100] + bytes(300) + data[400:]),
        ("model=second/*.parquet", _with_header(lambda value: value.replace(b"num_", b"\xff"))),
        ("model=second/*.parquet", _with_header(lambda value: value.replace(b"size_", b"syze_"))),
        ("model=second/*.parquet", _with_header(lambda value: b'{"run": 7}')),
        ("model=second/*.parquet", _with_header(lambda value: b"[" * 2000)),
    ],
)  # fmt: skip
def test_damaged_runs_are_refused(
    file: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    with pytest.raises(PredictionsError):
        _named("run").read(_changed("run", tmp_path, file, change))


def test_an_empty_run_is_looked_at(tmp_path: Path) -> None:
    path = _changed("run", tmp_path, "videos.json", lambda data: b"[]")
    shutil.unpack_archive(path, tmp_path / "run")
    run = vl.open_run(tmp_path / "run")
    assert list(run.videos) == ["video", "state", "num_answers", "seconds", "stopped", "path"]
    assert (len(run), len(run.clips), len(run.failures)) == (0, 0, 0)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "\udcff"])
def test_paths_that_no_system_has_are_missing(path: str, tmp_path: Path) -> None:
    change = _as_json(lambda value: value[0].update(path=path))
    shutil.unpack_archive(_changed("run", tmp_path, "videos.json", change), tmp_path / "run")
    assert vl.open_run(tmp_path / "run").videos["state"].tolist() == [
        "missing",
        "failed",
        "waiting",
    ]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("session.json", lambda data: b"[" * 2000),
        ("session.json", _as_json(lambda value: value["tracks"][0].pop("label_source"))),
        ("session.json", _says_of_first(labels=["\ud800", "b", "c", "d"])),
        ("session.json", _says_of_first(model=7)),
        ("session.json", _says_of_first(selection={"max_results": "x"})),
        ("session.json", _says_of_first(num_threads=[])),
        ("answers-0.arrow", lambda data: data.replace(b"arrived_seconds", b"arrived_sekunds")),
        ("frames.arrow", lambda data: data.replace(b"frame_index", b"frame_indeks")),
        ("drops.arrow", lambda data: data.replace(b"track", b"trakc")),
        ("events.jsonl", lambda data: b"[" * 2000),
    ],
)  # fmt: skip
def test_damaged_recordings_are_refused(
    file: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    with pytest.raises(PredictionsError):
        _named("recording").read(_changed("recording", tmp_path, file, change))


def _npz(old_text: bytes = b"", new_text: bytes = b"", **fields: object) -> Callable[..., bytes]:
    """Return what changes the first array's file, and fields of it as the directory tells them."""

    def changed(data: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            for each in old.infolist():
                new.writestr(each.filename, old.read(each).replace(old_text, new_text))
            for name, value in fields.items():
                setattr(new.infolist()[0], name, value)
        return out.getvalue()

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"", lambda data: data[:-9],
        _npz(b"\x93NUMPY", b"\x07NUMPY", compress_type=zipfile.ZIP_DEFLATED),
        _npz(b"\x93NUMPY\1\0", b"\x09\x04\5\0\xff\xff\xff\xff", compress_type=zipfile.ZIP_LZMA),
        _npz(compress_type=97), _npz(flag_bits=1), _npz(header_offset=1_000_000),
        # What NumPy takes for Python.
        _npz(b"{'descr'", b"if 1:\n  x\n {'descr'"), _npz(b"'shape': (", b"'shape': [("),
    ],
    ids=["empty", "cut", "deflate", "lzma", "method", "encrypted", "away", "indented", "bracket"],
)  # fmt: skip
def test_damaged_checkpoints_of_long_videos_are_as_none(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    with pytest.raises(PredictionsError, match="begun anew"):
        _named("kept parts").read(_changed("kept parts", tmp_path, "checkpoint.npz", change))


def test_lists_in_a_table_of_videos_are_kept_as_text() -> None:
    """As a Parquet file gives them: arrays."""
    table = pd.DataFrame({"video": ["a.mp4"], "tags": [np.array(["x", "y"])], "one": [np.ones(1)]})
    (listed,) = list_videos(table)
    assert listed.columns == {"tags": "['x' 'y']", "one": "[1.]"}


@pytest.mark.parametrize("value", [[], ["x", "y"], [1.0], [[1.0], [2.0, 3.0]]])
@pytest.mark.parametrize("column", ["video", "start_seconds", "label"])
def test_lists_in_a_table_of_clips_are_text_or_refused(column: str, value: list[Any]) -> None:
    row: dict[str, Any] = {"video": "a.mp4", "start_seconds": 0.0, "end_seconds": 1.0, "label": "x"}
    found = np.empty(1, object)
    found[0] = np.array(value, object)
    table = pd.DataFrame([row]).assign(**{column: found})
    for read in (read_segments, lambda table: read_clips(table, None)):
        with contextlib.suppress(VidlabError):
            read(table)
    if column == "label":
        boxes = {"frame_index": 0, "x_px": 0, "y_px": 0, "width_px": 1, "height_px": 1}
        with pytest.raises(OptionError, match="'label' must hold single values"):
            read_boxes(table[["label"]].assign(**boxes))


def test_a_video_of_which_no_frame_can_be_decoded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the first frame is decoded alone, and not from the start on with all others."""
    path = tmp_path / "clip.mp4"
    _named("mp4").make(path)
    nothing = FrameIndex(
        pts=np.empty(0, np.int64), keyframe_pts=np.empty(0, np.int64), end=0,
        time_base=Fraction(1, 25), is_by_pts=True, stopped="invalid data",
    )  # fmt: skip
    monkeypatch.setattr(vl.Video, "_make_index", lambda self, progress=None: nothing)
    with vl.Video(path) as video:
        assert "no index" in repr(video)
        for look in (lambda: video.fps, lambda: video.duration_seconds, lambda: len(video)):
            with pytest.raises(VideoDecodeError, match="damaged at frame 0"):
                look()


@pytest.mark.parametrize(
    "about",
    [
        {"num_frames": 2**70}, {"num_hidden_layers": 10**6}, {"hidden_size": 2400},
        {"num_frames": "x"}, {"num_frames": -1}, {"image_size": 4000}, {"patch_size": 0},
    ],
)  # fmt: skip
def test_descriptions_of_giant_networks_are_refused(about: dict[str, Any], tmp_path: Path) -> None:
    """A line of text; building what it says would take all memory, or for ever."""
    change = _as_json(lambda value: value.update(about))
    path = _changed("transformers", tmp_path, "config.json", change)
    with pytest.raises(WeightsError, match=r"believed|places|describes a network|cannot read"):
        _named("transformers").read(path)


@pytest.mark.parametrize(
    "about",
    [{"size": {"height": None, "width": 3}}, {"crop_size": {}}, {"rescale_factor": 0},
     {"rescale_factor": "x"}, {"image_mean": [1]}, {"resample": "x"}],
)  # fmt: skip
def test_pictures_that_are_prepared_in_no_way_are_refused(
    about: dict[str, Any], tmp_path: Path
) -> None:
    change = _as_json(lambda value: value.update(about))
    path = _changed("transformers", tmp_path, "preprocessor_config.json", change)
    with pytest.raises(ModelError):
        _named("transformers").read(path)


def test_names_that_are_no_text_are_written_and_labels_refused() -> None:
    """Of a file whose name is no UTF-8, in Python's own way; labels have no such excuse."""
    about: dict[str, Any] = {
        "model": "m", "backend": "b", "title": "t", "frame_index": np.arange(2),
        "time_seconds": np.arange(2) / 5, "logits": np.zeros((2, 2)),
    }  # fmt: skip
    found = vl.Predictions(video="caf\udce9.mp4", labels=vl.LabelMap(["a", "b"]), **about)
    assert set(found.table["video"]) == {"caf\\udce9.mp4"}
    with pytest.raises(LabelMapError, match="Unicode"):
        vl.LabelMap(["a", "\ud800"])
