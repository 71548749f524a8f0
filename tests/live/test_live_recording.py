from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from arithmetic import ArithmeticModel

import vidlab as vl
from vidlab.core.errors import ModelError, OptionError, PredictionsError
from vidlab.live import FileSource, LiveSession, PushedSource
from vidlab.live.recording import LIVE_COLUMNS
from vidlab.predictions import TABLE_COLUMNS

WAIT_SECONDS = 60.0


def digest(table: pd.DataFrame) -> str:
    """A hash of every cell, the column names and the types."""
    hashes = pd.util.hash_pandas_object(table).to_numpy().tobytes()
    about = repr([(name, str(kind)) for name, kind in table.dtypes.items()])
    return hashlib.sha256(hashes + about.encode()).hexdigest()


class SlowModel(ArithmeticModel):
    """So slow that it drops frames of any file that is played quickly."""

    def step(self, frames, state):
        time.sleep(0.05)
        return super().step(frames, state)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of which drops frames, on a sample video."""
    folder = tmp_path_factory.mktemp("live") / "녹화 1"
    models = [
        vl.load_model("stickactions-xs-stream", backend="litert", variant="int8"),
        SlowModel(frame_rate=None),
    ]
    source = FileSource(vl.sample_videos()["jumping_jacks"], speed=4.0)
    session = LiveSession(source, models, record=folder, rules=vl.Rule("jumping jacks"))
    threading.Timer(0.7, session.reset).start()
    with session:
        assert session.join(WAIT_SECONDS)
    assert session.stats()[1].dropped > 0
    return folder


def test_replay_gives_the_same_table_three_times(recorded: Path) -> None:
    recording = vl.Recording(recorded)
    assert list(recording.table.columns) == [*TABLE_COLUMNS, *LIVE_COLUMNS]
    assert recording.table["epoch"].max() >= 1  # the state was set back on the way
    live = digest(recording.table)
    for _ in range(3):
        models = [
            vl.load_model("stickactions-xs-stream", backend="litert", variant="int8"),
            SlowModel(frame_rate=None),
        ]
        assert digest(vl.replay(recorded, models, progress=False)) == live


def test_replay_loads_the_models_by_itself(tmp_path: Path) -> None:
    model = vl.load_model("stickactions-xs-stream", backend="litert", variant="int8", max_results=2)
    source = FileSource(vl.sample_videos()["waving_hand"], speed=4.0)
    with LiveSession(source, model, record=tmp_path / "r") as session:
        assert session.join(WAIT_SECONDS)
    recording = vl.Recording(tmp_path / "r")
    assert digest(vl.replay(recording, progress=False)) == digest(recording.table)
    assert recording.table["rank"].max() == 2


def test_every_frame_is_kept_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (45, 61, 3), dtype=np.uint8) for _ in range(30)]
    times = np.cumsum(rng.uniform(0.01, 0.2, 30))
    source = PushedSource()
    session = LiveSession(source, ArithmeticModel(), record=tmp_path / "r", reset_on_cut=False)
    arrived = threading.Semaphore(0)
    session.on_frame = lambda _: arrived.release()
    with session:
        for rgb, seconds in zip(pictures, times, strict=True):
            source.push_rgb(rgb, time_seconds=float(seconds))
            assert arrived.acquire(timeout=WAIT_SECONDS)
        source.end()
        assert session.join(WAIT_SECONDS)
    recording = vl.Recording(tmp_path / "r")
    kept = [frame.rgb for frame in recording.video.frames()]
    assert len(kept) == 30
    for one, other in zip(kept, pictures, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(recording.video.pts_seconds, times - times[0], atol=1e-4)
    np.testing.assert_array_equal(recording.frames["time_seconds"], times - times[0])


def test_frames_may_change_their_size(tmp_path: Path) -> None:
    source = PushedSource()
    model = ArithmeticModel(frame_rate=None)
    session = LiveSession(source, model, record=tmp_path / "r", reset_on_cut=False)
    arrived = threading.Semaphore(0)
    session.on_frame = lambda _: arrived.release()
    with session:
        for index in range(12):
            height = 32 if index < 5 else 48
            rgb = np.full((height, 40, 3), 10 * index, dtype=np.uint8)
            source.push_rgb(rgb, time_seconds=index / 10)
            assert arrived.acquire(timeout=WAIT_SECONDS)
        source.end()
        assert session.join(WAIT_SECONDS)
    recording = vl.Recording(tmp_path / "r")
    assert (tmp_path / "r" / "frames-2.mp4").exists()
    again = vl.replay(recording, ArithmeticModel(frame_rate=None), progress=False)
    assert digest(again) == digest(recording.table)


def test_what_was_dropped_is_known(recorded: Path) -> None:
    recording = vl.Recording(recorded)
    frames = recording.frames
    assert list(frames.columns) == ["frame_index", "time_seconds", "arrived_seconds", "dropped_by"]
    slow = "arithmetic:sums (exact)"
    dropped = {
        index
        for index, by in zip(frames["frame_index"], frames["dropped_by"], strict=True)
        if slow in by
    }
    answered = set(recording.predictions[1].frame_index.tolist())
    assert dropped
    assert not dropped & answered
    assert dropped | answered == set(frames["frame_index"])  # it was due every frame
    assert (frames["arrived_seconds"].diff().dropna() >= 0).all()
    table = recording.table
    assert (table["answered_seconds"] >= table["arrived_seconds"]).all()


def test_a_recording_opens_in_a_player_and_rules_run_on_it(recorded: Path) -> None:
    recording = vl.Recording(recorded)
    player = vl.Player(recording.video, recording.predictions)
    assert player.video.num_frames == len(recording.frames)
    assert len(vl.find_events(recording, vl.Rule("jumping jacks"))) == len(recording.events)
    assert "jumping_jacks" in repr(recording)
    player.close()


def test_what_a_killed_session_wrote_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    code = f"""
import vidlab as vl
from vidlab.live import FileSource, LiveSession
model = vl.load_model("stickactions-xs-stream", backend="litert", variant="int8")
session = LiveSession(FileSource({str(vl.sample_videos()["workout"])!r}, speed=3.0), model,
                      record={str(folder)!r})
