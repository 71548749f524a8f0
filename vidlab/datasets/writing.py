"""StickActions on disk: MP4 files, a table of segments, COCO keypoints."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from vidlab.core.errors import OptionError
from vidlab.core.files import as_path, atomic_write
from vidlab.datasets.rendering import StickClip, render_clip, render_sequence
from vidlab.datasets.scene import KEYPOINT_NAMES
from vidlab.video.writer import VideoWriter

# Pairs of COCO's keypoints, counted from 1, that its viewers join by a line.
_SKELETON = [
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9],
    [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
]  # fmt: skip


def write_stick_actions(
    folder: str | os.PathLike[str], *, seeds: Sequence[int], num_sequences: int = 0,
    num_actions: int = 6, size_px: int = 172, frame_rate: float = 25.0, seconds: float = 3.2,
    progress: bool = True,
) -> Path:  # fmt: skip
    """Write clips, sequences and what is true about them.

    ``folder/clips/<label>/<seed>.mp4`` is one clip a seed, ``folder/sequences/<seed>.mp4`` are
    sequences of the first seeds, ``folder/segments.csv`` says what happens when (``video,
    start_seconds,end_seconds,label``) and ``folder/keypoints.json`` holds keypoints and boxes of
    every frame in COCO's form, an image's ``file_name`` being ``<video>#<frame>``. The two tables
    come last: where they are, everything is. Files are whole or absent; the same options write
    the same frames.

    Args:
        folder: Made where it is absent; files of the same names are replaced.
        seeds: One clip each.
        num_sequences: How many sequences; they take the first seeds.
        num_actions: In each sequence.
        size_px: Width and height.
        frame_rate: Frames per second.
        seconds: Length of each clip.
        progress: Show a progress bar.

    Returns:
        The folder.

    Raises:
        OptionError: An option is out of its range, or the folder cannot be written.
    """
    root = as_path(folder)
    if not len(seeds) and not num_sequences:
        raise OptionError("There is nothing to write: seeds is empty and num_sequences is 0.")
    if not 0 <= num_sequences <= len(seeds):
        raise OptionError(
            f"num_sequences must be 0 to the number of seeds, {len(seeds)}; got {num_sequences}."
        )
    if len(set(seeds)) != len(seeds):
        raise OptionError("seeds must differ from each other: each names a file.")
    num_frames = max(1, round(seconds * frame_rate))
    tables: list[pd.DataFrame] = []
    coco = CocoFile()
    bar = tqdm(total=len(seeds) + num_sequences, unit="video", disable=not progress)
    with bar:
        for seed in seeds:
            clip = render_clip(seed, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames)
            name = f"clips/{clip.label}/{seed}.mp4"
            write_video(root / name, clip)
            tables.append(_segments(name, clip.segments))
            coco.add(name, clip)
            bar.update()
        for seed in seeds[:num_sequences]:
            clip = render_sequence(
                seed, num_actions=num_actions, size_px=size_px, frame_rate=frame_rate
            )
            name = f"sequences/{seed}.mp4"
            write_video(root / name, clip)
            tables.append(_segments(name, clip.segments))
            coco.add(name, clip)
            bar.update()
    with atomic_write(root / "keypoints.json") as stream:
        stream.write(json.dumps(coco.content).encode())
    with atomic_write(root / "segments.csv") as stream:
        stream.write(pd.concat(tables, ignore_index=True).to_csv(index=False).encode())
    return root


def write_video(path: Path, clip: StickClip, *, crf: int = 18) -> None:
    """Write the frames as MP4, whole or not at all."""
    times = clip.pts_seconds
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    height, width = clip.rgb.shape[1:3]
    with (
        atomic_write(path) as stream,
        VideoWriter(
            stream, times=times, end_seconds=float(times[-1]) + step, width=width, height=height,
            crf=crf,
        ) as writer,
    ):  # fmt: skip
        for rgb in clip.rgb:
            writer.add(rgb)


def _segments(name: str, segments: pd.DataFrame) -> pd.DataFrame:
    table = segments.copy()
    table.insert(0, "video", name)
    return table.round({"start_seconds": 6, "end_seconds": 6})


class CocoFile:
    """Collects COCO keypoint annotations, one person and one image a frame."""

    def __init__(self) -> None:
        self.content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [
                {
                    "id": 1,
                    "name": "person",
                    "supercategory": "person",
                    "keypoints": list(KEYPOINT_NAMES),
                    "skeleton": _SKELETON,
                }
            ],
        }

    def add(self, name: str, clip: StickClip) -> None:
        """Add all frames of a video."""
        height, width = clip.rgb.shape[1:3]
        for frame in range(len(clip.rgb)):
            image_id = len(self.content["images"]) + 1
            self.content["images"].append(
                {"id": image_id, "file_name": f"{name}#{frame}", "width": width, "height": height}
            )
            points, box = clip.keypoints[frame].astype(float), clip.boxes[frame].astype(float)
            # COCO writes zeros for joints that are outside the picture.
            points = np.where(points[:, 2:] > 0, points, 0.0)
            flat = [
                int(v) if i % 3 == 2 else round(v, 2) for i, v in enumerate(points.ravel().tolist())
            ]
            x, y, w, h = (round(v, 2) for v in box.tolist())
            self.content["annotations"].append(
                {
                    "id": image_id,
                    "image_id": image_id,
                    "category_id": 1,
                    "keypoints": flat,
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                    "bbox": [x, y, w, h],
                    "area": round(w * h, 2),
                    "iscrowd": 0,
                }
            )
