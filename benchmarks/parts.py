"""Hours of video in parts: the memory it takes, and that the answers are those of one run.

    python benchmarks/parts.py --hours 6 --minutes 20

One sample is encoded once and its packets are repeated, with later timestamps, so that hours take
seconds to make. The peak memory after the second part is held against the one after the last.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

import vidlab as vl
from vidlab.many.parts import joined, plan_parts, predict_part

SAMPLE = Path(__file__).parents[1] / "data" / "jumping_jacks.mp4"


def repeat(sample: Path, path: Path, *, seconds: float) -> None:
    """Write a sample's packets again and again, until the video is that long."""
    with av.open(str(path), "w") as out:
        copied, shift, is_long = None, 0, False
        while not is_long:
            with av.open(str(sample)) as source:
                stream = source.streams.video[0]
                copied = copied or out.add_stream_from_template(stream)
                end = shift
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    end = max(end, packet.pts + packet.duration)
                    packet.stream = copied
                    out.mux(packet)
                shift = end
                is_long = float(shift * stream.time_base) >= seconds


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--minutes", type=float, default=20.0, help="of a part, about")
    parser.add_argument("--fps", type=float, default=0.2)
    parser.add_argument("--model", default="litert:stickactions-xs-stream")
    parser.add_argument("--check", action="store_true", help="run it in one piece, too")
    options = parser.parse_args(arguments)
    model = vl.load_model(options.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        repeat(SAMPLE, path, seconds=options.hours * 3600)
        done, carried, peaks, began = [], None, [], time.perf_counter()
        for part in plan_parts(vl.Video(path), seconds=options.minutes * 60):
            # Opened anew, as by another worker.
            with vl.Video(path) as video:
                answers, carried = predict_part(video, [model], part, carried, fps=options.fps)
            done += answers
            peaks.append(peak_mb())
        whole = joined(done)
        seconds = time.perf_counter() - began
        with vl.Video(path) as video:
            length = f"{video.duration_seconds / 3600:.2f} h, {video.num_frames} frames"
        print(f"{length}; {len(done)} parts, {len(whole)} answers, {seconds:.0f} s")
        print(
            f"peak memory after part 2: {peaks[:2][-1]:.0f} MB, after the last: {peaks[-1]:.0f} MB"
        )
        if options.check:
            once = vl.predict(path, model, fps=options.fps, progress=False)
            print("same logits as in one piece:", np.array_equal(once.logits, whole.logits))


if __name__ == "__main__":
    main()