session.on_answer = lambda answer: print(
    answer.frame_index, answer.answered_seconds, flush=True
)
with session:
    session.join()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(70)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    recording = vl.Recording(folder)
    kept = recording.predictions[0].frame_index.tolist()
    answered = [int(index) for index, _ in lines]
    assert kept[: len(answered)] == answered[: len(kept)]
    # It is written once a second, when the next answer comes.
    last = float(lines[-1][1])
    assert len(kept) >= sum(float(seconds) < last - 2.5 for _, seconds in lines) > 0
    assert recording.video.num_frames > 0
    assert len(recording.frames) > 0
    assert not recording.is_finished
    assert repr(recording).endswith("; not finished, or its process was ended>")


def test_what_came_to_its_end_is_finished(recorded: Path) -> None:
    recording = vl.Recording(recorded)
    assert recording.is_finished
    assert "not finished" not in repr(recording)


def test_answers_to_frames_that_were_not_written_yet_are_left_out(
    recorded: Path, tmp_path: Path
) -> None:
    """Each table is written once a second: a kill may come between two."""
    folder = tmp_path / "killed"
    shutil.copytree(recorded, folder)
    with pa.ipc.open_stream((folder / "frames.arrow").read_bytes()) as reader:
        table = reader.read_all().slice(0, 10)
    buffer = pa.BufferOutputStream()
    writer = pa.ipc.new_stream(buffer, table.schema)
    writer.write_table(table)  # and no end
    (folder / "frames.arrow").write_bytes(buffer.getvalue().to_pybytes())
    whole, killed = vl.Recording(recorded), vl.Recording(folder)
    assert not killed.is_finished
    frames = set(killed.frames["frame_index"])
    assert len(frames) == 10
    for before, after in zip(whole.predictions, killed.predictions, strict=True):
        expected = [index for index in before.frame_index if index in frames]
        assert after.frame_index.tolist() == expected
        np.testing.assert_array_equal(after.logits, before.logits[: len(expected)])
    assert set(killed.table["frame_index"]) <= frames


def test_a_replay_of_what_was_cut_off_says_so(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(recorded, folder)
    with open(folder / "frames.mp4", "r+b") as stream:
        stream.truncate(stream.seek(0, 2) // 2)
    models = [
        vl.load_model("stickactions-xs-stream", backend="litert", variant="int8"),
        SlowModel(frame_rate=None),
    ]
    with pytest.raises(vl.VidlabError):
        vl.replay(folder, models, progress=False)


def test_other_weights_are_refused(recorded: Path) -> None:
    with pytest.raises(ModelError, match="not what was recorded"):
        vl.replay(
            recorded,
            [vl.load_model("stickactions-a0-stream", backend="litert"), SlowModel(frame_rate=None)],
            progress=False,
        )
    with pytest.raises(OptionError, match="2 models"):
        vl.replay(recorded, SlowModel(), progress=False)
    with pytest.raises(vl.VidlabError, match="arithmetic"):
        vl.replay(recorded, progress=False)  # a model of the caller's own cannot be loaded


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match="new folder"):
        LiveSession(PushedSource(), ArithmeticModel(), record=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(OptionError, match="Cannot record"):
        LiveSession(PushedSource(), ArithmeticModel(), record=tmp_path / "mine.txt")


@pytest.mark.parametrize("name", ["session.json", "frames.arrow", "answers-0.arrow", "drops.arrow"])
@pytest.mark.parametrize("damage", ["gone", "empty", "garbage"])
def test_damage_is_told(recorded: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(recorded, folder)
    if damage == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"" if damage == "empty" else b"garbage" * 30)
    with pytest.raises(PredictionsError):
        _ = vl.Recording(folder).frames, vl.Recording(folder).table


def test_it_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="no recording"):
        vl.Recording(tmp_path)
    (tmp_path / "session.json").write_text(json.dumps({"format": "vidlab.recording/99"}))
    with pytest.raises(PredictionsError, match="recording/99"):
        vl.Recording(tmp_path)


def test_a_full_disk_ends_the_session_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidlab.video.writer import LosslessWriter

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LosslessWriter, "add", full)
    source = FileSource(vl.sample_videos()["waving_hand"], speed=4.0)
    session = LiveSession(source, ArithmeticModel(), record=tmp_path / "full").start()
    with pytest.raises(PredictionsError, match=r"full.*No space left"):
        session.join(WAIT_SECONDS)
    assert session.state == "failed"
