"""What becomes of every file of a folder where no page is needed: predict, player and run.

    python tests/odd_outcomes.py FOLDER

The model is the one that comes with vidlab. Prints JSON: see `main`. Whatever is raised beside
`VidlabError` ends it, and so does a file that takes a minute.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

import vidlab as vl
from vidlab.models.base import Model
from vidlab.models.memory import peak_bytes

# Nothing takes ten seconds here; a machine that does other things may be several times slower.
HANG_SECONDS = 60

Outcome = tuple[str, str]
"""What became of a file, in short, and what was said of it, which may be nothing."""


def refused(error: vl.VidlabError) -> Outcome:
    return f"refused: {type(error).__name__}", str(error)


def answers(num: int, stopped: object) -> Outcome:
    told = f"{num} answer{'s' if num != 1 else ''}"
    # pandas has NaN where a run has nothing to say.
    return (f"{told}, then stopped", stopped) if isinstance(stopped, str) else (told, "")


def predict(path: Path, model: Model) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = vl.predict(path, model, progress=False)
        except vl.VidlabError as error:
            return refused(error)
    assert [str(each.message) for each in caught] == ([found.stopped] if found.stopped else [])
    return answers(len(found), found.stopped)


def run(folder: Path, model: Model) -> dict[str, Outcome]:
    with tempfile.TemporaryDirectory() as out:
        found = vl.predict_many(folder, model, out=out, workers=1, progress=False)
        done = {
            row.video: answers(row.num_answers, row.stopped)
            for row in found.videos.itertuples()
            if row.state == "done"
        }
        failed = {
            row.video: (f"refused: {row.error}", row.reason) for row in found.failures.itertuples()
        }
    return done | failed


class Page:
    """Stands for a page: asks a player, and waits for its answers."""

    def __init__(self, player: vl.Player) -> None:
        self._player = player
        self._answers: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self._came = threading.Condition()
        player.send = self._hear

    def _hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if "progress" not in content:
            with self._came:
                self._answers[content["id"]] = content, buffers or []
                self._came.notify_all()

    def ask(self, op: str, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
        self._player._handle_custom_msg({"id": op, "op": op, **more}, [])
        with self._came:
            self._came.wait_for(lambda: op in self._answers)
            content, buffers = self._answers.pop(op)
        if "error" in content:  # the page is told; what is no VidlabError must not get so far
            kind = getattr(vl.core.errors, content["error"]["type"])
            raise kind(content["error"]["message"])
        return content["result"], buffers


def play(path: Path) -> dict[str, Any]:
    """Ask for all that a page may ask for: the file's bytes, or else every segment, both ways."""
    try:
        player = vl.Player(path)
    except vl.VidlabError as error:
        return {"refused": refused(error)}
    page = Page(player)
    told: dict[str, Any] = {"num_frames": player.video.num_frames}
    for transcode in (False, True):
        facts, (times, starts) = page.ask("open", page="1", transcode=transcode)
        assert len(times) == 8 * told["num_frames"]
        if facts["delivery"] == "whole":
            _, (data,) = page.ask("read", token=facts["token"], offset=0, length=4 << 20)
            assert data == path.read_bytes()
            continue
        segments = [
            page.ask("segment", token=facts["token"], number=number)[0]
            for number in range(len(starts) // 4)
        ]
        stops = [number for number, each in enumerate(segments) if each["stopped"]]
        # Past the damage there is nothing more to be had, and a page does not ask.
        segments = segments[: stops[0] + 1] if stops else segments
        told["num_played"] = sum(each["num_frames"] for each in segments)
    player.close()
    return told


def main(folder: Path) -> None:
    """Print outcomes by file, and the most memory a process of it took."""
    model = vl.load_model("stickactions-xs-stream", backend="litert", num_threads=1)
    assert isinstance(model, Model)
    predicted, played = {}, {}
    for path in sorted(folder.iterdir()):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        predicted[path.name] = predict(path, model)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        played[path.name] = play(path)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    ran = run(folder, model)
    faulthandler.cancel_dump_traceback_later()
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    result = {
        "predict": predicted,
        "play": played,
        "run": ran,
        "peak_bytes": max(peak_bytes(), worker),
    }
    print(json.dumps(result).replace(json.dumps(f"{folder}/")[1:-1], ""))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
