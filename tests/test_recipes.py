"""Recipes against their sources, worked out anew from what the sources say.

Pixels are compared with OpenCV, Pillow, torchvision and TensorFlow used as the sources use them.
"""

from __future__ import annotations

import math
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from arithmetic import ArithmeticModel
from PIL import Image

import vidlab as vl
from vidlab.core.errors import ModelError, OptionError, SamplingError
from vidlab.core.probabilities import softmax
from vidlab.recipes import BLACK, recipe_named

NUM_FRAMES, FPS = 41, 12
SHAPE = (90, 130)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A video whose every frame is another, 41 frames at 12 a second."""
    return write(tmp_path_factory.mktemp("recipes") / "frames.mp4", NUM_FRAMES)


def write(target: Path, num_frames: int) -> Path:
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8), (0, 0), 5)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *SHAPE, "yuv420p"
        for index in range(num_frames):
            part = scene[index : index + SHAPE[0], 2 * index : 2 * index + SHAPE[1]]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(part), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


@pytest.fixture(scope="module")
def frames(path: Path) -> np.ndarray:
    """The decoded frames, uint8 [N, H, W, 3]."""
    return np.stack([frame.rgb for frame in vl.Video(path).frames()])


class Remembering(ArithmeticModel):
    """Keeps what it was given."""

    takes_any_size = True

    def __init__(self, *, size: tuple[int, int] = (32, 48), clips: int = 1, **options) -> None:
        super().__init__(**options)
        from dataclasses import replace

        height, width = size
        own = replace(self.preprocessing, height_px=height, width_px=width)
        self.card = replace(self.card, preprocessing=own, clips_per_video=clips)
        self.preprocessing = own
        self.seen: list[np.ndarray] = []

    def step(self, frames, state):
        self.seen.extend(frames.copy())
        return super().step(frames, state)

    def classify(self, clips):
        self.seen.extend(clips.copy())
        return super().classify(clips)


def run(path: Path, recipe: str, **options) -> tuple[vl.Predictions, list[np.ndarray]]:
    model = Remembering(**options)
    return vl.predict(path, model, recipe=recipe, progress=False), model.seen


def stream_frames(recipe: str, path: Path, **options) -> tuple[list[int], np.ndarray]:
    predictions, seen = run(path, recipe, **options)
    return predictions.frame_index.tolist(), np.stack(seen)


# The loops of both TensorFlow Lite samples: a frame is used where (now - last) * 5 >= 0.9.
def five_a_second() -> list[int]:
    used, last = [], -math.inf
    for index in range(NUM_FRAMES):
        now = index / FPS
        if (now - last) * 5 > 0.9 - 1e-6:
            used.append(index)
            last = now
    return used


def test_tflite_raspberry_pi(path: Path, frames: np.ndarray) -> None:
    used, inputs = stream_frames("tflite-raspberry-pi", path)
    assert used == five_a_second()
    expected = [
        np.float32(cv2.resize(cv2.flip(frames[index], 1), (48, 32)) - 0) / 255 for index in used
    ]
    np.testing.assert_allclose(inputs, expected, atol=1e-6)


def test_tflite_android(path: Path, frames: np.ndarray) -> None:
    used, inputs = stream_frames("tflite-android", path, size=(40, 40))
    assert used == five_a_second()
    side, left = SHAPE[0], (SHAPE[1] - SHAPE[0]) // 2
    for index, got in zip(used, inputs, strict=True):
        square = frames[index][:, left : left + side].astype(np.float32)
        expected = np.rint(cv2.resize(square, (40, 40), interpolation=cv2.INTER_LINEAR)) / 255
        # A half may be rounded either way.
        assert np.abs(got - expected).max() < 1.01 / 255
        assert (np.abs(got - expected) > 1e-5).mean() < 0.01


def test_tfhub_movinet_takes_every_frame(path: Path, frames: np.ndarray) -> None:
    tf = pytest.importorskip("tensorflow")
    used, inputs = stream_frames("tfhub-movinet:corrected", path)
    assert used == list(range(NUM_FRAMES))
    expected = tf.cast(tf.image.resize(frames, (32, 48)), tf.float32).numpy() / 255.0
    np.testing.assert_allclose(inputs, expected, atol=1e-4)


def test_tfhub_movinet_repeats_its_first_answer_unless_corrected(path: Path) -> None:
    faithful, _ = run(path, "tfhub-movinet")
    corrected, _ = run(path, "tfhub-movinet:corrected")
    assert (faithful.logits == corrected.logits[0]).all()
    assert not (corrected.logits[1:] == corrected.logits[0]).all(axis=1).any()


def test_tfhub_movinet_gives_a_base_model_the_whole_video(path: Path) -> None:
    predictions, (clip,) = run(path, "tfhub-movinet", kind="clip")
    assert clip.shape == (NUM_FRAMES, 32, 48, 3)
    assert predictions.frame_index.tolist() == [NUM_FRAMES - 1]


def test_movinet_plot_fits_frames_in(path: Path, frames: np.ndarray) -> None:
    tf = pytest.importorskip("tensorflow")
    used, inputs = stream_frames("movinet-plot", path, size=(48, 48))
    assert used == list(range(NUM_FRAMES))
    expected = tf.image.resize_with_pad(tf.image.convert_image_dtype(frames, tf.float32), 48, 48)
    np.testing.assert_allclose(inputs, expected.numpy(), atol=1e-4)


def test_movinet_transfer_fills_up_with_zeros(path: Path, frames: np.ndarray) -> None:
    tf = pytest.importorskip("tensorflow")
    predictions, (clip,) = run(path, "movinet-transfer", kind="clip")
    assert clip.shape == (8, 224, 224, 3)
    pictures = tf.image.convert_image_dtype(frames[[0, 15, 30]], tf.float32)
    expected = tf.image.resize_with_pad(pictures, 224, 224).numpy()
    np.testing.assert_allclose(clip[:3], expected, atol=1e-4)
    assert not clip[3:].any()
    assert predictions.frame_index.tolist() == [30]


def opencv_input(frames: np.ndarray, *, width: int | None) -> np.ndarray:
    bgr = [np.ascontiguousarray(frame[:, :, ::-1]) for frame in frames]
    if width is not None:  # imutils.resize(frame, width=400)
        height = int(SHAPE[0] * (width / SHAPE[1]))
        bgr = [cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA) for each in bgr]
    mean = (114.7748, 107.7354, 99.4750)
    return cv2.dnn.blobFromImages(bgr, 1.0, (32, 32), mean, swapRB=True, crop=True)


@pytest.mark.parametrize(
    ("recipe", "width", "hop", "count"),
    [
        ("opencv-activity-batch", 400, 16, 2),
        ("opencv-sample", None, 16, 2),
        ("opencv-activity-rolling", 400, 1, NUM_FRAMES - 15),
    ],
)
def test_opencv_activity_recognition(
    recipe: str, width: int | None, hop: int, count: int, path: Path, frames: np.ndarray
) -> None:
    predictions, clips = run(path, recipe, kind="clip", num_frames=16, size=(32, 32))
    assert predictions.frame_index.tolist() == [15 + k * hop for k in range(count)]
    assert predictions.clip_start is not None
    assert predictions.clip_start.tolist() == [k * hop for k in range(count)]
    prepared = opencv_input(frames, width=width).transpose(0, 2, 3, 1)
    for number, clip in enumerate(clips):
        np.testing.assert_allclose(clip, prepared[number * hop : number * hop + 16], atol=1e-4)


@pytest.mark.parametrize("recipe", ["opencv-activity-batch", "opencv-sample"])
def test_the_tail_is_dropped_unless_corrected(recipe: str, path: Path) -> None:
    model = Remembering(kind="clip", num_frames=16)
    video = vl.Video(path)
    faithful = recipe_named(recipe).clips(video, model.card)
    corrected = recipe_named(recipe + ":corrected").clips(video, model.card)
    assert len(faithful) == 2
    assert corrected[2].tolist() == [*range(32, 41), *[40] * 7]


def test_3d_resnets_loops_the_tail(path: Path, frames: np.ndarray) -> None:
    predictions, clips = run(path, "3d-resnets", kind="clip", num_frames=16)
    assert predictions.frame_index.tolist() == [15, 31, 40]
    width = int(112 * SHAPE[1] / SHAPE[0])
    left = round((width - 112) / 2)
    order = [*range(32, 41), *range(32, 39)]
    for got, index in zip(clips[2], order, strict=True):
        picture = Image.fromarray(frames[index]).resize((width, 112), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture.crop((left, 0, left + 112, 112)), dtype=np.float32) / 255
        expected = (pixels - [0.4345, 0.4051, 0.3775]) / [0.2768, 0.2713, 0.2737]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(("fps", "num_frames", "clips"), [(15.0, 16, 5), (7.5, 16, 5), (6.0, 8, 3)])
def test_torchvision_spreads_its_clips(fps: float, num_frames: int, clips: int, path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = Remembering(kind="clip", num_frames=num_frames, frame_rate=fps, clips=clips)
    got = recipe_named("torchvision").clips(vl.Video(path), model.card)
    expected = uniform_clips_of(torch, NUM_FRAMES, fps=fps, num_frames=num_frames, clips=clips)
    assert [clip.tolist() for clip in got] == expected


def uniform_clips_of(torch, total: int, *, fps: float, num_frames: int, clips: int) -> list:
    """VideoClips: frames at the new rate, a clip from each of them; then UniformClipSampler."""
    step = FPS / fps
    if step.is_integer():
        kept = np.arange(total)[:: int(step)]
    else:
        count = math.floor(total * fps / FPS)
        kept = (torch.arange(count, dtype=torch.float32) * step).floor().to(torch.int64).numpy()
    every = [kept[start : start + num_frames] for start in range(len(kept) - num_frames + 1)]
    chosen = torch.linspace(0, len(every) - 1, steps=clips).floor().to(torch.int64)
    return [every[at].tolist() for at in chosen]


@pytest.mark.parametrize(
    ("total", "fps", "num_frames", "clips", "weights"),
    [
        (15, 15.0, 16, 5, [2, 2, 1]),
        (18, 15.0, 16, 5, [1] * 5),  # two clips end on one frame: some come twice at 15 a second
        (13, 15.0, 16, 5, [5]),
        (28, 15.0, 32, 12, [4, 4, 3, 1]),
        (26, 7.5, 16, 5, [5]),
    ],
)
def test_torchvisions_mean_is_over_all_its_clips(
    total: int, fps: float, num_frames: int, clips: int, weights: list, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    video = vl.Video(write(tmp_path / "short.mp4", total))
    model = Remembering(kind="clip", num_frames=num_frames, frame_rate=fps, clips=clips)
    predictions = vl.predict(video, model, recipe="torchvision", progress=False)
    assert len(predictions) == clips
    assert len(model.seen) == len(weights)  # a clip that comes again is computed once
    chosen = uniform_clips_of(torch, total, fps=fps, num_frames=num_frames, clips=clips)
    assert [chosen.count(each) for each in map(list, dict.fromkeys(map(tuple, chosen)))] == weights
    pictures = np.stack([model.preprocessing(frame.rgb) for frame in video.frames()])
    expected = softmax(model.classify(pictures[np.array(chosen)])).mean(axis=0)
    average = predictions.average()[list(predictions.labels)]
    np.testing.assert_allclose(average.to_numpy(), expected, rtol=1e-6)
    predictions.save(tmp_path / "p.parquet")
    again = vl.Predictions.load(tmp_path / "p.parquet")
    np.testing.assert_array_equal(again.average(), predictions.average())
    np.testing.assert_array_equal(again.clip_start, predictions.clip_start)


def test_torchvision_refuses_a_video_that_is_too_short(path: Path) -> None:
    model = Remembering(kind="clip", num_frames=64, frame_rate=15.0)
    with pytest.raises(SamplingError, match="too few for one clip"):
        vl.predict(path, model, recipe="torchvision", progress=False)


def test_every_recipe_runs_on_the_kinds_it_is_for(path: Path) -> None:
    for _, row in vl.list_recipes().iterrows():
        recipe = recipe_named(row["recipe"])
        for kind in ("stream", "clip", "frame"):
            model = Remembering(kind=kind, num_frames=16, frame_rate=6.0)
            if kind in recipe.kinds:
                predictions = vl.predict(path, model, recipe=recipe, progress=False)
                assert len(predictions)
                assert predictions.made_by["sampling"] == {"recipe": recipe.name}
            else:
                with pytest.raises(OptionError, match="is for"):
                    vl.predict(path, model, recipe=recipe, progress=False)


def test_names_that_are_none_are_refused(path: Path) -> None:
    with pytest.raises(OptionError, match="Did you mean 'tfhub-movinet'"):
        recipe_named("tfhub-movinets")
    for name in ("3d-resnets:corrected", "tflite-raspberry-pi:corrected"):
        with pytest.raises(OptionError, match="nothing to correct"):
            recipe_named(name)
    with pytest.raises(OptionError, match="fps and hop go without"):
        vl.predict(path, Remembering(), recipe="tfhub-movinet", fps=5, progress=False)


def test_a_model_of_a_fixed_size_says_so(path: Path) -> None:
    model = ArithmeticModel(kind="clip", num_frames=16)
    with pytest.raises(ModelError, match="8x8 px only"):
        vl.predict(path, model, recipe="3d-resnets", progress=False)


@pytest.mark.parametrize("side", [None, 8])
def test_a_savedmodel_takes_the_sizes_that_its_signature_says(
    side: int | None, path: Path, tmp_path: Path
) -> None:
    tf = pytest.importorskip("tensorflow")
    from vidlab.models.backends.tfhub_backend import TFHubModel, load_module

    spec = tf.TensorSpec([None, None, side, side, 3], tf.float32, name="image")

    class Brightness(tf.Module):
        @tf.function(input_signature=[{"image": spec}])
        def __call__(self, inputs):
            return tf.reduce_mean(inputs["image"], axis=[1, 2, 3])

    module = Brightness()
    serving = tf.function(
        lambda image: {"classifier_head": module({"image": image})}, input_signature=[spec]
    )
    tf.saved_model.save(module, str(tmp_path / "saved"), serving)
    known = ArithmeticModel(kind="clip", num_classes=3)
    model = TFHubModel(
        load_module(tmp_path / "saved", num_threads=1), card=known.card, variant="float",
        labels=known.labels, provenance=known.provenance, num_threads=1, selection=known.selection,
    )  # fmt: skip
    if side is None:
        assert len(vl.predict(path, model, recipe="movinet-transfer", progress=False)) == 1
    else:
        with pytest.raises(ModelError, match="8x8 px only"):
            vl.predict(path, model, recipe="movinet-transfer", progress=False)


def test_probabilities_of_clips_average(path: Path) -> None:
    predictions, _ = run(path, "3d-resnets", kind="clip", num_frames=16)
    average = predictions.average()
    expected = softmax(predictions.logits).mean(axis=0)
    assert average.index.tolist() == [predictions.labels[i] for i in np.argsort(-expected)]
    np.testing.assert_allclose(average.to_numpy(), np.sort(expected)[::-1], rtol=1e-6)
    assert BLACK == -1
