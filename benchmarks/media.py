"""How fast the kernel makes a long video playable: first picture, index, segments, memory.

    python benchmarks/media.py                         # makes a 60-minute 1080p file, once
    python benchmarks/media.py --video clip.mkv --segments 100 --json media.json

Asks `MediaServer` what a page asks, without a page: how long until the poster and until the
page knows every frame's time, then segments in random order and in order, as they are stored
and encoded again. Memory is how much more than before the process holds at most, for each way by
itself, and how much more in the second half of its segments than in the first.
"""

from __future__ import annotations

import argparse
import json
import platform
import queue
import resource
import statistics
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

import vidlab as vl
from vidlab.feeding import processor_name
from vidlab.widgets.media import MediaServer, plan, poster_of

FPS, KEYFRAME_SECONDS, LOOP_SECONDS = 25, 10, 60
# Transcoding holds a decoder's and an encoder's pictures besides, 3 MB each, some for every core;
# that it holds no more of them as time goes by is what its second goal says.
GOALS = {
    "poster_seconds": 0.2, "open_seconds": 1.5, "remux_median_ms": 50.0, "remux_peak_mb": 150.0,
    "transcode_peak_mb": 300.0, "transcode_later_mb": 50.0,
}  # fmt: skip


class Page:
    """Asks, and waits for the answers."""

    def __init__(self, video: vl.Video) -> None:
        self._answers: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self._server = MediaServer(video, lambda *answer: self._answers.put(answer))

    def open(self, *, transcode: bool) -> tuple[dict[str, Any], int, float]:
        """Return the answer, how many segments, and the seconds it took."""
        begin = time.perf_counter()
        self._server.open("open", "page", transcode)
        while True:
            content, buffers = self._answer()
            if "result" in content:
                return content["result"], len(buffers[1]) // 4, time.perf_counter() - begin

    def segment(self, token: str, number: int) -> tuple[int, float]:
        """Return a segment's bytes, how many, and the milliseconds it took."""
        begin = time.perf_counter()
        self._server.segment("segment", token, number)
        _, (data,) = self._answer()
        return len(data), (time.perf_counter() - begin) * 1e3

    def close(self) -> None:
        """Let go of everything."""
        self._server.close()

    def _answer(self) -> tuple[dict[str, Any], list[bytes]]:
        content, buffers = self._answers.get()
        if "error" in content:
            sys.exit(content["error"]["message"])
        return content, buffers


def make_long_video(path: Path, *, minutes: int) -> None:
    """Write a 1080p H.264 file: one minute is encoded, then its packets are repeated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    minute, partial = path.with_suffix(".minute.mp4"), path.with_suffix(".partial")
    encode_noise(minute, seconds=LOOP_SECONDS)
    try:
        with av.open(str(partial), "w", format="mp4") as out, av.open(str(minute)) as source:
            stream = out.add_stream_from_template(source.streams.video[0])
            for repeat in range(minutes):
                source.seek(0)
                for packet in source.demux(video=0):
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(repeat * LOOP_SECONDS / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    out.mux(packet)
        partial.rename(path)
    finally:
        minute.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def encode_noise(path: Path, *, seconds: int) -> None:
    """Write 1080p H.264 with B-frames: a texture that moves, at a bit rate as of a camera."""
    texture = np.random.default_rng(0).integers(0, 256, (136, 241, 3), np.uint8)
    large = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        keyframes = str(FPS * KEYFRAME_SECONDS)
        stream.options = {"preset": "ultrafast", "b": "2M", "bf": "2", "g": keyframes}
        for number in range(seconds * FPS):
            pixels = np.roll(large, number % large.shape[1], axis=1)[:1080, :1920]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def measure(path: Path, *, num_segments: int) -> dict[str, Any]:
    """Return all figures for one video."""
    begin = time.perf_counter()
    video = vl.Video(path)
    figures: dict[str, Any] = {"header_seconds": time.perf_counter() - begin}
    begin = time.perf_counter()
    poster_of(video)
    figures["poster_seconds"] = time.perf_counter() - begin
    rng = np.random.default_rng(0)
    for transcode in (False, True):
        before_mb = resident_mb()
        reset_peak()
        page = Page(video)
        facts, num_made, seconds = page.open(transcode=transcode)
        how = facts["how"]
        if not transcode:
            figures |= {"open_seconds": seconds, "how": how}
        if facts["delivery"] == "segments" and f"{how}_median_ms" not in figures:
            wanted = rng.permutation(num_made)[:num_segments].tolist()
            first = num_made // 2
            in_order = range(first, min(first + num_segments, num_made))
            figures |= times_of(how, [page.segment(facts["token"], number) for number in wanted])
            halfway_mb = peak_mb()
            figures |= times_of(
                f"{how}_in_order", [page.segment(facts["token"], number) for number in in_order]
            )
            figures |= {
                f"{how}_peak_mb": peak_mb() - before_mb,
                f"{how}_later_mb": peak_mb() - halfway_mb,
            }
        page.close()
    figures["frames"] = video.num_frames
    return figures


def times_of(name: str, made: list[tuple[int, float]]) -> dict[str, float]:
    """Summarise segments: ``(bytes, milliseconds)`` each."""
    milliseconds = [each for _, each in made]
    return {
        f"{name}_median_ms": statistics.median(milliseconds),
        f"{name}_worst_ms": max(milliseconds),
        f"{name}_mean_kb": statistics.fmean(num_bytes for num_bytes, _ in made) / 1e3,
    }


def resident_mb() -> float:
    """Return how much memory the process holds now, in MB."""
    if sys.platform != "linux":
        return peak_mb()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def reset_peak() -> None:
    """Forget the most memory the process held so far, where the system can (Linux)."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Return the most memory the process held since `reset_peak`, in MB."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        peak_kb = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
        return int(peak_kb) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="measure with this one; goals then do not hold")
    parser.add_argument("--minutes", type=int, default=60, help="of the made video (default 60)")
    parser.add_argument("--segments", type=int, default=20, help="of each kind (default 20)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if min(options.minutes, options.segments) < 1:
        parser.error("counts must be at least 1")
    path = options.video
    if path is None:
        folder = Path(tempfile.gettempdir()) / "vidlab-benchmark"
        path = folder / f"{options.minutes}-minutes.mp4"
        if not path.exists():
            print(f"making {path} …", flush=True)
            make_long_video(path, minutes=options.minutes)
    plan.WHOLE_BYTES = 0  # segments are measured, also of a small file
    try:
        figures = measure(path, num_segments=options.segments)
    except vl.VidlabError as error:
        sys.exit(f"{error}")

    print(f"{path.name}: {figures['frames']} frames, {path.stat().st_size / 1e6:.0f} MB")
    print(f"{processor_name()}, Python {platform.python_version()}\n")
    missed = 0
    for name, value in figures.items():
        shown = f"{value:10.3f}" if isinstance(value, float) else f"{value!s:>10}"
        goal = GOALS.get(name) if options.video is None else None
        is_missed = goal is not None and not value <= goal
        missed += is_missed
        note = "" if goal is None else f"   goal {goal:g}{', MISSED' if is_missed else ''}"
        print(f"{name:32} {shown}{note}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
