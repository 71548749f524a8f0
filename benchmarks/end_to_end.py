"""`predict` on a long video against bare PyAV decoding of the same frames, in one run.

Each measurement runs in a process of its own, in turn, so that peak memory is its own and a
change of the machine's mood meets both. The video is made once, from moving texture, and kept
in `.cache/`::

    .venv/bin/python benchmarks/end_to_end.py --model litert:movinet-a0-stream  # or another
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).parents[1]
FPS = 30
SIZE = (1280, 720)
GOAL_RATIO = 1.3
GOAL_GROWTH_MB = 50.0


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="movinet-a0-stream")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--long-minutes", type=float, default=60.0, help="0 leaves memory out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", choices=["decode", "predict"], help=argparse.SUPPRESS)
    parser.add_argument("--video", help="measure on this file instead of the made one")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(_measure(options)))
        return 0

    video = options.video or str(make_video(options.minutes))
    runs: dict[str, list[dict[str, Any]]] = {"decode": [], "predict": []}
    for repeat in range(options.repeats):
        for only in ("decode", "predict") if repeat % 2 == 0 else ("predict", "decode"):
            runs[only].append(_in_own_process(options, only, video))
            print(f"{only:8} {runs[only][-1]['seconds']:7.2f} s", flush=True)
    decode = statistics.median(run["seconds"] for run in runs["decode"])
    predict = statistics.median(run["seconds"] for run in runs["predict"])
    short_mb = statistics.median(run["peak_mb"] for run in runs["predict"])
    result = {
        "model": options.model,
        "minutes": options.minutes,
        "frames_decoded": runs["decode"][0]["frames"],
        "frames_answered": runs["predict"][0]["frames"],
        "decode_seconds": decode,
        "predict_seconds": predict,
        "ratio": predict / decode,
        "peak_mb": short_mb,
        "cores": os.cpu_count(),
        "runs": runs,
    }
    failed = result["ratio"] > GOAL_RATIO
    print(
        f"{options.minutes:g} min of {SIZE[0]}x{SIZE[1]} H.264, {os.cpu_count()} cores: decoding "
        f"{decode:.1f} s, predict {predict:.1f} s, ratio {result['ratio']:.2f} "
        f"(goal {GOAL_RATIO})"
    )
    if options.long_minutes and not options.video:
        long_video = str(make_video(options.long_minutes))
        long = _in_own_process(options, "predict", long_video)
        result |= {
            "long_minutes": options.long_minutes,
            "long_peak_mb": long["peak_mb"],
            "growth_mb": long["peak_mb"] - short_mb,
        }
        failed |= abs(result["growth_mb"]) > GOAL_GROWTH_MB
        print(
            f"peak memory: {short_mb:.0f} MB at {options.minutes:g} min, {long['peak_mb']:.0f} MB "
            f"at {options.long_minutes:g} min, growth {result['growth_mb']:.0f} MB "
            f"(goal {GOAL_GROWTH_MB:g})"
        )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(failed)


def make_video(minutes: float) -> Path:
    """Return a video of moving texture, made once: 20 s are encoded, then repeated as packets."""
    folder = ROOT / ".cache" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"texture_{SIZE[1]}p_{minutes:g}min.mp4"
    if target.is_file():
        return target
    piece = folder / f"texture_{SIZE[1]}p_20s.mp4"
    if not piece.is_file():
        _encode(piece, seconds=20)
    part = target.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        stream = None
        length = 0
        for repeat in range(round(minutes * 60 / 20)):
            with av.open(str(piece)) as source:
                original = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(original)
                    length = round(20 / original.time_base)
                for packet in source.demux(original):
                    if packet.dts is None:
                        continue
                    packet.pts += repeat * length
                    packet.dts += repeat * length
                    packet.stream = stream
                    out.mux(packet)
    part.rename(target)
    return target


def _encode(path: Path, *, seconds: int) -> None:
    width, height = SIZE
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16 + 64, width // 16 + 64, 3), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    grain = rng.integers(-6, 7, (8, height, width, 3), dtype=np.int16)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "g": "60"}
        stream.time_base = Fraction(1, FPS)
        for number in range(seconds * FPS):
            x = round(300 + 280 * np.sin(number / 40))
            y = round(300 + 280 * np.cos(number / 55))
            view = texture[y : y + height, x : x + width].astype(np.int16) + grain[number % 8]
            frame = av.VideoFrame.from_ndarray(view.clip(0, 255).astype(np.uint8), format="rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    part.rename(path)


def _in_own_process(options: argparse.Namespace, only: str, video: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", only, "--video", video, "--model", options.model]
    if options.threads:
        command += ["--threads", str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    if options.only == "decode":
        begin = time.perf_counter()
        frames = 0
        with av.open(options.video) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                frames += 1
        seconds = time.perf_counter() - begin
    else:
        import vidlab as vl

        model = vl.load_model(options.model, num_threads=options.threads)
        begin = time.perf_counter()
        frames = len(vl.predict(options.video, model, progress=False))
        seconds = time.perf_counter() - begin
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "frames": frames, "peak_mb": peak_kb / 1024}


if __name__ == "__main__":
    sys.exit(main())
