"""People who are drawn as coloured markers, and SavedModels like MoveNet's that find them.

Each keypoint of each person has a colour of its own, which blending with black leaves as it is: red
against green tells the keypoint, blue the person.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

NUM_KEYPOINTS, NUM_PEOPLE = 17, 6
CONFIDENCE = 0.9
# Blue against all: twice as many steps as people keep it below a half.
_BLUE_STEPS = 2 * NUM_PEOPLE
_BRIGHT = 90.0


def crowd(num_people: int, *, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Place people side by side along the longer side; return ``[P, 17, 2]``, x and y in px."""
    draw = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2)
    cell = (grid[:NUM_KEYPOINTS] + 0.5) / [5, 4]
    people = np.repeat(cell[None], num_people, axis=0)
    longer = 0 if width >= height else 1
    people[..., longer] = (people[..., longer] + np.arange(num_people)[:, None]) / num_people
    return people * [width, height] + draw.uniform(-3, 3, people.shape)


def drawn(people: np.ndarray, *, height: int, width: int, radius_px: float = 10) -> np.ndarray:
    """Draw people ``[P, 17, 2]`` as soft discs, uint8 ``[H, W, 3]``; NaN is not drawn."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    frame = np.zeros((height, width, 3))
    for number, person in enumerate(people):
        blue = (number + 0.5) / _BLUE_STEPS
        for keypoint, (x, y) in enumerate(person):
            red = (keypoint + 0.5) / NUM_KEYPOINTS
            colour = np.array([red * (1 - blue), (1 - red) * (1 - blue), blue])
            light = np.clip(radius_px + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
            frame += 255 * np.nan_to_num(light)[..., None] * colour
    return frame.round().astype(np.uint8)


def write_saved_model(folder: Path, *, side_px: int | None, num_people: int) -> Path:
    """Write a SavedModel with MoveNet's signature that finds markers.

    Args:
        folder: Where to.
        side_px: Height and width of its input; None takes any, as MultiPose does.
        num_people: 1 answers for the first person as SinglePose does, 6 for all as MultiPose.

    Returns:
        The folder.
    """
    tf = pytest.importorskip("tensorflow")
    signature = [tf.TensorSpec([1, side_px, side_px, 3], tf.int32, name="input")]

    def find(input):
        picture = tf.reshape(tf.cast(input, tf.float32), [-1, 3])
        height, width = tf.shape(input)[1], tf.shape(input)[2]
        light = tf.reduce_sum(picture, axis=1)
        tint = picture / tf.maximum(light, 1.0)[:, None]
        keypoint = NUM_KEYPOINTS * tint[:, 0] / tf.maximum(tint[:, 0] + tint[:, 1], 1e-6)
        which = NUM_KEYPOINTS * tf.cast(_BLUE_STEPS * tint[:, 2], tf.int32) + tf.cast(
            tf.minimum(keypoint, NUM_KEYPOINTS - 1.0), tf.int32
        )
        number = NUM_PEOPLE * NUM_KEYPOINTS
        which = tf.where((light > _BRIGHT) & (which < number), which, number)
        place = tf.cast(tf.range(height * width), tf.int32)
        y = (tf.cast(place // width, tf.float32) + 0.5) / tf.cast(height, tf.float32)
        x = (tf.cast(place % width, tf.float32) + 0.5) / tf.cast(width, tf.float32)
        sums = tf.math.unsorted_segment_sum(
            tf.stack([light * y, light * x, light], axis=1), which, number + 1
        )[:number]
        seen = sums[:, 2] > 0
        found = tf.stack(
            [
                sums[:, 0] / tf.maximum(sums[:, 2], 1.0),
                sums[:, 1] / tf.maximum(sums[:, 2], 1.0),
                tf.where(seen, CONFIDENCE, 0.0),
            ],
            axis=1,
        )
        people = tf.reshape(found, [NUM_PEOPLE, NUM_KEYPOINTS, 3])
        if num_people == 1:
            return {"output_0": people[None, :1]}
        box = tf.concat(
            [tf.reduce_min(people[..., :2], axis=1), tf.reduce_max(people[..., :2], axis=1)], axis=1
        )
        score = tf.reduce_mean(people[..., 2], axis=1, keepdims=True)
        values = tf.reshape(people, [NUM_PEOPLE, 3 * NUM_KEYPOINTS])
        return {"output_0": tf.concat([values, box, score], axis=1)[None]}

    module = tf.Module()
    module.find = tf.function(find, input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.find})
    return folder
