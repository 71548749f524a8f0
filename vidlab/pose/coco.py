"""COCO's keypoint JSON, out and in: one image a frame that was looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidlab.core.errors import DatasetError, PredictionsError
from vidlab.core.files import as_path, atomic_write
from vidlab.core.naming import printable
from vidlab.core.skeletons import SKELETONS
from vidlab.pose.poses import Poses, check_poses

_CATEGORY = 1


def to_coco(poses: Poses) -> dict[str, Any]:
    """Return poses as COCO's annotations, which are results as well.

    An image is called ``VIDEO#FRAME``. Beside COCO's own fields an image has ``time_seconds``, and
    an annotation has ``score`` (the mean confidence), ``track_id`` (the person's number) and
    ``confidences`` of the keypoints.

    Raises:
        OptionError: They are no poses.
    """
    check_poses(poses)
    images = [
        {
            "id": place + 1,
            "file_name": f"{poses.video}#{frame}",
            "width": poses.width_px,
            "height": poses.height_px,
            "frame_index": frame,
            "time_seconds": seconds,
        }
        for place, (frame, seconds) in enumerate(
            zip(poses.frame_index.tolist(), poses.time_seconds.tolist(), strict=True)
        )
    ]
    annotations = []
    for number, (place, person, points) in enumerate(
        zip(poses.row.tolist(), poses.person.tolist(), poses.points, strict=True)
    ):
        is_there = np.isfinite(points[:, :2]).all(axis=1) & (points[:, 2] > 0)
        xy = np.where(is_there[:, None], points[:, :2], 0.0).astype(np.float64)
        inside = xy[is_there] if is_there.any() else np.zeros((1, 2))
        left, top = inside.min(axis=0).tolist()
        width, height = np.ptp(inside, axis=0).tolist()
        annotations.append(
            {
                "id": number + 1,
                "image_id": place + 1,
                "category_id": _CATEGORY,
                "track_id": person,
                "keypoints": [
                    value
                    for (x, y), there in zip(xy.tolist(), is_there.tolist(), strict=True)
                    for value in (x, y, 2 if there else 0)
                ],
                "confidences": points[:, 2].astype(np.float64).tolist(),
                "num_keypoints": int(is_there.sum()),
                "bbox": [left, top, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": float(points[:, 2].mean()),
            }
        )
    category = {
        "id": _CATEGORY,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(poses.skeleton.keypoints),
        "skeleton": [[first + 1, second + 1] for first, second in poses.skeleton.limb_numbers],
    }
    return {"images": images, "annotations": annotations, "categories": [category]}


def annotations_for(poses: Poses, truth: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of COCO's annotations that are about the frames that were looked at.

    Frames that nobody looked at are not missed; those on which nobody was found are.

    Args:
        poses: What a model found, also at a lower rate.
        truth: COCO's annotations, such as the ``keypoints.json`` of StickActions.

    Raises:
        DatasetError: None of the images is of this video.
        OptionError: They are no poses.
    """
    check_poses(poses)
    looked_at = {f"{printable(poses.video)}#{frame}" for frame in poses.frame_index.tolist()}
    images = [each for each in truth.get("images", ()) if _name(each) in looked_at]
    if not images:
        raise DatasetError(f"The annotations have no image of {poses.video}.")
    ids = {each["id"] for each in images}
    about = [each for each in truth["annotations"] if each["image_id"] in ids]
    return {**truth, "images": images, "annotations": about}


def results_for(poses: Poses, truth: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return poses as COCO's results about the images of some annotations.

    Images are found by their names, ``VIDEO#FRAME``, with or without folders before them; frames
    that the annotations do not have are left out.

    Args:
        poses: What a model found.
        truth: COCO's annotations, such as the ``keypoints.json`` of StickActions.

    Raises:
        DatasetError: None of the images is of this video.
        OptionError: They are no poses.
    """
    check_poses(poses)
    images = {_name(image): image["id"] for image in truth.get("images", ())}
    own = to_coco(poses)
    image_id = {image["id"]: images.get(_name(image)) for image in own["images"]}
    if all(each is None for each in image_id.values()):
        raise DatasetError(f"The annotations have no image of {poses.video}.")
    return [
        {
            "image_id": image_id[each["image_id"]],
            "category_id": _CATEGORY,
            "keypoints": each["keypoints"],
            "score": each["score"],
        }
        for each in own["annotations"]
        if image_id[each["image_id"]] is not None
    ]


def write_coco(poses: Poses, path: str | os.PathLike[str]) -> Path:
    """Write `to_coco`'s JSON, whole or not at all; return where.

    Raises:
        PredictionsError: The file cannot be written.
    """
    target = as_path(path)
    try:
        with atomic_write(target) as stream:
            stream.write(json.dumps(to_coco(poses)).encode())
    except OSError as error:
        raise PredictionsError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


def from_coco(
    given: Mapping[str, Any] | str | os.PathLike[str], *, video: str | None = None
) -> Poses:
    """Return the poses of one video in COCO's keypoint annotations.

    Args:
        given: The annotations, or the path of their JSON file. An image's frame is its
            ``frame_index``, or what follows ``#`` in its name; its time is ``time_seconds``, or
            NaN.
        video: Whose images to take, by what comes before ``#``; None where there is one video.

    Raises:
        DatasetError: The file cannot be read, lacks a field, or holds several videos or none of
            that name, or keypoints of no skeleton that is known.
    """
    content = _read(given)
    try:
        names = content["categories"][0]["keypoints"]
        known = (each for each in SKELETONS.values() if list(each.keypoints) == list(names))
        skeleton = next(known, None)
        if skeleton is None:
            raise DatasetError(
                f"Keypoints {', '.join(list(names)[:4])}, … are of no skeleton that is known; "
                f"those are {', '.join(SKELETONS)}."
            )
        videos = {image["file_name"].partition("#")[0] for image in content["images"]}
        if video is None and len(videos) != 1:
            raise DatasetError(f"It holds {len(videos)} videos; video= names one of them.")
        name = video if video is not None else videos.pop()
        if video is not None and video not in videos:
            raise DatasetError(f"It holds no video {video!r}; it has {', '.join(sorted(videos))}.")
        images = sorted(
            (each for each in content["images"] if each["file_name"].partition("#")[0] == name),
            key=_frame,
        )
        place = {image["id"]: row for row, image in enumerate(images)}
        people = [each for each in content["annotations"] if each["image_id"] in place]
        people.sort(key=lambda each: (place[each["image_id"]], each.get("track_id", 0), each["id"]))
        rows = np.array([place[each["image_id"]] for each in people], dtype=np.int64)
        points = np.array([each["keypoints"] for each in people], dtype=np.float32)
        points = points.reshape(-1, len(skeleton), 3)
        for which, each in enumerate(people):
            absent = points[which, :, 2] == 0
            points[which, :, 2] = each.get("confidences", np.where(absent, 0.0, 1.0))
            points[which, absent, :2] = np.nan
        return Poses(
            video=name,
            model="coco",
            backend="",
            title="COCO annotations",
            skeleton=skeleton,
            width_px=images[0]["width"],
            height_px=images[0]["height"],
            frame_index=np.array([_frame(each) for each in images], dtype=np.int64),
            time_seconds=np.array([each.get("time_seconds", np.nan) for each in images]),
            row=rows,
            person=_numbers(people, rows),
            points=points,
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, PredictionsError):
            raise
        raise DatasetError(f"These are no COCO keypoint annotations: {error!r}.") from error


def _numbers(people: list[Mapping[str, Any]], rows: np.ndarray) -> np.ndarray:
    """Return ``track_id`` where all have one, else each person's place on its frame."""
    if all("track_id" in each for each in people):
        return np.array([each["track_id"] for each in people], dtype=np.int64)
    return np.arange(len(rows)) - np.searchsorted(rows, rows)


def _name(image: Mapping[str, Any]) -> str:
    """Return ``VIDEO#FRAME`` without folders before it, escaped as in poses that were loaded."""
    return printable(str(image["file_name"])).rpartition("/")[2]


def _frame(image: Mapping[str, Any]) -> int:
    return int(image.get("frame_index", image["file_name"].rpartition("#")[2]))


def _read(given: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    path = as_path(given)
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"Cannot read {str(path)!r} as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{str(path)!r} holds no COCO annotations.")
    return content
