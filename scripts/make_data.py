"""Make data/: StickActions clips, two sequences, and the truth about each frame of them.

Everything is drawn by the project, so that it can be shipped. Run it again after a change of
``vidlab.datasets``: ``.venv/bin/python scripts/make_data.py``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vidlab.datasets import StickClip, render_clip, render_sequence
from vidlab.datasets.writing import (
    CocoKeypoints,
    segments_of,
    write_keypoints,
    write_segments,
    write_video,
)

FOLDER = Path(__file__).parents[1] / "data"

# Seeds far from those that people train and test with.
CLIPS = {
    "jumping_jacks": (9_000_002, "jumping jacks"),
    "juggling_balls": (9_000_405, "juggling balls"),
    "moonwalking_right": (9_000_702, "moonwalking right"),
    "sitting_down": (9_000_101, "sitting down"),
    "squat": (9_000_303, "squat"),
    "standing_up": (9_000_507, "standing up"),
    "walking_left": (9_000_600, "walking left"),
    "waving_hand": (9_000_209, "waving hand"),
}
SEQUENCES = {
    "workout": (
        9_001_000,
        ["jumping jacks", "squat", "lunge", "high kick", "push up", "stretching arm"],
    ),
    "at_home": (
        9_002_001,
        [
            "waving hand", "walking left", "sitting down", "standing up", "opening door",
            "closing door", "moonwalking right",
        ],
    ),
}  # fmt: skip
CLIP_PX, SEQUENCE_PX, FRAME_RATE = 256, 320, 25.0
NUM_FRAMES = 100

# The notebooks' first video is longer and at another rate.
OTHERWISE = {"jumping_jacks": (30.0, 240)}

CRF = 23


def main() -> None:
    """Write the videos and their segments."""
    tables, coco = [], CocoKeypoints()
    for name, (seed, label) in CLIPS.items():
        frame_rate, num_frames = OTHERWISE.get(name, (FRAME_RATE, NUM_FRAMES))
        clip = render_clip(
            seed, label=label, size_px=CLIP_PX, frame_rate=frame_rate, num_frames=num_frames
        )
        tables.append(_written(name, clip, coco))
    for name, (seed, labels) in SEQUENCES.items():
        clip = render_sequence(seed, labels=labels, size_px=SEQUENCE_PX, frame_rate=FRAME_RATE)
        tables.append(_written(name, clip, coco))
    write_keypoints(FOLDER / "keypoints.json", coco)
    write_segments(FOLDER / "segments.csv", tables)
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {total / 1e6:.1f} MB")


def _written(name: str, clip: StickClip, coco: CocoKeypoints) -> pd.DataFrame:
    """Write a video, add its keypoints, and return its segments."""
    coco.add(f"{name}.mp4", clip)
    write_video(FOLDER / f"{name}.mp4", clip, crf=CRF)
    size = (FOLDER / f"{name}.mp4").stat().st_size
    print(f"{name}.mp4: {clip.seconds:.1f} s, {size / 1000:.0f} kB")
    return segments_of(f"{name}.mp4", clip)


if __name__ == "__main__":
    main()
