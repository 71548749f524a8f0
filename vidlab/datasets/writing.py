"""StickActions on disk: MP4 files, a table of segments, COCO keypoints."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError
from vidlab.core.files import as_path, atomic_write, check_writable
from vidlab.core.skeletons import COCO_17
from vidlab.datasets.rendering import StickClip, render_clip, render_sequence
from vidlab.video.writer import VideoWriter


def write_stick_actions(
    folder: str | os.PathLike[str],
    *,
    seeds: Sequence[int],
    num_sequences: int = 0,
    num_actions: int = 6,
    size_px: int = 172,
    frame_rate: float = 25.0,
    seconds: float = 3.2,
    progress: bool = True,
) -> Path:
    """Write clips, sequences and what is true about them.

    ``clips/<label>/<seed>.mp4`` is one clip a seed, ``sequences/<seed>.mp4`` are sequences of the
    first seeds. ``segments.csv`` says what happens when: ``video, start_seconds, end_seconds,
    label``, with `video` relative to the folder. ``keypoints.json`` holds keypoints and box of
    every frame in COCO's form; an image's ``file_name`` is ``<video>#<frame>``.

    Each file is whole or absent, and the two tables come last: where they are, everything is. The
    same options write the same frames.

    Args:
        folder: Made where it is absent; files of the same names are replaced.
        seeds: One clip each; see :func:`~vidlab.datasets.render_clip` for their labels.
        num_sequences: How many sequences, at most one a seed.
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
    if not len(seeds) or len(set(seeds)) != len(seeds):
        raise OptionError(f"seeds must be at least one seed, each once; got {seeds!r}.")
    if not 0 <= num_sequences <= len(seeds):
        raise OptionError(
            f"num_sequences must be 0 to the number of seeds, {len(seeds)}; got {num_sequences}."
        )
    if not seconds > 0:
        raise OptionError(f"seconds must be above 0; got {seconds}.")
    check_writable(root / "segments.csv")
    num_frames = max(1, round(seconds * frame_rate))
    for table in ("segments.csv", "keypoints.json"):
        (root / table).unlink(missing_ok=True)  # those of an earlier call say nothing of these
    coco = CocoKeypoints()
    tables: list[pd.DataFrame] = []
    with progress_bar(
        total=len(seeds) + num_sequences, desc="drawing", unit="video", disable=not progress
    ) as bar:

        def keep(name: str, clip: StickClip) -> None:
            write_video(root / name, clip)
            tables.append(segments_of(name, clip))
            coco.add(name, clip)
            bar.update()

        for seed in seeds:
            clip = render_clip(seed, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames)
            keep(f"clips/{clip.label}/{seed}.mp4", clip)
        for seed in seeds[:num_sequences]:
            clip = render_sequence(
                seed, num_actions=num_actions, size_px=size_px, frame_rate=frame_rate
            )
            keep(f"sequences/{seed}.mp4", clip)
    write_keypoints(root / "keypoints.json", coco)
    write_segments(root / "segments.csv", tables)
    return root


def write_video(path: Path, clip: StickClip, *, crf: int = 18) -> None:
    """Write the frames as MP4, whole or not at all; `crf` is libx264's constant quality."""
    height, width = clip.rgb.shape[1:3]
    with (
        atomic_write(path) as stream,
        VideoWriter(
            stream, times=clip.pts_seconds, end_seconds=clip.seconds, width=width, height=height,
            crf=crf,
        ) as writer,
    ):  # fmt: skip
        for rgb in clip.rgb:
            writer.add(rgb)


def segments_of(name: str, clip: StickClip) -> pd.DataFrame:
    """Return the segments of a video with its name before them."""
    table = clip.segments.copy()
    table.insert(0, "video", name)
    return table


def write_segments(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """Write the segments of several videos as one CSV file."""
    with atomic_write(path) as stream:
        text = pd.concat(list(tables)).to_csv(index=False, lineterminator="\n")
        stream.write(text.encode())


def write_keypoints(path: Path, coco: CocoKeypoints) -> None:
    """Write keypoints as JSON, whole or not at all."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(coco.content, separators=(",", ":")).encode())


class CocoKeypoints:
    """COCO's keypoint annotations of videos: one image a frame, one person in it.

    Attributes:
        content: What goes into the JSON file.
    """

    def __init__(self) -> None:
        self.content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [
                {
                    "id": 1,
                    "name": "person",
                    "supercategory": "person",
                    "keypoints": list(COCO_17.keypoints),
                    "skeleton": [[a + 1, b + 1] for a, b in COCO_17.limb_numbers],
                }
            ],
        }

    def add(self, name: str, clip: StickClip) -> None:
        """Add all frames of a video."""
        height, width = clip.rgb.shape[1:3]
        # COCO has zeros for joints that are outside the picture.
        points = np.where(clip.keypoints[..., 2:] > 0, clip.keypoints, 0.0).astype(np.float64)
        for frame, (joints, box) in enumerate(zip(points, clip.boxes.tolist(), strict=True)):
            number = len(self.content["images"]) + 1
            self.content["images"].append(
                {
                    "id": number,
                    "file_name": f"{name}#{frame}",
                    "width": width,
                    "height": height,
                    "frame_index": frame,
                    "time_seconds": round(float(clip.pts_seconds[frame]), 6),
                }
            )
            self.content["annotations"].append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": 1,
                    "keypoints": [
                        v for x, y, s in joints.tolist() for v in (_px(x), _px(y), int(s))
                    ],
                    "num_keypoints": int((joints[:, 2] > 0).sum()),
                    "bbox": [_px(value) for value in box],
                    "area": _px(box[2] * box[3]),
                    "iscrowd": 0,
                }
            )


def _px(value: float) -> float:
    return round(value, 2)
